//! One probe picture taken apart: every stage of the method, with what a visitor changed on the way.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::views::{MASK_SEED, flat, glow, probe_masks, push_rgb, push_rgba, rows};
use super::{fractions, images, read};
use crate::config::Config;
use crate::data::{Dataset, block_mask};
use crate::error::{Error, Result};
use crate::model::{AutoLink, enlarge};
use crate::ops;
use crate::render::{median_and_contrast, palette};

/// A probe picture, and what is changed on its way through the model. What no longer fits the model is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Edits {
    /// Which of the probes; the last one where there are fewer.
    pub probe: usize,
    /// What of the picture is hidden.
    pub cover: MaskEdit,
    /// `[K][x, y]` as fractions of the view: where the keypoints are to be, in place of where the detector sees them.
    pub keypoints: Option<Vec<[f32; 2]>>,
    /// Edges that are not to be as learned.
    pub edges: Vec<EdgeEdit>,
}

/// What of the picture is hidden.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MaskEdit {
    /// As in the grid of probes: always the same cells.
    #[default]
    Usual,
    /// Cells drawn anew, in the share of the settings.
    Fresh {
        /// Another seed, other cells.
        seed: u32,
    },
    /// Painted by hand.
    Painted {
        /// `[g*g]` row by row: 1 where the picture is kept, 0 where it is hidden.
        cells: Vec<u8>,
    },
}

/// An edge that is not to be as learned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct EdgeEdit {
    /// One end.
    pub from: usize,
    /// The other.
    pub to: usize,
    /// What becomes of it.
    pub becomes: EdgeState,
}

/// What becomes of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeState {
    /// Its weight is 0.
    Off,
    /// Its weight is that of the strongest edge.
    Strongest,
}

/// Every stage of one picture's way through the model.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Stages {
    /// Steps taken.
    pub step: usize,
    /// Which of the probes.
    pub probe: usize,
    /// Side of each picture, S px.
    pub size: usize,
    /// Side of each heatmap, h px.
    pub heat_size: usize,
    /// RGBA, `[6, S, S, 4]`: picture, what is left of it, edge map, reconstruction, the same without an edge map, and how far the
    /// reconstruction is from the picture.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// RGBA, `[K, h, h, 4]`: each heatmap in its keypoint's colour, its highest value opaque.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub heatmaps: Vec<u8>,
    /// `[g*g]` row by row: 1 where the picture is kept, 0 where it is hidden.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub mask: Vec<u8>,
    /// `[K][x, y]` as fractions of the view, as drawn.
    pub keypoints: Vec<[f32; 2]>,
    /// `[K]` in `[0, 1]`: the share of its heatmap that lies near the detector's keypoint.
    pub confidence: Vec<f32>,
    /// `[K][K]`, symmetric, zero diagonal, as drawn.
    pub edge_weights: Vec<Vec<f32>>,
    /// `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest.
    pub edge_strengths: Vec<Vec<f32>>,
    /// Mean distance of the reconstruction to the picture, as a share of the range from black to white.
    pub error: f32,
    /// ... without an edge map.
    pub error_without: f32,
}

/// Poses of some pictures in the looks of others.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Transfer {
    /// Steps taken.
    pub step: usize,
    /// Side of each picture, S px.
    pub size: usize,
    /// Which probes, P of them.
    pub probes: Vec<usize>,
    /// RGBA, `[P, P, S, S, 4]`: the row gives the keypoints, the column what is left of the picture.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
}

/// The model and what it looks at.
pub(super) struct Scene<'a> {
    pub model: &'a AutoLink,
    pub config: &'a Config,
    pub pictures: &'a Dataset,
    /// Indices of the probes.
    pub probes: &'a [usize],
    pub step: usize,
    pub device: &'a Device,
}

impl Scene<'_> {
    /// One probe, taken apart.
    pub async fn inspect(&self, touch: &Edits) -> Result<Stages> {
        let Config {
            size,
            keypoints: count,
            ..
        } = *self.config;
        let nothing = || Error::Pictures("There are no pictures to look at.".into());
        let last = self.probes.len().checked_sub(1).ok_or_else(nothing)?;
        let probe = touch.probe.min(last);
        let image = images(self.pictures, &[self.probes[probe]], self.device); // [1,3,S,S]
        let detection = self.model.detector.forward(image.clone());
        let heat_size = detection.heatmaps.dims()[2];
        let keypoints = match &touch.keypoints {
            Some(points) if points.len() == count => {
                let values = TensorData::new(positions(points, size), [1, count, 2]);
                Tensor::from_data(values, self.device)
            }
            _ => detection.keypoints.clone(),
        };
        let learned = self.model.edges.weights(self.config.edge_scale);
        let learned = rows(
            &read(vec![learned.reshape([count * count])]).await?[0],
            count,
        );
        let edge_weights = touched(&learned, &touch.edges);
        let weights = TensorData::new(edge_weights.concat(), [count, count]);
        let edge_map = ops::edge_map(
            keypoints.clone(),
            Tensor::from_data(weights, self.device),
            size,
            self.config.thickness,
        ); // [1,1,S,S]
        let mask = self.mask(probe, &touch.cover);
        let side = mask.len().isqrt();
        let cells = TensorData::new(mask.clone(), [1, 1, side, side]);
        let masked = image.clone() * enlarge(Tensor::from_data(cells, self.device), size);
        // With the edge map and with an empty one, in one pass: [2,3,S,S].
        let both = self.model.decoder.forward(
            masked.clone().repeat_dim(0, 2),
            Tensor::cat(vec![edge_map.clone(), edge_map.zeros_like()], 0),
        );
        let [image, masked, edge_map, both, heatmaps, points, confidence] =
            <[Vec<f32>; 7]>::try_from(
                read(vec![
                    flat(image),
                    flat(masked),
                    flat(edge_map),
                    flat(both),
                    flat(detection.heatmaps.clone()),
                    keypoints.reshape([count * 2]),
                    detection.confidence().reshape([count]),
                ])
                .await?,
            )
            .map_err(|_| Error::Backend("The device lost a reading.".into()))?;

        let (rebuilt, without) = both.split_at(both.len() / 2);
        let (median, rise) = median_and_contrast(&learned);
        let strongest = edge_map.iter().copied().fold(median + rise, f32::max);
        let mut pixels = Vec::with_capacity(6 * size * size * 4);
        push_rgba(&mut pixels, self.pictures.pixels(self.probes[probe]));
        push_rgb(&mut pixels, &masked, size);
        pixels.extend(edge_map.iter().flat_map(|value| glow(value / strongest)));
        push_rgb(&mut pixels, rebuilt, size);
        push_rgb(&mut pixels, without, size);
        pixels.extend(distances(rebuilt, &image, size).flat_map(|d| glow(2.0 * d)));
        let mean = |of: &[f32]| {
            distances(of, &image, size).map(f64::from).sum::<f64>() / (size * size) as f64
        };
        Ok(Stages {
            step: self.step,
            probe,
            size,
            heat_size,
            pixels,
            heatmaps: heatmaps
                .chunks_exact(heat_size * heat_size)
                .zip(palette::colours())
                .flat_map(|(heat, colour)| tinted(heat, colour))
                .collect(),
            mask: mask.iter().map(|&cell| cell as u8).collect(),
            keypoints: fractions(&points, size),
            confidence,
            edge_strengths: (edge_weights.iter())
                .map(|row| row.iter().map(|w| ((w - median) / rise).max(0.0)).collect())
                .collect(),
            edge_weights,
            error: mean(rebuilt) as f32,
            error_without: mean(without) as f32,
        })
    }

    /// The keypoints of each of some probes in the looks of each.
    pub async fn transfer(&self, which: &[usize]) -> Result<Transfer> {
        let size = self.config.size;
        let which: Vec<usize> = (which.iter().copied())
            .filter(|&probe| probe < self.probes.len())
            .collect();
        let count = which.len();
        if count == 0 {
            return Err(Error::Pictures("There are no pictures to look at.".into()));
        }
        let indices: Vec<usize> = which.iter().map(|&probe| self.probes[probe]).collect();
        let images = images(self.pictures, &indices, self.device); // [P,3,S,S]
        let edge_maps = ops::edge_map(
            self.model.detector.forward(images.clone()).keypoints,
            self.model.edges.weights(self.config.edge_scale),
            size,
            self.config.thickness,
        ); // [P,1,S,S]
        let side = self.config.mask_grid;
        let masks: Vec<f32> = (which.iter())
            .flat_map(|&probe| self.mask(probe, &MaskEdit::Usual))
            .collect();
        let masks = Tensor::from_data(TensorData::new(masks, [count, 1, side, side]), self.device);
        let masked = images * enlarge(masks, size);
        let mut pixels = Vec::with_capacity(count * count * size * size * 4);
        for pose in 0..count {
            let edge_map = edge_maps.clone().narrow(0, pose, 1).repeat_dim(0, count);
            let rebuilt = self.model.decoder.forward(masked.clone(), edge_map);
            push_rgb(&mut pixels, &read(vec![flat(rebuilt)]).await?[0], size);
        }
        Ok(Transfer {
            step: self.step,
            size,
            probes: which,
            pixels,
        })
    }

    /// `[g*g]`
    fn mask(&self, probe: usize, cover: &MaskEdit) -> Vec<f32> {
        let Config {
            mask_grid,
            mask_ratio,
            size,
            ..
        } = *self.config;
        let area = mask_grid * mask_grid;
        match cover {
            MaskEdit::Fresh { seed } => {
                let mut stream = ChaCha8Rng::seed_from_u64(MASK_SEED);
                stream.set_stream(1 + u64::from(*seed));
                block_mask(&mut stream, 1, mask_grid, mask_ratio)
            }
            MaskEdit::Painted { cells }
                if !cells.is_empty()
                    && cells.len() == cells.len().isqrt().pow(2)
                    && cells.len() <= size * size =>
            {
                (cells.iter())
                    .map(|&cell| f32::from(u8::from(cell > 0)))
                    .collect()
            }
            _ => probe_masks(self.probes.len(), self.config)[probe * area..(probe + 1) * area]
                .to_vec(),
        }
    }
}

/// The edge weights `[K][K]` with some changed.
fn touched(learned: &[Vec<f32>], edges: &[EdgeEdit]) -> Vec<Vec<f32>> {
    let strongest = learned.iter().flatten().copied().fold(0.0, f32::max);
    let mut weights = learned.to_vec();
    for &EdgeEdit { from, to, becomes } in edges {
        if from == to || from.max(to) >= weights.len() {
            continue;
        }
        let weight = match becomes {
            EdgeState::Off => 0.0,
            EdgeState::Strongest => strongest,
        };
        weights[from][to] = weight;
        weights[to][from] = weight;
    }
    weights
}

/// `[K][x, y]` as fractions of the view -> `[K][row, col]` in `[-1, 1]`: what `fractions` undoes.
fn positions(points: &[[f32; 2]], size: usize) -> Vec<f32> {
    let side = size as f32;
    let position = |v: f32| ((v * side - 0.5) / (side - 1.0) * 2.0 - 1.0).clamp(-1.0, 1.0);
    points
        .iter()
        .flat_map(|&[x, y]| [position(y), position(x)])
        .collect()
}

/// Of each pixel of two pictures `[3,S,S]` in `[-1, 1]`: how far they are apart, as a share of the range.
fn distances<'a>(a: &'a [f32], b: &'a [f32], size: usize) -> impl Iterator<Item = f32> + 'a {
    let area = size * size;
    // What lies beyond black and white is shown as those.
    let apart = |i: usize| (a[i].clamp(-1.0, 1.0) - b[i]).abs() / 2.0;
    (0..area).map(move |i| (apart(i) + apart(area + i) + apart(2 * area + i)) / 3.0)
}

/// A heatmap in a colour, as opaque as it is high.
fn tinted(heat: &[f32], [r, g, b]: [u8; 3]) -> Vec<u8> {
    let highest = heat.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    heat.iter()
        .flat_map(|value| [r, g, b, (255.0 * value / highest).round() as u8])
        .collect()
}
