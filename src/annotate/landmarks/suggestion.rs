//! Suggestions of images to label next.

use super::{Fit, column_means, features, to_object_frame, unequal_counts};
use crate::annotate::Annotations;
use crate::error::Result;
use crate::eval::dot;

/// Suggests which images to label next, the most useful first: each one lowers the variance of the predictions the most, summed
/// over all images, given the labelled ones and those suggested before it.
///
/// With `z = (1, x - mean)`, the keypoints in the object's frame, and the ridge as a prior, the predictions' covariance in units of the noise variance is
/// `z^T P z'` with /// `P = (sum over labelled z z^T + diag(lambda))^-1`. Labelling `c` subtracts `sum over all p of (z_p^T P z_c)^2 / (1 + z_c^T P z_c)`
/// from the sum. So the images suggested are unlike the labelled ones and like many others; the image with the greatest variance
/// alone would often be one on which detection failed. With nothing labelled, the most typical image comes first.
///
/// `fit` gives the labelled images and `lambda`; before there is one, `labelled` alone counts.
///
/// See `next_image_is_unlike_labelled_ones_and_like_others` in `landmarks/tests.rs`.
///
/// # Errors
/// [`Error::Landmarks`](crate::error::Error::Landmarks) if an image's size is not known.
pub fn next_to_label(
    discovered: &Annotations,
    fit: Option<&Fit>,
    labelled: &[usize],
    count: usize,
) -> Result<Vec<usize>> {
    let mut z = discovered
        .images
        .iter()
        .map(|image| Ok(to_object_frame(&features(image)?).0))
        .collect::<Result<Vec<_>>>()?;
    let Some(columns) = z.first().map(Vec::len) else {
        return Ok(Vec::new());
    };
    if z.iter().any(|row| row.len() != columns) {
        return Err(unequal_counts());
    }
    let mean = column_means(&z);
    for row in &mut z {
        row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        row.push(1.0);
    }
    let size = columns + 1;
    // S = sum over all of z z^T.
    let mut s = vec![vec![0.0; size]; size];
    for row in &z {
        for (to, a) in s.iter_mut().zip(row) {
            to.iter_mut().zip(row).for_each(|(to, b)| *to += a * b);
        }
    }
    let mut known: Vec<bool> = vec![false; z.len()];
    for &i in labelled.iter().chain(fit.iter().flat_map(|f| &f.labelled)) {
        if let Some(known) = known.get_mut(i) {
            *known = true;
        }
    }
    let labelled = known.iter().filter(|k| **k).count();
    let strength = fit.map_or(1e-2, |fit| fit.strength).clamp(1e-6, 1e2);
    // The greatest s^2 of the labelled images, if they are like the others.
    let lambda = strength * greatest_eigenvalue(&s, columns) * labelled.max(1) as f64
        / z.len() as f64
        + f64::MIN_POSITIVE.sqrt();
    let mut p: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let mut row = vec![0.0; size];
            // The bias is free, except for what keeps P finite.
            row[i] = 1.0 / if i < columns { lambda } else { 1e-4 };
            row
        })
        .collect();
    let learn = |p: &mut Vec<Vec<f64>>, z: &[f64]| {
        // (P^-1 + z z^T)^-1 = P - P z z^T P / (1 + z^T P z).
        let pz = product(p, z);
        let scale = 1.0 / (1.0 + dot(&pz, z));
        for (row, a) in p.iter_mut().zip(&pz) {
            row.iter_mut()
                .zip(&pz)
                .for_each(|(to, b)| *to -= scale * a * b);
        }
    };
    for (row, _) in z.iter().zip(&known).filter(|(_, known)| **known) {
        learn(&mut p, row);
    }
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let gain = |row: &Vec<f64>| {
            let pz = product(&p, row);
            dot(&pz, &product(&s, &pz)) / (1.0 + dot(&pz, row))
        };
        let next = (0..z.len())
            .filter(|&i| !known[i])
            .map(|i| (gain(&z[i]), i))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((_, i)) = next else {
            break;
        };
        known[i] = true;
        learn(&mut p, &z[i]);
        chosen.push(i);
    }
    Ok(chosen)
}

fn product(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// Returns the greatest eigenvalue of the upper left `[size, size]` of a symmetric positive semidefinite matrix, by power iteration.
fn greatest_eigenvalue(matrix: &[Vec<f64>], size: usize) -> f64 {
    let mut vector = vec![1.0; size];
    let mut value = 0.0;
    for _ in 0..50 {
        let next: Vec<f64> = matrix[..size]
            .iter()
            .enumerate()
            // Breaks the symmetry of the start, which could be an eigenvector of a smaller eigenvalue.
            .map(|(i, row)| dot(&row[..size], &vector) * (1.0 + 1e-3 * i as f64))
            .collect();
        value = dot(&next, &next).sqrt();
        if value == 0.0 {
            return 0.0;
        }
        vector = next.into_iter().map(|v| v / value).collect();
    }
    value
}
