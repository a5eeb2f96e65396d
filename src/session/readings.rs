//! The two readings of a crop around an animal: its head up as it was located, or down.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::detection::{DETECT_BATCH, detect, image_tensor};
use super::{Keypoints, Session};
use crate::config::Config;
use crate::data::locate::Crop;
use crate::data::{Dataset, block_mask};
use crate::device::read;
use crate::error::Result;
use crate::model::{AutoLink, EdgeMapParams};

/// Masks under which a reading is reconstructed.
const MASKS: usize = 4;
/// Seed of these masks: the same for all images.
const MASK_SEED: u64 = 0xf11b;

/// The reversed reading of a crop, and the costs of both readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Reversed {
    /// The crop, turned by half a circle.
    pub crop: Crop,
    /// The keypoints in the reversed crop, as fractions of the original image.
    pub found: Keypoints,
    /// Errors of the reconstructions of the crop and of the reversed crop, by their mean. The model was trained with heads up, so that it
    /// reconstructs the right reading better.
    pub costs: [f64; 2],
}

impl Reversed {
    /// Returns true if the model reconstructs the reversed crop better than the crop.
    pub fn is_better(&self) -> bool {
        self.costs[1] < self.costs[0]
    }
}

impl Session {
    /// Reads crops in reverse with the current model; see [`read_reversed`].
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) where the device does not answer.
    pub async fn read_reversed(&self, images: &Dataset) -> Result<Vec<Option<Reversed>>> {
        read_reversed(&self.model(), &self.config, images, &self.device).await
    }
}

/// Reads the crops among the images in reverse; none for images that are not crops. See `tests/readings.rs`.
///
/// # Errors
/// [`Error::Backend`](crate::Error::Backend) where the device does not answer.
pub async fn read_reversed(
    model: &AutoLink,
    config: &Config,
    images: &Dataset,
    device: &Device,
) -> Result<Vec<Option<Reversed>>> {
    let reversed = images.reversed();
    let found = detect(model, &reversed, device).await?;
    let errors = [
        errors(model, config, images, false, device).await?,
        errors(model, config, &reversed, true, device).await?,
    ];
    let reading = |(i, found): (usize, Keypoints)| {
        let both = [errors[0][i], errors[1][i]];
        let mean = (both[0] + both[1]) / 2.0;
        Some(Reversed {
            crop: reversed.placement(i).crop?,
            found,
            costs: both.map(|error| error / mean.max(f64::MIN_POSITIVE)),
        })
    };
    Ok(found.into_iter().enumerate().map(reading).collect())
}

/// Computes the mean absolute error of the reconstruction of each image, over [`MASKS`] masks. Reversed images get the masks reversed, so
/// that the same parts of the animal are hidden in both readings.
async fn errors(
    model: &AutoLink,
    config: &Config,
    images: &Dataset,
    is_reversed: bool,
    device: &Device,
) -> Result<Vec<f64>> {
    let grid = config.mask_grid;
    let params = EdgeMapParams {
        thickness: config.thickness,
        edge_scale: config.edge_scale,
    };
    let mut stream = ChaCha8Rng::seed_from_u64(MASK_SEED);
    let masks: Vec<Vec<f32>> = (0..MASKS)
        .map(|_| {
            let mut mask = block_mask(&mut stream, 1, grid, config.mask_ratio);
            if is_reversed {
                mask.reverse();
            }
            mask
        })
        .collect();
    let all: Vec<usize> = (0..images.len()).collect();
    let mut sums = vec![0.0; images.len()];
    for indices in all.chunks(DETECT_BATCH) {
        let batch = image_tensor(images, indices, device); // [B,3,S,S]
        for mask in &masks {
            let data = TensorData::new(mask.clone(), [1, 1, grid, grid]);
            let mask = Tensor::<4>::from_data(data, device).repeat_dim(0, indices.len());
            let output = model.forward(batch.clone(), mask, params);
            let distance = (output.reconstruction - batch.clone()).abs();
            let means = distance.reshape([indices.len() as i32, -1]).mean_dim(1);
            let means = read(vec![means.reshape([indices.len()])]).await?.remove(0);
            for (&index, mean) in indices.iter().zip(means) {
                sums[index] += f64::from(mean) / MASKS as f64;
            }
        }
    }
    Ok(sums)
}
