//! The annotation project: images with the keypoints that models detected in them, a person's edits, and the exports.
//!
//! Detections never change. A person's [`UserEdits`] are kept apart: landmarks belong to an image, identified by its content
//! ([`super::content`]); names, merges and corrections belong to the model (a run) that they were made for. Every [`Edit`] is a
//! change that can be undone (`history`); `file` saves a project as one file.

mod edits; // a person's edits, as changes
mod file; // one file a project
mod flips; // jumps of a video's skeleton, and swapped heads and tails
mod history; // undo and redo
mod labels; // points: corrected, predicted, imported, exported
mod view; // the project as the page shows it

use std::collections::HashMap;

use self::history::{Change, History};
use super::edit::Table;
use super::{Annotations, Image, Point};
use crate::data::locate::Crop;
use crate::error::{Error, Result};

pub use edits::{Edit, Layer, ModelEdits, UserEdits, WaitingLabels};
pub use view::{ImageRow, Label, ProjectView, VideoFrame};

/// Number of runs whose keypoints an image keeps: the newest ones.
const MAX_DETECTIONS: usize = 3;

/// An image, and the keypoints that models detected in it.
#[derive(Clone, Debug, PartialEq)]
struct ImageEntry {
    id: u32,
    content: String,
    /// The name of its file when it was last added; `image.file_name` has a number where another image already had that name.
    given_name: String,
    /// The content of its video, if it is a frame.
    video: Option<String>,
    /// Name, size and frame, without points.
    image: Image,
    is_here: bool,
    /// One per run, the newest last.
    detections: Vec<Detection>,
}

/// The keypoints that a model detected in an image.
#[derive(Clone, Debug, PartialEq)]
struct Detection {
    run: String,
    step: usize,
    points: Vec<Point>,
}

/// Images, the keypoints detected in them, and a person's edits.
///
/// See the tests in `project/tests.rs`.
#[derive(Clone, Debug)]
pub struct AnnotationProject {
    /// The run whose keypoints are shown.
    run: String,
    /// The keypoints and edges of that run, without images.
    discovered: Annotations,
    /// The names of those keypoints before any edit.
    initial_table: Table,
    entries: Vec<ImageEntry>,
    next_id: u32,
    by_content: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<u32, usize>,
    /// True if images were added, removed or changed since the last view with rows.
    entries_changed: bool,
    edits: UserEdits,
    history: History<Change>,
}

impl AnnotationProject {
    /// Creates an empty project for the keypoints of a run. `discovered` has no images; `names` were saved with the model; ids go on
    /// from those of the project `before`.
    pub fn new(
        run: &str,
        discovered: Annotations,
        names: Option<&Table>,
        before: Option<&Self>,
    ) -> Self {
        let mut project = Self {
            run: String::new(),
            initial_table: Table::new(&discovered),
            edits: UserEdits {
                category: discovered.category.clone(),
                ..UserEdits::default()
            },
            discovered: Annotations::default(),
            entries: Vec::new(),
            // A late edit of the previous project must not change an image of this one.
            next_id: before.map_or(0, |project| project.next_id),
            by_content: HashMap::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
            entries_changed: true,
            history: History::default(),
        };
        project.show_model(run, discovered, names);
        project
    }

    /// Shows the keypoints of this run from now on, under the names that a person gave them in this project, or else under those
    /// that were saved with the model. Images, landmarks and edits of other runs stay.
    pub fn show_model(&mut self, run: &str, discovered: Annotations, names: Option<&Table>) {
        let count = discovered.keypoints.len();
        let names = names.filter(|names| names.covers_each_once(count));
        self.initial_table = names.cloned().unwrap_or_else(|| Table::new(&discovered));
        self.entries_changed |= self.run != run;
        self.run = run.into();
        self.discovered = discovered;
    }

    /// Returns the run whose keypoints are shown.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Returns true if the model of this run detected keypoints in any image, or if a person named or corrected its keypoints.
    pub fn knows(&self, run: &str) -> bool {
        self.edits.models.contains_key(run)
            || self
                .entries
                .iter()
                .any(|entry| entry.detected_by(run).is_some())
    }

    /// Returns the person's edits.
    pub fn edits(&self) -> &UserEdits {
        &self.edits
    }

    fn edits_of_run(&self) -> Option<&ModelEdits> {
        self.edits.models.get(&self.run)
    }

    fn keypoints(&self) -> usize {
        self.discovered.keypoints.len()
    }

    /// Returns names and skeleton of the keypoints that are shown.
    pub fn table(&self) -> &Table {
        let table = self.edits_of_run().and_then(|edits| edits.table.as_ref());
        // A project file may hold a table that does not fit the run.
        table
            .filter(|table| table.covers_each_once(self.keypoints()))
            .unwrap_or(&self.initial_table)
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if the project has no images.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lists the ids of the images that are here, but in which the model of `run` has not detected keypoints after `step` steps.
    pub fn outdated(&self, run: &str, step: usize) -> Vec<u32> {
        let is_new = |entry: &&ImageEntry| {
            entry.is_here && entry.detected_by(run).is_none_or(|f| f.step != step)
        };
        self.entries
            .iter()
            .filter(is_new)
            .map(|entry| entry.id)
            .collect()
    }

    fn entry(&self, id: u32) -> Result<&ImageEntry> {
        let at = self.by_id.get(&id);
        at.map(|&at| &self.entries[at]).ok_or_else(|| {
            Error::Setting(
                "This image was removed from the project. Undo its removal first.".into(),
            )
        })
    }

    /// Adds an image with the keypoints that the current run's model detected in it after `step` steps; an image whose content is
    /// already in the project keeps its row. Returns the row's id, and a sentence if the image was already there with the same
    /// keypoints, or if another image has its name.
    ///
    /// `video` is the content of the video if the image is a frame.
    pub fn add(
        &mut self,
        content: &str,
        video: Option<&str>,
        mut image: Image,
        step: usize,
    ) -> (u32, Option<String>) {
        self.entries_changed = true;
        let found = Detection {
            run: self.run.clone(),
            step,
            points: std::mem::take(&mut image.points),
        };
        let content = &self.key_for(content, &image);
        let given_name = image.file_name.clone();
        if let Some(&at) = self.by_content.get(content) {
            let entry = &mut self.entries[at];
            let known =
                entry.is_here && entry.detected_by(&self.run).is_some_and(|f| f.step == step);
            entry.is_here = true;
            entry.given_name = given_name;
            entry.add_detection(found);
            entry.image = Image {
                file_name: entry.image.file_name.clone(),
                ..image
            };
            let name = entry.image.name();
            let note = known.then(|| format!("This image is already in the project, as {name}."));
            return (entry.id, note);
        }
        let mut number = 1;
        image.file_name = self.video_name(video).unwrap_or_else(|| {
            let mut called = given_name.clone();
            while self.is_name_taken(&called, &image) {
                number += 1;
                let stem = super::without_extension(&given_name);
                called = format!("{stem} ({number}){}", &given_name[stem.len()..]);
            }
            called
        });
        let called = image.file_name.clone();
        let mut entry = ImageEntry {
            id: self.next_id,
            content: content.into(),
            given_name,
            video: video.map(str::to_string),
            image,
            is_here: true,
            detections: Vec::new(),
        };
        entry.add_detection(found);
        let id = entry.id;
        self.push(entry);
        let note = (number > 1).then(|| {
            format!("Another image has this name. This one is called {called} here and in exports.")
        });
        (id, note)
    }

    /// Returns the key of an image: its content, or `content~name` for an identical file under another name, which is an image of
    /// its own. A row whose image is not here accepts its content under any name.
    fn key_for(&self, content: &str, image: &Image) -> String {
        let row_of = |key: &str| self.by_content.get(key).map(|&at| &self.entries[at]);
        let Some(entry) = row_of(content) else {
            return content.into();
        };
        let name = &image.file_name;
        if image.frame.is_some() || entry.given_name == *name || entry.image.file_name == *name {
            return content.into();
        }
        let copy = format!("{content}~{name}");
        if entry.is_here || row_of(&copy).is_some() {
            return copy;
        }
        content.into()
    }

    /// Returns the name of a video that has frames here.
    fn video_name(&self, video: Option<&str>) -> Option<String> {
        let is_of = |entry: &&ImageEntry| entry.video.as_deref() == video;
        let entry = video.and_then(|_| self.entries.iter().rev().find(is_of))?;
        Some(entry.image.file_name.clone())
    }

    /// Returns true if another image has this name or, for a frame, if another video has it. The names of all frames of a video count
    /// as taken.
    fn is_name_taken(&self, name: &str, image: &Image) -> bool {
        let mut others = self.entries.iter().map(|entry| &entry.image);
        if image.frame.is_none() {
            return self.by_name.contains_key(name)
                || others.any(|other| {
                    other.frame.is_some() && super::is_frame_of(&other.file_name, name)
                });
        }
        // Exports put frames into a folder named after the video, without its extension.
        others.any(|other| match other.frame {
            Some(_) => super::without_extension(&other.file_name) == super::without_extension(name),
            None => super::is_frame_of(name, &other.file_name),
        })
    }

    fn push(&mut self, entry: ImageEntry) {
        let at = self.entries.len();
        self.next_id = self.next_id.max(entry.id.saturating_add(1));
        self.by_content.insert(entry.content.clone(), at);
        self.by_name.insert(entry.image.name(), at);
        self.by_id.insert(entry.id, at);
        self.entries.push(entry);
        self.entries_changed = true;
    }

    /// Rebuilds the lookup tables after images were added or removed.
    fn index(&mut self) {
        self.by_content.clear();
        self.by_name.clear();
        self.by_id.clear();
        for entry in std::mem::take(&mut self.entries) {
            self.push(entry);
        }
        self.entries_changed = true;
    }

    /// Returns an image's content and its name.
    ///
    /// # Errors
    /// [`Error::Setting`] if the image was removed.
    pub fn content_of(&self, id: u32) -> Result<(String, String)> {
        let entry = self.entry(id)?;
        Ok((entry.content.clone(), entry.image.name()))
    }

    /// Returns the crop in which an image's keypoints were last detected; none if they were detected in all of it.
    pub fn crop_of(&self, id: u32) -> Option<Crop> {
        self.entry(id).ok()?.image.crop
    }

    /// Returns the id of the image with this name.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).map(|&at| self.entries[at].id)
    }
}

impl ImageEntry {
    fn detected_by(&self, run: &str) -> Option<&Detection> {
        self.detections.iter().find(|found| found.run == run)
    }

    fn add_detection(&mut self, found: Detection) {
        self.detections.retain(|other| other.run != found.run);
        self.detections.push(found);
        let oldest = self.detections.len().saturating_sub(MAX_DETECTIONS);
        self.detections.drain(..oldest);
    }
}

#[cfg(test)]
mod content_tests;
#[cfg(test)]
mod tests;
