//! The engine: [`Command`] in, [`Event`] out. The page's worker and the command line both drive it.

pub mod animation;
mod edits;
mod illustrate;
pub mod preview;
pub mod protocol;
mod sound;
mod views;

use std::collections::VecDeque;

use burn::module::Module;
use burn::tensor::wgpu::MemoryConfiguration;
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use web_time::{Duration, Instant};

pub use edits::{EdgeEdit, EdgeState, Edits, MaskEdit, Stages, Transfer};
pub use illustrate::{Illustrated, Illustration};
pub use protocol::{
    Backend, Command, Event, FileKind, Keypoints, Phase, PreviewViews, Rejected, SnapshotView,
    Source,
};
pub use views::ViewSchedule;

use sound::Sound;

use crate::annotate::Annotations;
use crate::annotate::edit::Table;
use crate::checkpoint::{self, Loaded, Precision};
use crate::config::{Config, LossKind};
use crate::data::{Dataset, Pick};
use crate::error::{Error, Result};
use crate::eval::{self, Score};
use crate::loss::{Perceptual, WEIGHTS_FILES};
use crate::model::AutoLink;
use crate::render::palette;
use crate::train::diagnosis::{self, ExposureStats, PreviewStats};
use crate::train::{Snapshots, TrainState, Trainer};

/// How many pictures are watched while training runs.
const PROBES: usize = 8;

/// On the GPU the loss is read after so many steps at the latest: reading waits, and not reading lets the queue grow.
const UNREAD_STEPS: usize = 4;

/// ... or after so long, so that the page keeps moving where steps are slow.
const UNREAD_TIME: Duration = Duration::from_millis(100);

/// Pictures per forward pass when only keypoints are wanted.
const DETECT_BATCH: usize = 32;

/// One run and what it needs: device, settings, pictures, weights.
pub struct Session {
    /// Without autodiff.
    device: Device,
    backend: Backend,
    config: Config,
    pictures: Dataset,
    /// Bytes of [`WEIGHTS_FILES`], as far as they were given.
    weights: Vec<Vec<u8>>,
    /// Made by the first step.
    trainer: Option<Trainer>,
    /// What that goes on from, if not from nothing.
    paused: Option<TrainState>,
    /// Where it goes back to when its numbers are none; there with the trainer.
    sound: Option<Sound>,
    /// Of every step whose loss was read.
    losses: Vec<f32>,
    /// What it looked like on its way.
    snapshots: Snapshots,
    /// The last few looks at the probes.
    looks: VecDeque<PreviewStats>,
    /// Steps that were taken before these pictures came, or elsewhere.
    steps_before: usize,
    /// What it learns from, as far as it matters to the diagnosis.
    lesson: ExposureStats,
    /// What a person called the keypoints.
    names: Option<Table>,
    /// What the run is known by.
    run_id: String,
    /// Losses that are still on the device: step and `[1]`.
    unread: Vec<(usize, Tensor<1>)>,
    clock: Clock,
}

/// A step whose loss was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps taken.
    pub step: usize,
    /// Its loss.
    pub loss: f32,
    /// Over the last few steps.
    pub steps_per_second: f32,
    /// Seconds of training, pauses left out.
    pub elapsed_seconds: f32,
}

impl Session {
    /// An engine without pictures. `device` without autodiff.
    ///
    /// # Errors
    /// An invalid config.
    pub fn new(device: Device, backend: Backend, config: Config) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            pictures: Dataset::new(config.size),
            device,
            backend,
            config,
            weights: Vec::new(),
            trainer: None,
            paused: None,
            sound: None,
            losses: Vec::new(),
            snapshots: Snapshots::default(),
            looks: VecDeque::new(),
            steps_before: 0,
            lesson: ExposureStats::default(),
            names: None,
            run_id: checkpoint::new_run_id(),
            unread: Vec::new(),
            clock: Clock::default(),
        })
    }

    /// What computes.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The pictures that it learns from.
    pub fn pictures(&self) -> &Dataset {
        &self.pictures
    }

    /// Steps taken.
    pub fn steps_taken(&self) -> usize {
        match (&self.trainer, &self.paused) {
            (Some(trainer), _) => trainer.steps_taken(),
            (None, Some(paused)) => paused.step,
            (None, None) => 0,
        }
    }

    /// The loss of every step that was read, in order.
    pub fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// What the run is known by, from its first step to wherever its files are taken: what a person does to its keypoints belongs to it.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// What a person called the keypoints, if somebody did: it is saved with the model.
    pub fn names(&self) -> Option<&Table> {
        self.names.as_ref()
    }

    /// Takes over what a person called the keypoints.
    pub fn name_keypoints(&mut self, names: Table) {
        if names.fits(self.config.keypoints) {
            self.names = Some(names);
        }
    }

    /// What the run looked like on its way, as far as somebody looked ([`Session::views`]).
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Replaces the pictures and starts a new run, under these settings. What was taken over by [`Session::resume`] and not
    /// trained on yet goes on with the new pictures.
    ///
    /// # Errors
    /// An invalid config, or pictures that nothing can be learned from; then everything stays as it was.
    pub fn begin(&mut self, config: Config, pictures: Dataset) -> Result<()> {
        config.validate()?;
        pictures.check()?;
        if pictures.size_px() != config.size {
            return Err(Error::Setting(
                "Another picture size needs the pictures to be read again.".into(),
            ));
        }
        let is_same = config == self.config;
        self.config = config;
        self.pictures = pictures;
        self.begin_anew(is_same);
        Ok(())
    }

    /// Adds pictures to those that are there; otherwise as [`Session::begin`].
    ///
    /// # Errors
    /// As [`Session::begin`], where there are none yet.
    pub fn add(&mut self, more: Dataset) -> Result<()> {
        if self.pictures.is_empty() {
            return self.begin(self.config.clone(), more);
        }
        self.pictures.append(more);
        self.begin_anew(true);
        Ok(())
    }

    /// Learns without the pictures at these places among all that were read, and with every other one; otherwise as
    /// [`Session::begin`].
    ///
    /// # Errors
    /// Nothing could be learned from what stays; then everything stays as it was.
    pub fn leave_out(&mut self, places: &[usize]) -> Result<()> {
        let before = self.pictures.removed();
        self.pictures.set_removed(places);
        if let Err(error) = self.pictures.check() {
            self.pictures.set_removed(&before);
            return Err(error);
        }
        self.begin_anew(true);
        Ok(())
    }

    /// Forgets what other pictures taught; what was opened and not trained on yet stays, if it is of these settings.
    fn begin_anew(&mut self, is_same_config: bool) {
        if self.paused.is_some() && is_same_config {
            self.snapshots.clear(); // of other pictures
            self.looks.clear();
            self.steps_before = self.steps_taken();
            self.lesson = ExposureStats::default();
        } else {
            self.reset();
        }
    }

    /// Whether these settings show the pictures otherwise, so that they must be read again; see [`Session::begin`].
    pub fn needs_new_pictures(&self, next: &Config) -> bool {
        !self.pictures.is_empty() && (next.size, next.fit) != (self.config.size, self.config.fit)
    }

    /// Takes over settings: live ones act on the run, any other starts a new one.
    ///
    /// # Errors
    /// An invalid config, or one for which [`Session::needs_new_pictures`]; then everything stays as it was.
    pub fn configure(&mut self, config: Config) -> Result<()> {
        config.validate()?;
        if self.needs_new_pictures(&config) {
            return Err(Error::Setting(
                "Another picture size needs the pictures to be read again.".into(),
            ));
        }
        match (&mut self.trainer, &mut self.paused) {
            (Some(trainer), _) if trainer.config().is_live_change(&config) => {
                trainer.configure(&config)?;
                if let Some(sound) = &mut self.sound {
                    sound.state.configure(&config);
                }
            }
            (None, Some(paused)) if paused.config.is_live_change(&config) => {
                paused.configure(&config)
            }
            _ => self.reset(),
        }
        if self.pictures.is_empty() {
            self.pictures = Dataset::new(config.size);
        }
        self.config = config;
        Ok(())
    }

    /// Which of [`WEIGHTS_FILES`] these settings need and were not given yet, in the order in which to give them.
    pub fn needs_weights(&self) -> &'static [&'static str] {
        let needed = match self.config.loss {
            LossKind::Pixel => 0,
            LossKind::Perceptual => Perceptual::files_needed(self.config.perceptual_blocks),
        };
        &WEIGHTS_FILES[self.weights.len().min(needed)..needed]
    }

    /// Takes the bytes of the next file of [`Session::needs_weights`].
    pub fn give_weights(&mut self, bytes: Vec<u8>) {
        self.weights.push(bytes);
    }

    /// Forgets weights that turned out to be damaged, so that they are asked for again.
    pub fn forget_weights(&mut self) {
        self.weights.clear();
    }

    /// Forgets what was learned.
    pub fn reset(&mut self) {
        self.trainer = None;
        self.paused = None;
        self.sound = None;
        self.losses.clear();
        self.snapshots.clear();
        self.looks.clear();
        self.steps_before = 0;
        self.lesson = ExposureStats::default();
        self.names = None;
        self.run_id = checkpoint::new_run_id();
        self.unread.clear();
        self.clock = Clock::default();
    }

    /// Time until the next step is not training time.
    pub fn pause(&mut self) {
        self.clock.stop();
    }

    /// One step. Reports the steps whose losses were read: this one on the CPU, now and then a few on the GPU.
    ///
    /// # Errors
    /// No pictures, no weights, a device that does not answer, or [`Error::Training`] where something is no number: then the run is back
    /// at its last sound state.
    pub async fn step(&mut self) -> Result<Vec<StepReport>> {
        self.clock.start();
        let trainer = match &mut self.trainer {
            Some(trainer) => trainer,
            none => {
                self.pictures.check()?;
                let perceptual = perceptual(&self.config, &self.weights, &self.device)?;
                let count = self.pictures.len();
                let trainer = match self.paused.take() {
                    Some(paused) => Trainer::resume(paused, count, &self.device, perceptual)?,
                    None => Trainer::new(&self.config, count, &self.device, perceptual)?,
                };
                self.sound = Some(Sound::new(trainer.paused(), self.losses.len()));
                none.insert(trainer)
            }
        };
        let output = trainer.step(&self.pictures);
        self.unread.push((output.step, output.loss));
        let is_check_due = self.is_check_due();
        let mut reports = Vec::new();
        if is_check_due
            || self.backend == Backend::Cpu
            || self.unread.len() >= UNREAD_STEPS
            || self.clock.since_tick() >= UNREAD_TIME
        {
            reports = self.settle().await?;
        }
        if is_check_due {
            self.check().await?;
        }
        Ok(reports)
    }

    /// Waits for the device and reports the steps whose losses were not read yet.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub async fn settle(&mut self) -> Result<Vec<StepReport>> {
        let unread = std::mem::take(&mut self.unread);
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
            let why = format!("The loss is no longer a number (it is {loss} at step {step})");
            return Err(self.go_back(&why));
        }
        self.losses.extend(&losses);
        let (steps_per_second, elapsed_seconds) = (
            self.clock.steps_per_second(),
            self.clock.elapsed.as_secs_f32(),
        );
        let report = |(step, loss)| StepReport {
            step,
            loss,
            steps_per_second,
            elapsed_seconds,
        };
        Ok(steps.into_iter().zip(losses).map(report).collect())
    }

    /// The model as it is now: before the first step as it will start.
    pub fn model(&self) -> AutoLink {
        match (&self.trainer, &self.paused) {
            (Some(trainer), _) => trainer.model(),
            (None, Some(paused)) => paused.model.valid(),
            (None, None) => AutoLink::init(&self.config, &self.device),
        }
    }

    /// The model as the bytes of a file.
    ///
    /// # Errors
    /// As [`Session::check`]; numbers too large for the precision.
    pub async fn save(&mut self, precision: Precision) -> Result<Vec<u8>> {
        self.check().await?;
        let (model, step, names) = (self.model(), self.steps_taken(), self.names.as_ref());
        checkpoint::save(&model, &self.config, step, names, &self.run_id, precision).await
    }

    /// The run as the bytes of a file, to go on with by [`Session::resume`].
    ///
    /// # Errors
    /// No step was taken yet, or as [`Session::check`].
    pub async fn save_run(&mut self) -> Result<Vec<u8>> {
        self.check().await?;
        let trainer = self.trainer.as_ref().map(Trainer::paused);
        let Some(run) = trainer.as_ref().or(self.paused.as_ref()) else {
            return Err(Error::Model(
                "There is no run to save yet: train a few steps first.".into(),
            ));
        };
        let (names, id) = (self.names.as_ref(), &self.run_id);
        checkpoint::save_run(run, &self.losses, &self.snapshots, names, id).await
    }

    /// What was learned as the bytes of a file.
    ///
    /// # Errors
    /// As [`Session::save`] and [`Session::save_run`].
    pub async fn file(&mut self, kind: FileKind) -> Result<Vec<u8>> {
        match kind {
            FileKind::Model => self.save(Precision::Float32).await,
            FileKind::SmallModel => self.save(Precision::Float16).await,
            FileKind::Run => self.save_run().await,
            FileKind::Onnx => {
                self.check().await?;
                let (model, names) = (self.model(), self.names.as_ref());
                checkpoint::onnx::export(&model, &self.config, names).await
            }
        }
    }

    /// Where models must be loaded that are to go on training here.
    pub fn training_device(&self) -> Device {
        self.device.clone().autodiff()
    }

    /// Takes over a model or a run, loaded on [`Session::training_device`]: to show, to detect with and to go on training. The
    /// pictures stay; where it sees pictures otherwise ([`Session::needs_new_pictures`]), read them again and give them here.
    ///
    /// # Errors
    /// [`Error::Setting`] where the pictures are of another size; then everything stays as it was.
    pub fn resume(&mut self, loaded: Loaded, pictures: Option<Dataset>) -> Result<()> {
        let size = loaded.config.size;
        let is_fitting = |pictures: &Dataset| pictures.is_empty() || pictures.size_px() == size;
        if !is_fitting(pictures.as_ref().unwrap_or(&self.pictures)) {
            return Err(Error::Setting(format!(
                "This model sees pictures of {size} px: they need to be read again."
            )));
        }
        if let Some(pictures) = pictures {
            self.pictures = pictures;
        }
        if self.pictures.is_empty() {
            self.pictures = Dataset::new(size);
        }
        self.reset();
        self.config = loaded.config.clone();
        self.losses.clone_from(&loaded.losses);
        self.snapshots.clone_from(&loaded.snapshots);
        self.names.clone_from(&loaded.names);
        self.run_id.clone_from(&loaded.run_id);
        self.steps_before = loaded.step;
        self.paused = Some(loaded.paused());
        Ok(())
    }

    /// Indices of the pictures that are watched: up to eight, evenly over the set.
    pub fn probes(&self) -> Vec<usize> {
        let count = PROBES.min(self.pictures.len());
        (0..count)
            .map(|i| i * self.pictures.len() / count)
            .collect()
    }

    /// The probe pictures as the model sees them now. Training goes on as if nobody had looked.
    ///
    /// # Errors
    /// No pictures, or a device that does not answer.
    pub async fn views(&mut self) -> Result<PreviewViews> {
        self.pictures.check()?;
        let (model, probes) = (self.model(), self.probes());
        let (pictures, device) = (&self.pictures, &self.device);
        let step = self.steps_taken();
        let mut views = views::draw(&model, &self.config, pictures, &probes, step, device).await?;
        let shown = (step - self.steps_before) * self.config.batch / pictures.len();
        self.lesson = ExposureStats {
            pictures: pictures.len(),
            shown,
            ..self.lesson
        };
        if self.snapshots.is_due(step) {
            if self.lesson.is_suspect() && !self.config.flip {
                let ratio = views::mirrored(&model, &self.config, pictures, &probes, device);
                self.lesson.mirrored = Some(ratio.await?);
            }
            self.snapshots.push(views.snapshot());
        }
        // Looking twice at one step shows nothing new.
        if self.looks.back().is_none_or(|last| last.step < step) {
            self.looks.push_back(views.look());
            if self.looks.len() > diagnosis::LOOKS {
                self.looks.pop_front();
            }
        }
        let looks = self.looks.make_contiguous();
        views.findings = diagnosis::diagnose(&self.losses, looks, self.lesson);
        Ok(views)
    }

    /// Pictures as they were read, by their place, also those that are left out: their names, and RGBA `[n, S, S, 4]`.
    pub fn thumbnails(&self, first: usize, count: usize) -> (Vec<String>, Vec<u8>) {
        let end = first.saturating_add(count).min(self.pictures.read_len());
        let (names, pixels): (Vec<_>, Vec<_>) =
            (first..end).map(|place| self.pictures.entry(place)).unzip();
        let pixels = (pixels.iter())
            .flat_map(|pixels| pixels.chunks_exact(3))
            .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255])
            .collect();
        (names.into_iter().map(String::from).collect(), pixels)
    }

    /// How well the keypoints tell where landmarks `[N][L][x, y]` of the first pictures are: [`eval::fit_count`] many of them teach a
    /// linear regression, the others are what it is scored on.
    ///
    /// # Errors
    /// Too few pictures, or a device that does not answer.
    pub async fn score(&self, landmarks: &[Vec<[f32; 2]>]) -> Result<Score> {
        let count = landmarks.len().min(self.pictures.len());
        let indices: Vec<usize> = (0..count).collect();
        let found = detect_of(&self.model(), &self.pictures, &indices, &self.device).await?;
        let wide = |points: &[[f32; 2]]| points.iter().map(|p| p.map(f64::from)).collect();
        let keypoints: Vec<_> = found.iter().map(|found| wide(&found.keypoints)).collect();
        let placed = |row: &Vec<[f32; 2]>| row.iter().map(|p| Some(p.map(f64::from))).collect();
        let landmarks: Vec<_> = landmarks[..count].iter().map(placed).collect();
        eval::score(&keypoints, &landmarks, eval::fit_count(count, None)?, 0)
    }

    /// One of the probes, taken apart and changed on its way. Training goes on as if nobody had looked.
    ///
    /// # Errors
    /// No pictures, or a device that does not answer.
    pub async fn inspect(&self, touch: &Edits) -> Result<Stages> {
        let (model, probes) = (self.model(), self.probes());
        self.scene(&model, &probes).inspect(touch).await
    }

    /// The keypoints of each of some probes in the looks of each.
    ///
    /// # Errors
    /// No such pictures, or a device that does not answer.
    pub async fn transfer(&self, which: &[usize]) -> Result<Transfer> {
        let (model, probes) = (self.model(), self.probes());
        self.scene(&model, &probes).transfer(which).await
    }

    fn scene<'a>(&'a self, model: &'a AutoLink, probes: &'a [usize]) -> edits::Scene<'a> {
        edits::Scene {
            model,
            config: &self.config,
            pictures: &self.pictures,
            probes,
            step: self.steps_taken(),
            device: &self.device,
        }
    }

    /// Keypoints of pictures that were read at [`Config::size`].
    ///
    /// # Errors
    /// A device that does not answer.
    pub async fn detect(&self, pictures: &Dataset) -> Result<Vec<Keypoints>> {
        detect(&self.model(), pictures, &self.device).await
    }
}

/// What the perceptual loss needs, where the settings ask for it.
fn perceptual(config: &Config, weights: &[Vec<u8>], device: &Device) -> Result<Option<Perceptual>> {
    if config.loss == LossKind::Pixel {
        return Ok(None);
    }
    let files: Vec<&[u8]> = weights.iter().map(Vec::as_slice).collect();
    let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
    Perceptual::from_bytes(&files, blocks, size, device).map(Some)
}

/// Keypoints of every picture, in order, as fractions of the original pictures.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn detect(
    model: &AutoLink,
    pictures: &Dataset,
    device: &Device,
) -> Result<Vec<Keypoints>> {
    let all: Vec<usize> = (0..pictures.len()).collect();
    detect_of(model, pictures, &all, device).await
}

/// ... of some.
async fn detect_of(
    model: &AutoLink,
    pictures: &Dataset,
    which: &[usize],
    device: &Device,
) -> Result<Vec<Keypoints>> {
    let size = pictures.size_px();
    let mut all = Vec::with_capacity(which.len());
    for indices in which.chunks(DETECT_BATCH) {
        let detection = model.detector.forward(images(pictures, indices, device));
        let count = detection.keypoints.dims()[1];
        let confidence = detection.confidence().reshape([indices.len() * count]);
        let points = detection.keypoints.reshape([indices.len() * count * 2]);
        let [points, confidence] = <[Vec<f32>; 2]>::try_from(read(vec![points, confidence]).await?)
            .map_err(|_| Error::Backend("The device lost a reading.".into()))?;
        for ((&index, points), confidence) in indices
            .iter()
            .zip(points.chunks(2 * count))
            .zip(confidence.chunks(count))
        {
            let placement = pictures.placement(index);
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

/// The keypoints of a model before anybody named them, with their graph; no pictures yet.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn discovered(model: &AutoLink, config: &Config) -> Result<Annotations> {
    let colours = palette::colours().into_iter().take(config.keypoints);
    let colours: Vec<String> = colours.map(palette::hex).collect();
    let weights = edge_weights(model, config).await?;
    Ok(Annotations::discovered(&colours).with_graph(&weights))
}

/// The graph `[K][K]`, symmetric, zero diagonal.
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

/// Pictures as the model takes them, `[B,3,S,S]` in `[-1, 1]`.
fn images(pictures: &Dataset, indices: &[usize], device: &Device) -> Tensor<4> {
    images_of(pictures, indices, false, device)
}

/// ... or their mirror images.
fn images_of(pictures: &Dataset, indices: &[usize], flipped: bool, device: &Device) -> Tensor<4> {
    let picks: Vec<Pick> = indices
        .iter()
        .map(|&index| Pick { index, flipped })
        .collect();
    let size = pictures.size_px();
    Tensor::from_data(
        TensorData::new(pictures.gather(&picks), [picks.len(), 3, size, size]),
        device,
    )
}

/// `[K][row, col]` in `[-1, 1]`, corner pixels at -1 and 1 -> `[K][x, y]` as fractions of the view.
///
/// Pixel p of S has its centre at (p + 1/2) / S.
fn fractions(points: &[f32], size: usize) -> Vec<[f32; 2]> {
    let side = size as f32;
    let fraction = |v: f32| ((v + 1.0) / 2.0 * (side - 1.0) + 0.5) / side;
    points
        .chunks_exact(2)
        .map(|point| [fraction(point[1]), fraction(point[0])])
        .collect()
}

/// Reads tensors in one go.
async fn read(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>> {
    let mut transaction = Transaction::default();
    for tensor in tensors {
        transaction = transaction.register(tensor);
    }
    let silent = |error: &dyn std::fmt::Debug| {
        let reason = root_cause(&format!("{error:?}"));
        Error::Backend(format!(
            "The device no longer answers ({reason}). Start again, or use the CPU."
        ))
    };
    let data = transaction
        .execute_async()
        .await
        .map_err(|error| silent(&error))?;
    data.into_iter()
        .map(|data| {
            data.convert::<f32>()
                .try_into_vec::<f32>()
                .map_err(|error| silent(&error))
        })
        .collect()
}

/// What the device's report, some lines of causes and a backtrace, comes down to.
fn root_cause(report: &str) -> String {
    report
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Backtrace"))
        .filter(|line| !line.is_empty() && *line != "Caused by:")
        .last()
        .unwrap_or("it does not say why")
        .trim_end_matches('.')
        .to_string()
}

/// Time spent on training.
#[derive(Default)]
struct Clock {
    elapsed: Duration,
    /// When the last steps ended, and how many ended then; empty while paused.
    ticks: VecDeque<(Instant, usize)>,
}

impl Clock {
    /// How many readings the rate looks back.
    const RECENT: usize = 8;

    fn start(&mut self) {
        if self.ticks.is_empty() {
            self.ticks.push_back((Instant::now(), 0));
        }
    }

    fn stop(&mut self) {
        self.elapsed += self.since_tick();
        self.ticks.clear();
    }

    fn tick(&mut self, steps: usize) {
        self.elapsed += self.since_tick();
        self.ticks.push_back((Instant::now(), steps));
        if self.ticks.len() > Self::RECENT + 1 {
            self.ticks.pop_front();
        }
    }

    fn since_tick(&self) -> Duration {
        self.ticks
            .back()
            .map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }

    fn steps_per_second(&self) -> f32 {
        let (Some((first, _)), Some((last, _))) = (self.ticks.front(), self.ticks.back()) else {
            return 0.0;
        };
        let steps: usize = self.ticks.iter().skip(1).map(|(_, steps)| steps).sum();
        steps as f32 / last.duration_since(*first).as_secs_f32().max(1e-6)
    }
}

/// The GPU, where there is one.
///
/// # Errors
/// [`Error::Backend`] with a sentence.
pub async fn open_gpu() -> Result<Device> {
    // As in a browser. Pages that tensors share are searched for room and joined at every launch, which took more of a
    // step on an H100 than its kernels did.
    let options = Device::wgpu_options().memory_config(MemoryConfiguration::ExclusivePages);
    options.init_async().await.map_err(|error| {
        Error::Backend(format!(
            "No graphics adapter can be used here ({error}). Use the CPU backend instead."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_devices_report_the_cause_remains() {
        let report = "An error happened during execution\nCaused by:\n  the buffer could not be mapped\nBacktrace:\nNo backtrace";
        assert_eq!(root_cause(report), "the buffer could not be mapped");
        assert_eq!(root_cause(""), "it does not say why");
    }

    #[test]
    fn keypoints_become_fractions() {
        // The corner pixels of a 4 px view have their centres at 1/8 and 7/8.
        assert_eq!(
            fractions(&[-1.0, 1.0, 0.0, 0.0], 4),
            vec![[0.875, 0.125], [0.5, 0.5]]
        );
    }
}
