//! Distances of detected keypoints from a person's landmarks of the same name.

use serde::Serialize;

use super::{baseline_errors, match_images, mean, sides_px};
use crate::annotate::{Annotations, Keypoint};

/// The distance of a keypoint from the landmark of the same name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Name of both.
    pub name: String,
    /// Number of images that show both.
    pub images: usize,
    /// Mean distance, in fractions of the image's sides.
    pub error_fraction: f64,
    /// The same error if the mean place on the other images were always predicted; none for a single image.
    pub baseline_fraction: Option<f64>,
}

/// Compares each keypoint of `found` with the landmark of its name in `placed`, in the order of `found`. Corrected keypoints are left
/// out.
///
/// See `cli/tests/cli_labels.rs`.
pub fn agreement(found: &Annotations, placed: &Annotations) -> Vec<Agreement> {
    let at = match_images(found, placed);
    let same = |name: &str| placed.keypoints.iter().position(|k| k.name == name);
    let compare = |(k, keypoint): (usize, &Keypoint)| {
        let landmark = same(&keypoint.name)?;
        let pairs = placed.images.iter().zip(&at).filter_map(|(image, at)| {
            let here = &found.images[(*at)?];
            let (found, wanted) = (&here.points[k], &image.points[landmark]);
            if !found.is_there() || found.corrected || !wanted.is_there() {
                return None;
            }
            let (ours, theirs) = (sides_px(here).ok()?, sides_px(image).ok()?);
            Some((
                [found.x_px / ours[0], found.y_px / ours[1]],
                [wanted.x_px / theirs[0], wanted.y_px / theirs[1]],
            ))
        });
        let (found, wanted): (Vec<[f64; 2]>, Vec<[f64; 2]>) = pairs.unzip();
        let pairs = found.iter().zip(&wanted);
        let distances: Vec<f64> = pairs
            .map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]))
            .collect();
        Some(Agreement {
            name: keypoint.name.clone(),
            images: distances.len(),
            error_fraction: mean(&distances)?,
            baseline_fraction: match wanted.len() {
                1 => None,
                _ => mean(&baseline_errors(&wanted)),
            },
        })
    };
    found
        .keypoints
        .iter()
        .enumerate()
        .filter_map(compare)
        .collect()
}
