//! Frames that differ: k-means on small thumbnails.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Frames that are compared for each one that is chosen.
const CANDIDATES: usize = 8;
/// Side of the thumbnails that frames are chosen by, px.
const THUMBNAIL_PX: usize = 16;

/// Returns which of `count` frames to compare where `n` are to be chosen: eight for each, evenly spread.
///
/// ```
/// assert_eq!(autolink::data::locate::candidates(32, 2)[..3], [0, 2, 4]);
/// ```
pub fn candidates(count: usize, n: usize) -> Vec<usize> {
    let few = count.min(n.saturating_mul(CANDIDATES));
    (0..few).map(|i| i * count / few).collect()
}

/// Chooses at most `n` frames that differ, as ascending indices into `thumbnails`, which all have one length. One frame of each of `n`
/// clusters is chosen: k-means, seeded by k-means++, on the thumbnails and the frames' places in the video, so that the frames are
/// spread over time.
///
/// ```
/// let thumbnails = [vec![0, 0], vec![1, 0], vec![250, 250], vec![251, 250]];
/// let chosen = autolink::data::locate::choose_frames(&thumbnails, 2, 0);
/// assert!(chosen[0] < 2 && chosen[1] >= 2);
/// ```
pub fn choose_frames(thumbnails: &[Vec<u8>], n: usize, seed: u64) -> Vec<usize> {
    let count = thumbnails.len();
    if n >= count {
        return (0..count).collect();
    }
    // Time weighs as much as a difference of 32 grey levels in every pixel from the first frame to the last.
    let points: Vec<Vec<f32>> = thumbnails
        .iter()
        .enumerate()
        .map(|(i, pixels)| {
            let time = i as f32 / count as f32 * 32.0 * (pixels.len() as f32).sqrt();
            pixels.iter().map(|&v| f32::from(v)).chain([time]).collect()
        })
        .collect();
    let (labels, centres) = k_means(&points, n, seed);
    let mut nearest = vec![(f32::INFINITY, None); centres.len()];
    for (i, (point, &label)) in points.iter().zip(&labels).enumerate() {
        let distance = squared_distance(point, &centres[label]);
        if distance < nearest[label].0 {
            nearest[label] = (distance, Some(i));
        }
    }
    let mut chosen: Vec<usize> = nearest.into_iter().filter_map(|(_, i)| i).collect();
    chosen.sort_unstable();
    chosen
}

/// Splits `n` frames among videos of these lengths: the same for each, and what short videos lack goes to the others.
///
/// ```
/// assert_eq!(autolink::data::locate::shares(&[100, 2, 100], 12), [5, 2, 5]);
/// ```
pub fn shares(lengths: &[usize], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| lengths[i]);
    let (mut left, mut shares) = (n, vec![0; lengths.len()]);
    for (at, &i) in order.iter().enumerate() {
        shares[i] = (left / (order.len() - at)).min(lengths[i]);
        left -= shares[i];
    }
    shares
}

/// Reduces a square image, RGB `[S, S, 3]`, to the grey levels of a small one, some 16 px wide: what frames are compared by.
pub fn thumbnail(pixels: &[u8], size_px: usize) -> Vec<u8> {
    let block = (size_px / THUMBNAIL_PX).max(1);
    let side = size_px / block;
    let mean = |row: usize, column: usize| {
        let mut sum = 0_u32;
        for y in row * block..(row + 1) * block {
            let from = (y * size_px + column * block) * 3;
            sum += pixels[from..from + block * 3]
                .iter()
                .map(|&v| u32::from(v))
                .sum::<u32>();
        }
        (sum / (3 * block * block) as u32) as u8
    };
    (0..side * side).map(|i| mean(i / side, i % side)).collect()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Clusters points: k-means++ and at most 20 rounds of Lloyd's algorithm. Returns the cluster of each point, and the centres, of which there
/// are fewer than `k` if the points are fewer or the same.
pub(super) fn k_means(points: &[Vec<f32>], k: usize, seed: u64) -> (Vec<usize>, Vec<Vec<f32>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    if points.is_empty() || k == 0 {
        return (vec![0; points.len()], Vec::new());
    }
    let mut centres = vec![points[rng.random_range(0..points.len() as u32) as usize].clone()];
    let mut distances = vec![f32::INFINITY; points.len()];
    while centres.len() < k {
        let newest = &centres[centres.len() - 1];
        for (distance, point) in distances.iter_mut().zip(points) {
            *distance = distance.min(squared_distance(point, newest));
        }
        let total: f64 = distances.iter().map(|&d| f64::from(d)).sum();
        if total <= 0.0 {
            break;
        }
        let mut draw = rng.random_range(0.0..1.0_f64) * total;
        let found = distances.iter().position(|&d| {
            draw -= f64::from(d);
            draw < 0.0 && d > 0.0
        });
        let farthest = || (0..points.len()).max_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        let Some(next) = found.or_else(farthest) else {
            break;
        };
        centres.push(points[next].clone());
    }
    let mut labels = vec![usize::MAX; points.len()];
    for _ in 0..20 {
        let mut is_changed = false;
        for (label, point) in labels.iter_mut().zip(points) {
            let mut best = (f32::INFINITY, 0);
            for (i, centre) in centres.iter().enumerate() {
                let distance = squared_distance(point, centre);
                if distance < best.0 {
                    best = (distance, i);
                }
            }
            is_changed |= *label != best.1;
            *label = best.1;
        }
        if !is_changed {
            break;
        }
        for (i, centre) in centres.iter_mut().enumerate() {
            let members: Vec<&Vec<f32>> = points
                .iter()
                .zip(&labels)
                .filter(|(_, l)| **l == i)
                .map(|(p, _)| p)
                .collect();
            if members.is_empty() {
                continue;
            }
            for (axis, value) in centre.iter_mut().enumerate() {
                *value = members.iter().map(|p| p[axis]).sum::<f32>() / members.len() as f32;
            }
        }
    }
    (labels, centres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_means_of_blocks() {
        let size = 32;
        let pixels: Vec<u8> = (0..size * size * 3)
            .map(|i| (i / 3 / size / 2) as u8 * 10)
            .collect();
        let small = thumbnail(&pixels, size);
        assert_eq!(small.len(), 256);
        assert_eq!((small[0], small[16], small[255]), (0, 10, 150));
    }
}
