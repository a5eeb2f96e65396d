//! The project: images with what a model found on them, what a person makes of it, and the files that come out.
//!
//! What was found is never changed. A person's [`UserEdits`] lie over it: landmarks, which belong to an image (known by its content,
//! [`super::content`]), and names, merging and corrections, which belong to the model (a run) that they were made for. Every [`Edit`] is a
//! change that can be taken back (`changes`); `file` keeps a project as one file.

mod changes; // edits, undo and redo
mod file; // one file a project

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use self::changes::Change;
use super::edit::{History, Named, Table};
use super::formats::{self, Format};
use super::landmarks::{self, Fit};
use super::{Annotations, Image, Imported, Keypoint, Placed, Point, check_name};
use crate::error::{Error, Result};
use crate::render::palette;

/// How many images are suggested to be labelled next.
const SUGGESTIONS: usize = 5;
/// Of how many runs an image keeps the keypoints, the newest.
const FINDINGS: usize = 3;

/// Everything that a person did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserEdits {
    /// What is in the images: "hand".
    pub category: String,
    /// Points of the person's own.
    pub landmarks: Vec<Keypoint>,
    /// Where they were placed: by an image's content `[L]`, absent ones where they were not.
    pub placed: BTreeMap<String, Vec<Point>>,
    /// What was made of discovered keypoints, by the run that discovered them.
    pub models: BTreeMap<String, ModelEdits>,
    /// Labels of an earlier version, which knew images by their names alone. They wait until a person says that they belong here.
    pub waiting: Vec<Waiting>,
    /// Names that came with those, of a model that is not known.
    pub earlier: Option<Table>,
}

/// What a person made of one model's keypoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelEdits {
    /// Names and skeleton; none: as the model has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// Discovered keypoints that were moved: by an image's content, by keypoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub corrected: BTreeMap<String, BTreeMap<usize, Point>>,
}

impl ModelEdits {
    fn is_empty(&self) -> bool {
        self.table.is_none() && self.corrected.is_empty()
    }
}

/// Labels without an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The image's file with its folder.
    pub name: String,
    /// `[L]`, or none.
    pub placed: Vec<Point>,
    /// Discovered keypoints that were moved.
    pub corrected: BTreeMap<usize, Point>,
}

/// Which points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The discovered ones, under their names.
    Keypoints,
    /// The person's own.
    Landmarks,
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Edit {
    /// Says what is in the pictures.
    Category {
        /// "hand"
        name: String,
    },
    /// Names a keypoint.
    Rename {
        /// Which.
        index: usize,
        /// Its new name.
        name: String,
    },
    /// Hides a keypoint, or shows it again.
    Hide {
        /// Which.
        index: usize,
        /// Whether it is left out.
        hidden: bool,
    },
    /// Gives a keypoint another colour.
    Recolor {
        /// Which.
        index: usize,
        /// `#rrggbb`
        color: String,
    },
    /// Makes two keypoints one.
    Merge {
        /// The one that stays.
        into: usize,
        /// The one that becomes a part of it.
        other: usize,
    },
    /// Puts keypoints into another order.
    Reorder {
        /// Keypoint `order[i]` comes to place `i`.
        order: Vec<usize>,
    },
    /// Adds an edge to the skeleton, or takes it away.
    ToggleEdge {
        /// Its ends.
        edge: [usize; 2],
    },
    /// Makes the skeleton of the edges that are strong.
    ChooseEdges {
        /// From this learned weight on.
        threshold: f64,
    },
    /// Adds a landmark.
    AddLandmark {
        /// Unlike all others.
        name: String,
    },
    /// Names a landmark.
    RenameLandmark {
        /// Which.
        index: usize,
        /// Its new name.
        name: String,
    },
    /// Removes a landmark, wherever it was placed.
    RemoveLandmark {
        /// Which.
        index: usize,
    },
    /// Puts a point of a picture elsewhere: a correction, or a label.
    Place {
        /// Which image, by the id of its row.
        image: u32,
        /// Whose points.
        layer: Layer,
        /// Which point.
        index: usize,
        /// Where, px of the original picture.
        at_px: [f64; 2],
        /// Whether something is in front of it.
        occluded: bool,
    },
    /// Takes back what was placed: a keypoint where it was found, a landmark where it is predicted.
    Unplace {
        /// Which image, by the id of its row.
        image: u32,
        /// Whose points.
        layer: Layer,
        /// Which point.
        index: usize,
    },
    /// Says that a point is not on an image: it counts as labelled, and is exported as not visible.
    Absent {
        /// Which image, by the id of its row.
        image: u32,
        /// Whose points.
        layer: Layer,
        /// Which point.
        index: usize,
    },
    /// Removes images from the project, with what was done on them.
    Remove {
        /// Which images, by the ids of their rows.
        images: Vec<u32>,
    },
    /// Gives the labels that wait to the images of their names.
    AttachWaiting,
    /// Goes back an edit.
    Undo,
    /// Takes an undone edit back.
    Redo,
}

/// An image of the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ImageRow {
    /// It stays the same whatever comes and goes, and is never given to another image.
    pub id: u32,
    /// What its content is known by: 32 hexadecimal digits, and `#` with a number for a frame.
    pub content: String,
    /// Its file with its folder; unlike all others here.
    pub name: String,
    /// Where it is a frame of a video.
    pub video: Option<VideoFrame>,
    /// After the EXIF orientation, px.
    pub width_px: u32,
    /// As the width.
    pub height_px: u32,
    /// Mean confidence of its keypoints.
    pub confidence: f64,
    /// Whether its pixels are at hand; those of a project that was opened are not until somebody brings them.
    pub is_here: bool,
    /// The steps that the model was trained when it found its keypoints; none where it has not yet.
    pub step: Option<usize>,
}

/// Which frame of which video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct VideoFrame {
    /// What the video's content is known by.
    pub content: String,
    /// The video's name in the project, unlike that of any other.
    pub name: String,
    /// From 0.
    #[ts(type = "number")]
    pub frame: u64,
    /// When it is shown, s.
    pub seconds: f64,
}

/// A keypoint, as it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// `#rrggbb`
    pub color: String,
    /// Left out of what is exported.
    pub hidden: bool,
    /// Mean leave-one-out distance of a landmark, or of a keypoint from the placed landmark of its name; in fractions of the
    /// picture, none while there is nothing to compare.
    pub error: Option<f64>,
    /// The same for always predicting its mean place.
    pub baseline: Option<f64>,
    /// On how many images it was placed, or corrected.
    pub placed_on: usize,
    /// The images where a landmark is farthest off when it is left out, worst first, by the ids of their rows.
    pub worst: Vec<u32>,
}

/// The project as it is to be shown.
#[derive(Clone, Debug, Serialize, TS)]
pub struct ProjectView {
    /// What is in the images.
    pub category: String,
    /// `[N]`; none: as they were told last.
    pub rows: Option<Vec<ImageRow>>,
    /// The run whose keypoints are shown.
    pub run: String,
    /// `[K]`, hidden ones too.
    pub keypoints: Vec<Label>,
    /// Pairs of keypoints.
    pub skeleton: Vec<[usize; 2]>,
    /// Learned weights of pairs of keypoints, greatest first.
    pub edge_weights: Vec<([usize; 2], f64)>,
    /// `[L]`
    pub landmarks: Vec<Label>,
    /// Which images to label next, the most useful first, by the ids of their rows.
    pub next: Vec<u32>,
    /// On how many images a landmark was placed, or marked absent.
    pub labelled: usize,
    /// How many images' labels wait for a word ([`Edit::AttachWaiting`]), ...
    pub waiting: usize,
    /// ... and how many of those could be given to an image that is here.
    pub attachable: usize,
    /// Why there are no predictions yet; empty if there are.
    pub missing: String,
    /// `[N, K + L, 4]`, little-endian: x and y, px of the original image; confidence; 0 absent, 1 occluded, 2 visible, and 4 more where
    /// a person placed it, or marked it absent.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub points: Vec<u8>,
    /// Whether there is an edit to undo.
    pub can_undo: bool,
    /// Whether there is one to take back.
    pub can_redo: bool,
}

/// An image, and what models found on it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    id: u32,
    content: String,
    /// The name that its file had when it was added last; `image.file_name` has a number where another image had that name.
    given_name: String,
    /// The content of the video that it is a frame of.
    video: Option<String>,
    /// Without points.
    image: Image,
    is_here: bool,
    /// The newest last.
    found: Vec<Found>,
}

/// What a model found.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    run: String,
    step: usize,
    points: Vec<Point>,
}

/// Images, what was found on them, and a person's edits.
#[derive(Clone, Debug)]
pub struct AnnotationProject {
    /// The run whose keypoints are shown.
    run: String,
    /// Its keypoints and graph, without images.
    discovered: Annotations,
    /// The names of its keypoints before any edit.
    fresh: Table,
    rows: Vec<Row>,
    next_id: u32,
    by_content: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<u32, usize>,
    /// Whether rows came, went or changed since they were last told.
    rows_changed: bool,
    edits: UserEdits,
    history: History<Change>,
}

impl AnnotationProject {
    /// An empty project for the keypoints of a run: `discovered` has no images. `names` are those that were saved with the model.
    pub fn new(
        run: &str,
        discovered: Annotations,
        names: Option<&Table>,
        before: Option<&Self>,
    ) -> Self {
        let mut project = Self {
            run: String::new(),
            fresh: Table::new(&discovered),
            edits: UserEdits {
                category: discovered.category.clone(),
                ..UserEdits::default()
            },
            discovered: Annotations::default(),
            rows: Vec::new(),
            // A late edit of the project before must not hit an image of this one.
            next_id: before.map_or(0, |project| project.next_id),
            by_content: HashMap::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
            rows_changed: true,
            history: History::default(),
        };
        project.show_model(run, discovered, names);
        project
    }

    /// Shows the keypoints of this run from now on, under the names that a person gave to them here, else under those that were saved
    /// with the model. Images, landmarks and what was done for other runs stay.
    pub fn show_model(&mut self, run: &str, discovered: Annotations, names: Option<&Table>) {
        let count = discovered.keypoints.len();
        let names = names.filter(|names| names.names_each_of(count));
        self.fresh = names.cloned().unwrap_or_else(|| Table::new(&discovered));
        self.rows_changed |= self.run != run;
        self.run = run.into();
        self.discovered = discovered;
    }

    /// The run whose keypoints are shown.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether the model of this run found keypoints on any image, or a person named or corrected them.
    pub fn knows(&self, run: &str) -> bool {
        self.edits.models.contains_key(run)
            || self.rows.iter().any(|row| row.found_by(run).is_some())
    }

    /// What a person did so far.
    pub fn edits(&self) -> &UserEdits {
        &self.edits
    }

    fn edits_of_run(&self) -> Option<&ModelEdits> {
        self.edits.models.get(&self.run)
    }

    fn keypoints(&self) -> usize {
        self.discovered.keypoints.len()
    }

    /// Names and skeleton of the keypoints that are shown.
    pub fn table(&self) -> &Table {
        let table = self.edits_of_run().and_then(|edits| edits.table.as_ref());
        // A file may say anything about a run.
        table
            .filter(|table| table.names_each_of(self.keypoints()))
            .unwrap_or(&self.fresh)
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The ids of the images whose pixels are at hand and whose keypoints this model has not found after so many steps.
    pub fn outdated(&self, run: &str, step: usize) -> Vec<u32> {
        let is_new = |row: &&Row| row.is_here && row.found_by(run).is_none_or(|f| f.step != step);
        self.rows.iter().filter(is_new).map(|row| row.id).collect()
    }

    fn row(&self, id: u32) -> Result<&Row> {
        let at = self.by_id.get(&id);
        at.map(|&at| &self.rows[at]).ok_or_else(|| {
            Error::Setting("This image is no longer in the project: undo its removal first.".into())
        })
    }

    /// Puts an image into the project with what the model that is shown found on it after so many steps, or brings it back to its row
    /// if it is there by its content. Returns the row's id, and a sentence where the image is there already under the same keypoints,
    /// or its name is another one's.
    ///
    /// `video` is the content of the video that it is a frame of.
    pub fn add(
        &mut self,
        content: &str,
        video: Option<&str>,
        mut image: Image,
        step: usize,
    ) -> (u32, Option<String>) {
        self.rows_changed = true;
        let found = Found {
            run: self.run.clone(),
            step,
            points: std::mem::take(&mut image.points),
        };
        let content = &self.key_of(content, &image);
        let given_name = image.file_name.clone();
        if let Some(&at) = self.by_content.get(content) {
            let row = &mut self.rows[at];
            let known = row.is_here && row.found_by(&self.run).is_some_and(|f| f.step == step);
            row.is_here = true;
            row.given_name = given_name;
            row.find(found);
            row.image = Image {
                file_name: row.image.file_name.clone(),
                ..image
            };
            let name = row.image.picture_name();
            let note = known.then(|| format!("This image is in the project already, as {name}."));
            return (row.id, note);
        }
        let mut number = 1;
        image.file_name = self.called(video).unwrap_or_else(|| {
            let mut called = given_name.clone();
            while self.is_taken(&called, &image) {
                number += 1;
                let stem = super::without_extension(&given_name);
                called = format!("{stem} ({number}){}", &given_name[stem.len()..]);
            }
            called
        });
        let called = image.file_name.clone();
        let mut row = Row {
            id: self.next_id,
            content: content.into(),
            given_name,
            video: video.map(str::to_string),
            image,
            is_here: true,
            found: Vec::new(),
        };
        row.find(found);
        let id = row.id;
        self.push(row);
        let note = (number > 1).then(|| {
            format!("There is another image of this name: this one is {called} here and in what is exported.")
        });
        (id, note)
    }

    /// Returns the key of an image's row: its content, or `content~name` for an identical file under another name, which is an
    /// image of its own. A row whose image is not here accepts its content under any name.
    fn key_of(&self, content: &str, image: &Image) -> String {
        let row_of = |key: &str| self.by_content.get(key).map(|&at| &self.rows[at]);
        let Some(row) = row_of(content) else {
            return content.into();
        };
        let name = &image.file_name;
        if image.frame.is_some() || row.given_name == *name || row.image.file_name == *name {
            return content.into();
        }
        let copy = format!("{content}~{name}");
        if row.is_here || row_of(&copy).is_some() {
            return copy;
        }
        content.into()
    }

    /// What a video is called that has frames here.
    fn called(&self, video: Option<&str>) -> Option<String> {
        let is_of = |row: &&Row| row.video.as_deref() == video;
        let row = video.and_then(|_| self.rows.iter().rev().find(is_of))?;
        Some(row.image.file_name.clone())
    }

    /// Returns true if another image has this name or, for a frame, if another video has it. The names of all frames of a video count
    /// as taken.
    fn is_taken(&self, name: &str, image: &Image) -> bool {
        let mut others = self.rows.iter().map(|row| &row.image);
        if image.frame.is_none() {
            return self.by_name.contains_key(name)
                || others.any(|other| {
                    other.frame.is_some() && super::is_frame_of(&other.file_name, name)
                });
        }
        // Frames of videos lie in a folder of the video's name without its extension.
        others.any(|other| match other.frame {
            Some(_) => super::without_extension(&other.file_name) == super::without_extension(name),
            None => super::is_frame_of(name, &other.file_name),
        })
    }

    fn push(&mut self, row: Row) {
        let at = self.rows.len();
        self.next_id = self.next_id.max(row.id.saturating_add(1));
        self.by_content.insert(row.content.clone(), at);
        self.by_name.insert(row.image.picture_name(), at);
        self.by_id.insert(row.id, at);
        self.rows.push(row);
        self.rows_changed = true;
    }

    /// Looks rows up anew after some have gone or come.
    fn index(&mut self) {
        self.by_content.clear();
        self.by_name.clear();
        self.by_id.clear();
        for row in std::mem::take(&mut self.rows) {
            self.push(row);
        }
        self.rows_changed = true;
    }

    /// The image that waiting labels can be given to: of the same name, without labels, and as large as their places ask for.
    fn row_for(&self, waiting: &Waiting) -> Option<&Row> {
        let row = &self.rows[*self.by_name.get(&waiting.name)?];
        let [width, height] = [row.image.width_px, row.image.height_px].map(f64::from);
        let within =
            |p: &Point| (0.0..=width).contains(&p.x_px) && (0.0..=height).contains(&p.y_px);
        let there = waiting.placed.iter().filter(|p| p.is_there());
        let fits = there.into_iter().all(within);
        (fits && row.is_here && !self.edits.placed.contains_key(&row.content)).then_some(row)
    }

    /// Takes labels that were made elsewhere as landmarks: those of the same name get these places, the others are added. A
    /// prediction stays one: it teaches nothing, and never takes the place of what a person placed.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if it holds no label for an image here: a sentence says why.
    pub fn import(&mut self, imported: &Imported) -> Result<Placed> {
        let theirs = &imported.annotations;
        let here: Vec<Image> = self.rows.iter().map(|row| row.image.clone()).collect();
        let placed = imported.onto(&here);
        if placed.images.is_empty() {
            let count = theirs.images.len();
            let has_any = theirs
                .images
                .iter()
                .flat_map(|image| &image.points)
                .any(Point::is_there);
            return Err(Error::Landmarks(match placed.notes.first() {
                Some(note) => note.clone(),
                None if has_any => format!(
                    "None of the {count} images in this file is in the project: drop in the images that it was made for, under the same names."
                ),
                None => format!(
                    "None of the {count} images in this file has a point: export its labels again."
                ),
            }));
        }
        let mut work = self.edits.clone();
        let mut columns = Vec::with_capacity(theirs.keypoints.len());
        for keypoint in &theirs.keypoints {
            let same = work.landmarks.iter().position(|l| l.name == keypoint.name);
            columns.push(same.unwrap_or_else(|| {
                let color = self.colour(work.landmarks.len());
                work.landmarks.push(Keypoint {
                    color,
                    ..keypoint.clone()
                });
                work.landmarks.len() - 1
            }));
        }
        let count = work.landmarks.len();
        (work.placed.values_mut()).for_each(|points| points.resize(count, Point::ABSENT));
        for (at, theirs) in &placed.images {
            let content = self.rows[*at].content.clone();
            let absent = vec![Point::ABSENT; count];
            let ours = work.placed.entry(content).or_insert(absent);
            for (&column, point) in columns.iter().zip(theirs) {
                if point.is_there() && (point.corrected || !ours[column].corrected) {
                    ours[column] = *point;
                }
            }
        }
        self.take_labels(work);
        Ok(placed)
    }

    /// Takes landmarks and their places as an edit.
    fn take_labels(&mut self, edits: UserEdits) {
        let mut all = Vec::new();
        for (index, keypoint) in edits.landmarks.iter().enumerate() {
            all.push(match self.edits.landmarks.get(index) {
                Some(known) if known == keypoint => continue,
                Some(_) => Change::Landmark {
                    index,
                    keypoint: keypoint.clone(),
                },
                None => Change::AddLandmark {
                    index,
                    keypoint: keypoint.clone(),
                    points: Vec::new(),
                },
            });
        }
        for (content, points) in edits.placed {
            if self.edits.placed.get(&content) != Some(&points) {
                all.push(Change::Placed { content, points });
            }
        }
        self.do_change(Change::All(all));
    }

    fn colour(&self, index: usize) -> String {
        // From the other end of the palette, so that landmarks and keypoints look unlike.
        let colours = palette::colours();
        palette::hex(colours[colours.len() - 1 - index % colours.len()])
    }

    /// The images on which the model that is shown found keypoints, by their places, and what it found with a person's corrections.
    fn corrected(&self) -> (Vec<usize>, Annotations) {
        let corrected = self.edits_of_run().map(|edits| &edits.corrected);
        let (mut places, mut images) = (Vec::new(), Vec::new());
        for (at, row) in self.rows.iter().enumerate() {
            let Some(found) = row.found_by(&self.run) else {
                continue;
            };
            let mut points = found.points.clone();
            let moved = corrected.and_then(|corrected| corrected.get(&row.content));
            for (&source, point) in moved.into_iter().flatten() {
                if let Some(to) = points.get_mut(source) {
                    *to = match point.is_there() {
                        true => *point,
                        // Landmarks are predicted from all keypoints, wherever they may be.
                        false => Point {
                            x_px: to.x_px,
                            y_px: to.y_px,
                            ..*point
                        },
                    };
                }
            }
            places.push(at);
            images.push(Image {
                points,
                ..row.image.clone()
            });
        }
        let found = Annotations {
            category: self.edits.category.clone(),
            images,
            ..self.discovered.clone()
        };
        (places, found)
    }

    /// The landmarks of some images where a person placed them, without predictions that were imported.
    fn placed_by_hand(&self, places: &[usize]) -> Annotations {
        let mut placed = self.placed(places);
        let predicted = |point: &&mut Point| !point.corrected;
        (placed.images.iter_mut().flat_map(|image| &mut image.points))
            .filter(predicted)
            .for_each(|point| *point = Point::ABSENT);
        placed
    }

    /// The landmarks of some images where a person placed them, or imported predictions of them.
    fn placed(&self, places: &[usize]) -> Annotations {
        let images = places.iter().filter_map(|&at| {
            let row = &self.rows[at];
            Some(Image {
                points: self.edits.placed.get(&row.content)?.clone(),
                ..row.image.clone()
            })
        });
        Annotations {
            category: self.edits.category.clone(),
            keypoints: self.edits.landmarks.clone(),
            images: images.collect(),
            ..Annotations::default()
        }
    }

    /// Landmarks on all images: placed ones, and predictions where there are keypoints and enough placed ones, or they were imported. And the regression, or
    /// why there is none.
    fn landmarks(&self, places: &[usize], corrected: &Annotations) -> (Annotations, Result<Fit>) {
        let placed = self.placed(places);
        let fit = Fit::new(corrected, &self.placed_by_hand(places));
        let predicted = fit.as_ref().ok();
        let predicted = predicted.and_then(|fit| fit.annotate(corrected, &placed).ok());
        let predicted = predicted.map_or(Vec::new(), |annotations| annotations.images);
        let mut predicted = places.iter().zip(predicted).peekable();
        let absent = vec![Point::ABSENT; self.edits.landmarks.len()];
        let images = self.rows.iter().enumerate().map(|(at, row)| {
            if let Some((_, image)) = predicted.next_if(|(place, _)| **place == at) {
                return image;
            }
            let placed = self.edits.placed.get(&row.content);
            Image {
                points: placed.unwrap_or(&absent).clone(),
                ..row.image.clone()
            }
        });
        let images = images.collect();
        (Annotations { images, ..placed }, fit)
    }

    /// What an image is known by, and its name.
    ///
    /// # Errors
    /// [`Error::Setting`] where it is no longer here.
    pub fn content_of(&self, id: u32) -> Result<(String, String)> {
        let row = self.row(id)?;
        Ok((row.content.clone(), row.image.picture_name()))
    }

    /// The row of the image that is called so.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).map(|&at| self.rows[at].id)
    }

    /// Points as they are exported: keypoints of the images on which they were found, landmarks of all.
    ///
    /// # Errors
    /// [`Error::Pictures`] where there are none, [`Error::Landmarks`] where there are no landmarks to export.
    pub fn annotations(&self, layer: Layer) -> Result<Annotations> {
        if self.is_empty() {
            return Err(Error::Pictures(
                "There are no images in the project: drop some in first.".into(),
            ));
        }
        let (places, corrected) = self.corrected();
        match layer {
            Layer::Keypoints if places.is_empty() => Err(Error::Pictures(
                "No keypoints were found on these images yet: drop the images in, or detect again."
                    .into(),
            )),
            Layer::Keypoints => self.table().apply(&corrected),
            Layer::Landmarks => {
                if self.edits.landmarks.is_empty() {
                    return Err(Error::Landmarks(
                        "There are no landmarks yet: add one, and place it on a few images.".into(),
                    ));
                }
                Ok(self.landmarks(&places, &corrected).0)
            }
        }
    }

    /// A file of one layer, or several.
    ///
    /// # Errors
    /// As [`AnnotationProject::annotations`] and [`formats::export`].
    pub fn export(&self, layer: Layer, format: Format) -> Result<Vec<formats::File>> {
        formats::export(&self.annotations(layer)?, format)
    }

    /// The project as it is to be shown; with its rows if they changed since the last time, or if all is asked for.
    pub fn view(&mut self, all: bool) -> ProjectView {
        let with_rows = std::mem::take(&mut self.rows_changed) || all;
        let (places, corrected) = self.corrected();
        let table = self.table();
        let mut shown = table.clone();
        (shown.keypoints.iter_mut()).for_each(|named| named.hidden = false);
        // It was made for these keypoints.
        let named = shown.apply(&corrected).unwrap_or_default();
        let (landmarks, fit) = self.landmarks(&places, &corrected);
        let no_corrections = BTreeMap::new();
        let moved = self.edits_of_run().map(|edits| &edits.corrected);
        let moved = moved.unwrap_or(&no_corrections);
        let moved_on = |named: &Named| {
            let is_moved = |moved: &&BTreeMap<usize, Point>| {
                named
                    .sources
                    .iter()
                    .any(|source| moved.contains_key(source))
            };
            moved.values().filter(is_moved).count()
        };
        let agreements = landmarks::agreement(&named, &self.placed(&places));
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
        let id = |place: usize| self.rows[places[place]].id;
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
            let content = &self.rows[places[at]].content;
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
        let mut found = places.iter().zip(&named.images).peekable();
        let mut points = Vec::new();
        for (at, landmarks) in landmarks.images.iter().enumerate() {
            let named = found.next_if(|(place, _)| **place == at);
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
            .filter(|w| self.row_for(w).is_some());
        ProjectView {
            category: self.edits.category.clone(),
            rows: with_rows.then(|| self.rows.iter().map(|row| row.shown(&self.run)).collect()),
            run: self.run.clone(),
            keypoints: keypoints.collect(),
            skeleton: table.edges.clone(),
            edge_weights,
            landmarks: self.edits.landmarks.iter().enumerate().map(label).collect(),
            next: next.into_iter().map(id).collect(),
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

impl Row {
    fn found_by(&self, run: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.run == run)
    }

    fn find(&mut self, found: Found) {
        self.found.retain(|other| other.run != found.run);
        self.found.push(found);
        let oldest = self.found.len().saturating_sub(FINDINGS);
        self.found.drain(..oldest);
    }

    fn shown(&self, run: &str) -> ImageRow {
        let found = self.found_by(run);
        ImageRow {
            id: self.id,
            content: self.content.clone(),
            name: self.image.picture_name(),
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
            confidence: found.map_or(0.0, |found| {
                let all = found.points.iter().map(|point| point.confidence);
                all.sum::<f64>() / found.points.len().max(1) as f64
            }),
            is_here: self.is_here,
            step: found.map(|found| found.step),
        }
    }
}

/// # Errors
/// [`Error::Setting`] if there are not so many.
fn known(index: usize, count: usize, what: &str) -> Result<()> {
    if index < count {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "There is no {what} {index}: there are {count}."
    )))
}

/// `name` without spaces around it, for landmark `index` or a new one.
///
/// # Errors
/// [`Error::Setting`] if it is no name, or another landmark's.
fn free_name(landmarks: &[Keypoint], index: Option<usize>, name: &str) -> Result<String> {
    let name = name.trim();
    check_name(name)?;
    let mut others = landmarks.iter().enumerate();
    if others.any(|(i, other)| Some(i) != index && other.name == name) {
        return Err(Error::Setting(format!(
            "Another landmark is called \"{name}\" already: take another name."
        )));
    }
    Ok(name.to_string())
}

#[cfg(test)]
mod content_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Visibility;

    /// 30 pictures of a stick that turns: keypoints at its ends and middle, and one that is parked.
    fn desk() -> AnnotationProject {
        let colors = ["#e6194b", "#3cb44b", "#4363d8", "#f58231"].map(String::from);
        let weights = vec![
            vec![0.0, 1.0, 0.1, 0.1],
            vec![1.0, 0.0, 0.9, 0.1],
            vec![0.1, 0.9, 0.0, 0.1],
            vec![0.1, 0.1, 0.1, 0.0],
        ];
        let discovered = Annotations::discovered(&colors).with_graph(&weights);
        let mut desk = AnnotationProject::new("run a", discovered, None, None);
        for i in 0..30 {
            let (sin, cos) = (i as f64 * 0.2).sin_cos();
            let at = |r: f64| Point {
                corrected: false,
                confidence: 0.5 + 0.01 * i as f64,
                ..Point::placed([100.0 + r * cos, 60.0 + r * sin])
            };
            let image = Image {
                file_name: format!("set/{i}.png"),
                frame: None,
                seconds: None,
                exif_orientation: 1,
                width_px: 200,
                height_px: 120,
                points: vec![at(-40.0), at(0.0), at(40.0), at(0.5)],
            };
            assert_eq!(
                desk.add(&format!("content {i}"), None, image, 10),
                (i, None)
            );
        }
        desk
    }

    fn numbers(view: &ProjectView, image: u32, point: usize) -> [f32; 4] {
        let columns = view.keypoints.len() + view.landmarks.len();
        let at = 16 * (image as usize * columns + point);
        std::array::from_fn(|i| {
            let bytes = &view.points[at + 4 * i..][..4];
            f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        })
    }

    #[test]
    fn a_few_labels_predict_the_rest_and_corrections_feed_them() {
        let mut desk = desk();
        desk.edit(Edit::AddLandmark {
            name: " tip ".into(),
        })
        .expect("adds");
        assert_eq!(desk.view(true).landmarks[0].name, "tip");
        assert_eq!(desk.view(true).next.len(), SUGGESTIONS);
        // The true tip lies beyond the third keypoint.
        let tip = |i: u32| {
            let (sin, cos) = (i as f64 * 0.2).sin_cos();
            [100.0 + 50.0 * cos, 60.0 + 50.0 * sin]
        };
        for _ in 0..5 {
            let view = desk.view(true);
            let image = view.next[0];
            desk.edit(Edit::Place {
                image,
                layer: Layer::Landmarks,
                index: 0,
                at_px: tip(image),
                occluded: false,
            })
            .expect("places");
        }
        let view = desk.view(true);
        assert_eq!(view.missing, "");
        assert_eq!(view.landmarks[0].placed_on, 5);
        let error = view.landmarks[0].error.expect("an error");
        assert!(error < 0.05 && error < view.landmarks[0].baseline.expect("a baseline"));
        for image in 0..30 {
            let [x, y, _, state] = numbers(&view, image, 4);
            let [tx, ty] = tip(image).map(|v| v as f32);
            assert!((x - tx).hypot(y - ty) < 8.0, "{image}: {x} {y}, {tx} {ty}");
            assert_eq!(
                state >= 4.0,
                desk.edits()
                    .placed
                    .contains_key(&format!("content {image}"))
            );
        }
        // A correction of a prediction is a label more.
        let image = (0..30)
            .find(|i| numbers(&view, *i, 4)[3] < 4.0)
            .expect("one");
        desk.edit(Edit::Place {
            image,
            layer: Layer::Landmarks,
            index: 0,
            at_px: tip(image),
            occluded: true,
        })
        .expect("corrects");
        assert_eq!(desk.view(true).landmarks[0].placed_on, 6);
        assert_eq!(numbers(&desk.view(true), image, 4)[3], 5.0);
        desk.edit(Edit::Undo).expect("undoes");
        assert_eq!(desk.view(true).landmarks[0].placed_on, 5);
        desk.edit(Edit::Redo).expect("redoes");
        let exported = desk.annotations(Layer::Landmarks).expect("exports");
        assert_eq!(exported.images.len(), 30);
        assert!(exported.images[image as usize].points[0].corrected);
        assert_eq!(
            exported.images[image as usize].points[0].visibility,
            Visibility::Occluded
        );
    }

    #[test]
    fn keypoints_are_named_merged_hidden_and_corrected() {
        let mut desk = desk();
        let edits = [
            Edit::Rename {
                index: 0,
                name: "tail".into(),
            },
            Edit::Merge { into: 1, other: 3 },
            Edit::Hide {
                index: 2,
                hidden: true,
            },
            Edit::Place {
                image: 7,
                layer: Layer::Keypoints,
                index: 1,
                at_px: [3.0, 4.0],
                occluded: false,
            },
            Edit::Category {
                name: "stick".into(),
            },
        ];
        for edit in edits.clone() {
            desk.edit(edit).expect("edits");
        }
        let view = desk.view(true);
        assert_eq!(view.keypoints.len(), 3);
        assert!(view.keypoints[2].hidden);
        assert_eq!(view.keypoints[1].placed_on, 1);
        assert_eq!(numbers(&view, 7, 1), [3.0, 4.0, 1.0, 6.0]);
        assert_eq!(view.skeleton, [[0, 1], [1, 2]]);
        let exported = desk.annotations(Layer::Keypoints).expect("exports");
        assert_eq!(exported.category, "stick");
        assert_eq!(exported.keypoints.len(), 2, "one is hidden");
        assert!(exported.images[7].points[1].corrected);
        desk.edit(Edit::Unplace {
            image: 7,
            layer: Layer::Keypoints,
            index: 1,
        })
        .expect("takes back");
        assert_eq!(numbers(&desk.view(true), 7, 1)[3], 2.0);
        for _ in 0..=edits.len() {
            desk.edit(Edit::Undo).expect("undoes");
        }
        assert_eq!(desk.view(true).keypoints[0].name, "kp0");
        assert!(!desk.view(true).can_undo);
        // What makes no sense changes nothing.
        for edit in [
            Edit::Rename {
                index: 9,
                name: "x".into(),
            },
            Edit::AddLandmark { name: " ".into() },
            Edit::Unplace {
                image: 99,
                layer: Layer::Landmarks,
                index: 0,
            },
        ] {
            assert!(desk.edit(edit).is_err());
        }
        assert!(!desk.view(true).can_undo);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut desk = desk();
        let again = desk.annotations(Layer::Keypoints).expect("images").images[3].clone();
        let (_, note) = desk.add("other", None, again.clone(), 10);
        let note = note.expect("a note");
        assert!(note.contains("set/3 (2).png"), "{note}");
        let (id, note) = desk.add("another", None, again, 10);
        assert!(note.expect("a note").contains("set/3 (3).png"));
        let rows = desk.view(true).rows.expect("rows");
        assert_eq!(rows[31].name, "set/3 (3).png");
        assert_eq!((rows[31].id, desk.id_of("set/3 (3).png")), (id, Some(id)));
        assert!(desk.export(Layer::Keypoints, Format::Coco).is_ok());
    }

    #[test]
    fn identical_files_with_different_names_are_separate_images() {
        let mut desk = desk();
        let image = desk.annotations(Layer::Keypoints).expect("images").images[3].clone();
        let before = desk.len();
        // The last two names are another image's, so these rows get numbers.
        let names = ["x/1.jpg", "x/2.jpg", "x/3.jpg", "set/3.png", "set/4.png"];
        let mut add = |content: &str, name: &str, step| {
            let file_name = name.into();
            let image = Image {
                file_name,
                ..image.clone()
            };
            desk.add(content, None, image, step)
        };
        let ids = names.map(|name| add("alike", name, 10).0);
        let again = names.map(|name| add("alike", name, 10));
        for ((id, note), (name, first)) in again.into_iter().zip(names.iter().zip(ids)) {
            assert_eq!(id, first, "{name} again");
            assert!(note.is_some_and(|note| note.contains("already")), "{name}");
        }
        assert_eq!(desk.len(), before + 5);
        // "Detect again" names a row by its own content and name.
        for id in ids {
            let (content, file_name) = desk.content_of(id).expect("a row");
            let image = Image {
                file_name,
                ..image.clone()
            };
            assert_eq!(desk.add(&content, None, image, 20).0, id);
        }
        assert_eq!(desk.len(), before + 5);
    }

    #[test]
    fn another_content_under_a_known_name_is_itself_when_added_again() {
        let mut desk = desk();
        let image = desk.annotations(Layer::Keypoints).expect("images").images[3].clone();
        let (id, _) = desk.add("other", None, image.clone(), 10);
        let count = desk.len();
        assert_eq!(desk.add("other", None, image, 10).0, id);
        assert_eq!(desk.len(), count);
    }

    #[test]
    fn images_called_as_frames_are_told_apart() {
        let mut desk = desk();
        let image = desk.annotations(Layer::Keypoints).expect("images").images[3].clone();
        let named = |name: &str, frame: Option<u64>| Image {
            file_name: name.into(),
            frame,
            ..image.clone()
        };
        let mut add = |content: &str, video: Option<&str>, image: Image| {
            let (id, note) = desk.add(content, video, image, 10);
            let rows = desk.view(true).rows.expect("rows");
            let row = rows.iter().find(|row| row.id == id).expect("a row");
            (row.name.clone(), note.is_some())
        };
        // A frame first, then an image of another frame's name; and the other way about.
        add("walk 0", Some("walk"), named("walk.mp4", Some(0)));
        let still = add("still", None, named("walk/img000007.png", None));
        assert_eq!(still, ("walk/img000007 (2).png".into(), true));
        add("still 2", None, named("run/img000001.png", None));
        let frame = add("run 0", Some("run"), named("run.mp4", Some(0)));
        assert_eq!(frame, ("run (2)/img000000.png".into(), true));
        let other = add("still 3", None, named("run/imgs.png", None));
        assert_eq!(other, ("run/imgs.png".into(), false));
        assert!(desk.export(Layer::Keypoints, Format::Coco).is_ok());
    }

    #[test]
    fn imported_predictions_are_no_labels() {
        let mut desk = desk();
        let mut predictions = Imported {
            annotations: Annotations::discovered(&["#ffffff".into()]),
            ..Imported::default()
        };
        let point = Point {
            confidence: 0.25,
            corrected: false,
            ..Point::placed([7.0, 8.0])
        };
        for i in 0..10 {
            let image = Image {
                points: vec![point],
                ..desk.rows[i].image.clone()
            };
            predictions.annotations.images.push(image);
        }
        desk.import(&predictions).expect("imports");
        let view = desk.view(true);
        assert_eq!(view.landmarks[0].placed_on, 0);
        assert!(!view.missing.is_empty(), "nothing to learn from");
        assert_eq!(numbers(&view, 3, 4), [7.0, 8.0, 0.25, 2.0]);
        // What a person places stays, and teaches.
        for at in 0..5 {
            let edit = Edit::Place {
                image: desk.rows[at].id,
                layer: Layer::Landmarks,
                index: 0,
                at_px: [100.0, 60.0],
                occluded: false,
            };
            desk.edit(edit).expect("places");
        }
        desk.import(&predictions).expect("imports");
        let view = desk.view(true);
        assert_eq!(view.landmarks[0].placed_on, 5);
        assert_eq!(numbers(&view, 3, 4), [100.0, 60.0, 1.0, 6.0]);
        assert_eq!(numbers(&view, 7, 4), [7.0, 8.0, 0.25, 2.0]);
        assert!(numbers(&view, 20, 4)[3] < 4.0, "regressed");
        // On none of the images here.
        predictions
            .annotations
            .images
            .iter_mut()
            .for_each(|image| image.points.clear());
        assert!(
            desk.import(&predictions)
                .expect_err("no point")
                .to_string()
                .contains("has a point")
        );
    }

    #[test]
    fn labels_from_elsewhere_become_landmarks() {
        let mut desk = desk();
        let file = desk
            .export(Layer::Keypoints, Format::Coco)
            .expect("exports");
        let text = String::from_utf8(file[0].bytes.clone()).expect("text");
        let imported = formats::coco::import(&text).expect("reads");
        let placed = desk.import(&imported).expect("imports");
        assert_eq!(placed.summary, "Labels for 30 images.");
        let view = desk.view(true);
        assert_eq!(view.landmarks.len(), 4);
        assert_eq!(view.landmarks[0].placed_on, 30);
        assert!(view.landmarks[0].error.expect("an error") < 1e-3);
        // Against the keypoints that they are called like they are right, and against one that is called like another, wrong.
        assert!(view.keypoints[0].error.expect("an error") < 1e-6);
        assert!(view.keypoints[0].baseline.expect("a baseline") > 0.01);
        let names: Vec<String> = view.keypoints.iter().map(|k| k.name.clone()).collect();
        for (index, name) in [(0, "elsewhere"), (1, &names[0]), (0, &names[1])] {
            let name = name.into();
            desk.edit(Edit::Rename { index, name }).expect("renames");
        }
        assert!(desk.view(true).keypoints[0].error.expect("an error") > 0.01);
        for _ in 0..3 {
            desk.edit(Edit::Undo).expect("undoes");
        }
        let mut elsewhere = imported.clone();
        for image in &mut elsewhere.annotations.images {
            image.file_name = format!("other-{}", image.file_name.replace('/', "-"));
        }
        let message = desk
            .import(&elsewhere)
            .expect_err("none is here")
            .to_string();
        assert!(message.contains("in the project"), "{message}");
    }
}
