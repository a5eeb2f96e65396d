//! The engine: [`Command`] in, [`Event`] out. The page's worker and the command line both drive it.

pub mod animation;
mod clock;
mod detection;
mod edits;
pub mod explain;
mod held_out;
mod illustrate;
pub mod preview;
pub mod protocol;
mod readings;
mod run;
mod views;

use burn::tensor::Device;

pub use detection::{detect, discovered, edge_weights};
pub use edits::{EdgeEdit, EdgeState, Edits, MaskEdit, Stages, Transfer};
pub use explain::{StageDetail, StageQuery};
pub use illustrate::{Illustrated, Illustration};
pub use protocol::{
    Backend, Command, Event, FileKind, Keypoints, Phase, PreviewViews, Rejected, SnapshotView,
    Source,
};
pub use readings::{Reversed, read_reversed};
pub use run::StepReport;
pub use views::ViewSchedule;

use clock::Clock;
use run::{History, Run};

use crate::annotate::edit::Table;
use crate::checkpoint::{self, Loaded};
use crate::config::{Config, LossKind};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::loss::{Perceptual, WEIGHTS_FILES};
use crate::train::Snapshots;
use crate::train::diagnosis::ExposureStats;

/// One run and its environment: device, settings, images, weights.
pub struct Session {
    /// The device, without autodiff.
    device: Device,
    backend: Backend,
    config: Config,
    images: Dataset,
    /// Bytes of [`WEIGHTS_FILES`], as far as they were added.
    weights: Vec<Vec<u8>>,
    run: Run,
    history: History,
    /// Names that a person gave to the keypoints.
    names: Option<Table>,
    run_id: String,
    clock: Clock,
}

impl Session {
    /// Opens an engine without images. `device` comes without autodiff.
    ///
    /// # Errors
    /// An invalid config.
    pub fn new(device: Device, backend: Backend, config: Config) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            images: Dataset::new(config.size),
            device,
            backend,
            config,
            weights: Vec::new(),
            run: Run::Fresh,
            history: History::default(),
            names: None,
            run_id: checkpoint::new_run_id(),
            clock: Clock::default(),
        })
    }

    /// Returns the device that computes.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns the settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the images to train on.
    pub fn images(&self) -> &Dataset {
        &self.images
    }

    /// Returns the steps taken.
    pub fn steps_taken(&self) -> usize {
        self.run.steps_taken()
    }

    /// Returns the losses of all steps, in order, as far as they were read.
    pub fn losses(&self) -> &[f32] {
        &self.history.losses
    }

    /// Returns the id of the run. It stays the same from the first step on and goes into every file; a person's edits of keypoints refer
    /// to it.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns the names that a person gave to the keypoints, if any. They are saved with the model.
    pub fn names(&self) -> Option<&Table> {
        self.names.as_ref()
    }

    /// Names the keypoints. Names for another number of keypoints are ignored.
    pub fn set_names(&mut self, names: Table) {
        if names.fits(self.config.keypoints) {
            self.names = Some(names);
        }
    }

    /// Returns the training history, as far as [`Session::views`] recorded it.
    pub fn snapshots(&self) -> &Snapshots {
        &self.history.snapshots
    }

    /// Replaces the images and starts a new run, under these settings. A run that [`Session::resume`] opened and that took no step yet
    /// goes on with the new images.
    ///
    /// # Errors
    /// An invalid config, or images that nothing can be learned from; then everything stays as it was.
    pub fn begin(&mut self, config: Config, images: Dataset) -> Result<()> {
        config.validate()?;
        images.check()?;
        if images.size_px() != config.size {
            return Err(other_size());
        }
        // A model goes on with crops in place of whole images, and with whole images in place of crops.
        let located = Config {
            locate: config.locate,
            crop_margin: config.crop_margin,
            ..self.config.clone()
        };
        let is_same = config == located;
        self.config = config;
        self.images = images;
        self.restart(is_same);
        Ok(())
    }

    /// Adds images to those that are loaded; otherwise as [`Session::begin`].
    ///
    /// # Errors
    /// As [`Session::begin`], where there are none yet.
    pub fn add(&mut self, more: Dataset) -> Result<()> {
        if self.images.is_empty() {
            return self.begin(self.config.clone(), more);
        }
        self.images.append(more);
        self.restart(true);
        Ok(())
    }

    /// Excludes the images at these indices, among all that were read, and includes all others; otherwise as [`Session::begin`].
    ///
    /// # Errors
    /// Nothing could be learned from the remaining images; then everything stays as it was.
    pub fn remove_images(&mut self, indices: &[usize]) -> Result<()> {
        let before = self.images.removed();
        self.images.set_removed(indices);
        if let Err(error) = self.images.check() {
            self.images.set_removed(&before);
            return Err(error);
        }
        self.restart(true);
        Ok(())
    }

    /// Discards what was learned from other images. A loaded run of the same settings stays.
    fn restart(&mut self, is_same_config: bool) {
        let step = self.steps_taken();
        if let Run::Loaded(state) = &mut self.run
            && is_same_config
        {
            state.configure(&self.config);
            let history = &mut self.history;
            history.snapshots.clear(); // of other images
            history.recent_stats.clear();
            history.steps_before = step;
            history.exposure = ExposureStats::default();
        } else {
            self.reset();
        }
    }

    /// Returns true if the images must be read again for these settings, since they change how images become square; see
    /// [`Session::begin`].
    pub fn must_reload_images(&self, next: &Config) -> bool {
        !self.images.is_empty() && (next.size, next.fit) != (self.config.size, self.config.fit)
    }

    /// Changes the settings. Live ones act on the run; any other starts a new one.
    ///
    /// # Errors
    /// An invalid config, or one for which [`Session::must_reload_images`]; then everything stays as it was.
    pub fn configure(&mut self, config: Config) -> Result<()> {
        config.validate()?;
        if self.must_reload_images(&config) {
            return Err(other_size());
        }
        match &mut self.run {
            Run::Training(training) if training.trainer.config().is_live_change(&config) => {
                training.trainer.configure(&config)?;
                training.last_finite.state.configure(&config);
            }
            Run::Loaded(state) if state.config.is_live_change(&config) => state.configure(&config),
            _ => self.reset(),
        }
        if self.images.is_empty() {
            self.images = Dataset::new(config.size);
        }
        self.config = config;
        Ok(())
    }

    /// Returns those of [`WEIGHTS_FILES`] that these settings need and that were not added yet, in the order in which to add them.
    pub fn needs_weights(&self) -> &'static [&'static str] {
        let needed = match self.config.loss {
            LossKind::Pixel => 0,
            LossKind::Perceptual => Perceptual::files_needed(self.config.perceptual_blocks),
        };
        &WEIGHTS_FILES[self.weights.len().min(needed)..needed]
    }

    /// Adds the bytes of the next file of [`Session::needs_weights`].
    pub fn add_weights(&mut self, bytes: Vec<u8>) {
        self.weights.push(bytes);
    }

    /// Discards weights that turned out to be damaged; [`Session::needs_weights`] asks for them again.
    pub fn clear_weights(&mut self) {
        self.weights.clear();
    }

    /// Discards the run.
    pub fn reset(&mut self) {
        self.run = Run::Fresh;
        self.history = History::default();
        self.names = None;
        self.run_id = checkpoint::new_run_id();
        self.clock = Clock::default();
    }

    /// Stops the clock: time until the next step is not training time.
    pub fn pause(&mut self) {
        self.clock.stop();
    }

    /// Returns the device on which to load models that are to go on training here.
    pub fn training_device(&self) -> Device {
        self.device.clone().autodiff()
    }

    /// Takes over a model or a run that was loaded on [`Session::training_device`]. The images stay; where
    /// [`Session::must_reload_images`], read them again and pass them here.
    ///
    /// # Errors
    /// [`Error::Setting`] where the images are of another size; then everything stays as it was.
    pub fn resume(&mut self, loaded: Loaded, images: Option<Dataset>) -> Result<()> {
        let size = loaded.config.size;
        let is_fitting = |images: &Dataset| images.is_empty() || images.size_px() == size;
        if !is_fitting(images.as_ref().unwrap_or(&self.images)) {
            return Err(Error::Setting(format!(
                "This model needs images of {size} px. Load the images again."
            )));
        }
        if let Some(images) = images {
            self.images = images;
        }
        if self.images.is_empty() {
            self.images = Dataset::new(size);
        }
        self.reset();
        self.config = loaded.config.clone();
        self.history.losses.clone_from(&loaded.losses);
        self.history.snapshots.clone_from(&loaded.snapshots);
        self.history.steps_before = loaded.step;
        self.names.clone_from(&loaded.names);
        self.run_id.clone_from(&loaded.run_id);
        self.run = Run::Loaded(Box::new(loaded.into_train_state()));
        Ok(())
    }
}

fn other_size() -> Error {
    Error::Setting("These settings change the size of the images. Load the images again.".into())
}
