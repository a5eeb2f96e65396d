//! Pose of a puppet: where its joints are.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::appearance::Appearance;
use super::canvas::{Vec2, add, mul, turned};
use super::{ARMS, HEAD, LEGS, NECK};

/// Returns the vector of this length at `angle` (radians) from straight down, outward on that side (-1 left, 1 right).
fn outward(angle: f32, side: f32, length: f32) -> Vec2 {
    [side * angle.sin() * length, angle.cos() * length]
}

/// Where the parts of a puppet are, as fractions of the image.
pub(super) struct Pose {
    /// `[x, y]` in the order of [`JOINT_NAMES`](super::JOINT_NAMES).
    pub(super) joints: [Vec2; 14],
    /// Height of the upright puppet: the unit of all thicknesses.
    pub(super) height: f32,
    /// Unit vector from the neck to the hips.
    pub(super) down: Vec2,
    /// Unit vector from the top of the head to the chin.
    pub(super) head_down: Vec2,
}

/// Radius of the head, in heights.
pub(super) const HEAD_RADIUS: f32 = 0.105;

impl Pose {
    /// Draws a pose from the random stream, and fits it into the image.
    pub(super) fn new(rng: &mut ChaCha8Rng, appearance: &Appearance) -> Pose {
        let mut joints = [[0.0; 2]; 14];
        // First upright, in heights, with the origin between the hips.
        let lean = rng.random_range(-0.13..0.13_f32);
        let neck = turned([0.0, -0.285], lean);
        joints[NECK] = neck;
        let tilt = lean + rng.random_range(-0.22..0.22);
        joints[HEAD] = add(neck, turned([0.0, -0.135], tilt));
        for (side, arm, leg) in [(-1.0, ARMS[0], LEGS[0]), (1.0, ARMS[1], LEGS[1])] {
            let shoulder = add(neck, turned([side * 0.105, 0.035], lean));
            let upper = match rng.random_range(0..10) {
                0..6 => rng.random_range(0.25..1.2), // beside the body
                6..8 => rng.random_range(1.2..1.9),  // to the side
                _ => rng.random_range(1.9..2.6),     // up
            };
            // Lowered elbows bend either way, raised ones inward and up.
            let bend = if upper < 1.0 {
                rng.random_range(-0.9..0.7)
            } else {
                rng.random_range(-0.3..1.1)
            };
            let elbow = add(shoulder, outward(upper, side, 0.165));
            let hand = add(elbow, outward(upper + bend, side, 0.155));
            for (joint, place) in arm.into_iter().zip([shoulder, elbow, hand]) {
                joints[joint] = place;
            }
            let hip = [side * 0.06, 0.0];
            let thigh = if rng.random_range(0..6) == 0 {
                rng.random_range(0.5..1.0)
            } else {
                rng.random_range(0.06..0.5)
            };
            let bend = rng.random_range(-0.6..0.1_f32).max(-thigh - 0.15);
            let knee = add(hip, outward(thigh, side, 0.205));
            let foot = add(knee, outward(thigh + bend, side, 0.205));
            for (joint, place) in leg.into_iter().zip([hip, knee, foot]) {
                joints[joint] = place;
            }
        }
        let turn = rng.random_range(-0.12..0.12_f32);
        joints = joints.map(|joint| turned(joint, turn));

        // Then in the image: as high as drawn or as the arms allow, and nearly centred.
        let mut height = rng.random_range(0.66..0.86_f32);
        let margin = 0.06 * appearance.stout;
        let bounds = |height: f32| {
            let mut low = mul(joints[HEAD], height).map(|v| v - 1.35 * HEAD_RADIUS * height);
            let mut high = mul(joints[HEAD], height).map(|v| v + 1.35 * HEAD_RADIUS * height);
            for joint in joints {
                for axis in 0..2 {
                    low[axis] = low[axis].min((joint[axis] - margin) * height);
                    high[axis] = high[axis].max((joint[axis] + margin) * height);
                }
            }
            (low, high)
        };
        let (low, high) = bounds(1.0);
        height = height
            .min(0.95 / (high[0] - low[0]))
            .min(0.95 / (high[1] - low[1]));
        let (low, high) = bounds(height);
        let jitter = [rng.random_range(-0.05..0.05), rng.random_range(-0.04..0.04)];
        let shift = [0, 1].map(|axis| {
            let centred = 0.5 - (low[axis] + high[axis]) / 2.0 + jitter[axis];
            centred.clamp(0.015 - low[axis], 0.985 - high[axis])
        });
        Pose {
            joints: joints.map(|joint| add(mul(joint, height), shift)),
            height,
            down: turned([0.0, 1.0], turn + lean),
            head_down: turned([0.0, 1.0], turn + tilt),
        }
    }
}
