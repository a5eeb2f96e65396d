//! Every stage of the method on one preview image, with a person's edits applied; and pose transfer between preview images.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Session;
use super::detection::{fractions, image_tensor};
use super::views::{MASK_SEED, flat, heat_colour, preview_masks, push_rgb, push_rgba, rows};
use crate::config::Config;
use crate::data::{Dataset, block_mask};
use crate::device::read;
use crate::error::{Error, Result};
use crate::model::{AutoLink, Detection, enlarge};
use crate::ops;
use crate::render::{median_and_contrast, palette, skeleton};

/// A preview image, and the edits that are applied on its way through the model. Edits that no longer fit the model are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Edits {
    /// Index of the preview image; the last one where there are fewer.
    pub preview: usize,
    /// The mask.
    pub mask: MaskEdit,
    /// `[K][x, y]` as fractions of the view: positions that replace those of the detector.
    pub keypoints: Option<Vec<[f32; 2]>>,
    /// Edges whose weights are replaced.
    pub edges: Vec<EdgeEdit>,
}

/// The mask that hides cells of the image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MaskEdit {
    /// The mask of the preview images' views: always the same cells.
    #[default]
    Usual,
    /// Random cells, at the mask ratio of the settings.
    Fresh {
        /// Seed of the cells.
        seed: u32,
    },
    /// Painted by hand.
    Painted {
        /// `[g*g]` row by row: 1 for a visible cell, 0 for a hidden one.
        cells: Vec<u8>,
    },
}

/// An edge whose learned weight is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct EdgeEdit {
    /// Keypoint at one end.
    pub from: usize,
    /// Keypoint at the other end.
    pub to: usize,
    /// The weight that replaces the learned one.
    pub state: EdgeState,
}

/// The weight that replaces an edge's learned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeState {
    /// Weight 0.
    Off,
    /// The weight of the strongest edge.
    Strongest,
}

/// Every stage of one preview image in the model.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Stages {
    /// Steps taken.
    pub step: usize,
    /// Index of the preview image.
    pub preview: usize,
    /// Side of each image, S px.
    pub size: usize,
    /// Side of each heatmap, h px.
    pub heatmap_size: usize,
    /// RGBA, `[6, S, S, 4]`: image, masked input, edge map, reconstruction, reconstruction without an edge map, and the difference
    /// between reconstruction and image.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// RGBA, `[K, h, h, 4]`: each heatmap in its keypoint's colour, with its highest value opaque.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub heatmaps: Vec<u8>,
    /// `[g*g]` row by row: 1 for a visible cell, 0 for a hidden one.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub mask: Vec<u8>,
    /// `[K][x, y]` as fractions of the view, edits applied.
    pub keypoints: Vec<[f32; 2]>,
    /// `[K]` in `[0, 1]`: the share of each heatmap that lies near the detector's keypoint.
    pub confidence: Vec<f32>,
    /// `[K][K]`, symmetric, zero diagonal, edits applied.
    pub edge_weights: Vec<Vec<f32>>,
    /// `[K][K]`: how far each edge of the skeleton, and each that was switched, stands out: 1 for the strongest edge, 0 for all others.
    pub edge_strengths: Vec<Vec<f32>>,
    /// Mean error of the reconstruction, as a fraction of the range from black to white.
    pub error: f32,
    /// Mean error of the reconstruction without an edge map.
    pub error_without_edge_map: f32,
}

/// Pose transfer: the pose of each image in the appearance of each.
#[derive(Clone, Debug, Serialize, TS)]
pub struct Transfer {
    /// Steps taken.
    pub step: usize,
    /// Side of each image, S px.
    pub size: usize,
    /// Indices of the P preview images.
    pub previews: Vec<usize>,
    /// RGBA, `[P, P, S, S, 4]`: the row's image gives the keypoints, the column's image the masked input.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
}

impl Session {
    /// Runs one preview image through the model, with edits, and returns every stage. Training is not affected.
    ///
    /// # Errors
    /// No images, or a device that does not answer.
    pub async fn inspect(&self, edits: &Edits) -> Result<Stages> {
        let (model, previews) = (self.model(), self.preview_indices());
        self.scene(&model, &previews).inspect(edits).await
    }

    /// Reconstructs each of some preview images with the keypoints of each.
    ///
    /// # Errors
    /// No such images, or a device that does not answer.
    pub async fn transfer(&self, previews: &[usize]) -> Result<Transfer> {
        let (model, all) = (self.model(), self.preview_indices());
        self.scene(&model, &all).transfer(previews).await
    }

    pub(super) fn scene<'a>(&'a self, model: &'a AutoLink, previews: &'a [usize]) -> Scene<'a> {
        Scene {
            model,
            config: &self.config,
            images: &self.images,
            previews,
            step: self.steps_taken(),
            device: &self.device,
        }
    }
}

/// The model and the preview images.
pub(super) struct Scene<'a> {
    pub(super) model: &'a AutoLink,
    pub(super) config: &'a Config,
    images: &'a Dataset,
    /// Indices of the preview images in `images`.
    previews: &'a [usize],
    step: usize,
    pub(super) device: &'a Device,
}

/// The inputs of the decoder for one preview image, with edits, and where they come from.
pub(super) struct DecoderInputs {
    /// Index of the preview image.
    pub(super) preview: usize,
    /// `[1,3,S,S]`
    pub(super) image: Tensor<4>,
    /// The detector's output, without edits.
    pub(super) detection: Detection,
    /// `[1,K,2]`, edits applied.
    keypoints: Tensor<3>,
    /// `[K][K]`, without edits.
    pub(super) learned: Vec<Vec<f32>>,
    /// `[K][K]`, edits applied.
    edge_weights: Vec<Vec<f32>>,
    /// `[1,1,S,S]`
    pub(super) edge_map: Tensor<4>,
    /// `[g*g]`: 1 for a visible cell, 0 for a hidden one.
    mask: Vec<f32>,
    /// `[1,3,S,S]`
    pub(super) masked: Tensor<4>,
}

impl Scene<'_> {
    /// Returns the index of the preview image that is meant: the last one where there are fewer.
    fn preview(&self, wanted: usize) -> Result<usize> {
        let no_images = || Error::Images("There are no images yet. Add some first.".into());
        let last = self.previews.len().checked_sub(1).ok_or_else(no_images)?;
        Ok(wanted.min(last))
    }

    /// Copies a preview image to the device, `[1,3,S,S]`.
    pub(super) fn image(&self, preview: usize) -> Result<Tensor<4>> {
        let index = self.previews[self.preview(preview)?];
        Ok(image_tensor(self.images, &[index], self.device))
    }

    /// Runs one preview image through the model, up to the inputs of the decoder.
    pub(super) async fn decoder_inputs(&self, edits: &Edits) -> Result<DecoderInputs> {
        let Config {
            size,
            keypoints: count,
            ..
        } = *self.config;
        let preview = self.preview(edits.preview)?;
        let image = self.image(preview)?;
        let detection = self.model.detector.forward(image.clone());
        let keypoints = match &edits.keypoints {
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
        let edge_weights = edited_weights(&learned, &edits.edges);
        let weights = TensorData::new(edge_weights.concat(), [count, count]);
        let edge_map = ops::edge_map(
            keypoints.clone(),
            Tensor::from_data(weights, self.device),
            size,
            self.config.thickness,
        ); // [1,1,S,S]
        let mask = self.mask(preview, &edits.mask);
        let side = mask.len().isqrt();
        let cells = TensorData::new(mask.clone(), [1, 1, side, side]);
        let masked = image.clone() * enlarge(Tensor::from_data(cells, self.device), size);
        Ok(DecoderInputs {
            preview,
            image,
            detection,
            keypoints,
            learned,
            edge_weights,
            edge_map,
            mask,
            masked,
        })
    }

    async fn inspect(&self, edits: &Edits) -> Result<Stages> {
        let Config {
            size,
            keypoints: count,
            ..
        } = *self.config;
        let DecoderInputs {
            preview,
            image,
            detection,
            keypoints,
            learned,
            edge_weights,
            edge_map,
            mask,
            masked,
        } = self.decoder_inputs(edits).await?;
        let heatmap_size = detection.heatmaps.dims()[2];
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
            .map_err(|_| Error::Backend("The values cannot be read from the device.".into()))?;

        let (reconstruction, without) = both.split_at(both.len() / 2);
        let (median, contrast) = median_and_contrast(&learned);
        let switched = edits.edges.iter().map(|edit| [edit.from, edit.to]);
        let switched = switched.filter(|ends| ends.iter().all(|&end| end < count));
        let mut edge_strengths = vec![vec![0.0; count]; count];
        for [i, j] in skeleton(&learned).into_iter().chain(switched) {
            let strength = ((edge_weights[i][j] - median) / contrast).max(0.0);
            (edge_strengths[i][j], edge_strengths[j][i]) = (strength, strength);
        }
        let brightest = edge_map.iter().copied().fold(median + contrast, f32::max);
        let mut pixels = Vec::with_capacity(6 * size * size * 4);
        push_rgba(&mut pixels, self.images.pixels(self.previews[preview]));
        push_rgb(&mut pixels, &masked, size);
        pixels.extend(
            edge_map
                .iter()
                .flat_map(|value| heat_colour(value / brightest)),
        );
        push_rgb(&mut pixels, reconstruction, size);
        push_rgb(&mut pixels, without, size);
        pixels
            .extend(pixel_errors(reconstruction, &image, size).flat_map(|d| heat_colour(2.0 * d)));
        Ok(Stages {
            step: self.step,
            preview,
            size,
            heatmap_size,
            pixels,
            heatmaps: heatmaps
                .chunks_exact(heatmap_size * heatmap_size)
                .zip(palette::colours())
                .flat_map(|(heat, colour)| tinted(heat, colour))
                .collect(),
            mask: mask.iter().map(|&cell| cell as u8).collect(),
            keypoints: fractions(&points, size),
            confidence,
            edge_strengths,
            edge_weights,
            error: mean_error(reconstruction, &image, size),
            error_without_edge_map: mean_error(without, &image, size),
        })
    }

    async fn transfer(&self, previews: &[usize]) -> Result<Transfer> {
        let size = self.config.size;
        let previews: Vec<usize> = (previews.iter().copied())
            .filter(|&preview| preview < self.previews.len())
            .collect();
        let count = previews.len();
        if count == 0 {
            return Err(Error::Images(
                "There are no images yet. Add some first.".into(),
            ));
        }
        let indices: Vec<usize> = previews
            .iter()
            .map(|&preview| self.previews[preview])
            .collect();
        let images = image_tensor(self.images, &indices, self.device); // [P,3,S,S]
        let edge_maps = ops::edge_map(
            self.model.detector.forward(images.clone()).keypoints,
            self.model.edges.weights(self.config.edge_scale),
            size,
            self.config.thickness,
        ); // [P,1,S,S]
        let side = self.config.mask_grid;
        let masks: Vec<f32> = (previews.iter())
            .flat_map(|&preview| self.mask(preview, &MaskEdit::Usual))
            .collect();
        let masks = Tensor::from_data(TensorData::new(masks, [count, 1, side, side]), self.device);
        let masked = images * enlarge(masks, size);
        let mut pixels = Vec::with_capacity(count * count * size * size * 4);
        for pose in 0..count {
            let edge_map = edge_maps.clone().narrow(0, pose, 1).repeat_dim(0, count);
            let reconstruction = self.model.decoder.forward(masked.clone(), edge_map);
            push_rgb(
                &mut pixels,
                &read(vec![flat(reconstruction)]).await?[0],
                size,
            );
        }
        Ok(Transfer {
            step: self.step,
            size,
            previews,
            pixels,
        })
    }

    /// Returns the mask of a preview image, `[g*g]`: 1 for a visible cell, 0 for a hidden one.
    fn mask(&self, preview: usize, edit: &MaskEdit) -> Vec<f32> {
        let Config {
            mask_grid,
            mask_ratio,
            size,
            ..
        } = *self.config;
        let area = mask_grid * mask_grid;
        match edit {
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
            _ => preview_masks(self.previews.len(), self.config)
                [preview * area..(preview + 1) * area]
                .to_vec(),
        }
    }
}

/// Returns the edge weights `[K][K]` with edits applied.
fn edited_weights(learned: &[Vec<f32>], edges: &[EdgeEdit]) -> Vec<Vec<f32>> {
    let strongest = learned.iter().flatten().copied().fold(0.0, f32::max);
    let mut weights = learned.to_vec();
    for &EdgeEdit { from, to, state } in edges {
        if from == to || from.max(to) >= weights.len() {
            continue;
        }
        let weight = match state {
            EdgeState::Off => 0.0,
            EdgeState::Strongest => strongest,
        };
        weights[from][to] = weight;
        weights[to][from] = weight;
    }
    weights
}

/// Converts `[K][x, y]` as fractions of the view to `[K][row, col]` in `[-1, 1]`; `fractions` is the inverse.
fn positions(points: &[[f32; 2]], size: usize) -> Vec<f32> {
    let side = size as f32;
    let position = |v: f32| ((v * side - 0.5) / (side - 1.0) * 2.0 - 1.0).clamp(-1.0, 1.0);
    points
        .iter()
        .flat_map(|&[x, y]| [position(y), position(x)])
        .collect()
}

/// Returns the mean absolute difference of each pixel of two images `[3,S,S]` in `[-1, 1]`, as a fraction of the range.
fn pixel_errors<'a>(a: &'a [f32], b: &'a [f32], size: usize) -> impl Iterator<Item = f32> + 'a {
    let area = size * size;
    // Values beyond black and white are shown as black and white.
    let error = |i: usize| (a[i].clamp(-1.0, 1.0) - b[i]).abs() / 2.0;
    (0..area).map(move |i| (error(i) + error(area + i) + error(2 * area + i)) / 3.0)
}

/// Returns the mean absolute difference of two images `[3,S,S]` in `[-1, 1]`, as a fraction of the range.
pub(super) fn mean_error(a: &[f32], b: &[f32], size: usize) -> f32 {
    let sum: f64 = pixel_errors(a, b, size).map(f64::from).sum();
    (sum / (size * size) as f64) as f32
}

/// Colours a heatmap: RGBA, opacity proportional to the value, opaque at the highest.
fn tinted(heat: &[f32], [r, g, b]: [u8; 3]) -> Vec<u8> {
    let highest = heat.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    heat.iter()
        .flat_map(|value| [r, g, b, (255.0 * value / highest).round() as u8])
        .collect()
}
