//! Bilinear resizing with half-pixel centres.

use burn::backend::Dispatch;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};

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

/// The matrix of bilinear resizing along one axis, `[to, from]`: `y = M x`, half-pixel centres, clamped, no smoothing.
///
/// Output i lies at `(i + 1/2) from / to - 1/2` of the input.
pub fn resize_matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0f32; to * from];
    for i in 0..to {
        let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64);
        let low = at.floor() as usize;
        let high = (low + 1).min(from - 1);
        let share = (at - low as f64) as f32;
        matrix[i * from + low] += 1.0 - share;
        matrix[i * from + high] += share;
    }
    Tensor::from_data(TensorData::new(matrix, [to, from]), device)
}

/// Bilinear resizing to `size`, half-pixel centres: rows, then columns, each a matrix product.
///
/// `[B,C,H,W]` -> `[B,C,size,size]`; unchanged where it already has that size.
pub fn resize(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if height == size && width == size {
        return x;
    }
    let device = x.device();
    let rows = resize_matrix(height, size, &device).unsqueeze::<4>(); // [1,1,size,H]
    let columns = resize_matrix(width, size, &device)
        .transpose()
        .unsqueeze::<4>(); // [1,1,W,size]
    rows.matmul(x).matmul(columns)
}
