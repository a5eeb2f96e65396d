//! A person's edits: [`UserEdits`] are their result, [`Edit`] is one of them; each becomes a [`Change`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::AnnotationProject;
use super::history::Change;
use crate::annotate::edit::Table;
use crate::annotate::{Keypoint, Point, Visibility, check_name};
use crate::error::{Error, Result};
use crate::render::palette;

/// The result of all edits of a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserEdits {
    /// The kind of object in the images, "hand" for example.
    pub category: String,
    /// The person's own points.
    pub landmarks: Vec<Keypoint>,
    /// Their places, by an image's content, `[L]`; absent where they were not placed.
    pub placed: BTreeMap<String, Vec<Point>>,
    /// Edits of discovered keypoints, by the run that discovered them.
    pub models: BTreeMap<String, ModelEdits>,
    /// Labels of an earlier version, which identified images by their names alone. They wait until a person attaches them.
    pub waiting: Vec<WaitingLabels>,
    /// The names that came with those labels, for an unknown model.
    pub earlier_table: Option<Table>,
}

/// A person's edits of one model's keypoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelEdits {
    /// Names and skeleton; none if unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// Discovered keypoints that were moved, by an image's content and by keypoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub corrected: BTreeMap<String, BTreeMap<usize, Point>>,
}

impl ModelEdits {
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none() && self.corrected.is_empty()
    }
}

/// Labels that wait for an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitingLabels {
    /// Path of the image's file, with its folder.
    pub name: String,
    /// Landmarks, `[L]`, or none.
    pub placed: Vec<Point>,
    /// Discovered keypoints that were moved.
    pub corrected: BTreeMap<usize, Point>,
}

/// A layer of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The discovered keypoints, under their names.
    Keypoints,
    /// The person's own landmarks.
    Landmarks,
}

/// An edit that a person makes.
///
/// See the tests in `project/tests.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Edit {
    /// Names the kind of object in the images.
    Category {
        /// Its name, "hand" for example.
        name: String,
    },
    /// Names a keypoint.
    Rename {
        /// Index of the keypoint.
        index: usize,
        /// Its new name.
        name: String,
    },
    /// Hides a keypoint, or shows it again.
    Hide {
        /// Index of the keypoint.
        index: usize,
        /// True to leave it out of exports.
        hidden: bool,
    },
    /// Gives a keypoint another colour.
    Recolor {
        /// Index of the keypoint.
        index: usize,
        /// Its new colour, `#rrggbb`.
        color: String,
    },
    /// Merges two keypoints into one.
    Merge {
        /// Index of the keypoint that stays.
        into: usize,
        /// Index of the keypoint that becomes a part of it.
        other: usize,
    },
    /// Reorders the keypoints.
    Reorder {
        /// Keypoint `order[i]` moves to index `i`.
        order: Vec<usize>,
    },
    /// Adds an edge to the skeleton, or removes it.
    ToggleEdge {
        /// Indices of its two keypoints.
        edge: [usize; 2],
    },
    /// Makes the skeleton of all strong edges.
    ChooseEdges {
        /// Least learned weight of an edge.
        threshold: f64,
    },
    /// Cuts the skeleton into parts, whose keypoints share a colour.
    Cut {
        /// Number of parts; 0 gives each keypoint a colour of its own again.
        parts: usize,
    },
    /// Adds a landmark.
    AddLandmark {
        /// Its name, which no other landmark has.
        name: String,
    },
    /// Names a landmark.
    RenameLandmark {
        /// Index of the landmark.
        index: usize,
        /// Its new name.
        name: String,
    },
    /// Removes a landmark from all images.
    RemoveLandmark {
        /// Index of the landmark.
        index: usize,
    },
    /// Places a point on an image: a correction of a keypoint, or a label of a landmark.
    Place {
        /// Id of the image's row.
        image: u32,
        /// Layer of the point.
        layer: Layer,
        /// Index of the point in its layer.
        index: usize,
        /// Its place, `[x, y]` px of the original image.
        at_px: [f64; 2],
        /// True if something is in front of it.
        occluded: bool,
    },
    /// Takes back a placement: a keypoint returns to where it was detected, a landmark to where it is predicted.
    Unplace {
        /// Id of the image's row.
        image: u32,
        /// Layer of the point.
        layer: Layer,
        /// Index of the point in its layer.
        index: usize,
    },
    /// Marks a point as absent from an image: it counts as labelled, and is exported as not visible.
    Absent {
        /// Id of the image's row.
        image: u32,
        /// Layer of the point.
        layer: Layer,
        /// Index of the point in its layer.
        index: usize,
    },
    /// Removes images from the project, with their labels and corrections.
    Remove {
        /// Ids of the images' rows.
        images: Vec<u32>,
    },
    /// Attaches waiting labels to the images with their names.
    AttachWaiting,
    /// Undoes the last edit.
    Undo,
    /// Redoes the last undone edit.
    Redo,
}

impl AnnotationProject {
    /// Makes an edit.
    ///
    /// # Errors
    /// [`Error::Setting`] if the edit is not possible; the project is then unchanged.
    pub fn edit(&mut self, edit: Edit) -> Result<()> {
        let change = match edit {
            Edit::Undo => {
                if let Some(change) = self.history.pop_done() {
                    let back = self.apply(change);
                    self.history.push_undone(back);
                }
                return Ok(());
            }
            Edit::Redo => {
                if let Some(change) = self.history.pop_undone() {
                    let back = self.apply(change);
                    self.history.push_redone(back);
                }
                return Ok(());
            }
            Edit::Category { name } => {
                check_name(&name)?;
                Change::Category(name.trim().into())
            }
            Edit::Rename { index, name } => self.table_change(self.table().rename(index, &name)?),
            Edit::Hide { index, hidden } => self.table_change(self.table().hide(index, hidden)?),
            Edit::Recolor { index, color } => {
                self.table_change(self.table().recolor(index, &color)?)
            }
            Edit::Merge { into, other } => self.table_change(self.table().merge(into, other)?),
            Edit::Reorder { order } => self.table_change(self.table().reorder(&order)?),
            Edit::ToggleEdge { edge } => self.table_change(self.table().toggle_edge(edge)?),
            Edit::ChooseEdges { threshold } => {
                let weights = &self.discovered.edge_weights;
                self.table_change(self.table().choose_edges(weights, threshold))
            }
            Edit::Cut { parts } => {
                let weights = &self.discovered.edge_weights;
                self.table_change(self.table().cut(weights, parts))
            }
            Edit::AddLandmark { name } => {
                let index = self.edits.landmarks.len();
                let keypoint = Keypoint {
                    name: free_name(&self.edits.landmarks, None, &name)?,
                    color: Self::landmark_color(index),
                };
                let add = Change::AddLandmark {
                    index,
                    keypoint,
                    points: Vec::new(),
                };
                self.with_waiting(add, |points| points.push(Point::ABSENT))
            }
            Edit::RenameLandmark { index, name } => {
                let landmarks = &self.edits.landmarks;
                check_index(index, landmarks.len(), "landmark")?;
                Change::Landmark {
                    index,
                    keypoint: Keypoint {
                        name: free_name(landmarks, Some(index), &name)?,
                        color: landmarks[index].color.clone(),
                    },
                }
            }
            Edit::RemoveLandmark { index } => {
                check_index(index, self.edits.landmarks.len(), "landmark")?;
                let remove = Change::RemoveLandmark { index };
                self.with_waiting(remove, |points| {
                    points.remove(index);
                })
            }
            Edit::Place {
                image,
                layer,
                index,
                at_px,
                occluded,
            } => {
                if !at_px.iter().all(|v| v.is_finite()) {
                    return Err(Error::Setting(
                        "The point's position is not a number. Place it again.".into(),
                    ));
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
                self.point_change(image, layer, index, Some(point))?
            }
            Edit::Absent {
                image,
                layer,
                index,
            } => {
                let absent = Point {
                    corrected: true,
                    ..Point::ABSENT
                };
                self.point_change(image, layer, index, Some(absent))?
            }
            Edit::Unplace {
                image,
                layer,
                index,
            } => self.point_change(image, layer, index, None)?,
            Edit::Remove { images } if images.is_empty() => return Ok(()),
            Edit::Remove { images } => {
                for &id in &images {
                    self.entry(id)?;
                }
                self.removal_change(&images)
            }
            Edit::AttachWaiting => self.attach_change(),
        };
        self.apply_edit(change);
        Ok(())
    }

    /// Extends a change of the landmarks to waiting labels.
    fn with_waiting(&self, change: Change, adapt: impl Fn(&mut Vec<Point>)) -> Change {
        let mut waiting = self.edits.waiting.clone();
        if waiting.is_empty() {
            return change;
        }
        let labelled = waiting
            .iter_mut()
            .filter(|waiting| !waiting.placed.is_empty());
        labelled.for_each(|waiting| adapt(&mut waiting.placed));
        let waiting = Change::Waiting(waiting, self.edits.earlier_table.clone());
        Change::All(vec![change, waiting])
    }

    fn table_change(&self, table: Table) -> Change {
        let table = Some(table);
        Change::Table {
            run: self.run.clone(),
            table: if table.as_ref() == Some(self.table()) {
                self.edits_of_run().and_then(|edits| edits.table.clone())
            } else {
                table
            },
        }
    }

    fn point_change(
        &self,
        image: u32,
        layer: Layer,
        index: usize,
        point: Option<Point>,
    ) -> Result<Change> {
        let content = self.entry(image)?.content.clone();
        Ok(match layer {
            Layer::Landmarks => {
                let count = self.edits.landmarks.len();
                check_index(index, count, "landmark")?;
                let mut points = self.edits.placed.get(&content).cloned().unwrap_or_default();
                points.resize(count, Point::ABSENT);
                points[index] = point.unwrap_or(Point::ABSENT);
                Change::Placed { content, points }
            }
            Layer::Keypoints => {
                let table = self.table();
                check_index(index, table.keypoints.len(), "keypoint")?;
                let mut points = self
                    .edits_of_run()
                    .and_then(|edits| edits.corrected.get(&content))
                    .cloned()
                    .unwrap_or_default();
                // All sources of a merged keypoint move together, so that the table gives the point back.
                for &source in &table.keypoints[index].sources {
                    match point {
                        Some(point) => points.insert(source, point),
                        None => points.remove(&source),
                    };
                }
                Change::Corrected {
                    run: self.run.clone(),
                    content,
                    points,
                }
            }
        })
    }

    /// Removes images with their labels and corrections.
    fn removal_change(&self, images: &[u32]) -> Change {
        let mut all = Vec::new();
        for entry in self
            .entries
            .iter()
            .filter(|entry| images.contains(&entry.id))
        {
            let content = &entry.content;
            if self.edits.placed.contains_key(content) {
                all.push(Change::Placed {
                    content: content.clone(),
                    points: Vec::new(),
                });
            }
            for (run, edits) in &self.edits.models {
                if edits.corrected.contains_key(content) {
                    all.push(Change::Corrected {
                        run: run.clone(),
                        content: content.clone(),
                        points: BTreeMap::new(),
                    });
                }
            }
        }
        all.push(Change::RemoveImages(images.to_vec()));
        Change::All(all)
    }

    /// Attaches labels of an earlier version to the images with their names.
    fn attach_change(&self) -> Change {
        let mut all = Vec::new();
        let mut left = Vec::new();
        let mut table = self.edits.earlier_table.clone();
        let adopts = (table.as_ref()).is_some_and(|table| table.covers_each_once(self.keypoints()));
        for waiting in &self.edits.waiting {
            let Some(entry) = self.image_for(waiting) else {
                left.push(waiting.clone());
                continue;
            };
            if !waiting.placed.is_empty() {
                all.push(Change::Placed {
                    content: entry.content.clone(),
                    points: waiting.placed.clone(),
                });
            }
            if adopts && !waiting.corrected.is_empty() {
                all.push(Change::Corrected {
                    run: self.run.clone(),
                    content: entry.content.clone(),
                    points: waiting.corrected.clone(),
                });
            }
        }
        if adopts && self.edits_of_run().is_none_or(|e| e.table.is_none()) {
            all.push(Change::Table {
                run: self.run.clone(),
                table: table.take(),
            });
        }
        all.push(Change::Waiting(left, table));
        Change::All(all)
    }

    pub(super) fn landmark_color(index: usize) -> String {
        // From the other end of the palette, so that landmarks and keypoints differ.
        let colours = palette::colours();
        palette::hex(colours[colours.len() - 1 - index % colours.len()])
    }
}

/// Checks an index into `count` points.
///
/// # Errors
/// [`Error::Setting`] if the index is out of range.
fn check_index(index: usize, count: usize, what: &str) -> Result<()> {
    if index < count {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "There is no {what} {index}: only {count} exist."
    )))
}

/// Trims a name for landmark `index`, or for a new landmark.
///
/// # Errors
/// [`Error::Setting`] if the name is not valid, or if another landmark has it.
fn free_name(landmarks: &[Keypoint], index: Option<usize>, name: &str) -> Result<String> {
    let name = name.trim();
    check_name(name)?;
    let mut others = landmarks.iter().enumerate();
    if others.any(|(i, other)| Some(i) != index && other.name == name) {
        return Err(Error::Setting(format!(
            "Another landmark is already called \"{name}\". Choose another name."
        )));
    }
    Ok(name.to_string())
}
