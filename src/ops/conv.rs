//! 3x3 convolution with padding 1: nearly all arithmetic of a training step.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};

use super::cpu::job::ConvKind;
use super::kernels::Kernels;
use super::{KernelBackend, has_kernel_for, kernel_backend};

/// `y[b,o,r,c] = bias[o] + sum over i, dr, dc in -1..=1 of weight[o,i,dr+1,dc+1] x[b,i,r+dr,c+dc]`, zero outside.
///
/// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H,W]`. See `tests/ops.rs`.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    if kernel_backend(&x.device()) == KernelBackend::Reference {
        return conv3x3_reference(x, weight, bias);
    }
    convolve(x, weight, bias, 1.0, ConvKind::Same3x3)
}

/// [`leaky_relu`](super::leaky_relu) of [`conv3x3`]. A slope of 0 is ReLU, a slope of 1 the identity. See `tests/ops.rs`.
pub fn conv3x3_leaky(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, slope: f64) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return super::leaky_relu(conv3x3(x, weight, bias), slope);
    }
    convolve(x, weight, bias, slope, ConvKind::Same3x3)
}

/// [`conv3x3_leaky`] of x and y concatenated along their channels, without making the concatenation on a GPU.
///
/// `x` `[B,X,H,W]`, `y` `[B,Y,H,W]`, `weight` `[O,X+Y,3,3]`, `bias` `[O]` -> `[B,O,H,W]`. See `tests/ops.rs`.
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

/// Runs [`Kernels::convolve`].
fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    slope: f64,
    kind: ConvKind,
) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::convolve(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        slope,
        kind,
    ))
}

/// [`conv3x3`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn conv3x3_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    conv2d(x, weight, Some(bias), options())
}

/// Stride 1, padding 1, as Burn's `conv2d` takes them.
pub(super) fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

/// [`avg_pool2x2`](super::avg_pool2x2) of [`conv3x3`]; on the CPU with 4/9 of its multiplications.
///
/// The mean of 2x2 neighbouring outputs is one output of a 4x4 convolution with stride 2 and padding 1, whose kernel is the mean of
/// the 3x3 kernel at the four offsets: `w4[a,b] = (w3[a,b] + w3[a-1,b] + w3[a,b-1] + w3[a-1,b-1]) / 4`.
///
/// `x` `[B,I,H,W]` with even H and W, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H/2,W/2]`. See `tests/ops.rs`.
pub fn conv3x3_avg_pool(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    if kernel_backend(&x.device()) != KernelBackend::Cpu {
        return super::avg_pool2x2(conv3x3(x, weight, bias));
    }
    let shifted = |top, left| weight.clone().pad((left, 1 - left, top, 1 - top), 0.0); // [O,I,4,4]
    let weight = (shifted(0, 0) + shifted(0, 1) + shifted(1, 0) + shifted(1, 1)) * 0.25;
    convolve(x, weight, bias, 1.0, ConvKind::AvgPool4x4Stride2)
}

/// [`conv3x3_avg_pool`] in Burn's operations, in two steps; `tests/ops.rs` compares the two.
pub fn conv3x3_avg_pool_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    super::avg_pool2x2_reference(conv3x3_reference(x, weight, bias))
}
