//! How well discovered keypoints predict landmarks: the measure of unsupervised landmark papers, in f64.
//!
//! Landmarks are regressed linearly from keypoints, without a bias, on some pictures, and the distance is taken on the
//! others: `min_W |X W - Y|^2`, `X = [n, 2K]` keypoints, `Y = [n, 2L]` landmarks, all in `[0, 1]`.

use std::collections::HashSet;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::data::dataset::shuffle;
use crate::error::{Error, Result};

/// Named landmarks of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmarks {
    /// `[L]`, in the order of the columns.
    pub names: Vec<String>,
    /// A picture's file, and its landmarks: `[L][x, y]` as fractions of the picture.
    pub rows: Vec<(String, Vec<[f64; 2]>)>,
}

impl Landmarks {
    /// Reads a table: a header `file,<name>_x,<name>_y,...`, then a line per picture. Coordinates are fractions of the
    /// picture. A file's name may stand in double quotes.
    ///
    /// # Errors
    /// [`Error::Landmarks`], with the number of the line (the header is line 1).
    pub fn from_csv(text: &str) -> Result<Landmarks> {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line))
            .filter(|(_, l)| !l.trim().is_empty());
        let Some((number, header)) = lines.next() else {
            return Err(Error::Landmarks("The table of landmarks is empty.".into()));
        };
        let names = header_names(header).map_err(|what| at_line(number, &what))?;
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        for (number, line) in lines {
            let row = read_row(line, names.len()).map_err(|what| at_line(number, &what))?;
            if !seen.insert(row.0.clone()) {
                return Err(at_line(
                    number,
                    &format!("there is a line for {} already.", row.0),
                ));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(Error::Landmarks(
                "The table of landmarks has a header, but no pictures.".into(),
            ));
        }
        Ok(Landmarks { names, rows })
    }
}

fn at_line(number: usize, what: &str) -> Error {
    Error::Landmarks(format!("Line {number} of the landmarks: {what}"))
}

/// `[L]` names out of `file,<name>_x,<name>_y,...`.
fn header_names(header: &str) -> std::result::Result<Vec<String>, String> {
    let expected = "the header should be file,<name>_x,<name>_y and so on";
    let cells: Vec<&str> = header
        .split(',')
        .map(|cell| cell.trim().trim_matches('"'))
        .collect();
    let (first, columns) = cells.split_first().ok_or(expected)?;
    if !first.eq_ignore_ascii_case("file") {
        return Err(format!("{expected}; its first column is \"{first}\"."));
    }
    if columns.is_empty() || columns.len() % 2 != 0 {
        return Err(format!(
            "{expected}; after \"file\" it has {} columns.",
            columns.len()
        ));
    }
    columns
        .chunks_exact(2)
        .map(
            |pair| match (pair[0].strip_suffix("_x"), pair[1].strip_suffix("_y")) {
                (Some(x), Some(y)) if x == y => Ok(x.to_string()),
                _ => Err(format!(
                    "{expected}; columns \"{}\" and \"{}\" are no such pair.",
                    pair[0], pair[1]
                )),
            },
        )
        .collect()
}

/// A file and its `[L][x, y]`.
fn read_row(line: &str, landmarks: usize) -> std::result::Result<(String, Vec<[f64; 2]>), String> {
    let (file, rest) = if let Some(quoted) = line.trim_start().strip_prefix('"') {
        quoted
            .split_once("\",")
            .ok_or("the quote around the file's name does not end.")?
    } else {
        line.split_once(',').ok_or("there is only one column.")?
    };
    let cells: Vec<&str> = rest.split(',').map(str::trim).collect();
    if cells.len() != 2 * landmarks {
        return Err(format!(
            "it has {} coordinates, but the header names {}.",
            cells.len(),
            2 * landmarks
        ));
    }
    let number = |cell: &str| match cell.parse::<f64>() {
        // Landmarks may lie a little outside of the picture; pixels are another matter.
        Ok(value) if (-1.0..=2.0).contains(&value) => Ok(value),
        Ok(value) if value.is_finite() => Err(format!(
            "{value} is not a fraction of the picture (0 to 1)."
        )),
        _ => Err(format!("\"{cell}\" is not a number.")),
    };
    let points = cells
        .chunks_exact(2)
        .map(|pair| Ok([number(pair[0])?, number(pair[1])?]));
    Ok((
        file.trim().to_string(),
        points.collect::<std::result::Result<_, String>>()?,
    ))
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
    /// Of each of those: its row, and the distance of each landmark, `[L]`.
    #[serde(skip)]
    pub errors: Vec<(usize, Vec<f64>)>,
}

/// Regresses landmarks `[N][L][x, y]` from keypoints `[N][K][x, y]`, both in `[0, 1]`, linearly and without a bias, on
/// `n_fit` pictures chosen by `seed`, and scores the others. Row `i` of both is the same picture.
///
/// Of the many regressions that fit equally well where keypoints are dead or doubled, it takes the smallest one.
///
/// # Errors
/// [`Error::Landmarks`] if the two do not go together, something is not a number, or there are too few pictures.
pub fn score(
    keypoints: &[Vec<[f64; 2]>],
    landmarks: &[Vec<[f64; 2]>],
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
    if n_fit == 0 || n_fit >= pictures {
        return Err(Error::Landmarks(format!(
            "Of {pictures} pictures with landmarks, {n_fit} cannot be fitted: at least 1 must be, and at least 1 must \
             be left to test on."
        )));
    }
    let x = columns(keypoints, "keypoints")?;
    let y = columns(landmarks, "landmarks")?;

    let mut order: Vec<u32> = (0..pictures as u32).collect();
    shuffle(&mut order, &mut ChaCha8Rng::seed_from_u64(seed));
    let (fit, test) = order.split_at(n_fit);
    let pick = |columns: &[Vec<f64>], rows: &[u32]| -> Vec<Vec<f64>> {
        columns
            .iter()
            .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
            .collect()
    };

    let (x_test, y_test) = (pick(&x, test), pick(&y, test));
    let y_fit = pick(&y, fit);
    let solver = LeastSquares::new(pick(&x, fit));
    let mut predicted = Vec::with_capacity(y.len()); // [2L][n_test]
    let mut mean = Vec::with_capacity(y.len());
    for target in &y_fit {
        let weights = solver.solve(target);
        let mut column = vec![0.0; test.len()];
        for (w, from) in weights.iter().zip(&x_test) {
            column.iter_mut().zip(from).for_each(|(to, v)| *to += w * v);
        }
        predicted.push(column);
        mean.push(vec![target.iter().sum::<f64>() / n_fit as f64; test.len()]);
    }
    Ok(Score {
        error: mean_distance(&predicted, &y_test),
        baseline: mean_distance(&mean, &y_test),
        n_fit,
        n_test: test.len(),
        errors: (test.iter().enumerate())
            .map(|(i, &row)| {
                let pairs = predicted.chunks_exact(2).zip(y_test.chunks_exact(2));
                let distance = |(a, b): (&[Vec<f64>], &[Vec<f64>])| {
                    (a[0][i] - b[0][i]).hypot(a[1][i] - b[1][i])
                };
                (row as usize, pairs.map(distance).collect())
            })
            .collect(),
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

/// Mean Euclidean distance of points that lie in pairs of columns, `[2L][n]`.
fn mean_distance(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for (a, b) in a.chunks_exact(2).zip(b.chunks_exact(2)) {
        for i in 0..a[0].len() {
            sum += (a[0][i] - b[0][i]).hypot(a[1][i] - b[1][i]);
            count += 1;
        }
    }
    sum / f64::from(count.max(1))
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
        let score = super::score(&dead, &landmarks, 50, 3).expect("a score");
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
    fn a_table_is_read() {
        let text = "\u{feff}file,wrist_x,wrist_y,tip_x,tip_y\r\n0/a.jpg,0.5,0.25,1,-0.01\r\n\r\n\"b, c.jpg\",0,0,1e-1,.5\r\n";
        let landmarks = Landmarks::from_csv(text).expect("a table");
        assert_eq!(landmarks.names, ["wrist", "tip"]);
        assert_eq!(
            landmarks.rows[0],
            ("0/a.jpg".into(), vec![[0.5, 0.25], [1.0, -0.01]])
        );
        assert_eq!(
            landmarks.rows[1],
            ("b, c.jpg".into(), vec![[0.0, 0.0], [0.1, 0.5]])
        );
    }

    #[test]
    fn malformed_tables_name_the_line() {
        let cases = [
            ("", "is empty"),
            ("file,a_x,a_y\n", "no pictures"),
            (
                "name,a_x,a_y\nb,1,1\n",
                "Line 1 of the landmarks: the header should be",
            ),
            ("file\nb\n", "0 columns"),
            ("file,a_x,a_y,b_x\n", "3 columns"),
            ("file,a_x,b_y\n", "no such pair"),
            (
                "file,a_x,a_y\nb,0.1,0.1\nc,0.1\n",
                "Line 3 of the landmarks: it has 1 coordinates, but the header names 2",
            ),
            (
                "file,a_x,a_y\nb,0.1,0.1,\n",
                "Line 2 of the landmarks: it has 3",
            ),
            (
                "file,a_x,a_y\n\nb,0.1,x\n",
                "Line 3 of the landmarks: \"x\" is not a number",
            ),
            ("file,a_x,a_y\nb,0.1,nan\n", "\"nan\" is not a number"),
            ("file,a_x,a_y\nb,37,50\n", "37 is not a fraction"),
            (
                "file,a_x,a_y\nb,0.1,0.1\nb,0.1,0.1\n",
                "Line 3 of the landmarks: there is a line for b already",
            ),
            ("file,a_x,a_y\n\"b,0.1,0.1\n", "does not end"),
            ("file,a_x,a_y\nb\n", "only one column"),
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
