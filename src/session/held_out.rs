//! The loss of held-out images, in slices between steps.

use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::Session;
use super::detection::image_tensor;
use super::run::Run;
use crate::data::{Split, block_mask, split};
use crate::device::read;
use crate::error::Result;
use crate::model::AutoLink;

/// Images of a slice: with a batch of 16, it takes about a sixth of a step.
const SLICE: usize = 8;
/// The most images that the loss is measured on.
const MOST_MEASURED: usize = 64;
/// Seed of the masks of held-out images: the same at every step, so that the losses can be compared.
const MASK_SEED: u64 = 0xa2;

/// A held-out loss of which some slices are computed.
pub(super) struct Evaluation {
    /// The model as it was when the first slice was computed, for evaluation.
    model: AutoLink,
    step: usize,
    /// Images that are done, and the sum of their losses.
    done: usize,
    sum: f64,
}

impl Session {
    /// Returns which images are trained on and which are held out.
    pub fn split(&self) -> Split {
        split(&self.images, self.config.held_out, self.config.seed)
    }

    /// Computes the loss of the next few held-out images, after the step at which it began: the model of that step, in evaluation, with
    /// the same masks each time. After the last ones it returns that step and the mean loss. Training is not affected. Does nothing
    /// where no image is held out, or no step was taken in this session. See `tests/held_out.rs`.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) where the device does not answer.
    pub async fn evaluate_slice(&mut self) -> Result<Option<(usize, f32)>> {
        let mut held_out = self.split().held_out;
        held_out.truncate(MOST_MEASURED);
        let Run::Training(training) = &mut self.run else {
            return Ok(None);
        };
        if held_out.is_empty() {
            return Ok(None);
        }
        let trainer = &training.trainer;
        let mut evaluation = training.evaluation.take().unwrap_or_else(|| Evaluation {
            model: trainer.model(),
            step: trainer.steps_taken(),
            done: 0,
            sum: 0.0,
        });
        let config = trainer.config();
        let slice = &held_out[evaluation.done..held_out.len().min(evaluation.done + SLICE)];
        let grid = config.mask_grid;
        let mask = slice.iter().flat_map(|&index| {
            let mut stream = ChaCha8Rng::seed_from_u64(MASK_SEED);
            stream.set_stream(self.images.place(index) as u64);
            block_mask(&mut stream, 1, grid, config.mask_ratio)
        });
        let mask = TensorData::new(mask.collect::<Vec<_>>(), [slice.len(), 1, grid, grid]);
        let loss = trainer.loss_of(
            &evaluation.model,
            image_tensor(&self.images, slice, &self.device),
            Tensor::from_data(mask, &self.device),
        );
        let count = slice.len();
        evaluation.sum += f64::from(read(vec![loss]).await?[0][0]) * count as f64;
        evaluation.done += count;
        if evaluation.done < held_out.len() {
            training.evaluation = Some(evaluation);
            return Ok(None);
        }
        let mean = evaluation.sum / evaluation.done as f64;
        Ok(Some((evaluation.step, mean as f32)))
    }
}
