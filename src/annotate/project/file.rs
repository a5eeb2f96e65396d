//! A project as one file: images by reference (content, name, size, video and frame), landmarks, and what was made of each run's
//! keypoints. What models found is not in it: it is found again when the images are there.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{AnnotationProject, ModelEdits, Row, Waiting};
use crate::annotate::edit::Table;
use crate::annotate::{Image, Keypoint, Point, check_name, file_of};
use crate::error::{Error, Result};

/// What the file says it is.
const FORMAT: &str = "autolink-project";
/// Version of [`ProjectFile`].
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct ProjectFile {
    format: String,
    version: u32,
    /// For people.
    name: String,
    category: String,
    landmarks: Vec<Keypoint>,
    images: Vec<ImageRef>,
    #[serde(default)]
    models: BTreeMap<String, ModelEdits>,
    #[serde(default)]
    waiting: Vec<Waiting>,
    #[serde(default)]
    earlier: Option<Table>,
}

/// An image that lies elsewhere.
#[derive(Serialize, Deserialize)]
struct ImageRef {
    content: String,
    /// The video's where it is a frame.
    name: String,
    width_px: u32,
    height_px: u32,
    /// 1 to 8; missing: upright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exif_orientation: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video: Option<FrameRef>,
    /// `[L]`; empty where nothing was placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    placed: Vec<Point>,
}

#[derive(Serialize, Deserialize)]
struct FrameRef {
    content: String,
    frame: u64,
    seconds: f64,
}

/// The work of an earlier version, which knew images by their names and was of one model, whichever.
#[derive(Deserialize)]
struct EarlierWork {
    category: String,
    table: Table,
    corrected: BTreeMap<String, BTreeMap<usize, Point>>,
    landmarks: Vec<Keypoint>,
    placed: BTreeMap<String, Vec<Point>>,
}

impl AnnotationProject {
    /// The project as JSON under a name, to be taken up again by [`AnnotationProject::open`].
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn save(&self, name: &str) -> Result<String> {
        let edits = &self.edits;
        let image = |row: &Row| ImageRef {
            content: row.content.clone(),
            name: row.image.file_name.clone(),
            width_px: row.image.width_px,
            height_px: row.image.height_px,
            exif_orientation: Some(row.image.exif_orientation).filter(|&turn| turn != 1),
            video: row.video.as_ref().map(|content| FrameRef {
                content: content.clone(),
                frame: row.image.frame.unwrap_or_default(),
                seconds: row.image.seconds.unwrap_or_default(),
            }),
            placed: edits.placed.get(&row.content).cloned().unwrap_or_default(),
        };
        let file = ProjectFile {
            format: FORMAT.into(),
            version: VERSION,
            name: name.into(),
            category: edits.category.clone(),
            landmarks: edits.landmarks.clone(),
            images: self.rows.iter().map(image).collect(),
            models: edits.models.clone(),
            waiting: edits.waiting.clone(),
            earlier: edits.earlier.clone(),
        };
        serde_json::to_string(&file)
            .map_err(|error| Error::File(format!("The project could not be written ({error}).")))
    }

    /// Takes up a saved project in place of this one, for the same model; returns its name. Its images wait to be brought again. The
    /// work of an earlier version becomes labels that wait for a word; it has no name.
    ///
    /// # Errors
    /// [`Error::File`] if it is no such project; then everything stays as it was.
    pub fn open(&mut self, text: &str) -> Result<String> {
        let file = match serde_json::from_str::<EarlierWork>(text) {
            Ok(work) => migrated(work),
            Err(_) => serde_json::from_str::<ProjectFile>(text).map_err(|error| {
                Error::File(format!(
                    "This is no saved project, or a damaged one ({error})."
                ))
            })?,
        };
        if file.format != FORMAT || file.version > VERSION {
            return Err(Error::File(format!(
                "This project was saved by another version ({} {}): reload the page to get the newest, and open it again.",
                file.format, file.version
            )));
        }
        file.check()?;
        let mut project = Self::new(
            &self.run,
            self.discovered.clone(),
            Some(&self.fresh),
            Some(self),
        );
        project.edits.category = file.category;
        project.edits.landmarks = file.landmarks;
        project.edits.models = file.models;
        project.edits.waiting = file.waiting;
        project.edits.earlier = file.earlier;
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
            project.push(Row {
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
                    points: Vec::new(),
                },
                video: image.video.map(|video| video.content),
                is_here: false,
                found: Vec::new(),
            });
        }
        *self = project;
        Ok(file.name)
    }
}

fn migrated(work: EarlierWork) -> ProjectFile {
    let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
    for (name, placed) in work.placed {
        waiting.entry(name).or_default().placed = placed;
    }
    for (name, corrected) in work.corrected {
        waiting.entry(name).or_default().corrected = corrected;
    }
    let named = |(name, waiting)| Waiting { name, ..waiting };
    ProjectFile {
        format: FORMAT.into(),
        version: VERSION,
        name: String::new(),
        category: work.category,
        landmarks: work.landmarks,
        images: Vec::new(),
        models: BTreeMap::new(),
        waiting: waiting.into_iter().map(named).collect(),
        earlier: Some(work.table),
    }
}

impl ProjectFile {
    /// # Errors
    /// [`Error::File`] with what contradicts itself.
    fn check(&self) -> Result<()> {
        let wrong = |what: &str| {
            let text = format!("This project is damaged ({what}): open an earlier copy of it.");
            Err(Error::File(text))
        };
        let count = self.landmarks.len();
        let mut names = HashSet::new();
        let is_named = |name: &str| check_name(name).is_ok();
        if !is_named(&self.category)
            || !(self.landmarks.iter()).all(|l| is_named(&l.name) && names.insert(&l.name))
        {
            return wrong("a name is missing or there twice");
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
            return wrong("it has other landmarks than names for them");
        }
        if !placed.into_iter().flatten().all(is_number)
            || !corrected.all(|points| points.values().all(is_number))
        {
            return wrong("a place is no number");
        }
        let tables = self
            .models
            .values()
            .filter_map(|model| model.table.as_ref());
        if !(tables.chain(&self.earlier)).all(|table| table.fits(usize::MAX)) {
            return wrong("a skeleton has an edge to nothing");
        }
        let mut files = HashSet::new();
        for image in &self.images {
            let name = file_of(&image.name, image.video.as_ref().map(|video| video.frame));
            let has_seconds = (image.video.as_ref()).is_none_or(|v| v.seconds.is_finite());
            if image.width_px == 0 || image.height_px == 0 || !has_seconds {
                return wrong("an image has no size");
            }
            if image.content.is_empty() || !is_named(&image.name) || !files.insert(name) {
                return wrong("an image has no name, or the name of another");
            }
        }
        Ok(())
    }
}
