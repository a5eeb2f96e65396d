//! A project as one file: images by reference (content, name, size, video and frame), landmarks, and edits of each run's keypoints.
//! Detections are not in it: they are made again when the images are added.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{AnnotationProject, ImageEntry, ModelEdits, WaitingLabels};
use crate::annotate::edit::Table;
use crate::annotate::{Image, Keypoint, Point, check_name, image_name};
use crate::error::{Error, Result};

/// The file's own statement of its format.
const FORMAT: &str = "autolink-project";
/// Version of [`ProjectFile`].
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct ProjectFile {
    format: String,
    version: u32,
    /// Name of the project, for people.
    name: String,
    category: String,
    landmarks: Vec<Keypoint>,
    images: Vec<ImageRef>,
    #[serde(default)]
    models: BTreeMap<String, ModelEdits>,
    #[serde(default)]
    waiting: Vec<WaitingLabels>,
    #[serde(default)]
    earlier: Option<Table>,
}

/// A reference to an image.
#[derive(Serialize, Deserialize)]
struct ImageRef {
    content: String,
    /// The image's name, or the video's if it is a frame.
    name: String,
    width_px: u32,
    height_px: u32,
    /// 1 to 8; missing if upright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exif_orientation: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video: Option<FrameRef>,
    /// Landmarks, `[L]`; empty if none was placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    placed: Vec<Point>,
}

#[derive(Serialize, Deserialize)]
struct FrameRef {
    content: String,
    frame: u64,
    seconds: f64,
}

/// The project file of an earlier version, which identified images by their names and belonged to one unknown model.
#[derive(Deserialize)]
struct EarlierProject {
    category: String,
    table: Table,
    corrected: BTreeMap<String, BTreeMap<usize, Point>>,
    landmarks: Vec<Keypoint>,
    placed: BTreeMap<String, Vec<Point>>,
}

impl AnnotationProject {
    /// Saves the project as JSON under a name; [`AnnotationProject::open`] reads it.
    ///
    /// See the tests in `project/content_tests.rs`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn save(&self, name: &str) -> Result<String> {
        let edits = &self.edits;
        let image = |entry: &ImageEntry| ImageRef {
            content: entry.content.clone(),
            name: entry.image.file_name.clone(),
            width_px: entry.image.width_px,
            height_px: entry.image.height_px,
            exif_orientation: Some(entry.image.exif_orientation)
                .filter(|&orientation| orientation != 1),
            video: entry.video.as_ref().map(|content| FrameRef {
                content: content.clone(),
                frame: entry.image.frame.unwrap_or_default(),
                seconds: entry.image.seconds.unwrap_or_default(),
            }),
            placed: edits
                .placed
                .get(&entry.content)
                .cloned()
                .unwrap_or_default(),
        };
        let file = ProjectFile {
            format: FORMAT.into(),
            version: VERSION,
            name: name.into(),
            category: edits.category.clone(),
            landmarks: edits.landmarks.clone(),
            images: self.entries.iter().map(image).collect(),
            models: edits.models.clone(),
            waiting: edits.waiting.clone(),
            earlier: edits.earlier_table.clone(),
        };
        serde_json::to_string(&file)
            .map_err(|error| Error::File(format!("The project could not be saved ({error}).")))
    }

    /// Opens a saved project in place of this one, for the same model, and returns its name. Its images are not here until a person
    /// adds them again. Labels of an earlier version wait to be attached; such a project has no name.
    ///
    /// # Errors
    /// [`Error::File`] if the text is not a saved project; this project is then unchanged.
    pub fn open(&mut self, text: &str) -> Result<String> {
        let file = match serde_json::from_str::<EarlierProject>(text) {
            Ok(earlier) => migrate(earlier),
            Err(_) => serde_json::from_str::<ProjectFile>(text).map_err(|error| {
                Error::File(format!(
                    "This is not a saved project, or it is damaged ({error}). Open another file."
                ))
            })?,
        };
        if file.format != FORMAT || file.version > VERSION {
            return Err(Error::File(format!(
                "Another version of this page saved this project ({} {}). Reload the page to get the newest version, then open the project again.",
                file.format, file.version
            )));
        }
        file.check()?;
        let mut project = Self::new(
            &self.run,
            self.discovered.clone(),
            Some(&self.initial_table),
            Some(self),
        );
        project.edits.category = file.category;
        project.edits.landmarks = file.landmarks;
        project.edits.models = file.models;
        project.edits.waiting = file.waiting;
        project.edits.earlier_table = file.earlier;
        for image in file.images {
            if project.by_content.contains_key(&image.content) {
                continue;
            }
            if image.placed.iter().any(Point::is_labelled) {
                let placed = &mut project.edits.placed;
                placed.insert(image.content.clone(), image.placed);
            }
            let video = image.video.as_ref();
            let copy = image.content.split_once('~');
            project.push(ImageEntry {
                id: project.next_id,
                given_name: copy.map_or(&image.name[..], |(_, name)| name).to_string(),
                content: image.content,
                image: Image {
                    file_name: image.name,
                    frame: video.map(|video| video.frame),
                    seconds: video.map(|video| video.seconds),
                    width_px: image.width_px,
                    height_px: image.height_px,
                    exif_orientation: image.exif_orientation.unwrap_or(1),
                    crop: None,
                    points: Vec::new(),
                },
                video: image.video.map(|video| video.content),
                is_here: false,
                detections: Vec::new(),
            });
        }
        *self = project;
        Ok(file.name)
    }
}

/// Converts a project of an earlier version.
fn migrate(earlier: EarlierProject) -> ProjectFile {
    let mut waiting: BTreeMap<String, WaitingLabels> = BTreeMap::new();
    for (name, placed) in earlier.placed {
        waiting.entry(name).or_default().placed = placed;
    }
    for (name, corrected) in earlier.corrected {
        waiting.entry(name).or_default().corrected = corrected;
    }
    let named = |(name, waiting)| WaitingLabels { name, ..waiting };
    ProjectFile {
        format: FORMAT.into(),
        version: VERSION,
        name: String::new(),
        category: earlier.category,
        landmarks: earlier.landmarks,
        images: Vec::new(),
        models: BTreeMap::new(),
        waiting: waiting.into_iter().map(named).collect(),
        earlier: Some(earlier.table),
    }
}

impl ProjectFile {
    /// Checks that the file does not contradict itself.
    ///
    /// # Errors
    /// [`Error::File`] with the contradiction.
    fn check(&self) -> Result<()> {
        let wrong = |what: &str| {
            let text = format!("This project is damaged ({what}). Open an earlier copy of it.");
            Err(Error::File(text))
        };
        let count = self.landmarks.len();
        let mut names = HashSet::new();
        let is_named = |name: &str| check_name(name).is_ok();
        if !is_named(&self.category)
            || !(self.landmarks.iter()).all(|l| is_named(&l.name) && names.insert(&l.name))
        {
            return wrong("a name is missing or appears twice");
        }
        let is_number = |p: &Point| [p.x_px, p.y_px, p.confidence].iter().all(|v| v.is_finite());
        let fits = |points: &Vec<Point>| points.is_empty() || points.len() == count;
        let placed = self.images.iter().map(|image| &image.placed);
        let placed: Vec<_> = placed
            .chain(self.waiting.iter().map(|w| &w.placed))
            .collect();
        let corrected = self
            .models
            .values()
            .flat_map(|model| model.corrected.values());
        let mut corrected = corrected.chain(self.waiting.iter().map(|w| &w.corrected));
        if !placed.iter().all(|points| fits(points)) {
            return wrong("it does not name all landmarks");
        }
        if !placed.into_iter().flatten().all(is_number)
            || !corrected.all(|points| points.values().all(is_number))
        {
            return wrong("a position is not a number");
        }
        let tables = self
            .models
            .values()
            .filter_map(|model| model.table.as_ref());
        if !(tables.chain(&self.earlier)).all(|table| table.fits(usize::MAX)) {
            return wrong("an edge of a skeleton has no keypoint");
        }
        let mut files = HashSet::new();
        for image in &self.images {
            let name = image_name(&image.name, image.video.as_ref().map(|video| video.frame));
            let has_seconds = (image.video.as_ref()).is_none_or(|v| v.seconds.is_finite());
            if image.width_px == 0 || image.height_px == 0 || !has_seconds {
                return wrong("an image has no size");
            }
            if image.content.is_empty() || !is_named(&image.name) || !files.insert(name) {
                return wrong("an image has no name, or another image's name");
            }
        }
        Ok(())
    }
}
