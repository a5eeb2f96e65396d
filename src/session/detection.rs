//! Keypoints and edge weights of a model, without training it.

use std::collections::HashSet;

use burn::tensor::{Device, Tensor, TensorData};

use super::{Keypoints, Session};
use crate::annotate::Annotations;
use crate::config::Config;
use crate::data::{Dataset, Pick};
use crate::device::read;
use crate::error::{Error, Result};
use crate::eval::{self, Score};
use crate::model::AutoLink;
use crate::render::palette;

/// Images in one forward pass.
pub(super) const DETECT_BATCH: usize = 32;

impl Session {
    /// Finds the keypoints of images that were read at [`Config::size`].
    ///
    /// # Errors
    /// [`Error::Backend`] where the device does not answer.
    pub async fn detect(&self, images: &Dataset) -> Result<Vec<Keypoints>> {
        detect(&self.model(), images, &self.device).await
    }

    /// Scores how well the keypoints predict the landmarks `[N][L][x, y]` of the first N images. A linear regression is fitted on those
    /// of them that training sees and scored on those that are held out; if none is, fitted on [`eval::fit_count`] of them and scored on
    /// the others.
    ///
    /// # Errors
    /// Too few images, or a device that does not answer.
    pub async fn score(&self, landmarks: &[Vec<[f32; 2]>]) -> Result<Score> {
        let count = landmarks.len().min(self.images.len());
        let indices: Vec<usize> = (0..count).collect();
        let found = detect_at(&self.model(), &self.images, &indices, &self.device).await?;
        let wide = |points: &[[f32; 2]]| points.iter().map(|p| p.map(f64::from)).collect();
        let keypoints: Vec<_> = found.iter().map(|found| wide(&found.keypoints)).collect();
        let placed = |row: &Vec<[f32; 2]>| row.iter().map(|p| Some(p.map(f64::from))).collect();
        let landmarks: Vec<_> = landmarks[..count].iter().map(placed).collect();
        let is_held_out: HashSet<usize> = self.split().held_out.into_iter().collect();
        let (test, fit): (Vec<u32>, Vec<u32>) =
            (0..count as u32).partition(|&row| is_held_out.contains(&(row as usize)));
        if test.is_empty() || fit.is_empty() {
            return eval::score(&keypoints, &landmarks, eval::fit_count(count, None)?, 0);
        }
        eval::score_on(&keypoints, &landmarks, &fit, &test)
    }
}

/// Finds the keypoints of every image, in order, as fractions of the original images. See `tests/session.rs`.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn detect(model: &AutoLink, images: &Dataset, device: &Device) -> Result<Vec<Keypoints>> {
    let all: Vec<usize> = (0..images.len()).collect();
    detect_at(model, images, &all, device).await
}

/// Finds the keypoints of the images at `indices`; otherwise as [`detect`].
async fn detect_at(
    model: &AutoLink,
    images: &Dataset,
    indices: &[usize],
    device: &Device,
) -> Result<Vec<Keypoints>> {
    let size = images.size_px();
    let mut all = Vec::with_capacity(indices.len());
    for indices in indices.chunks(DETECT_BATCH) {
        let detection = model
            .detector
            .forward(image_tensor(images, indices, device));
        let count = detection.keypoints.dims()[1];
        let confidence = detection.confidence().reshape([indices.len() * count]);
        let points = detection.keypoints.reshape([indices.len() * count * 2]);
        let [points, confidence] = <[Vec<f32>; 2]>::try_from(read(vec![points, confidence]).await?)
            .map_err(|_| Error::Backend("The values cannot be read from the device.".into()))?;
        for ((&index, points), confidence) in indices
            .iter()
            .zip(points.chunks(2 * count))
            .zip(confidence.chunks(count))
        {
            let placement = images.placement(index);
            let keypoints = fractions(points, size)
                .into_iter()
                .map(|point| placement.to_original(point))
                .collect();
            all.push(Keypoints {
                keypoints,
                confidence: confidence.to_vec(),
            });
        }
    }
    Ok(all)
}

/// Returns the discovered keypoints of a model, unnamed, with its edge weights and without images.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn discovered(model: &AutoLink, config: &Config) -> Result<Annotations> {
    let colours = palette::colours().into_iter().take(config.keypoints);
    let colours: Vec<String> = colours.map(palette::hex).collect();
    let weights = edge_weights(model, config).await?;
    Ok(Annotations::discovered(&colours).with_graph(&weights))
}

/// Reads the edge weights `[K][K]`, symmetric, zero diagonal.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn edge_weights(model: &AutoLink, config: &Config) -> Result<Vec<Vec<f32>>> {
    let count = config.keypoints;
    let weights = model
        .edges
        .weights(config.edge_scale)
        .reshape([count * count]);
    Ok(read(vec![weights])
        .await?
        .remove(0)
        .chunks(count)
        .map(<[f32]>::to_vec)
        .collect())
}

/// Copies images to the device as the model takes them: `[B,3,S,S]` in `[-1, 1]`.
pub(super) fn image_tensor(images: &Dataset, indices: &[usize], device: &Device) -> Tensor<4> {
    image_tensor_flipped(images, indices, false, device)
}

/// Copies images, or their mirror images, to the device; otherwise as [`image_tensor`].
pub(super) fn image_tensor_flipped(
    images: &Dataset,
    indices: &[usize],
    flipped: bool,
    device: &Device,
) -> Tensor<4> {
    let picks: Vec<Pick> = indices
        .iter()
        .map(|&index| Pick { index, flipped })
        .collect();
    let size = images.size_px();
    Tensor::from_data(
        TensorData::new(images.gather(&picks), [picks.len(), 3, size, size]),
        device,
    )
}

/// Converts `[K][row, col]` in `[-1, 1]`, corner pixels at -1 and 1, to `[K][x, y]` as fractions of the view.
///
/// Pixel p of S has its centre at (p + 1/2) / S.
pub(super) fn fractions(points: &[f32], size: usize) -> Vec<[f32; 2]> {
    let side = size as f32;
    let fraction = |v: f32| ((v + 1.0) / 2.0 * (side - 1.0) + 0.5) / side;
    points
        .chunks_exact(2)
        .map(|point| [fraction(point[1]), fraction(point[0])])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_put_corner_pixels_at_their_centres() {
        // The corner pixels of a 4 px view have their centres at 1/8 and 7/8.
        assert_eq!(
            fractions(&[-1.0, 1.0, 0.0, 0.0], 4),
            vec![[0.875, 0.125], [0.5, 0.5]]
        );
    }
}
