//! The training history: snapshots of a run at earlier steps.

/// The P preview images as the model saw them after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Steps taken when it was made.
    pub step: usize,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[K][K]`, symmetric, zero diagonal.
    pub edge_weights: Vec<Vec<f32>>,
    /// Reconstructions in RGB, `[P,S,S,3]`.
    pub reconstruction: Vec<u8>,
}

/// Snapshots at log-spaced steps: each comes a quarter of an octave after the one before, or later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshots(Vec<Snapshot>);

impl Snapshots {
    /// The least factor between the steps of two snapshots.
    const SPACING: f64 = 1.189_207_115_002_721; // 2^(1/4)

    /// Sorts the snapshots of a file by their steps. See `tests/session.rs`.
    pub fn new(mut snapshots: Vec<Snapshot>) -> Self {
        snapshots.sort_by_key(|snapshot| snapshot.step);
        Self(snapshots)
    }

    /// All snapshots, by step. See this file's tests.
    pub fn all(&self) -> &[Snapshot] {
        &self.0
    }

    /// Returns true if a snapshot of `step` would be kept. See this file's tests.
    pub fn is_due(&self, step: usize) -> bool {
        self.0.last().is_none_or(|last| {
            let next = (last.step as f64 * Self::SPACING).ceil() as usize;
            step >= next.max(last.step + 1)
        })
    }

    /// Keeps a snapshot if one is due and all its keypoints and edge weights are finite. See this file's tests.
    pub fn push(&mut self, snapshot: Snapshot) {
        let points = snapshot.keypoints.iter().flatten().flatten();
        let mut values = points.chain(snapshot.edge_weights.iter().flatten());
        if self.is_due(snapshot.step) && values.all(|value| value.is_finite()) {
            self.0.push(snapshot);
        }
    }

    /// Removes the snapshots of later steps. See this file's tests.
    pub fn back_to(&mut self, step: usize) {
        self.0.retain(|snapshot| snapshot.step <= step);
    }

    /// Removes all snapshots.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_keeps_log_spaced_steps() {
        let mut snapshots = Snapshots::default();
        for step in 0..=1024 {
            snapshots.push(Snapshot {
                step,
                keypoints: Vec::new(),
                edge_weights: Vec::new(),
                reconstruction: Vec::new(),
            });
        }
        let steps: Vec<usize> = snapshots.all().iter().map(|s| s.step).collect();
        assert_eq!(steps[..10], [0, 1, 2, 3, 4, 5, 6, 8, 10, 12]);
        assert!(steps.len() < 40, "{steps:?}");
        for pair in steps[8..].windows(2) {
            let factor = pair[1] as f64 / pair[0] as f64;
            assert!((1.18..=1.26).contains(&factor), "{pair:?}");
        }
    }

    #[test]
    fn push_rejects_snapshots_that_are_not_finite() {
        let at = |step, x: f32| Snapshot {
            step,
            keypoints: vec![vec![[0.5, x]]],
            edge_weights: vec![vec![x]],
            reconstruction: Vec::new(),
        };
        let mut snapshots = Snapshots::default();
        [(1, 0.5), (2, f32::NAN), (3, f32::INFINITY), (4, 0.5)]
            .into_iter()
            .for_each(|(step, x)| snapshots.push(at(step, x)));
        let steps = |snapshots: &Snapshots| -> Vec<usize> {
            snapshots
                .all()
                .iter()
                .map(|snapshot| snapshot.step)
                .collect()
        };
        assert_eq!(steps(&snapshots), [1, 4]);
        snapshots.back_to(3);
        assert_eq!(steps(&snapshots), [1]);
    }
}
