//! The method: detect -> draw -> reconstruct (AutoLink, arXiv 2205.10636).

pub mod blocks;
pub mod decoder;
pub mod detector;
pub mod edges;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use ts_rs::TS;

pub use detector::Detection;

use crate::config::Config;
use crate::ops;

/// Detector, edge weights and decoder. `tests/model.rs` shows the use, `tests/parity.rs` compares it with the authors'.
#[derive(Module, Debug)]
pub struct AutoLink {
    /// The network from images to keypoints.
    pub detector: detector::Detector,
    /// The edge weights.
    pub edges: edges::Edges,
    /// The network from masked input and edge map to the reconstruction.
    pub decoder: decoder::Decoder,
}

/// The settings of the edge map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdgeMapParams {
    /// See [`Config::thickness`].
    pub thickness: f64,
    /// See [`Config::edge_scale`].
    pub edge_scale: f64,
}

/// The number of numbers that each part of the model learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
pub struct ParameterCounts {
    /// The detector.
    pub detector: usize,
    /// The edge weights: one for each pair of keypoints.
    pub edges: usize,
    /// The decoder.
    pub decoder: usize,
}

impl ParameterCounts {
    /// Counts the parameters of a model of these settings, without making one. See `tests/model.rs`.
    pub fn new(config: &Config) -> Self {
        let conv = |inputs: usize, outputs: usize| (9 * inputs + 1) * outputs;
        let norm = |channels: usize| 2 * channels;
        let (k, w) = (config.keypoints, config.width);
        let residual = |[i, o]: [usize; 2]| 2 * conv(i, o) + conv(o, o) + 3 * norm(o);
        let up = |[i, o]: [usize; 2]| conv(i, o) + norm(o);
        let down: usize = [[3, w], [w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w]]
            .map(residual)
            .iter()
            .sum();
        let detector = down + up([8 * w, 4 * w]) + up([4 * w, 2 * w]) + conv(2 * w, k);

        let w = config.decoder_width();
        let block = |[i, o]: [usize; 2]| conv(i, o) + conv(o, o) + 2 * norm(o);
        let down = [[w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w], [8 * w, 8 * w]];
        let up = [[8 * w, 8 * w], [16 * w, 4 * w], [8 * w, 2 * w], [4 * w, w]];
        let blocks: usize = down.into_iter().chain(up).map(block).sum();
        Self {
            detector,
            edges: k * (k - 1) / 2,
            decoder: 1 + conv(4, w) + blocks + conv(2 * w, 3),
        }
    }
}

/// All results of a forward pass.
#[derive(Clone, Debug)]
pub struct Output {
    /// Keypoints `[B,K,2]` and heatmaps `[B,K,S/4,S/4]`.
    pub detection: Detection,
    /// `[K,K]`, symmetric, zero diagonal.
    pub edge_weights: Tensor<2>,
    /// The masked input, `[B,3,S,S]`: the image times its mask.
    pub masked: Tensor<4>,
    /// `[B,1,S,S]`, zero or more.
    pub edge_map: Tensor<4>,
    /// `[B,3,S,S]`, unbounded.
    pub reconstruction: Tensor<4>,
}

impl AutoLink {
    /// Creates an untrained model, seeded by `config.seed`. See `tests/model.rs`.
    pub fn init(config: &Config, device: &Device) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(config.seed);
        let model = Self {
            detector: detector::Detector::init(config.keypoints, config.width, rng, device),
            edges: edges::Edges::init(
                config.keypoints,
                config.edge_scale,
                config.edge_start,
                rng,
                device,
            ),
            decoder: decoder::Decoder::init(config.decoder_width(), rng, device),
        };
        model.at_step(config, 0)
    }

    /// Sets what depends on the step but is not learned: the strength of the detector's spatial prior.
    #[must_use]
    pub(crate) fn at_step(mut self, config: &Config, step: usize) -> Self {
        self.detector.spread = config.spread(step);
        self
    }

    /// Runs the whole model on images `[B,3,S,S]` in `[-1, 1]` and a mask `[B,1,g,g]`, 1 where the image is kept. See `tests/model.rs`.
    pub fn forward(&self, images: Tensor<4>, mask: Tensor<4>, params: EdgeMapParams) -> Output {
        let size = images.dims()[2];
        let detection = self.detector.forward(images.clone());
        let edge_weights = self.edges.weights(params.edge_scale);
        let edge_map = ops::edge_map(
            detection.keypoints.clone(),
            edge_weights.clone(),
            size,
            params.thickness,
        );
        let masked = images * enlarge(mask, size);
        let reconstruction = self.decoder.forward(masked.clone(), edge_map.clone());
        Output {
            detection,
            edge_weights,
            masked,
            edge_map,
            reconstruction,
        }
    }
}

/// Enlarges a mask to the image's size, each pixel from its cell: `[B,1,g,g]` -> `[B,1,S,S]`.
pub(crate) fn enlarge(mask: Tensor<4>, size: usize) -> Tensor<4> {
    let grid = mask.dims()[2];
    let cells: Vec<i32> = (0..size).map(|i| (i * grid / size) as i32).collect();
    let cells = Tensor::<1, Int>::from_data(TensorData::new(cells, [size]), &mask.device());
    mask.select(2, cells.clone()).select(3, cells)
}

/// Draws from N(0, 1) by the Box-Muller transform.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>(); // in (0, 1]
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
