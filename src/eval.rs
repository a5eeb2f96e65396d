//! How well discovered keypoints predict landmarks: the measure of unsupervised landmark papers, in f64.
//!
//! Landmarks are regressed linearly from keypoints, without a bias, on some pictures, and the distance is taken on the
//! others: `min_W |X W - Y|^2`, `X = [n, 2K]` keypoints, `Y = [n, 2L]` landmarks, all in `[0, 1]`.

use std::collections::{HashMap, HashSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::data::dataset::shuffle;
use crate::data::table;
use crate::data::tally::Tally;
use crate::error::{Error, Result};

/// A landmark's `[x, y]`; none where it is absent.
pub type Place = Option<[f64; 2]>;

/// Named landmarks of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Landmarks {
    /// `[L]`, in the order of the columns.
    pub names: Vec<String>,
    /// An image's file, and its landmarks: `[L]` as fractions of the image.
    pub rows: Vec<(String, Vec<Place>)>,
}

/// The header that a table should have.
const HEADER: &str = "the header should be file,<name>_x,<name>_y and so on";

/// What the first column may be called.
pub(crate) const FILE_COLUMNS: [&str; 6] = [
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "path",
];

impl Landmarks {
    /// Reads a table: a header `file,<name>_x,<name>_y,...`, then a line per image. Coordinates are fractions of the image,
    /// blank where a landmark is absent.
    ///
    /// # Errors
    /// As [`Landmarks::read`].
    pub fn from_csv(text: &str) -> Result<Landmarks> {
        Landmarks::read(text, &mut Vec::new())
    }

    /// As [`Landmarks::from_csv`], and notes what could not be used: a sentence for each cause.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if nothing can be used, with the number of the line (the header is line 1), or if the coordinates
    /// look like pixels.
    pub fn read(text: &str, notes: &mut Vec<String>) -> Result<Landmarks> {
        let rows = table::rows(text, notes).map_err(|what| {
            Error::Landmarks(format!("The table of landmarks cannot be read: {what}."))
        })?;
        let mut rows = rows.into_iter();
        let Some((number, header)) = rows.next() else {
            return Err(Error::Landmarks("The table of landmarks is empty.".into()));
        };
        let mut tally = Tally::default();
        let columns = columns_of(&header, &mut tally).map_err(|what| at_line(number, &what))?;
        let mut landmarks = Landmarks {
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut count = 0;
        let mut not_fractions: Vec<(usize, f64)> = Vec::new(); // line, value
        let (mut fractions, mut lines) = (0, 0);
        for (line, cells) in rows {
            lines += 1;
            let file = cells[0].trim();
            let what = if file.is_empty() {
                Some("Lines without a file were left out")
            } else if cells
                .iter()
                .skip(header.len())
                .any(|cell| !cell.trim().is_empty())
            {
                Some(
                    "Lines with more cells than the header were left out (is a comma in their numbers or names?)",
                )
            } else if seen.contains(file) {
                Some("Files that are there twice; the first line of each was taken")
            } else {
                None
            };
            if let Some(what) = what {
                tally.add(what, &format!("line {line}"));
                continue;
            }
            let mut value = |column: usize| {
                let cell = cells.get(column).map_or("", String::as_str);
                let value = table::number(cell).unwrap_or_else(|text| {
                    let what = "Cells that are no number count as blank";
                    tally.add(
                        what,
                        &format!(
                            "\"{}\" in line {line}",
                            text.chars().take(40).collect::<String>()
                        ),
                    );
                    None
                })?;
                // Landmarks may lie a little outside of the image; pixels are another matter.
                if (-1.0..=2.0).contains(&value) {
                    fractions += 1;
                    return Some(value);
                }
                not_fractions.push((line, value));
                None
            };
            let places: Vec<Place> = (columns.iter())
                .map(|(_, [x, y])| {
                    let (x, y) = (value(*x), value(*y));
                    Some([x?, y?])
                })
                .collect();
            if let Some((name, [x, y])) = (columns.iter().zip(&places))
                .find_map(|(column, place)| place.is_none().then_some(column))
                && [x, y].iter().any(|column| {
                    cells
                        .get(**column)
                        .is_some_and(|cell| !cell.trim().is_empty())
                })
            {
                tally.add("Landmarks with one coordinate alone, or none that can be used, count as absent", &format!("{name} in line {line}"));
            }
            if places.iter().any(Option::is_some) {
                count += 1;
            } else {
                tally.add("Images without any landmark", file);
            }
            seen.insert(file.to_string());
            landmarks.rows.push((file.to_string(), places));
        }
        if let Some((line, value)) = not_fractions.first() {
            if not_fractions.len() > fractions {
                return Err(at_line(
                    *line,
                    &format!(
                        "{value} is not a fraction of the image (0 to 1). The coordinates look like pixels: divide x by the \
                         image's width and y by its height."
                    ),
                ));
            }
            for (line, value) in &not_fractions {
                let what =
                    "Coordinates that are not a fraction of the image (0 to 1) were left out";
                tally.add(what, &format!("{value} in line {line}"));
            }
        }
        notes.extend(tally.notes());
        if count == 0 {
            let why = match lines {
                0 => "has a header, but no images",
                _ => {
                    "has no image with a landmark: all its coordinates are blank or cannot be used"
                }
            };
            return Err(Error::Landmarks(format!("The table of landmarks {why}.")));
        }
        Ok(landmarks)
    }
}

fn at_line(number: usize, what: &str) -> Error {
    Error::Landmarks(format!("Line {number} of the landmarks: {what}"))
}

/// `[L]` names, and which columns are their x and y, out of `file,<name>_x,<name>_y,...` in any order.
fn columns_of(
    header: &[String],
    tally: &mut Tally,
) -> std::result::Result<Vec<(String, [usize; 2])>, String> {
    let first = header[0].trim();
    if !FILE_COLUMNS
        .iter()
        .any(|name| first.eq_ignore_ascii_case(name))
    {
        return Err(format!("{HEADER}; its first column is \"{first}\"."));
    }
    let mut columns: Vec<(String, [Option<usize>; 2])> = Vec::new();
    for (column, cell) in header.iter().enumerate().skip(1) {
        let cell = cell.trim();
        let found = (["_x", "_y"].iter().enumerate()).find_map(|(axis, end)| {
            Some((
                axis,
                cell.strip_suffix(end)
                    .filter(|name| !name.trim().is_empty())?,
            ))
        });
        let Some((axis, name)) = found else {
            if !cell.is_empty() {
                tally.add("Columns that are no coordinates were left out", cell);
            }
            continue;
        };
        let at = columns
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or_else(|| {
                columns.push((name.to_string(), [None; 2]));
                columns.len() - 1
            });
        match columns[at].1[axis] {
            Some(_) => tally.add(
                "Columns that are there twice; the first of each was taken",
                cell,
            ),
            None => columns[at].1[axis] = Some(column),
        }
    }
    let mut pairs = Vec::new();
    for (name, place) in columns {
        match place {
            [Some(x), Some(y)] => pairs.push((name, [x, y])),
            _ => tally.add(
                "Columns without the other one of x and y were left out",
                &name,
            ),
        }
    }
    if pairs.is_empty() {
        return Err(format!(
            "{HEADER}; no two of its {} columns are such a pair.",
            header.len()
        ));
    }
    Ok(pairs)
}

/// How far predicted landmarks are from true ones, in fractions of the picture's side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Mean distance, predicted from the keypoints.
    pub error: f64,
    /// Mean distance, always predicting the mean landmarks of the fitted pictures.
    pub baseline: f64,
    /// Pictures on which the regression was fitted.
    pub n_fit: usize,
    /// Pictures on which the distances were taken: all others.
    pub n_test: usize,
    /// Of each of those: its row, and the distance of each landmark that is there.
    #[serde(skip)]
    pub errors: Vec<(usize, Vec<f64>)>,
}

/// On how many of so many pictures the regression is fitted: three quarters unless told.
///
/// # Errors
/// [`Error::Landmarks`] where none would be fitted, or none left to test on.
pub fn fitted(pictures: usize, n_fit: Option<usize>) -> Result<usize> {
    let n_fit = n_fit.unwrap_or(pictures * 3 / 4);
    if n_fit == 0 || n_fit >= pictures {
        return Err(Error::Landmarks(format!(
            "Of {pictures} pictures with landmarks, {n_fit} cannot be fitted: at least 1 must be, and at least 1 must \
             be left to test on."
        )));
    }
    Ok(n_fit)
}

/// Regresses landmarks `[N][L]` from keypoints `[N][K][x, y]`, both in `[0, 1]`, linearly and without a bias, on `n_fit`
/// images chosen by `seed`, and scores the others. Row `i` of both is the same image. A landmark is fitted and scored on the
/// images that have it; one that none of the fitted or none of the others has, is left out.
///
/// Of the many regressions that fit equally well where keypoints are dead or doubled, it takes the smallest one.
///
/// # Errors
/// [`Error::Landmarks`] if the two do not go together, something is not a number, or there are too few images.
pub fn score(
    keypoints: &[Vec<[f64; 2]>],
    landmarks: &[Vec<Place>],
    n_fit: usize,
    seed: u64,
) -> Result<Score> {
    let pictures = keypoints.len();
    if pictures != landmarks.len() {
        return Err(Error::Landmarks(format!(
            "There are keypoints of {pictures} pictures, but landmarks of {}.",
            landmarks.len()
        )));
    }
    let n_fit = fitted(pictures, Some(n_fit))?;
    let x = columns(keypoints, "keypoints")?;
    let count = checked(landmarks)?;

    let mut order: Vec<u32> = (0..pictures as u32).collect();
    shuffle(&mut order, &mut ChaCha8Rng::seed_from_u64(seed));
    let (fit, test) = order.split_at(n_fit);
    let place = |row: u32, l: usize| landmarks[row as usize][l];
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
            .filter(|&row| place(row, l).is_some())
            .collect();
        if on.is_empty() {
            continue;
        }
        let at: Vec<[f64; 2]> = on.iter().filter_map(|&row| place(row, l)).collect();
        let solver = solvers
            .entry(on)
            .or_insert_with_key(|on| LeastSquares::new(pick(on)));
        let ways = [0, 1].map(|axis| {
            let b: Vec<f64> = at.iter().map(|at| at[axis]).collect();
            (solver.solve(&b), b.iter().sum::<f64>() / b.len() as f64)
        });
        for (error, &row) in errors.iter_mut().zip(test) {
            let Some([true_x, true_y]) = place(row, l) else {
                continue;
            };
            let [px, py] = [0, 1].map(|axis| {
                let w = &ways[axis].0;
                x.iter()
                    .zip(w)
                    .map(|(column, w)| column[row as usize] * w)
                    .sum::<f64>()
            });
            let distance = (px - true_x).hypot(py - true_y);
            error.1.push(distance);
            sum += distance;
            baseline += (ways[0].1 - true_x).hypot(ways[1].1 - true_y);
            terms += 1;
        }
    }
    if terms == 0 {
        return Err(Error::Landmarks(
            "No landmark is on an image that is fitted and on one that is tested: label more images.".into(),
        ));
    }
    Ok(Score {
        error: sum / f64::from(terms),
        baseline: baseline / f64::from(terms),
        n_fit,
        n_test: test.len(),
        errors,
    })
}

/// Spearman's rank correlation of two rows of numbers, -1 to 1: the correlation of their ranks, equal values sharing theirs. 0 if one
/// of them is the same throughout.
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

/// `[N][P][x, y]` as columns `[2P][N]`: x of the first point, its y, and so on.
fn columns(points: &[Vec<[f64; 2]>], what: &str) -> Result<Vec<Vec<f64>>> {
    let count = points.first().map_or(0, Vec::len);
    if count == 0 {
        return Err(Error::Landmarks(format!("There are no {what}.")));
    }
    if points.iter().any(|row| row.len() != count) {
        return Err(Error::Landmarks(format!(
            "Not all pictures have the same number of {what}."
        )));
    }
    if points.iter().flatten().flatten().any(|v| !v.is_finite()) {
        return Err(Error::Landmarks(format!(
            "Some of the {what} are not numbers."
        )));
    }
    Ok((0..2 * count)
        .map(|c| points.iter().map(|row| row[c / 2][c % 2]).collect())
        .collect())
}

/// How many landmarks each image has: as many as the others, and all numbers.
fn checked(landmarks: &[Vec<Place>]) -> Result<usize> {
    let count = landmarks.first().map_or(0, Vec::len);
    let wrong = if count == 0 {
        "There are no landmarks."
    } else if landmarks.iter().any(|row| row.len() != count) {
        "Not all pictures have the same number of landmarks."
    } else if landmarks
        .iter()
        .flatten()
        .flatten()
        .flatten()
        .any(|v| !v.is_finite())
    {
        "Some of the landmarks are not numbers."
    } else {
        return Ok(count);
    };
    Err(Error::Landmarks(wrong.into()))
}

/// The smallest `w` that minimises `|A w - b|`, by the singular value decomposition `A V = U S` of one-sided Jacobi
/// rotations. Directions in which `A` says nothing are left out, so dead keypoints do not explode.
pub(crate) struct LeastSquares {
    /// `U S`: columns orthogonal to each other, `[m][n]`.
    pub(crate) us: Vec<Vec<f64>>,
    /// Columns of `V`, `[m][m]`.
    pub(crate) v: Vec<Vec<f64>>,
}

/// Singular values below this share of the largest are taken as zero: keypoints are known to some seven digits, so what
/// is smaller is their rounding.
const RELATIVE_CUTOFF: f64 = 1e-6;

impl LeastSquares {
    /// `a`: columns `[m][n]`.
    pub(crate) fn new(mut a: Vec<Vec<f64>>) -> Self {
        let m = a.len();
        let mut v: Vec<Vec<f64>> = (0..m)
            .map(|i| (0..m).map(|j| f64::from(u8::from(i == j))).collect())
            .collect();
        // Products of columns this small are rounding errors.
        let negligible = 1e-26 * a.iter().map(|column| dot(column, column)).sum::<f64>();
        // Converges quadratically, in some ten sweeps; the bound is for safety only.
        for _ in 0..60 {
            let mut rotated = false;
            for q in 1..m {
                for p in 0..q {
                    let (app, aqq, apq) = (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
                    if apq.abs() <= negligible.max(1e-15 * (app * aqq).sqrt()) {
                        continue;
                    }
                    rotated = true;
                    // The rotation by the angle for which columns p and q become orthogonal.
                    let zeta = (aqq - app) / (2.0 * apq);
                    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                    let c = 1.0 / t.hypot(1.0);
                    rotate(&mut a, p, q, c, c * t);
                    rotate(&mut v, p, q, c, c * t);
                }
            }
            if !rotated {
                break;
            }
        }
        LeastSquares { us: a, v }
    }

    /// `w = V S^-1 U^T b`, `[m]`; `b`: `[n]`.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let squares: Vec<f64> = self.us.iter().map(|column| dot(column, column)).collect();
        let cutoff =
            squares.iter().fold(0.0_f64, |a, &s| a.max(s)) * RELATIVE_CUTOFF * RELATIVE_CUTOFF;
        let mut w = vec![0.0; self.v.len()];
        for ((us, v), &square) in self.us.iter().zip(&self.v).zip(&squares) {
            if square > cutoff {
                let along = dot(us, b) / square;
                w.iter_mut().zip(v).for_each(|(w, v)| *w += along * v);
            }
        }
        w
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `(p, q) <- (c p - s q, s p + c q)`, columns `p < q`.
fn rotate(columns: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (left, right) = columns.split_at_mut(q);
    for (a, b) in left[p].iter_mut().zip(&mut right[0]) {
        (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// All of them are there.
    fn there(points: &[Vec<[f64; 2]>]) -> Vec<Vec<Place>> {
        points
            .iter()
            .map(|row| row.iter().copied().map(Some).collect())
            .collect()
    }

    /// [`super::score`] of landmarks that are all there.
    fn score(
        keypoints: &[Vec<[f64; 2]>],
        landmarks: &[Vec<[f64; 2]>],
        n_fit: usize,
        seed: u64,
    ) -> Result<Score> {
        super::score(keypoints, &there(landmarks), n_fit, seed)
    }

    /// N x P points, uniform in `[0, 1]`.
    fn random(n: usize, p: usize, seed: u64) -> Vec<Vec<[f64; 2]>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n)
            .map(|_| (0..p).map(|_| [rng.random(), rng.random()]).collect())
            .collect()
    }

    /// Landmarks that are a linear map of the keypoints: `L = 3`.
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
    fn a_linear_map_is_found_exactly() {
        let keypoints = random(60, 5, 1);
        let score = score(&keypoints, &mapped(&keypoints), 40, 0).expect("a score");
        assert!(score.error < 1e-12, "{score:?}");
        assert!(score.baseline > 0.1);
        assert_eq!((score.n_fit, score.n_test), (40, 20));
    }

    #[test]
    fn least_squares_agrees_with_the_normal_equations() {
        // One column: w = a.b / a.a.
        let (a, b) = (vec![1.0, 2.0, 4.0], vec![1.0, -1.0, 3.0]);
        let w = LeastSquares::new(vec![a.clone()]).solve(&b);
        assert!((w[0] - dot(&a, &b) / dot(&a, &a)).abs() < 1e-15);
        // More columns: the residual is orthogonal to every one of them.
        let x: Vec<Vec<f64>> = columns(&random(30, 4, 5), "").expect("columns");
        let b: Vec<f64> = (0..30).map(|i| f64::from(i).sin()).collect();
        let w = LeastSquares::new(x.clone()).solve(&b);
        let residual: Vec<f64> = (0..30)
            .map(|i| b[i] - x.iter().zip(&w).map(|(c, w)| c[i] * w).sum::<f64>())
            .collect();
        assert!(x.iter().all(|column| dot(column, &residual).abs() < 1e-12));
    }

    #[test]
    fn the_baseline_is_the_mean_landmark() {
        // Keypoints say nothing; the landmark is at 0 or at 0.6 along x.
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
    fn dead_and_doubled_keypoints_do_not_explode() {
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
    fn fewer_pictures_than_unknowns_take_the_smallest_fit() {
        let keypoints = random(30, 10, 4);
        let score = score(&keypoints, &mapped(&keypoints), 8, 1).expect("a score");
        assert!(score.error.is_finite() && score.error < 10.0, "{score:?}");
    }

    #[test]
    fn the_choice_is_seeded() {
        let (keypoints, landmarks) = (random(40, 3, 6), random(40, 2, 7));
        let of = |seed| {
            score(&keypoints, &landmarks, 20, seed)
                .expect("a score")
                .error
        };
        assert_eq!(of(5).to_bits(), of(5).to_bits());
        assert_ne!(of(5), of(6));
    }

    #[test]
    fn what_cannot_be_scored_is_said() {
        let (keypoints, landmarks) = (random(5, 3, 0), random(5, 2, 0));
        let fails = |k: &[Vec<[f64; 2]>], l: &[Vec<[f64; 2]>], n_fit, part: &str| {
            let message = score(k, l, n_fit, 0).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(
            &keypoints,
            &landmarks,
            5,
            "Of 5 pictures with landmarks, 5 cannot be fitted",
        );
        fails(&keypoints, &landmarks, 0, "0 cannot be fitted");
        fails(&[], &[], 0, "Of 0 pictures");
        fails(&keypoints, &landmarks[1..], 2, "landmarks of 4");
        let mut ragged = keypoints.clone();
        ragged[3].pop();
        fails(&ragged, &landmarks, 2, "same number of keypoints");
        let mut nan = landmarks.clone();
        nan[0][0][0] = f64::NAN;
        fails(&keypoints, &nan, 2, "landmarks are not numbers");
        fails(&vec![vec![]; 5], &landmarks, 2, "no keypoints");
    }

    #[test]
    fn scores_print_in_the_agreed_order() {
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
    fn absent_landmarks_are_neither_fitted_nor_scored() {
        let keypoints = random(60, 5, 1);
        let full = mapped(&keypoints);
        let mut gaps = there(&full);
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        // A third is absent; where it is, wrong values would spoil a fit that is exact.
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
        // A landmark that is nowhere changes nothing; one that is nowhere at all is no score.
        let with_none: Vec<Vec<Place>> = gaps
            .iter()
            .map(|row| [row.as_slice(), &[None]].concat())
            .collect();
        let same = super::score(&keypoints, &with_none, 45, 0).expect("a score");
        assert_eq!(same.error.to_bits(), score.error.to_bits());
        let nowhere = vec![vec![None; 3]; 60];
        let message = super::score(&keypoints, &nowhere, 45, 0)
            .expect_err("nothing")
            .to_string();
        assert!(message.contains("label more images"), "{message}");
    }

    #[test]
    fn a_table_is_read() {
        let text = "\u{feff}file,wrist_x,wrist_y,tip_x,tip_y\r\n0/a.jpg,0.5,0.25,1,-0.01\r\n\r\n\"b, c.jpg\",0,0,1e-1,.5\r\n";
        let landmarks = Landmarks::from_csv(text).expect("a table");
        assert_eq!(landmarks.names, ["wrist", "tip"]);
        assert_eq!(
            landmarks.rows[0],
            (
                "0/a.jpg".into(),
                vec![Some([0.5, 0.25]), Some([1.0, -0.01])]
            )
        );
        assert_eq!(
            landmarks.rows[1],
            ("b, c.jpg".into(), vec![Some([0.0, 0.0]), Some([0.1, 0.5])])
        );
    }

    /// Reads a table, and its notes as one text.
    fn table_of(text: &str) -> (Landmarks, String) {
        let mut notes = Vec::new();
        let landmarks = Landmarks::read(text, &mut notes).expect("a table");
        (landmarks, notes.join("\n"))
    }

    #[test]
    fn tables_of_other_programs_are_read() {
        let (blank, notes) =
            table_of("file,tip_x,tip_y,ear_x,ear_y\na.png,0.5,0.5,,\nb.png,0.4,0.5,0.2,0.2\n");
        assert_eq!(blank.rows[0].1, [Some([0.5, 0.5]), None]);
        assert_eq!(notes, "");
        let (quoted, notes) = table_of(
            "\"file\",\"nose, \"\"left\"\"_x\",\"nose, \"\"left\"\"_y\"\n\"a.png\",\"0.5\",\"0.25\"\n",
        );
        assert_eq!(quoted.names, ["nose, \"left\""]);
        assert_eq!(quoted.rows[0].1, [Some([0.5, 0.25])]);
        assert_eq!(notes, "");
        let (trailing, notes) =
            table_of("file,tip_x,tip_y,\na.png,0.5,0.5,\nb.png,0.5,0.5\nc.png,0.5,0.5,,,\n");
        assert_eq!((trailing.names.len(), trailing.rows.len()), (1, 3));
        assert_eq!(notes, "");
        let (extra, notes) =
            table_of("file,tip_x,score,tip_y,ear_x,tip_x\na.png,0.5,9,0.25,1,77\n");
        assert_eq!(extra.names, ["tip"]);
        assert_eq!(extra.rows[0].1, [Some([0.5, 0.25])]);
        for part in [
            "no coordinates were left out: 1, score",
            "other one of x and y were left out: 1, ear",
            "there twice; the first of each was taken: 1, tip_x",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let (_, notes) = table_of("file;tip_x;tip_y\na.png;0,5;0,25\n");
        assert!(notes.contains("semicolons"), "{notes}");
    }

    #[test]
    fn what_cannot_be_used_of_a_table_is_noted() {
        for (line, left, part) in [
            ("c,0.1", None, "count as absent: 1, a in line 3"),
            (
                "c,0.1,x",
                None,
                "no number count as blank: 1, \"x\" in line 3",
            ),
            ("c,0.1,nan", None, "count as absent: 1, a in line 3"),
            ("c,,", None, "without any landmark: 1, c"),
            (
                "c,37,0.5",
                None,
                "not a fraction of the image (0 to 1) were left out: 1, 37 in line 3",
            ),
            (
                "b,0.3,0.3",
                Some([0.1, 0.1]),
                "there twice; the first line of each was taken: 1, line 3",
            ),
            (
                ",0.3,0.3",
                Some([0.1, 0.1]),
                "without a file were left out: 1, line 3",
            ),
            (
                "c,0,5,0,5",
                Some([0.1, 0.1]),
                "more cells than the header were left out",
            ),
        ] {
            let (landmarks, notes) = table_of(&format!("file,a_x,a_y\nb,0.1,0.1\n{line}\n"));
            assert_eq!(landmarks.rows[0].1, [Some([0.1, 0.1])]);
            assert_eq!(landmarks.rows.last().expect("a row").1, [left], "{line}");
            assert!(notes.contains(part), "{line}: {notes}");
        }
    }

    #[test]
    fn malformed_tables_name_the_line() {
        let cases = [
            ("", "is empty"),
            ("file,a_x,a_y\n", "no images"),
            ("file,a_x,a_y\nb,,\nc,nan,0.5\n", "no image with a landmark"),
            (
                "name,a_x,a_y\nb,1,1\n",
                "Line 1 of the landmarks: the header should be",
            ),
            ("file\nb\n", "no two of its 1 columns"),
            ("file,a_x,b_y\n", "no two of its 3 columns"),
            (
                "file,a_x,a_y\n\nb,37,50\n",
                "Line 3 of the landmarks: 37 is not a fraction",
            ),
            ("file,a_x,a_y\nb,37,50\n", "look like pixels"),
            ("file,a_x,a_y\n\"b,0.1,0.1\n", "line 2 does not end"),
        ];
        for (text, part) in cases {
            let message = Landmarks::from_csv(text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_measured_tables_are_read() {
        for (folder, names, rows) in [("hands", 21, 1811), ("faces", 68, 770)] {
            if let Some(path) = crate::needs::shared(&format!("data/{folder}/landmarks.csv")) {
                let text = std::fs::read_to_string(path).expect("text");
                let landmarks = Landmarks::from_csv(&text).expect("a table");
                assert_eq!((landmarks.names.len(), landmarks.rows.len()), (names, rows));
            }
        }
    }

    #[test]
    fn ranks_correlate_whatever_the_scale() {
        let a = [1.0, 2.0, 3.0, 10.0, 100.0];
        assert!((rank_correlation(&a, &a.map(f64::ln)) - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&a, &a.map(|v| -v)) + 1.0).abs() < 1e-12);
        assert_eq!(rank_correlation(&a, &[3.0; 5]), 0.0);
        // Ranks 0 1.5 1.5 3 and 0 1 2 3: 4.5 / sqrt(4.5 * 5).
        let tied = rank_correlation(&[1.0, 5.0, 5.0, 7.0], &[1.0, 2.0, 3.0, 4.0]);
        assert!((tied - (4.5_f64 / 5.0).sqrt()).abs() < 1e-12, "{tied}");
    }
}
