//! How far one tensor is from another.

use super::norm::{PIECE, sums};
use super::{for_each_piece, map_indices};

/// The mean of `|x - y|`, or where `squared` of `(x - y)^2`.
pub fn mean(x: &[f32], y: &[f32], squared: bool) -> f32 {
    let parts = map_indices(x.len().div_ceil(PIECE), |piece| {
        let here = piece * PIECE..x.len().min((piece + 1) * PIECE);
        let (x, y) = (&x[here.clone()], &y[here]);
        let [sum] = if squared {
            sums(x, y, |x, y| [(x - y) * (x - y)])
        } else {
            sums(x, y, |x, y| [(x - y).abs()])
        };
        sum
    });
    (parts.iter().sum::<f64>() / x.len() as f64) as f32
}

/// The gradient of `dy` times [`mean`] by x.
pub fn gradient(x: &[f32], y: &[f32], dy: f32, squared: bool) -> Vec<f32> {
    let share = dy / x.len() as f32;
    let mut dx = vec![0.0; x.len()];
    for_each_piece(&mut dx, PIECE, |piece, dx| {
        let (x, y) = (&x[piece * PIECE..], &y[piece * PIECE..]);
        for ((dx, x), y) in dx.iter_mut().zip(x).zip(y) {
            let d = x - y;
            *dx = share
                * match squared {
                    true => 2.0 * d,
                    false if d == 0.0 => 0.0,
                    false => d.signum(),
                };
        }
    });
    dx
}
