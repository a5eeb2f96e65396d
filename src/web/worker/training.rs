//! Training between messages, and what is shown of it.

use wasm_bindgen_futures::spawn_local;
use web_time::{Duration, Instant};

use super::loading::ImageSource;
use super::messages::{Progress, fail, post, post_steps};
use super::{Engine, Incoming};
use crate::data::synthetic;
use crate::error::{Error, Result};
use crate::session::{Event, SnapshotView};
use crate::web::fetch;

/// The fewest and the most images on which keypoints are scored.
const FEWEST_SCORED: usize = 96;
const MOST_SCORED: usize = 200;
/// Inverse of the fraction of time that scoring may take, and of that for the held-out loss.
const INVERSE_SHARE: u32 = 20;

/// Training that the page asked for.
#[derive(Clone, Copy)]
pub(super) struct Task {
    /// The command to answer when it ends.
    pub(super) id: u32,
    /// Steps to go; none: until paused.
    pub(super) steps_left: Option<u32>,
    /// Slow motion: time from step to step.
    pub(super) every: Option<Duration>,
    /// Slow motion: start of the next step.
    pub(super) next: Option<Instant>,
}

impl Task {
    /// Returns true if slow motion still delays the next step.
    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some_and(|next| Instant::now() < next)
    }
}

impl Engine {
    /// Takes one step and reports it.
    pub(super) async fn train(&mut self) {
        if let Err(error) = self.try_train().await {
            self.abort_training(&error);
            if let Error::Training(_) = error {
                // Shows the state that the run went back to. A failure here was reported already.
                let _ = self.post_views().await;
            }
        }
    }

    async fn try_train(&mut self) -> Result<()> {
        if let Some(file) = self.session()?.needs_weights().first() {
            return self.wait_for_weights(file).await;
        }
        let start = Instant::now();
        let session = self.session()?;
        post_steps(session.step().await?);
        let step = session.steps_taken();
        if let Some(Task {
            steps_left: Some(left),
            ..
        }) = &mut self.task
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return self.stop().await;
            }
        }
        if let Some(Task {
            every: Some(every),
            next,
            ..
        }) = &mut self.task
        {
            *next = Some(start + *every);
            let session = self.session()?;
            post_steps(session.read_losses().await?);
            session.pause(); // waiting is not training
            self.post_views().await?;
        } else if self.schedule.is_due(step) {
            self.post_views().await?;
        }
        self.post_held_out().await
    }

    /// Ends training after the current step: reports everything, then answers its command.
    pub(super) async fn stop(&mut self) -> Result<()> {
        if self.task.is_some() {
            post_steps(self.session()?.read_losses().await?);
            self.post_views().await?;
            self.end_task();
        }
        Ok(())
    }

    /// Ends training because of an error.
    pub(super) fn abort_training(&mut self, error: &Error) {
        let id = self.task.take().map(|task| task.id);
        if let Some(session) = &mut self.session {
            session.pause();
            // Damaged weights are downloaded again.
            if let Error::Weights(_) = error {
                tracing::warn!("the VGG16 weights are fetched again: {error}");
                session.clear_weights();
            }
        }
        self.post_state(self.phase());
        fail(id, error);
    }

    /// Ends training and answers its command.
    pub(super) fn end_task(&mut self) {
        if let Some(task) = self.task.take() {
            if let Some(session) = &mut self.session {
                session.pause();
            }
            self.post_state(self.phase());
            post(&Event::Done { id: task.id });
        }
    }

    /// Downloads a file of weights, and waits until it or a message arrives.
    async fn wait_for_weights(&mut self, file: &str) -> Result<()> {
        self.fetch_weights(file);
        if let Ok(incoming) = self.inbox.recv().await {
            self.accept(incoming);
        }
        Ok(())
    }

    /// Downloads a file of weights in the background, unless one is on its way.
    pub(super) fn fetch_weights(&mut self, file: &str) {
        if !self.is_loading_weights {
            self.is_loading_weights = true;
            let (url, outbox) = (format!("{}{file}", self.weights_url), self.outbox.clone());
            spawn_local(async move {
                let mut progress = Progress::in_bytes("Loading VGG16 weights");
                let bytes = fetch::weights(&url, |done, total| progress.report(done, total)).await;
                let _ = outbox.unbounded_send(Incoming::Weights(bytes));
            });
        }
    }

    /// Sends views of the preview images, if there are any, with a new snapshot and score where they are due.
    pub(super) async fn post_views(&mut self) -> Result<()> {
        let start = Instant::now();
        if let Some(session) = self
            .session
            .as_mut()
            .filter(|session| session.images().check().is_ok())
        {
            let count = session.snapshots().all().len();
            let views = session.views().await?;
            post(&Event::Views(views));
            let snapshot = session.snapshots().all().get(count);
            if let Some(snapshot) = snapshot {
                post(&Event::Snapshot(SnapshotView::from(snapshot)));
            }
            self.post_stages().await?;
            self.schedule.record(start);
            self.post_score().await?;
        }
        Ok(())
    }

    /// Sends the stages of the preview image that the page inspects, if there is one.
    pub(super) async fn post_stages(&self) -> Result<()> {
        if let (Some(session), Some(edits)) = (&self.session, &self.edits)
            && session.images().check().is_ok()
        {
            post(&Event::Inspected(session.inspect(edits).await?));
        }
        Ok(())
    }

    /// Scores the keypoints against the joints of puppets or the landmarks of hands, where all images are such, and scoring is fast enough.
    async fn post_score(&mut self) -> Result<()> {
        let (Some(session), [(source, _)]) = (&self.session, &self.sources[..]) else {
            return Ok(());
        };
        let images = session.images();
        if !is_affordable(self.last_score)
            || images.len() < FEWEST_SCORED
            || session.steps_taken() == 0
        {
            return Ok(());
        }
        let start = Instant::now();
        // Landmarks are fractions, the same at any size.
        let landmarks: Vec<_> = match source {
            ImageSource::Puppets { seed, .. } => (0..images.len().min(MOST_SCORED))
                .map(|index| synthetic::puppet(images.place(index), *seed, 16).1)
                .collect(),
            ImageSource::Hands { landmarks, .. } if !landmarks.is_empty() => {
                (0..images.len().min(MOST_SCORED))
                    .map(|index| landmarks[images.place(index)].clone())
                    .collect()
            }
            _ => return Ok(()),
        };
        let score = session.score(&landmarks).await?;
        self.last_score = Some((Instant::now(), start.elapsed()));
        post(&Event::Scored {
            step: session.steps_taken(),
            error: score.error,
            baseline: score.baseline,
        });
        Ok(())
    }

    /// Computes a slice of the held-out loss where that is fast enough, and sends the loss once it is known.
    async fn post_held_out(&mut self) -> Result<()> {
        if !is_affordable(self.last_slice) {
            return Ok(());
        }
        let start = Instant::now();
        if let Some((step, loss)) = self.session()?.evaluate_slice().await? {
            post(&Event::HeldOut { step, loss });
        }
        self.last_slice = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}

/// Returns true if something may be done again that was last done at a time and took so long, by [`INVERSE_SHARE`].
fn is_affordable(last: Option<(Instant, Duration)>) -> bool {
    last.is_none_or(|(at, cost)| at.elapsed() >= cost * INVERSE_SHARE)
}
