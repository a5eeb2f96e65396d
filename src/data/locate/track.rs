//! Sightings over time: one crop per frame, all of one size.

use super::crop::Crop;
use super::heading::{Heading, alone, over_time};
use super::scene::Scene;
use super::sighting::{Seen, Sighting};
use crate::error::{Error, Result};

/// How the frames follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Consecutive frames of a video: places are smoothed, and motion tells the head.
    Video,
    /// Separate images: each stands for itself.
    Separate,
}

/// How a [`Track`] is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackOptions {
    /// How the frames follow one another.
    pub order: Order,
    /// Side of the crop by the body's length (the 95th percentile over the frames), at least 1.
    pub margin: f64,
    /// Turn the crops so that the head is up; none turns them if the axis takes all directions.
    pub turn: Option<bool>,
}

impl TrackOptions {
    /// Returns the default options for this order and margin: turned where the axis takes all directions.
    pub fn new(order: Order, margin: f64) -> TrackOptions {
        TrackOptions {
            order,
            margin,
            turn: None,
        }
    }
}

/// Where the animal is in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Crop around the animal; that of the nearest frame which shows it where this one shows nothing.
    pub crop: Crop,
    /// How many things moved. Frames with other than one are left out of training.
    pub seen: Seen,
    /// Confidence that the crop holds the animal, 0 to 1.
    pub confidence: f64,
    /// False if the head may be at the other end. Always true where crops are not turned.
    pub is_head_certain: bool,
}

impl Place {
    /// Returns true if the frame can be trained on: one thing moved, and its head is certain.
    pub fn is_usable(&self) -> bool {
        self.seen == Seen::One && self.is_head_certain
    }
}

/// Where the animal is in each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Side of all crops, px of the frame.
    pub side_px: f64,
    /// True if the crops are turned so that the head is up.
    pub is_turned: bool,
    /// One place per frame.
    pub places: Vec<Place>,
}

impl Track {
    /// Makes a track of the sightings of all frames, in their order.
    ///
    /// # Errors
    /// [`Error::Images`] if no frame shows exactly one thing that moves.
    pub fn new(scene: &Scene, sightings: &[Sighting], options: TrackOptions) -> Result<Track> {
        let single: Vec<&Sighting> = sightings.iter().filter(|s| s.seen == Seen::One).collect();
        if single.is_empty() {
            return Err(Error::Images(
                "No frame shows exactly one thing that moves. Film one animal at a time, or use whole frames.".into(),
            ));
        }
        let mut lengths: Vec<f64> = single.iter().map(|s| s.length_px).collect();
        lengths.sort_by(f64::total_cmp);
        let [width, height] = scene.size_px().map(f64::from);
        let side_px = (lengths[(lengths.len() - 1) * 95 / 100] * options.margin.max(1.0))
            .min(2.0 * width.max(height));
        let is_turned = options
            .turn
            .unwrap_or_else(|| takes_all_directions(&single));
        let headings = match options.order {
            Order::Video => over_time(sightings),
            Order::Separate => alone(sightings),
        };
        let shown: Vec<usize> = (0..sightings.len())
            .filter(|&i| sightings[i].seen != Seen::Nothing)
            .collect();
        let place = |i: usize| {
            let s = &sightings[i];
            // The nearest frame that shows something; there is one, or the track would have failed above.
            let next = shown.partition_point(|&j| j < i);
            let candidates = [next.checked_sub(1), Some(next)].into_iter().flatten();
            let nearest = candidates
                .filter_map(|at| shown.get(at).copied())
                .min_by_key(|j| j.abs_diff(i))
                .unwrap_or(i);
            let (centre_px, heading) = match options.order {
                Order::Video => smoothed(sightings, &headings, nearest),
                Order::Separate => (sightings[nearest].centre_px, headings[nearest].angle),
            };
            // The crop's upward direction (0, -1) turned by the angle is that of the head, (cos, sin).
            let angle = if is_turned {
                heading.cos().atan2(-heading.sin())
            } else {
                0.0
            };
            Place {
                crop: Crop {
                    centre_px,
                    side_px,
                    angle,
                },
                seen: s.seen,
                confidence: s.confidence,
                is_head_certain: !is_turned || (s.seen != Seen::Nothing && headings[i].is_certain),
            }
        };
        Ok(Track {
            side_px,
            is_turned,
            places: (0..sightings.len()).map(place).collect(),
        })
    }

    /// Returns the indices of the frames to train on: one thing moved, and its head is certain.
    pub fn usable(&self) -> Vec<usize> {
        (0..self.places.len())
            .filter(|&i| self.places[i].is_usable())
            .collect()
    }

    /// Returns true if crops suit frames of `[width, height]` px: nine of ten frames show exactly one thing that moves, and the crop is at
    /// most 0.7 times as large as the frame's longer side.
    pub fn is_advised(&self, frame_px: [u32; 2]) -> bool {
        let single = self.places.iter().filter(|p| p.seen == Seen::One).count();
        let longer = f64::from(frame_px[0].max(frame_px[1]));
        10 * single >= 9 * self.places.len() && self.side_px <= 0.7 * longer
    }

    /// Returns the share of frames, 0 to 1, whose head is uncertain, among those that show one thing.
    pub fn uncertain_share(&self) -> f64 {
        let shown: Vec<&Place> = self.places.iter().filter(|p| p.seen == Seen::One).collect();
        let uncertain = shown.iter().filter(|p| !p.is_head_certain).count();
        uncertain as f64 / shown.len().max(1) as f64
    }
}

/// Weighs a frame's centre and direction twice, and those of its neighbours once.
fn smoothed(sightings: &[Sighting], headings: &[Heading], i: usize) -> ([f64; 2], f64) {
    let (mut sum, mut weights, mut direction) = ([0.0; 2], 0.0, [0.0; 2]);
    for (j, weight) in [(i.checked_sub(1), 1.0), (Some(i), 2.0), (Some(i + 1), 1.0)] {
        let Some((j, s)) = j.and_then(|j| sightings.get(j).map(|s| (j, s))) else {
            continue;
        };
        let apart = (s.centre_px[0] - sightings[i].centre_px[0])
            .hypot(s.centre_px[1] - sightings[i].centre_px[1]);
        if s.seen == Seen::Nothing || apart > sightings[i].length_px {
            continue; // another thing, or none
        }
        sum = [0, 1].map(|axis| sum[axis] + weight * s.centre_px[axis]);
        weights += weight;
        let (sin, cos) = headings[j].angle.sin_cos();
        direction = [direction[0] + weight * cos, direction[1] + weight * sin];
    }
    (sum.map(|v| v / weights), direction[1].atan2(direction[0]))
}

/// Returns true if the long axis takes directions all around: at least six of eight sectors of its half circle hold 2% of the frames each.
fn takes_all_directions(sightings: &[&Sighting]) -> bool {
    let mut counts = [0_usize; 8];
    let long: Vec<&&Sighting> = sightings.iter().filter(|s| s.elongation > 1.3).collect();
    for s in &long {
        let turn = (s.axis / std::f64::consts::PI).rem_euclid(1.0);
        counts[((turn * 8.0) as usize).min(7)] += 1;
    }
    let enough = counts
        .iter()
        .filter(|&&n| n > 0 && n * 50 >= long.len())
        .count();
    2 * long.len() >= sightings.len() && enough >= 6
}
