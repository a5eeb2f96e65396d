//! The detector: an image to K heatmaps, a heatmap to a keypoint.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::blocks::{Conv3x3, LEAKY_SLOPE, Norm};
use crate::ops::{self, cpu::heatmap::pixel_positions};

/// Two convolutions with a shortcut, to half the side: `leaky(norm2(conv2(leaky(norm1(pool(conv1(x)))))) + norm(pool(shortcut(x))))`.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// The first convolution, I -> O channels; pooled.
    pub conv1: Conv3x3,
    /// The norm after `conv1`.
    pub norm1: Norm,
    /// The second convolution, O -> O channels.
    pub conv2: Conv3x3,
    /// The norm after `conv2`.
    pub norm2: Norm,
    /// The convolution of the shortcut, I -> O channels; pooled.
    pub shortcut: Conv3x3,
    /// The norm after `shortcut`.
    pub shortcut_norm: Norm,
}

impl ResidualBlock {
    fn init(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            conv1: Conv3x3::init(inputs, outputs, rng, device),
            norm1: Norm::init(outputs, device),
            conv2: Conv3x3::init(outputs, outputs, rng, device),
            norm2: Norm::init(outputs, device),
            shortcut: Conv3x3::init(inputs, outputs, rng, device),
            shortcut_norm: Norm::init(outputs, device),
        }
    }

    /// Runs the block: `[B,I,H,W]` -> `[B,O,H/2,W/2]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = self
            .shortcut_norm
            .forward(self.shortcut.forward_avg_pool(x.clone()));
        let x = self.norm1.forward_leaky(self.conv1.forward_avg_pool(x));
        let x = self.norm2.forward(self.conv2.forward(x));
        ops::add_leaky_relu(x, shortcut, LEAKY_SLOPE)
    }
}

/// Upsampling to twice the side, then a convolution with norm and LeakyReLU.
#[derive(Module, Debug)]
pub struct UpBlock {
    /// The convolution, I -> O channels.
    pub conv: Conv3x3,
    /// The norm after `conv`.
    pub norm: Norm,
}

impl UpBlock {
    fn init(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            conv: Conv3x3::init(inputs, outputs, rng, device),
            norm: Norm::init(outputs, device),
        }
    }

    /// Runs the block: `[B,I,H,W]` -> `[B,O,2H,2W]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm
            .forward_leaky(self.conv.forward(ops::upsample2x(x)))
    }
}

/// The network from an image to K heatmaps of a quarter of its side. `tests/parity.rs` compares it with the authors'.
#[derive(Module, Debug)]
pub struct Detector {
    /// Four blocks to widths w, 2w, 4w, 8w at S/2 ... S/16.
    pub down: Vec<ResidualBlock>,
    /// Two blocks to widths 4w, 2w at S/8, S/4.
    pub up: Vec<UpBlock>,
    /// The convolution to the scores of K heatmaps.
    pub head: Conv3x3,
    /// Strength of the spatial prior that holds keypoints apart at the start of a run, not learned: [`Config::spread`](crate::Config::spread)
    /// at the step of these weights.
    pub spread: f64,
}

/// The detector's output for a batch.
#[derive(Clone, Debug)]
pub struct Detection {
    /// `[B,K,2]` (row, col) in `[-1, 1]`
    pub keypoints: Tensor<3>,
    /// `[B,K,S/4,S/4]`, each summing to 1
    pub heatmaps: Tensor<4>,
}

impl Detector {
    /// Creates an untrained detector of `count` keypoints K and width w.
    pub fn init(count: usize, width: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let widths = [3, width, 2 * width, 4 * width, 8 * width];
        Self {
            down: widths
                .windows(2)
                .map(|io| ResidualBlock::init(io[0], io[1], rng, device))
                .collect(),
            up: vec![
                UpBlock::init(8 * width, 4 * width, rng, device),
                UpBlock::init(4 * width, 2 * width, rng, device),
            ],
            head: Conv3x3::init(2 * width, count, rng, device),
            spread: 0.0,
        }
    }

    /// Detects keypoints in images `[B,3,S,S]` in `[-1, 1]`. See `tests/parity.rs`.
    pub fn forward(&self, images: Tensor<4>) -> Detection {
        Detection::from_scores(self.scores(images, |_| {}))
    }

    /// Computes the scores `[B,K,S/4,S/4]` that become heatmaps, the spatial prior included. `watch` sees the output of each block: `down`,
    /// then `up`. See `session::explain`.
    pub(crate) fn scores(&self, images: Tensor<4>, mut watch: impl FnMut(&Tensor<4>)) -> Tensor<4> {
        let mut x = images;
        for block in &self.down {
            x = block.forward(x);
            watch(&x);
        }
        for block in &self.up {
            x = block.forward(x);
            watch(&x);
        }
        let scores = self.head.forward(x); // [B,K,S/4,S/4]
        if self.spread == 0.0 {
            return scores;
        }
        let [_, count, height, width] = scores.dims();
        let prior = TensorData::new(
            spatial_prior(self.spread, count, height, width),
            [1, count, height, width],
        );
        let prior = Tensor::from_data(prior, &scores.device());
        scores + prior
    }
}

/// Returns what the spatial prior adds to the scores of K heatmaps, `[K,h,w]`: `-strength |p - a_k|^2` at the position p of a pixel in
/// `[-1, 1]`. The anchors `a_k` lie on a sunflower's spiral, which fills a disc evenly for any K: radius `0.7 sqrt((k + 1/2) / K)`,
/// angle `k pi (3 - sqrt 5)`.
///
/// Without it, all keypoints start as one heap in the middle of the image, and luck decides when they part. Not part of the paper.
pub(crate) fn spatial_prior(strength: f64, count: usize, height: usize, width: usize) -> Vec<f32> {
    const RADIUS: f64 = 0.7;
    let golden_angle = std::f64::consts::PI * (3.0 - 5_f64.sqrt());
    let pixels = pixel_positions(height, width); // [hw,2]
    let prior = (0..count).flat_map(|k| {
        let radius = RADIUS * ((k as f64 + 0.5) / count as f64).sqrt();
        let (sin, cos) = (k as f64 * golden_angle).sin_cos();
        pixels.chunks(2).map(move |p| {
            let [row, col] = [
                f64::from(p[0]) - radius * sin,
                f64::from(p[1]) - radius * cos,
            ];
            (-strength * (row * row + col * col)) as f32
        })
    });
    prior.collect()
}

impl Detection {
    /// The radius around a keypoint that [`confidence`](Self::confidence) counts, in coordinates that span 2: a tenth of the image's side.
    pub const CONFIDENCE_RADIUS: f64 = 0.2;

    /// Turns scores `[B,K,h,w]` into heatmaps by softmax, and heatmaps into keypoints by expectation. See `tests/ops.rs`.
    pub fn from_scores(scores: Tensor<4>) -> Self {
        let heatmaps = ops::softmax(scores);
        Detection {
            keypoints: ops::expectation(heatmaps.clone()),
            heatmaps,
        }
    }

    /// Returns the confidence of each keypoint: the share of its heatmap that lies within [`Self::CONFIDENCE_RADIUS`] of it, `[B,K]` in
    /// `[0, 1]`. See `tests/model.rs`.
    pub fn confidence(&self) -> Tensor<2> {
        const RADIUS: f64 = Detection::CONFIDENCE_RADIUS;
        let [batch, count, height, width] = self.heatmaps.dims();
        let pixels = ops::pixel_positions(height, width, &self.heatmaps.device()).reshape([
            1,
            1,
            height * width,
            2,
        ]);
        let offset = pixels - self.keypoints.clone().reshape([batch, count, 1, 2]); // [B,K,hw,2]
        let near = offset
            .powi_scalar(2)
            .sum_dim(3)
            .lower_equal_scalar(RADIUS * RADIUS)
            .float(); // [B,K,hw,1]
        let mass = self
            .heatmaps
            .clone()
            .reshape([batch, count, height * width, 1])
            * near;
        mass.sum_dim(2).reshape([batch, count])
    }
}
