//! The edge map on the CPU; `autolink::ops::edge_map` has the formula. Each edge is drawn only where it is visible, and the brightest
//! edge of each pixel is kept for the gradient.

use super::exp::exp;
use super::{for_each_piece, map_indices};

/// Added to the squared length of an edge before a division, so that an edge whose ends coincide has a nearest point. The shaders
/// `edge_map.wgsl` and `edge_map_gradient.wgsl` add the same.
pub const LENGTH_EPSILON: f32 = 1e-8;

/// ln(1e-9): fainter pixels are not drawn.
const INVISIBLE: f32 = -20.723_266;
/// The index of a pixel that no edge reaches.
const NONE: u32 = u32::MAX;

/// The operands of `autolink::ops::edge_map` for keypoints of several images.
#[derive(Clone, Debug)]
pub struct EdgeMapOperands {
    /// `[B,K,2]` (row, col) in `[-1, 1]`
    pub keypoints: Vec<f32>,
    /// `[K,K]`
    pub weights: Vec<f32>,
    /// The number of keypoints K.
    pub count: usize,
    /// The side of the map S in px.
    pub size: usize,
    /// The edge thickness sigma squared, in units of the map's half side squared.
    pub thickness: f32,
}

/// The nearest point of an edge to a pixel.
struct Near {
    /// Its position along the edge, in `[0, 1]`.
    t: f32,
    /// The vector from it to the pixel.
    row: f32,
    col: f32,
}

impl Near {
    fn distance_squared(&self) -> f32 {
        self.row * self.row + self.col * self.col
    }
}

/// The segment from keypoint i to keypoint j of one image.
struct Segment {
    a: [f32; 2],
    ab: [f32; 2],
    length_squared: f32,
}

impl Segment {
    fn near(&self, row: f32, col: f32) -> Near {
        let (row, col) = (row - self.a[0], col - self.a[1]);
        let t = ((row * self.ab[0] + col * self.ab[1]) / (self.length_squared + LENGTH_EPSILON))
            .clamp(0.0, 1.0);
        Near {
            t,
            row: row - t * self.ab[0],
            col: col - t * self.ab[1],
        }
    }
}

impl EdgeMapOperands {
    fn batch(&self) -> usize {
        self.keypoints.len() / (2 * self.count)
    }

    fn segment(&self, b: usize, i: usize, j: usize) -> Segment {
        let at = |k: usize| {
            let at = 2 * (b * self.count + k);
            [self.keypoints[at], self.keypoints[at + 1]]
        };
        let (a, b) = (at(i), at(j));
        let ab = [b[0] - a[0], b[1] - a[1]];
        Segment {
            a,
            ab,
            length_squared: ab[0] * ab[0] + ab[1] * ab[1],
        }
    }

    fn coordinate(&self, pixel: usize) -> f32 {
        (2.0 * pixel as f64 / (self.size - 1) as f64 - 1.0) as f32
    }

    /// Returns the pixels whose coordinates lie in `[low, high]`.
    fn pixels(&self, low: f32, high: f32) -> std::ops::Range<usize> {
        let pixel = |coordinate: f32| (coordinate + 1.0) * 0.5 * (self.size - 1) as f32;
        // A cast of a float saturates, and turns NaN into 0.
        let first = pixel(low).ceil().max(0.0) as usize;
        let end = (pixel(high).floor() + 1.0).max(0.0) as usize;
        first..end.min(self.size)
    }

    /// Draws image b: the logarithm of the map `[S,S]`, and the brightest edge of each pixel (`i K + j`).
    ///
    /// `ln(w exp(-d^2 / thickness)) = ln(w) - d^2 / thickness`, so edges are compared without an exponential each.
    fn draw(&self, b: usize, logs: &mut [f32], indices: &mut [u32]) {
        let coordinates: Vec<f32> = (0..self.size).map(|pixel| self.coordinate(pixel)).collect();
        let sharpness = 1.0 / self.thickness;
        for i in 0..self.count {
            for j in i + 1..self.count {
                // In double precision, so that the bits are the same on every machine.
                let log = f64::from(self.weights[i * self.count + j]).ln() as f32;
                // w exp(-d^2 / thickness) is invisible beyond this distance.
                let reach = (self.thickness * (log - INVISIBLE)).sqrt();
                if reach.is_nan() {
                    continue;
                }
                let segment = self.segment(b, i, j);
                let edge = (i * self.count + j) as u32;
                let range = |k: usize| {
                    let (from, to) = (segment.a[k], segment.a[k] + segment.ab[k]);
                    self.pixels(from.min(to) - reach, from.max(to) + reach)
                };
                let columns = range(1);
                for r in range(0) {
                    let row = r * self.size;
                    let pixels = row + columns.start..row + columns.end;
                    let (logs, indices) = (&mut logs[pixels.clone()], &mut indices[pixels]);
                    let columns = &coordinates[columns.clone()];
                    for ((best, brightest), column) in logs.iter_mut().zip(indices).zip(columns) {
                        let near = segment.near(coordinates[r], *column);
                        let here = log - near.distance_squared() * sharpness;
                        let is_brighter = here > *best;
                        *best = if is_brighter { here } else { *best };
                        *brightest = if is_brighter { edge } else { *brightest };
                    }
                }
            }
        }
    }

    /// Returns the edge map `[B,1,S,S]`, and the brightest edge of each pixel (`i K + j`).
    pub fn forward(&self) -> (Vec<f32>, Vec<u32>) {
        let pixels = self.size * self.size;
        let drawn = map_indices(self.batch(), |b| {
            let mut map = vec![INVISIBLE; pixels];
            let mut indices = vec![NONE; pixels];
            self.draw(b, &mut map, &mut indices);
            for (value, brightest) in map.iter_mut().zip(&indices) {
                let drawn = exp(f64::from(*value)) as f32;
                *value = if *brightest == NONE { 0.0 } else { drawn };
            }
            (map, indices)
        });
        let (maps, indices): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
        (maps.concat(), indices.concat())
    }

    /// Returns the gradients of keypoints `[B,K,2]` and edge weights `[K,K]` (upper triangle), from the `map` and `indices` of
    /// [`forward`](Self::forward) and from `dy` `[B,1,S,S]`.
    ///
    /// With `v = w exp(-d^2 / h)`: `dv/dw = v / w` and `dv/dd^2 = -v / h`. The distance does not change to first order if the nearest point
    /// moves along the segment, so `dd^2/da = -2 (1 - t) n` and `dd^2/db = -2 t n`, with n from the nearest point to the pixel.
    pub fn backward(&self, map: &[f32], indices: &[u32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let pixels = self.size * self.size;
        let count = self.count;
        // For each image the keypoint gradient [K,2], then the weight gradient [K,K].
        let piece = count * (2 + count);
        let mut gradients = vec![0.0; self.batch() * piece];
        for_each_piece(&mut gradients, piece, |b, gradients| {
            let (keypoint_grad, weight_grad) = gradients.split_at_mut(2 * count);
            for pixel in 0..pixels {
                let at = b * pixels + pixel;
                let (brightest, dy) = (indices[at], dy[at]);
                if brightest == NONE || dy == 0.0 {
                    continue;
                }
                let edge = brightest as usize;
                let (i, j) = (edge / count, edge % count);
                let near = self.segment(b, i, j).near(
                    self.coordinate(pixel / self.size),
                    self.coordinate(pixel % self.size),
                );
                weight_grad[edge] += dy * map[at] / self.weights[edge];
                let pull = 2.0 * dy * map[at] / self.thickness;
                keypoint_grad[2 * i] += pull * (1.0 - near.t) * near.row;
                keypoint_grad[2 * i + 1] += pull * (1.0 - near.t) * near.col;
                keypoint_grad[2 * j] += pull * near.t * near.row;
                keypoint_grad[2 * j + 1] += pull * near.t * near.col;
            }
        });
        let mut weight_grad = vec![0.0; count * count];
        let mut keypoint_grad = Vec::with_capacity(self.keypoints.len());
        for gradients in gradients.chunks_exact(piece) {
            keypoint_grad.extend_from_slice(&gradients[..2 * count]);
            weight_grad
                .iter_mut()
                .zip(&gradients[2 * count..])
                .for_each(|(sum, part)| *sum += part);
        }
        (keypoint_grad, weight_grad)
    }
}
