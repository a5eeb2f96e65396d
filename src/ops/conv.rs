//! 3x3 convolution with padding 1: nearly all of the arithmetic.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

use super::kernels::Kernels;
use super::{KernelBackend, has_kernel_for, kernel_backend};

/// `y[b,o,r,c] = bias[o] + sum over i, dr, dc in -1..=1 of weight[o,i,dr+1,dc+1] x[b,i,r+dr,c+dc]`, zero outside.
///
/// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H,W]`.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    if kernel_backend(&x.device()) == KernelBackend::Reference {
        return conv3x3_reference(x, weight, bias);
    }
    convolve(x, weight, bias, 1.0, false)
}

/// [`leaky_relu`](super::leaky_relu) of [`conv3x3`]; a slope of 0 is ReLU, of 1 nothing.
pub fn conv3x3_leaky(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, slope: f64) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return super::leaky_relu(conv3x3(x, weight, bias), slope);
    }
    convolve(x, weight, bias, slope, false)
}

/// [`conv3x3_leaky`] of the channels of x and, behind them, those of y: `x` `[B,X,H,W]`, `y` `[B,Y,H,W]`, `weight` `[O,X+Y,3,3]`,
/// `bias` `[O]` -> `[B,O,H,W]`.
pub fn conv3x3_concat(
    [x, y]: [Tensor<4>; 2],
    weight: Tensor<4>,
    bias: Tensor<1>,
    slope: f64,
) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return conv3x3_leaky(Tensor::cat(vec![x, y], 1), weight, bias, slope);
    }
    Tensor::from_dispatch(Dispatch::convolve_concat(
        x.into_dispatch(),
        y.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        slope,
    ))
}

/// By the kernels.
fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    slope: f64,
    halving: bool,
) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::convolve(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        slope,
        halving,
    ))
}

/// [`conv3x3`] by burn.
pub fn conv3x3_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    conv2d(x, weight, Some(bias), options())
}

/// What burn calls it.
pub(super) fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

/// [`avg_pool2x2`](super::avg_pool2x2) of [`conv3x3`], in 4/9 of the arithmetic.
///
/// The mean of four neighbouring outputs is one output of a 4x4 kernel, the mean of the 3x3 kernel
/// at its four places, with stride 2 and padding 1: `w4[a,b] = (w3[a,b] + w3[a-1,b] + w3[a,b-1] + w3[a-1,b-1]) / 4`.
///
/// `x` `[B,I,H,W]` with even H and W, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H/2,W/2]`.
pub fn conv3x3_avg_pool(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    if kernel_backend(&x.device()) != KernelBackend::Cpu {
        return super::avg_pool2x2(conv3x3(x, weight, bias));
    }
    let placed = |top, left| weight.clone().pad((left, 1 - left, top, 1 - top), 0.0); // [O,I,4,4]
    let weight = (placed(0, 0) + placed(0, 1) + placed(1, 0) + placed(1, 1)) * 0.25;
    convolve(x, weight, bias, 1.0, true)
}

/// [`conv3x3_avg_pool`] as it is defined.
pub fn conv3x3_avg_pool_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    super::avg_pool2x2_reference(conv3x3_reference(x, weight, bias))
}
