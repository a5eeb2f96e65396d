//! Appearance of a puppet: colours, clothes and build.

use std::f32::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::canvas::{Lch, lch};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pattern {
    Plain,
    Stripes,
    Halves,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hair {
    Short,
    Long,
    Bun,
    Hat,
}

/// Colours, clothes and build of a puppet.
pub(super) struct Appearance {
    pub(super) skin: Lch,
    pub(super) hair_colour: Lch,
    pub(super) shirt: Lch,
    pub(super) trim: Lch,
    pub(super) trousers: Lch,
    pub(super) shoes: Lch,
    pub(super) wall: Lch,
    pub(super) pattern: Pattern,
    pub(super) hair: Hair,
    pub(super) long_sleeves: bool,
    pub(super) shorts: bool,
    /// Factor on the thickness of limbs, around 1.
    pub(super) stout: f32,
}

impl Appearance {
    /// Draws an appearance from the random stream.
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Appearance {
        let turn = |rng: &mut ChaCha8Rng| rng.random_range(0.0..1.0_f32);
        // Mostly human skin tones, one in six a toy's.
        let skin = if rng.random_range(0..6) == 0 {
            lch(rng.random_range(0.66..0.82), 0.09, turn(rng))
        } else {
            let dark = turn(rng);
            lch(
                0.89 - 0.38 * dark * dark.sqrt(),
                0.045 + 0.035 * (PI * dark).sin(),
                rng.random_range(0.14..0.19),
            )
        };
        let hair_colour = [
            lch(0.25, 0.02, 0.15),
            lch(0.36, 0.06, 0.14),
            lch(0.52, 0.11, 0.13),
            lch(0.80, 0.11, 0.24),
            lch(0.72, 0.01, 0.70),
            lch(0.62, 0.14, turn(rng)),
        ][rng.random_range(0..6_usize)];
        let wall_hue = turn(rng);
        let wall = lch(
            rng.random_range(0.62..0.90),
            rng.random_range(0.015..0.06),
            wall_hue,
        );
        // Clothes differ from the wall in hue, and trousers from the shirt in lightness.
        let shirt_hue = wall_hue + rng.random_range(0.15..0.85);
        let shirt = lch(
            rng.random_range(0.50..0.78),
            rng.random_range(0.11..0.17),
            shirt_hue,
        );
        let trim = if rng.random() {
            lch(0.95, 0.02, shirt_hue)
        } else {
            lch(0.42, 0.10, shirt_hue + 0.5)
        };
        let trousers = lch(
            rng.random_range(0.30..0.46),
            rng.random_range(0.02..0.11),
            shirt_hue + rng.random_range(0.25..0.75),
        );
        let shoes = if rng.random() {
            lch(0.93, 0.01, 0.2)
        } else {
            lch(rng.random_range(0.35..0.6), 0.13, turn(rng))
        };
        Appearance {
            skin,
            hair_colour,
            shirt,
            trim,
            trousers,
            shoes,
            wall,
            pattern: [
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Stripes,
                Pattern::Halves,
            ][rng.random_range(0..4_usize)],
            hair: [Hair::Short, Hair::Long, Hair::Bun, Hair::Hat][rng.random_range(0..4_usize)],
            long_sleeves: rng.random(),
            shorts: rng.random_range(0..3) == 0,
            stout: rng.random_range(0.9..1.15),
        }
    }
}
