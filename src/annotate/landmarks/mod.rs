//! Few-shot landmarks: a person places named points on some images, and ridge regression from the discovered keypoints
//! predicts them on all others, in f64.
//!
//! An object moves through the image and its landmarks move with it, so the regression works in the object's own frame: with `c`
//! the mean of an image's K keypoints, `X = [n, 2K + 2]` holds the keypoints relative to `c`, and `0.3 c`; `Y = [n, 2]` is a
//! landmark relative to `c`; all as fractions of the original image or, where keypoints were detected in a crop around the animal, of
//! that crop, which turns with the body. Then
//! `min_{W, b} |X W + b - Y|^2 + lambda |W|^2`: where the labelled images do not determine more, the landmark keeps its place on the
//! object. (`0.3 c` allows for what depends on the position in the image; the factor gives it a stronger penalty.) The bias `b` is
//! not penalised, which is the same as centring `X` and `Y` on the labelled images. The papers' measure in
//! [`crate::eval`] has none of this.
//!
//! Mean distance in percent of the image on the hands of `shared/data`, with 12 keypoints made from their landmarks with noise,
//! 10 draws (`cargo test --lib on_hands -- --nocapture`):
//!
//! | images | 3 | 5 | 10 | 20 | 50 | 200 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | this | 10.5 | 9.2 | 8.0 | 6.8 | 5.3 | 4.3 |
//! | least squares, no bias | 10.7 | 9.9 | 9.4 | 13.1 | 5.9 | 4.4 |
//! | least squares | 11.3 | 10.2 | 9.6 | 11.8 | 5.8 | 4.4 |
//! | mean landmark | 13.0 | 12.4 | 12.1 | 11.9 | 11.7 | 11.6 |
//!
//! With the keypoints that `models/hands.safetensors` detects, all 1,811 images (`cargo test --lib shipped_model -- --nocapture`):
//!
//! | images | 5 | 10 | 20 | 50 | 200 |
//! | --- | --- | --- | --- | --- | --- |
//! | this | 8.7 | 7.4 | 6.4 | 5.6 | 4.8 |
//! | least squares, no bias | 10.1 | 10.0 | 15.6 | 7.2 | 4.9 |
//! | least squares | 10.9 | 10.3 | 15.5 | 7.7 | 4.9 |
//! | mean landmark | 12.5 | 12.2 | 11.9 | 11.7 | 11.7 |
//!
//! With the singular values of the centred `X = U S V^T` (from [`crate::eval`]'s solver, once for all `lambda`) everything has a
//! closed form: `W = V (S^2 + lambda)^-1 S U^T Y`, the hat matrix `H = 1/n + U S^2 (S^2 + lambda)^-1 U^T`, and the leave-one-out
//! residual of an image `e_i = (y_i - y^_i) / (1 - H_ii)`. `lambda` is relative to the greatest `s^2`, and shared by all landmarks:
//! the value with the smallest mean leave-one-out distance. (Chosen for each landmark alone, five images would choose at random.)
//!
//! A corrected keypoint improves `X`, and a corrected landmark counts as placed: both feed the next fit.

mod agreement; // distances of keypoints from landmarks of the same name
mod regression; // the ridge regression, its errors and its predictions
mod suggestion; // the images to label next
#[cfg(test)]
mod tests;

use super::{Annotations, Image, match_names};
use crate::error::{Error, Result};

pub use agreement::{Agreement, agreement};
pub use regression::{Fit, LandmarkError, MIN_IMAGES, WorstImage};
pub use suggestion::next_to_label;

/// Finds each labelled image among the images with keypoints, by name.
fn match_images(discovered: &Annotations, placed: &Annotations) -> Vec<Option<usize>> {
    let names = |annotations: &Annotations| -> Vec<String> {
        annotations.images.iter().map(Image::name).collect()
    };
    match_names(&names(placed), &names(discovered))
}

fn sides_px(image: &Image) -> Result<[f64; 2]> {
    if image.width_px == 0 || image.height_px == 0 {
        return Err(Error::Landmarks(format!(
            "The size of {} is unknown. Add the image too.",
            image.name()
        )));
    }
    Ok([f64::from(image.width_px), f64::from(image.height_px)])
}

/// Returns a place on an image, px, as fractions of the image or, where it has one, of its crop.
fn to_fractions(image: &Image, at_px: [f64; 2]) -> Result<[f64; 2]> {
    if let Some(crop) = &image.crop {
        return Ok(crop.to_crop(at_px));
    }
    let side_px = sides_px(image)?;
    Ok([0, 1].map(|axis| at_px[axis] / side_px[axis]))
}

/// Returns a place that is given as fractions of an image or of its crop in px; the inverse of [`to_fractions`].
fn to_px(image: &Image, fractions: [f64; 2]) -> Result<[f64; 2]> {
    if let Some(crop) = &image.crop {
        return Ok(crop.to_frame(fractions));
    }
    let side_px = sides_px(image)?;
    Ok([0, 1].map(|axis| fractions[axis] * side_px[axis]))
}

/// Returns an image's keypoints, `[2K]`, as fractions of the image or its crop, occluded and absent ones too.
fn features(image: &Image) -> Result<Vec<f64>> {
    let mut features = Vec::with_capacity(2 * image.points.len());
    for point in &image.points {
        features.extend(to_fractions(image, [point.x_px, point.y_px])?);
    }
    if features.is_empty() || features.iter().any(|v| !v.is_finite()) {
        return Err(Error::Landmarks(format!(
            "A keypoint on {} is missing or not a number. Detect again.",
            image.name()
        )));
    }
    Ok(features)
}

/// Returns each point's distance from the mean of the others, `[n]`: `n / (n - 1) |y_i - y_mean|`.
fn baseline_errors(y: &[[f64; 2]]) -> Vec<f64> {
    let n = y.len() as f64;
    let mean = [0, 1].map(|axis| y.iter().map(|y| y[axis]).sum::<f64>() / n);
    y.iter()
        .map(|y| (y[0] - mean[0]).hypot(y[1] - mean[1]) * n / (n - 1.0))
        .collect()
}

fn unequal_counts() -> Error {
    Error::Landmarks("Not all images have the same number of keypoints. Detect again.".into())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Averages rows, `[n][m]` -> `[m]`.
fn column_means(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(to, v)| *to += v);
    }
    sum.iter().map(|v| v / rows.len() as f64).collect()
}

/// Weight of the keypoints' position in the image, relative to their shape.
const POSITION_WEIGHT: f64 = 0.3;

/// Converts flat keypoints `[2K]` to the object's frame, `[2K + 2]`: keypoints relative to their mean `c`, and `0.3 c`. Also returns `c`.
fn to_object_frame(keypoints: &[f64]) -> (Vec<f64>, [f64; 2]) {
    let count = (keypoints.len() / 2) as f64;
    let c = [0, 1].map(|axis| keypoints.iter().skip(axis).step_by(2).sum::<f64>() / count);
    let relative = keypoints.iter().enumerate().map(|(i, v)| v - c[i % 2]);
    (relative.chain(c.map(|v| POSITION_WEIGHT * v)).collect(), c)
}
