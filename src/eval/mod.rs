//! How well discovered keypoints predict landmarks: the measure of unsupervised landmark papers, in f64.
//!
//! Landmarks are regressed linearly from keypoints, without a bias, on some images, and the distance is measured on the others:
//! `min_W |X W - Y|^2`, `X = [n, 2K]` keypoints, `Y = [n, 2L]` landmarks, all in `[0, 1]`.

mod landmarks;
mod least_squares;

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::data::dataset::shuffle;
use crate::error::{Error, Result};

pub(crate) use landmarks::FILE_COLUMNS;
pub use landmarks::Landmarks;
pub(crate) use least_squares::{LeastSquares, dot};

/// `[x, y]` of a landmark; none where it is absent.
pub type Position = Option<[f64; 2]>;

/// Distances between predicted and true landmarks, as fractions of the image's side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Mean distance of landmarks that are predicted from the keypoints.
    pub error: f64,
    /// Mean distance if the prediction is always the mean landmark of the fitted images.
    pub baseline: f64,
    /// Number of images on which the regression was fitted.
    pub n_fit: usize,
    /// Number of images on which distances were measured: all others.
    pub n_test: usize,
    /// Row of each of those images, and the distance of each landmark that is on it.
    #[serde(skip)]
    pub errors: Vec<(usize, Vec<f64>)>,
}

/// Returns on how many of `images` the regression is fitted: `n_fit`, or three quarters by default.
///
/// ```
/// assert_eq!(autolink::eval::fit_count(20, None).unwrap(), 15);
/// ```
///
/// # Errors
/// [`Error::Landmarks`] if no image would be fitted, or none left to test on.
pub fn fit_count(images: usize, n_fit: Option<usize>) -> Result<usize> {
    let n_fit = n_fit.unwrap_or(images * 3 / 4);
    if n_fit == 0 || n_fit >= images {
        return Err(Error::Landmarks(format!(
            "Of {images} images with landmarks, {n_fit} cannot be fitted. Fit at least 1, and leave at least 1 to test on."
        )));
    }
    Ok(n_fit)
}

/// Regresses landmarks `[N][L]` from keypoints `[N][K][x, y]`, both in `[0, 1]`, linearly and without a bias, on `n_fit` images that
/// `seed` chooses, and scores the others. Row `i` of both belongs to the same image. A landmark is fitted and scored on the images
/// that have it, and ignored if no fitted image or no other has it. See `tests/session.rs`.
///
/// Where keypoints are dead or doubled, many regressions fit equally well: the one with the smallest weights is taken.
///
/// # Errors
/// [`Error::Landmarks`] if the rows differ in number or length, a coordinate is not finite, or there are too few images.
pub fn score(
    keypoints: &[Vec<[f64; 2]>],
    landmarks: &[Vec<Position>],
    n_fit: usize,
    seed: u64,
) -> Result<Score> {
    let n_fit = fit_count(keypoints.len(), Some(n_fit))?;
    let mut order: Vec<u32> = (0..keypoints.len() as u32).collect();
    shuffle(&mut order, &mut ChaCha8Rng::seed_from_u64(seed));
    let (fit, test) = order.split_at(n_fit);
    score_on(keypoints, landmarks, fit, test)
}

/// Scores as [`score`] does, fitted on the images at the rows `fit` and scored on those at the rows `test`. See `tests/held_out.rs`.
///
/// # Errors
/// As [`score`].
pub fn score_on(
    keypoints: &[Vec<[f64; 2]>],
    landmarks: &[Vec<Position>],
    fit: &[u32],
    test: &[u32],
) -> Result<Score> {
    let images = keypoints.len();
    if images != landmarks.len() {
        return Err(Error::Landmarks(format!(
            "There are keypoints for {images} images, but landmarks for {}.",
            landmarks.len()
        )));
    }
    let x = columns(keypoints, "keypoints")?;
    let count = landmark_count(landmarks)?;

    let position = |row: u32, l: usize| landmarks[row as usize][l];
    let pick = |rows: &[u32]| -> Vec<Vec<f64>> {
        x.iter()
            .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
            .collect()
    };

    // Landmarks on the same images share a decomposition.
    let mut solvers: HashMap<Vec<u32>, LeastSquares> = HashMap::new();
    let mut errors: Vec<(usize, Vec<f64>)> =
        test.iter().map(|&row| (row as usize, Vec::new())).collect();
    let (mut sum, mut baseline, mut terms) = (0.0, 0.0, 0);
    for l in 0..count {
        let on: Vec<u32> = fit
            .iter()
            .copied()
            .filter(|&row| position(row, l).is_some())
            .collect();
        if on.is_empty() {
            continue;
        }
        let at: Vec<[f64; 2]> = on.iter().filter_map(|&row| position(row, l)).collect();
        let solver = solvers
            .entry(on)
            .or_insert_with_key(|on| LeastSquares::new(pick(on)));
        let fits = [0, 1].map(|axis| {
            let b: Vec<f64> = at.iter().map(|at| at[axis]).collect();
            (solver.solve(&b), b.iter().sum::<f64>() / b.len() as f64)
        });
        for (error, &row) in errors.iter_mut().zip(test) {
            let Some([true_x, true_y]) = position(row, l) else {
                continue;
            };
            let [px, py] = [0, 1].map(|axis| {
                let w = &fits[axis].0;
                x.iter()
                    .zip(w)
                    .map(|(column, w)| column[row as usize] * w)
                    .sum::<f64>()
            });
            let distance = (px - true_x).hypot(py - true_y);
            error.1.push(distance);
            sum += distance;
            baseline += (fits[0].1 - true_x).hypot(fits[1].1 - true_y);
            terms += 1;
        }
    }
    if terms == 0 {
        return Err(Error::Landmarks(
            "No landmark is on both a fitted and a tested image. Label more images.".into(),
        ));
    }
    Ok(Score {
        error: sum / f64::from(terms),
        baseline: baseline / f64::from(terms),
        n_fit: fit.len(),
        n_test: test.len(),
        errors,
    })
}

/// Computes Spearman's rank correlation, -1 to 1: the correlation of the ranks, where equal values share the mean of theirs. It is 0 if
/// all values of one slice are equal.
///
/// ```
/// let correlation = autolink::eval::rank_correlation(&[1.0, 2.0, 30.0], &[0.1, 0.2, 0.3]);
/// assert!((correlation - 1.0).abs() < 1e-12);
/// ```
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let below = |v: f64| values.iter().filter(|other| **other < v).count() as f64;
        let equal = |v: f64| values.iter().filter(|other| **other == v).count() as f64;
        (values.iter())
            .map(|&v| below(v) + (equal(v) - 1.0) / 2.0)
            .collect()
    };
    let centred = |values: Vec<f64>| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        values.iter().map(|v| v - mean).collect()
    };
    let (a, b) = (centred(ranks(a)), centred(ranks(b)));
    let scale = (dot(&a, &a) * dot(&b, &b)).sqrt();
    if scale > 0.0 {
        dot(&a, &b) / scale
    } else {
        0.0
    }
}

/// Transposes points `[N][P][x, y]` to columns `[2P][N]`: x of the first point, its y, and so on.
fn columns(points: &[Vec<[f64; 2]>], what: &str) -> Result<Vec<Vec<f64>>> {
    let count = points.first().map_or(0, Vec::len);
    if count == 0 {
        return Err(Error::Landmarks(format!("There are no {what}.")));
    }
    if points.iter().any(|row| row.len() != count) {
        return Err(Error::Landmarks(format!(
            "Not all images have the same number of {what}."
        )));
    }
    if points.iter().flatten().flatten().any(|v| !v.is_finite()) {
        return Err(Error::Landmarks(format!(
            "Some of the {what} are not finite numbers."
        )));
    }
    Ok((0..2 * count)
        .map(|c| points.iter().map(|row| row[c / 2][c % 2]).collect())
        .collect())
}

/// Returns the number of landmarks per image, L, after checking that all rows have it and all coordinates are finite.
fn landmark_count(landmarks: &[Vec<Position>]) -> Result<usize> {
    let count = landmarks.first().map_or(0, Vec::len);
    let wrong = if count == 0 {
        "There are no landmarks."
    } else if landmarks.iter().any(|row| row.len() != count) {
        "Not all images have the same number of landmarks."
    } else if landmarks
        .iter()
        .flatten()
        .flatten()
        .flatten()
        .any(|v| !v.is_finite())
    {
        "Some of the landmarks are not finite numbers."
    } else {
        return Ok(count);
    };
    Err(Error::Landmarks(wrong.into()))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// Marks all landmarks as present.
    fn present(points: &[Vec<[f64; 2]>]) -> Vec<Vec<Position>> {
        points
            .iter()
            .map(|row| row.iter().copied().map(Some).collect())
            .collect()
    }

    /// Scores landmarks that are all present.
    fn score(
        keypoints: &[Vec<[f64; 2]>],
        landmarks: &[Vec<[f64; 2]>],
        n_fit: usize,
        seed: u64,
    ) -> Result<Score> {
        super::score(keypoints, &present(landmarks), n_fit, seed)
    }

    /// Draws points `[n][p][x, y]`, uniform in `[0, 1]`.
    fn random(n: usize, p: usize, seed: u64) -> Vec<Vec<[f64; 2]>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n)
            .map(|_| (0..p).map(|_| [rng.random(), rng.random()]).collect())
            .collect()
    }

    /// Maps keypoints linearly to landmarks, `L = 3`.
    fn mapped(keypoints: &[Vec<[f64; 2]>]) -> Vec<Vec<[f64; 2]>> {
        let map = |row: &Vec<[f64; 2]>| {
            (0..3)
                .map(|l| {
                    let mut point = [0.0; 2];
                    for (k, &[x, y]) in row.iter().enumerate() {
                        let (k, l) = (k as f64, l as f64);
                        point[0] += (0.3 * k - 0.2 * l).sin() * x + (k * l).cos() * y;
                        point[1] += (0.5 * l + k).cos() * x - (0.7 * k).sin() * y;
                    }
                    point
                })
                .collect()
        };
        keypoints.iter().map(map).collect()
    }

    #[test]
    fn score_finds_a_linear_map_exactly() {
        let keypoints = random(60, 5, 1);
        let score = score(&keypoints, &mapped(&keypoints), 40, 0).expect("a score");
        assert!(score.error < 1e-12, "{score:?}");
        assert!(score.baseline > 0.1);
        assert_eq!((score.n_fit, score.n_test), (40, 20));
    }

    #[test]
    fn baseline_predicts_the_mean_landmark() {
        // Keypoints carry no information; the landmark is at 0 or at 0.6 along x.
        let keypoints = vec![vec![[0.0, 0.0]]; 4];
        let landmarks = vec![
            vec![[0.0, 0.5]],
            vec![[0.6, 0.5]],
            vec![[0.0, 0.5]],
            vec![[0.6, 0.5]],
        ];
        for seed in 0..5 {
            let score = score(&keypoints, &landmarks, 3, seed).expect("a score");
            // Two of the three fitted are on the other side: their mean is 0.4 away.
            assert!((score.baseline - 0.4).abs() < 1e-12);
            // Without information and bias the prediction is the origin: |(0, 0.5)| or |(0.6, 0.5)|.
            assert!(
                [0.5, 0.6_f64.hypot(0.5)]
                    .iter()
                    .any(|d| (score.error - d).abs() < 1e-12),
                "{score:?}"
            );
        }
    }

    #[test]
    fn score_bears_dead_and_doubled_keypoints() {
        let keypoints = random(80, 4, 2);
        let landmarks = mapped(&keypoints);
        let mut worse = keypoints.clone();
        for (i, row) in worse.iter_mut().enumerate() {
            let tiny = 1e-9 * (i % 7) as f64;
            row.push(row[0]);
            row.push([row[1][0] + tiny, row[1][1] - tiny]);
            row.push([0.0, 0.0]);
            row.push([0.5, 0.5]);
            row.push([0.5 + tiny, 0.5]);
        }
        let score = score(&worse, &landmarks, 50, 3).expect("a score");
        assert!(score.error < 1e-6, "{score:?}");
        // Nothing but dead points.
        let dead = vec![vec![[0.5, 0.25]; 3]; 80];
        let score = self::score(&dead, &landmarks, 50, 3).expect("a score");
        assert!(
            (score.error - score.baseline).abs() < 1e-12,
            "a constant point is a bias: {score:?}"
        );
    }

    #[test]
    fn score_stays_finite_with_fewer_images_than_unknowns() {
        let keypoints = random(30, 10, 4);
        let score = score(&keypoints, &mapped(&keypoints), 8, 1).expect("a score");
        assert!(score.error.is_finite() && score.error < 10.0, "{score:?}");
    }

    #[test]
    fn seed_chooses_the_fitted_images() {
        let (keypoints, landmarks) = (random(40, 3, 6), random(40, 2, 7));
        let error = |seed| {
            score(&keypoints, &landmarks, 20, seed)
                .expect("a score")
                .error
        };
        assert_eq!(error(5).to_bits(), error(5).to_bits());
        assert_ne!(error(5), error(6));
    }

    #[test]
    fn score_rejects_unusable_input() {
        let (keypoints, landmarks) = (random(5, 3, 0), random(5, 2, 0));
        let fails = |k: &[Vec<[f64; 2]>], l: &[Vec<[f64; 2]>], n_fit, part: &str| {
            let message = score(k, l, n_fit, 0).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(
            &keypoints,
            &landmarks,
            5,
            "Of 5 images with landmarks, 5 cannot be fitted",
        );
        fails(&keypoints, &landmarks, 0, "0 cannot be fitted");
        fails(&[], &[], 0, "Of 0 images");
        fails(&keypoints, &landmarks[1..], 2, "landmarks for 4");
        let mut ragged = keypoints.clone();
        ragged[3].pop();
        fails(&ragged, &landmarks, 2, "same number of keypoints");
        let mut nan = landmarks.clone();
        nan[0][0][0] = f64::NAN;
        fails(&keypoints, &nan, 2, "landmarks are not finite numbers");
        fails(&vec![vec![]; 5], &landmarks, 2, "no keypoints");
    }

    #[test]
    fn score_serialises_in_a_fixed_order() {
        let score = Score {
            error: 0.5,
            baseline: 1.0,
            n_fit: 2,
            n_test: 3,
            errors: Vec::new(),
        };
        let text = serde_json::to_string(&score).expect("json");
        assert_eq!(text, r#"{"error":0.5,"baseline":1.0,"n_fit":2,"n_test":3}"#);
    }

    #[test]
    fn score_ignores_absent_landmarks() {
        let keypoints = random(60, 5, 1);
        let full = mapped(&keypoints);
        let mut gaps = present(&full);
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        // A third is absent; wrong values in their place would spoil a fit that is exact.
        for place in gaps.iter_mut().flatten() {
            if rng.random::<f64>() < 0.3 {
                *place = None;
            }
        }
        let score = super::score(&keypoints, &gaps, 45, 0).expect("a score");
        assert!(score.error < 1e-12, "{score:?}");
        let scored: usize = score
            .errors
            .iter()
            .map(|(_, distances)| distances.len())
            .sum();
        let left: usize = score
            .errors
            .iter()
            .map(|(row, _)| gaps[*row].iter().flatten().count())
            .sum();
        assert_eq!((scored, score.n_test), (left, 15));
        // A landmark that is on no image changes nothing; without any landmark there is no score.
        let with_none: Vec<Vec<Position>> = gaps
            .iter()
            .map(|row| [row.as_slice(), &[None]].concat())
            .collect();
        let same = super::score(&keypoints, &with_none, 45, 0).expect("a score");
        assert_eq!(same.error.to_bits(), score.error.to_bits());
        let nowhere = vec![vec![None; 3]; 60];
        let message = super::score(&keypoints, &nowhere, 45, 0)
            .expect_err("nothing")
            .to_string();
        assert!(message.contains("Label more images"), "{message}");
    }

    #[test]
    fn rank_correlation_ignores_the_scale() {
        let a = [1.0, 2.0, 3.0, 10.0, 100.0];
        assert!((rank_correlation(&a, &a.map(f64::ln)) - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&a, &a.map(|v| -v)) + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation(&a, &[3.0; 5]), 0.0);
        // Ranks 0 1.5 1.5 3 and 0 1 2 3: 4.5 / sqrt(4.5 * 5).
        let tied = rank_correlation(&[1.0, 5.0, 5.0, 7.0], &[1.0, 2.0, 3.0, 4.0]);
        assert!((tied - (4.5_f64 / 5.0).sqrt()).abs() < 1e-12, "{tied}");
    }
}
