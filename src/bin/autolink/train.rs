//! `autolink train`: everything that can be known is checked before the first step, and every way out of training saves.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use autolink::annotate::Imported;
use autolink::checkpoint::{self, Loaded, Precision};
use autolink::data::{Dataset, synthetic};
use autolink::error::ErrorKind;
use autolink::eval::{Landmarks, Score};
use autolink::loss::WEIGHTS_FILES;
use autolink::session::{Event, Session, StepReport, preview};
use autolink::{Config, Preset};
use burn::module::Module;
use burn::tensor::Device;
use indicatif::ProgressBar;
use pollster::block_on;
use serde_json::json;

use crate::args::Train;
use crate::exam::LabelledSet;
use crate::files::{Gathered, read_landmarks};
use crate::log::Log;
use crate::models::{load, open};
use crate::output::Reporter;
use crate::save::{Outputs, check_room, folder_of, is_same, write};
use crate::signals::Signals;

/// [`WEIGHTS_FILES`], in order.
const WEIGHTS: [&[u8]; 2] = [
    include_bytes!("../../../weights/vgg16_relu3_3.safetensors"),
    include_bytes!("../../../weights/vgg16_relu4_3.safetensors"),
];

/// Bytes of a line of the log, at most.
const LOG_LINE: u64 = 160;

pub fn train(options: &Train, voice: &Reporter) -> anyhow::Result<ExitCode> {
    autolink::ops::use_burn_on_gpu(options.ops == "burn");
    let landmarks = (options.eval_landmarks.as_deref())
        .map(read_landmarks)
        .transpose()?;
    let device = open(options.backend)?;
    let resumed = (options.resume.as_deref())
        .map(|path| load(path, &device.clone().autodiff()))
        .transpose()?;
    let before = resumed.as_ref().map_or_else(
        || Config::preset(options.preset),
        |loaded| loaded.config.clone(),
    );
    let config = options.settings.over(before.clone());
    config.validate()?;
    if resumed.is_some() && !before.is_live_change(&config) {
        bail!(
            "A run goes on under its own settings; of those given, only the learning rate, the mask, thickness and edge scale may change."
        );
    }
    let steps = options.steps.map_or(
        match options.preset {
            Preset::Tiny => 1000,
            Preset::Small => 1500,
            Preset::Paper => 20_001,
        },
        |steps| steps as usize,
    );
    check_outputs(options, resumed.as_ref())?;

    let (pictures, joints, about) = training_pictures(&options.pictures, &config, voice)?;
    let exam = (landmarks.or(joints.map(Imported::from)))
        .map(|landmarks| LabelledSet::new(&landmarks, &pictures, options.eval_fit))
        .transpose()?;
    voice.say(&ProgressBar::hidden(), &about);
    let mut session = Session::new(device, options.backend, config.clone())?;
    session.begin(config.clone(), pictures)?;
    if let Some(loaded) = resumed {
        session.resume(loaded, None)?;
        session.configure(config)?;
    }
    for _ in session.needs_weights() {
        give_weights(&mut session);
    }
    let mut run = Run {
        bar: voice.bar(
            steps,
            "{bar:32} {pos}/{len} steps, {elapsed} gone, {eta} to go, {msg}",
        ),
        log: (options.log.as_deref()).map(|path| Log::new(path, options.resume.is_some())),
        options,
        voice,
        session,
        exam,
        steps,
        saved_at: Instant::now(),
        troubles: BTreeMap::new(),
    };
    run.prepare()?;
    let signals = Signals::catch()?;
    let ended = run.go(&signals);
    run.finish(ended)
}

/// Whether everything that was asked for can be written, and nothing is replaced that should stay.
fn check_outputs(options: &Train, resumed: Option<&Loaded>) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(options.force);
    if !options.pictures.starts_with("synthetic:") {
        outputs = outputs.input(&options.pictures);
    }
    if let Some(table) = &options.eval_landmarks {
        outputs = outputs.input(table);
    }
    let files = [(Some(&options.out), false), (options.run.as_ref(), true)];
    for (path, for_run) in files {
        match (path, &options.resume, resumed) {
            (Some(path), Some(from), Some(loaded)) if goes_on(path, for_run, from, loaded) => {
                outputs.replace(path)?;
            }
            (Some(path), ..) => outputs.file(path)?,
            (None, ..) => {}
        }
    }
    if let Some(from) = &options.resume {
        outputs = outputs.input(from);
    }
    match &options.log {
        Some(log) if options.resume.is_some() => outputs.replace(log)?,
        Some(log) => outputs.file(log)?,
        None => {}
    }
    if let Some(folder) = &options.preview {
        outputs.folder(folder)?;
        if options.resume.is_none() && !options.force && folder.join(sheet_name(0)).exists() {
            bail!(
                "{} holds the previews of another run: choose another folder, or replace them with --force.",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Whether what a file holds is in what training goes on from, so that it loses nothing if the run goes on in it.
fn goes_on(path: &Path, for_run: bool, from: &Path, resumed: &Loaded) -> bool {
    let Some(there) = fs::read(path)
        .ok()
        .and_then(|bytes| checkpoint::load(&bytes, &Device::flex()).ok())
    else {
        return false;
    };
    if there.is_run() && !(for_run && resumed.is_run()) {
        return false; // a run is more than a model
    }
    let state = |loaded: &Loaded| block_on(checkpoint::state(&loaded.model)).ok();
    is_same(path, from) || (there.step == resumed.step && state(&there) == state(resumed))
}

fn sheet_name(step: usize) -> String {
    format!("step_{step:06}.png")
}

/// Training under way.
struct Run<'a> {
    options: &'a Train,
    voice: &'a Reporter,
    bar: ProgressBar,
    session: Session,
    exam: Option<LabelledSet>,
    log: Option<Log>,
    /// To be taken in all.
    steps: usize,
    saved_at: Instant,
    /// What failed beside training: how often, and what it said first.
    troubles: BTreeMap<&'static str, (usize, String)>,
}

/// Why training ended.
enum Ended {
    /// All steps were taken.
    Whole,
    /// A signal came; its exit code.
    Stopped(u8),
    Failed(anyhow::Error),
}

/// Starts the progress bar at `step`; its ETA is estimated from the steps that follow.
fn begin_at(bar: &ProgressBar, step: u64) {
    bar.set_position(step);
    bar.reset_eta();
}

impl Run<'_> {
    /// What is to be done before the first step: is there room for all, and the first preview.
    fn prepare(&mut self) -> anyhow::Result<()> {
        let start = self.session.steps_taken();
        begin_at(&self.bar, start as u64);
        let left = self.steps.saturating_sub(start) as u64;
        let parameters = self.session.model().num_params() as u64;
        // The new file and the old one.
        let mut needs = vec![(folder_of(&self.options.out), 2 * 4 * parameters)];
        if let Some(run) = &self.options.run {
            needs.push((folder_of(run), 2 * 12 * parameters));
        }
        if let Some(log) = &self.options.log {
            needs.push((folder_of(log), left.saturating_mul(LOG_LINE)));
        }
        if let Some(folder) = &self.options.preview {
            let sheet = self.sheet()?;
            let count = left / u64::from(self.options.preview_every) + 2;
            needs.push((folder.clone(), count.saturating_mul(sheet.len() as u64)));
            check_room(&needs)?;
            let path = folder.join(sheet_name(start));
            if self.options.resume.is_none() || !path.exists() {
                write(&path, &sheet)?;
            }
            return Ok(());
        }
        check_room(&needs)
    }

    fn go(&mut self, signals: &Signals) -> Ended {
        while self.session.steps_taken() < self.steps {
            if let Some(code) = signals.exit_code() {
                return Ended::Stopped(code);
            }
            if let Err(error) = guarded(|| self.step()) {
                return Ended::Failed(error);
            }
        }
        Ended::Whole
    }

    fn step(&mut self) -> anyhow::Result<()> {
        let mut reports = block_on(self.session.step())?;
        let step = self.session.steps_taken();
        let last = step >= self.steps;
        let due = |every: u32| last || step.is_multiple_of(every as usize);
        let (look, score) = (
            due(self.options.preview_every) && self.options.preview.is_some(),
            due(self.options.eval_every) && self.exam.is_some(),
        );
        if last || look || score {
            reports.extend(block_on(self.session.settle())?);
        }
        self.bar.set_position(step as u64);
        let score = if score {
            self.attempt("score", |run| run.score(step))
        } else {
            None
        };
        self.report(&reports, score.flatten());
        if look {
            self.attempt("preview", |run| run.preview(step));
        }
        if self.saved_at.elapsed() >= Duration::from_secs(self.options.save_every) && !last {
            self.autosave()?;
        }
        Ok(())
    }

    fn score(&mut self, step: usize) -> anyhow::Result<Option<Score>> {
        let Some(exam) = &self.exam else {
            return Ok(None);
        };
        self.session.pause();
        let score = exam.score(&block_on(self.session.detect(&exam.pictures))?)?;
        let Score {
            error, baseline, ..
        } = score;
        self.voice.say(
            &self.bar,
            &format!("step {step}: error {error:.4}, baseline {baseline:.4}"),
        );
        Ok(Some(score))
    }

    /// Tells steps; the score belongs to the last of them.
    fn report(&mut self, reports: &[StepReport], score: Option<Score>) {
        for (i, report) in reports.iter().enumerate() {
            self.bar.set_message(format!("loss {:.4}", report.loss));
            let mut line = json!({"type": "step", "step": report.step, "loss": report.loss, "seconds": report.elapsed_seconds});
            if let (true, Some(score)) = (i + 1 == reports.len(), &score) {
                line["error"] = score.error.into();
                line["baseline"] = score.baseline.into();
            }
            if self.voice.json {
                self.voice.line(&line);
            }
            self.attempt("line of the log", |run| {
                run.log.as_mut().map_or(Ok(()), |log| log.line(&line))
            });
        }
    }

    fn sheet(&mut self) -> anyhow::Result<Vec<u8>> {
        self.session.pause();
        Ok(preview::png(&block_on(self.session.views())?)?)
    }

    fn preview(&mut self, step: usize) -> anyhow::Result<()> {
        let Some(folder) = &self.options.preview else {
            return Ok(());
        };
        let sheet = self.sheet()?;
        write(&folder.join(sheet_name(step)), &sheet)
    }

    /// Saves the run, or the model where no run is asked for, so that a power cut costs little.
    ///
    /// # Errors
    /// The run is no longer sound; it has gone back to where it was.
    fn autosave(&mut self) -> anyhow::Result<()> {
        self.session.pause();
        self.saved_at = Instant::now();
        let reports = block_on(self.session.settle())?;
        self.report(&reports, None);
        let bytes = match &self.options.run {
            Some(_) => block_on(self.session.save_run())?,
            None => block_on(self.session.save(Precision::Float32))?,
        };
        let path = self.options.run.as_ref().unwrap_or(&self.options.out);
        let step = self.session.steps_taken();
        let kept = self.attempt("autosave", |run| run.place(path, &bytes));
        if let (true, Some(path)) = (self.voice.json, kept) {
            let path = path.to_string_lossy();
            self.voice
                .line(&json!({"type": "kept", "file": path, "steps": step}));
        }
        Ok(())
    }

    /// Writes a model or run, beside its place where that holds one of more steps by now; returns where.
    fn place(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let step = self.session.steps_taken();
        let there = fs::File::open(path)
            .ok()
            .and_then(|file| checkpoint::steps_of(file).ok());
        let mut path = path.to_path_buf();
        if !self.options.force && there.is_some_and(|there| there > step) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{stem}-{step}-steps.safetensors");
            path = path.with_file_name(name);
        }
        write(&path, bytes)?;
        Ok(path)
    }

    /// What is no part of training may fail: it is told once, and training goes on.
    fn attempt<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> Option<T> {
        match guarded(|| work(self)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.trouble(what, &format!("{error:#}"));
                None
            }
        }
    }

    /// Counts what failed; the first time it is told.
    fn trouble(&mut self, what: &'static str, error: &str) {
        let (count, _) = (self.troubles.entry(what)).or_insert_with(|| (0, error.to_string()));
        *count += 1;
        if *count == 1 {
            let sentence = format!("A {what} failed: {}.", without_stop(error));
            self.voice.say(&self.bar, &sentence);
            if self.voice.json {
                let line = json!({"type": "trouble", "message": sentence});
                self.voice.line(&line);
            }
        }
    }

    /// Saves what was learned, and tells how it went.
    fn finish(mut self, ended: Ended) -> anyhow::Result<ExitCode> {
        self.bar.finish_and_clear();
        let (mut failure, code) = match ended {
            Ended::Whole => (None, None),
            Ended::Stopped(code) => (None, Some(code)),
            Ended::Failed(error) => (Some(error), None),
        };
        match guarded(|| Ok(block_on(self.session.settle())?)) {
            Ok(reports) => self.report(&reports, None),
            Err(error) => failure = failure.or(Some(error)),
        }
        let mut saved = guarded(|| self.save());
        if let Err(error) = saved {
            // Not sound; the run has gone back to where it was.
            let is_unsound = kind_of(&error) == Some(ErrorKind::Training);
            failure = failure.or(Some(error));
            saved = if is_unsound {
                guarded(|| self.save())
            } else {
                Err(anyhow!("It could not be saved."))
            };
        }
        let step = self.session.steps_taken();
        match saved {
            Ok(path) => {
                let what = if step < self.steps {
                    "Stopped, and saved"
                } else {
                    "Saved"
                };
                self.voice.say(
                    &self.bar,
                    &format!("{what} {} after {step} steps.", path.display()),
                );
                if self.voice.json {
                    self.voice.line(
                        &json!({"type": "saved", "model": path.to_string_lossy(), "steps": step}),
                    );
                }
            }
            Err(error) => {
                let error = failure.unwrap_or(error);
                return Err(error.context("What was learned since the last save is lost"));
            }
        }
        match (failure, code) {
            (Some(error), _) => Err(error),
            (None, Some(code)) => Ok(ExitCode::from(code)),
            (None, None) if self.troubles.is_empty() => Ok(ExitCode::SUCCESS),
            (None, None) => {
                let told = (self.troubles.iter()).map(|(what, (count, first))| {
                    format!(
                        "{count} time{}, a {what} ({})",
                        if *count == 1 { "" } else { "s" },
                        without_stop(first)
                    )
                });
                let told: Vec<String> = told.collect();
                bail!(
                    "The model is saved, but this failed on the way: {}.",
                    told.join("; ")
                )
            }
        }
    }

    /// Saves model and run; returns where the model is.
    fn save(&mut self) -> anyhow::Result<PathBuf> {
        let model = block_on(self.session.save(Precision::Float32))?;
        let run = match &self.options.run {
            Some(path) if self.session.steps_taken() > 0 => {
                Some((path, block_on(self.session.save_run())?))
            }
            _ => None,
        };
        if let Some((path, bytes)) = run {
            self.place_somewhere(path, &bytes)?;
        }
        self.place_somewhere(&self.options.out, &model)
    }

    /// Writes what must not be lost: where it belongs or, if that fails, here or among the temporary files.
    fn place_somewhere(&mut self, path: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let error = match self.place(path, bytes) {
            Ok(path) => return Ok(path),
            Err(error) => error,
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}-rescued-{}.safetensors", std::process::id());
        let folders = [PathBuf::from("."), std::env::temp_dir()];
        let rescued = (folders.iter())
            .map(|folder| folder.join(&name))
            .find(|path| write(path, bytes).is_ok());
        let Some(rescued) = rescued else {
            return Err(error);
        };
        let told = format!("{error:#}; it is in {} instead", rescued.display());
        self.trouble("save", &told);
        Ok(rescued)
    }
}

fn kind_of(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref().map(autolink::Error::kind)
}

/// Runs something that may panic, as burn does where a device is lost: an error like any other.
fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("it does not say why");
        Err(anyhow!("Something inside AutoLink failed ({said})."))
    })
}

fn without_stop(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

/// The next of the weights that the session needs, out of this program.
fn give_weights(session: &mut Session) {
    let next = session.needs_weights().first();
    if let Some(i) = WEIGHTS_FILES.iter().position(|file| Some(file) == next) {
        session.give_weights(WEIGHTS[i].to_vec());
    }
}

/// The pictures to learn from, and a sentence about them.
fn training_pictures(
    from: &str,
    config: &Config,
    voice: &Reporter,
) -> anyhow::Result<(Dataset, Option<Landmarks>, String)> {
    if let Some(count) = from.strip_prefix("synthetic:") {
        let count = count
            .parse()
            .with_context(|| format!("{from} should be synthetic: and a number"))?;
        Dataset::check_memory(count, config.size)?;
        let puppets = synthetic::puppets(count, config.seed, config.size);
        let (pictures, landmarks) = (puppets.dataset, joints(&puppets.joints));
        pictures.check()?;
        voice.event(&Event::Loaded {
            is_new: true,
            pictures: count,
            read: count,
            about: "Drawn puppets.".into(),
            rejected: Vec::new(),
        });
        return Ok((pictures, Some(landmarks), format!("{count} drawn puppets.")));
    }
    let gathered = Gathered::new(&[from.into()])?;
    let mut pictures = Dataset::new(config.size);
    let rejected = gathered.read_all(config, voice, |picture| {
        Dataset::check_memory(pictures.read_len() + 1, config.size)?;
        pictures.push(picture);
        Ok(())
    })?;
    voice.rejected(&rejected);
    let about = format!("{} pictures from {from}.", pictures.len());
    voice.event(&Event::Loaded {
        is_new: true,
        pictures: pictures.len(),
        read: pictures.len(),
        about: about.clone(),
        rejected,
    });
    pictures.check()?;
    Ok((pictures, None, about))
}

/// The puppets' true joints as landmarks.
fn joints(joints: &[Vec<[f32; 2]>]) -> Landmarks {
    let row = |(i, joints): (usize, &Vec<[f32; 2]>)| {
        let points = joints.iter().map(|point| Some(point.map(f64::from)));
        (format!("puppet-{i}.png"), points.collect())
    };
    Landmarks {
        names: synthetic::JOINT_NAMES.map(str::to_string).to_vec(),
        rows: joints.iter().enumerate().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use std::time::Duration;

    #[test]
    fn eta_counts_from_the_resumed_step() {
        let bar = ProgressBar::hidden();
        bar.set_length(1000);
        begin_at(&bar, 900);
        for step in 901..=905 {
            sleep(Duration::from_millis(20));
            bar.set_position(step);
        }
        // Five steps took 0.1 s at least, so the 95 left take 1.9 s or more.
        let to_go = bar.eta();
        assert!(to_go > Duration::from_secs(1), "{to_go:?}");
    }
}
