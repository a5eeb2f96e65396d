//! The options of every command.

use std::path::PathBuf;

use autolink::annotate::formats::{Format, FormatInfo};
use autolink::data::locate::shares;
use autolink::session::Backend;
use autolink::{Config, Fit, LossKind, Preset};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;

use crate::video::Video;

/// Learn keypoints and a skeleton from unlabelled images (AutoLink, NeurIPS 2022).
#[derive(Parser)]
#[command(name = "autolink", version)]
pub struct Cli {
    /// Print JSON lines on standard output instead of sentences and progress bars.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train a model on images of one kind of object. Ctrl-C stops and saves.
    Train(Box<Train>),
    /// Detect keypoints in images.
    Detect(Detect),
    /// Measure how well keypoints predict landmarks.
    Eval(Eval),
    /// Detect keypoints and write them in the format of an annotation tool.
    Annotate(Annotate),
    /// Predict named landmarks on all images from a few labelled images. Prints one line per landmark: its leave-one-out
    /// error.
    Landmarks(Landmarks),
    /// Convert a model, a run or the authors' checkpoint to .safetensors or .onnx.
    Convert(Convert),
    /// Export a model's detector for other programs.
    Export(Export),
}

/// Where a command computes.
#[derive(Args)]
pub struct Compute {
    /// Where to compute: on the CPU, or on the GPU through Vulkan, Metal or DX12.
    #[arg(long, default_value = "cpu", value_parser = named::<Backend>(["cpu", "gpu"]))]
    pub backend: Backend,
}

/// Which frames of videos to use.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FrameChoice {
    /// Use every n-th frame of videos.
    #[arg(long, value_name = "N", conflicts_with = "frames", value_parser = positive())]
    pub every: Option<usize>,
    /// Use at most this many frames of videos, spread over their time; several videos give a share each.
    #[arg(long, value_name = "N", value_parser = positive())]
    pub frames: Option<usize>,
}

impl FrameChoice {
    /// Lists the numbers of the chosen frames of each video; without an option, all of them.
    pub fn numbers(&self, videos: &[&Video]) -> Vec<Vec<usize>> {
        let Some(wanted) = self.frames else {
            let every = self.every.unwrap_or(1);
            return videos.iter().map(|video| video.every(every)).collect();
        };
        let lengths: Vec<usize> = videos.iter().map(|video| video.seconds.len()).collect();
        (videos.iter().zip(shares(&lengths, wanted)))
            .map(|(video, share)| video.spread(share.max(1)))
            .collect()
    }
}

/// Parses a whole number that is at least 1.
fn positive() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32)
        .range(1..)
        .map(|number| number as usize)
}

#[derive(Args)]
pub struct Discover {
    /// Images, videos, folders and zip files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The model (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    #[arg(long)]
    pub model: PathBuf,
    /// The format of the output; png, svg and video draw the keypoints over the images.
    #[arg(long, value_parser = written())]
    pub format: Written,
    /// The folder to write into.
    #[arg(long)]
    pub out: PathBuf,
    /// How to put the images, upright, where the tool looks for them. Default: copy for coco-cvat, coco-deeplabcut,
    /// deeplabcut, yolo, cvat and svg; none for the others.
    #[arg(long, value_enum)]
    pub images: Option<Images>,
    #[command(flatten)]
    pub frames: FrameChoice,
    /// Find the animal that moves before a still camera in each video, or in each folder of images of one camera, and detect keypoints in
    /// crops around it, as the model was trained.
    #[arg(long)]
    pub locate: bool,
    /// Leave head and tail swapped where they seem to be, instead of mending them.
    #[arg(long, requires = "locate")]
    pub keep_flips: bool,
    /// Smooth keypoints over the time of each video.
    #[arg(long)]
    pub smooth: bool,
    /// Replace existing files.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// What is written of annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The files of an annotation tool.
    Files(Format),
    /// The skeleton and trails over each video.
    Video,
    /// A table of the motion in all videos.
    Motion,
}

/// How images are placed beside their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Images {
    /// Write copies.
    Copy,
    /// Link to the originals, and write only the images that have to be rotated.
    Link,
    /// Write labels only.
    None,
}

/// Whose kernels run on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kernels {
    /// AutoLink's own.
    Own,
    /// Burn's, for comparison.
    Burn,
}

#[derive(Args)]
pub struct Annotate {
    #[command(flatten)]
    pub discover: Discover,
    /// Cut the skeleton into this many parts by its edge weights, and colour it by part. The format json names the part of each keypoint.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub parts: Option<u8>,
    /// A table of the true positions of named keypoints: `file,<name>_x,<name>_y,...`, as fractions of the image. Prints one
    /// line per keypoint: its distance from the true position.
    #[arg(long)]
    pub against: Option<PathBuf>,
}

#[derive(Args)]
pub struct Landmarks {
    #[command(flatten)]
    pub discover: Discover,
    /// A table with the landmarks of at least three images: `file,<name>_x,<name>_y,...`, as fractions of the image.
    #[arg(long)]
    pub landmarks: PathBuf,
}

#[derive(Args)]
pub struct Convert {
    /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    pub from: PathBuf,
    /// The output: .safetensors for the model without its run, .onnx for its detector.
    pub to: PathBuf,
    /// Store weights as float16, which halves the file and keeps three digits (.safetensors only).
    #[arg(long)]
    pub float16: bool,
    /// Replace existing files.
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Export {
    /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    #[arg(long)]
    pub model: PathBuf,
    /// The output: the detector as ONNX, operator set 17.
    #[arg(long)]
    pub onnx: PathBuf,
    /// Replace existing files.
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Train {
    /// A folder of images and videos (with its subfolders and zip files), a zip file, an image, a video, or `synthetic:N` for N
    /// drawn puppets. Of videos, 200 frames are used unless --every or --frames says otherwise.
    pub images: String,
    #[command(flatten)]
    pub frames: FrameChoice,
    /// Find the animal that moves before a still camera in each video, or in each folder of images of one camera, and train on crops
    /// around it, turned with its body if it takes all directions. Frames without it, or with two, are left out. The frames that are
    /// used differ as much as possible. The other commands then need --locate as well.
    #[arg(long, conflicts_with = "fit")]
    pub locate: bool,
    /// Side of the crops by the length of the animal's body. Default: 1.6. The model remembers it.
    #[arg(long, requires = "locate")]
    pub margin: Option<f64>,
    /// The file to save the model to (.safetensors).
    #[arg(long)]
    pub out: PathBuf,
    /// Replace existing files, even a model with more steps.
    #[arg(long)]
    pub force: bool,
    /// The preset whose settings the other options override.
    #[arg(long, default_value = "quick", value_parser = named::<Preset>(["quick", "small", "paper", "tiny"]))]
    pub preset: Preset,
    /// Number of steps. Default: 1000 (quick; 500 with --locate), 1500 (small) or 20,001 (paper). With 0, saves the untrained model.
    #[arg(long)]
    pub steps: Option<u32>,
    #[command(flatten)]
    pub settings: Settings,
    /// Continue from this model or run with its settings. Only --lr, --mask-ratio, --mask-grid, --thickness and
    /// --edge-scale can be changed. `--steps` counts from its first step.
    #[arg(long, conflicts_with = "preset", requires = "steps")]
    pub resume: Option<PathBuf>,
    /// The file to save the run to, during training and at the end (.safetensors). `--resume` continues it exactly.
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// Seconds between saves of the run or, without `--run`, of the model.
    #[arg(long, default_value_t = 20)]
    pub save_every: u64,
    #[command(flatten)]
    pub compute: Compute,
    /// Whose kernels run on the GPU.
    #[arg(long, value_enum, default_value_t = Kernels::Own)]
    pub ops: Kernels,
    /// The file to write one JSON line per step to: step, loss, seconds and, when evaluated, error and baseline.
    /// `--resume` appends to it.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// A folder for previews: images that show what the model does.
    #[arg(long)]
    pub preview: Option<PathBuf>,
    /// Steps between previews. Another one follows the last step.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub preview_every: u32,
    /// Evaluate on the training images against these landmarks. Puppets are always evaluated against their joints.
    #[arg(long)]
    pub eval_landmarks: Option<PathBuf>,
    /// Steps between evaluations. Another one follows the last step.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    pub eval_every: u32,
    /// Number of images to fit the regression on. Default: three quarters.
    #[arg(long)]
    pub eval_fit: Option<usize>,
}

/// Settings that override those of the preset.
#[derive(Args)]
pub struct Settings {
    /// Number of keypoints.
    #[arg(long)]
    pub keypoints: Option<usize>,
    /// Side of the images that the model sees, px.
    #[arg(long)]
    pub size: Option<usize>,
    /// Channels of the first layer.
    #[arg(long)]
    pub width: Option<usize>,
    /// Width of the decoder as a share of `--width`: 0.25, 0.5, 0.75 or 1.
    #[arg(long)]
    pub decoder_share: Option<f64>,
    /// How images become square.
    #[arg(long, value_parser = named::<Fit>(["stretch", "crop", "pad"]))]
    pub fit: Option<Fit>,
    /// Mirror each image with probability one half.
    #[arg(long)]
    pub flip: bool,
    /// The loss that compares reconstructions with images.
    #[arg(long, value_parser = named::<LossKind>(["pixel", "perceptual"]))]
    pub loss: Option<LossKind>,
    /// Number of VGG16 blocks that the perceptual loss compares.
    #[arg(long)]
    pub perceptual_blocks: Option<usize>,
    /// Side of the images that the perceptual loss compares, px.
    #[arg(long)]
    pub perceptual_size: Option<usize>,
    /// Images per step.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Images computed at once; a divisor of the batch.
    #[arg(long)]
    pub micro_batch: Option<usize>,
    /// Seed of all random streams.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Learning rate.
    #[arg(long)]
    pub lr: Option<f64>,
    /// AdamW's decoupled weight decay.
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Mask ratio: the share of mask cells that are hidden, 0 to 1.
    #[arg(long)]
    pub mask_ratio: Option<f64>,
    /// Mask grid: the number of mask cells along a side.
    #[arg(long)]
    pub mask_grid: Option<usize>,
    /// Edge thickness (the authors' `thick`, sigma squared).
    #[arg(long)]
    pub thickness: Option<f64>,
    /// Edge learning-rate multiplier (the authors' `sklr`).
    #[arg(long)]
    pub edge_scale: Option<f64>,
    /// Initial edge weight.
    #[arg(long)]
    pub edge_start: Option<f64>,
    /// Steps at the start during which keypoints are pulled apart, less and less; 0 for none.
    #[arg(long)]
    pub start_steps: Option<usize>,
    /// Factor of the learning rate at the first step; it falls to 1 over `--start-steps`.
    #[arg(long)]
    pub start_boost: Option<f64>,
}

impl Settings {
    /// Overrides the settings of a preset. A smaller batch takes the micro-batch along.
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
            decoder_share: self.decoder_share.unwrap_or(preset.decoder_share),
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
            start_steps: self.start_steps.unwrap_or(preset.start_steps),
            start_boost: self.start_boost.unwrap_or(preset.start_boost),
            held_out: preset.held_out,
            locate: preset.locate,
            crop_margin: preset.crop_margin,
        }
    }
}

#[derive(Args)]
pub struct Detect {
    /// Images, videos, folders and zip files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The model (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    #[arg(long)]
    pub model: PathBuf,
    /// The file to write the keypoints to (.json).
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    pub frames: FrameChoice,
    /// Find the animal that moves before a still camera in each video, or in each folder of images of one camera, and detect keypoints in
    /// crops around it, as the model was trained.
    #[arg(long)]
    pub locate: bool,
    /// Leave head and tail swapped where they seem to be, instead of mending them.
    #[arg(long, requires = "locate")]
    pub keep_flips: bool,
    /// Replace existing files.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub compute: Compute,
}

#[derive(Args)]
pub struct Eval {
    /// The model (.safetensors), or the authors' checkpoint (.ckpt, .pt).
    #[arg(long)]
    pub model: PathBuf,
    /// The folder that the file names in the table are relative to, or a video.
    #[arg(long)]
    pub images: PathBuf,
    /// Find the animal that moves before a still camera in each video, or in each folder of images of one camera, and detect keypoints in
    /// crops around it, as the model was trained. The error is then also
    /// given in px of the images (`error_px`); as a fraction it is one of the crop's side.
    #[arg(long)]
    pub locate: bool,
    /// A table of landmarks: `file,<name>_x,<name>_y,...`, as fractions of the image.
    #[arg(long)]
    pub landmarks: PathBuf,
    /// Number of images to fit the regression on. Default: three quarters.
    #[arg(long, alias = "fit")]
    pub eval_fit: Option<usize>,
    /// Seed that selects the images to fit on.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub compute: Compute,
}

/// Parses a value of the library by its name in the JSON files, one of `names`. (The library knows nothing of clap, so its types
/// cannot derive `ValueEnum`.)
fn named<T>(
    names: impl IntoIterator<Item = impl Into<PossibleValue>>,
) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(name.into()))
}

/// Parses what is written of annotations; `--help` lists the formats with what they hold.
fn written() -> impl TypedValueParser<Value = Written> {
    let value = |offer: FormatInfo| PossibleValue::new(offer.format.name()).help(offer.about);
    let of_videos = [
        PossibleValue::new("video").help("The skeleton and its trails over each video, as MP4"),
        PossibleValue::new("motion").help("Places, speeds, distances and angles in videos"),
    ];
    let names = FormatInfo::all().into_iter().map(value).chain(of_videos);
    PossibleValuesParser::new(names).try_map(|name| match name.as_str() {
        "video" => Ok(Written::Video),
        "motion" => Ok(Written::Motion),
        _ => serde_json::from_value(name.into()).map(Written::Files),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_are_consistent() {
        Cli::command().debug_assert();
    }
}
