//! Every hyper-parameter once: its range, unit, meaning, the paper's value, and the presets.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{Error, Result};

/// A named choice of all settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Quick on the CPU: minutes to a skeleton in a browser tab.
    Tiny,
    /// A sharper loss, in some twice the time.
    Small,
    /// What the paper trains; wants a large GPU and hours.
    Paper,
}

/// How a picture that is not square becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Each side scaled on its own (the authors' way).
    Stretch,
    /// The largest centred square.
    Crop,
    /// The whole picture, centred, with its edge colour around it.
    Pad,
}

/// What the reconstruction is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Mean squared error of pixels: cheap, and enough on plain backgrounds.
    Pixel,
    /// L1 between VGG16 features: what makes the method work where appearance varies.
    Perceptual,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of keypoints, K.
    pub keypoints: usize,
    /// Side of the square pictures that the model sees, px.
    pub size: usize,
    /// Channels of the first layer; deeper ones are multiples.
    pub width: usize,
    /// How pictures become square.
    pub fit: Fit,
    /// Mirror each picture with probability one half.
    pub flip: bool,
    /// Which loss.
    pub loss: LossKind,
    /// How many VGG16 blocks the perceptual loss compares (1: relu1_2 ... 4: relu4_3).
    pub perceptual_blocks: usize,
    /// Side to which pictures are resized for the perceptual loss, px.
    pub perceptual_size: usize,
    /// Pictures per step.
    pub batch: usize,
    /// Pictures per forward pass; gradients add up to the batch. Equal to `batch` unless memory is short.
    pub micro_batch: usize,
    /// Seed of everything random.
    #[ts(type = "number")]
    pub seed: u64,
    /// AdamW's learning rate.
    pub learning_rate: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Share of mask cells that are hidden.
    pub mask_ratio: f64,
    /// Mask cells along a side.
    pub mask_grid: usize,
    /// Width of a drawn edge: squared distance (pictures span `[-1, 1]`) at which it has faded to 1/e.
    pub thickness: f64,
    /// How much faster edge weights learn than the rest (the authors' `sklr`).
    pub edge_scale: f64,
    /// Weight of every edge before training. Edges that can be seen move keypoints from the first step on.
    pub edge_start: f64,
}

impl Config {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Config {
        let small = Config {
            keypoints: 12,
            size: 64,
            width: 16,
            fit: Fit::Stretch,
            flip: false,
            loss: LossKind::Perceptual,
            perceptual_blocks: 3,
            perceptual_size: 64,
            batch: 16,
            micro_batch: 16,
            seed: 0,
            learning_rate: 5e-4,
            weight_decay: 1e-3,
            mask_ratio: 0.8,
            mask_grid: 16,
            thickness: 5e-3,
            edge_scale: 100.0,
            edge_start: 0.13,
        };
        match preset {
            Preset::Small => small,
            Preset::Tiny => Config {
                perceptual_size: 32,
                ..small
            },
            Preset::Paper => Config {
                keypoints: 8,
                size: 128,
                width: 64,
                perceptual_blocks: 4,
                perceptual_size: 224,
                batch: 64,
                micro_batch: 16,
                learning_rate: 1e-4,
                thickness: 2.5e-3,
                edge_scale: 512.0,
                edge_start: 0.018, // softplus(-4)
                ..small
            },
        }
    }

    /// Checks every setting against its range and against the others.
    ///
    /// # Errors
    /// [`Error::Setting`] with a sentence that names the setting and what it may be.
    pub fn validate(&self) -> Result<()> {
        for setting in SETTINGS {
            setting.check((setting.get)(self))?;
        }
        if !self.size.is_multiple_of(16) {
            return Err(Error::Setting(format!(
                "Picture size is {} px, but must be a multiple of 16.",
                self.size
            )));
        }
        if self.mask_grid > self.size {
            return Err(Error::Setting(format!(
                "The mask has {} cells along a side of {} px; use at most one per pixel.",
                self.mask_grid, self.size
            )));
        }
        if !self.batch.is_multiple_of(self.micro_batch) {
            return Err(Error::Setting(format!(
                "A batch of {} cannot be cut into micro-batches of {}; use a divisor.",
                self.batch, self.micro_batch
            )));
        }
        if self.loss == LossKind::Perceptual && self.perceptual_size < 16 {
            return Err(Error::Setting(
                "The perceptual loss needs pictures of at least 16 px.".into(),
            ));
        }
        Ok(())
    }

    /// Whether going from `self` to `next` keeps the model and the optimiser (true), or starts a new run (false).
    pub fn is_live_change(&self, next: &Config) -> bool {
        *next
            == Config {
                learning_rate: next.learning_rate,
                mask_ratio: next.mask_ratio,
                mask_grid: next.mask_grid,
                thickness: next.thickness,
                edge_scale: next.edge_scale,
                ..self.clone()
            }
    }
}

/// What the page and the command line say about one numeric setting.
#[derive(Clone, Copy, Debug, Serialize, TS)]
pub struct Setting {
    /// The field of [`Config`].
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// One sentence: what it is, and what to expect if it is changed.
    pub help: &'static str,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
    /// Whole numbers only; a multiple of this. `None`: any number.
    pub step: Option<f64>,
    /// Unit, or empty.
    pub unit: &'static str,
    /// The paper's value.
    pub paper: f64,
    /// May be changed while training runs.
    pub live: bool,
    /// Reads the setting out of a config.
    #[serde(skip)]
    #[ts(skip)]
    pub get: fn(&Config) -> f64,
}

impl Setting {
    fn check(&self, value: f64) -> Result<()> {
        let whole = self.step.is_none_or(|step| (value / step).fract() == 0.0);
        // `contains` is false for NaN, too.
        if (self.min..=self.max).contains(&value) && whole {
            return Ok(());
        }
        let kind = match self.step {
            Some(1.0) => " (a whole number)".to_string(),
            Some(step) => format!(" (a multiple of {step})"),
            None => String::new(),
        };
        Err(Error::Setting(format!(
            "{} is {value}, but must be from {} to {}{}{kind}.",
            self.label,
            self.min,
            self.max,
            if self.unit.is_empty() {
                String::new()
            } else {
                format!(" {}", self.unit)
            },
        )))
    }
}

macro_rules! settings {
    ($($field:ident $label:literal $min:literal..=$max:literal step $step:expr, unit $unit:literal, paper $paper:literal, live $live:literal: $help:literal;)*) => {
        /// Every numeric setting, in the order in which people meet them.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($field), label: $label, help: $help, min: $min, max: $max, step: $step,
            unit: $unit, paper: $paper, live: $live, get: |config| config.$field as f64,
        }),*];
    };
}

settings! {
    keypoints "Keypoints" 2.0..=64.0 step Some(1.0), unit "", paper 8.0, live false:
        "How many points the detector may place; every pair of them can become an edge. More give a finer skeleton, until some double or die.";
    size "Picture size" 32.0..=256.0 step Some(16.0), unit "px", paper 128.0, live false:
        "Side of the square pictures that the network sees; twice the side costs four times the time.";
    width "Network width" 4.0..=64.0 step Some(1.0), unit "channels", paper 64.0, live false:
        "Channels of the first layer; below 16 the keypoints tend to jitter, twice the width costs four times the time.";
    batch "Batch" 1.0..=256.0 step Some(1.0), unit "pictures", paper 64.0, live false:
        "Pictures per step; more are steadier and slower.";
    micro_batch "Micro-batch" 1.0..=256.0 step Some(1.0), unit "pictures", paper 64.0, live false:
        "Pictures in memory at once; a divisor of the batch. Batch norm sees this many.";
    seed "Seed" 0.0..=9007199254740991.0 step Some(1.0), unit "", paper 0.0, live false:
        "Start of every random choice; the same seed gives the same run.";
    perceptual_blocks "VGG blocks" 1.0..=4.0 step Some(1.0), unit "", paper 4.0, live false:
        "How deep the perceptual loss looks: more blocks judge shape rather than colour, and cost more.";
    perceptual_size "VGG picture size" 16.0..=224.0 step Some(1.0), unit "px", paper 224.0, live false:
        "Side at which the perceptual loss compares pictures; smaller is faster.";
    learning_rate "Learning rate" 1e-6..=0.1 step None, unit "", paper 1e-4, live true:
        "Size of each step; too high and the keypoints jitter, too low and nothing moves.";
    weight_decay "Weight decay" 0.0..=0.1 step None, unit "", paper 1e-3, live false:
        "How strongly weights are pulled to zero at each step; much more and little is learned, none and a small set is learned by heart sooner.";
    mask_ratio "Hidden share" 0.0..=1.0 step None, unit "", paper 0.8, live true:
        "How much of each picture is hidden; hide less and the decoder needs no keypoints.";
    mask_grid "Mask cells" 1.0..=64.0 step Some(1.0), unit "per side", paper 16.0, live true:
        "How finely the mask is cut; large cells hide whole limbs, small ones let texture through.";
    thickness "Edge thickness" 1e-5..=0.1 step None, unit "", paper 2.5e-3, live true:
        "How wide an edge is drawn; thin edges place keypoints exactly, thick ones are found sooner.";
    edge_scale "Edge learning scale" 1.0..=2000.0 step None, unit "", paper 512.0, live true:
        "How much faster edge weights learn than the network; higher picks a skeleton sooner.";
    edge_start "First edge weight" 0.001..=1.0 step None, unit "", paper 0.018, live false:
        "How bright every edge is before training; bright edges move keypoints at once, faint ones make a sparser skeleton.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid() {
        for preset in [Preset::Tiny, Preset::Small, Preset::Paper] {
            Config::preset(preset)
                .validate()
                .expect("a preset is valid");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let tiny = Config::preset(Preset::Tiny);
        let cases: [(Config, &str); 6] = [
            (
                Config {
                    keypoints: 1,
                    ..tiny.clone()
                },
                "Keypoints is 1",
            ),
            (
                Config {
                    size: 40,
                    ..tiny.clone()
                },
                "multiple of 16",
            ),
            (
                Config {
                    size: 512,
                    ..tiny.clone()
                },
                "from 32 to 256 px",
            ),
            (
                Config {
                    learning_rate: f64::NAN,
                    ..tiny.clone()
                },
                "Learning rate is NaN",
            ),
            (
                Config {
                    micro_batch: 3,
                    ..tiny.clone()
                },
                "divisor",
            ),
            (
                Config {
                    mask_ratio: 1.5,
                    ..tiny
                },
                "Hidden share is 1.5",
            ),
        ];
        for (config, expected) in cases {
            let message = config.validate().expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn live_changes_keep_the_run() {
        let tiny = Config::preset(Preset::Tiny);
        assert!(tiny.is_live_change(&Config {
            learning_rate: 1e-5,
            mask_ratio: 0.5,
            ..tiny.clone()
        }));
        assert!(!tiny.is_live_change(&Config {
            keypoints: 3,
            ..tiny.clone()
        }));
        for setting in SETTINGS.iter().filter(|s| s.live) {
            assert!(
                [
                    "learning_rate",
                    "mask_ratio",
                    "mask_grid",
                    "thickness",
                    "edge_scale"
                ]
                .contains(&setting.name)
            );
        }
    }
}
