//! The last sound state of a run: where it goes back to when its numbers are none any longer.

use web_time::{Duration, Instant};

use super::Session;
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::train::TrainState;

/// A run is looked at after so many steps: on the GPU that waits for it, and takes a launch for every tensor of the model.
const EVERY_STEPS: usize = 25;

/// ... or after so long, where steps are slow.
const EVERY: Duration = Duration::from_secs(10);

/// A run all of whose numbers are finite.
pub(super) struct Sound {
    pub(super) state: TrainState,
    /// How many losses it has.
    losses: usize,
    at: Instant,
}

impl Sound {
    pub(super) fn new(state: TrainState, losses: usize) -> Self {
        Self {
            state,
            losses,
            at: Instant::now(),
        }
    }
}

impl Session {
    /// Whether it is time to look whether the run is sound.
    pub(super) fn is_check_due(&self) -> bool {
        self.sound.as_ref().is_none_or(|sound| {
            let steps = self.steps_taken().saturating_sub(sound.state.step);
            steps >= EVERY_STEPS || sound.at.elapsed() >= EVERY
        })
    }

    /// Looks at every parameter, running statistic and mean of the optimiser. Where one is no number, the run goes back to the last
    /// sound state, with the losses and moments of that time. Every way of saving looks first.
    ///
    /// # Errors
    /// [`Error::Training`] where it went back, saying to which step; a device that does not answer.
    pub async fn check(&mut self) -> Result<()> {
        self.settle().await?;
        let Some(trainer) = &self.trainer else {
            return Ok(()); // what is loaded was looked at
        };
        let state = trainer.train_state();
        match checkpoint::first_non_finite(&state.model, &state.optimizer).await? {
            None => {
                self.sound = Some(Sound::new(state, self.losses.len()));
                Ok(())
            }
            Some(name) => {
                let step = state.step;
                Err(self.go_back(&format!(
                    "The model no longer holds numbers ({name} at step {step})"
                )))
            }
        }
    }

    /// Back to the last sound state.
    pub(super) fn go_back(&mut self, why: &str) -> Error {
        self.unread.clear();
        let Some(sound) = &self.sound else {
            return Error::Training(format!("{why}. Reset, and try a lower learning rate."));
        };
        let step = sound.state.step;
        tracing::info!("{why}: going back to step {step}");
        self.paused = Some(sound.state.clone());
        self.losses.truncate(sound.losses);
        self.trainer = None;
        self.snapshots.back_to(step);
        self.looks.retain(|look| look.step <= step);
        Error::Training(format!(
            "{why}. It is back at step {step}, the last good one, which can be saved. Try a lower learning rate from there."
        ))
    }
}
