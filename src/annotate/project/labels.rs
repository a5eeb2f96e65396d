//! Points of a project: keypoints with a person's corrections, landmarks with predictions, and imported labels.

use super::history::Change;
use super::{AnnotationProject, ImageEntry, Layer, UserEdits, WaitingLabels};
use crate::annotate::formats::{self, Format};
use crate::annotate::landmarks::Fit;
use crate::annotate::{Annotations, Image, Imported, Keypoint, PlacedLabels, Point};
use crate::error::{Error, Result};

impl AnnotationProject {
    /// Finds the image that waiting labels can be attached to: it has the same name, no labels, and holds all their points.
    pub(super) fn image_for(&self, waiting: &WaitingLabels) -> Option<&ImageEntry> {
        let entry = &self.entries[*self.by_name.get(&waiting.name)?];
        let [width, height] = [entry.image.width_px, entry.image.height_px].map(f64::from);
        let within =
            |p: &Point| (0.0..=width).contains(&p.x_px) && (0.0..=height).contains(&p.y_px);
        let there = waiting.placed.iter().filter(|p| p.is_there());
        let fits = there.into_iter().all(within);
        (fits && entry.is_here && !self.edits.placed.contains_key(&entry.content)).then_some(entry)
    }

    /// Imports labels as landmarks: landmarks of the same name get these places, others are added. Imported predictions stay
    /// predictions: they are not fitted, and never replace points that a person placed.
    ///
    /// See `import_adds_labels_as_landmarks` in `project/tests.rs`.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if no label belongs to an image of the project.
    pub fn import(&mut self, imported: &Imported) -> Result<PlacedLabels> {
        let theirs = &imported.annotations;
        let here: Vec<Image> = self
            .entries
            .iter()
            .map(|entry| entry.image.clone())
            .collect();
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
                    "None of the {count} images in this file is in the project. Add the images that the labels were made on, under the same names."
                ),
                None => format!(
                    "None of the {count} images in this file has a point. Export the labels again."
                ),
            }));
        }
        let mut edits = self.edits.clone();
        let mut columns = Vec::with_capacity(theirs.keypoints.len());
        for keypoint in &theirs.keypoints {
            let same = edits.landmarks.iter().position(|l| l.name == keypoint.name);
            columns.push(same.unwrap_or_else(|| {
                let color = Self::landmark_color(edits.landmarks.len());
                edits.landmarks.push(Keypoint {
                    color,
                    ..keypoint.clone()
                });
                edits.landmarks.len() - 1
            }));
        }
        let count = edits.landmarks.len();
        (edits.placed.values_mut()).for_each(|points| points.resize(count, Point::ABSENT));
        for (at, theirs) in &placed.images {
            let content = self.entries[*at].content.clone();
            let absent = vec![Point::ABSENT; count];
            let ours = edits.placed.entry(content).or_insert(absent);
            for (&column, point) in columns.iter().zip(theirs) {
                if point.is_there() && (point.corrected || !ours[column].corrected) {
                    ours[column] = *point;
                }
            }
        }
        self.apply_labels(edits);
        Ok(placed)
    }

    /// Applies landmarks and their places as one edit.
    fn apply_labels(&mut self, edits: UserEdits) {
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
        self.apply_edit(Change::All(all));
    }

    /// Returns the indices of the images in which the current model detected keypoints, and those keypoints with a person's
    /// corrections.
    pub(super) fn corrected_detections(&self) -> (Vec<usize>, Annotations) {
        let corrected = self.edits_of_run().map(|edits| &edits.corrected);
        let (mut places, mut images) = (Vec::new(), Vec::new());
        for (at, entry) in self.entries.iter().enumerate() {
            let Some(detection) = entry.detected_by(&self.run) else {
                continue;
            };
            let mut points = detection.points.clone();
            let moved = corrected.and_then(|corrected| corrected.get(&entry.content));
            for (&source, point) in moved.into_iter().flatten() {
                if let Some(to) = points.get_mut(source) {
                    *to = match point.is_there() {
                        true => *point,
                        // Landmarks are predicted from all keypoints, absent ones too.
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
                ..entry.image.clone()
            });
        }
        let detected = Annotations {
            category: self.edits.category.clone(),
            images,
            ..self.discovered.clone()
        };
        (places, detected)
    }

    /// Returns the landmarks that a person placed on some images, without imported predictions.
    fn placed_by_hand(&self, places: &[usize]) -> Annotations {
        let mut placed = self.placed_landmarks(places);
        let predicted = |point: &&mut Point| !point.corrected;
        (placed.images.iter_mut().flat_map(|image| &mut image.points))
            .filter(predicted)
            .for_each(|point| *point = Point::ABSENT);
        placed
    }

    /// Returns the landmarks that a person placed on some images, and imported predictions.
    pub(super) fn placed_landmarks(&self, places: &[usize]) -> Annotations {
        let images = places.iter().filter_map(|&at| {
            let entry = &self.entries[at];
            Some(Image {
                points: self.edits.placed.get(&entry.content)?.clone(),
                ..entry.image.clone()
            })
        });
        Annotations {
            category: self.edits.category.clone(),
            keypoints: self.edits.landmarks.clone(),
            images: images.collect(),
            ..Annotations::default()
        }
    }

    /// Returns the landmarks on all images: placed ones, imported predictions, and predictions from keypoints where enough landmarks
    /// were placed; and the regression, or the reason why there is none.
    pub(super) fn all_landmarks(
        &self,
        places: &[usize],
        corrected: &Annotations,
    ) -> (Annotations, Result<Fit>) {
        let placed = self.placed_landmarks(places);
        let fit = Fit::new(corrected, &self.placed_by_hand(places));
        let predicted = fit.as_ref().ok();
        let predicted = predicted.and_then(|fit| fit.annotate(corrected, &placed).ok());
        let predicted = predicted.map_or(Vec::new(), |annotations| annotations.images);
        let mut predicted = places.iter().zip(predicted).peekable();
        let absent = vec![Point::ABSENT; self.edits.landmarks.len()];
        let images = self.entries.iter().enumerate().map(|(at, entry)| {
            if let Some((_, image)) = predicted.next_if(|(place, _)| **place == at) {
                return image;
            }
            let placed = self.edits.placed.get(&entry.content);
            Image {
                points: placed.unwrap_or(&absent).clone(),
                ..entry.image.clone()
            }
        });
        let images = images.collect();
        (Annotations { images, ..placed }, fit)
    }

    /// Returns the points of a layer as they are exported: keypoints of the images in which they were detected, landmarks of all
    /// images.
    ///
    /// # Errors
    /// [`Error::Images`] if there are no images with keypoints, [`Error::Landmarks`] if there are no landmarks.
    pub fn annotations(&self, layer: Layer) -> Result<Annotations> {
        if self.is_empty() {
            return Err(Error::Images(
                "The project has no images. Add some first.".into(),
            ));
        }
        let (places, corrected) = self.corrected_detections();
        match layer {
            Layer::Keypoints if places.is_empty() => Err(Error::Images(
                "No keypoints have been detected in these images yet. Add the image files, or detect again."
                    .into(),
            )),
            Layer::Keypoints => self.table().apply(&corrected),
            Layer::Landmarks => {
                if self.edits.landmarks.is_empty() {
                    return Err(Error::Landmarks(
                        "There are no landmarks yet. Add one, and place it on a few images.".into(),
                    ));
                }
                Ok(self.all_landmarks(&places, &corrected).0)
            }
        }
    }

    /// Exports a layer as one file or several.
    ///
    /// # Errors
    /// As [`AnnotationProject::annotations`] and [`formats::export`].
    pub fn export(&self, layer: Layer, format: Format) -> Result<Vec<formats::File>> {
        formats::export(&self.annotations(layer)?, format)
    }
}
