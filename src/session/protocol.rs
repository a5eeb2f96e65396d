//! What crosses between the page and the engine: [`Command`] in, [`Event`] out.
//!
//! The page's types (`www/protocol.d.ts`) are generated from these by `cargo test`; see the test at the end.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::edits::{Edits, Stages, Transfer};
use super::illustrate::{Illustrated, Illustration};
use crate::annotate::formats::{Format, Offer};
use crate::annotate::motion::{Measure, OneEuro, Series};
use crate::annotate::project::{Edit, Layer, ProjectView};
use crate::config::{Config, Preset, Setting};
use crate::error::ErrorKind;
use crate::render::relative_strengths;
use crate::train::Snapshot;
use crate::train::diagnosis::{Finding, PreviewStats};

/// Which backend computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The processor (burn's Flex).
    Cpu,
    /// WebGPU in a browser; Vulkan, Metal or DX12 natively.
    Gpu,
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// The files that came with the command: pictures and zips.
    Files,
    /// Drawn puppets, with known joints.
    Puppets {
        /// How many.
        count: usize,
        /// Seed of their looks and poses.
        #[ts(type = "number")]
        seed: u64,
    },
    /// Photographs of hands, streamed from their public repository.
    Hands {
        /// The first how many.
        count: usize,
        /// The folder that holds `0/ .. 9/` and `index.json`'s names, ending in `/`.
        base_url: String,
    },
}

/// What can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The model, float32.
    Model,
    /// The model in half the space, float16.
    SmallModel,
    /// The run, to go on with exactly where it is.
    Run,
    /// The detector for other programs.
    Onnx,
}

impl FileKind {
    /// What a file of this kind is called after so many steps.
    pub fn file_name(self, step: usize) -> String {
        match self {
            FileKind::Model => format!("autolink-model-{step}-steps.safetensors"),
            FileKind::SmallModel => format!("autolink-model-{step}-steps-float16.safetensors"),
            FileKind::Run => format!("autolink-run-{step}-steps.safetensors"),
            FileKind::Onnx => format!("autolink-detector-{step}-steps.onnx"),
        }
    }
}

/// What the page asks of the engine. Each is answered by [`Event::Done`] or [`Event::Failed`] with its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Command {
    /// Starts the engine; must come first. No backend: the best that runs.
    Open {
        /// Which backend, if one is forced.
        backend: Option<Backend>,
        /// Where the perceptual weights lie, ending in `/`.
        weights_url: String,
    },
    /// Replaces the pictures, or adds to them.
    Load {
        /// Where from.
        source: Source,
        /// Whether those that are there stay.
        adds: bool,
    },
    /// Asks for pictures as they were read. Answered by [`Event::Thumbnails`].
    Thumbnails {
        /// The place of the first one, among all that were read.
        first: usize,
        /// How many at most.
        count: usize,
    },
    /// Learns without some of the pictures, and with every other one; starts a new run.
    RemoveImages {
        /// Their indices, among all that were read.
        indices: Vec<usize>,
    },
    /// Stops a load; what has come so far is dropped, the pictures before it stay.
    CancelLoad,
    /// New settings. Live ones act on the running model; any other starts a new run.
    Configure {
        /// All of them.
        config: Config,
    },
    /// Trains until paused, or that many steps.
    Train {
        /// How many steps; none: until paused.
        steps: Option<u32>,
        /// Slow motion: a step, with fresh views, begins so long after the one before, ms; none: as fast as it can.
        every_ms: Option<u32>,
    },
    /// Stops after the step under way.
    Pause,
    /// Forgets what was learned.
    Reset,
    /// Asks for fresh views.
    RefreshViews,
    /// Asks to see a probe taken apart, now and after every [`Event::Views`]; none: no longer. Tells [`Event::Inspected`].
    Inspect {
        /// Which, and what is changed on its way.
        edits: Option<Edits>,
    },
    /// Asks for the keypoints of each of some probes in the looks of each. Answered by [`Event::Transferred`].
    Transfer {
        /// Which.
        probes: Vec<usize>,
    },
    /// Asks for a figure of the article. Answered by [`Event::Illustrated`].
    Illustrate {
        /// What it shows.
        what: Illustration,
    },
    /// Asks for the frames that came with the command, `[frames, height, width, 4]` pixels, as an animated GIF. Answered by
    /// [`Event::Saved`].
    Animate {
        /// Of a frame, px.
        width: u32,
        /// Of a frame, px.
        height: u32,
        /// How long each is shown, ms.
        frame_ms: u32,
    },
    /// Finds keypoints in the file that came with the command. Answered by [`Event::Detected`].
    Detect,
    /// Asks for what was learned as a file. Answered by [`Event::Saved`].
    Save {
        /// As what.
        kind: FileKind,
    },
    /// Takes over the model or run in the file that came with the command (ours, or the authors' checkpoint); the pictures
    /// stay. Tells [`Event::Resumed`].
    Resume,
    /// Finds keypoints in the files that came with the command, or without files in the training pictures, and puts them on the annotation desk. Tells [`Event::Project`] as it
    /// goes and [`Event::Added`]; stopped by [`Command::CancelLoad`], with what was found so far.
    AddImages,
    /// Finds keypoints anew in the images of the project whose keypoints are not of the model as it is now. Frames are to be given again by
    /// [`Command::AddFrame`]. Tells as [`Command::AddImages`].
    DetectAgain,
    /// Asks what the file that came with the command is known by, whatever its name. Answered by [`Event::Identified`].
    Identify,
    /// Finds keypoints in the pixels that came with the command, `[height, width, 4]`, and puts nothing on the desk: a camera's picture.
    /// Answered by [`Event::Detected`].
    DetectPixels {
        /// Of the picture, px.
        width: u32,
        /// Of the picture, px.
        height: u32,
    },
    /// Puts a frame of a video, `[height, width, 4]` pixels, on the desk, with what is found in it. Tells [`Event::Project`] now and then;
    /// the last one is to be asked for by [`Command::ShowProject`].
    AddFrame {
        /// The video's file.
        video: String,
        /// What the video is known by; see [`Command::Identify`].
        content: String,
        /// Which frame, from 0.
        #[ts(type = "number")]
        frame: u64,
        /// When it is shown, s.
        seconds: f64,
        /// Of the frame, px.
        width: u32,
        /// Of the frame, px.
        height: u32,
    },
    /// Asks for the desk as it is. Tells [`Event::Project`].
    ShowProject,
    /// Gives the picture of a frame on the desk, the file that came with the command, to be exported with it.
    ProvideFrame {
        /// Which, by the id of its row.
        image: u32,
    },
    /// Asks how keypoints move through the videos on the desk. Answered by [`Event::Motion`].
    MeasureMotion {
        /// Which points.
        layer: Layer,
        /// What of them.
        measures: Vec<Measure>,
        /// How much is smoothed; none: as found.
        smoothing: Option<OneEuro>,
    },
    /// The same as a table. Answered by [`Event::Exported`].
    ExportMotion {
        /// Which points.
        layer: Layer,
        /// What of them.
        measures: Vec<Measure>,
        /// How much is smoothed; none: as found.
        smoothing: Option<OneEuro>,
    },
    /// Begins another project, without images.
    NewProject,
    /// Asks for the project as a file. Answered by [`Event::Exported`].
    SaveProject {
        /// What it is called.
        name: String,
    },
    /// Opens the project in the file that came with the command in place of the one at hand; it waits for its images. Tells
    /// [`Event::Project`]; answered by [`Event::Opened`].
    OpenProject,
    /// Does something on the desk. Tells [`Event::Project`].
    Edit {
        /// What.
        edit: Edit,
    },
    /// Takes the labels in the file that came with the command (COCO keypoints, or DeepLabCut's) as landmarks. Tells [`Event::Project`]
    /// and [`Event::Added`].
    ImportLabels,
    /// Asks for what is on the desk in the form of a tool. Answered by [`Event::Exported`].
    Export {
        /// Which points.
        layer: Layer,
        /// Which form.
        format: Format,
        /// Whether the pictures go along, where the form has a place for them.
        with_images: bool,
    },
    /// Asks for the file of a picture on the desk. Answered by [`Event::Exported`].
    ImageFile {
        /// Which, by the id of its row.
        image: u32,
    },
}

/// A file that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Rejected {
    /// The file's name, with its folder or zip.
    pub name: String,
    /// A sentence.
    pub reason: String,
}

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No pictures yet.
    Empty,
    /// Reading pictures.
    Loading,
    /// Pictures are there; nothing runs.
    Paused,
    /// Steps are running.
    Training,
}

/// Keypoints of one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Keypoints {
    /// `[K][x, y]` as fractions of the original picture.
    pub keypoints: Vec<[f32; 2]>,
    /// `[K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
    pub confidence: Vec<f32>,
}

/// The probe pictures as the model sees them now.
#[derive(Clone, Debug, Serialize, TS)]
pub struct PreviewViews {
    /// Steps taken.
    pub step: usize,
    /// Side of each view, px.
    pub size: usize,
    /// How many pictures, P.
    pub count: usize,
    /// RGBA, `[4, P, size, size, 4]`: input, masked input, edge map, reconstruction.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[K][x, y]`: the mean of those.
    pub mean_pose: Vec<[f32; 2]>,
    /// `[P][K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
    pub confidence: Vec<Vec<f32>>,
    /// `[K][K]`, symmetric, zero diagonal.
    pub edge_weights: Vec<Vec<f32>>,
    /// `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest.
    pub edge_strengths: Vec<Vec<f32>>,
    /// What goes wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// What the probes looked like after some step, to look back on.
#[derive(Clone, Debug, Serialize, TS)]
pub struct SnapshotView {
    /// Steps taken.
    pub step: usize,
    /// Side of each picture, px.
    pub size: usize,
    /// How many pictures, P.
    pub count: usize,
    /// The reconstructions: RGBA, `[P, size, size, 4]`.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[K][K]`: how far each edge stands out.
    pub edge_strengths: Vec<Vec<f32>>,
}

impl SnapshotView {
    /// What there is to show of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
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
            edge_strengths: relative_strengths(&snapshot.edge_weights),
        }
    }
}

impl PreviewViews {
    /// What is looked at to tell what goes wrong.
    pub fn look(&self) -> PreviewStats {
        PreviewStats {
            step: self.step,
            keypoints: self.keypoints.clone(),
            confidence: self.confidence.clone(),
        }
    }

    /// What is kept of them to look back on.
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

/// What the engine tells the page.
#[derive(Clone, Debug, Serialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The engine runs.
    Ready {
        /// On what.
        backend: Backend,
        /// A sentence: which device, and why this backend.
        reason: String,
        /// What can be set.
        settings: Vec<Setting>,
        /// The settings of each preset.
        presets: Vec<(Preset, Config)>,
        /// `[64]` colours `#rrggbb`: keypoint k is drawn in the k-th, everywhere.
        palette: Vec<String>,
        /// What annotations can be exported as.
        formats: Vec<Offer>,
    },
    /// More cores compute than before, or fewer.
    Cores {
        /// What [`Event::Ready`] said of the backend, as it is now.
        reason: String,
    },
    /// Something takes a while.
    Progress {
        /// What, for people: "Reading pictures", "Loading VGG16 weights".
        what: String,
        /// So far.
        done: usize,
        /// Of how many; none: unknown.
        total: Option<usize>,
        /// Whether bytes are counted, not pieces.
        is_bytes: bool,
    },
    /// There are other pictures, or more; or what came could not be used.
    Loaded {
        /// Whether there are others now, or more.
        is_new: bool,
        /// How many.
        pictures: usize,
        /// How many were read: those that are left out, too.
        read: usize,
        /// A sentence about them: their source, and their licence where there is one.
        about: String,
        /// Files that could not be used.
        rejected: Vec<Rejected>,
    },
    /// Pictures as they were read.
    Thumbnails {
        /// The command's id.
        id: u32,
        /// Side of each, S px.
        size: usize,
        /// `[n]`: the files' names, with their folder or zip.
        names: Vec<String>,
        /// RGBA, `[n, S, S, 4]`.
        #[serde(with = "serde_bytes")]
        #[ts(type = "Uint8Array<ArrayBuffer>")]
        pixels: Vec<u8>,
    },
    /// Phase, settings or step changed.
    State {
        /// What is going on.
        phase: Phase,
        /// The settings in force.
        config: Config,
        /// Steps taken.
        step: usize,
        /// What the run is known by.
        run_id: String,
        /// How many pictures.
        pictures: usize,
    },
    /// A step was taken.
    Step {
        /// Steps taken.
        step: usize,
        /// Its loss.
        loss: f32,
        /// Over the last few steps.
        steps_per_second: f32,
        /// Seconds of training, pauses left out.
        elapsed_seconds: f32,
    },
    /// Fresh views.
    Views(PreviewViews),
    /// A moment to look back on; one that does not follow the one before begins anew.
    Snapshot(SnapshotView),
    /// How well the keypoints tell where the joints of puppets are.
    Scored {
        /// Steps taken.
        step: usize,
        /// Mean distance of joints regressed from the keypoints, as a share of the picture's side, on pictures that the regression
        /// has not seen.
        error: f64,
        /// The same, always guessing the mean place.
        baseline: f64,
    },
    /// A probe taken apart.
    Inspected(Stages),
    /// Poses of some probes in the looks of others.
    Transferred {
        /// The command's id.
        id: u32,
        /// The grid.
        #[serde(flatten)]
        #[ts(flatten)]
        grid: Transfer,
    },
    /// The figure that was asked for.
    Illustrated {
        /// The command's id.
        id: u32,
        /// The figure.
        #[serde(flatten)]
        #[ts(flatten)]
        figure: Illustrated,
    },
    /// Keypoints of the picture that was asked for.
    Detected {
        /// The command's id.
        id: u32,
        /// The keypoints.
        #[serde(flatten)]
        #[ts(flatten)]
        found: Keypoints,
    },
    /// What was learned, as the file that was asked for.
    Saved {
        /// The command's id.
        id: u32,
        /// A name for it.
        name: String,
        /// Its bytes.
        #[serde(with = "serde_bytes")]
        #[ts(type = "Uint8Array<ArrayBuffer>")]
        bytes: Vec<u8>,
    },
    /// A project was opened.
    Opened {
        /// The command's id.
        id: u32,
        /// What it is called; nothing for the work of an earlier version.
        name: String,
    },
    /// What a file is known by.
    Identified {
        /// The command's id.
        id: u32,
        /// 32 hexadecimal digits.
        content: String,
    },
    /// The annotation project.
    Project(ProjectView),
    /// Pictures or labels were put on the desk.
    Added {
        /// A sentence.
        about: String,
        /// Files that could not be used, and what was noticed about others.
        rejected: Vec<Rejected>,
    },
    /// How keypoints move.
    Motion {
        /// The command's id.
        id: u32,
        /// Of each video: its name, when each frame is shown (s), and the measures.
        videos: Vec<(String, Vec<f64>, Vec<Series>)>,
    },
    /// A file that was asked for.
    Exported {
        /// The command's id.
        id: u32,
        /// A name for it.
        name: String,
        /// Put in by the worker: a handle of the browser's, which does not hold it in memory.
        #[ts(type = "Blob")]
        file: (),
    },
    /// A model or run was taken over.
    Resumed {
        /// Whether it goes on exactly where it was saved.
        is_run: bool,
        /// A sentence about it.
        about: String,
        /// The losses of its last steps, as far as they are known.
        losses: Vec<f32>,
    },
    /// The command with this id is done.
    Done {
        /// The command's id.
        id: u32,
    },
    /// Something went wrong; what was there before is still there.
    Failed {
        /// The command's id, where one failed.
        id: Option<u32>,
        /// What kind.
        kind: ErrorKind,
        /// A sentence for a visitor.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::project::{ImageRow, Label, VideoFrame};
    use crate::config::{Fit, LossKind};
    use crate::session::edits::{EdgeEdit, EdgeState, MaskEdit};
    use crate::train::diagnosis::Issue;

    /// `www/protocol.d.ts` is what the enums here say. On a difference it is written anew and the test fails once.
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
            Transfer::decl(&cfg),
            Illustration::decl(&cfg),
            Illustrated::decl(&cfg),
            Layer::decl(&cfg),
            Format::decl(&cfg),
            Offer::decl(&cfg),
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
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/www/protocol.d.ts");
        if std::fs::read_to_string(path).unwrap_or_default() != text {
            std::fs::write(path, text).expect("write www/protocol.d.ts");
            panic!("www/protocol.d.ts was out of date; it has been written anew, commit it");
        }
    }
}
