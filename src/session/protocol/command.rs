//! What the page asks of the engine.

use super::*;

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
    /// Reads the crop of a frame of the project in reverse, from the frame's `[height, width, 4]` pixels; for [`Command::MendFlips`].
    ReadReversed {
        /// Id of the frame's row.
        image: u32,
        /// Width of the frame, px.
        width: u32,
        /// Height of the frame, px.
        height: u32,
    },
    /// Mends frames of a video in which head and tail are swapped. Answered by [`Event::FlipsMended`].
    MendFlips {
        /// Content hash of the video; see [`Command::Identify`].
        video: String,
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
        /// Side of the crops by the length of the body; that of the model ([`Config::crop_margin`]) if there is none. A run that is then
        /// trained on these crops keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        margin: Option<f64>,
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
