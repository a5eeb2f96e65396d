//! A project as the page shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{AnnotationProject, ImageEntry};
use crate::annotate::edit::NamedKeypoint;
use crate::annotate::{Keypoint, Point, landmarks};

/// Number of images that are suggested to be labelled next.
pub(super) const SUGGESTIONS: usize = 5;

/// An image of the project, as the page lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ImageRow {
    /// Its id, which never changes and is never given to another image.
    pub id: u32,
    /// Its content: 32 hexadecimal digits, and `#` with a number for a frame.
    pub content: String,
    /// Path of its file, which no other image has.
    pub name: String,
    /// Its video, if it is a frame.
    pub video: Option<VideoFrame>,
    /// Width after the EXIF orientation, px.
    pub width_px: u32,
    /// Height after the EXIF orientation, px.
    pub height_px: u32,
    /// Mean confidence of its keypoints, 0 to 1.
    pub confidence: f64,
    /// True if its pixels are here. Images of an opened project are not, until a person adds them again.
    pub is_here: bool,
    /// The training step of the model when it detected the keypoints; none before that.
    pub step: Option<usize>,
}

/// A frame of a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct VideoFrame {
    /// Content of the video.
    pub content: String,
    /// Name of the video in the project, which no other video has.
    pub name: String,
    /// Frame number, from 0.
    #[ts(type = "number")]
    pub frame: u64,
    /// Time at which it is shown, s.
    pub seconds: f64,
}

/// A keypoint or landmark, with its name and its error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: String,
    /// True if exports leave it out.
    pub hidden: bool,
    /// Mean leave-one-out distance of a landmark, or mean distance of a keypoint from the placed landmark of its name, in fractions
    /// of the image; none until there is something to compare.
    pub error: Option<f64>,
    /// The same error if its mean place were always predicted.
    pub baseline: Option<f64>,
    /// Number of images on which it was placed or corrected.
    pub placed_on: usize,
    /// Ids of the rows where a landmark has the largest leave-one-out errors, worst first.
    pub worst: Vec<u32>,
}

/// The project as the page shows it.
#[derive(Clone, Debug, Serialize, TS)]
pub struct ProjectView {
    /// The kind of object in the images.
    pub category: String,
    /// Rows of all images, `[N]`; none if unchanged since the last view.
    pub rows: Option<Vec<ImageRow>>,
    /// The run whose keypoints are shown.
    pub run: String,
    /// Keypoints, `[K]`, hidden ones too.
    pub keypoints: Vec<Label>,
    /// Pairs of keypoint indices.
    pub skeleton: Vec<[usize; 2]>,
    /// Learned weights of pairs of keypoints, greatest first.
    pub edge_weights: Vec<([usize; 2], f64)>,
    /// Number of parts that the skeleton is cut into, 0 if it is whole.
    pub parts: usize,
    /// Landmarks, `[L]`.
    pub landmarks: Vec<Label>,
    /// Ids of the rows to label next, the most useful first.
    pub next: Vec<u32>,
    /// Ids of the frames to which the skeleton jumps, in the order of their videos and frames; see [`locate::jumps`].
    pub jumps: Vec<u32>,
    /// Number of images on which a landmark was placed, or marked absent.
    pub labelled: usize,
    /// Number of images whose labels wait to be attached.
    pub waiting: usize,
    /// Number of waiting labels that could be attached to an image that is here.
    pub attachable: usize,
    /// The reason why there are no predictions yet; empty if there are.
    pub missing: String,
    /// Points, `[N, K + L, 4]` float32, little-endian: x and y, px of the original image; confidence; state: 0 absent, 1 occluded,
    /// 2 visible, plus 4 where a person placed the point or marked it absent.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub points: Vec<u8>,
    /// True if there is an edit to undo.
    pub can_undo: bool,
    /// True if there is an undone edit to redo.
    pub can_redo: bool,
}

impl AnnotationProject {
    /// Returns the project as the page shows it. The rows are included if they changed since the last view, or if `all` is true.
    pub fn view(&mut self, all: bool) -> ProjectView {
        let with_rows = std::mem::take(&mut self.entries_changed) || all;
        let (places, corrected) = self.corrected_detections();
        let table = self.table();
        let mut shown = table.clone();
        (shown.keypoints.iter_mut()).for_each(|named| named.hidden = false);
        // The table was made for these keypoints, so this does not fail.
        let named = shown.apply(&corrected).unwrap_or_default();
        let (landmarks, fit) = self.all_landmarks(&places, &corrected);
        let no_corrections = BTreeMap::new();
        let moved = self.edits_of_run().map(|edits| &edits.corrected);
        let moved = moved.unwrap_or(&no_corrections);
        let moved_on = |named: &NamedKeypoint| {
            let is_moved = |moved: &&BTreeMap<usize, Point>| {
                named
                    .sources
                    .iter()
                    .any(|source| moved.contains_key(source))
            };
            moved.values().filter(is_moved).count()
        };
        let agreements = landmarks::agreement(&named, &self.placed_landmarks(&places));
        let keypoints = table.keypoints.iter().map(|named| {
            let agreement = agreements.iter().find(|a| a.name == named.name);
            Label {
                name: named.name.clone(),
                color: named.color.clone(),
                hidden: named.hidden,
                error: agreement.map(|a| a.error_fraction),
                baseline: agreement.and_then(|a| a.baseline_fraction),
                placed_on: moved_on(named),
                worst: Vec::new(),
            }
        });
        let id = |place: usize| self.entries[places[place]].id;
        let label = |(l, landmark): (usize, &Keypoint)| {
            let fitted = fit.as_ref().ok().map(|fit| &fit.landmarks[l]);
            let is_placed = |points: &&Vec<Point>| points[l].corrected;
            Label {
                name: landmark.name.clone(),
                color: landmark.color.clone(),
                hidden: false,
                error: fitted.and_then(|fitted| fitted.error_fraction),
                baseline: fitted.and_then(|fitted| fitted.baseline_fraction),
                placed_on: self.edits.placed.values().filter(is_placed).count(),
                worst: fitted.map_or(Vec::new(), |fitted| {
                    fitted.worst.iter().map(|worst| id(worst.image)).collect()
                }),
            }
        };
        let by_hand = |points: &Vec<Point>| points.iter().any(|point| point.corrected);
        let is_labelled = |&at: &usize| {
            let content = &self.entries[places[at]].content;
            self.edits.placed.get(content).is_some_and(by_hand)
        };
        let labelled: Vec<usize> = (0..places.len()).filter(is_labelled).collect();
        let next = if self.edits.landmarks.is_empty() {
            Vec::new()
        } else {
            landmarks::next_to_label(&corrected, fit.as_ref().ok(), &labelled, SUGGESTIONS)
                .unwrap_or_default()
        };
        let mut edge_weights: Vec<([usize; 2], f64)> = (named.edge_weights.iter())
            .map(|edge| (edge.ends, edge.weight))
            .collect();
        edge_weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        let absent = vec![Point::ABSENT; table.keypoints.len()];
        let mut detected = places.iter().zip(&named.images).peekable();
        let mut points = Vec::new();
        for (at, landmarks) in landmarks.images.iter().enumerate() {
            let named = detected.next_if(|(place, _)| **place == at);
            let named = named.map_or(&absent, |(_, image)| &image.points);
            for point in named.iter().chain(&landmarks.points) {
                let state = point.visibility as u8 + 4 * u8::from(point.corrected);
                let numbers = [point.x_px, point.y_px, point.confidence, f64::from(state)];
                points.extend(numbers.iter().flat_map(|v| (*v as f32).to_le_bytes()));
            }
        }
        let attachable = self
            .edits
            .waiting
            .iter()
            .filter(|w| self.image_for(w).is_some());
        ProjectView {
            category: self.edits.category.clone(),
            rows: with_rows.then(|| {
                self.entries
                    .iter()
                    .map(|entry| entry.to_row(&self.run))
                    .collect()
            }),
            run: self.run.clone(),
            keypoints: keypoints.collect(),
            skeleton: table.edges.clone(),
            parts: table.parts,
            edge_weights,
            landmarks: self.edits.landmarks.iter().enumerate().map(label).collect(),
            next: next.into_iter().map(id).collect(),
            jumps: self.jumps(&places, &named.images),
            labelled: self
                .edits
                .placed
                .values()
                .filter(|points| by_hand(points))
                .count(),
            waiting: self.edits.waiting.len(),
            attachable: attachable.count(),
            missing: match &fit {
                Err(error) if !self.edits.landmarks.is_empty() => error.to_string(),
                _ => String::new(),
            },
            points,
            can_undo: self.history.can_undo(),
            can_redo: self.history.can_redo(),
        }
    }
}

impl ImageEntry {
    fn to_row(&self, run: &str) -> ImageRow {
        let detection = self.detected_by(run);
        ImageRow {
            id: self.id,
            content: self.content.clone(),
            name: self.image.name(),
            video: self.video.as_ref().and_then(|content| {
                Some(VideoFrame {
                    content: content.clone(),
                    name: self.image.file_name.clone(),
                    frame: self.image.frame?,
                    seconds: self.image.seconds?,
                })
            }),
            width_px: self.image.width_px,
            height_px: self.image.height_px,
            confidence: detection.map_or(0.0, |detection| {
                let all = detection.points.iter().map(|point| point.confidence);
                all.sum::<f64>() / detection.points.len().max(1) as f64
            }),
            is_here: self.is_here,
            step: detection.map(|detection| detection.step),
        }
    }
}
