//! Heatmaps and where they point, on the CPU; `crate::ops::softmax` and `expectation` have the formulas.

use super::exp::exp;
use super::for_each_piece;

/// Scores `[..,H,W]`, planes of so many pixels -> heatmaps.
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

/// In double precision, so that only the result is rounded, and in as many lanes as make vectors of it.
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

/// See [`sum`].
fn sum_of_products(x: &[f32], y: &[f32]) -> f32 {
    let products: Vec<f64> = (x.iter().zip(y))
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .collect();
    sum(&products) as f32
}

/// The gradient of [`softmax`], by its output: `dx = p (dy - sum of p dy)`
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

/// The gradient of [`expectation`]: `dy` `[..,2]` -> `[..,H,W]`.
pub fn expectation_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let pixels = height * width;
    let [rows, columns] = &positions(height, width);
    let mut by_heatmaps = vec![0.0; dy.len() / 2 * pixels];
    for (by_heatmap, dy) in (by_heatmaps.chunks_exact_mut(pixels)).zip(dy.chunks_exact(2)) {
        for ((by_pixel, row), column) in by_heatmap.iter_mut().zip(rows).zip(columns) {
            *by_pixel = dy[0] * row + dy[1] * column;
        }
    }
    by_heatmaps
}

/// (row, col) of each pixel, `[H,W,2]`, corner pixels at -1 and 1.
pub fn pixel_positions(height: usize, width: usize) -> Vec<f32> {
    let [rows, columns] = positions(height, width);
    let pixels = rows.into_iter().zip(columns);
    pixels.flat_map(<[f32; 2]>::from).collect()
}

/// Row and column of each pixel, `[H,W]` each, corner pixels at -1 and 1.
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
