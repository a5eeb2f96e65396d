//! The ridge regression of landmarks from keypoints: its fit, its leave-one-out errors and its predictions.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    baseline_errors, column_means, features, match_images, mean, sides_px, to_object_frame, to_px,
    unequal_counts,
};
use crate::annotate::{Annotations, Image, Point, Visibility};
use crate::error::{Error, Result};
use crate::eval::{LeastSquares, dot};

/// Number of images on which a landmark must be placed before it is predicted.
pub const MIN_IMAGES: usize = 3;

/// Exponents `e` of the values of `lambda` that are tried: `10^(e / 4)` times the greatest `s^2`.
const STRENGTH_EXPONENTS: std::ops::RangeInclusive<i32> = -40..=8;

/// Number of a landmark's worst images that are listed.
pub(super) const MAX_WORST: usize = 5;

/// Landmarks regressed from keypoints.
///
/// See the tests in `landmarks/tests.rs`.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Leave-one-out errors of each landmark, `[L]`.
    pub landmarks: Vec<LandmarkError>,
    /// `lambda`, relative to the greatest squared singular value of the labelled images' keypoints.
    pub strength: f64,
    /// Names of labelled images that are not among the images with keypoints.
    pub unknown: Vec<String>,
    /// Indices of the images with keypoints that have a landmark.
    pub labelled: Vec<usize>,
    /// `[L]`; none where a landmark is placed on too few images.
    maps: Vec<Option<LinearMap>>,
}

/// The error of a landmark on images on which it was not placed, estimated by leaving each labelled image out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LandmarkError {
    /// Name of the landmark.
    pub name: String,
    /// Number of images on which it is placed.
    pub placed_on: usize,
    /// Mean leave-one-out distance, in fractions of the image or of its crop; none below [`MIN_IMAGES`] images.
    pub error_fraction: Option<f64>,
    /// The same distance in px of the original images, where all keypoints were detected in crops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_px: Option<f64>,
    /// The same error if the mean landmark were always predicted. A landmark whose error is not below this cannot be told from the
    /// keypoints.
    pub baseline_fraction: Option<f64>,
    /// The images with the largest errors, worst first.
    pub worst: Vec<WorstImage>,
}

/// An image, and the leave-one-out error of a landmark there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstImage {
    /// The image's index among the images with keypoints.
    pub image: usize,
    /// Its name.
    pub file_name: String,
    /// Leave-one-out distance, in fractions of the image.
    pub error_fraction: f64,
}

/// The prediction of a landmark: `y = c + y_mean + W^T (x - x_mean)`.
#[derive(Clone, Debug)]
pub(super) struct LinearMap {
    x_mean: Vec<f64>,       // [2K + 2]
    y_mean: [f64; 2],       // [x, y]
    weights: [Vec<f64>; 2], // [2][2K + 2]
}

impl LinearMap {
    pub(super) fn predict(&self, keypoints: &[f64]) -> [f64; 2] {
        let (x, c) = to_object_frame(keypoints);
        let centred: Vec<f64> = x.iter().zip(&self.x_mean).map(|(x, m)| x - m).collect();
        [0, 1].map(|axis| c[axis] + self.y_mean[axis] + dot(&self.weights[axis], &centred))
    }
}

impl Fit {
    /// Regresses the landmarks in `placed` from the keypoints in `discovered`. Images are matched by their names
    /// ([`crate::annotate::match_names`]); any landmark may be absent from any image.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if no landmark is placed on at least [`MIN_IMAGES`] of the images with keypoints, or if the size of
    /// such an image is not known.
    pub fn new(discovered: &Annotations, placed: &Annotations) -> Result<Fit> {
        let count = placed.keypoints.len();
        let mut unknown = Vec::new();
        let mut labelled = Vec::new();
        // For each landmark: the images on which it is placed, and its places.
        let mut on: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut at: Vec<Vec<[f64; 2]>> = vec![Vec::new(); count];
        for (image, found) in placed.images.iter().zip(match_images(discovered, placed)) {
            if image.points.len() != count {
                return Err(Error::Landmarks(format!(
                    "{} has {} landmarks, but {count} are named.",
                    image.name(),
                    image.points.len()
                )));
            }
            if !image.points.iter().any(Point::is_there) {
                continue;
            }
            let Some(known) = found else {
                unknown.push(image.name());
                continue;
            };
            labelled.push(known);
            let here = &discovered.images[known];
            // Labels may have been made on a smaller copy.
            let here_px = sides_px(here).or_else(|_| sides_px(image))?;
            let side_px = sides_px(image).unwrap_or(here_px);
            for (landmark, point) in image.points.iter().enumerate() {
                if point.is_there() {
                    let place = [point.x_px, point.y_px];
                    let fractions = match &here.crop {
                        Some(crop) => crop.to_crop(scaled(place, side_px, here_px)),
                        None => scaled(place, side_px, [1.0; 2]),
                    };
                    on[landmark].push(known);
                    at[landmark].push(fractions);
                }
            }
        }
        labelled.sort_unstable();
        labelled.dedup();
        if at.iter().flatten().flatten().any(|v| !v.is_finite()) {
            return Err(Error::Landmarks(
                "A landmark's position is not a number. Place it again.".into(),
            ));
        }
        if on.iter().all(|images| images.len() < MIN_IMAGES) {
            let most = on.iter().map(Vec::len).max().unwrap_or(0);
            let hint = if unknown.is_empty() {
                String::new()
            } else {
                format!(
                    " ({} labelled image(s) are not among those with keypoints, for example {}.)",
                    unknown.len(),
                    unknown[0]
                )
            };
            return Err(Error::Landmarks(format!(
                "Place a landmark on at least {MIN_IMAGES} images; so far the most is {most}.{hint}"
            )));
        }

        // Landmarks on the same images share a decomposition.
        let mut groups: Vec<Ridge> = Vec::new();
        let mut group_of: HashMap<&[usize], usize> = HashMap::new();
        for images in on.iter().filter(|images| images.len() >= MIN_IMAGES) {
            if !group_of.contains_key(images.as_slice()) {
                let rows = images
                    .iter()
                    .map(|&i| features(&discovered.images[i]))
                    .collect::<Result<Vec<_>>>()?;
                group_of.insert(images, groups.len());
                groups.push(Ridge::new(&rows)?);
            }
        }
        let ridge = |landmark: usize| {
            group_of
                .get(on[landmark].as_slice())
                .map(|&group| &groups[group])
        };

        let mut best = (f64::INFINITY, 1.0);
        // From strong to weak, so that the stronger of two equal ones wins.
        for exponent in STRENGTH_EXPONENTS.rev() {
            let strength = 10_f64.powf(f64::from(exponent) / 4.0);
            let (mut sum, mut terms) = (0.0, 0);
            for (landmark, at) in at.iter().enumerate() {
                if let Some(ridge) = ridge(landmark) {
                    sum += ridge.leave_one_out_errors(at, strength).iter().sum::<f64>();
                    terms += at.len();
                }
            }
            if sum / (terms as f64) < best.0 {
                best = (sum / terms as f64, strength);
            }
        }
        let strength = best.1;

        let mut landmarks = Vec::with_capacity(count);
        let mut maps = Vec::with_capacity(count);
        for (landmark, keypoint) in placed.keypoints.iter().enumerate() {
            let ridge = ridge(landmark);
            let (mut errors, mut baseline) = (Vec::new(), Vec::new());
            if let Some(ridge) = ridge {
                errors = ridge.leave_one_out_errors(&at[landmark], strength);
                baseline = baseline_errors(&at[landmark]);
            }
            let mut worst: Vec<WorstImage> = on[landmark]
                .iter()
                .zip(&errors)
                .map(|(&image, &error_fraction)| WorstImage {
                    image,
                    file_name: discovered.images[image].name(),
                    error_fraction,
                })
                .collect();
            worst.sort_by(|a, b| b.error_fraction.total_cmp(&a.error_fraction));
            worst.truncate(MAX_WORST);
            let sides_px = on[landmark]
                .iter()
                .map(|&i| Some(discovered.images[i].crop?.side_px));
            let sides_px: Option<Vec<f64>> = sides_px.collect();
            let errors_px = sides_px.map(|sides_px| -> Vec<f64> {
                let errors = errors.iter().zip(&sides_px);
                errors.map(|(error, side_px)| error * side_px).collect()
            });
            landmarks.push(LandmarkError {
                error_px: errors_px.and_then(|errors| mean(&errors)),
                name: keypoint.name.clone(),
                placed_on: on[landmark].len(),
                error_fraction: mean(&errors),
                baseline_fraction: mean(&baseline),
                worst,
            });
            maps.push(ridge.map(|ridge| ridge.map(&at[landmark], strength)));
        }
        Ok(Fit {
            landmarks,
            strength,
            unknown,
            labelled,
            maps,
        })
    }

    /// Returns the mean leave-one-out distance over all landmarks, in fractions of the image; NaN if there is none.
    pub fn error_fraction(&self) -> f64 {
        let errors = self.landmarks.iter().filter_map(|l| l.error_fraction);
        mean(&errors.collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }

    /// Predicts the landmarks on an image with discovered keypoints, `[L][x, y]` as fractions of the image or, where it has one, of its
    /// crop; none where a landmark is placed on too few images.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if the image's size is not known.
    pub fn predict(&self, image: &Image) -> Result<Vec<Option<[f64; 2]>>> {
        let x = features(image)?;
        Ok(self
            .maps
            .iter()
            .map(|map| map.as_ref().map(|map| map.predict(&x)))
            .collect())
    }

    /// Returns the landmarks on all images with keypoints: placed (or imported) ones as they are, the others predicted, with the mean
    /// confidence of the image's keypoints. A prediction outside of the image is occluded.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if an image's size is not known.
    pub fn annotate(&self, discovered: &Annotations, placed: &Annotations) -> Result<Annotations> {
        let mut by_image: HashMap<usize, &Image> = HashMap::new();
        for (image, found) in placed.images.iter().zip(match_images(discovered, placed)) {
            if let Some(known) = found {
                by_image.insert(known, image);
            }
        }
        let images = discovered
            .images
            .iter()
            .enumerate()
            .map(|(i, image)| {
                let side_px = sides_px(image)?;
                let mut points = Vec::with_capacity(self.maps.len());
                for at in self.predict(image)? {
                    points.push(match at {
                        Some(at) => to_point(to_px(image, at)?, side_px, image),
                        None => Point::ABSENT,
                    });
                }
                if let Some(hand) = by_image.get(&i) {
                    // Labels may have been made on a smaller copy.
                    let hand_px = sides_px(hand).unwrap_or(side_px);
                    for (point, placed) in points.iter_mut().zip(&hand.points) {
                        if placed.is_labelled() {
                            let [x_px, y_px] = scaled([placed.x_px, placed.y_px], hand_px, side_px);
                            *point = Point {
                                x_px,
                                y_px,
                                ..*placed
                            };
                        }
                    }
                }
                Ok(Image {
                    points,
                    ..image.clone()
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Annotations {
            category: placed.category.clone(),
            keypoints: placed.keypoints.clone(),
            skeleton: placed.skeleton.clone(),
            edge_weights: Vec::new(),
            edge_threshold: None,
            parts: Vec::new(),
            images,
        })
    }
}

/// Scales a place on an image of one size to a copy of another.
fn scaled(place: [f64; 2], from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|axis| place[axis] * to[axis] / from[axis])
}

fn to_point(at_px: [f64; 2], side_px: [f64; 2], image: &Image) -> Point {
    let inside = (0..2).all(|axis| (0.0..=side_px[axis]).contains(&at_px[axis]));
    Point {
        x_px: at_px[0],
        y_px: at_px[1],
        confidence: image.confidence(),
        visibility: if inside {
            Visibility::Visible
        } else {
            Visibility::Occluded
        },
        corrected: false,
    }
}

/// The singular value decomposition of some images' keypoints, from which every ridge regression follows.
pub(super) struct Ridge {
    images: usize,
    x_mean: Vec<f64>,             // [m], m = 2K + 2
    centroids: Vec<[f64; 2]>,     // [n], the mean of each image's keypoints
    scaled: Vec<(f64, Vec<f64>)>, // [rank](s^2, column of U S [n])
    directions: Vec<Vec<f64>>,    // [rank], columns of V [m]
    pub(super) greatest: f64,     // the greatest s^2
}

impl Ridge {
    /// Decomposes keypoints `[n][2K]`.
    pub(super) fn new(keypoints: &[Vec<f64>]) -> Result<Ridge> {
        let (rows, centroids): (Vec<Vec<f64>>, Vec<[f64; 2]>) =
            keypoints.iter().map(|row| to_object_frame(row)).unzip();
        let x_mean = column_means(&rows);
        if rows.iter().any(|row| row.len() != x_mean.len()) {
            return Err(unequal_counts());
        }
        let columns = x_mean
            .iter()
            .enumerate()
            .map(|(c, mean)| rows.iter().map(|row| row[c] - mean).collect())
            .collect();
        let LeastSquares { us, v } = LeastSquares::new(columns);
        let squares: Vec<f64> = us.iter().map(|column| dot(column, column)).collect();
        let greatest = squares.iter().fold(0.0_f64, |a, &s| a.max(s));
        let mut ridge = Ridge {
            images: rows.len(),
            x_mean,
            centroids,
            scaled: Vec::new(),
            directions: Vec::new(),
            greatest,
        };
        for ((square, us), v) in squares.into_iter().zip(us).zip(v) {
            // The rest is rounding; see `eval`.
            if square > 1e-12 * greatest {
                ridge.scaled.push((square, us));
                ridge.directions.push(v);
            }
        }
        Ok(ridge)
    }

    /// Returns landmarks relative to the keypoints' mean and centred, by axis `[2][n]`; and the mean that was subtracted.
    fn centred(&self, y: &[[f64; 2]]) -> ([Vec<f64>; 2], [f64; 2]) {
        let relative = [0, 1].map(|axis| -> Vec<f64> {
            let pairs = y.iter().zip(&self.centroids);
            pairs.map(|(y, c)| y[axis] - c[axis]).collect()
        });
        let mean = [0, 1].map(|axis| relative[axis].iter().sum::<f64>() / self.images as f64);
        let centred = [0, 1].map(|axis| relative[axis].iter().map(|v| v - mean[axis]).collect());
        (centred, mean)
    }

    /// Returns each image's error when it is left out, `[n]`; infinite where the other images do not determine the prediction.
    pub(super) fn leave_one_out_errors(&self, y: &[[f64; 2]], strength: f64) -> Vec<f64> {
        let lambda = strength * self.greatest;
        let (mut residuals, _) = self.centred(y);
        let mut leverage = vec![1.0 / self.images as f64; self.images];
        for (square, us) in &self.scaled {
            // Ridge keeps s^2 / (s^2 + lambda) of the projection U^T y / s^2 on this direction of U.
            let kept = 1.0 / (square + lambda);
            for residual in &mut residuals {
                let along = dot(us, residual) * kept;
                residual
                    .iter_mut()
                    .zip(us)
                    .for_each(|(r, u)| *r -= along * u);
            }
            leverage
                .iter_mut()
                .zip(us)
                .for_each(|(h, u)| *h += u * u * kept);
        }
        (0..self.images)
            .map(|i| {
                let free = 1.0 - leverage[i];
                if free < 1e-9 {
                    f64::INFINITY
                } else {
                    residuals[0][i].hypot(residuals[1][i]) / free
                }
            })
            .collect()
    }

    pub(super) fn map(&self, y: &[[f64; 2]], strength: f64) -> LinearMap {
        let lambda = strength * self.greatest;
        let (columns, y_mean) = self.centred(y);
        let weights = columns.map(|y| {
            let mut w = vec![0.0; self.x_mean.len()];
            for ((square, us), v) in self.scaled.iter().zip(&self.directions) {
                let along = dot(us, &y) / (square + lambda);
                w.iter_mut().zip(v).for_each(|(w, v)| *w += along * v);
            }
            w
        });
        LinearMap {
            x_mean: self.x_mean.clone(),
            y_mean,
            weights,
        }
    }
}
