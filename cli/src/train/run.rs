//! A run in training: takes its steps, reports and logs them, and writes its files to the disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail};
use autolink::checkpoint::Precision;
use autolink::error::ErrorKind;
use autolink::eval::Score;
use autolink::session::{Session, StepReport, preview};
use autolink::words::counted;
use burn::module::Module;
use indicatif::ProgressBar;
use pollster::block_on;
use serde_json::json;

use crate::args::Train;
use crate::labelled::LabelledSet;
use crate::log::Log;
use crate::output::{Reporter, message};
use crate::save::{check_room, folder_of, write};
use crate::signals::Signals;

/// Largest size of a line of the log, bytes.
const LOG_LINE: u64 = 160;

fn preview_name(step: usize) -> String {
    format!("step_{step:06}.png")
}

/// Returns the step of the last preview in a folder.
pub(super) fn last_preview(folder: &Path) -> anyhow::Result<Option<usize>> {
    let step = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let digits = name.to_str()?.strip_prefix("step_")?.strip_suffix(".png")?;
        let step = digits.parse::<usize>().ok()?;
        entry.metadata().ok()?.is_file().then_some(step)
    };
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    Ok(entries.flatten().filter_map(step).max())
}

/// A run in training.
pub(super) struct Run<'a> {
    options: &'a Train,
    reporter: &'a Reporter,
    bar: ProgressBar,
    session: Session,
    labelled: Option<LabelledSet>,
    log: Option<Log>,
    /// Total number of steps.
    steps: usize,
    saved_at: Instant,
    /// The outputs as they were when they were checked, or as this run wrote them last.
    known: HashMap<PathBuf, Option<Stamp>>,
    /// Failures outside of training by kind: their number, and the first error.
    failures: BTreeMap<&'static str, (usize, String)>,
}

/// Identifies a version of a plain file: its length, and the time of its last change.
type Stamp = (u64, Option<SystemTime>);

pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((about.len(), about.modified().ok()))
}

/// Why training ended.
pub(super) enum Ended {
    /// All steps were taken.
    Completed,
    /// A signal arrived; its exit code.
    Stopped(u8),
    /// A step failed.
    Failed(anyhow::Error),
}

/// Starts the progress bar at `step`; its ETA is estimated from the steps that follow.
fn begin_at(bar: &ProgressBar, step: u64) {
    bar.set_position(step);
    bar.reset_eta();
}

impl<'a> Run<'a> {
    /// Makes a run of a session that is ready for its next step; `known` holds the outputs as they were when they were checked.
    pub(super) fn new(
        options: &'a Train,
        reporter: &'a Reporter,
        session: Session,
        labelled: Option<LabelledSet>,
        steps: usize,
        known: HashMap<PathBuf, Option<Stamp>>,
    ) -> Self {
        Self {
            bar: reporter.bar(
                steps,
                "{bar:32} {pos}/{len} steps, {elapsed} elapsed, {eta} left, {msg}",
            ),
            log: (options.log.as_deref()).map(|path| Log::new(path, options.resume.is_some())),
            options,
            reporter,
            session,
            labelled,
            steps,
            saved_at: Instant::now(),
            known,
            failures: BTreeMap::new(),
        }
    }

    /// Checks that there is room for all outputs, and writes the first preview.
    ///
    /// # Errors
    /// A disk has too little room, or the preview cannot be made.
    pub(super) fn prepare(&mut self) -> anyhow::Result<()> {
        let start = self.session.steps_taken();
        begin_at(&self.bar, start as u64);
        let left = self.steps.saturating_sub(start) as u64;
        let parameters = self.session.model().num_params() as u64;
        // The old file stays until the new one is complete.
        let mut needs = vec![(folder_of(&self.options.out), 2 * 4 * parameters)];
        if let Some(run) = &self.options.run {
            needs.push((folder_of(run), 2 * 12 * parameters));
        }
        if let Some(log) = &self.options.log {
            needs.push((folder_of(log), left.saturating_mul(LOG_LINE)));
        }
        if let Some(folder) = &self.options.preview {
            let png = self.preview_png()?;
            let count = left / u64::from(self.options.preview_every) + 2;
            needs.push((folder.clone(), count.saturating_mul(png.len() as u64)));
            check_room(&needs)?;
            let path = folder.join(preview_name(start));
            if self.options.resume.is_none() || !path.exists() {
                write(&path, &png)?;
            }
            return Ok(());
        }
        check_room(&needs)
    }

    /// Takes all steps, unless a signal arrives or a step fails.
    pub(super) fn train(&mut self, signals: &Signals) -> Ended {
        while self.session.steps_taken() < self.steps {
            if let Some(code) = signals.exit_code() {
                return Ended::Stopped(code);
            }
            if let Err(error) = guarded(|| self.step()) {
                return Ended::Failed(error);
            }
        }
        Ended::Completed
    }

    fn step(&mut self) -> anyhow::Result<()> {
        let mut reports = block_on(self.session.step())?;
        let step = self.session.steps_taken();
        let last = step >= self.steps;
        let due = |every: u32| last || step.is_multiple_of(every as usize);
        let (preview, score) = (
            due(self.options.preview_every) && self.options.preview.is_some(),
            due(self.options.eval_every) && self.labelled.is_some(),
        );
        if last || preview || score {
            reports.extend(block_on(self.session.read_losses())?);
        }
        self.bar.set_position(step as u64);
        let score = if score {
            self.attempt("evaluation", |run| run.score(step))
        } else {
            None
        };
        self.report(&reports, score.flatten());
        if preview {
            self.attempt("preview", |run| run.preview(step));
        }
        if self.saved_at.elapsed() >= Duration::from_secs(self.options.save_every) && !last {
            self.autosave()?;
        }
        Ok(())
    }

    fn score(&mut self, step: usize) -> anyhow::Result<Option<Score>> {
        let Some(labelled) = &self.labelled else {
            return Ok(None);
        };
        self.session.pause();
        let score = labelled.score(&block_on(self.session.detect(&labelled.images))?)?;
        let Score {
            error, baseline, ..
        } = score;
        self.reporter.print(
            &self.bar,
            &format!("step {step}: error {error:.4}, baseline {baseline:.4}"),
        );
        Ok(Some(score))
    }

    /// Reports steps; the score belongs to the last of them.
    fn report(&mut self, reports: &[StepReport], score: Option<Score>) {
        for (i, report) in reports.iter().enumerate() {
            self.bar.set_message(format!("loss {:.4}", report.loss));
            let mut line = json!({"type": "step", "step": report.step, "loss": report.loss, "seconds": report.elapsed_seconds});
            if let (true, Some(score)) = (i + 1 == reports.len(), &score) {
                line["error"] = score.error.into();
                line["baseline"] = score.baseline.into();
            }
            if self.reporter.json {
                self.reporter.line(&line);
            }
            self.attempt("log", |run| {
                run.log.as_mut().map_or(Ok(()), |log| log.line(&line))
            });
        }
    }

    fn preview_png(&mut self) -> anyhow::Result<Vec<u8>> {
        self.session.pause();
        Ok(preview::png(&block_on(self.session.views())?)?)
    }

    fn preview(&mut self, step: usize) -> anyhow::Result<()> {
        let Some(folder) = &self.options.preview else {
            return Ok(());
        };
        let png = self.preview_png()?;
        write(&folder.join(preview_name(step)), &png)
    }

    /// Saves the run or, without `--run`, the model, so that a crash loses little.
    ///
    /// # Errors
    /// The state is no longer finite; the session has gone back to its last finite state.
    fn autosave(&mut self) -> anyhow::Result<()> {
        self.session.pause();
        self.saved_at = Instant::now();
        let reports = block_on(self.session.read_losses())?;
        self.report(&reports, None);
        let bytes = match &self.options.run {
            Some(_) => block_on(self.session.save_run())?,
            None => block_on(self.session.save(Precision::Float32))?,
        };
        let path = self.options.run.as_ref().unwrap_or(&self.options.out);
        let step = self.session.steps_taken();
        let saved = self.attempt("autosave", |run| run.place(path, &bytes));
        if let (true, Some(path)) = (self.reporter.json, saved) {
            let path = path.to_string_lossy();
            self.reporter
                .line(&json!({"type": "autosaved", "file": path, "steps": step}));
        }
        Ok(())
    }

    /// Writes a model or run and returns its path: the one that was asked for or, if another program has put a file there since, a new
    /// name in its folder.
    fn place(&mut self, wanted: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let step = self.session.steps_taken();
        let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
        let others = (1..).map(|number| match number {
            1 => format!("{stem}-{step}-steps.safetensors"),
            _ => format!("{stem}-{step}-steps-{number}.safetensors"),
        });
        let others = others.map(|name| wanted.with_file_name(name));
        let is_ours = |path: &PathBuf| {
            let now = stamp(path);
            self.options.force || now.is_none() || self.known.get(path) == Some(&now)
        };
        let mut paths = std::iter::once(wanted.to_path_buf()).chain(others);
        let path = paths.find(is_ours).context("no free name")?;
        write(&path, bytes)?;
        self.known.insert(path.clone(), stamp(&path));
        Ok(path)
    }

    /// Runs work that is not part of training. If it fails, training continues, and the first failure of each kind is reported.
    fn attempt<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> Option<T> {
        match guarded(|| work(self)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report_failure(what, &message(&error));
                None
            }
        }
    }

    /// Counts a failure, and reports the first one of its kind.
    fn report_failure(&mut self, what: &'static str, error: &str) {
        let (count, _) = (self.failures.entry(what)).or_insert_with(|| (0, error.to_string()));
        *count += 1;
        if *count == 1 {
            let sentence = format!("The {what} failed: {}.", without_stop(error));
            self.reporter.print(&self.bar, &sentence);
            if self.reporter.json {
                let line = json!({"type": "warning", "message": sentence});
                self.reporter.line(&line);
            }
        }
    }

    /// Saves, and reports how training ended.
    ///
    /// # Errors
    /// Training failed, or something was not saved.
    pub(super) fn finish(mut self, ended: Ended) -> anyhow::Result<ExitCode> {
        self.bar.finish_and_clear();
        let (mut failure, code) = match ended {
            Ended::Completed => (None, None),
            Ended::Stopped(code) => (None, Some(code)),
            Ended::Failed(error) => (Some(error), None),
        };
        match guarded(|| Ok(block_on(self.session.read_losses())?)) {
            Ok(reports) => self.report(&reports, None),
            Err(error) => failure = failure.or(Some(error)),
        }
        let mut saved = guarded(|| self.save());
        if let Err(error) = saved {
            // The session has gone back to its last finite state.
            let is_diverged = kind_of(&error) == Some(ErrorKind::Training);
            failure = failure.or(Some(error));
            saved = if is_diverged {
                guarded(|| self.save())
            } else {
                Err(anyhow!("The model could not be saved."))
            };
        }
        let step = self.session.steps_taken();
        match saved {
            Ok(path) => {
                let what = if step < self.steps {
                    "Stopped and saved"
                } else {
                    "Saved"
                };
                self.reporter.print(
                    &self.bar,
                    &format!("{what} {} after {}.", path.display(), counted(step, "step")),
                );
                if self.reporter.json {
                    self.reporter.line(
                        &json!({"type": "saved", "model": path.to_string_lossy(), "steps": step}),
                    );
                }
            }
            Err(error) => {
                let error = failure.unwrap_or(error);
                return Err(error.context("Everything since the last save is lost"));
            }
        }
        match (failure, code) {
            (Some(error), _) => Err(error),
            (None, Some(code)) => Ok(ExitCode::from(code)),
            (None, None) if self.failures.is_empty() => Ok(ExitCode::SUCCESS),
            (None, None) => {
                let failures = (self.failures.iter()).map(|(what, (count, first))| {
                    format!(
                        "the {what} {} ({})",
                        counted(*count, "time"),
                        without_stop(first)
                    )
                });
                let failures: Vec<String> = failures.collect();
                bail!(
                    "The model is saved, but this failed during training: {}.",
                    failures.join("; ")
                )
            }
        }
    }

    /// Saves the model and the run; returns the path of the model.
    fn save(&mut self) -> anyhow::Result<PathBuf> {
        let model = block_on(self.session.save(Precision::Float32))?;
        let run = match &self.options.run {
            Some(path) if self.session.steps_taken() > 0 => {
                Some((path, block_on(self.session.save_run())?))
            }
            _ => None,
        };
        if let Some((path, bytes)) = run {
            self.place_or_rescue(path, &bytes)?;
        }
        self.place_or_rescue(&self.options.out, &model)
    }

    /// Writes a file that must not be lost: to its path or, if that fails, into the current folder or the one for temporary files.
    fn place_or_rescue(&mut self, path: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
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
        let sentence = format!(
            "{}; it was saved to {} instead",
            message(&error),
            rescued.display()
        );
        self.report_failure("save", &sentence);
        Ok(rescued)
    }
}

fn kind_of(error: &anyhow::Error) -> Option<ErrorKind> {
    error.downcast_ref().map(autolink::Error::kind)
}

/// Runs work that may panic, as Burn does when a device is lost, and returns a panic as an error.
fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref::<&str>().copied());
        let message = message.unwrap_or("no message");
        Err(anyhow!("AutoLink failed internally ({message})."))
    })
}

fn without_stop(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
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
