//! The run of a session: its steps, its last finite state, and its files.

use std::collections::VecDeque;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use web_time::{Duration, Instant};

use super::held_out::Evaluation;
use super::{Backend, FileKind, Session};
use crate::checkpoint::{self, Precision};
use crate::config::{Config, LossKind};
use crate::device::read;
use crate::error::{Error, Result};
use crate::loss::Perceptual;
use crate::model::AutoLink;
use crate::train::diagnosis::{ExposureStats, PreviewStats};
use crate::train::{Snapshots, TrainState, Trainer};

/// The GPU's losses are read after this many steps at the latest: reading waits, and not reading lets the queue grow.
const UNREAD_STEPS: usize = 4;

/// The GPU's losses are read after this time at the latest, so that the page keeps moving where steps are slow.
const UNREAD_TIME: Duration = Duration::from_millis(100);

/// The run is checked for finite numbers after this many steps: on the GPU a check waits for the device, and takes a launch for every
/// tensor of the model.
const CHECK_STEPS: usize = 25;

/// The run is checked for finite numbers after this time, where steps are slow.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// The state of a run.
#[derive(Default)]
pub(super) enum Run {
    /// Nothing was learned. The first step starts from random parameters.
    #[default]
    Fresh,
    /// A model or run that was opened, or the last finite state of one that diverged. The next step continues from it.
    Loaded(Box<TrainState>),
    /// Steps were taken in this session.
    Training(Box<Training>),
}

/// A run that takes steps.
pub(super) struct Training {
    pub(super) trainer: Trainer,
    pub(super) last_finite: LastFinite,
    /// Losses that are still on the device: step and `[1]`.
    unread: Vec<(usize, Tensor<1>)>,
    /// The held-out loss that is being computed.
    pub(super) evaluation: Option<Evaluation>,
}

/// The last state of a run whose numbers were all finite.
#[derive(Clone)]
pub(super) struct LastFinite {
    pub(super) state: TrainState,
    /// Number of losses at that state.
    losses: usize,
    at: Instant,
}

/// The history of a run: losses, snapshots, and statistics for training health.
#[derive(Default)]
pub(super) struct History {
    /// Losses of all steps, as far as they were read.
    pub(super) losses: Vec<f32>,
    /// Snapshots of the preview images.
    pub(super) snapshots: Snapshots,
    /// The last few views, for training health.
    pub(super) recent_stats: VecDeque<PreviewStats>,
    /// Steps that were taken on other images.
    pub(super) steps_before: usize,
    /// How often the images were shown, for training health.
    pub(super) exposure: ExposureStats,
}

/// A step whose loss was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps taken.
    pub step: usize,
    /// Loss of this step.
    pub loss: f32,
    /// Speed over the last few steps.
    pub steps_per_second: f32,
    /// Time spent on training, pauses excluded, s.
    pub elapsed_seconds: f32,
}

impl Run {
    /// Returns the steps taken.
    pub(super) fn steps_taken(&self) -> usize {
        match self {
            Run::Fresh => 0,
            Run::Loaded(state) => state.step,
            Run::Training(training) => training.trainer.steps_taken(),
        }
    }
}

impl Training {
    fn new(trainer: Trainer, losses: usize) -> Self {
        Self {
            last_finite: LastFinite::new(trainer.train_state(), losses),
            trainer,
            unread: Vec::new(),
            evaluation: None,
        }
    }

    fn is_check_due(&self) -> bool {
        let steps = (self.trainer.steps_taken()).saturating_sub(self.last_finite.state.step);
        steps >= CHECK_STEPS || self.last_finite.at.elapsed() >= CHECK_TIME
    }
}

impl LastFinite {
    fn new(state: TrainState, losses: usize) -> Self {
        Self {
            state,
            losses,
            at: Instant::now(),
        }
    }
}

impl Session {
    /// Takes one step. Reports the steps whose losses were read: this one on the CPU, now and then a few on the GPU.
    ///
    /// # Errors
    /// No images, no weights, a device that does not answer, or [`Error::Training`] where a number is not finite: then the run is back
    /// at its last finite state.
    pub async fn step(&mut self) -> Result<Vec<StepReport>> {
        self.clock.start();
        // The run stays in its place all the time: a panic, as Burn makes of a lost device, must not lose it.
        if !matches!(self.run, Run::Training(_)) {
            let trainer = self.trainer()?;
            let training = Training::new(trainer, self.history.losses.len());
            self.run = Run::Training(Box::new(training));
        }
        let Run::Training(training) = &mut self.run else {
            unreachable!("made above");
        };
        let output = training.trainer.step(&self.images);
        training.unread.push((output.step, output.loss));
        let is_check_due = training.is_check_due();
        let is_reading_due = is_check_due
            || self.backend == Backend::Cpu
            || training.unread.len() >= UNREAD_STEPS
            || self.clock.since_tick() >= UNREAD_TIME;
        let mut reports = Vec::new();
        if is_reading_due {
            reports = self.read_losses().await?;
        }
        if is_check_due {
            self.check_finite().await?;
        }
        Ok(reports)
    }

    /// Makes the trainer that continues the run.
    fn trainer(&self) -> Result<Trainer> {
        self.images.check()?;
        let perceptual = perceptual(&self.config, &self.weights, &self.device)?;
        let among = self.split().training;
        let count = among.len();
        let trainer = match &self.run {
            Run::Loaded(state) => {
                Trainer::resume(TrainState::clone(state), count, &self.device, perceptual)?
            }
            _ => Trainer::new(&self.config, count, &self.device, perceptual)?,
        };
        Ok(trainer.among(among))
    }

    /// Waits for the device and reports the steps whose losses were not read yet.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub async fn read_losses(&mut self) -> Result<Vec<StepReport>> {
        let Run::Training(training) = &mut self.run else {
            return Ok(Vec::new());
        };
        let unread = std::mem::take(&mut training.unread);
        if unread.is_empty() {
            return Ok(Vec::new());
        }
        let (steps, losses): (Vec<usize>, Vec<Tensor<1>>) = unread.into_iter().unzip();
        let losses = read(vec![Tensor::cat(losses, 0)]).await?.remove(0);
        self.clock.tick(steps.len());
        if let Some((step, loss)) = steps
            .iter()
            .zip(&losses)
            .find(|(_, loss)| !loss.is_finite())
        {
            let why = format!("The loss is no longer finite (it is {loss} at step {step})");
            let to = training.last_finite.clone();
            return Err(self.roll_back(to, &why));
        }
        self.history.losses.extend(&losses);
        let (steps_per_second, elapsed_seconds) =
            (self.clock.steps_per_second(), self.clock.elapsed_seconds());
        let report = |(step, loss)| StepReport {
            step,
            loss,
            steps_per_second,
            elapsed_seconds,
        };
        Ok(steps.into_iter().zip(losses).map(report).collect())
    }

    /// Checks that every parameter, running statistic and moment of the optimiser is finite. Where one is not, the run goes back to its
    /// last finite state, with the losses and snapshots of that time. Every way of saving checks first.
    ///
    /// # Errors
    /// [`Error::Training`] where the run went back, with the step that it went back to; a device that does not answer.
    pub async fn check_finite(&mut self) -> Result<()> {
        self.read_losses().await?;
        let Run::Training(training) = &mut self.run else {
            return Ok(()); // files are checked when they are loaded
        };
        let state = training.trainer.train_state();
        match checkpoint::first_non_finite(&state.model, &state.optimizer).await? {
            None => {
                training.last_finite = LastFinite::new(state, self.history.losses.len());
                Ok(())
            }
            Some(name) => {
                let (step, to) = (state.step, training.last_finite.clone());
                let why =
                    format!("The model no longer holds finite numbers ({name} at step {step})");
                Err(self.roll_back(to, &why))
            }
        }
    }

    /// Puts the run back to an earlier state, and returns the error that says so.
    fn roll_back(&mut self, to: LastFinite, why: &str) -> Error {
        let LastFinite { state, losses, .. } = to;
        let step = state.step;
        tracing::info!("{why}: going back to step {step}");
        self.run = Run::Loaded(Box::new(state));
        self.history.losses.truncate(losses);
        self.history.snapshots.back_to(step);
        self.history.recent_stats.retain(|stats| stats.step <= step);
        Error::Training(format!(
            "{why}. The run is back at step {step}, the last good one, which can be saved. Try a lower learning rate from there."
        ))
    }

    /// Returns the model as it is now; before the first step, as the run will start.
    pub fn model(&self) -> AutoLink {
        match &self.run {
            Run::Fresh => AutoLink::init(&self.config, &self.device),
            Run::Loaded(state) => state.model.valid(),
            Run::Training(training) => training.trainer.model(),
        }
    }

    /// Returns the model as the bytes of a file.
    ///
    /// # Errors
    /// As [`Session::check_finite`]; numbers too large for the precision.
    pub async fn save(&mut self, precision: Precision) -> Result<Vec<u8>> {
        self.check_finite().await?;
        let (model, step, names) = (self.model(), self.steps_taken(), self.names.as_ref());
        checkpoint::save(&model, &self.config, step, names, &self.run_id, precision).await
    }

    /// Returns the run as the bytes of a file; [`Session::resume`] continues from it.
    ///
    /// # Errors
    /// No step was taken yet, or as [`Session::check_finite`].
    pub async fn save_run(&mut self) -> Result<Vec<u8>> {
        self.check_finite().await?;
        let current;
        let state = match &self.run {
            Run::Fresh => {
                return Err(Error::Model(
                    "There is no run to save yet. Train a few steps first.".into(),
                ));
            }
            Run::Loaded(state) => state,
            Run::Training(training) => {
                current = training.trainer.train_state();
                &current
            }
        };
        let History {
            losses, snapshots, ..
        } = &self.history;
        checkpoint::save_run(state, losses, snapshots, self.names.as_ref(), &self.run_id).await
    }

    /// Returns the model or the run as the bytes of a file of this kind.
    ///
    /// # Errors
    /// As [`Session::save`] and [`Session::save_run`].
    pub async fn file(&mut self, kind: FileKind) -> Result<Vec<u8>> {
        match kind {
            FileKind::Model => self.save(Precision::Float32).await,
            FileKind::SmallModel => self.save(Precision::Float16).await,
            FileKind::Run => self.save_run().await,
            FileKind::Onnx => {
                self.check_finite().await?;
                let (model, names) = (self.model(), self.names.as_ref());
                checkpoint::onnx::export(&model, &self.config, names).await
            }
        }
    }
}

/// Builds the perceptual loss from the bytes of its weights, if these settings use it.
pub(super) fn perceptual(
    config: &Config,
    weights: &[Vec<u8>],
    device: &Device,
) -> Result<Option<Perceptual>> {
    if config.loss == LossKind::Pixel {
        return Ok(None);
    }
    let files: Vec<&[u8]> = weights.iter().map(Vec::as_slice).collect();
    let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
    Perceptual::from_bytes(&files, blocks, size, device).map(Some)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use burn::tensor::Device;
    use pollster::block_on;

    use crate::config::{Config, LossKind, Preset};
    use crate::data::{Dataset, synthetic};
    use crate::session::{Backend, Session};

    #[test]
    fn step_that_panics_leaves_the_run_in_its_place() {
        let config = Config {
            keypoints: 4,
            size: 32,
            width: 4,
            batch: 2,
            micro_batch: 2,
            loss: LossKind::Pixel,
            ..Config::preset(Preset::Tiny)
        };
        let images = synthetic::puppets(4, 0, config.size).dataset;
        let mut session =
            Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("a session");
        session.begin(config.clone(), images).expect("images");
        block_on(session.step()).expect("a step");
        // Without images, the indices of the next batch are out of range.
        session.images = Dataset::new(config.size);
        let panicked = catch_unwind(AssertUnwindSafe(|| block_on(session.step())));
        assert!(panicked.is_err(), "the step should panic");
        assert_eq!(session.steps_taken(), 1);
        let run = block_on(session.save_run()).expect("the run");
        let loaded = crate::checkpoint::load(&run, &session.training_device()).expect("loads");
        assert_eq!(loaded.step, 1);
    }
}
