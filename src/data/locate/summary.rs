//! What was found in the frames of a camera, as a sentence.

use super::sighting::Seen;
use super::track::{Place, Track};
use crate::words::counted;

/// Why images are located; the sentence about the result depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Frames that may teach the wrong thing are left out.
    Training,
    /// All frames count.
    Detection,
}

/// The frames of a source in which not exactly one thing is found, or not its head.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Number of frames.
    pub frames: usize,
    /// Frames in which nothing moves.
    pub nothing: usize,
    /// Frames in which two things move, or more.
    pub several: usize,
    /// Frames that show one thing, whose head may be at either end.
    pub uncertain: usize,
    /// Side of the crops, px of the frame.
    pub side_px: f64,
    /// True if the crops are turned so that the head is up.
    pub is_turned: bool,
}

impl Summary {
    /// Counts the frames of a track.
    pub fn new(track: &Track) -> Self {
        let count = |is: &dyn Fn(&Place) -> bool| track.places.iter().filter(|p| is(p)).count();
        Self {
            frames: track.places.len(),
            nothing: count(&|place| place.seen == Seen::Nothing),
            several: count(&|place| place.seen == Seen::Several),
            uncertain: count(&|place| place.seen == Seen::One && !place.is_head_certain),
            side_px: track.side_px,
            is_turned: track.is_turned,
        }
    }

    /// Tells what was found: "Found the animal in walk.mp4: ...". `noun` names one of the source's frames.
    pub fn sentence(&self, name: &str, noun: &str, purpose: Purpose) -> String {
        let turned = match self.is_turned {
            true => ", turned so that the head is up",
            false => ", not turned",
        };
        let mut sentence = format!(
            "Found the animal in {name}: the model sees crops of {:.0} px around it{turned}.",
            self.side_px
        );
        let parts = [
            (self.nothing, "nothing that moves"),
            (self.several, "two things or more that move"),
            (self.uncertain, "an animal whose head may be at either end"),
        ];
        let parts: Vec<String> = (parts.iter())
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| match count {
                1 => format!("1 shows {what}"),
                _ => format!("{count} show {what}"),
            })
            .collect();
        let all = counted(self.frames, noun);
        sentence += &match (parts.is_empty(), purpose) {
            (true, Purpose::Training) => format!(" All {all} can be used."),
            (true, Purpose::Detection) => String::new(),
            (false, Purpose::Training) => {
                let left_out = self.nothing + self.several + self.uncertain;
                format!(" {left_out} of {all} left out: {}.", parts.join("; "))
            }
            (false, Purpose::Detection) => {
                format!(" Check these keypoints: of {all}, {}.", parts.join("; "))
            }
        };
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_what_is_left_out_and_why() {
        let mut summary = Summary {
            frames: 90,
            nothing: 1,
            several: 0,
            uncertain: 3,
            side_px: 220.6,
            is_turned: true,
        };
        assert_eq!(
            summary.sentence("walk.mp4", "frame", Purpose::Training),
            "Found the animal in walk.mp4: the model sees crops of 221 px around it, turned so that the head is up. 4 of 90 frames left \
             out: 1 shows nothing that moves; 3 show an animal whose head may be at either end."
        );
        assert!(
            summary
                .sentence("walk.mp4", "frame", Purpose::Detection)
                .ends_with("Check these keypoints: of 90 frames, 1 shows nothing that moves; 3 show an animal whose head may be at either end.")
        );
        (summary.nothing, summary.uncertain, summary.is_turned) = (0, 0, false);
        let sentence = summary.sentence("mice", "image", Purpose::Training);
        assert!(sentence.ends_with("around it, not turned. All 90 images can be used."));
    }
}
