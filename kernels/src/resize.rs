//! Pooling and upsampling on the CPU; `autolink::ops::avg_pool2x2`, `max_pool2x2` and `upsample2x` have the formulas.

use super::{for_each_piece, map_indices};

/// Means of 2x2 pixels: `x` `[..,H,W]` -> `[..,H/2,W/2]`.
pub fn avg_pool2x2(x: &[f32], height: usize, width: usize) -> Vec<f32> {
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

/// Gradient of [`avg_pool2x2`], a quarter for each of the four pixels: `dy` `[..,H,W]` -> `[..,2H,2W]`.
pub fn avg_pool2x2_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
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

/// Bilinear upsampling: `x` `[..,H,W]` -> `[..,2H,2W]`.
pub fn upsample2x(x: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len() * 4];
    for_each_piece(&mut y, height * width * 4, |plane, y| {
        let x = &x[plane * height * width..][..height * width];
        let row = |r: usize| &x[r * width..][..width];
        // A row of mixed rows, with its first and last values repeated at the ends.
        let mut mixed = vec![0.0; width + 2];
        for (r, y) in y.chunks_exact_mut(2 * width).enumerate() {
            // Rows first: 3/4 of the nearer row and 1/4 of the other.
            let near = r / 2;
            let far = if r % 2 == 0 {
                near.saturating_sub(1)
            } else {
                (near + 1).min(height - 1)
            };
            for ((mixed, near), far) in mixed[1..].iter_mut().zip(row(near)).zip(row(far)) {
                *mixed = 0.75 * near + 0.25 * far;
            }
            mixed[0] = mixed[1];
            mixed[width + 1] = mixed[width];
            for (y, mixed) in y.chunks_exact_mut(2).zip(mixed.windows(3)) {
                let here = 0.75 * mixed[1];
                y[0] = here + 0.25 * mixed[0];
                y[1] = here + 0.25 * mixed[2];
            }
        }
    });
    y
}

/// Gradient of [`upsample2x`]: `dy` `[..,H,W]`, the height and width given, -> `[..,H/2,W/2]`.
pub fn upsample2x_gradient(dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let (height, width) = (height / 2, width / 2);
    let mut dx = vec![0.0; dy.len() / 4];
    for_each_piece(&mut dx, height * width, |plane, dx| {
        let dy = &dy[plane * height * width * 4..][..height * width * 4];
        let mut mixed = vec![0.0; width];
        for (r, dy) in dy.chunks_exact(2 * width).enumerate() {
            // dx[i] = dy[2i-1] / 4 + 3/4 (dy[2i] + dy[2i+1]) + dy[2i+2] / 4, indices clamped.
            let last = 2 * width - 1;
            let before_last = if width == 1 { dy[0] } else { dy[last - 2] };
            mixed[0] = 0.25 * dy[0] + 0.75 * (dy[0] + dy[1]) + 0.25 * dy[2.min(last)];
            for (mixed, dy) in mixed[1..].iter_mut().zip(dy[1..].windows(4).step_by(2)) {
                *mixed = 0.25 * dy[0] + 0.75 * (dy[1] + dy[2]) + 0.25 * dy[3];
            }
            mixed[width - 1] =
                0.25 * before_last + 0.75 * (dy[last - 1] + dy[last]) + 0.25 * dy[last];
            let near = r / 2;
            let far = if r % 2 == 0 {
                near.saturating_sub(1)
            } else {
                (near + 1).min(height - 1)
            };
            for (row, share) in [(near, 0.75), (far, 0.25)] {
                for (dx, mixed) in dx[row * width..].iter_mut().zip(&mixed) {
                    *dx += share * mixed;
                }
            }
        }
    });
    dx
}

/// Maxima of 2x2 pixels, and the index of each among its four in row order, the first if several are equal: `x` `[..,H,W]` ->
/// `[..,H/2,W/2]` both.
pub fn max_pool2x2(x: &[f32], height: usize, width: usize) -> (Vec<f32>, Vec<u8>) {
    let pixels = height * width;
    let planes = map_indices(x.len() / pixels, |plane| {
        let x = &x[plane * pixels..][..pixels];
        let (mut maxima, mut indices) = (vec![0.0; pixels / 4], vec![0; pixels / 4]);
        let rows = maxima
            .chunks_exact_mut(width / 2)
            .zip(indices.chunks_exact_mut(width / 2));
        for (pair, (maxima, indices)) in x.chunks_exact(2 * width).zip(rows) {
            let (top, bottom) = pair.split_at(width);
            for ((top, bottom), (maximum, index)) in top
                .chunks_exact(2)
                .zip(bottom.chunks_exact(2))
                .zip(maxima.iter_mut().zip(indices))
            {
                (*maximum, *index) = (top[0], 0);
                for (i, value) in [top[1], bottom[0], bottom[1]].into_iter().enumerate() {
                    if value > *maximum {
                        (*maximum, *index) = (value, i as u8 + 1);
                    }
                }
            }
        }
        (maxima, indices)
    });
    let (maxima, indices): (Vec<_>, Vec<_>) = planes.into_iter().unzip();
    (maxima.concat(), indices.concat())
}

/// Gradient of [`max_pool2x2`], all of it for the maximum: `dy` `[..,H,W]` -> `[..,2H,2W]`.
pub fn max_pool2x2_gradient(indices: &[u8], dy: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut dx = vec![0.0; dy.len() * 4];
    for_each_piece(&mut dx, height * width * 4, |plane, dx| {
        let from = plane * height * width;
        for (i, (index, dy)) in indices[from..]
            .iter()
            .zip(&dy[from..][..height * width])
            .enumerate()
        {
            let index = usize::from(*index);
            let (row, column) = (2 * (i / width) + index / 2, 2 * (i % width) + index % 2);
            dx[row * 2 * width + column] = *dy;
        }
    });
    dx
}
