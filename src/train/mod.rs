//! One step at a time: batch -> forward -> loss -> backward -> AdamW.

mod adamw;
pub mod diagnosis;
mod snapshot;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use adamw::AdamW;
pub use snapshot::{Snapshot, Snapshots};

use crate::config::{Config, LossKind};
use crate::data::{Batches, BatchesPosition, Dataset, block_mask};
use crate::error::{Error, Result};
use crate::loss::{Perceptual, pixel};
use crate::model::{AutoLink, EdgeMapParams};

/// A run: model, optimiser and the streams of pictures and masks.
pub struct Trainer {
    config: Config,
    /// Records gradients.
    device: Device,
    model: AutoLink,
    optimizer: AdamW,
    perceptual: Option<Perceptual>,
    batches: Batches,
    masks: ChaCha8Rng,
    seeding: Seeding,
    step: usize,
}

/// Where a run's random streams stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RngState {
    batches: BatchesPosition,
    /// Words drawn from the masks' stream.
    masks: u64,
    #[serde(default)]
    seeding: Seeding,
}

/// How a run's random streams derive from its one seed. No stream depends on how much the others draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Seeding {
    /// Batches use the run's seed plus 1 and masks the seed plus 2, so the masks of one run repeat the batches of another.
    /// Runs saved before [`Seeding::RngState`] existed use it.
    #[default]
    SeedsInTurn,
    /// Each purpose has its own stream of the run's seed, far from stream 0 (the parameters) and from the first streams (puppets,
    /// one for each image).
    RngState,
}

impl Seeding {
    /// Returns the streams for the order of images, for mirroring and for masks.
    fn streams(self, seed: u64) -> [ChaCha8Rng; 3] {
        let stream = |after: u64, stream: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(after));
            rng.set_stream(stream);
            rng
        };
        match self {
            Seeding::SeedsInTurn => [stream(1, 0), stream(1, 1), stream(2, 0)],
            Seeding::RngState => [1, 2, 3].map(|k| stream(0, k << 32)),
        }
    }
}

/// A copy that training the other does not change: clones share their running statistics.
fn frozen(model: &AutoLink) -> AutoLink {
    model.valid().train()
}

/// Everything a run goes on from, beside its pictures.
#[derive(Clone)]
pub struct TrainState {
    /// The model, recording gradients.
    pub model: AutoLink,
    /// Its settings.
    pub config: Config,
    /// Steps taken.
    pub step: usize,
    /// The optimiser; fresh where only the model was kept.
    pub optimizer: AdamW,
    /// Where pictures and masks go on; none: from the start.
    pub streams: Option<RngState>,
}

impl TrainState {
    /// Takes over settings that may change while training runs; see [`Config::is_live_change`].
    pub fn configure(&mut self, config: &Config) {
        rescale(&mut self.model, &mut self.optimizer, &self.config, config);
        self.config = config.clone();
    }
}

/// Keeps the edge weights, and how they are moving, where their scale changes.
fn rescale(model: &mut AutoLink, optimizer: &mut AdamW, before: &Config, after: &Config) {
    let [from, to] = [before, after].map(|config| config.edge_scale);
    if from != to {
        let id = model.edges.raw.id;
        model.edges = model.edges.clone().rescaled(from, to);
        optimizer.rescale(id, from / to);
    }
}

/// What a step leaves behind. The loss stays on the device until somebody reads it.
pub struct StepOutput {
    /// Steps taken, this one included.
    pub step: usize,
    /// `[1]`
    pub loss: Tensor<1>,
}

impl Trainer {
    /// A fresh run over so many pictures. `device` without autodiff; `perceptual` where the config's loss needs it.
    ///
    /// # Errors
    /// An invalid config, or a perceptual loss without its weights.
    pub fn new(
        config: &Config,
        pictures: usize,
        device: &Device,
        perceptual: Option<Perceptual>,
    ) -> Result<Self> {
        config.validate()?;
        if config.loss == LossKind::Perceptual && perceptual.is_none() {
            return Err(Error::Weights(
                "The perceptual loss needs the VGG16 weights.".into(),
            ));
        }
        let device = device.clone().autodiff();
        let seeding = Seeding::RngState;
        let [order, flips, masks] = seeding.streams(config.seed);
        Ok(Self {
            model: AutoLink::init(config, &device),
            optimizer: AdamW::new(config.weight_decay),
            batches: Batches::new(pictures, order, config.flip.then_some(flips)),
            masks,
            seeding,
            config: config.clone(),
            device,
            perceptual,
            step: 0,
        })
    }

    /// A run that goes on where it was paused: on the CPU, over the same pictures, with the same losses bit for bit as if it had
    /// never stopped. Over another number of pictures it meets them in a new order.
    ///
    /// # Errors
    /// An invalid config, or a perceptual loss without its weights.
    pub fn resume(
        paused: TrainState,
        pictures: usize,
        device: &Device,
        perceptual: Option<Perceptual>,
    ) -> Result<Self> {
        let mut trainer = Self::new(&paused.config, pictures, device, perceptual)?;
        trainer.model = frozen(&paused.model);
        trainer.optimizer = paused.optimizer;
        trainer.step = paused.step;
        if let Some(streams) = paused.streams {
            let [order, flips, masks] = streams.seeding.streams(paused.config.seed);
            let flips = paused.config.flip.then_some(flips);
            trainer.batches = Batches::new(pictures, order, flips).at(streams.batches);
            trainer.masks = masks;
            trainer.masks.set_word_pos(streams.masks.into());
            trainer.seeding = streams.seeding;
        }
        Ok(trainer)
    }

    /// Everything to go on from by [`Trainer::resume`], as it is now.
    pub fn paused(&self) -> TrainState {
        TrainState {
            model: frozen(&self.model),
            config: self.config.clone(),
            step: self.step,
            optimizer: self.optimizer.clone(),
            streams: Some(RngState {
                batches: self.batches.position(),
                masks: self.masks.get_word_pos() as u64,
                seeding: self.seeding,
            }),
        }
    }

    /// One step on the next batch.
    pub fn step(&mut self, pictures: &Dataset) -> StepOutput {
        let Config {
            batch,
            micro_batch,
            size,
            mask_grid,
            mask_ratio,
            ..
        } = self.config;
        let parts = batch / micro_batch;
        let mut gradients = GradientsAccumulator::new();
        let mut loss: Option<Tensor<1>> = None;
        for _ in 0..parts {
            let picks = self.batches.next(micro_batch);
            let images = TensorData::new(pictures.gather(&picks), [micro_batch, 3, size, size]);
            let mask = block_mask(&mut self.masks, micro_batch, mask_grid, mask_ratio);
            let mask = TensorData::new(mask, [micro_batch, 1, mask_grid, mask_grid]);
            let (part_loss, part_gradients) = self.gradients(
                Tensor::from_data(images, &self.device),
                Tensor::from_data(mask, &self.device),
                1.0 / parts as f64,
            );
            loss = Some(loss.map_or(part_loss.clone(), |sum| sum + part_loss));
            gradients.accumulate(&self.model, part_gradients);
        }
        self.apply(gradients.grads());
        self.step += 1;
        StepOutput {
            step: self.step,
            loss: loss.expect("a batch has at least one part"),
        }
    }

    /// The loss of a batch times `share`, `[1]`, and its gradients. Batch norm follows the batch.
    ///
    /// `images` `[B,3,S,S]` in `[-1, 1]`, `mask` `[B,1,g,g]`, both on an autodiff device.
    fn gradients(
        &self,
        images: Tensor<4>,
        mask: Tensor<4>,
        share: f64,
    ) -> (Tensor<1>, GradientsParams) {
        let output = self.model.forward(images.clone(), mask, self.drawing());
        let loss = match &self.perceptual {
            Some(perceptual) if self.config.loss == LossKind::Perceptual => {
                perceptual.loss(output.reconstruction, images)
            }
            _ => pixel::pixel_loss(output.reconstruction, images),
        } * share;
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        (loss.without_autodiff(), gradients)
    }

    fn apply(&mut self, gradients: GradientsParams) {
        self.model = self
            .optimizer
            .step(self.config.learning_rate, self.model.clone(), gradients);
    }

    /// Takes over settings that may change while training runs; see [`Config::is_live_change`].
    ///
    /// # Errors
    /// An invalid config, or one that needs a new run.
    pub fn configure(&mut self, config: &Config) -> Result<()> {
        config.validate()?;
        if !self.config.is_live_change(config) {
            return Err(Error::Setting("This setting needs a new run.".into()));
        }
        rescale(&mut self.model, &mut self.optimizer, &self.config, config);
        self.config = config.clone();
        Ok(())
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Steps taken.
    pub fn steps_taken(&self) -> usize {
        self.step
    }

    /// The model as it is now, for use: no gradients, running statistics.
    pub fn model(&self) -> AutoLink {
        self.model.valid()
    }

    /// How the edge map is drawn.
    pub fn drawing(&self) -> EdgeMapParams {
        self.config.drawing()
    }
}

impl Config {
    /// How the edge map is drawn.
    pub fn drawing(&self) -> EdgeMapParams {
        EdgeMapParams {
            thickness: self.thickness,
            edge_scale: self.edge_scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_of_neighbouring_seeds_do_not_coincide() {
        let firsts = |seeding: Seeding| {
            let all = (5..9).flat_map(|seed| {
                let parameters = ChaCha8Rng::seed_from_u64(seed);
                let [order, flips, masks] = seeding.streams(seed);
                [parameters, order, flips, masks].map(|mut rng| rng.next_u64())
            });
            let mut all: Vec<u64> = all.collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        assert_eq!(firsts(Seeding::RngState), 16);
        assert!(firsts(Seeding::SeedsInTurn) < 16, "as it was");
    }
}
