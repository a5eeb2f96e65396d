//! Heatmaps and keypoints on the CPU; `autolink::ops::softmax` and `expectation` have the formulas.

use super::exp::exp;
use super::for_each_piece;

/// Scores -> heatmaps, `[..,H,W]` both, with `pixels = H W`.
pub fn softmax(x: &[f32], pixels: usize) -> Vec<f32> {
    let mut heatmaps = vec![0.0; x.len()];
    for_each_piece(&mut heatmaps, pixels, |plane, heatmap| {
        let x = &x[plane * pixels..][..pixels];
        let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = x.iter().map(|x| exp(f64::from(x - largest))).collect();
        let share = 1.0 / sum(&powers);
        for (p, power) in heatmap.iter_mut().zip(powers) {
            *p = (power * share) as f32;
        }
    });
    heatmaps
}

/// Sums in double precision, so that only the result is rounded, and in lanes, so that the compiler can use vectors.
fn sum(values: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    for values in values.chunks(LANES) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums.iter().sum()
}

/// Sums products as [`sum`] does, and rounds the result.
fn sum_of_products(x: &[f32], y: &[f32]) -> f32 {
    let products: Vec<f64> = (x.iter().zip(y))
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .collect();
    sum(&products) as f32
}

/// Gradient of [`softmax`] from its output p: `dx = p (dy - sum of p dy)`
pub fn softmax_gradient(heatmaps: &[f32], dy: &[f32], pixels: usize) -> Vec<f32> {
    let mut dx = vec![0.0; dy.len()];
    for_each_piece(&mut dx, pixels, |plane, dx| {
        let heatmap = &heatmaps[plane * pixels..][..pixels];
        let dy = &dy[plane * pixels..][..pixels];
        let mean = sum_of_products(heatmap, dy);
        for ((dx, p), dy) in dx.iter_mut().zip(heatmap).zip(dy) {
            *dx = p * (dy - mean);
        }
    });
    dx
}

/// Heatmaps `[..,H,W]` -> keypoints `[..,2]`.
pub fn expectation(heatmaps: &[f32], height: usize, width: usize) -> Vec<f32> {
    let pixels = height * width;
    let positions = positions(height, width);
    let mut keypoints = vec![0.0; heatmaps.len() / pixels * 2];
    for (keypoint, heatmap) in (keypoints.chunks_exact_mut(2)).zip(heatmaps.chunks_exact(pixels)) {
        for (coordinate, positions) in keypoint.iter_mut().zip(&positions) {
            *coordinate = sum_of_products(heatmap, positions);
        }
    }
    keypoints
}

/// Gradient of [`expectation`], `dy_row row + dy_col col` at each pixel: `dy` `[..,2]` -> `[..,H,W]`.
pub fn expectation_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let pixels = height * width;
    let [rows, columns] = &positions(height, width);
    let mut heatmap_grads = vec![0.0; dy.len() / 2 * pixels];
    for (heatmap_grad, dy) in (heatmap_grads.chunks_exact_mut(pixels)).zip(dy.chunks_exact(2)) {
        for ((grad, row), column) in heatmap_grad.iter_mut().zip(rows).zip(columns) {
            *grad = dy[0] * row + dy[1] * column;
        }
    }
    heatmap_grads
}

/// Returns (row, col) of each pixel, `[H,W,2]`, corner pixels at -1 and 1.
pub fn pixel_positions(height: usize, width: usize) -> Vec<f32> {
    let [rows, columns] = positions(height, width);
    let pixels = rows.into_iter().zip(columns);
    pixels.flat_map(<[f32; 2]>::from).collect()
}

/// Returns the rows and the columns of all pixels, `[H,W]` each, corner pixels at -1 and 1.
fn positions(height: usize, width: usize) -> [Vec<f32>; 2] {
    let at = |i: usize, n: usize| (2.0 * i as f64 / (n - 1) as f64 - 1.0) as f32;
    let each = |f: &dyn Fn(usize, usize) -> f32| {
        (0..height)
            .flat_map(|r| (0..width).map(move |c| (r, c)))
            .map(|(r, c)| f(r, c))
            .collect()
    };
    [each(&|r, _| at(r, height)), each(&|_, c| at(c, width))]
}
