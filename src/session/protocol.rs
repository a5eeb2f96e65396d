//! The messages between the page and the engine: [`Command`] in, [`Event`] out.
//!
//! `cargo test` generates the page's types (`www/engine/protocol.d.ts`) from this file; see the test at its end.

mod command;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use self::command::{Command, FileKind, Source};

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
        /// Side of the crops by the length of the body.
        margin: f64,
        /// Crops suit these frames: nearly all show one thing, which is small in them.
        is_advised: bool,
        /// Sentences for a person: the animal found, and the frames to leave out of training.
        about_training: String,
        /// Sentences for a person: the animal found, and the keypoints to check.
        about_detection: String,
    },
    /// Swapped heads and tails were mended, or more frames must be read in reverse first ([`Command::ReadReversed`]).
    FlipsMended {
        /// The command's id.
        id: u32,
        /// Number of frames that were mended.
        mended: usize,
        /// Ids of the frames to read, after which the command is to be sent again.
        unread: Vec<u32>,
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
