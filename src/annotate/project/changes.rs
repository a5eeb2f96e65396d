//! Edits as changes that can be taken back: what [`AnnotationProject::edit`] does.

use std::collections::BTreeMap;

use super::{AnnotationProject, Edit, Layer, Row, Waiting, free_name, known};
use crate::annotate::edit::Table;
use crate::annotate::{Keypoint, Point, Visibility, check_name};
use crate::error::{Error, Result};

/// One thing that becomes another. [`AnnotationProject::apply`] gives back the change that undoes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Category(String),
    /// The names of a run's keypoints; none: as the model has them.
    Table {
        run: String,
        table: Option<Table>,
    },
    /// The keypoints of a run that were moved on an image.
    Corrected {
        run: String,
        content: String,
        points: BTreeMap<usize, Point>,
    },
    /// The landmarks of an image; empty: none.
    Placed {
        content: String,
        points: Vec<Point>,
    },
    /// The name of a landmark.
    Landmark {
        index: usize,
        keypoint: Keypoint,
    },
    /// A landmark comes to a place, with its points on some images.
    AddLandmark {
        index: usize,
        keypoint: Keypoint,
        points: Vec<(String, Point)>,
    },
    RemoveLandmark {
        index: usize,
    },
    /// Images come to their places.
    AddRows(Vec<(usize, Row)>),
    RemoveRows(Vec<u32>),
    /// Labels that wait for their images, and the names that came with them.
    Waiting(Vec<Waiting>, Option<Table>),
    /// One after the other.
    All(Vec<Change>),
}

impl AnnotationProject {
    /// Does what a person asks.
    ///
    /// # Errors
    /// [`Error::Setting`] with a sentence; then everything stays as it was.
    pub fn edit(&mut self, edit: Edit) -> Result<()> {
        let change = match edit {
            Edit::Undo => {
                if let Some(change) = self.history.last_done() {
                    let back = self.apply(change);
                    self.history.undone(back);
                }
                return Ok(());
            }
            Edit::Redo => {
                if let Some(change) = self.history.last_undone() {
                    let back = self.apply(change);
                    self.history.redone(back);
                }
                return Ok(());
            }
            Edit::Category { name } => {
                check_name(&name)?;
                Change::Category(name.trim().into())
            }
            Edit::Rename { index, name } => self.renamed(self.table().rename(index, &name)?),
            Edit::Hide { index, hidden } => self.renamed(self.table().hide(index, hidden)?),
            Edit::Recolor { index, color } => self.renamed(self.table().recolor(index, &color)?),
            Edit::Merge { into, other } => self.renamed(self.table().merge(into, other)?),
            Edit::Reorder { order } => self.renamed(self.table().reorder(&order)?),
            Edit::ToggleEdge { edge } => self.renamed(self.table().toggle_edge(edge)?),
            Edit::ChooseEdges { threshold } => {
                let weights = &self.discovered.edge_weights;
                self.renamed(self.table().choose_edges(weights, threshold))
            }
            Edit::AddLandmark { name } => {
                let index = self.edits.landmarks.len();
                let keypoint = Keypoint {
                    name: free_name(&self.edits.landmarks, None, &name)?,
                    color: self.colour(index),
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
                known(index, landmarks.len(), "landmark")?;
                Change::Landmark {
                    index,
                    keypoint: Keypoint {
                        name: free_name(landmarks, Some(index), &name)?,
                        color: landmarks[index].color.clone(),
                    },
                }
            }
            Edit::RemoveLandmark { index } => {
                known(index, self.edits.landmarks.len(), "landmark")?;
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
                self.placing(image, layer, index, Some(point))?
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
                self.placing(image, layer, index, Some(absent))?
            }
            Edit::Unplace {
                image,
                layer,
                index,
            } => self.placing(image, layer, index, None)?,
            Edit::Remove { images } if images.is_empty() => return Ok(()),
            Edit::Remove { images } => {
                for &id in &images {
                    self.row(id)?;
                }
                self.removal(&images)
            }
            Edit::AttachWaiting => self.attachment(),
        };
        self.do_change(change);
        Ok(())
    }

    /// Applies a change, to be undone later; one that changes nothing is no edit.
    pub(super) fn do_change(&mut self, change: Change) {
        let asked = change.clone();
        let back = self.apply(change);
        if back != asked {
            self.history.done(back);
        }
    }

    /// A change of the landmarks, for labels that wait as well.
    fn with_waiting(&self, change: Change, adapt: impl Fn(&mut Vec<Point>)) -> Change {
        let mut waiting = self.edits.waiting.clone();
        if waiting.is_empty() {
            return change;
        }
        let labelled = waiting
            .iter_mut()
            .filter(|waiting| !waiting.placed.is_empty());
        labelled.for_each(|waiting| adapt(&mut waiting.placed));
        let waiting = Change::Waiting(waiting, self.edits.earlier.clone());
        Change::All(vec![change, waiting])
    }

    fn renamed(&self, table: Table) -> Change {
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

    fn placing(
        &self,
        image: u32,
        layer: Layer,
        index: usize,
        point: Option<Point>,
    ) -> Result<Change> {
        let content = self.row(image)?.content.clone();
        Ok(match layer {
            Layer::Landmarks => {
                let count = self.edits.landmarks.len();
                known(index, count, "landmark")?;
                let mut points = self.edits.placed.get(&content).cloned().unwrap_or_default();
                points.resize(count, Point::ABSENT);
                points[index] = point.unwrap_or(Point::ABSENT);
                Change::Placed { content, points }
            }
            Layer::Keypoints => {
                let table = self.table();
                known(index, table.keypoints.len(), "keypoint")?;
                let mut points = self
                    .edits_of_run()
                    .and_then(|edits| edits.corrected.get(&content))
                    .cloned()
                    .unwrap_or_default();
                // All that it is made of go there together, so that the table gives it back.
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

    /// Images go with everything that was done on them.
    fn removal(&self, images: &[u32]) -> Change {
        let mut all = Vec::new();
        for row in self.rows.iter().filter(|row| images.contains(&row.id)) {
            let content = &row.content;
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
        all.push(Change::RemoveRows(images.to_vec()));
        Change::All(all)
    }

    /// Labels of an earlier version go to the images of their names.
    fn attachment(&self) -> Change {
        let mut all = Vec::new();
        let mut left = Vec::new();
        let mut table = self.edits.earlier.clone();
        let adopts = (table.as_ref()).is_some_and(|table| table.names_each_of(self.keypoints()));
        for waiting in &self.edits.waiting {
            let Some(row) = self.row_for(waiting) else {
                left.push(waiting.clone());
                continue;
            };
            if !waiting.placed.is_empty() {
                all.push(Change::Placed {
                    content: row.content.clone(),
                    points: waiting.placed.clone(),
                });
            }
            if adopts && !waiting.corrected.is_empty() {
                all.push(Change::Corrected {
                    run: self.run.clone(),
                    content: row.content.clone(),
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

    /// Makes a change; returns the one that undoes it.
    pub(super) fn apply(&mut self, change: Change) -> Change {
        use std::mem::{replace, take};
        match change {
            Change::Category(name) => Change::Category(replace(&mut self.edits.category, name)),
            Change::Table { run, table } => {
                let edits = self.edits.models.entry(run.clone()).or_default();
                let table = replace(&mut edits.table, table);
                self.edits.models.retain(|_, edits| !edits.is_empty());
                Change::Table { run, table }
            }
            Change::Corrected {
                run,
                content,
                points,
            } => {
                let edits = self.edits.models.entry(run.clone()).or_default();
                let before = match points.is_empty() {
                    true => edits.corrected.remove(&content),
                    false => edits.corrected.insert(content.clone(), points),
                };
                self.edits.models.retain(|_, edits| !edits.is_empty());
                Change::Corrected {
                    run,
                    content,
                    points: before.unwrap_or_default(),
                }
            }
            Change::Placed {
                content,
                mut points,
            } => {
                points.resize(self.edits.landmarks.len(), Point::ABSENT);
                let placed = &mut self.edits.placed;
                let before = match points.iter().any(Point::is_labelled) {
                    true => placed.insert(content.clone(), points),
                    false => placed.remove(&content),
                };
                Change::Placed {
                    content,
                    points: before
                        .unwrap_or_else(|| vec![Point::ABSENT; self.edits.landmarks.len()]),
                }
            }
            Change::Landmark { index, keypoint } => {
                let keypoint = replace(&mut self.edits.landmarks[index], keypoint);
                Change::Landmark { index, keypoint }
            }
            Change::AddLandmark {
                index,
                keypoint,
                points,
            } => {
                let before = self.edits.landmarks.len();
                self.edits.landmarks.insert(index, keypoint);
                let placed = &mut self.edits.placed;
                (placed.values_mut()).for_each(|points| points.insert(index, Point::ABSENT));
                for (content, point) in points {
                    let absent = || vec![Point::ABSENT; before + 1];
                    placed.entry(content).or_insert_with(absent)[index] = point;
                }
                Change::RemoveLandmark { index }
            }
            Change::RemoveLandmark { index } => {
                let keypoint = self.edits.landmarks.remove(index);
                let mut points = Vec::new();
                for (content, placed) in &mut self.edits.placed {
                    let point = placed.remove(index);
                    if point.is_labelled() {
                        points.push((content.clone(), point));
                    }
                }
                // An image that loses its last label is an unlabelled one.
                (self.edits.placed).retain(|_, points| points.iter().any(Point::is_labelled));
                Change::AddLandmark {
                    index,
                    keypoint,
                    points,
                }
            }
            Change::AddRows(rows) => {
                let mut added = Vec::with_capacity(rows.len());
                let mut others = take(&mut self.rows).into_iter();
                for (at, row) in rows {
                    // It may have been brought again meanwhile.
                    if self.by_content.contains_key(&row.content) {
                        continue;
                    }
                    let before = at.saturating_sub(self.rows.len());
                    self.rows.extend(others.by_ref().take(before));
                    added.push(row.id);
                    self.rows.push(row);
                }
                self.rows.extend(others);
                self.index();
                Change::RemoveRows(added)
            }
            Change::RemoveRows(ids) => {
                let mut removed = Vec::with_capacity(ids.len());
                let ids: std::collections::HashSet<u32> = ids.into_iter().collect();
                for (at, row) in take(&mut self.rows).into_iter().enumerate() {
                    match ids.contains(&row.id) {
                        true => removed.push((at, row)),
                        false => self.rows.push(row),
                    }
                }
                self.index();
                Change::AddRows(removed)
            }
            Change::Waiting(waiting, table) => Change::Waiting(
                replace(&mut self.edits.waiting, waiting),
                replace(&mut self.edits.earlier, table),
            ),
            Change::All(changes) => {
                let mut back: Vec<Change> = changes.into_iter().map(|c| self.apply(c)).collect();
                back.reverse();
                Change::All(back)
            }
        }
    }
}
