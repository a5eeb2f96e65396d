//! The messages between the page and the engine: [`Command`] in, [`Event`] out.
//!
//! `cargo test` generates the page's types (`www/engine/protocol.d.ts`) from this file; see the test at its end.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::edits::{Edits, Stages, Transfer};
use super::explain::{StageDetail, StageQuery};
use super::illustrate::{Illustrated, Illustration};
use crate::annotate::formats::{Format, FormatInfo};
use crate::annotate::motion::{Measure, OneEuro, Series};
use crate::annotate::project::{Edit, Layer, ProjectView};
use crate::config::{Config, Preset, Setting};
use crate::data::locate::Crop;
use crate::error::ErrorKind;
use crate::model::ParameterCounts;
use crate::render::skeleton_strengths;
use crate::train::Snapshot;
use crate::train::diagnosis::{Finding, PreviewStats};

/// The device that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The CPU, by Burn's Flex backend.
    Cpu,
    /// The GPU: WebGPU in a browser; Vulkan, Metal or DX12 natively.
    Gpu,
}

/// The origin of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// The files that came with the command: images and zips.
    Files,
    /// The images that came with the command, as crops around an animal ([`Config::locate`]).
    Located {
        /// The crop of each image.
        crops: Vec<Crop>,
    },
    /// Drawn puppets, with known joints.
    Puppets {
        /// Number of puppets.
        count: usize,
        /// Seed of their appearance and poses.
        #[ts(type = "number")]
        seed: u64,
    },
    /// Photographs of hands: up to 200 from the bundle that comes with the page, with known landmarks; more from their public repository.
    Hands {
        /// Number of photographs, from the start of the list.
        count: usize,
        /// Address of the folder that holds `0/ .. 9/`, ending in `/`.
        base_url: String,
        /// Address of the bundle. All photographs come from the folder if there is none.
        #[serde(default)]
        bundle_url: Option<String>,
    },
}

/// The kinds of files that a model can be saved as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The model, float32.
    Model,
    /// The model in half the space, float16.
    SmallModel,
    /// The run: model, optimiser and random streams. Training continues from it exactly.
    Run,
    /// The detector as ONNX, for other programs.
    Onnx,
}

impl FileKind {
    /// Returns the name of a file of this kind after `step` steps.
    pub fn file_name(self, step: usize) -> String {
        match self {
            FileKind::Model => format!("autolink-model-{step}-steps.safetensors"),
            FileKind::SmallModel => format!("autolink-model-{step}-steps-float16.safetensors"),
            FileKind::Run => format!("autolink-run-{step}-steps.safetensors"),
            FileKind::Onnx => format!("autolink-detector-{step}-steps.onnx"),
        }
    }
}

/// A request of the page. The engine answers each with [`Event::Done`], [`Event::Failed`] or the event named here, with its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Command {
    /// Starts the engine; must come first.
    Open {
        /// The backend; none: the fastest that works.
        backend: Option<Backend>,
        /// Address of the folder with the perceptual weights, ending in `/`.
        weights_url: String,
    },
    /// Replaces the images, or adds to them.
    Load {
        /// Origin of the images.
        source: Source,
        /// Keeps the images that are loaded, and adds these.
        append: bool,
    },
    /// Asks for thumbnails. Answered by [`Event::Thumbnails`].
    Thumbnails {
        /// Index of the first one, among all images that were read.
        first: usize,
        /// Largest number of thumbnails.
        count: usize,
    },
    /// Excludes these images from training, and includes all others; starts a new run.
    RemoveImages {
        /// Their indices, among all images that were read.
        indices: Vec<usize>,
    },
    /// Stops a load. The images that were loaded before it stay.
    CancelLoad,
    /// Changes the settings. Live ones act on the running model; any other starts a new run.
    Configure {
        /// All settings.
        config: Config,
    },
    /// Trains until paused, or for a number of steps.
    Train {
        /// Number of steps; none: until paused.
        steps: Option<u32>,
        /// Slow motion: time from the start of one step to the start of the next, ms, with views after each; none: as fast as possible.
        every_ms: Option<u32>,
    },
    /// Stops after the current step.
    Pause,
    /// Discards the run.
    Reset,
    /// Asks for [`Event::Views`] now.
    RefreshViews,
    /// Asks for the stages of a preview image, now and after every [`Event::Views`]; none: no longer. Sends [`Event::Inspected`].
    Inspect {
        /// The preview image, and the edits that are applied to it.
        edits: Option<Edits>,
    },
    /// Opens a stage of a preview image: asks for the numbers that the model computes there. Downloads VGG16's weights where the loss
    /// needs them. Answered by [`Event::Explained`].
    Explain {
        /// The preview image, and the edits that are applied to it.
        edits: Edits,
        /// The stage.
        stage: StageQuery,
    },
    /// Asks for the pose transfer between preview images. Answered by [`Event::Transferred`].
    Transfer {
        /// Indices of the preview images.
        previews: Vec<usize>,
    },
    /// Asks for a figure of the article. Answered by [`Event::Illustrated`].
    Illustrate {
        /// The figure's subject and parameters.
        what: Illustration,
    },
    /// Encodes the frames that came with the command, `[frames, height, width, 4]` pixels, as an animated GIF. Answered by
    /// [`Event::Saved`].
    Animate {
        /// Width of a frame, px.
        width: u32,
        /// Height of a frame, px.
        height: u32,
        /// Duration of each frame, ms.
        frame_ms: u32,
    },
    /// Finds keypoints in the file that came with the command. Answered by [`Event::Detected`].
    Detect,
    /// Asks for the model as a file. Answered by [`Event::Saved`].
    Save {
        /// Kind of file.
        kind: FileKind,
    },
    /// Opens the model or run in the file that came with the command (ours, or the authors' checkpoint). The images stay. Sends
    /// [`Event::Resumed`].
    Resume,
    /// Finds keypoints in the files that came with the command, or without files in the training images, and adds them to the
    /// annotation project. Sends [`Event::Project`] on the way and [`Event::Added`] at the end; [`Command::CancelLoad`] stops it
    /// and keeps the images so far.
    AddImages,
    /// Finds keypoints again in all images of the project whose keypoints another model found. The page sends frames again by
    /// [`Command::AddFrame`]. Sends the events of [`Command::AddImages`].
    DetectAgain,
    /// Asks for the content hash of the file that came with the command. Answered by [`Event::Identified`].
    Identify,
    /// Finds keypoints in the pixels that came with the command, `[height, width, 4]`, and adds nothing to the project: a camera's
    /// image. Answered by [`Event::Detected`].
    DetectPixels {
        /// Width of the image, px.
        width: u32,
        /// Height of the image, px.
        height: u32,
    },
    /// Finds keypoints in a frame of a video, `[height, width, 4]` pixels, and adds it to the project. Sends [`Event::Project`] now
    /// and then; [`Command::ShowProject`] asks for the last one.
    AddFrame {
        /// Name of the video's file.
        video: String,
        /// Content hash of the video; see [`Command::Identify`].
        content: String,
        /// Number of the frame, from 0.
        #[ts(type = "number")]
        frame: u64,
        /// Time of the frame, s.
        seconds: f64,
        /// Width of the frame, px.
        width: u32,
        /// Height of the frame, px.
        height: u32,
        /// The crop around the animal that the model sees; none: the whole frame.
        #[serde(default)]
        crop: Option<Crop>,
    },
    /// Starts to look for the animal in the frames of a still camera, in place of what was found there before.
    BeginSearch {
        /// Name of the camera's video or folder.
        source: String,
    },
    /// Takes the frame that came with the command, `[height, width, 4]` pixels, or the images that came with it, some 64 that are spread over the
    /// source, for the background.
    SampleFrames {
        /// As in [`Command::BeginSearch`].
        source: String,
        /// Width of the frame, px; 0 for images.
        width: u32,
        /// Height of the frame, px; 0 for images.
        height: u32,
    },
    /// Looks for the animal in the next frame, or the next images, of all frames of the source; otherwise as [`Command::SampleFrames`].
    SearchFrames {
        /// As in [`Command::BeginSearch`].
        source: String,
        /// Width of the frame, px; 0 for images.
        width: u32,
        /// Height of the frame, px; 0 for images.
        height: u32,
    },
    /// Asks for the crops of all frames that were looked at or, before the first of them, of the sampled frames. Answered by
    /// [`Event::Located`].
    Locate {
        /// As in [`Command::BeginSearch`].
        source: String,
        /// Side of the crops by the length of the body.
        margin: f64,
        /// The frames follow one another, as in a video.
        is_video: bool,
    },
    /// Asks which frames to compare, where `count` are to be chosen of all sources together. Answered by [`Event::FramesChosen`].
    ListCandidates {
        /// As in [`Command::BeginSearch`].
        sources: Vec<String>,
        /// Number of frames to choose.
        count: usize,
    },
    /// Takes the next of these candidates, `[height, width, 4]` pixels.
    AddCandidate {
        /// As in [`Command::BeginSearch`].
        source: String,
        /// Width of the frame, px.
        width: u32,
        /// Height of the frame, px.
        height: u32,
        /// Index of the frame among those that were looked at.
        index: usize,
    },
    /// Chooses frames that differ among the candidates. Answered by [`Event::FramesChosen`].
    ChooseFrames {
        /// As in [`Command::BeginSearch`].
        sources: Vec<String>,
        /// Number of frames to choose.
        count: usize,
    },
    /// Asks for the whole project. Sends [`Event::Project`].
    ShowProject,
    /// Provides the image of a frame of the project, in the file that came with the command, to be exported with it.
    ProvideFrame {
        /// Id of its row.
        image: u32,
    },
    /// Asks how keypoints move through the videos of the project. Answered by [`Event::Motion`].
    MeasureMotion {
        /// Layer of the points.
        layer: Layer,
        /// Quantities to measure.
        measures: Vec<Measure>,
        /// Smoothing filter; none: as detected.
        smoothing: Option<OneEuro>,
    },
    /// Asks for the same measures as a table. Answered by [`Event::Exported`].
    ExportMotion {
        /// Layer of the points.
        layer: Layer,
        /// Quantities to measure.
        measures: Vec<Measure>,
        /// Smoothing filter; none: as detected.
        smoothing: Option<OneEuro>,
    },
    /// Starts another project, without images.
    NewProject,
    /// Asks for the project as a file. Answered by [`Event::Exported`].
    SaveProject {
        /// Name of the project.
        name: String,
    },
    /// Opens the project in the file that came with the command in place of the current one; its images are still missing. Sends
    /// [`Event::Project`]; answered by [`Event::Opened`].
    OpenProject,
    /// Applies an edit to the project. Sends [`Event::Project`].
    Edit {
        /// The edit.
        edit: Edit,
    },
    /// Imports the labels in the files that came with the command (COCO keypoints, DeepLabCut's and others) as landmarks. Sends
    /// [`Event::Project`] and [`Event::Added`].
    ImportLabels,
    /// Asks for the project in the format of a tool. Answered by [`Event::Exported`].
    Export {
        /// Layer of the points.
        layer: Layer,
        /// File format.
        format: Format,
        /// Includes the images, where the format has a place for them.
        with_images: bool,
    },
    /// Asks for the file of an image of the project. Answered by [`Event::Exported`].
    ImageFile {
        /// Id of its row.
        image: u32,
    },
}

/// A file that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Rejected {
    /// The file's name, with its folder or zip.
    pub name: String,
    /// The reason, as a sentence.
    pub reason: String,
}

/// The engine's current activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// There are no images yet.
    Empty,
    /// Images are being read.
    Loading,
    /// There are images; no training runs.
    Paused,
    /// Steps are running.
    Training,
}

/// Keypoints of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Keypoints {
    /// `[K][x, y]` as fractions of the original image.
    pub keypoints: Vec<[f32; 2]>,
    /// `[K]` in `[0, 1]`: the share of each heatmap that lies near its keypoint.
    pub confidence: Vec<f32>,
}

/// The preview images as the model sees them now.
#[derive(Clone, Debug, Serialize, TS)]
pub struct PreviewViews {
    /// Steps taken.
    pub step: usize,
    /// Side of each view, px.
    pub size: usize,
    /// Number of preview images, P.
    pub count: usize,
    /// RGBA, `[4, P, size, size, 4]`: input, masked input, edge map, reconstruction.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[K][x, y]`: the mean of `keypoints` over the images.
    pub mean_pose: Vec<[f32; 2]>,
    /// `[P][K]` in `[0, 1]`: the share of each heatmap that lies near its keypoint.
    pub confidence: Vec<Vec<f32>>,
    /// `[K][K]`, symmetric, zero diagonal.
    pub edge_weights: Vec<Vec<f32>>,
    /// `[K][K]`: how far each edge of the skeleton stands out: 1 for the strongest edge, 0 for all that are not drawn.
    pub edge_strengths: Vec<Vec<f32>>,
    /// Issues of the run, the worst first.
    pub findings: Vec<Finding>,
}

/// A snapshot of the training history: the preview images after an earlier step.
#[derive(Clone, Debug, Serialize, TS)]
pub struct SnapshotView {
    /// Steps taken.
    pub step: usize,
    /// Side of each image, px.
    pub size: usize,
    /// Number of images, P.
    pub count: usize,
    /// The reconstructions: RGBA, `[P, size, size, 4]`.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// As [`PreviewViews::edge_strengths`].
    pub edge_strengths: Vec<Vec<f32>>,
}

impl From<&Snapshot> for SnapshotView {
    fn from(snapshot: &Snapshot) -> Self {
        let count = snapshot.keypoints.len();
        let area = snapshot.reconstruction.len() / 3 / count.max(1);
        Self {
            step: snapshot.step,
            size: area.isqrt(),
            count,
            pixels: (snapshot.reconstruction.chunks_exact(3))
                .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255])
                .collect(),
            keypoints: snapshot.keypoints.clone(),
            edge_strengths: skeleton_strengths(&snapshot.edge_weights),
        }
    }
}

impl PreviewViews {
    /// Returns the part of the views that training health is diagnosed from.
    pub fn stats(&self) -> PreviewStats {
        PreviewStats {
            step: self.step,
            keypoints: self.keypoints.clone(),
            confidence: self.confidence.clone(),
        }
    }

    /// Returns the part of the views that the training history keeps.
    pub fn snapshot(&self) -> Snapshot {
        let length = self.pixels.len() / 4;
        Snapshot {
            step: self.step,
            keypoints: self.keypoints.clone(),
            edge_weights: self.edge_weights.clone(),
            reconstruction: self.pixels[3 * length..]
                .chunks_exact(4)
                .flat_map(|rgba| [rgba[0], rgba[1], rgba[2]])
                .collect(),
        }
    }
}

/// A message of the engine to the page.
#[derive(Clone, Debug, Serialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The engine is ready.
    Ready {
        /// The device that computes.
        backend: Backend,
        /// Name of the device, and the reason for this backend, as a sentence.
        reason: String,
        /// The numeric settings.
        settings: Vec<Setting>,
        /// The settings of each preset.
        presets: Vec<(Preset, Config)>,
        /// `[64]` colours `#rrggbb`; colour k belongs to keypoint k everywhere.
        palette: Vec<String>,
        /// Formats for export.
        formats: Vec<FormatInfo>,
    },
    /// The number of CPU cores in use changed.
    Cores {
        /// The current value of [`Event::Ready`]'s `reason`.
        reason: String,
    },
    /// Progress of something that takes a while.
    Progress {
        /// Name of the activity, for people: "Reading images", "Loading VGG16 weights".
        what: String,
        /// Units done.
        done: usize,
        /// Units in total; none: unknown.
        total: Option<usize>,
        /// The unit is bytes, not items.
        is_bytes: bool,
    },
    /// A load has ended: the images changed, or none of the files could be used.
    Loaded {
        /// The images changed.
        is_new: bool,
        /// Number of images to train on.
        images: usize,
        /// Number of images that were read, removed ones included.
        read: usize,
        /// Source of the images, and their licence where there is one, as a sentence.
        about: String,
        /// Files that could not be used.
        rejected: Vec<Rejected>,
    },
    /// Thumbnails of images as they were read.
    Thumbnails {
        /// The command's id.
        id: u32,
        /// Side of each, S px.
        size: usize,
        /// `[n]`: names of the files, with their folder or zip.
        names: Vec<String>,
        /// RGBA, `[n, S, S, 4]`.
        #[serde(with = "serde_bytes")]
        #[ts(type = "Uint8Array<ArrayBuffer>")]
        pixels: Vec<u8>,
    },
    /// Phase, settings or step changed.
    State {
        /// The current activity.
        phase: Phase,
        /// The settings in force.
        config: Config,
        /// Steps taken.
        step: usize,
        /// The step at which a first skeleton can usually be recognised: [`Config::first_skeleton_step`].
        first_skeleton_step: usize,
        /// Id of the run.
        run_id: String,
        /// Number of images in use.
        images: usize,
        /// Number of parameters of each part of the model.
        parameters: ParameterCounts,
        /// Number of those that are held out of training.
        held_out: usize,
    },
    /// A step was taken.
    Step {
        /// Steps taken.
        step: usize,
        /// Loss of this step.
        loss: f32,
        /// Speed over the last few steps.
        steps_per_second: f32,
        /// Time spent on training, pauses excluded, s.
        elapsed_seconds: f32,
    },
    /// New views of the preview images.
    Views(PreviewViews),
    /// A new snapshot. One whose step is not later than the last one's starts a new history.
    Snapshot(SnapshotView),
    /// The loss of the images that are held out of training, always with the same masks.
    HeldOut {
        /// Steps that the model had taken.
        step: usize,
        /// Mean loss of the images.
        loss: f32,
    },
    /// How well the keypoints predict the joints of puppets, or the landmarks of hands.
    Scored {
        /// Steps taken.
        step: usize,
        /// Mean distance of the landmarks regressed from the keypoints, as a fraction of the image's side, on images that were not
        /// used to fit the regression: held-out ones, where there are some.
        error: f64,
        /// The same for always predicting the mean position.
        baseline: f64,
    },
    /// All stages of a preview image.
    Inspected(Stages),
    /// The numbers of an open stage.
    Explained {
        /// The command's id.
        id: u32,
        /// Steps taken.
        step: usize,
        /// The numbers.
        detail: StageDetail,
    },
    /// Pose transfer between preview images.
    Transferred {
        /// The command's id.
        id: u32,
        /// The grid of images.
        #[serde(flatten)]
        #[ts(flatten)]
        grid: Transfer,
    },
    /// A figure of the article.
    Illustrated {
        /// The command's id.
        id: u32,
        /// The figure.
        #[serde(flatten)]
        #[ts(flatten)]
        figure: Illustrated,
    },
    /// Keypoints of an image.
    Detected {
        /// The command's id.
        id: u32,
        /// The keypoints.
        #[serde(flatten)]
        #[ts(flatten)]
        found: Keypoints,
    },
    /// A model, a run or an animation as a file.
    Saved {
        /// The command's id.
        id: u32,
        /// Suggested file name.
        name: String,
        /// Content of the file.
        #[serde(with = "serde_bytes")]
        #[ts(type = "Uint8Array<ArrayBuffer>")]
        bytes: Vec<u8>,
    },
    /// A project was opened.
    Opened {
        /// The command's id.
        id: u32,
        /// Name of the project; empty for a file of an earlier version.
        name: String,
    },
    /// The content hash of a file.
    Identified {
        /// The command's id.
        id: u32,
        /// 32 hexadecimal digits.
        content: String,
    },
    /// The annotation project.
    Project(ProjectView),
    /// Images or labels were added to the project.
    Added {
        /// Summary, as a sentence.
        about: String,
        /// Files that could not be used, and notes on others.
        rejected: Vec<Rejected>,
    },
    /// How keypoints move.
    Motion {
        /// The command's id.
        id: u32,
        /// For each video: its name, the time of each frame (s), and the measures.
        videos: Vec<(String, Vec<f64>, Vec<Series>)>,
    },
    /// Where the animal is in the frames of a source.
    Located {
        /// The command's id.
        id: u32,
        /// The crop of each frame; that of the nearest frame where it shows nothing.
        crops: Vec<Crop>,
        /// Whether each frame shows exactly one thing that moves, and its head is certain.
        usable: Vec<bool>,
        /// Crops suit these frames: nearly all show one thing, which is small in them.
        is_advised: bool,
        /// What was found, and which frames to leave out of training, in sentences.
        about_training: String,
        /// What was found, and which keypoints to check, in sentences.
        about_detection: String,
    },
    /// Frames of each source, as ascending indices among those that were looked at.
    FramesChosen {
        /// The command's id.
        id: u32,
        /// `[sources][frames]`.
        frames: Vec<Vec<usize>>,
    },
    /// A file of the project.
    Exported {
        /// The command's id.
        id: u32,
        /// Suggested file name.
        name: String,
        /// Filled in by the worker: a handle of the browser's, which need not lie in memory.
        #[ts(type = "Blob")]
        file: (),
    },
    /// A model or run was opened.
    Resumed {
        /// Training continues exactly where it was saved.
        is_run: bool,
        /// Description, as a sentence.
        about: String,
        /// The losses of its last steps, as far as they are known.
        losses: Vec<f32>,
    },
    /// A command is done.
    Done {
        /// The command's id.
        id: u32,
    },
    /// A command or the engine failed. The state from before the command stays.
    Failed {
        /// The command's id, where a command failed.
        id: Option<u32>,
        /// Kind of error.
        kind: ErrorKind,
        /// What happened and what to do, in sentences for people.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::project::{ImageRow, Label, VideoFrame};
    use crate::config::{Fit, LossKind};
    use crate::render::EdgeRole;
    use crate::session::edits::{EdgeEdit, EdgeState, MaskEdit};
    use crate::session::explain::{EdgeDetail, EdgeRule, LayerMaps, LossMap};
    use crate::train::diagnosis::Issue;

    /// Compares `www/engine/protocol.d.ts` with the types here. Where they differ, it writes the file and fails once.
    #[test]
    fn page_types_are_current() {
        let cfg = ts_rs::Config::default();
        let declarations = [
            Preset::decl(&cfg),
            Fit::decl(&cfg),
            LossKind::decl(&cfg),
            Config::decl(&cfg),
            Setting::decl(&cfg),
            ErrorKind::decl(&cfg),
            Backend::decl(&cfg),
            Crop::decl(&cfg),
            Source::decl(&cfg),
            FileKind::decl(&cfg),
            Command::decl(&cfg),
            Rejected::decl(&cfg),
            Phase::decl(&cfg),
            Keypoints::decl(&cfg),
            Issue::decl(&cfg),
            Finding::decl(&cfg),
            PreviewViews::decl(&cfg),
            SnapshotView::decl(&cfg),
            EdgeState::decl(&cfg),
            EdgeEdit::decl(&cfg),
            MaskEdit::decl(&cfg),
            Edits::decl(&cfg),
            Stages::decl(&cfg),
            StageQuery::decl(&cfg),
            StageDetail::decl(&cfg),
            LayerMaps::decl(&cfg),
            LossMap::decl(&cfg),
            EdgeRole::decl(&cfg),
            EdgeDetail::decl(&cfg),
            EdgeRule::decl(&cfg),
            ParameterCounts::decl(&cfg),
            Transfer::decl(&cfg),
            Illustration::decl(&cfg),
            Illustrated::decl(&cfg),
            Layer::decl(&cfg),
            Format::decl(&cfg),
            FormatInfo::decl(&cfg),
            Edit::decl(&cfg),
            OneEuro::decl(&cfg),
            Measure::decl(&cfg),
            Series::decl(&cfg),
            VideoFrame::decl(&cfg),
            ImageRow::decl(&cfg),
            Label::decl(&cfg),
            ProjectView::decl(&cfg),
            Event::decl(&cfg),
        ];
        let mut text = "// Written by `cargo test` from src/session/protocol.rs and src/config.rs. Do not edit.\n".to_string();
        for declaration in declarations {
            text += &format!("export {declaration}\n");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/www/engine/protocol.d.ts");
        if std::fs::read_to_string(path).unwrap_or_default() != text {
            std::fs::write(path, text).expect("write www/engine/protocol.d.ts");
            panic!("www/engine/protocol.d.ts was out of date and is now updated: commit it");
        }
    }
}
