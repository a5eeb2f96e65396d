//! What can be asked for.

use std::path::PathBuf;

use autolink::annotate::formats::Format;
use autolink::session::Backend;
use autolink::{Config, Fit, LossKind, Preset};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;

/// Keypoints and a skeleton from unlabelled pictures (AutoLink, NeurIPS 2022).
#[derive(Parser)]
#[command(name = "autolink", version)]
pub struct Cli {
    /// Speak in JSON lines on standard output instead of sentences and progress bars.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Learn from pictures of one kind of object. Ctrl-C saves what was learned so far.
    Train(Box<Train>),
    /// Find keypoints in pictures.
    Detect(Detect),
    /// Measure how well keypoints predict landmarks.
    Eval(Eval),
    /// Find keypoints and write them as the file of an annotation tool.
    Annotate(Annotate),
    /// Predict named landmarks on all pictures from a few pictures that have them. Prints what leaving each one out
    /// showed, a line a landmark.
    Landmarks(FewShot),
    /// Turn a model into another kind of file: a model, a run or the authors' checkpoint into .safetensors or .onnx.
    Convert(Convert),
    /// Write a model's detector for other programs.
    Export(Export),
}

#[derive(Args)]
pub struct Discover {
    /// Pictures, folders of pictures, zips.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The model (.safetensors), or the authors' checkpoint.
    #[arg(long)]
    pub model: PathBuf,
    /// What to write: coco, coco-cvat, coco-deeplabcut, deeplabcut, deeplabcut-predictions, sleap, yolo, cvat, label-studio, csv,
    /// json, edges, svg, or png (the images with their keypoints drawn over them).
    #[arg(long, value_parser = named::<Format>)]
    pub format: Format,
    /// The folder to write into.
    #[arg(long)]
    pub out: PathBuf,
    /// What to do with the images, upright, where the tool looks for them: copy, link (those that have to be turned are
    /// written) or none; by default copy for coco-cvat, coco-deeplabcut, deeplabcut, yolo, cvat and svg, else none.
    #[arg(long, value_enum)]
    pub images: Option<Images>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// What computes.
    #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
    pub backend: Backend,
}

/// How images come to lie beside labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Images {
    Copy,
    Link,
    None,
}

#[derive(Args)]
pub struct Annotate {
    #[command(flatten)]
    pub discover: Discover,
    /// A table of the true places of named keypoints: `file,<name>_x,<name>_y,...`, as fractions of the picture. Prints how
    /// far the keypoints of these names are from them, a line a keypoint.
    #[arg(long)]
    pub against: Option<PathBuf>,
}

#[derive(Args)]
pub struct FewShot {
    #[command(flatten)]
    pub discover: Discover,
    /// A table of the landmarks of three pictures or more: `file,<name>_x,<name>_y,...`, as fractions of the picture.
    #[arg(long)]
    pub landmarks: PathBuf,
}

#[derive(Args)]
pub struct Convert {
    /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    pub from: PathBuf,
    /// Where to: .safetensors for a model without its run, .onnx for its detector.
    pub to: PathBuf,
    /// Keep numbers in half the space, to three digits; for .safetensors.
    #[arg(long)]
    pub float16: bool,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Export {
    /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    #[arg(long)]
    pub model: PathBuf,
    /// Where to write the detector: ONNX, operator set 17.
    #[arg(long)]
    pub onnx: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Train {
    /// A folder of pictures (searched through; zips too), one zip or picture, or `synthetic:N` for N drawn puppets.
    pub pictures: String,
    /// Where to save the model (.safetensors).
    #[arg(long)]
    pub out: PathBuf,
    /// Replace files that are there, even a model of more steps.
    #[arg(long)]
    pub force: bool,
    /// The settings to start from: tiny, small or paper.
    #[arg(long, default_value = "tiny", value_parser = named::<Preset>)]
    pub preset: Preset,
    /// How many steps; by default 1000 (tiny), 1500 (small) or 20001 (paper). 0 trains nothing, and saves the model as it starts.
    #[arg(long)]
    pub steps: Option<u32>,
    #[command(flatten)]
    pub settings: Settings,
    /// Go on from this model or run; its settings hold, but for live ones given here. `--steps` counts from its first step.
    #[arg(long, conflicts_with = "preset", requires = "steps")]
    pub resume: Option<PathBuf>,
    /// Where to save the run now and then and at the end, to go on exactly there with `--resume` (.safetensors).
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// Save every so many seconds: the run or, without `--run`, the model.
    #[arg(long, default_value_t = 20)]
    pub save_every: u64,
    /// What computes.
    #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
    pub backend: Backend,
    /// Whose kernels run on the GPU: ours or, to compare with, burn's.
    #[arg(long, default_value = "own", value_parser = ["own", "burn"])]
    pub ops: String,
    /// Write a JSON line per step: step, loss, seconds; and error and baseline where evaluated. With `--resume`, behind those there.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// A folder for pictures of what the model sees.
    #[arg(long)]
    pub preview: Option<PathBuf>,
    /// A preview every so many steps, and one at the end.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub preview_every: u32,
    /// Evaluate on the training pictures against these landmarks (puppets: against their joints, unasked).
    #[arg(long)]
    pub eval_landmarks: Option<PathBuf>,
    /// Evaluate every so many steps, and at the end.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    pub eval_every: u32,
    /// On how many pictures the regression is fitted; by default three quarters.
    #[arg(long)]
    pub eval_fit: Option<usize>,
}

/// What overrides the preset.
#[derive(Args)]
pub struct Settings {
    /// Number of keypoints.
    #[arg(long)]
    pub keypoints: Option<usize>,
    /// Side of the pictures that the model sees, px.
    #[arg(long)]
    pub size: Option<usize>,
    /// Channels of the first layer.
    #[arg(long)]
    pub width: Option<usize>,
    /// How pictures become square: stretch, crop or pad.
    #[arg(long, value_parser = named::<Fit>)]
    pub fit: Option<Fit>,
    /// Mirror each picture with probability one half.
    #[arg(long)]
    pub flip: bool,
    /// pixel or perceptual.
    #[arg(long, value_parser = named::<LossKind>)]
    pub loss: Option<LossKind>,
    /// How many VGG16 blocks the perceptual loss compares.
    #[arg(long)]
    pub perceptual_blocks: Option<usize>,
    /// Side at which the perceptual loss compares pictures, px.
    #[arg(long)]
    pub perceptual_size: Option<usize>,
    /// Pictures per step.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Pictures in memory at once; a divisor of the batch.
    #[arg(long)]
    pub micro_batch: Option<usize>,
    /// Seed of everything random.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Learning rate.
    #[arg(long)]
    pub lr: Option<f64>,
    /// AdamW's decoupled weight decay.
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Share of mask cells that are hidden.
    #[arg(long)]
    pub mask_ratio: Option<f64>,
    /// Mask cells along a side.
    #[arg(long)]
    pub mask_grid: Option<usize>,
    /// Width of a drawn edge.
    #[arg(long)]
    pub thickness: Option<f64>,
    /// How much faster edge weights learn than the rest.
    #[arg(long)]
    pub edge_scale: Option<f64>,
    /// Weight of every edge before training.
    #[arg(long)]
    pub edge_start: Option<f64>,
}

impl Settings {
    pub fn over(&self, preset: Config) -> Config {
        let batch = self.batch.unwrap_or(preset.batch);
        let micro_batch = if preset.micro_batch == preset.batch {
            batch
        } else {
            preset.micro_batch.min(batch)
        };
        Config {
            keypoints: self.keypoints.unwrap_or(preset.keypoints),
            size: self.size.unwrap_or(preset.size),
            width: self.width.unwrap_or(preset.width),
            fit: self.fit.unwrap_or(preset.fit),
            flip: self.flip || preset.flip,
            loss: self.loss.unwrap_or(preset.loss),
            perceptual_blocks: self.perceptual_blocks.unwrap_or(preset.perceptual_blocks),
            perceptual_size: self.perceptual_size.unwrap_or(preset.perceptual_size),
            batch,
            micro_batch: self.micro_batch.unwrap_or(micro_batch),
            seed: self.seed.unwrap_or(preset.seed),
            learning_rate: self.lr.unwrap_or(preset.learning_rate),
            weight_decay: self.weight_decay.unwrap_or(preset.weight_decay),
            mask_ratio: self.mask_ratio.unwrap_or(preset.mask_ratio),
            mask_grid: self.mask_grid.unwrap_or(preset.mask_grid),
            thickness: self.thickness.unwrap_or(preset.thickness),
            edge_scale: self.edge_scale.unwrap_or(preset.edge_scale),
            edge_start: self.edge_start.unwrap_or(preset.edge_start),
        }
    }
}

#[derive(Args)]
pub struct Detect {
    /// Pictures, folders and zips.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// A model that `train` saved.
    #[arg(long)]
    pub model: PathBuf,
    /// Where to write the keypoints (.json).
    #[arg(long)]
    pub out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// What computes.
    #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
    pub backend: Backend,
}

#[derive(Args)]
pub struct Eval {
    /// A model that `train` saved.
    #[arg(long)]
    pub model: PathBuf,
    /// The folder in which the table's files lie.
    #[arg(long)]
    pub images: PathBuf,
    /// A table: `file,<name>_x,<name>_y,...`, coordinates as fractions of the picture.
    #[arg(long)]
    pub landmarks: PathBuf,
    /// On how many images the regression is fitted; by default three quarters.
    #[arg(long, alias = "fit")]
    pub eval_fit: Option<usize>,
    /// Which pictures those are.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What computes.
    #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
    pub backend: Backend,
}

/// A value by the name that the JSON files use.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}
