//! Training time and speed.

use std::collections::VecDeque;

use web_time::{Duration, Instant};

/// Measures the time spent on training, and the speed over the last few readings.
#[derive(Default)]
pub(super) struct Clock {
    elapsed: Duration,
    /// When the last readings were taken, and how many steps each covers; empty while paused.
    ticks: VecDeque<(Instant, usize)>,
}

impl Clock {
    /// Number of readings that the speed is averaged over.
    const RECENT: usize = 8;

    /// Starts the clock, unless it runs.
    pub(super) fn start(&mut self) {
        if self.ticks.is_empty() {
            self.ticks.push_back((Instant::now(), 0));
        }
    }

    /// Stops the clock: time until the next start is not training time.
    pub(super) fn stop(&mut self) {
        self.elapsed += self.since_tick();
        self.ticks.clear();
    }

    /// Records that `steps` steps ended now.
    pub(super) fn tick(&mut self, steps: usize) {
        self.elapsed += self.since_tick();
        self.ticks.push_back((Instant::now(), steps));
        if self.ticks.len() > Self::RECENT + 1 {
            self.ticks.pop_front();
        }
    }

    /// Returns the time since the last reading.
    pub(super) fn since_tick(&self) -> Duration {
        self.ticks
            .back()
            .map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }

    /// Returns the training time up to the last reading, s.
    pub(super) fn elapsed_seconds(&self) -> f32 {
        self.elapsed.as_secs_f32()
    }

    /// Returns the speed over the last few readings.
    pub(super) fn steps_per_second(&self) -> f32 {
        let (Some((first, _)), Some((last, _))) = (self.ticks.front(), self.ticks.back()) else {
            return 0.0;
        };
        let steps: usize = self.ticks.iter().skip(1).map(|(_, steps)| steps).sum();
        steps as f32 / last.duration_since(*first).as_secs_f32().max(1e-6)
    }
}
