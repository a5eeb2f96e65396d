//! All hyper-parameters, each defined once: range, unit, meaning, the paper's value and the presets.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{Error, Result};

/// A named set of all settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// For a CPU: a first skeleton in about a minute.
    Quick,
    /// For a GPU, or for patience: larger images, compared at twice the resolution.
    Small,
    /// The paper's settings: these need a large GPU and hours.
    Paper,
    /// The preset that *quick* replaced. Links and options that name it still work; `cargo xtask recipe` compares with it.
    Tiny,
}

impl Preset {
    /// All presets, the default one first.
    pub const ALL: [Preset; 4] = [Preset::Quick, Preset::Small, Preset::Paper, Preset::Tiny];
}

/// Method that makes an image square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Scales each side on its own, as the authors do.
    Stretch,
    /// Keeps the largest centred square.
    Crop,
    /// Keeps the whole image, centred, with bars in the mean colour of its border.
    Pad,
}

/// Loss between a reconstruction and its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Mean squared error of pixels: fast, and enough on plain backgrounds.
    Pixel,
    /// L1 distance between VGG16 features, which the method needs where appearance varies.
    Perceptual,
}

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of keypoints, K.
    pub keypoints: usize,
    /// Side of the square images that the model sees, px; a multiple of 16.
    pub size: usize,
    /// Channels of the detector's first layer; deeper ones are multiples.
    pub width: usize,
    /// Channels of the decoder's first layer as a share of [`Config::width`]. Files without it have decoders as wide as their detectors.
    #[serde(default = "as_wide")]
    pub decoder_share: f64,
    /// Method that makes images square.
    pub fit: Fit,
    /// Mirrors each image with probability one half.
    pub flip: bool,
    /// Loss between reconstruction and image.
    pub loss: LossKind,
    /// Number of VGG16 blocks that the perceptual loss compares (1: relu1_2 ... 4: relu4_3).
    pub perceptual_blocks: usize,
    /// Side to which images are resized for the perceptual loss, px.
    pub perceptual_size: usize,
    /// Images per step.
    pub batch: usize,
    /// Images per forward pass, a divisor of `batch`; their gradients are added up. Equal to `batch` unless memory is short.
    pub micro_batch: usize,
    /// Seed of all random streams.
    #[ts(type = "number")]
    pub seed: u64,
    /// AdamW's learning rate.
    pub learning_rate: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Mask ratio: the share of mask cells that are hidden.
    pub mask_ratio: f64,
    /// Mask grid: the number of mask cells along each side.
    pub mask_grid: usize,
    /// Edge thickness (the authors' `thick`): the squared distance at which an edge has faded to 1/e, where images span `[-1, 1]`.
    pub thickness: f64,
    /// Edge learning-rate multiplier (the authors' `sklr`): how much faster edge weights learn than the rest.
    pub edge_scale: f64,
    /// Initial edge weight. Visible edges move keypoints from the first step on.
    pub edge_start: f64,
    /// Steps of the start, over which [`Config::spread`] and the boost fade; 0 for none, as in the paper and in files without it.
    #[serde(default)]
    pub start_steps: usize,
    /// Factor of the learning rate at the first step.
    #[serde(default = "no_boost")]
    pub start_boost: f64,
    /// Share of the images that are held out of training; see [`split`](crate::data::split). Files without it hold none out.
    #[serde(default)]
    pub held_out: f64,
    /// The images are crops around an animal that was found before a still camera ([`crate::data::locate`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub locate: bool,
    /// Side of these crops by the length of the animal's body, at least 1. Files without it have the usual margin.
    #[serde(default = "usual_margin")]
    pub crop_margin: f64,
}

/// The margin of crops where nobody chose another one.
fn usual_margin() -> f64 {
    Config::CROP_MARGIN
}

/// The share of a decoder that is as wide as the detector.
fn as_wide() -> f64 {
    1.0
}

/// The factor of the learning rate that does not change it.
fn no_boost() -> f64 {
    1.0
}

impl Config {
    /// The usual side of crops around an animal by the length of its body.
    pub const CROP_MARGIN: f64 = 1.6;

    /// Returns the preset of the page that suits a device, where nobody has chosen one.
    pub fn for_device(is_gpu: bool) -> Config {
        Config::watched(if is_gpu { Preset::Small } else { Preset::Quick })
    }

    /// Returns the settings of a preset on the page, where people watch: *quick* and *small* hold a tenth of the images out.
    ///
    /// ```
    /// use autolink::{Config, Preset};
    /// let [quick, paper] = [Preset::Quick, Preset::Paper].map(Config::watched);
    /// assert_eq!((quick.held_out, Config::preset(Preset::Quick).held_out), (0.1, 0.0));
    /// assert_eq!(paper, Config::preset(Preset::Paper));
    /// ```
    pub fn watched(preset: Preset) -> Config {
        let held_out = match preset {
            Preset::Quick | Preset::Small => 0.1,
            Preset::Paper | Preset::Tiny => 0.0,
        };
        Config {
            held_out,
            ..Config::preset(preset)
        }
    }

    /// Returns the settings of a preset.
    pub fn preset(preset: Preset) -> Config {
        let small = Config {
            keypoints: 12,
            size: 64,
            width: 16,
            decoder_share: 1.0,
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
            start_steps: 0,
            start_boost: 1.0,
            held_out: 0.0,
            locate: false,
            crop_margin: Config::CROP_MARGIN,
        };
        match preset {
            Preset::Small => small,
            Preset::Tiny => Config {
                perceptual_size: 32,
                ..small
            },
            Preset::Quick => Config {
                size: 48,
                mask_grid: 12,
                decoder_share: 0.5,
                perceptual_size: 24,
                learning_rate: 1e-3,
                edge_scale: 50.0,
                start_steps: 100,
                start_boost: 2.0,
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

    /// Returns the step at which a first skeleton can usually be recognised: 150 at a learning rate of 1e-3, and in proportion more at a
    /// lower one. A rule of thumb, from the trainings in `docs/recipes.md`; the test `first_skeleton_comes_later_at_a_lower_learning_rate`
    /// shows its use.
    pub fn first_skeleton_step(&self) -> usize {
        (0.15 / self.learning_rate).round() as usize
    }

    /// Checks every setting against its range and against the others.
    ///
    /// # Errors
    /// [`Error::Setting`] with a message that names the setting and its allowed values.
    pub fn validate(&self) -> Result<()> {
        for setting in SETTINGS {
            setting.check((setting.get)(self))?;
        }
        if !self.size.is_multiple_of(16) {
            return Err(Error::Setting(format!(
                "Image size is {} px, but must be a multiple of 16.",
                self.size
            )));
        }
        if self.mask_grid > self.size {
            return Err(Error::Setting(format!(
                "The mask grid has {} cells along a side of {} px. Use at most one cell per pixel.",
                self.mask_grid, self.size
            )));
        }
        if !self.batch.is_multiple_of(self.micro_batch) {
            return Err(Error::Setting(format!(
                "A batch of {} cannot be split into micro-batches of {}. Use a divisor.",
                self.batch, self.micro_batch
            )));
        }
        if !(1.0..=10.0).contains(&self.crop_margin) {
            return Err(Error::Setting(format!(
                "The margin of the crops is {}, but must be from 1 to 10 lengths of the body.",
                self.crop_margin
            )));
        }
        if self.loss == LossKind::Perceptual && self.perceptual_size < 16 {
            return Err(Error::Setting(
                "The perceptual loss needs images of at least 16 px. Raise the VGG image size."
                    .into(),
            ));
        }
        Ok(())
    }

    /// Returns the channels of the decoder's first layer.
    ///
    /// ```
    /// use autolink::{Config, Preset};
    /// let config = Config { width: 16, decoder_share: 0.5, ..Config::preset(Preset::Tiny) };
    /// assert_eq!(config.decoder_width(), 8);
    /// ```
    pub fn decoder_width(&self) -> usize {
        ((self.width as f64 * self.decoder_share).round() as usize).max(1)
    }

    /// Returns the strength of the spatial prior after `step` steps: `20 max(0, 1 - step / spread_steps)`. See
    /// [`Detector::spread`](crate::model::detector::Detector::spread).
    ///
    /// ```
    /// use autolink::{Config, Preset};
    /// let config = Config { start_steps: 100, ..Config::preset(Preset::Small) };
    /// assert_eq!([0, 50, 100, 200].map(|step| config.spread(step)), [20.0, 10.0, 0.0, 0.0]);
    /// ```
    pub fn spread(&self, step: usize) -> f64 {
        20.0 * self.start(step)
    }

    /// Returns the learning rate of the step after `step` steps: `start_boost` times [`Config::learning_rate`] at first, and that from
    /// `start_steps` on.
    ///
    /// ```
    /// use autolink::{Config, Preset};
    /// let config = Config { learning_rate: 1e-3, start_steps: 100, start_boost: 3.0, ..Config::preset(Preset::Small) };
    /// assert_eq!([0, 50, 100, 200].map(|step| config.learning_rate_after(step)), [3e-3, 2e-3, 1e-3, 1e-3]);
    /// ```
    pub fn learning_rate_after(&self, step: usize) -> f64 {
        self.learning_rate * (1.0 + (self.start_boost - 1.0) * self.start(step))
    }

    /// Returns how much of the start is left, from 1 to 0: `max(0, 1 - step / start_steps)`.
    fn start(&self, step: usize) -> f64 {
        self.start_steps.saturating_sub(step) as f64 / self.start_steps.max(1) as f64
    }

    /// Returns whether a change from `self` to `next` keeps the model and the optimiser (true) or starts a new run (false).
    pub fn is_live_change(&self, next: &Config) -> bool {
        *next
            == Config {
                learning_rate: next.learning_rate,
                mask_ratio: next.mask_ratio,
                mask_grid: next.mask_grid,
                thickness: next.thickness,
                edge_scale: next.edge_scale,
                locate: next.locate,
                crop_margin: next.crop_margin,
                ..self.clone()
            }
    }
}

/// One numeric setting as the page and the command line show it.
#[derive(Clone, Copy, Debug, Serialize, TS)]
pub struct Setting {
    /// Name of the field in [`Config`].
    pub name: &'static str,
    /// Label that people read.
    pub label: &'static str,
    /// Help text: its meaning, and the effect of a change.
    pub help: &'static str,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
    /// Allowed values are multiples of this; `None` allows any number.
    pub step: Option<f64>,
    /// Unit, or empty.
    pub unit: &'static str,
    /// Value in the paper.
    pub paper: f64,
    /// Can be changed during training.
    pub live: bool,
    /// Reads the setting from a config.
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
        /// All numeric settings, in the order in which the page shows them.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($field), label: $label, help: $help, min: $min, max: $max, step: $step,
            unit: $unit, paper: $paper, live: $live, get: |config| config.$field as f64,
        }),*];
    };
}

settings! {
    keypoints "Keypoints" 2.0..=64.0 step Some(1.0), unit "", paper 8.0, live false:
        "Number of keypoints to discover. Every pair of them can become an edge. More keypoints give a finer skeleton, until some coincide or go unused.";
    size "Image size" 32.0..=256.0 step Some(16.0), unit "px", paper 128.0, live false:
        "Side of the square images that the network sees. Doubling it takes four times as long.";
    width "Network width" 4.0..=64.0 step Some(1.0), unit "channels", paper 64.0, live false:
        "Channels of the first layer. Below 16, keypoints tend to jitter. Doubling it takes four times as long.";
    decoder_share "Decoder width" 0.25..=1.0 step Some(0.25), unit "× the network width", paper 1.0, live false:
        "Width of the network that reconstructs the image. It does most of the model's arithmetic, so a narrower one makes steps quicker.";
    batch "Batch size" 1.0..=256.0 step Some(1.0), unit "images", paper 64.0, live false:
        "Images per step. Larger batches train more steadily, but each step takes longer.";
    micro_batch "Micro-batch size" 1.0..=256.0 step Some(1.0), unit "images", paper 64.0, live false:
        "Images in memory at once. It must divide the batch size. Batch norm averages over this many images.";
    seed "Seed" 0.0..=9007199254740991.0 step Some(1.0), unit "", paper 0.0, live false:
        "Starting point of all random choices. The same seed gives the same run.";
    perceptual_blocks "VGG blocks" 1.0..=4.0 step Some(1.0), unit "", paper 4.0, live false:
        "Number of VGG16 blocks that the perceptual loss compares. More blocks judge shape rather than colour, and take longer.";
    perceptual_size "VGG image size" 16.0..=224.0 step Some(1.0), unit "px", paper 224.0, live false:
        "Side of the images that the perceptual loss compares. Smaller images take less time.";
    learning_rate "Learning rate" 1e-6..=0.1 step None, unit "", paper 1e-4, live true:
        "Size of each training step. If it is too high, keypoints jitter; if it is too low, nothing moves.";
    weight_decay "Weight decay" 0.0..=0.1 step None, unit "", paper 1e-3, live false:
        "How strongly each step pulls the weights towards zero. With much more, the model learns little; with none, it memorises a small set sooner.";
    mask_ratio "Mask ratio" 0.0..=1.0 step None, unit "", paper 0.8, live true:
        "Share of each image that is hidden. If too little is hidden, the decoder does not need the keypoints.";
    mask_grid "Mask grid" 1.0..=64.0 step Some(1.0), unit "cells per side", paper 16.0, live true:
        "Number of mask cells along each side. Large cells hide whole limbs; small cells let texture through.";
    thickness "Edge thickness" 1e-5..=0.1 step None, unit "", paper 2.5e-3, live true:
        "How wide edges are drawn. Thin edges place keypoints precisely; thick edges help to find them sooner.";
    edge_scale "Edge learning-rate multiplier" 1.0..=2000.0 step None, unit "", paper 512.0, live true:
        "How much faster edge weights learn than the network. Higher values settle on a skeleton sooner.";
    edge_start "Initial edge weight" 0.001..=1.0 step None, unit "", paper 0.018, live false:
        "Brightness of every edge before training. Bright edges move keypoints from the first step; faint edges give a sparser skeleton.";
    start_steps "Start phase" 0.0..=10000.0 step Some(1.0), unit "steps", paper 0.0, live false:
        "At first, keypoints are pulled apart, so that they do not start as one heap. The pull fades over this many steps.";
    start_boost "Learning-rate boost" 1.0..=10.0 step None, unit "", paper 1.0, live false:
        "Factor of the learning rate at the first step. It falls to 1 during the start phase.";
    held_out "Held out" 0.0..=0.5 step None, unit "of the images", paper 0.0, live false:
        "Share of the images that training never sees: at least 8, or none of fewer than 40. A loss that is much higher on them says that the model memorises the others.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validate_accepts_presets() {
        for preset in Preset::ALL {
            Config::preset(preset)
                .validate()
                .expect("a preset is valid");
        }
    }

    #[test]
    fn validate_names_wrong_settings() {
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
                "Mask ratio is 1.5",
            ),
        ];
        for (config, expected) in cases {
            let message = config.validate().expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn first_skeleton_comes_later_at_a_lower_learning_rate() {
        let step = |preset| Config::preset(preset).first_skeleton_step();
        assert_eq!(step(Preset::Quick), 150);
        assert_eq!(step(Preset::Small), 300);
        assert_eq!(step(Preset::Paper), 1500);
    }

    #[test]
    fn is_live_change_knows_live_settings() {
        let tiny = Config::preset(Preset::Tiny);
        assert!(tiny.is_live_change(&Config {
            learning_rate: 1e-5,
            mask_ratio: 0.5,
            locate: true,
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
