//! The desk: pictures with what the model found on them, what a person makes of it, and the files that come out.
//!
//! What was found is never changed. A person's [`Work`] lies over it: names, corrections, landmarks. Every [`Edit`] makes a new
//! work of the old one, so that each can be undone.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::edit::{History, Table};
use super::formats::{self, Format};
use super::landmarks::{self, Fit};
use super::{Annotations, Image, Imported, Keypoint, Placed, Point, Visibility, check_name};
use crate::error::{Error, Result};
use crate::palette;

/// How many pictures are suggested to be labelled next.
const SUGGESTIONS: usize = 5;

/// Everything that a person did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// What is in the pictures: "hand".
    pub category: String,
    /// Names of the discovered keypoints, and their skeleton.
    pub table: Table,
    /// Discovered keypoints that were moved: by picture, by keypoint.
    pub corrected: BTreeMap<String, BTreeMap<usize, Point>>,
    /// Points of the person's own.
    pub landmarks: Vec<Keypoint>,
    /// Where they were placed: by picture `[L]`, absent ones where they were not.
    pub placed: BTreeMap<String, Vec<Point>>,
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
        /// Which picture.
        image: usize,
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
        /// Which picture.
        image: usize,
        /// Whose points.
        layer: Layer,
        /// Which point.
        index: usize,
    },
    /// Goes back an edit.
    Undo,
    /// Takes an undone edit back.
    Redo,
}

/// A picture on the desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Sheet {
    /// Its file with its folder; unlike all others here.
    pub name: String,
    /// The video that it is a frame of, and when that shows it, s.
    pub video: Option<(String, f64)>,
    /// After the EXIF orientation, px.
    pub width_px: u32,
    /// As the width.
    pub height_px: u32,
    /// Mean confidence of its keypoints.
    pub confidence: f64,
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
    /// On how many pictures it was placed, or corrected.
    pub placed_on: usize,
    /// The pictures where a landmark is farthest off when it is left out, worst first.
    pub worst: Vec<usize>,
}

/// The desk as it is to be shown.
#[derive(Clone, Debug, Serialize, TS)]
pub struct DeskView {
    /// What is in the pictures.
    pub category: String,
    /// `[N]`
    pub sheets: Vec<Sheet>,
    /// `[K]`, hidden ones too.
    pub keypoints: Vec<Label>,
    /// Pairs of keypoints.
    pub skeleton: Vec<[usize; 2]>,
    /// Learned weights of pairs of keypoints, greatest first.
    pub edge_weights: Vec<([usize; 2], f64)>,
    /// `[L]`
    pub landmarks: Vec<Label>,
    /// Which pictures to label next, the most useful first.
    pub next: Vec<usize>,
    /// Why there are no predictions yet; empty if there are.
    pub missing: String,
    /// `[N, K + L, 4]`, little-endian: x and y, px of the original picture; confidence; 0 absent, 1 occluded, 2 visible, and 4 more where
    /// a person placed it.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub points: Vec<u8>,
    /// Whether there is an edit to undo.
    pub can_undo: bool,
    /// Whether there is one to take back.
    pub can_redo: bool,
}

/// Pictures, what was found on them, and a person's work.
#[derive(Clone, Debug)]
pub struct Desk {
    found: Annotations,
    by_name: HashMap<String, usize>,
    history: History<Work>,
}

impl Desk {
    /// An empty desk for a model's keypoints: `discovered` has no images yet. Work on an earlier desk goes on as far as it fits.
    pub fn new(discovered: Annotations, before: Option<&Desk>) -> Desk {
        let table = Table::new(&discovered);
        let fresh = Work {
            category: discovered.category.clone(),
            table,
            corrected: BTreeMap::new(),
            landmarks: Vec::new(),
            placed: BTreeMap::new(),
        };
        let work = match before.map(|desk| desk.history.now()) {
            None => fresh,
            Some(work) if work.table.fits(discovered.keypoints.len()) => work.clone(),
            Some(work) => Work {
                table: fresh.table,
                corrected: BTreeMap::new(),
                ..work.clone()
            },
        };
        Desk {
            found: discovered,
            by_name: HashMap::new(),
            history: History::new(work),
        }
    }

    /// What a person did, as JSON, to be taken up again by [`Desk::restore`].
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn save(&self) -> Result<String> {
        serde_json::to_string(self.work())
            .map_err(|error| Error::File(format!("The work could not be written ({error}).")))
    }

    /// Takes up what a person did, on this desk or an earlier one. It belongs to pictures by their names, on the desk already or
    /// later.
    ///
    /// # Errors
    /// [`Error::File`] if it is no such work.
    pub fn restore(&mut self, text: &str) -> Result<()> {
        let mut work: Work = serde_json::from_str(text)
            .map_err(|error| Error::File(format!("This is no saved work ({error}).")))?;
        let count = work.landmarks.len();
        if work.placed.values().any(|points| points.len() != count) {
            return Err(Error::File(
                "This is no saved work: its landmarks do not fit.".into(),
            ));
        }
        if !work.table.fits(self.found.keypoints.len()) {
            work.table = Table::new(&self.found);
            work.corrected.clear();
        }
        self.history = History::new(work);
        Ok(())
    }

    /// Gives the names of a model that was saved with them.
    pub fn adopt(&mut self, table: Table) {
        if table.apply(&self.found).is_ok() {
            let work = self.history.now().clone();
            self.history = History::new(Work { table, ..work });
        }
    }

    /// What a person did so far.
    pub fn work(&self) -> &Work {
        self.history.now()
    }

    /// How many pictures.
    pub fn len(&self) -> usize {
        self.found.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.images.is_empty()
    }

    /// Puts a picture on the desk; one of a name that is taken gets a number, and a sentence about it.
    pub fn add(&mut self, mut image: Image) -> Option<String> {
        let name = image.file_name.clone();
        let mut number = 1;
        while self.by_name.contains_key(&image.picture_name()) {
            number += 1;
            let stem = super::without_extension(&name);
            image.file_name = format!("{stem} ({number}){}", &name[stem.len()..]);
        }
        self.by_name.insert(image.picture_name(), self.len());
        let called = image.file_name.clone();
        self.found.images.push(image);
        (number > 1).then(|| {
            format!("There is another picture of this name: this one is {called} here and in what is exported.")
        })
    }

    /// Does what a person asks.
    ///
    /// # Errors
    /// [`Error::Setting`] with a sentence; then everything stays as it was.
    pub fn edit(&mut self, edit: Edit) -> Result<()> {
        let mut work = self.work().clone();
        let table = work.table.clone();
        match edit {
            Edit::Undo => {
                self.history.undo();
                return Ok(());
            }
            Edit::Redo => {
                self.history.redo();
                return Ok(());
            }
            Edit::Category { name } => {
                check_name(&name)?;
                work.category = name.trim().into();
            }
            Edit::Rename { index, name } => work.table = table.rename(index, &name)?,
            Edit::Hide { index, hidden } => work.table = table.hide(index, hidden)?,
            Edit::Recolor { index, color } => work.table = table.recolor(index, &color)?,
            Edit::Merge { into, other } => work.table = table.merge(into, other)?,
            Edit::Reorder { order } => work.table = table.reorder(&order)?,
            Edit::ToggleEdge { edge } => work.table = table.toggle_edge(edge)?,
            Edit::ChooseEdges { threshold } => {
                work.table = table.choose_edges(&self.found.edge_weights, threshold);
            }
            Edit::AddLandmark { name } => {
                let color = self.colour(work.landmarks.len());
                work.landmarks.push(Keypoint {
                    name: free_name(&work.landmarks, None, &name)?,
                    color,
                });
                (work.placed.values_mut()).for_each(|points| points.push(Point::ABSENT));
            }
            Edit::RenameLandmark { index, name } => {
                known(index, work.landmarks.len(), "landmark")?;
                work.landmarks[index].name = free_name(&work.landmarks, Some(index), &name)?;
            }
            Edit::RemoveLandmark { index } => {
                known(index, work.landmarks.len(), "landmark")?;
                work.landmarks.remove(index);
                work.placed.values_mut().for_each(|points| {
                    points.remove(index);
                });
            }
            Edit::Place {
                image,
                layer,
                index,
                at_px,
                occluded,
            } => {
                if !at_px.iter().all(|v| v.is_finite()) {
                    return Err(Error::Setting("This place is not a number.".into()));
                }
                let visibility = if occluded {
                    Visibility::Occluded
                } else {
                    Visibility::Visible
                };
                let point = Point {
                    visibility,
                    ..Point::placed(at_px)
                };
                self.place(&mut work, image, layer, index, Some(point))?;
            }
            Edit::Unplace {
                image,
                layer,
                index,
            } => self.place(&mut work, image, layer, index, None)?,
        }
        self.history.push(work);
        Ok(())
    }

    fn place(
        &self,
        work: &mut Work,
        image: usize,
        layer: Layer,
        index: usize,
        point: Option<Point>,
    ) -> Result<()> {
        known(image, self.len(), "picture")?;
        let name = self.found.images[image].picture_name();
        match layer {
            Layer::Landmarks => {
                known(index, work.landmarks.len(), "landmark")?;
                let absent = vec![Point::ABSENT; work.landmarks.len()];
                let points = work.placed.entry(name.clone()).or_insert(absent);
                points[index] = point.unwrap_or(Point::ABSENT);
                if !points.iter().any(Point::is_there) {
                    work.placed.remove(&name);
                }
            }
            Layer::Keypoints => {
                known(index, work.table.keypoints.len(), "keypoint")?;
                let moved = work.corrected.entry(name.clone()).or_default();
                // All that it is made of go there together, so that the table gives it back.
                for &source in &work.table.keypoints[index].sources {
                    match point {
                        Some(point) => moved.insert(source, point),
                        None => moved.remove(&source),
                    };
                }
                if moved.is_empty() {
                    work.corrected.remove(&name);
                }
            }
        }
        Ok(())
    }

    /// Takes labels that were made elsewhere as landmarks: those of the same name get these places, the others are added. A
    /// prediction stays one: it teaches nothing, and never takes the place of what a person placed.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if it holds no label for an image here: a sentence says why.
    pub fn import(&mut self, imported: &Imported) -> Result<Placed> {
        let theirs = &imported.annotations;
        let placed = imported.onto(&self.found.images);
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
                    "None of the {count} pictures in this file is on the desk: drop in the pictures that it was made for, under the same names."
                ),
                None => format!(
                    "None of the {count} images in this file has a point: export its labels again."
                ),
            }));
        }
        let mut work = self.work().clone();
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
            let name = self.found.images[*at].picture_name();
            let absent = vec![Point::ABSENT; count];
            let ours = work.placed.entry(name).or_insert(absent);
            for (&column, point) in columns.iter().zip(theirs) {
                if point.is_there() && (point.corrected || !ours[column].corrected) {
                    ours[column] = *point;
                }
            }
        }
        self.history.push(work);
        Ok(placed)
    }

    fn colour(&self, index: usize) -> String {
        // From the other end of the palette, so that landmarks and keypoints look unlike.
        let colours = palette::colours();
        palette::hex(colours[colours.len() - 1 - index % colours.len()])
    }

    /// What was found, with a person's corrections.
    fn corrected(&self) -> Annotations {
        let work = self.work();
        let mut found = self.found.clone();
        found.category.clone_from(&work.category);
        for (name, moved) in &work.corrected {
            let Some(&at) = self.by_name.get(name) else {
                continue;
            };
            for (&source, &point) in moved {
                if let Some(to) = found.images[at].points.get_mut(source) {
                    *to = point;
                }
            }
        }
        found
    }

    /// The landmarks where a person placed them, without predictions that were imported.
    fn placed_by_hand(&self) -> Annotations {
        let mut placed = self.placed();
        let predicted = |point: &&mut Point| !point.corrected;
        (placed.images.iter_mut().flat_map(|image| &mut image.points))
            .filter(predicted)
            .for_each(|point| *point = Point::ABSENT);
        placed
    }

    /// The landmarks where a person placed them, or imported predictions of them.
    fn placed(&self) -> Annotations {
        let work = self.work();
        let images = work.placed.iter().filter_map(|(name, points)| {
            let image = &self.found.images[*self.by_name.get(name)?];
            Some(Image {
                points: points.clone(),
                ..image.clone()
            })
        });
        Annotations {
            category: work.category.clone(),
            keypoints: work.landmarks.clone(),
            images: images.collect(),
            ..Annotations::default()
        }
    }

    /// Landmarks on all pictures: placed ones, and predictions where there are enough of those or they were imported. And the
    /// regression, or why there is none.
    fn landmarks(&self, corrected: &Annotations) -> (Annotations, Result<Fit>) {
        let placed = self.placed();
        let fit = Fit::new(corrected, &self.placed_by_hand());
        if let Ok(fit) = &fit
            && let Ok(annotations) = fit.annotate(corrected, &placed)
        {
            return (annotations, Ok(fit.clone()));
        }
        let absent = vec![Point::ABSENT; placed.keypoints.len()];
        let images = corrected.images.iter().map(|image| Image {
            points: (self.work().placed.get(&image.picture_name()))
                .unwrap_or(&absent)
                .clone(),
            ..image.clone()
        });
        let images = images.collect();
        (Annotations { images, ..placed }, fit)
    }

    /// Which picture is called so.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Points as they are exported.
    ///
    /// # Errors
    /// [`Error::Pictures`] where there are none, [`Error::Landmarks`] where there are no landmarks to export.
    pub fn annotations(&self, layer: Layer) -> Result<Annotations> {
        if self.is_empty() {
            return Err(Error::Pictures(
                "There are no pictures on the desk: drop some in first.".into(),
            ));
        }
        let corrected = self.corrected();
        match layer {
            Layer::Keypoints => self.work().table.apply(&corrected),
            Layer::Landmarks => {
                if self.work().landmarks.is_empty() {
                    return Err(Error::Landmarks(
                        "There are no landmarks yet: add one, and place it on a few pictures."
                            .into(),
                    ));
                }
                Ok(self.landmarks(&corrected).0)
            }
        }
    }

    /// A file of one layer, or several.
    ///
    /// # Errors
    /// As [`Desk::annotations`] and [`formats::export`].
    pub fn export(&self, layer: Layer, format: Format) -> Result<Vec<formats::File>> {
        formats::export(&self.annotations(layer)?, format)
    }

    /// The desk as it is to be shown.
    pub fn view(&self) -> DeskView {
        let work = self.work();
        let corrected = self.corrected();
        let shown = Table {
            keypoints: (work.table.keypoints.iter().cloned())
                .map(|mut named| {
                    named.hidden = false;
                    named
                })
                .collect(),
            ..work.table.clone()
        };
        // It was made for these keypoints.
        let named = shown.apply(&corrected).unwrap_or_default();
        let (landmarks, fit) = self.landmarks(&corrected);
        let moved = |named: &super::edit::Named| {
            let is_moved = |moved: &&BTreeMap<usize, Point>| {
                named
                    .sources
                    .iter()
                    .any(|source| moved.contains_key(source))
            };
            work.corrected.values().filter(is_moved).count()
        };
        let agreements = landmarks::agreement(&named, &self.placed());
        let keypoints = work.table.keypoints.iter().map(|named| {
            let agreement = agreements.iter().find(|a| a.name == named.name);
            Label {
                name: named.name.clone(),
                color: named.color.clone(),
                hidden: named.hidden,
                error: agreement.map(|a| a.error_fraction),
                baseline: agreement.and_then(|a| a.baseline_fraction),
                placed_on: moved(named),
                worst: Vec::new(),
            }
        });
        let label = |(l, landmark): (usize, &Keypoint)| {
            let fitted = fit.as_ref().ok().map(|fit| &fit.landmarks[l]);
            let is_placed = |points: &&Vec<Point>| points[l].corrected;
            Label {
                name: landmark.name.clone(),
                color: landmark.color.clone(),
                hidden: false,
                error: fitted.and_then(|fitted| fitted.error_fraction),
                baseline: fitted.and_then(|fitted| fitted.baseline_fraction),
                placed_on: work.placed.values().filter(is_placed).count(),
                worst: fitted.map_or(Vec::new(), |fitted| {
                    fitted.worst.iter().map(|worst| worst.image).collect()
                }),
            }
        };
        let labelled: Vec<usize> = (work.placed.iter())
            .filter(|(_, points)| points.iter().any(|point| point.corrected))
            .filter_map(|(name, _)| self.index_of(name))
            .collect();
        let next = if work.landmarks.is_empty() {
            Vec::new()
        } else {
            landmarks::next_to_label(&corrected, fit.as_ref().ok(), &labelled, SUGGESTIONS)
                .unwrap_or_default()
        };
        let mut edge_weights: Vec<([usize; 2], f64)> = (named.edge_weights.iter())
            .map(|edge| (edge.ends, edge.weight))
            .collect();
        edge_weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut points = Vec::new();
        for (named, landmarks) in named.images.iter().zip(&landmarks.images) {
            for point in named.points.iter().chain(&landmarks.points) {
                let state = point.visibility as u8 + 4 * u8::from(point.corrected);
                let numbers = [point.x_px, point.y_px, point.confidence, f64::from(state)];
                points.extend(numbers.iter().flat_map(|v| (*v as f32).to_le_bytes()));
            }
        }
        DeskView {
            category: work.category.clone(),
            sheets: (self.found.images.iter())
                .map(|image| Sheet {
                    name: image.picture_name(),
                    video: (image.seconds).map(|seconds| (image.file_name.clone(), seconds)),
                    width_px: image.width_px,
                    height_px: image.height_px,
                    confidence: image.confidence(),
                })
                .collect(),
            keypoints: keypoints.collect(),
            skeleton: work.table.edges.clone(),
            edge_weights,
            landmarks: work.landmarks.iter().enumerate().map(label).collect(),
            next,
            missing: match &fit {
                Err(error) if !work.landmarks.is_empty() => error.to_string(),
                _ => String::new(),
            },
            points,
            can_undo: self.history.can_undo(),
            can_redo: self.history.can_redo(),
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
mod tests {
    use super::*;

    /// 30 pictures of a stick that turns: keypoints at its ends and middle, and one that is parked.
    fn desk() -> Desk {
        let colors = ["#e6194b", "#3cb44b", "#4363d8", "#f58231"].map(String::from);
        let weights = vec![
            vec![0.0, 1.0, 0.1, 0.1],
            vec![1.0, 0.0, 0.9, 0.1],
            vec![0.1, 0.9, 0.0, 0.1],
            vec![0.1, 0.1, 0.1, 0.0],
        ];
        let mut desk = Desk::new(Annotations::discovered(&colors).with_graph(&weights), None);
        for i in 0..30 {
            let (sin, cos) = (i as f64 * 0.2).sin_cos();
            let at = |r: f64| Point {
                corrected: false,
                confidence: 0.5 + 0.01 * i as f64,
                ..Point::placed([100.0 + r * cos, 60.0 + r * sin])
            };
            let note = desk.add(Image {
                file_name: format!("set/{i}.png"),
                frame: None,
                seconds: None,
                exif_orientation: 1,
                width_px: 200,
                height_px: 120,
                points: vec![at(-40.0), at(0.0), at(40.0), at(0.5)],
            });
            assert_eq!(note, None);
        }
        desk
    }

    fn numbers(view: &DeskView, image: usize, point: usize) -> [f32; 4] {
        let columns = view.keypoints.len() + view.landmarks.len();
        let at = 16 * (image * columns + point);
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
        assert_eq!(desk.view().landmarks[0].name, "tip");
        assert_eq!(desk.view().next.len(), SUGGESTIONS);
        // The true tip lies beyond the third keypoint.
        let tip = |i: usize| {
            let (sin, cos) = (i as f64 * 0.2).sin_cos();
            [100.0 + 50.0 * cos, 60.0 + 50.0 * sin]
        };
        for _ in 0..5 {
            let view = desk.view();
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
        let view = desk.view();
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
                desk.work().placed.contains_key(&format!("set/{image}.png"))
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
        assert_eq!(desk.view().landmarks[0].placed_on, 6);
        assert_eq!(numbers(&desk.view(), image, 4)[3], 5.0);
        desk.edit(Edit::Undo).expect("undoes");
        assert_eq!(desk.view().landmarks[0].placed_on, 5);
        desk.edit(Edit::Redo).expect("redoes");
        let exported = desk.annotations(Layer::Landmarks).expect("exports");
        assert_eq!(exported.images.len(), 30);
        assert!(exported.images[image].points[0].corrected);
        assert_eq!(
            exported.images[image].points[0].visibility,
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
        let view = desk.view();
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
        assert_eq!(numbers(&desk.view(), 7, 1)[3], 2.0);
        for _ in 0..=edits.len() {
            desk.edit(Edit::Undo).expect("undoes");
        }
        assert_eq!(desk.view().keypoints[0].name, "kp0");
        assert!(!desk.view().can_undo);
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
        assert!(!desk.view().can_undo);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut desk = desk();
        let again = desk.found.images[3].clone();
        let note = desk.add(again.clone()).expect("a note");
        assert!(note.contains("set/3 (2).png"), "{note}");
        assert!(desk.add(again).expect("a note").contains("set/3 (3).png"));
        assert_eq!(desk.view().sheets[31].name, "set/3 (3).png");
        assert!(desk.export(Layer::Keypoints, Format::Coco).is_ok());
    }

    #[test]
    fn imported_predictions_are_no_labels() {
        let mut desk = desk();
        let mut predictions = Imported::default();
        predictions.annotations = Annotations::discovered(&["#ffffff".into()]);
        let point = Point {
            confidence: 0.25,
            corrected: false,
            ..Point::placed([7.0, 8.0])
        };
        for i in 0..10 {
            let image = Image {
                points: vec![point],
                ..desk.found.images[i].clone()
            };
            predictions.annotations.images.push(image);
        }
        desk.import(&predictions).expect("imports");
        let view = desk.view();
        assert_eq!(view.landmarks[0].placed_on, 0);
        assert!(!view.missing.is_empty(), "nothing to learn from");
        assert_eq!(numbers(&view, 3, 4), [7.0, 8.0, 0.25, 2.0]);
        // What a person places stays, and teaches.
        for image in 0..5 {
            let edit = Edit::Place {
                image,
                layer: Layer::Landmarks,
                index: 0,
                at_px: [100.0, 60.0],
                occluded: false,
            };
            desk.edit(edit).expect("places");
        }
        desk.import(&predictions).expect("imports");
        let view = desk.view();
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
        let view = desk.view();
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
        assert!(desk.view().keypoints[0].error.expect("an error") > 0.01);
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
        assert!(message.contains("on the desk"), "{message}");
        // All of it comes back on another desk, whose pictures come later; what is no work is refused.
        let text = desk.save().expect("saves");
        let mut again = Desk::new(
            Annotations {
                images: Vec::new(),
                ..desk.found.clone()
            },
            None,
        );
        again.restore(&text).expect("restores");
        for image in &desk.found.images {
            again.add(image.clone());
        }
        assert_eq!(again.view().points, desk.view().points);
        assert!(again.restore("{}").is_err());
        assert_eq!(again.view().points, desk.view().points);
        // Names and landmarks go on with another model's keypoints, as far as they fit.
        let colors = ["#e6194b", "#3cb44b"].map(String::from);
        let next = Desk::new(Annotations::discovered(&colors), Some(&desk));
        assert_eq!(next.work().landmarks.len(), 4);
        assert_eq!(next.work().table.keypoints.len(), 2);
    }
}
