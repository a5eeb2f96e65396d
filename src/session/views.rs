//! The preview images as the model sees them, as pixels; and when to draw them during training.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use web_time::{Duration, Instant};

use super::detection::{fractions, image_tensor, image_tensor_flipped};
use super::{PreviewViews, Session};
use crate::config::Config;
use crate::data::{Dataset, block_mask};
use crate::device::read;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::render::{median_and_contrast, skeleton_strengths};
use crate::train::diagnosis::{self, ExposureStats};

/// Number of preview images.
const PREVIEWS: usize = 8;

/// Seed of the preview images' masks: the same in every view, so that views can be compared.
pub(super) const MASK_SEED: u64 = 0xa1;

impl Session {
    /// Returns the indices of the preview images: up to eight, evenly spaced over the images.
    pub fn preview_indices(&self) -> Vec<usize> {
        let count = PREVIEWS.min(self.images.len());
        (0..count).map(|i| i * self.images.len() / count).collect()
    }

    /// Draws the preview images as the model sees them now, and diagnoses training health. Training is not affected.
    ///
    /// # Errors
    /// No images, or a device that does not answer.
    pub async fn views(&mut self) -> Result<PreviewViews> {
        self.images.check()?;
        let (model, previews) = (self.model(), self.preview_indices());
        let training = self.split().training;
        let (images, device) = (&self.images, &self.device);
        let step = self.steps_taken();
        let mut views = draw(&model, &self.config, images, &previews, step, device).await?;
        let history = &mut self.history;
        let shown = (step - history.steps_before) * self.config.batch / training.len();
        history.exposure = ExposureStats {
            images: training.len(),
            times_shown: shown,
            ..history.exposure
        };
        if history.snapshots.is_due(step) {
            if history.exposure.is_suspect() && !self.config.flip {
                let mut trained = previews.clone();
                trained.retain(|index| training.binary_search(index).is_ok());
                if !trained.is_empty() {
                    let ratio =
                        mirrored_error_ratio(&model, &self.config, images, &trained, device);
                    history.exposure.mirror_ratio = Some(ratio.await?);
                }
            }
            history.snapshots.push(views.snapshot());
        }
        // A second view of the same step shows nothing new.
        let stats = &mut history.recent_stats;
        if stats.back().is_none_or(|last| last.step < step) {
            stats.push_back(views.stats());
            if stats.len() > diagnosis::JITTER_PREVIEWS {
                stats.pop_front();
            }
        }
        let stats = stats.make_contiguous();
        views.findings = diagnosis::diagnose(&history.losses, stats, history.exposure);
        Ok(views)
    }

    /// Returns up to `count` images as they were read, from index `first` on, removed ones included: their names, and RGBA
    /// `[n, S, S, 4]`.
    pub fn thumbnails(&self, first: usize, count: usize) -> (Vec<String>, Vec<u8>) {
        let end = first.saturating_add(count).min(self.images.read_len());
        let (names, pixels): (Vec<_>, Vec<_>) =
            (first..end).map(|place| self.images.entry(place)).unzip();
        let pixels = (pixels.iter())
            .flat_map(|pixels| pixels.chunks_exact(3))
            .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255])
            .collect();
        (names.into_iter().map(String::from).collect(), pixels)
    }
}

/// Draws the masks of `count` preview images, `[P, 1, g, g]`: 1 for a visible cell, 0 for a hidden one.
pub(super) fn preview_masks(count: usize, config: &Config) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(MASK_SEED);
    block_mask(&mut stream, count, config.mask_grid, config.mask_ratio)
}

/// Runs the preview images through the model and draws every stage.
async fn draw(
    model: &AutoLink,
    config: &Config,
    images: &Dataset,
    previews: &[usize],
    step: usize,
    device: &Device,
) -> Result<PreviewViews> {
    let (size, count) = (config.size, previews.len());
    let mask = TensorData::new(
        preview_masks(count, config),
        [count, 1, config.mask_grid, config.mask_grid],
    );
    let mask = Tensor::from_data(mask, device);
    let output = model.forward(
        image_tensor(images, previews, device),
        mask,
        config.edge_map_params(),
    );
    let confidence = output.detection.confidence();
    let tensors = vec![
        flat(output.masked),
        flat(output.edge_map),
        flat(output.reconstruction),
        output
            .detection
            .keypoints
            .reshape([count * config.keypoints * 2]),
        output
            .edge_weights
            .reshape([config.keypoints * config.keypoints]),
        confidence.reshape([count * config.keypoints]),
    ];
    let [
        masked,
        edge_map,
        reconstruction,
        points,
        weights,
        confidence,
    ] = <[Vec<f32>; 6]>::try_from(read(tensors).await?)
        .map_err(|_| Error::Backend("The values cannot be read from the device.".into()))?;

    let mut pixels = Vec::with_capacity(4 * count * size * size * 4);
    for &index in previews {
        push_rgba(&mut pixels, images.pixels(index));
    }
    push_rgb(&mut pixels, &masked, size);
    let edge_weights = rows(&weights, config.keypoints);
    let (median, contrast) = median_and_contrast(&edge_weights);
    let brightest = edge_map.iter().copied().fold(median + contrast, f32::max);
    pixels.extend(
        edge_map
            .iter()
            .flat_map(|value| heat_colour(value / brightest)),
    );
    push_rgb(&mut pixels, &reconstruction, size);
    let keypoints: Vec<Vec<[f32; 2]>> = points
        .chunks(2 * config.keypoints)
        .map(|points| fractions(points, size))
        .collect();
    Ok(PreviewViews {
        step,
        size,
        count,
        pixels,
        mean_pose: mean_pose(&keypoints),
        confidence: rows(&confidence, config.keypoints),
        findings: Vec::new(),
        keypoints,
        edge_strengths: skeleton_strengths(&edge_weights),
        edge_weights,
    })
}

/// Returns the mean error `|reconstruction - image|` over the mirror images of preview images that training sees, divided by that over the preview
/// images themselves.
async fn mirrored_error_ratio(
    model: &AutoLink,
    config: &Config,
    images: &Dataset,
    previews: &[usize],
    device: &Device,
) -> Result<f32> {
    let mask = TensorData::new(
        preview_masks(previews.len(), config),
        [previews.len(), 1, config.mask_grid, config.mask_grid],
    );
    let mask = Tensor::from_data(mask, device);
    let error = |flipped| {
        let images = image_tensor_flipped(images, previews, flipped, device);
        let output = model.forward(images.clone(), mask.clone(), config.edge_map_params());
        (output.reconstruction - images).abs().mean()
    };
    let errors = read(vec![error(false), error(true)]).await?;
    Ok(errors[1][0] / errors[0][0].max(f32::MIN_POSITIVE))
}

/// Averages poses `[P][K][x, y]` to `[K][x, y]`.
fn mean_pose(poses: &[Vec<[f32; 2]>]) -> Vec<[f32; 2]> {
    let count = poses.first().map_or(0, Vec::len);
    let mean = |k: usize, axis: usize| {
        poses.iter().map(|pose| pose[k][axis]).sum::<f32>() / poses.len() as f32
    };
    (0..count).map(|k| [mean(k, 0), mean(k, 1)]).collect()
}

/// Flattens a tensor.
pub(super) fn flat(tensor: Tensor<4>) -> Tensor<1> {
    let length = tensor.shape().num_elements();
    tensor.reshape([length])
}

/// Splits values into rows of `length`.
pub(super) fn rows(values: &[f32], length: usize) -> Vec<Vec<f32>> {
    values.chunks(length).map(<[f32]>::to_vec).collect()
}

/// Appends RGB `[S,S,3]` as RGBA.
pub(super) fn push_rgba(pixels: &mut Vec<u8>, rgb: &[u8]) {
    pixels.extend(
        rgb.chunks_exact(3)
            .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]),
    );
}

/// Appends `[P,3,S,S]` in `[-1, 1]` as RGBA. Hidden cells are 0: a neutral grey.
pub(super) fn push_rgb(pixels: &mut Vec<u8>, planes: &[f32], size: usize) {
    let area = size * size;
    let byte = |value: f32| ((value + 1.0) * 127.5).round() as u8; // `as` clamps
    for image in planes.chunks_exact(3 * area) {
        pixels.extend((0..area).flat_map(|i| {
            [
                byte(image[i]),
                byte(image[area + i]),
                byte(image[2 * area + i]),
                255,
            ]
        }));
    }
}

/// Maps a value in `[0, 1]` to a colour, from night blue over magenta and orange to pale yellow.
pub(super) fn heat_colour(value: f32) -> [u8; 4] {
    const STOPS: [[f32; 3]; 5] = [
        [9.0, 10.0, 28.0],
        [92.0, 24.0, 118.0],
        [205.0, 57.0, 91.0],
        [250.0, 148.0, 50.0],
        [253.0, 248.0, 188.0],
    ];
    let at = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let low = (at as usize).min(STOPS.len() - 2);
    let [r, g, b] = std::array::from_fn(|c| {
        (STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * (at - low as f32)) as u8
    });
    [r, g, b, 255]
}

/// Decides when views are drawn during training: after the first few steps, then as often as a tenth of the time allows.
#[derive(Debug, Default)]
pub struct ViewSchedule {
    /// When the last views were done, and how long they took.
    last: Option<(Instant, Duration)>,
}

impl ViewSchedule {
    /// Steps after which views are always drawn.
    const EARLY: [usize; 5] = [0, 1, 2, 5, 10];
    /// Inverse of the fraction of time that views may take.
    const INVERSE_SHARE: u32 = 10;
    /// Shortest time between views.
    const MIN_INTERVAL: Duration = Duration::from_millis(250);

    /// Returns true if views are to be drawn after this step.
    pub fn is_due(&self, step: usize) -> bool {
        Self::EARLY.contains(&step)
            || self.last.is_none_or(|(at, cost)| {
                at.elapsed() >= (cost * Self::INVERSE_SHARE).max(Self::MIN_INTERVAL)
            })
    }

    /// Records that views were drawn, from `start` until now.
    pub fn record(&mut self, start: Instant) {
        self.last = Some((Instant::now(), start.elapsed()));
    }
}
