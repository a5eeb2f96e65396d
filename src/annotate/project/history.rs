//! Changes that can be undone and redone.

use std::collections::{BTreeMap, VecDeque};

use super::{AnnotationProject, ImageEntry, WaitingLabels};
use crate::annotate::edit::Table;
use crate::annotate::{Keypoint, Point};

/// A change of a project. [`AnnotationProject::apply`] returns the change that undoes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Sets the kind of object.
    Category(String),
    /// Sets the names of a run's keypoints; none for the model's own.
    Table { run: String, table: Option<Table> },
    /// Sets the corrected keypoints of a run on an image.
    Corrected {
        run: String,
        content: String,
        points: BTreeMap<usize, Point>,
    },
    /// Sets the landmarks of an image; empty for none.
    Placed { content: String, points: Vec<Point> },
    /// Sets the name and colour of a landmark.
    Landmark { index: usize, keypoint: Keypoint },
    /// Inserts a landmark at an index, with its points on some images.
    AddLandmark {
        index: usize,
        keypoint: Keypoint,
        points: Vec<(String, Point)>,
    },
    /// Removes a landmark from all images.
    RemoveLandmark { index: usize },
    /// Inserts images at indices.
    AddImages(Vec<(usize, ImageEntry)>),
    /// Removes images by their ids.
    RemoveImages(Vec<u32>),
    /// Sets the labels that wait for their images, and the names that came with them.
    Waiting(Vec<WaitingLabels>, Option<Table>),
    /// Makes several changes in order.
    All(Vec<Change>),
}

impl AnnotationProject {
    /// Applies a change that can be undone later; a change without effect is not recorded.
    pub(super) fn apply_edit(&mut self, change: Change) {
        let wanted = change.clone();
        let back = self.apply(change);
        if back != wanted {
            self.history.push(back);
        }
    }

    /// Applies a change and returns the one that undoes it.
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
                // An image that loses its last label counts as unlabelled.
                (self.edits.placed).retain(|_, points| points.iter().any(Point::is_labelled));
                Change::AddLandmark {
                    index,
                    keypoint,
                    points,
                }
            }
            Change::AddImages(images) => {
                let mut added = Vec::with_capacity(images.len());
                let mut others = take(&mut self.entries).into_iter();
                for (at, entry) in images {
                    // A person may have added it again meanwhile.
                    if self.by_content.contains_key(&entry.content) {
                        continue;
                    }
                    let before = at.saturating_sub(self.entries.len());
                    self.entries.extend(others.by_ref().take(before));
                    added.push(entry.id);
                    self.entries.push(entry);
                }
                self.entries.extend(others);
                self.index();
                Change::RemoveImages(added)
            }
            Change::RemoveImages(ids) => {
                let mut removed = Vec::with_capacity(ids.len());
                let ids: std::collections::HashSet<u32> = ids.into_iter().collect();
                for (at, entry) in take(&mut self.entries).into_iter().enumerate() {
                    match ids.contains(&entry.id) {
                        true => removed.push((at, entry)),
                        false => self.entries.push(entry),
                    }
                }
                self.index();
                Change::AddImages(removed)
            }
            Change::Waiting(waiting, table) => Change::Waiting(
                replace(&mut self.edits.waiting, waiting),
                replace(&mut self.edits.earlier_table, table),
            ),
            Change::All(changes) => {
                let mut back: Vec<Change> = changes.into_iter().map(|c| self.apply(c)).collect();
                back.reverse();
                Change::All(back)
            }
        }
    }
}

/// Undo and redo: edits that were made and edits that were undone, each as the change that reverts it.
#[derive(Clone, Debug)]
pub(super) struct History<T> {
    done: VecDeque<T>,
    undone: Vec<T>,
}

/// Number of edits that can be undone.
const MAX_CHANGES: usize = 1_000;

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            done: VecDeque::new(),
            undone: Vec::new(),
        }
    }
}

impl<T> History<T> {
    /// Records the change that undoes a new edit, and forgets undone edits. Of more than 1,000 edits the oldest is forgotten.
    pub fn push(&mut self, back: T) {
        self.undone.clear();
        self.push_redone(back);
    }

    /// Records the change that undoes an edit that was redone.
    pub fn push_redone(&mut self, back: T) {
        self.done.push_back(back);
        if self.done.len() > MAX_CHANGES {
            self.done.pop_front();
        }
    }

    /// Records the change that redoes an undone edit.
    pub fn push_undone(&mut self, back: T) {
        self.undone.push(back);
    }

    /// Takes the change that undoes the last edit.
    pub fn pop_done(&mut self) -> Option<T> {
        self.done.pop_back()
    }

    /// Takes the change that redoes the last undone edit.
    pub fn pop_undone(&mut self) -> Option<T> {
        self.undone.pop()
    }

    /// Returns true if there is an edit to undo.
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Returns true if there is an undone edit to redo.
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_undoes_and_redoes_a_thousand_edits() {
        let mut history = History::default();
        for before in 0..1_200 {
            history.push(before);
        }
        let mut now = 1_200;
        while let Some(before) = history.pop_done() {
            history.push_undone(now);
            now = before;
        }
        assert_eq!(now, 200, "the oldest edits are forgotten");
        assert!(!history.can_undo() && history.can_redo());
        assert_eq!(history.pop_undone(), Some(201));
        history.push_redone(200);
        history.push(201);
        assert!(history.can_undo() && !history.can_redo());
    }
}
