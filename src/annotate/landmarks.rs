//! Few-shot landmarks: a person places named points on some pictures, and ridge regression from the discovered keypoints
//! predicts them on all others, in f64.
//!
//! An object moves through the picture and its landmarks with it, so the regression is in the object's own frame: with `c`
//! the mean of a picture's K keypoints, `X = [n, 2K + 2]` are the keypoints relative to it, and `0.3 c`; `Y = [n, 2]` is a
//! landmark relative to it; all as fractions of the original picture. Then
//! `min_{W, b} |X W + b - Y|^2 + lambda |W|^2`: where the pictures do not tell more, the landmark keeps its place on the
//! object. (`0.3 c` is for what changes with the place in the picture; the factor makes it believed last.) The bias `b` is
//! not penalised, which is the same as centring `X` and `Y` on the labelled pictures. The measure of papers in
//! [`crate::eval`] has none of this.
//!
//! On the hands of `shared/data`, with 12 keypoints made from their landmarks with noise, 10 draws, the mean distance in
//! percent of the picture (`cargo test --lib on_hands -- --nocapture`):
//!
//! | pictures | 3 | 5 | 10 | 20 | 50 | 200 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | this | 10.5 | 9.2 | 8.0 | 6.8 | 5.3 | 4.3 |
//! | least squares, no bias | 10.7 | 9.9 | 9.4 | 13.1 | 5.9 | 4.4 |
//! | least squares | 11.3 | 10.2 | 9.6 | 11.8 | 5.8 | 4.4 |
//! | mean landmark | 13.0 | 12.4 | 12.1 | 11.9 | 11.7 | 11.6 |
//!
//! With the keypoints that `models/hands.safetensors` finds, all 1,811 pictures (`cargo test --lib shipped_model -- --nocapture`):
//!
//! | pictures | 5 | 10 | 20 | 50 | 200 |
//! | --- | --- | --- | --- | --- | --- |
//! | this | 8.7 | 7.4 | 6.4 | 5.6 | 4.8 |
//! | least squares, no bias | 10.1 | 10.0 | 15.6 | 7.2 | 4.9 |
//! | least squares | 10.9 | 10.3 | 15.5 | 7.7 | 4.9 |
//! | mean landmark | 12.5 | 12.2 | 11.9 | 11.7 | 11.7 |
//!
//! With the singular values of the centred `X = U S V^T` (by [`crate::eval`]'s solver, once for all `lambda`) everything is
//! in closed form: `W = V (S^2 + lambda)^-1 S U^T Y`, the hat matrix `H = 1/n + U S^2 (S^2 + lambda)^-1 U^T`, and the
//! residual of a picture that was left out `e_i = (y_i - y^_i) / (1 - H_ii)`. `lambda` is a share of the greatest `s^2`, one
//! for all landmarks: the one with the smallest mean leave-one-out distance. (For each landmark by itself, five pictures
//! would choose at random.)
//!
//! A corrected keypoint is a better `X`, and a corrected landmark is a placed one: both feed the next fit.

use std::collections::HashMap;

use serde::Serialize;

use crate::annotate::{Annotations, Image, Point, Visibility, match_names};
use crate::error::{Error, Result};
use crate::eval::{LeastSquares, dot};

/// On how many pictures a landmark must be placed before it is predicted.
pub const MIN_PICTURES: usize = 3;

/// The shares of the greatest `s^2` that are tried: `10^(e / 4)`.
const STRENGTH_EXPONENTS: std::ops::RangeInclusive<i32> = -40..=8;

/// How many of a landmark's worst pictures are told.
const WORST: usize = 5;

/// Landmarks regressed from keypoints.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Per landmark, what leaving each picture out showed.
    pub landmarks: Vec<LandmarkError>,
    /// `lambda` as a share of the greatest squared singular value of the labelled pictures' keypoints.
    pub strength: f64,
    /// Pictures that were labelled, but not found among the ones with keypoints.
    pub unknown: Vec<String>,
    /// Which of the pictures with keypoints have a landmark.
    pub labelled: Vec<usize>,
    /// `[L]`; none where a landmark is placed on too few pictures.
    maps: Vec<Option<Map>>,
}

/// How well a landmark is predicted on pictures that it was not placed on, estimated by leaving each one out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LandmarkError {
    /// The landmark.
    pub name: String,
    /// On how many pictures it is placed.
    pub placed_on: usize,
    /// Mean leave-one-out distance, in fractions of the picture; none below [`MIN_PICTURES`].
    pub error_fraction: Option<f64>,
    /// The same for always predicting the mean landmark: what is not below it, the keypoints do not tell.
    pub baseline_fraction: Option<f64>,
    /// The pictures where it is farthest off, worst first.
    pub worst: Vec<Worst>,
}

/// A picture, and how far off a landmark is there when it is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// The picture's index among the ones with keypoints.
    pub image: usize,
    /// Its file.
    pub file_name: String,
    /// Leave-one-out distance, in fractions of the picture.
    pub error_fraction: f64,
}

/// `y = c + y_mean + W^T (x - x_mean)`.
#[derive(Clone, Debug)]
struct Map {
    x_mean: Vec<f64>,       // [2K + 2]
    y_mean: [f64; 2],       // [x, y]
    weights: [Vec<f64>; 2], // [2][2K + 2]
}

impl Map {
    fn predict(&self, keypoints: &[f64]) -> [f64; 2] {
        let (x, c) = in_own_frame(keypoints);
        let centred: Vec<f64> = x.iter().zip(&self.x_mean).map(|(x, m)| x - m).collect();
        [0, 1].map(|axis| c[axis] + self.y_mean[axis] + dot(&self.weights[axis], &centred))
    }
}

impl Fit {
    /// Regresses the landmarks that are there in `placed` from the keypoints of `discovered`. Pictures are matched by their
    /// names ([`match_names`]); `placed` may leave any landmark out on any picture.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if no landmark is placed on at least [`MIN_PICTURES`] pictures that are known, or if a picture's
    /// size is not.
    pub fn new(discovered: &Annotations, placed: &Annotations) -> Result<Fit> {
        let count = placed.keypoints.len();
        let mut unknown = Vec::new();
        let mut labelled = Vec::new();
        // Per landmark: the pictures that it is placed on, and where.
        let mut on: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut at: Vec<Vec<[f64; 2]>> = vec![Vec::new(); count];
        for (image, found) in placed.images.iter().zip(matches(discovered, placed)) {
            if image.points.len() != count {
                return Err(Error::Landmarks(format!(
                    "{} has {} landmarks, but {count} are named.",
                    image.picture_name(),
                    image.points.len()
                )));
            }
            if !image.points.iter().any(Point::is_there) {
                continue;
            }
            let Some(known) = found else {
                unknown.push(image.picture_name());
                continue;
            };
            labelled.push(known);
            let side_px = sides_px(image).or_else(|_| sides_px(&discovered.images[known]))?;
            for (landmark, point) in image.points.iter().enumerate() {
                if point.is_there() {
                    on[landmark].push(known);
                    at[landmark].push([point.x_px / side_px[0], point.y_px / side_px[1]]);
                }
            }
        }
        labelled.sort_unstable();
        labelled.dedup();
        if at.iter().flatten().flatten().any(|v| !v.is_finite()) {
            return Err(Error::Landmarks(
                "A landmark's place is not a number.".into(),
            ));
        }
        if on.iter().all(|pictures| pictures.len() < MIN_PICTURES) {
            let most = on.iter().map(Vec::len).max().unwrap_or(0);
            let hint = if unknown.is_empty() {
                String::new()
            } else {
                format!(
                    " ({} labelled picture(s) are not among the ones with keypoints, {} for example.)",
                    unknown.len(),
                    unknown[0]
                )
            };
            return Err(Error::Landmarks(format!(
                "Place a landmark on at least {MIN_PICTURES} pictures; so far the most is {most}.{hint}"
            )));
        }

        // Landmarks on the same pictures share a decomposition.
        let mut groups: Vec<Ridge> = Vec::new();
        let mut group_of: HashMap<&[usize], usize> = HashMap::new();
        for pictures in on.iter().filter(|pictures| pictures.len() >= MIN_PICTURES) {
            if !group_of.contains_key(pictures.as_slice()) {
                let rows = pictures
                    .iter()
                    .map(|&i| features(&discovered.images[i]))
                    .collect::<Result<Vec<_>>>()?;
                group_of.insert(pictures, groups.len());
                groups.push(Ridge::new(&rows)?);
            }
        }
        let ridge = |landmark: usize| {
            group_of
                .get(on[landmark].as_slice())
                .map(|&group| &groups[group])
        };

        let mut best = (f64::INFINITY, 1.0);
        // From strong to weak: of equals, the stronger.
        for exponent in STRENGTH_EXPONENTS.rev() {
            let strength = 10_f64.powf(f64::from(exponent) / 4.0);
            let (mut sum, mut terms) = (0.0, 0);
            for (landmark, at) in at.iter().enumerate() {
                if let Some(ridge) = ridge(landmark) {
                    sum += ridge.left_out(at, strength).iter().sum::<f64>();
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
                errors = ridge.left_out(&at[landmark], strength);
                baseline = mean_left_out(&at[landmark]);
            }
            let mut worst: Vec<Worst> = on[landmark]
                .iter()
                .zip(&errors)
                .map(|(&image, &error_fraction)| Worst {
                    image,
                    file_name: discovered.images[image].picture_name(),
                    error_fraction,
                })
                .collect();
            worst.sort_by(|a, b| b.error_fraction.total_cmp(&a.error_fraction));
            worst.truncate(WORST);
            landmarks.push(LandmarkError {
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

    /// Mean leave-one-out distance over all landmarks, in fractions of the picture.
    pub fn error_fraction(&self) -> f64 {
        let errors = self.landmarks.iter().filter_map(|l| l.error_fraction);
        mean(&errors.collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }

    /// The landmarks on a picture with discovered keypoints, `[L][x, y]` as fractions of it; none where a landmark is placed
    /// on too few pictures.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if the picture's size is not known.
    pub fn predict(&self, image: &Image) -> Result<Vec<Option<[f64; 2]>>> {
        let x = features(image)?;
        Ok(self
            .maps
            .iter()
            .map(|map| map.as_ref().map(|map| map.predict(&x)))
            .collect())
    }

    /// The landmarks on all pictures with keypoints: placed ones as they were placed (or predicted elsewhere), the others predicted, with the mean
    /// confidence of the picture's keypoints. A prediction outside of the picture is occluded.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if a picture's size is not known.
    pub fn annotate(&self, discovered: &Annotations, placed: &Annotations) -> Result<Annotations> {
        let mut by_image: HashMap<usize, &Image> = HashMap::new();
        for (image, found) in placed.images.iter().zip(matches(discovered, placed)) {
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
                let mut points: Vec<Point> = self
                    .predict(image)?
                    .into_iter()
                    .map(|at| at.map_or(Point::ABSENT, |at| predicted(at, side_px, image)))
                    .collect();
                if let Some(hand) = by_image.get(&i) {
                    // Labels may have been made on a smaller copy.
                    let hand_px = sides_px(hand).unwrap_or(side_px);
                    for (point, placed) in points.iter_mut().zip(&hand.points) {
                        if placed.is_labelled() {
                            *point = Point {
                                x_px: placed.x_px * side_px[0] / hand_px[0],
                                y_px: placed.y_px * side_px[1] / hand_px[1],
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
            images,
        })
    }
}

fn predicted(at: [f64; 2], side_px: [f64; 2], image: &Image) -> Point {
    let inside = at.iter().all(|v| (0.0..=1.0).contains(v));
    Point {
        x_px: at[0] * side_px[0],
        y_px: at[1] * side_px[1],
        confidence: image.confidence(),
        visibility: if inside {
            Visibility::Visible
        } else {
            Visibility::Occluded
        },
        corrected: false,
    }
}

/// Which pictures to label next, the most useful first: each one lowers the variance of the predictions the most, summed
/// over all pictures, given the labelled ones and those before it.
///
/// With `z = (1, x - mean)`, the keypoints as above, and the ridge as a prior, the predictions' covariance in units of the noise's is `z^T P z'` with
/// `P = (sum over labelled z z^T + diag(lambda))^-1`. Labelling `c` takes `sum over all p of (z_p^T P z_c)^2 / (1 + z_c^T P z_c)`
/// off the sum. So it asks for pictures that are unlike the labelled ones and like many others; the picture with the greatest
/// variance alone would often be one on which detection failed. With nothing labelled it begins with the most typical one.
///
/// `fit` gives the labelled pictures and `lambda`; before there is one, `labelled` alone counts.
///
/// # Errors
/// [`Error::Landmarks`] if a picture's size is not known.
pub fn next_to_label(
    discovered: &Annotations,
    fit: Option<&Fit>,
    labelled: &[usize],
    count: usize,
) -> Result<Vec<usize>> {
    let mut z = discovered
        .images
        .iter()
        .map(|image| Ok(in_own_frame(&features(image)?).0))
        .collect::<Result<Vec<_>>>()?;
    let Some(columns) = z.first().map(Vec::len) else {
        return Ok(Vec::new());
    };
    if z.iter().any(|row| row.len() != columns) {
        return Err(unequal());
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
    // The greatest s^2 of the labelled pictures, if they are like the others.
    let lambda = strength * greatest_eigenvalue(&s, columns) * labelled.max(1) as f64
        / z.len() as f64
        + f64::MIN_POSITIVE.sqrt();
    let mut p: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let mut row = vec![0.0; size];
            // The bias is free, but for what keeps P finite.
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

/// Of the upper left `[size, size]` of a symmetric matrix without negative eigenvalues, by power iteration.
fn greatest_eigenvalue(matrix: &[Vec<f64>], size: usize) -> f64 {
    let mut vector = vec![1.0; size];
    let mut value = 0.0;
    for _ in 0..50 {
        let next: Vec<f64> = matrix[..size]
            .iter()
            .enumerate()
            // Off the start's symmetry, which could be an eigenvector of a smaller one.
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

/// Which of the pictures with keypoints each labelled one is.
fn matches(discovered: &Annotations, placed: &Annotations) -> Vec<Option<usize>> {
    let names = |annotations: &Annotations| -> Vec<String> {
        annotations.images.iter().map(Image::picture_name).collect()
    };
    match_names(&names(placed), &names(discovered))
}

fn sides_px(image: &Image) -> Result<[f64; 2]> {
    if image.width_px == 0 || image.height_px == 0 {
        return Err(Error::Landmarks(format!(
            "The size of {} is not known: add the picture too.",
            image.picture_name()
        )));
    }
    Ok([f64::from(image.width_px), f64::from(image.height_px)])
}

/// A picture's keypoints, `[2K]`, as fractions of it, whether they can be seen or not.
fn features(image: &Image) -> Result<Vec<f64>> {
    let side_px = sides_px(image)?;
    let fractions = image
        .points
        .iter()
        .flat_map(|p| [p.x_px / side_px[0], p.y_px / side_px[1]]);
    let features: Vec<f64> = fractions.collect();
    if features.is_empty() || features.iter().any(|v| !v.is_finite()) {
        return Err(Error::Landmarks(format!(
            "A keypoint on {} is missing or not a number: detect again.",
            image.picture_name()
        )));
    }
    Ok(features)
}

/// How far found keypoints are from a person's points of the same name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// What both are called.
    pub name: String,
    /// On how many pictures both are.
    pub pictures: usize,
    /// Mean distance, in fractions of the picture's sides.
    pub error_fraction: f64,
    /// The same for always saying the mean of the other pictures' places; none of one picture.
    pub baseline_fraction: Option<f64>,
}

/// [`Agreement`] of each keypoint of `found` whose name `placed` has, in its order. Corrected keypoints say nothing.
pub fn agreement(found: &Annotations, placed: &Annotations) -> Vec<Agreement> {
    let at = matches(found, placed);
    let same = |name: &str| placed.keypoints.iter().position(|k| k.name == name);
    let of = |(k, keypoint): (usize, &super::Keypoint)| {
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
        let off = found.iter().zip(&wanted);
        let off: Vec<f64> = off.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).collect();
        Some(Agreement {
            name: keypoint.name.clone(),
            pictures: off.len(),
            error_fraction: mean(&off)?,
            baseline_fraction: match wanted.len() {
                1 => None,
                _ => mean(&mean_left_out(&wanted)),
            },
        })
    };
    found.keypoints.iter().enumerate().filter_map(of).collect()
}

/// Each picture's distance from the others' mean, `[n]`: `n / (n - 1) |y_i - y_mean|`.
fn mean_left_out(y: &[[f64; 2]]) -> Vec<f64> {
    let n = y.len() as f64;
    let mean = [0, 1].map(|axis| y.iter().map(|y| y[axis]).sum::<f64>() / n);
    y.iter()
        .map(|y| (y[0] - mean[0]).hypot(y[1] - mean[1]) * n / (n - 1.0))
        .collect()
}

fn unequal() -> Error {
    Error::Landmarks("Not all pictures have the same number of keypoints.".into())
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// `[n][m]` -> `[m]`.
fn column_means(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(to, v)| *to += v);
    }
    sum.iter().map(|v| v / rows.len() as f64).collect()
}

/// How much a keypoint set's place in the picture counts, beside its shape.
const PLACE: f64 = 0.3;

/// Keypoints `[2K]`, flat, as `[2K + 2]`: relative to their mean `c`, and `0.3 c`; and `c`.
fn in_own_frame(keypoints: &[f64]) -> (Vec<f64>, [f64; 2]) {
    let count = (keypoints.len() / 2) as f64;
    let c = [0, 1].map(|axis| keypoints.iter().skip(axis).step_by(2).sum::<f64>() / count);
    let relative = keypoints.iter().enumerate().map(|(i, v)| v - c[i % 2]);
    (relative.chain(c.map(|v| PLACE * v)).collect(), c)
}

/// The decomposition of some pictures' keypoints, from which every ridge regression follows.
struct Ridge {
    pictures: usize,
    x_mean: Vec<f64>,             // [m], m = 2K + 2
    centroids: Vec<[f64; 2]>,     // [n], the mean of each picture's keypoints
    scaled: Vec<(f64, Vec<f64>)>, // [rank](s^2, column of U S [n])
    directions: Vec<Vec<f64>>,    // [rank], columns of V [m]
    greatest: f64,                // the greatest s^2
}

impl Ridge {
    /// Of keypoints `[n][2K]`.
    fn new(keypoints: &[Vec<f64>]) -> Result<Ridge> {
        let (rows, centroids): (Vec<Vec<f64>>, Vec<[f64; 2]>) =
            keypoints.iter().map(|row| in_own_frame(row)).unzip();
        let x_mean = column_means(&rows);
        if rows.iter().any(|row| row.len() != x_mean.len()) {
            return Err(unequal());
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
            pictures: rows.len(),
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

    /// Landmarks relative to the keypoints' mean, without their mean, by axis `[2][n]`; and that mean.
    fn centred(&self, y: &[[f64; 2]]) -> ([Vec<f64>; 2], [f64; 2]) {
        let relative = [0, 1].map(|axis| -> Vec<f64> {
            let pairs = y.iter().zip(&self.centroids);
            pairs.map(|(y, c)| y[axis] - c[axis]).collect()
        });
        let mean = [0, 1].map(|axis| relative[axis].iter().sum::<f64>() / self.pictures as f64);
        let centred = [0, 1].map(|axis| relative[axis].iter().map(|v| v - mean[axis]).collect());
        (centred, mean)
    }

    /// Each picture's distance when it is left out, `[n]`; infinite where the others do not settle it.
    fn left_out(&self, y: &[[f64; 2]], strength: f64) -> Vec<f64> {
        let lambda = strength * self.greatest;
        let (mut residuals, _) = self.centred(y);
        let mut leverage = vec![1.0 / self.pictures as f64; self.pictures];
        for (square, us) in &self.scaled {
            // Of the projection on this direction of U, U^T y / s^2, the ridge keeps s^2 / (s^2 + lambda).
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
        (0..self.pictures)
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

    fn map(&self, y: &[[f64; 2]], strength: f64) -> Map {
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
        Map {
            x_mean: self.x_mean.clone(),
            y_mean,
            weights,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::annotate::{Keypoint, edit::Table};

    const SIDE: [u32; 2] = [320, 200];

    fn annotations(points: &[Vec<[f64; 2]>]) -> Annotations {
        let keypoint = |i| Keypoint {
            name: format!("p{i}"),
            color: "#123456".into(),
        };
        Annotations {
            category: "thing".into(),
            keypoints: (0..points[0].len()).map(keypoint).collect(),
            images: points
                .iter()
                .enumerate()
                .map(|(i, row)| Image {
                    file_name: format!("{i}.png"),
                    frame: None,
                    seconds: None,
                    exif_orientation: 1,
                    width_px: SIDE[0],
                    height_px: SIDE[1],
                    points: row
                        .iter()
                        .map(|[x, y]| {
                            Point::placed([x * f64::from(SIDE[0]), y * f64::from(SIDE[1])])
                        })
                        .collect(),
                })
                .collect(),
            ..Annotations::default()
        }
    }

    type Points = Vec<Vec<[f64; 2]>>;

    /// Normal, by adding twelve uniforms.
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// `n` pictures of a thing that moves about and has 4 degrees of freedom: K keypoints and L landmarks, with noise.
    fn things(n: usize, k: usize, l: usize, noise: f64, seed: u64) -> (Points, Points) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hidden = 4;
        let mut points = |count: usize| -> Vec<Vec<f64>> {
            (0..2 * count)
                .map(|_| (0..hidden).map(|_| 0.05 * normal(&mut rng)).collect())
                .collect()
        };
        let (a, b) = (points(k), points(l));
        let (mut keypoints, mut landmarks) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let h: Vec<f64> = (0..hidden).map(|_| normal(&mut rng)).collect();
            let place = [0, 1].map(|_| 0.5 + 0.1 * normal(&mut rng));
            let mut of = |map: &Vec<Vec<f64>>| -> Vec<[f64; 2]> {
                map.chunks_exact(2)
                    .map(|pair| {
                        [0, 1].map(|i| place[i] + dot(&pair[i], &h) + noise * normal(&mut rng))
                    })
                    .collect()
            };
            keypoints.push(of(&a));
            landmarks.push(of(&b));
        }
        (keypoints, landmarks)
    }

    fn subset(all: &Annotations, n: usize) -> Annotations {
        let mut some = all.clone();
        some.images.truncate(n);
        some
    }

    /// Mean distance of predictions from the truth on pictures `from..`, in fractions.
    fn test_error(
        fit: &Fit,
        discovered: &Annotations,
        truth: &[Vec<[f64; 2]>],
        from: usize,
    ) -> f64 {
        let mut errors = Vec::new();
        for (image, truth) in discovered.images.iter().zip(truth).skip(from) {
            for (at, truth) in fit.predict(image).expect("predicts").iter().zip(truth) {
                let at = at.expect("a prediction");
                errors.push((at[0] - truth[0]).hypot(at[1] - truth[1]));
            }
        }
        mean(&errors).expect("errors")
    }

    #[test]
    fn a_linear_map_is_found_exactly() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let keypoints: Vec<Vec<[f64; 2]>> = (0..80)
            .map(|_| (0..5).map(|_| [rng.random(), rng.random()]).collect())
            .collect();
        let landmarks: Vec<Vec<[f64; 2]>> = keypoints
            .iter()
            .map(|k| {
                vec![
                    [0.3 * k[0][0] + 0.2 * k[4][1] + 0.1, 0.5 * k[1][1] + 0.25],
                    [0.5 * (k[2][0] + k[3][0]), 0.7 - 0.2 * k[2][1]],
                ]
            })
            .collect();
        let discovered = annotations(&keypoints);
        let placed = subset(&annotations(&landmarks), 40);
        let fit = Fit::new(&discovered, &placed).expect("a fit");
        assert!(fit.error_fraction() < 1e-8, "{}", fit.error_fraction());
        assert!(test_error(&fit, &discovered, &landmarks, 40) < 1e-8);
        assert_eq!(fit.labelled, (0..40).collect::<Vec<_>>());
        let first = &fit.landmarks[0];
        assert!(first.baseline_fraction > Some(0.05));
        assert_eq!((first.placed_on, first.worst.len()), (40, WORST));
    }

    #[test]
    fn leaving_out_in_closed_form_is_leaving_out() {
        for (n, k) in [(12, 3), (7, 8), (3, 4)] {
            let (keypoints, landmarks) = things(n, k, 1, 0.05, 3);
            let x: Vec<Vec<f64>> = keypoints.iter().map(|row| row.concat()).collect();
            let y: Vec<[f64; 2]> = landmarks.iter().map(|row| row[0]).collect();
            let ridge = Ridge::new(&x).expect("a ridge");
            for strength in [1e-4, 0.03, 1.0, f64::INFINITY] {
                let closed = ridge.left_out(&y, strength);
                for (i, closed) in closed.iter().enumerate() {
                    let (mut x, mut y) = (x.clone(), y.clone());
                    let (x_i, y_i) = (x.remove(i), y.remove(i));
                    let without = Ridge::new(&x).expect("a ridge");
                    // The same lambda, though the share is of other singular values.
                    let share = strength * ridge.greatest / without.greatest;
                    let at = without.map(&y, share).predict(&x_i);
                    let brute = (at[0] - y_i[0]).hypot(at[1] - y_i[1]);
                    assert!(
                        (brute - closed).abs() < 1e-9 * (1.0 + brute),
                        "n {n}, strength {strength}: {brute} {closed}"
                    );
                }
            }
        }
    }

    /// Mean distances on the pictures from `n` on, fitted on those before: of ridge, of least squares without a bias (as
    /// [`crate::eval`]) and with one, of the mean landmark.
    fn compare(keypoints: &Points, landmarks: &Points, n: usize) -> [f64; 4] {
        let discovered = annotations(keypoints);
        let placed = subset(&annotations(landmarks), n);
        let fit = Fit::new(&discovered, &placed).expect("a fit");
        let flat =
            |points: &Points| -> Vec<Vec<f64>> { points.iter().map(|r| r.concat()).collect() };
        let (x, y) = (flat(keypoints), flat(landmarks));
        let columns = |rows: &[Vec<f64>], mean: &[f64]| -> Vec<Vec<f64>> {
            let column = |(c, mean): (usize, &f64)| rows.iter().map(|r| r[c] - mean).collect();
            mean.iter().enumerate().map(column).collect()
        };
        let least_squares = |x_mean: &[f64], y_mean: &[f64]| {
            let solver = LeastSquares::new(columns(&x[..n], x_mean));
            let weights: Vec<Vec<f64>> = columns(&y[..n], y_mean)
                .iter()
                .map(|target| solver.solve(target))
                .collect();
            let mut errors = Vec::new();
            for (x, y) in x.iter().zip(&y).skip(n) {
                let x: Vec<f64> = x.iter().zip(x_mean).map(|(x, m)| x - m).collect();
                let gap = |c: usize| y[c] - y_mean[c] - dot(&weights[c], &x);
                errors.extend((0..y.len()).step_by(2).map(|c| gap(c).hypot(gap(c + 1))));
            }
            mean(&errors).expect("errors")
        };
        let (x_mean, y_mean) = (column_means(&x[..n]), column_means(&y[..n]));
        let means = y.iter().skip(n).flat_map(|y| {
            let gap = |c: usize| y[c] - y_mean[c];
            (0..y.len())
                .step_by(2)
                .map(move |c| gap(c).hypot(gap(c + 1)))
                .collect::<Vec<_>>()
        });
        [
            test_error(&fit, &discovered, landmarks, n),
            least_squares(&vec![0.0; x_mean.len()], &vec![0.0; y_mean.len()]),
            least_squares(&x_mean, &y_mean),
            mean(&means.collect::<Vec<_>>()).expect("errors"),
        ]
    }

    fn sum<const N: usize>(rows: impl Iterator<Item = [f64; N]>) -> [f64; N] {
        rows.fold([0.0; N], |sum, row| {
            std::array::from_fn(|i| sum[i] + row[i])
        })
    }

    #[test]
    fn ridge_beats_least_squares_where_pictures_are_few() {
        let k = 8;
        for n in [3, 4, 5, 8, 12, 16, 17, 18, 20, 23] {
            let errors = sum((0..10).map(|seed| {
                let (keypoints, landmarks) = things(300, k, 5, 0.03, 100 + seed);
                compare(&keypoints, &landmarks, n)
            }));
            assert!(
                errors[1..].iter().all(|e| errors[0] < *e),
                "n {n}: {errors:?}"
            );
        }
    }

    /// The numbers at the top of this file: `cargo test --lib on_hands -- --nocapture`.
    #[test]
    fn ridge_beats_least_squares_on_hands() {
        let Some(path) = crate::needs::shared("data/hands/landmarks.csv") else {
            return;
        };
        let text = std::fs::read_to_string(path).expect("text");
        let table = crate::eval::Landmarks::from_csv(&text).expect("a table");
        let (k, draws) = (12, 10);
        for n in [3, 5, 10, 20, 50, 200] {
            let errors = sum((0..draws).map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut rows: Vec<u32> = (0..table.rows.len() as u32).collect();
                crate::data::dataset::shuffle(&mut rows, &mut rng);
                let landmarks: Points = rows[..700]
                    .iter()
                    .map(|&i| table.rows[i as usize].1.iter().flatten().copied().collect())
                    .collect();
                // Each keypoint: between two neighbouring landmarks, with little, more or much noise.
                let sources: Vec<(usize, f64)> = (0..k)
                    .map(|i| {
                        (
                            rng.random_range(0..table.names.len()),
                            [0.01, 0.04, 0.12][i % 3],
                        )
                    })
                    .collect();
                let keypoints: Points = landmarks
                    .iter()
                    .map(|row| {
                        let point = |&(at, noise): &(usize, f64)| {
                            let next = (at + 1) % row.len();
                            [0, 1].map(|c| {
                                0.7 * row[at][c] + 0.3 * row[next][c] + noise * normal(&mut rng)
                            })
                        };
                        sources.iter().map(point).collect()
                    })
                    .collect();
                compare(&keypoints, &landmarks, n)
            }));
            let percent = errors.map(|e| (1000.0 * e / draws as f64).round() / 10.0);
            println!(
                "n {n}: ridge {}, least squares {}, with a bias {}, mean {}",
                percent[0], percent[1], percent[2], percent[3]
            );
            if n < 3 * k {
                assert!(
                    errors[1..].iter().all(|e| errors[0] < *e),
                    "n {n}: {errors:?}"
                );
            }
        }
    }

    /// The second table at the top of this file: `cargo test --lib shipped_model -- --nocapture`.
    #[test]
    fn ridge_beats_least_squares_on_what_the_shipped_model_finds() {
        let Some(folder) = crate::needs::shared("data/hands") else {
            return;
        };
        let model =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/hands.safetensors");
        let model = std::fs::read(model).expect("it comes with the page");
        let table = std::fs::read_to_string(folder.join("landmarks.csv")).expect("text");
        let device = burn::tensor::Device::flex();
        let crate::checkpoint::Loaded { model, config, .. } =
            crate::checkpoint::load(&model, &device).expect("a model");
        let table = crate::eval::Landmarks::from_csv(&table).expect("a table");
        let mut pictures = crate::data::Dataset::new(config.size);
        for (name, _) in &table.rows {
            let bytes = std::fs::read(folder.join(name)).expect("a picture");
            let picture = crate::data::decode::decode(name, &bytes, config.size, config.fit);
            pictures.push(picture.expect("decodes"));
        }
        let found = pollster::block_on(crate::session::detect(&model, &pictures, &device));
        let found: Points = (found.expect("finds").into_iter())
            .map(|found| found.keypoints.iter().map(|p| p.map(f64::from)).collect())
            .collect();
        let draws = 10;
        for n in [5, 10, 20, 50, 200] {
            let errors = sum((0..draws).map(|seed| {
                let mut rows: Vec<u32> = (0..table.rows.len() as u32).collect();
                crate::data::dataset::shuffle(&mut rows, &mut ChaCha8Rng::seed_from_u64(seed));
                let of = |points: &dyn Fn(usize) -> Vec<[f64; 2]>| -> Points {
                    rows.iter().map(|&i| points(i as usize)).collect()
                };
                let keypoints = of(&|i| found[i].clone());
                let landmarks = of(&|i| table.rows[i].1.iter().flatten().copied().collect());
                compare(&keypoints, &landmarks, n)
            }));
            let percent = errors.map(|e| (1000.0 * e / draws as f64).round() / 10.0);
            println!(
                "n {n}: ridge {}, least squares {}, with a bias {}, mean {}",
                percent[0], percent[1], percent[2], percent[3]
            );
            if n < 3 * config.keypoints {
                assert!(
                    errors[1..].iter().all(|e| errors[0] < *e),
                    "n {n}: {errors:?}"
                );
            }
        }
    }

    #[test]
    fn the_error_that_is_told_is_the_error_that_comes() {
        let (keypoints, landmarks) = things(400, 6, 4, 0.03, 9);
        let discovered = annotations(&keypoints);
        let fit = Fit::new(&discovered, &subset(&annotations(&landmarks), 40)).expect("a fit");
        let test = test_error(&fit, &discovered, &landmarks, 40);
        assert!(
            (fit.error_fraction() / test - 1.0).abs() < 0.2,
            "{} {test}",
            fit.error_fraction()
        );
    }

    #[test]
    fn landmarks_may_be_missing() {
        let (keypoints, landmarks) = things(60, 6, 3, 0.001, 5);
        let discovered = annotations(&keypoints);
        let mut placed = subset(&annotations(&landmarks), 30);
        for (i, image) in placed.images.iter_mut().enumerate() {
            if i % 2 == 0 {
                image.points[1] = Point::ABSENT;
            }
            if i >= 2 {
                image.points[2] = Point::ABSENT;
            }
        }
        placed.images[3].points = vec![Point::ABSENT; 3];
        let mut stranger = placed.images[0].clone();
        stranger.file_name = "stranger.png".into();
        placed.images.push(stranger);
        let fit = Fit::new(&discovered, &placed).expect("a fit");
        let placed_on: Vec<usize> = fit.landmarks.iter().map(|l| l.placed_on).collect();
        assert_eq!(placed_on, [29, 14, 2]);
        assert!(fit.landmarks[2].error_fraction.is_none());
        assert_eq!(fit.unknown, ["stranger.png"]);
        assert_eq!(fit.labelled.len(), 29);
        let all = fit.annotate(&discovered, &placed).expect("annotations");
        // Placed ones are kept, others predicted or absent.
        assert_eq!(all.images[1].points[0], placed.images[1].points[0]);
        let point = all.images[0].points[1];
        assert!(!point.corrected && point.is_there());
        assert!((point.x_px / f64::from(SIDE[0]) - landmarks[0][1][0]).abs() < 0.05);
        assert!(!all.images[59].points[2].is_there());
        assert!(all.validate().is_ok());
    }

    #[test]
    fn labels_on_smaller_copies_fit() {
        let (keypoints, landmarks) = things(40, 6, 3, 0.001, 5);
        let discovered = annotations(&keypoints);
        let mut placed = subset(&annotations(&landmarks), 30);
        let plain = Fit::new(&discovered, &placed).expect("a fit");
        for image in &mut placed.images {
            (image.width_px, image.height_px) = (SIDE[0] / 2, SIDE[1] / 4);
            for point in &mut image.points {
                (point.x_px, point.y_px) = (point.x_px / 2.0, point.y_px / 4.0);
            }
        }
        let copy = Fit::new(&discovered, &placed).expect("a fit");
        assert!((plain.error_fraction() - copy.error_fraction()).abs() < 1e-12);
        let all = copy.annotate(&discovered, &placed).expect("annotations");
        assert!(
            (all.images[0].points[0].x_px - 2.0 * placed.images[0].points[0].x_px).abs() < 1e-9
        );
    }

    #[test]
    fn corrections_feed_the_regression() {
        let (mut keypoints, landmarks) = things(40, 6, 3, 0.001, 6);
        // Detection failed on one labelled picture.
        let truth = keypoints[4].clone();
        keypoints[4] = vec![[0.9, 0.1]; 6];
        let mut discovered = annotations(&keypoints);
        let placed = subset(&annotations(&landmarks), 20);
        let before = Fit::new(&discovered, &placed).expect("a fit");
        assert!(before.landmarks.iter().all(|l| l.worst[0].image == 4));
        let table = Table::new(&discovered);
        for (k, [x, y]) in truth.into_iter().enumerate() {
            let point = Point::placed([x * f64::from(SIDE[0]), y * f64::from(SIDE[1])]);
            table
                .correct(&mut discovered.images[4], k, point)
                .expect("corrects");
        }
        let after = Fit::new(&discovered, &placed).expect("a fit");
        assert!(after.error_fraction() < 0.2 * before.error_fraction());
    }

    #[test]
    fn dead_and_doubled_keypoints_do_no_harm() {
        let (mut keypoints, landmarks) = things(60, 6, 3, 0.01, 7);
        for row in &mut keypoints {
            row.push(row[0]);
            row.push([0.5, 0.5]);
        }
        let discovered = annotations(&keypoints);
        let fit = Fit::new(&discovered, &subset(&annotations(&landmarks), 30)).expect("a fit");
        assert!(test_error(&fit, &discovered, &landmarks, 30) < 0.05);
        // Nothing but dead ones: the mean.
        let dead = annotations(&vec![vec![[0.25, 0.5]; 4]; 60]);
        let fit = Fit::new(&dead, &subset(&annotations(&landmarks), 30)).expect("a fit");
        let first = &fit.landmarks[0];
        let gap = first
            .error_fraction
            .zip(first.baseline_fraction)
            .map(|(a, b)| (a - b).abs());
        assert!(gap < Some(1e-12));
        assert_eq!(
            next_to_label(&dead, Some(&fit), &[], 2)
                .expect("a choice")
                .len(),
            2
        );
    }

    #[test]
    fn the_next_picture_is_unlike_the_labelled_ones_and_like_others() {
        // Two poses, each many times with a little noise, and one failure; the first pose is labelled.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let poses = [
            [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]],
            [[0.3, 0.4], [0.4, 0.4], [0.9, 0.5], [0.8, 0.5]],
        ];
        let mut keypoints: Vec<Vec<[f64; 2]>> = (0..40)
            .map(|i| {
                let mut noisy = |v: f64| v + 0.01 * normal(&mut rng);
                poses[i / 20].iter().map(|at| at.map(&mut noisy)).collect()
            })
            .collect();
        keypoints.push(vec![[0.3, 0.3], [0.6, 0.3], [0.2, 0.1], [0.3, 0.6]]);
        let discovered = annotations(&keypoints);
        let next = next_to_label(&discovered, None, &[0, 1, 2], 3).expect("a choice");
        assert_eq!(next.len(), 3);
        assert!((20..40).contains(&next[0]), "{next:?}");
        // With nothing labelled, two picks see both poses or the middle; never the failure first.
        let first = next_to_label(&discovered, None, &[], 1).expect("a choice");
        assert_ne!(first, [40]);
        // Every picture once.
        let mut all = next_to_label(&discovered, None, &[5], 99).expect("a choice");
        all.sort_unstable();
        assert_eq!(all.len(), 40);
        all.dedup();
        assert_eq!(all.len(), 40);
        let nothing = Annotations::default();
        assert!(
            next_to_label(&nothing, None, &[], 1)
                .expect("none")
                .is_empty()
        );
    }

    #[test]
    fn chosen_pictures_teach_more_than_random_ones() {
        let (mut chosen_error, mut random_error) = (0.0, 0.0);
        for seed in 0..20 {
            let (keypoints, landmarks) = things(200, 8, 4, 0.03, 300 + seed);
            let discovered = annotations(&keypoints);
            let all = annotations(&landmarks);
            let pick = |indices: &[usize]| {
                let mut some = all.clone();
                some.images = indices.iter().map(|&i| all.images[i].clone()).collect();
                let fit = Fit::new(&discovered, &some).expect("a fit");
                test_error(&fit, &discovered, &landmarks, 0)
            };
            let chosen = next_to_label(&discovered, None, &[], 8).expect("a choice");
            chosen_error += pick(&chosen);
            random_error += pick(&(0..8).collect::<Vec<_>>());
        }
        assert!(chosen_error < random_error, "{chosen_error} {random_error}");
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let (keypoints, landmarks) = things(10, 3, 2, 0.01, 8);
        let (discovered, placed) = (annotations(&keypoints), annotations(&landmarks));
        let fails = |discovered: &Annotations, placed: &Annotations, part: &str| {
            let message = Fit::new(discovered, placed).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(
            &discovered,
            &subset(&placed, 2),
            "at least 3 pictures; so far the most is 2",
        );
        let mut strangers = placed.clone();
        for image in &mut strangers.images {
            image.file_name.insert(0, 'x');
        }
        fails(&discovered, &strangers, "x0.png for example");
        let mut ragged = discovered.clone();
        ragged.images[1].points.pop();
        fails(&ragged, &placed, "same number of keypoints");
        let mut nan = discovered.clone();
        nan.images[1].points[0].x_px = f64::NAN;
        fails(&nan, &placed, "not a number");
        let mut nan = placed.clone();
        nan.images[1].points[0].x_px = f64::NAN;
        fails(&discovered, &nan, "not a number");
        let mut short = placed.clone();
        short.images[1].points.pop();
        fails(&discovered, &short, "1 landmarks, but 2 are named");
        let mut unknown = discovered.clone();
        unknown.images[1].width_px = 0;
        fails(&unknown, &placed, "size of 1.png");
        fails(
            &Annotations::default(),
            &Annotations::default(),
            "at least 3",
        );
    }
}
