//! Which end of the long axis is the head: from the shape, the direction of motion, and consistency over time.

use std::f64::consts::PI;

use super::sighting::{Seen, Sighting};

/// Weights of [`Sighting::skew`] and [`Sighting::taper`] in the log-odds of the axis pointing to the head, without a video: the tail
/// is long and thin, and lies behind.
const SHAPE: [f64; 2] = [-2.0, 0.0];
/// Cost of turning by half a circle from one frame to the next, nats, for a body that is twice as long as wide. A roundish one, whose axis
/// is uncertain, turns at less.
const FLIP: f64 = 40.0;
/// Weight of one frame's shape and motion in a video: neighbouring frames err alike.
const FRAME_WEIGHT: f64 = 0.3;
/// Least difference of the two readings' costs at which a head is certain, nats.
const CERTAIN: f64 = 2.0;

/// Direction of the head of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heading {
    /// Direction of the head, radians clockwise from the x axis.
    pub(super) angle: f64,
    /// False if both readings cost nearly the same.
    pub(super) is_certain: bool,
}

/// Reads the heads of separate images from their shape alone.
pub(super) fn alone(sightings: &[Sighting]) -> Vec<Heading> {
    let odds = |s: &Sighting| SHAPE[0] * s.skew + SHAPE[1] * s.taper;
    let heading = |s: &Sighting| Heading {
        angle: s.axis + if odds(s) < 0.0 { PI } else { 0.0 },
        is_certain: odds(s).abs() >= CERTAIN / 2.0,
    };
    sightings.iter().map(heading).collect()
}

/// Reads the heads of consecutive frames by the cheapest path (Viterbi) over the two readings of each frame's axis. A reading costs less
/// where shape and motion agree with it, and a turn costs the more the further it goes. What shape says is learned from the frames in
/// which the animal runs along its axis, since animals run with the head in front.
pub(super) fn over_time(sightings: &[Sighting]) -> Vec<Heading> {
    let runs: Vec<f64> = (0..sightings.len()).map(|i| run(sightings, i)).collect();
    let weights = learned(sightings, &runs);
    let odds: Vec<f64> = sightings
        .iter()
        .zip(&runs)
        .map(|(s, run)| {
            let shape = weights[0] * s.skew + weights[1] * s.taper;
            FRAME_WEIGHT * (shape.clamp(-3.0, 3.0) + (20.0 * run).clamp(-2.0, 2.0))
        })
        .collect();
    // Costs of the best path that ends in a reading, from the start and from the end.
    let cost = |i: usize| match sightings[i].seen {
        Seen::Nothing => [0.0; 2],
        _ => [-odds[i] / 2.0, odds[i] / 2.0],
    };
    let turn = |i: usize, from: usize, to: usize| {
        let [a, b] = [&sightings[i], &sightings[i + 1]];
        if a.seen == Seen::Nothing || b.seen == Seen::Nothing {
            return 0.0;
        }
        let angle = b.axis - a.axis + PI * (from as f64 - to as f64);
        FLIP / 2.0 * (1.0 - angle.cos()) * (a.elongation.min(b.elongation) - 1.0).clamp(0.1, 1.0)
    };
    let n = sightings.len();
    let (mut forward, mut backward) = (vec![[0.0; 2]; n], vec![[0.0; 2]; n]);
    for i in 1..n {
        forward[i] = [0, 1].map(|to| {
            let via =
                |from: usize| forward[i - 1][from] + cost(i - 1)[from] + turn(i - 1, from, to);
            via(0).min(via(1))
        });
    }
    for i in (0..n.saturating_sub(1)).rev() {
        backward[i] = [0, 1].map(|from| {
            let via = |to: usize| backward[i + 1][to] + cost(i + 1)[to] + turn(i, from, to);
            via(0).min(via(1))
        });
    }
    let heading = |i: usize| {
        let total = |reading: usize| forward[i][reading] + cost(i)[reading] + backward[i][reading];
        let margin = total(1) - total(0);
        Heading {
            angle: sightings[i].axis + if margin < 0.0 { PI } else { 0.0 },
            is_certain: margin.abs() >= CERTAIN,
        }
    };
    (0..n).map(heading).collect()
}

/// Computes the speed along the axis at a frame, lengths of the body per frame; 0 where a neighbour shows nothing, or jumps.
fn run(sightings: &[Sighting], i: usize) -> f64 {
    let last = sightings.len() - 1;
    let (before, after) = (
        &sightings[i.saturating_sub(2)],
        &sightings[(i + 2).min(last)],
    );
    let here = &sightings[i];
    if [before, here, after].iter().any(|s| s.seen != Seen::One) || here.length_px <= 0.0 {
        return 0.0;
    }
    let frames = (i + 2).min(last) - i.saturating_sub(2);
    let step = [0, 1].map(|axis| (after.centre_px[axis] - before.centre_px[axis]) / here.length_px);
    let speed = step[0].hypot(step[1]);
    if speed > 1.5 {
        return 0.0;
    }
    (step[0] * here.axis.cos() + step[1] * here.axis.sin()) / frames.max(1) as f64
}

/// Learns the weights of skew and taper by logistic regression on the sign of the speed along the axis, with [`SHAPE`] as the prior.
fn learned(sightings: &[Sighting], runs: &[f64]) -> [f64; 2] {
    const LEAST_RUN: f64 = 0.03;
    let rows: Vec<([f64; 2], f64)> = sightings
        .iter()
        .zip(runs)
        .filter(|(s, run)| run.abs() > LEAST_RUN && s.elongation > 1.3)
        .map(|(s, run)| ([s.skew, s.taper], run.signum()))
        .collect();
    if rows.len() < 20 {
        return SHAPE;
    }
    let mut weights = SHAPE;
    for _ in 0..300 {
        let mut gradient = [0, 1].map(|i| 0.02 * (SHAPE[i] - weights[i]));
        for (shape, sign) in &rows {
            let odds = sign * (weights[0] * shape[0] + weights[1] * shape[1]);
            for i in 0..2 {
                gradient[i] += sign * shape[i] / (1.0 + odds.exp()) / rows.len() as f64;
            }
        }
        for i in 0..2 {
            weights[i] = (weights[i] + gradient[i]).clamp(-8.0, 8.0);
        }
    }
    weights
}
