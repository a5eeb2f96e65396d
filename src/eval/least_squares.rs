//! Least squares by singular value decomposition.

/// Finds the smallest `w` that minimises `|A w - b|`, by the singular value decomposition `A V = U S` with one-sided Jacobi rotations.
/// Directions in which `A` is zero are ignored, so that dead keypoints do not get huge weights.
pub(crate) struct LeastSquares {
    /// `U S`: columns orthogonal to each other, `[m][n]`.
    pub(crate) us: Vec<Vec<f64>>,
    /// Columns of `V`, `[m][m]`.
    pub(crate) v: Vec<Vec<f64>>,
}

/// Share of the largest singular value below which others count as zero: keypoints have some seven digits, so smaller values are
/// rounding errors.
const RELATIVE_CUTOFF: f64 = 1e-6;

impl LeastSquares {
    /// Decomposes `A`, given as columns `[m][n]`.
    pub(crate) fn new(mut a: Vec<Vec<f64>>) -> Self {
        let m = a.len();
        let mut v: Vec<Vec<f64>> = (0..m)
            .map(|i| (0..m).map(|j| f64::from(u8::from(i == j))).collect())
            .collect();
        // Products of columns that are smaller are rounding errors.
        let negligible = 1e-26 * a.iter().map(|column| dot(column, column)).sum::<f64>();
        // Converges quadratically, in some ten sweeps; the bound only guards against a loop without end.
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

    /// Computes `w = V S^-1 U^T b`, `[m]`, for `b` `[n]`.
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

/// Computes the inner product of two vectors of one length.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Rotates columns `p < q`: `(p, q) <- (c p - s q, s p + c q)`.
fn rotate(columns: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (left, right) = columns.split_at_mut(q);
    for (a, b) in left[p].iter_mut().zip(&mut right[0]) {
        (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn least_squares_solves_the_normal_equations() {
        // One column: w = a.b / a.a.
        let (a, b) = (vec![1.0, 2.0, 4.0], vec![1.0, -1.0, 3.0]);
        let w = LeastSquares::new(vec![a.clone()]).solve(&b);
        assert!((w[0] - dot(&a, &b) / dot(&a, &a)).abs() < 1e-15);
        // More columns: the residual is orthogonal to every one of them.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let x: Vec<Vec<f64>> = (0..8)
            .map(|_| (0..30).map(|_| rng.random()).collect())
            .collect();
        let b: Vec<f64> = (0..30).map(|i| f64::from(i).sin()).collect();
        let w = LeastSquares::new(x.clone()).solve(&b);
        let residual: Vec<f64> = (0..30)
            .map(|i| b[i] - x.iter().zip(&w).map(|(c, w)| c[i] * w).sum::<f64>())
            .collect();
        assert!(x.iter().all(|column| dot(column, &residual).abs() < 1e-12));
    }
}
