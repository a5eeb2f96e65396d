//! The edge map: every pair of keypoints drawn as a line segment, as bright as its edge weight.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::cpu::edge_map::LENGTH_EPSILON;
use super::has_map_kernel_for;
use super::kernels::Kernels;

/// Draws the edge map (AutoLink, eq. 2 and 3):
/// `S(p) = max over edges i < j of w_ij exp(-d_ij(p)^2 / thickness)`, with `d_ij(p)` the distance of p to the segment from i to j.
///
/// `keypoints` `[B,K,2]` (row, col) in `[-1, 1]`, `edge_weights` `[K,K]` (the upper triangle is read) -> `[B,1,size,size]`,
/// whose corner pixels lie at -1 and 1. See `tests/ops.rs`.
pub fn edge_map(
    keypoints: Tensor<3>,
    edge_weights: Tensor<2>,
    size: usize,
    thickness: f64,
) -> Tensor<4> {
    if !has_map_kernel_for(&keypoints.device(), size) {
        return edge_map_reference(keypoints, edge_weights, size, thickness);
    }
    let (keypoints, edge_weights) = (keypoints.into_dispatch(), edge_weights.into_dispatch());
    Tensor::from_dispatch(Dispatch::edge_map(keypoints, edge_weights, size, thickness))
}

/// [`edge_map`] in Burn's operations, with memory for `[B,E,size,size]` of all E edges; `tests/ops.rs` compares the two.
pub fn edge_map_reference(
    keypoints: Tensor<3>,
    edge_weights: Tensor<2>,
    size: usize,
    thickness: f64,
) -> Tensor<4> {
    let [batch, count, _] = keypoints.dims();
    let device = keypoints.device();
    let pairs: Vec<(usize, usize)> = (0..count)
        .flat_map(|i| (i + 1..count).map(move |j| (i, j)))
        .collect();
    let edges = pairs.len();
    let indices = |end: fn(&(usize, usize)) -> usize| {
        let values: Vec<i32> = pairs.iter().map(|pair| end(pair) as i32).collect();
        Tensor::<1, Int>::from_data(TensorData::new(values, [edges]), &device)
    };
    let a = keypoints.clone().select(1, indices(|pair| pair.0)); // [B,E,2]
    let b = keypoints.select(1, indices(|pair| pair.1)); // [B,E,2]
    let weights: Tensor<4> = edge_weights
        .reshape([count * count])
        .select(0, {
            let flat: Vec<i32> = pairs.iter().map(|(i, j)| (i * count + j) as i32).collect();
            Tensor::<1, Int>::from_data(TensorData::new(flat, [edges]), &device)
        })
        .reshape([1, edges, 1, 1]);

    let ab = b - a.clone(); // [B,E,2]
    let length_squared = ab
        .clone()
        .powi_scalar(2)
        .sum_dim(2)
        .reshape([batch, edges, 1, 1]);
    let axis =
        |tensor: &Tensor<3>, k: usize| tensor.clone().narrow(2, k, 1).reshape([batch, edges, 1, 1]);
    let grid = pixel_coordinates(size, &device);
    let row = grid.clone().reshape([1, 1, size, 1]) - axis(&a, 0); // p - a, [B,E,S,1]
    let col = grid.reshape([1, 1, 1, size]) - axis(&a, 1); // [B,E,1,S]

    // t: position of the nearest point along the segment, in [0, 1].
    let t = (row.clone() * axis(&ab, 0) + col.clone() * axis(&ab, 1))
        / (length_squared + LENGTH_EPSILON);
    let t = t.clamp(0.0, 1.0); // [B,E,S,S]
    let row = row - t.clone() * axis(&ab, 0);
    let col = col - t * axis(&ab, 1);
    let distance_squared = row.powi_scalar(2) + col.powi_scalar(2);
    let drawn = (distance_squared * (-1.0 / thickness)).exp() * weights; // [B,E,S,S]
    drawn.max_dim(1) // [B,1,S,S]
}

/// Coordinates of a row or column of pixels, `[size]` from -1 to 1.
fn pixel_coordinates(size: usize, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = (0..size)
        .map(|i| (2.0 * i as f64 / (size - 1) as f64 - 1.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [size]), device)
}
