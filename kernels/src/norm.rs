//! Batch normalisation and LeakyReLU on the CPU, in as few passes over memory as possible: three forward (mean, variance, output) and
//! two backward.

use super::Shape;
use super::{for_each_piece, map_indices};

/// Iterates over the planes `[H,W]` of a channel.
fn planes(x: &[f32], shape: Shape, channel: usize) -> impl Iterator<Item = &[f32]> {
    let [_, channels, height, width] = shape;
    x.chunks_exact(height * width)
        .skip(channel)
        .step_by(channels)
}

/// Sums the N values of `f` over two planes, in 32 single-precision lanes that are added up in double precision.
#[inline(always)]
pub(super) fn sums<const N: usize>(
    x: &[f32],
    y: &[f32],
    f: impl Fn(f32, f32) -> [f32; N],
) -> [f64; N] {
    const LANES: usize = 32;
    let mut sums = [[0f32; LANES]; N];
    let (x_lanes, y_lanes) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let mut rest = [0f32; N];
    for (x, y) in x_lanes.remainder().iter().zip(y_lanes.remainder()) {
        for (rest, value) in rest.iter_mut().zip(f(*x, *y)) {
            *rest += value;
        }
    }
    for (x, y) in x_lanes.zip(y_lanes) {
        for lane in 0..LANES {
            let values = f(x[lane], y[lane]);
            for n in 0..N {
                sums[n][lane] += values[n];
            }
        }
    }
    std::array::from_fn(|n| {
        f64::from(rest[n]) + sums[n].iter().map(|sum| f64::from(*sum)).sum::<f64>()
    })
}

/// Returns the mean and the biased variance of each channel: `x` `[B,C,H,W]` -> `[2,C]`.
pub fn moments(x: &[f32], shape: Shape) -> Vec<f32> {
    let [batch, channels, height, width] = shape;
    let n = (batch * height * width) as f64;
    let moments = map_indices(channels, |channel| {
        let mean: f64 = planes(x, shape, channel)
            .map(|x| sums(x, x, |x, _| [x])[0])
            .sum::<f64>()
            / n;
        let centre = mean as f32;
        let variance: f64 = planes(x, shape, channel)
            .map(|x| sums(x, x, |x, _| [(x - centre) * (x - centre)])[0])
            .sum::<f64>()
            / n;
        [centre, variance as f32]
    });
    let means = moments.iter().map(|[mean, _]| *mean);
    means
        .chain(moments.iter().map(|[_, variance]| *variance))
        .collect()
}

/// A batch normalisation with its LeakyReLU: `y = leaky(weight (x - mean) / sqrt(variance + epsilon) + bias)` with
/// `leaky(z) = z > 0 ? z : slope z`.
#[derive(Clone, Debug)]
pub struct Normalisation {
    /// The shape of `x` and `y`, `[B,C,H,W]`.
    pub shape: Shape,
    /// `[C]`
    pub weight: Vec<f32>,
    /// `[C]`
    pub bias: Vec<f32>,
    /// `[2,C]`: the [`moments`] of `x`.
    pub moments: Vec<f32>,
    /// Added to the variance, so that the division stays finite.
    pub epsilon: f32,
    /// Slope of the LeakyReLU for negative values; 1 leaves it out.
    pub slope: f32,
}

impl Normalisation {
    /// Returns mean, `1 / sqrt(variance + epsilon)`, scale and bias of a channel: `z = scale (x - mean) + bias`.
    fn channel(&self, c: usize) -> [f32; 4] {
        let (mean, variance) = (self.moments[c], self.moments[self.weight.len() + c]);
        let inverse = 1.0 / (variance + self.epsilon).sqrt();
        let scale = self.weight[c] * inverse;
        [mean, inverse, scale, self.bias[c]]
    }

    /// Computes `y` from `x`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let [_, channels, height, width] = self.shape;
        let mut y = vec![0.0; x.len()];
        for_each_piece(&mut y, height * width, |plane, y| {
            let [mean, _, scale, bias] = self.channel(plane % channels);
            let slope = self.slope;
            for (y, x) in y.iter_mut().zip(&x[plane * height * width..]) {
                let z = scale * (x - mean) + bias;
                *y = if z > 0.0 { z } else { slope * z };
            }
        });
        y
    }

    /// Returns the gradients of `x` `[B,C,H,W]`, weight `[C]` and bias `[C]`. The moments depend on x, which the gradient takes into account.
    ///
    /// With g the gradient before the LeakyReLU, `h = (x - mean) / sqrt(variance + epsilon)` and means over the batch:
    /// `dx = weight / sqrt(variance + epsilon) (g - mean(g) - h mean(g h))`.
    pub fn backward(&self, x: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
        let [batch, channels, height, width] = self.shape;
        let pixels = height * width;
        let n = (batch * pixels) as f64;
        let slope = self.slope;
        let channel_sums = map_indices(channels, |c| {
            let [mean, _, scale, bias] = self.channel(c);
            let pair = |x, dy| {
                let x = x - mean;
                let g = leaky_slope(scale * x + bias, slope) * dy;
                [g, g * x]
            };
            planes(x, self.shape, c)
                .zip(planes(dy, self.shape, c))
                .map(|(x, dy)| sums(x, dy, pair))
                .fold([0.0; 2], |[g, gx], more| [g + more[0], gx + more[1]])
        });
        let mut dx = vec![0.0; x.len()];
        for_each_piece(&mut dx, pixels, |plane, dx| {
            let c = plane % channels;
            let [mean, inverse, scale, bias] = self.channel(c);
            let [g, gx] = channel_sums[c].map(|sum| (sum / n) as f32);
            let slant = -scale * inverse * inverse * gx;
            let level = -scale * g;
            let (x, dy) = (&x[plane * pixels..], &dy[plane * pixels..]);
            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                let x = x - mean;
                let g = leaky_slope(scale * x + bias, slope) * dy;
                *dx = scale * g + slant * x + level;
            }
        });
        let weight_grad =
            (0..channels).map(|c| (channel_sums[c][1] * f64::from(self.channel(c)[1])) as f32);
        let bias_grad = channel_sums.iter().map(|[g, _]| *g as f32);
        [dx, weight_grad.collect(), bias_grad.collect()]
    }
}

/// Returns the derivative of LeakyReLU at z.
#[inline(always)]
fn leaky_slope(z: f32, slope: f32) -> f32 {
    if z > 0.0 { 1.0 } else { slope }
}

/// Values of a piece that one core works on.
pub(super) const PIECE: usize = 1 << 14;

/// Replaces x by `x > 0 ? x : slope x`.
pub fn leaky_in_place(x: &mut [f32], slope: f32) {
    for_each_piece(x, PIECE, |_, x| {
        for x in x {
            *x = if *x > 0.0 { *x } else { slope * *x };
        }
    });
}

/// Returns the LeakyReLU of `x + y`.
pub fn add_leaky_relu(x: &[f32], y: &[f32], slope: f32) -> Vec<f32> {
    let mut sum = vec![0.0; x.len()];
    for_each_piece(&mut sum, PIECE, |piece, sum| {
        let (x, y) = (&x[piece * PIECE..], &y[piece * PIECE..]);
        for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
            let z = x + y;
            *sum = if z > 0.0 { z } else { slope * z };
        }
    });
    sum
}

/// Gradient of LeakyReLU from its output y: `dx = y > 0 ? dy : slope dy`
pub fn leaky_gradient(y: &[f32], dy: &[f32], slope: f32) -> Vec<f32> {
    let mut dx = vec![0.0; y.len()];
    for_each_piece(&mut dx, PIECE, |piece, dx| {
        let (y, dy) = (&y[piece * PIECE..], &dy[piece * PIECE..]);
        for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = leaky_slope(*y, slope) * dy;
        }
    });
    dx
}
