//! Halving and doubling on the CPU; `crate::ops::halve`, `max_halve` and `double` have the formulas.

use super::{for_each_piece, map_indices};

/// `x` `[..,H,W]` -> `[..,H/2,W/2]`: means of 2x2.
pub fn halve(x: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / 4];
    for_each_piece(&mut y, height * width / 4, |plane, y| {
        let x = &x[plane * height * width..][..height * width];
        for (rows, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(width / 2)) {
            let (top, bottom) = rows.split_at(width);
            for ((top, bottom), y) in top.chunks_exact(2).zip(bottom.chunks_exact(2)).zip(y) {
                *y = 0.25 * ((top[0] + top[1]) + (bottom[0] + bottom[1]));
            }
        }
    });
    y
}

/// The gradient of [`halve`]: `dy` `[..,H,W]` -> `[..,2H,2W]`, a quarter to each.
pub fn halve_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut dx = vec![0.0; dy.len() * 4];
    for_each_piece(&mut dx, height * width * 4, |plane, dx| {
        let dy = &dy[plane * height * width..][..height * width];
        for (dy, rows) in dy.chunks_exact(width).zip(dx.chunks_exact_mut(4 * width)) {
            let (top, bottom) = rows.split_at_mut(2 * width);
            for (dy, pair) in dy.iter().zip(top.chunks_exact_mut(2)) {
                pair.fill(0.25 * dy);
            }
            bottom.copy_from_slice(top);
        }
    });
    dx
}

/// `x` `[..,H,W]` -> `[..,2H,2W]`, bilinear.
pub fn double(x: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len() * 4];
    for_each_piece(&mut y, height * width * 4, |plane, y| {
        let x = &x[plane * height * width..][..height * width];
        let row = |r: usize| &x[r * width..][..width];
        let mut mixed = vec![0.0; width];
        for (r, y) in y.chunks_exact_mut(2 * width).enumerate() {
            // Rows first: three parts of the nearer one, one of the other.
            let near = r / 2;
            let far = if r % 2 == 0 {
                near.saturating_sub(1)
            } else {
                (near + 1).min(height - 1)
            };
            for ((mixed, near), far) in mixed.iter_mut().zip(row(near)).zip(row(far)) {
                *mixed = 0.75 * near + 0.25 * far;
            }
            for (c, y) in y.chunks_exact_mut(2).enumerate() {
                let here = 0.75 * mixed[c];
                y[0] = here + 0.25 * mixed[c.saturating_sub(1)];
                y[1] = here + 0.25 * mixed[(c + 1).min(width - 1)];
            }
        }
    });
    y
}

/// The gradient of [`double`]: `dy` `[..,2H,2W]` -> `[..,H,W]`.
pub fn double_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let (height, width) = (height / 2, width / 2);
    let mut dx = vec![0.0; dy.len() / 4];
    for_each_piece(&mut dx, height * width, |plane, dx| {
        let dy = &dy[plane * height * width * 4..][..height * width * 4];
        let mut mixed = vec![0.0; width];
        for (r, dy) in dy.chunks_exact(2 * width).enumerate() {
            mixed.fill(0.0);
            for (c, dy) in dy.chunks_exact(2).enumerate() {
                mixed[c] += 0.75 * (dy[0] + dy[1]);
                mixed[c.saturating_sub(1)] += 0.25 * dy[0];
                mixed[(c + 1).min(width - 1)] += 0.25 * dy[1];
            }
            let near = r / 2;
            let far = if r % 2 == 0 {
                near.saturating_sub(1)
            } else {
                (near + 1).min(height - 1)
            };
            for (c, mixed) in mixed.iter().enumerate() {
                dx[near * width + c] += 0.75 * mixed;
                dx[far * width + c] += 0.25 * mixed;
            }
        }
    });
    dx
}

/// `x` `[..,H,W]` -> `[..,H/2,W/2]`: maxima of 2x2, and which of the four, row by row, is the first of them.
pub fn max_halve(x: &[f32], height: usize, width: usize) -> (Vec<f32>, Vec<u8>) {
    let pixels = height * width;
    let planes = map_indices(x.len() / pixels, |plane| {
        let x = &x[plane * pixels..][..pixels];
        let (mut maxima, mut winners) = (vec![0.0; pixels / 4], vec![0; pixels / 4]);
        let rows = maxima
            .chunks_exact_mut(width / 2)
            .zip(winners.chunks_exact_mut(width / 2));
        for (pair, (maxima, winners)) in x.chunks_exact(2 * width).zip(rows) {
            let (top, bottom) = pair.split_at(width);
            for ((top, bottom), (maximum, winner)) in top
                .chunks_exact(2)
                .zip(bottom.chunks_exact(2))
                .zip(maxima.iter_mut().zip(winners))
            {
                (*maximum, *winner) = (top[0], 0);
                for (i, value) in [top[1], bottom[0], bottom[1]].into_iter().enumerate() {
                    if value > *maximum {
                        (*maximum, *winner) = (value, i as u8 + 1);
                    }
                }
            }
        }
        (maxima, winners)
    });
    let (maxima, winners): (Vec<_>, Vec<_>) = planes.into_iter().unzip();
    (maxima.concat(), winners.concat())
}

/// The gradient of [`max_halve`]: `dy` `[..,H,W]` -> `[..,2H,2W]`, all of it to the winner.
pub fn max_halve_gradient(winners: &[u8], dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut dx = vec![0.0; dy.len() * 4];
    for_each_piece(&mut dx, height * width * 4, |plane, dx| {
        let from = plane * height * width;
        for (i, (winner, dy)) in winners[from..]
            .iter()
            .zip(&dy[from..][..height * width])
            .enumerate()
        {
            let winner = usize::from(*winner);
            let (row, column) = (2 * (i / width) + winner / 2, 2 * (i % width) + winner % 2);
            dx[row * 2 * width + column] = *dy;
        }
    });
    dx
}
