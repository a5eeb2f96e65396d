//! Mean absolute and mean squared error on the CPU; `autolink::ops::l1` and `mse` have the formulas.

use super::norm::{PIECE, sums};
use super::{for_each_piece, map_indices};

/// The power of a difference that is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorNorm {
    /// `|x - y|`
    L1,
    /// `(x - y)^2`
    L2,
}

/// `mean |x - y|` or `mean (x - y)^2`.
pub fn mean(x: &[f32], y: &[f32], norm: ErrorNorm) -> f32 {
    let parts = map_indices(x.len().div_ceil(PIECE), |piece| {
        let here = piece * PIECE..x.len().min((piece + 1) * PIECE);
        let (x, y) = (&x[here.clone()], &y[here]);
        let [sum] = match norm {
            ErrorNorm::L1 => sums(x, y, |x, y| [(x - y).abs()]),
            ErrorNorm::L2 => sums(x, y, |x, y| [(x - y) * (x - y)]),
        };
        sum
    });
    (parts.iter().sum::<f64>() / x.len() as f64) as f32
}

/// The gradient of `dy` times [`mean`] for x: `dy sign(x - y) / n`, zero where x = y, or `dy 2 (x - y) / n`.
pub fn gradient(x: &[f32], y: &[f32], dy: f32, norm: ErrorNorm) -> Vec<f32> {
    let share = dy / x.len() as f32;
    let mut dx = vec![0.0; x.len()];
    for_each_piece(&mut dx, PIECE, |piece, dx| {
        let (x, y) = (&x[piece * PIECE..], &y[piece * PIECE..]);
        for ((dx, x), y) in dx.iter_mut().zip(x).zip(y) {
            let d = x - y;
            *dx = share
                * match norm {
                    ErrorNorm::L2 => 2.0 * d,
                    ErrorNorm::L1 if d == 0.0 => 0.0,
                    ErrorNorm::L1 => d.signum(),
                };
        }
    });
    dx
}
