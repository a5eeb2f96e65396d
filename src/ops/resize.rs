//! Bilinear resizing with half-pixel centres.

use burn::backend::Dispatch;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor, TensorData};

use super::kernels::Kernels;
use super::serves;

/// Half the size: bilinear at exactly 0.5x is the mean of 2x2 pixels. `[B,C,H,W]` -> `[B,C,H/2,W/2]`, even H and W.
pub fn halve(x: Tensor<4>) -> Tensor<4> {
    if !serves(&x.device(), x.dims()[3]) {
        return halve_reference(x);
    }
    Tensor::from_dispatch(Dispatch::halve(x.into_dispatch()))
}

/// [`halve`] by burn.
pub fn halve_reference(x: Tensor<4>) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// Half the size: the maximum of 2x2 pixels. `[B,C,H,W]` -> `[B,C,H/2,W/2]`; an odd last row or column is left out.
pub fn max_halve(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if height % 2 + width % 2 > 0 || !serves(&x.device(), width) {
        return max_halve_reference(x);
    }
    Tensor::from_dispatch(Dispatch::max_halve(x.into_dispatch()))
}

/// [`max_halve`] by burn.
pub fn max_halve_reference(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// Twice the size. `[B,C,H,W]` -> `[B,C,2H,2W]`.
///
/// Along each axis `y[2i] = (x[i-1] + 3 x[i]) / 4` and `y[2i+1] = (3 x[i] + x[i+1]) / 4`, indices clamped.
pub fn double(x: Tensor<4>) -> Tensor<4> {
    if !serves(&x.device(), x.dims()[3]) {
        return double_reference(x);
    }
    Tensor::from_dispatch(Dispatch::double(x.into_dispatch()))
}

/// [`double`] of the channels of x and, behind them, those of y: `[B,X,H,W]` and `[B,Y,H,W]` -> `[B,X+Y,2H,2W]`.
pub fn double_two([x, y]: [Tensor<4>; 2]) -> Tensor<4> {
    if !serves(&x.device(), x.dims()[3]) {
        return double(Tensor::cat(vec![x, y], 1));
    }
    Tensor::from_dispatch(Dispatch::double_two(x.into_dispatch(), y.into_dispatch()))
}

/// [`double`] in plain tensor operations.
pub fn double_reference(x: Tensor<4>) -> Tensor<4> {
    double_axis::<2>(double_axis::<3>(x))
}

fn double_axis<const AXIS: usize>(x: Tensor<4>) -> Tensor<4> {
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

/// Bilinear resizing to `size`, half-pixel centres, no smoothing. `[B,C,H,W]` -> `[B,C,size,size]`.
pub fn resize(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if [height, width] == [2 * size; 2] {
        return halve(x);
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
    let beside = |step: usize| {
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
    beside(0) * (1.0 - shares.clone()) + beside(1) * shares
}
