//! Scores to heatmaps, and heatmaps to keypoints.

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::cpu::heatmap;
use super::has_map_kernel_for;
use super::kernels::Kernels;

/// `heatmap = exp(score) / sum over pixels of exp(score)` for each keypoint: `[B,K,h,w]` -> `[B,K,h,w]`. See
/// `tests/ops.rs`.
pub fn softmax(scores: Tensor<4>) -> Tensor<4> {
    if !has_map_kernel_for(&scores.device(), scores.dims()[3]) {
        return softmax_reference(scores);
    }
    Tensor::from_dispatch(Dispatch::softmax_planes(scores.into_dispatch()))
}

/// [`softmax`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn softmax_reference(scores: Tensor<4>) -> Tensor<4> {
    let [batch, count, height, width] = scores.dims();
    activation::softmax(scores.reshape([batch, count, height * width]), 2)
        .reshape([batch, count, height, width])
}

/// `keypoint = sum over pixels p of heatmap(p) p`: `[B,K,h,w]` -> `[B,K,2]` (row, col), corner pixels at -1 and 1. See
/// `tests/ops.rs`.
pub fn expectation(heatmaps: Tensor<4>) -> Tensor<3> {
    if !has_map_kernel_for(&heatmaps.device(), heatmaps.dims()[3]) {
        return expectation_reference(heatmaps);
    }
    Tensor::from_dispatch(Dispatch::expectation(heatmaps.into_dispatch()))
}

/// [`expectation`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn expectation_reference(heatmaps: Tensor<4>) -> Tensor<3> {
    let [batch, count, height, width] = heatmaps.dims();
    let positions = pixel_positions(height, width, &heatmaps.device()); // [hw,2]
    let heatmaps = heatmaps.reshape([batch, count, height * width]);
    let mean = |axis| {
        let positions = positions.clone().narrow(1, axis, 1);
        (heatmaps.clone() * positions.reshape([1, 1, height * width])).sum_dim(2) // [B,K,1]
    };
    Tensor::cat(vec![mean(0), mean(1)], 2)
}

/// Returns (row, col) of each pixel, row by row, corner pixels at -1 and 1: `[h w, 2]`. See `Detection::confidence` for a use.
pub fn pixel_positions(height: usize, width: usize, device: &Device) -> Tensor<2> {
    let pixels = heatmap::pixel_positions(height, width);
    Tensor::from_data(TensorData::new(pixels, [height * width, 2]), device)
}
