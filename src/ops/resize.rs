//! Pooling, and bilinear resizing with half-pixel centres.

use burn::backend::Dispatch;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor, TensorData};

use super::has_kernel_for;
use super::kernels::Kernels;

/// Mean of 2x2 pixels, which is bilinear resizing to half the side: `[B,C,H,W]` -> `[B,C,H/2,W/2]`, H and W even. See `tests/ops.rs`.
pub fn avg_pool2x2(x: Tensor<4>) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[3]) {
        return avg_pool2x2_reference(x);
    }
    Tensor::from_dispatch(Dispatch::avg_pool2x2(x.into_dispatch()))
}

/// [`avg_pool2x2`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn avg_pool2x2_reference(x: Tensor<4>) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// Maximum of 2x2 pixels: `[B,C,H,W]` -> `[B,C,H/2,W/2]`. An odd last row or column is dropped. See `tests/ops.rs`.
pub fn max_pool2x2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if height % 2 + width % 2 > 0 || !has_kernel_for(&x.device(), width) {
        return max_pool2x2_reference(x);
    }
    Tensor::from_dispatch(Dispatch::max_pool2x2(x.into_dispatch()))
}

/// [`max_pool2x2`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn max_pool2x2_reference(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// Bilinear resizing to twice the side: `[B,C,H,W]` -> `[B,C,2H,2W]`. See `tests/ops.rs`.
///
/// Along each axis `y[2i] = (x[i-1] + 3 x[i]) / 4` and `y[2i+1] = (3 x[i] + x[i+1]) / 4`, indices clamped.
pub fn upsample2x(x: Tensor<4>) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[3]) {
        return upsample2x_reference(x);
    }
    Tensor::from_dispatch(Dispatch::upsample2x(x.into_dispatch()))
}

/// [`upsample2x`] of x and y concatenated along their channels: `[B,X,H,W]` and `[B,Y,H,W]` -> `[B,X+Y,2H,2W]`. See `tests/ops.rs`.
pub fn upsample2x_concat([x, y]: [Tensor<4>; 2]) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[3]) {
        return upsample2x(Tensor::cat(vec![x, y], 1));
    }
    Tensor::from_dispatch(Dispatch::upsample2x_concat(
        x.into_dispatch(),
        y.into_dispatch(),
    ))
}

/// [`upsample2x`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn upsample2x_reference(x: Tensor<4>) -> Tensor<4> {
    upsample_axis::<2>(upsample_axis::<3>(x))
}

fn upsample_axis<const AXIS: usize>(x: Tensor<4>) -> Tensor<4> {
    let mut shape = x.dims();
    let n = shape[AXIS];
    let first = x.clone().narrow(AXIS, 0, 1);
    let last = x.clone().narrow(AXIS, n - 1, 1);
    let (before, after) = if n == 1 {
        (first, last)
    } else {
        (
            Tensor::cat(vec![first, x.clone().narrow(AXIS, 0, n - 1)], AXIS),
            Tensor::cat(vec![x.clone().narrow(AXIS, 1, n - 1), last], AXIS),
        )
    };
    let x = x * 0.75;
    let even = x.clone() + before * 0.25;
    let odd = x + after * 0.25;
    shape[AXIS] = 2 * n;
    Tensor::stack::<5>(vec![even, odd], AXIS + 1).reshape(shape)
}

/// Bilinear resizing with half-pixel centres and without antialiasing: `[B,C,H,W]` -> `[B,C,size,size]`. See `tests/ops.rs`.
pub fn resize(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if [height, width] == [2 * size; 2] {
        return avg_pool2x2(x);
    }
    resize_axis::<3>(resize_axis::<2>(x, size), size)
}

/// `y[i] = (1 - s) x[low] + s x[low + 1]`, where `low + s = (i + 1/2) from / to - 1/2`, clamped.
fn resize_axis<const AXIS: usize>(x: Tensor<4>, to: usize) -> Tensor<4> {
    let from = x.dims()[AXIS];
    if from == to {
        return x;
    }
    let last = (from - 1) as f64;
    let at = |i: usize| ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, last);
    let device = x.device();
    let neighbour = |step: usize| {
        let values: Vec<i32> = (0..to)
            .map(|i| (at(i) as usize + step).min(from - 1) as i32)
            .collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(values, [to]), &device);
        x.clone().select(AXIS, indices)
    };
    let mut shape = [1; 4];
    shape[AXIS] = to;
    let shares: Vec<f32> = (0..to).map(|i| at(i).fract() as f32).collect();
    let shares = Tensor::<4>::from_data(TensorData::new(shares, shape), &device);
    neighbour(0) * (1.0 - shares.clone()) + neighbour(1) * shares
}
