//! Parts of the object: spectral clustering of its edge weights.

use super::choose::k_means;

/// Cuts the skeleton into `k` parts; returns the part of each keypoint, `[K]`, numbered by their first keypoint from 0 on. `weights` are
/// the edge weights `[K][K]`, symmetric and not negative.
///
/// Keypoints are clustered in the `k` eigenvectors of `D^-1/2 W D^-1/2` with the largest eigenvalues (Ng, Jordan and Weiss 2001).
pub fn parts(weights: &[Vec<f32>], k: usize) -> Vec<usize> {
    let n = weights.len();
    let k = k.clamp(1, n.max(1));
    let weight = |i: usize, j: usize| match i == j {
        true => 0.0,
        false => f64::from(weights[i][j].max(0.0)) + 1e-9, // no keypoint stands alone
    };
    let root: Vec<f64> = (0..n)
        .map(|i| (0..n).map(|j| weight(i, j)).sum::<f64>().max(1e-12).sqrt())
        .collect();
    let matrix = (0..n).map(|i| (0..n).map(|j| weight(i, j) / (root[i] * root[j])).collect());
    let (values, vectors) = eigen(matrix.collect());
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let points: Vec<Vec<f32>> = (0..n)
        .map(|i| {
            let row: Vec<f64> = order.iter().take(k).map(|&j| vectors[i][j]).collect();
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
            row.iter().map(|v| (v / length) as f32).collect()
        })
        .collect();
    // The best of ten starts.
    let spread = |(labels, centres): &(Vec<usize>, Vec<Vec<f32>>)| -> f32 {
        let off = |(p, &l): (&Vec<f32>, &usize)| {
            p.iter()
                .zip(&centres[l])
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>()
        };
        points.iter().zip(labels).map(off).sum()
    };
    let best = (0..10)
        .map(|seed| k_means(&points, k, seed))
        .min_by(|a, b| spread(a).total_cmp(&spread(b)));
    let labels = best.map(|(labels, _)| labels).unwrap_or_default();
    let mut names: Vec<usize> = Vec::new();
    let number = |label: usize| match names.iter().position(|&name| name == label) {
        Some(number) => number,
        None => {
            names.push(label);
            names.len() - 1
        }
    };
    labels.into_iter().map(number).collect()
}

/// Computes eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi's rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    for _ in 0..50 {
        let off: f64 = (0..n)
            .map(|i| (0..i).map(|j| a[i][j] * a[i][j]).sum::<f64>())
            .sum();
        if off < 1e-20 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-15 {
                    continue;
                }
                let (sin, cos) = (0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p])).sin_cos();
                let rotate = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
                for row in a.iter_mut().chain(&mut vectors) {
                    (row[p], row[q]) = rotate(row[p], row[q]);
                }
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = rotate(*x, *y);
                }
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}
