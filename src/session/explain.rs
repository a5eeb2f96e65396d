//! The stages of one preview image, opened: the numbers that the model computes there. Computed only while a stage is open.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Session;
use super::detection::fractions;
use super::edits::{DecoderInputs, Edits, Scene, mean_error};
use super::run::perceptual;
use super::views::{flat, heat_colour, push_rgb, rows};
use crate::config::{Config, LossKind};
use crate::device::read;
use crate::error::{Error, Result};
use crate::loss::WEIGHTS_FILES;
use crate::model::ParameterCounts;
use crate::ops;
use crate::render::{
    DEAD, EdgeRole, MIN_CLOSING, MIN_CONTRAST, edge_roles, median_and_contrast, most_closing,
};

/// The most maps that are shown of a layer.
const MAPS: usize = 8;

/// A stage to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StageQuery {
    /// The layers of the detector.
    Detector,
    /// The scores and the heatmap of one keypoint.
    Heatmap {
        /// Number of the keypoint, from 0; the last one where there are fewer.
        keypoint: usize,
    },
    /// The edge weights, and the part of each edge in the skeleton.
    EdgeWeights,
    /// The layers of the decoder.
    Decoder,
    /// The reconstruction from the edge map of another preview image: a fairer control than an empty edge map.
    OtherEdgeMap {
        /// Index of the other preview image.
        other: usize,
    },
    /// The loss, as maps.
    Loss,
}

/// The numbers of an open stage.
#[derive(Clone, Debug, Serialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StageDetail {
    /// The output of each block of the detector or the decoder, in order.
    Layers {
        /// The layers.
        layers: Vec<LayerMaps>,
    },
    /// `heatmap = exp(score) / sum exp(score)`, and `keypoint = sum heatmap(p) p`.
    Heatmap {
        /// Number of the keypoint, from 0.
        keypoint: usize,
        /// Side of the heatmap, h px.
        size: usize,
        /// `[h*h]` row by row; the spatial prior of the start phase is included.
        scores: Vec<f32>,
        /// `[h*h]`, sums to 1.
        heatmap: Vec<f32>,
        /// The weighted mean `[x, y]` as fractions of the view.
        mean: [f32; 2],
    },
    /// The learned edge weights, without edits, and the rule by which an edge belongs to the skeleton.
    EdgeWeights(EdgeRule),
    /// The reconstruction with another image's edge map.
    OtherEdgeMap {
        /// Index of the other preview image.
        other: usize,
        /// Side of each image, S px.
        size: usize,
        /// RGBA, `[2, S, S, 4]`: the other image's edge map, and the reconstruction from it and this image's masked input.
        #[serde(with = "serde_bytes")]
        #[ts(type = "Uint8Array<ArrayBuffer>")]
        pixels: Vec<u8>,
        /// Mean error of that reconstruction, as a fraction of the range from black to white.
        error: f32,
    },
    /// The loss of this image, by the model's running statistics. Training sees random masks and the statistics of its batch.
    Loss {
        /// The kind of loss.
        loss: LossKind,
        /// The loss.
        value: f32,
        /// One map for each block of VGG16, whose means add up to the loss; for the pixel loss, one map of squared errors.
        maps: Vec<LossMap>,
    },
}

/// The output of a layer for one image.
#[derive(Clone, Debug, Serialize, TS)]
pub struct LayerMaps {
    /// Number of channels, C.
    pub channels: usize,
    /// Side of each map, s px.
    pub size: usize,
    /// `[n]`: the channels with the largest range of values, at most eight, ascending.
    pub shown: Vec<usize>,
    /// `[n][lowest, highest]` value of each map.
    pub ranges: Vec<[f32; 2]>,
    /// RGBA, `[n, s, s, 4]`: each map from its lowest value, dark, to its highest, light.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
}

/// A map of differences whose mean is a term of the loss.
#[derive(Clone, Debug, Serialize, TS)]
pub struct LossMap {
    /// Number of channels that the map is the mean of.
    pub channels: usize,
    /// Side, s px.
    pub size: usize,
    /// Mean of the map.
    pub mean: f32,
    /// Highest value of the map.
    pub highest: f32,
    /// RGBA, `[s, s, 4]`: from zero, dark, to the highest value, light.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
}

/// The rule of the skeleton, with the numbers that it takes from the edge weights.
#[derive(Clone, Debug, Serialize, TS)]
pub struct EdgeRule {
    /// The edge learning-rate multiplier: `weight = softplus(multiplier raw)`.
    pub multiplier: f64,
    /// Median of all edge weights.
    pub median: f32,
    /// How far the strongest edge rises above the median; [`Self::min_contrast`] at least.
    pub contrast: f32,
    /// Least contrast.
    pub min_contrast: f32,
    /// A keypoint is dead if no edge to it is stronger than this.
    pub dead: f32,
    /// An edge that closes a cycle has at least this strength.
    pub min_closing: f32,
    /// The most edges that close cycles.
    pub most_closing: usize,
    /// Every edge, the strongest first.
    pub edges: Vec<EdgeDetail>,
}

/// One edge weight, and the edge's part in the skeleton.
#[derive(Clone, Debug, Serialize, TS)]
pub struct EdgeDetail {
    /// Keypoint at one end, the smaller number.
    pub from: usize,
    /// Keypoint at the other end.
    pub to: usize,
    /// The learned number.
    pub raw: f32,
    /// `softplus(multiplier raw)`
    pub weight: f32,
    /// `max(0, (weight - median) / contrast)`
    pub strength: f32,
    /// Its part in the skeleton.
    pub role: EdgeRole,
}

impl Session {
    /// Returns the number of parameters of each part of the model.
    pub fn parameter_counts(&self) -> ParameterCounts {
        ParameterCounts::new(&self.config)
    }

    /// Returns those of [`WEIGHTS_FILES`] that opening a stage needs and that were not added yet.
    pub fn weights_to_explain(&self, stage: StageQuery) -> &'static [&'static str] {
        match stage {
            StageQuery::Loss => self.needs_weights(),
            _ => &WEIGHTS_FILES[..0],
        }
    }

    /// Computes the numbers of a stage of a preview image, with edits. Training is not affected. See `tests/explain.rs`.
    ///
    /// # Errors
    /// No images; missing weights, see [`Session::weights_to_explain`]; a device that does not answer.
    pub async fn explain(&self, edits: &Edits, stage: StageQuery) -> Result<StageDetail> {
        let (model, previews) = (self.model(), self.preview_indices());
        let scene = self.scene(&model, &previews);
        match stage {
            StageQuery::Detector => scene.detector_layers(edits).await,
            StageQuery::Heatmap { keypoint } => scene.heatmap(edits, keypoint).await,
            StageQuery::EdgeWeights => scene.edge_weights(edits).await,
            StageQuery::Decoder => scene.decoder_layers(edits).await,
            StageQuery::OtherEdgeMap { other } => scene.other_edge_map(edits, other).await,
            StageQuery::Loss => {
                let inputs = scene.decoder_inputs(edits).await?;
                let reconstruction = (model.decoder).forward(inputs.masked, inputs.edge_map);
                self.loss_maps(reconstruction, inputs.image).await
            }
        }
    }

    /// Maps the loss between a reconstruction and its image, `[1,3,S,S]` both.
    async fn loss_maps(&self, reconstruction: Tensor<4>, image: Tensor<4>) -> Result<StageDetail> {
        let differences = match perceptual(&self.config, &self.weights, &self.device)? {
            None => vec![(reconstruction - image).powi_scalar(2)],
            Some(vgg) => std::iter::zip(vgg.features(reconstruction), vgg.features(image))
                .map(|(found, wanted)| (found - wanted).abs())
                .collect(),
        };
        let shapes: Vec<_> = differences.iter().map(Tensor::dims).collect();
        let means = differences.into_iter().map(|map| flat(map.mean_dim(1)));
        let maps: Vec<LossMap> = std::iter::zip(shapes, read(means.collect()).await?)
            .map(|([_, channels, size, _], map)| {
                let highest = map.iter().copied().fold(0.0, f32::max);
                let sum: f64 = map.iter().copied().map(f64::from).sum();
                LossMap {
                    channels,
                    size,
                    mean: (sum / map.len() as f64) as f32,
                    highest,
                    pixels: coloured(&map, [0.0, highest]),
                }
            })
            .collect();
        Ok(StageDetail::Loss {
            loss: self.config.loss,
            value: maps.iter().map(|map| map.mean).sum(),
            maps,
        })
    }
}

impl Scene<'_> {
    async fn detector_layers(&self, edits: &Edits) -> Result<StageDetail> {
        let mut outputs = Vec::new();
        let detector = &self.model.detector;
        detector.scores(self.image(edits.preview)?, |x| outputs.push(x.clone()));
        layers(outputs).await
    }

    async fn decoder_layers(&self, edits: &Edits) -> Result<StageDetail> {
        let DecoderInputs {
            masked, edge_map, ..
        } = self.decoder_inputs(edits).await?;
        let mut outputs = Vec::new();
        let decoder = &self.model.decoder;
        decoder.forward_watched(masked, edge_map, |x| outputs.push(x.clone()));
        layers(outputs).await
    }

    async fn heatmap(&self, edits: &Edits, keypoint: usize) -> Result<StageDetail> {
        let keypoint = keypoint.min(self.config.keypoints - 1);
        let scores = (self.model.detector)
            .scores(self.image(edits.preview)?, |_| {})
            .narrow(1, keypoint, 1); // [1,1,h,h]
        let size = scores.dims()[3];
        let heatmap = ops::softmax(scores.clone());
        let mean = ops::expectation(heatmap.clone()).reshape([2]);
        let [scores, heatmap, mean] = read_all([flat(scores), flat(heatmap), mean]).await?;
        Ok(StageDetail::Heatmap {
            keypoint,
            size,
            scores,
            heatmap,
            mean: fractions(&mean, self.config.size)[0],
        })
    }

    async fn edge_weights(&self, edits: &Edits) -> Result<StageDetail> {
        let learned = self.decoder_inputs(edits).await?.learned;
        let count = learned.len();
        let raw = self.model.edges.raw.val().reshape([count * count]);
        let [raw] = read_all([raw]).await?;
        let raw = rows(&raw, count);
        let (median, contrast) = median_and_contrast(&learned);
        let edges: Vec<EdgeDetail> = (edge_roles(&learned).into_iter())
            .map(|([from, to], role)| EdgeDetail {
                from,
                to,
                raw: raw[from][to],
                weight: learned[from][to],
                strength: ((learned[from][to] - median) / contrast).max(0.0),
                role,
            })
            .collect();
        let tree = edges.iter().filter(|edge| edge.role == EdgeRole::Tree);
        Ok(StageDetail::EdgeWeights(EdgeRule {
            multiplier: self.config.edge_scale,
            median,
            contrast,
            min_contrast: MIN_CONTRAST,
            dead: DEAD,
            min_closing: MIN_CLOSING,
            most_closing: most_closing(tree.count()),
            edges,
        }))
    }

    async fn other_edge_map(&self, edits: &Edits, other: usize) -> Result<StageDetail> {
        let Config {
            size, thickness, ..
        } = *self.config;
        let inputs = self.decoder_inputs(edits).await?;
        let edge_map = ops::edge_map(
            self.model.detector.forward(self.image(other)?).keypoints,
            self.model.edges.weights(self.config.edge_scale),
            size,
            thickness,
        );
        let reconstruction = self.model.decoder.forward(inputs.masked, edge_map.clone());
        let [edge_map, reconstruction, image] =
            read_all([flat(edge_map), flat(reconstruction), flat(inputs.image)]).await?;
        let (median, contrast) = median_and_contrast(&inputs.learned);
        let brightest = edge_map.iter().copied().fold(median + contrast, f32::max);
        let mut pixels = coloured(&edge_map, [0.0, brightest]);
        push_rgb(&mut pixels, &reconstruction, size);
        Ok(StageDetail::OtherEdgeMap {
            other,
            size,
            pixels,
            error: mean_error(&reconstruction, &image, size),
        })
    }
}

/// Draws the outputs of layers, `[1,C,s,s]` each.
async fn layers(outputs: Vec<Tensor<4>>) -> Result<StageDetail> {
    let shapes: Vec<_> = outputs.iter().map(Tensor::dims).collect();
    let values = read(outputs.into_iter().map(flat).collect()).await?;
    let layers = std::iter::zip(shapes, values)
        .map(|([_, channels, size, _], values)| layer(channels, size, &values))
        .collect();
    Ok(StageDetail::Layers { layers })
}

/// Draws the output of a layer, `[C,s,s]`.
fn layer(channels: usize, size: usize, values: &[f32]) -> LayerMaps {
    let maps: Vec<_> = values.chunks_exact(size * size).collect();
    let range = |map: &&[f32]| {
        let lowest = map.iter().copied().fold(f32::INFINITY, f32::min);
        [
            lowest,
            map.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        ]
    };
    let all: Vec<[f32; 2]> = maps.iter().map(range).collect();
    let spread = |&channel: &usize| all[channel][1] - all[channel][0];
    let mut shown: Vec<usize> = (0..channels).collect();
    shown.sort_by(|a, b| spread(b).total_cmp(&spread(a)));
    shown.truncate(MAPS);
    shown.sort_unstable();
    let pixels = shown.iter().flat_map(|&k| coloured(maps[k], all[k]));
    LayerMaps {
        channels,
        size,
        ranges: shown.iter().map(|&k| all[k]).collect(),
        pixels: pixels.collect(),
        shown,
    }
}

/// Colours values as RGBA, from the lower end of a range, dark, to the upper, light.
fn coloured(values: &[f32], [low, high]: [f32; 2]) -> Vec<u8> {
    let range = (high - low).max(f32::MIN_POSITIVE);
    (values.iter())
        .flat_map(|value| heat_colour((value - low) / range))
        .collect()
}

/// Reads tensors.
async fn read_all<const N: usize>(tensors: [Tensor<1>; N]) -> Result<[Vec<f32>; N]> {
    <[Vec<f32>; N]>::try_from(read(tensors.into()).await?)
        .map_err(|_| Error::Backend("The values cannot be read from the device.".into()))
}
