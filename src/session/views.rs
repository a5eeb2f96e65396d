//! What the model makes of the probe pictures, as pixels; and when to look.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use web_time::{Duration, Instant};

use super::{PreviewViews, fractions, images, images_of, read};
use crate::config::Config;
use crate::data::{Dataset, block_mask};
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::render::{median_and_contrast, relative_strengths};

/// Seed of the probes' masks: the same in every view, so that views can be compared.
pub(super) const MASK_SEED: u64 = 0xa1;

/// `[P, 1, g, g]`: 1 where a probe is kept, 0 where it is hidden.
pub(super) fn probe_masks(count: usize, config: &Config) -> Vec<f32> {
    let mut stream = ChaCha8Rng::seed_from_u64(MASK_SEED);
    block_mask(&mut stream, count, config.mask_grid, config.mask_ratio)
}

/// Draws the probes.
pub(super) async fn draw(
    model: &AutoLink,
    config: &Config,
    pictures: &Dataset,
    probes: &[usize],
    step: usize,
    device: &Device,
) -> Result<PreviewViews> {
    let (size, count) = (config.size, probes.len());
    let mask = TensorData::new(
        probe_masks(count, config),
        [count, 1, config.mask_grid, config.mask_grid],
    );
    let mask = Tensor::from_data(mask, device);
    let output = model.forward(images(pictures, probes, device), mask, config.drawing());
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
        .map_err(|_| Error::Backend("The device lost a reading.".into()))?;

    let mut pixels = Vec::with_capacity(4 * count * size * size * 4);
    for &probe in probes {
        push_rgba(&mut pixels, pictures.pixels(probe));
    }
    push_rgb(&mut pixels, &masked, size);
    let edge_weights = rows(&weights, config.keypoints);
    let (median, rise) = median_and_contrast(&edge_weights);
    let strongest = edge_map.iter().copied().fold(median + rise, f32::max);
    pixels.extend(edge_map.iter().flat_map(|value| glow(value / strongest)));
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
        edge_strengths: relative_strengths(&edge_weights),
        edge_weights,
    })
}

/// How many times as far off the rebuilt mirror images of the probes are as the rebuilt probes: `|rebuilt - picture|`, mean over both.
pub(super) async fn mirrored(
    model: &AutoLink,
    config: &Config,
    pictures: &Dataset,
    probes: &[usize],
    device: &Device,
) -> Result<f32> {
    let mask = TensorData::new(
        probe_masks(probes.len(), config),
        [probes.len(), 1, config.mask_grid, config.mask_grid],
    );
    let mask = Tensor::from_data(mask, device);
    let error = |flipped| {
        let images = images_of(pictures, probes, flipped, device);
        let output = model.forward(images.clone(), mask.clone(), config.drawing());
        (output.reconstruction - images).abs().mean()
    };
    let errors = read(vec![error(false), error(true)]).await?;
    Ok(errors[1][0] / errors[0][0].max(f32::MIN_POSITIVE))
}

/// `[P][K][x, y]` -> `[K][x, y]`
fn mean_pose(poses: &[Vec<[f32; 2]>]) -> Vec<[f32; 2]> {
    let count = poses.first().map_or(0, Vec::len);
    let mean = |k: usize, axis: usize| {
        poses.iter().map(|pose| pose[k][axis]).sum::<f32>() / poses.len() as f32
    };
    (0..count).map(|k| [mean(k, 0), mean(k, 1)]).collect()
}

pub(super) fn flat(tensor: Tensor<4>) -> Tensor<1> {
    let length = tensor.shape().num_elements();
    tensor.reshape([length])
}

pub(super) fn rows(values: &[f32], length: usize) -> Vec<Vec<f32>> {
    values.chunks(length).map(<[f32]>::to_vec).collect()
}

/// RGB `[S,S,3]` -> RGBA, appended.
pub(super) fn push_rgba(pixels: &mut Vec<u8>, rgb: &[u8]) {
    pixels.extend(
        rgb.chunks_exact(3)
            .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]),
    );
}

/// `[P,3,S,S]` in `[-1, 1]` -> RGBA, appended. Hidden cells are 0: a neutral grey.
pub(super) fn push_rgb(pixels: &mut Vec<u8>, planes: &[f32], size: usize) {
    let area = size * size;
    let byte = |value: f32| ((value + 1.0) * 127.5).round() as u8; // `as` clamps
    for picture in planes.chunks_exact(3 * area) {
        pixels.extend((0..area).flat_map(|i| {
            [
                byte(picture[i]),
                byte(picture[area + i]),
                byte(picture[2 * area + i]),
                255,
            ]
        }));
    }
}

/// From night blue over magenta and orange to pale yellow; `value` in `[0, 1]`.
pub(super) fn glow(value: f32) -> [u8; 4] {
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

/// When to look while training runs: at the first few steps, then as often as a tenth of the time allows.
#[derive(Debug, Default)]
pub struct ViewSchedule {
    /// When the last look ended, and what it cost.
    last: Option<(Instant, Duration)>,
}

impl ViewSchedule {
    /// Steps after which somebody surely wants to see something.
    const EARLY: [usize; 5] = [0, 1, 2, 5, 10];
    /// Share of the time that looking may take, as its inverse.
    const RARITY: u32 = 10;
    /// No need to look more often.
    const SHORTEST: Duration = Duration::from_millis(250);

    /// Whether to look after this step.
    pub fn is_due(&self, step: usize) -> bool {
        Self::EARLY.contains(&step)
            || self
                .last
                .is_none_or(|(at, cost)| at.elapsed() >= (cost * Self::RARITY).max(Self::SHORTEST))
    }

    /// Somebody looked, from `start` till now.
    pub fn looked(&mut self, start: Instant) {
        self.last = Some((Instant::now(), start.elapsed()));
    }
}
