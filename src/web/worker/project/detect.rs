//! Adding images, frames and labels to the project, and finding keypoints in them.

use std::collections::HashMap;

use web_time::{Duration, Instant};

use super::Place;
use crate::annotate::{
    self,
    content::{self, ContentHasher},
    formats,
    project::AnnotationProject,
};
use crate::checkpoint::torch::ReadAt;
use crate::config::Config;
use crate::data::inputs::{self, Input};
use crate::data::locate::Crop;
use crate::data::{Dataset, Placement, SquareImage, decode, synthetic};
use crate::error::{Error, Result};
use crate::session::{Event, Keypoints, Rejected};
use crate::web::worker::Engine;
use crate::web::worker::files::{BlobFile, Files, blob, read_all};
use crate::web::worker::loading::{ImageSource, decoded, reject};
use crate::web::worker::messages::{Progress, post};
use crate::web::worker::search::Wanted;
use crate::words::counted;

/// Images in one detection; few, so that the project is seen to grow.
const DETECT_BATCH: usize = 16;
/// Time between two views of a project that grows.
const SHOW_EVERY: Duration = Duration::from_millis(1000);
/// Side of the puppets that are annotated, px.
const PUPPET_PX: usize = 192;

/// An image in which keypoints are to be found.
struct Undetected {
    content: String,
    image: SquareImage,
    place: Place,
}

impl Engine {
    /// Adds files to the project, with the keypoints that the model finds in them. If the project showed another run before, its images are
    /// detected again.
    pub(super) async fn add_images(&mut self, files: Files) -> Result<()> {
        self.end_task();
        // The crops of the training images are known, by their files.
        let (files, crops, removed) = match files.is_empty() {
            false => (files, Vec::new(), Vec::new()),
            true => match self.training_files().await? {
                Some((files, crops)) => (files, crops, self.session()?.images().removed()),
                None => return Ok(()),
            },
        };
        let shown = self
            .project
            .as_ref()
            .map(|project| project.run().to_string());
        self.show_model().await?;
        let is_other_run = shown.is_some_and(|run| {
            self.shown_model
                .as_ref()
                .is_some_and(|model| model.0 != run)
        });
        let config = self.config();
        let mut slice_start = Instant::now();
        let Some(inputs) = self.list_inputs(&files, &mut slice_start).await else {
            return Ok(());
        };
        let mut rejected: Vec<Rejected> = inputs.rejected.iter().map(reject).collect();
        let (names, total) = (inputs.names(|_| false), inputs.images.len());
        rejected.extend(inputs.numbered(&names).iter().map(reject));
        let mut crops: Vec<Option<Crop>> = (inputs.images.iter())
            .map(|input| crops.get(input.file).copied().flatten())
            .collect();
        if config.locate && crops.iter().all(Option::is_none) {
            let wanted: Vec<Wanted> = (inputs.images.iter().zip(&names))
                .map(|(input, name)| (&**name, &files[input.file].1, input.entry.as_ref()))
                .collect();
            let Some((found, notes)) = self.locate_images(&wanted).await? else {
                return Ok(());
            };
            crops = found;
            rejected.extend(notes);
        }
        let mut progress = Progress::new("Detecting keypoints");
        let mut batch: Vec<Undetected> = Vec::new();
        let (mut read, mut is_cancelled) = (0, false);
        for (done, (input, name)) in inputs.images.iter().zip(names).enumerate() {
            let file = &files[input.file].1;
            let decoded = inputs::read(file, input.entry.as_ref()).and_then(|bytes| {
                let image = decoded(&name, &bytes, crops[done], &config)?;
                Ok((content::hash_bytes(&bytes), image))
            });
            match decoded {
                Ok((content, image)) => {
                    if removed.binary_search(&read).is_err() {
                        batch.push(Undetected {
                            content,
                            image,
                            place: (file.clone(), input.entry),
                        });
                    }
                    read += 1;
                }
                Err(reason) => rejected.push(Rejected {
                    name: input.path(),
                    reason,
                }),
            }
            if batch.len() == DETECT_BATCH {
                self.detect_batch(&mut batch, &mut rejected).await?;
            }
            progress.report(done + 1, Some(total));
            self.answer_meanwhile().await;
            if self.is_interrupted(&mut slice_start).await {
                is_cancelled = true;
                break;
            }
        }
        self.detect_batch(&mut batch, &mut rejected).await?;
        if is_other_run && !is_cancelled {
            is_cancelled = self.detect_outdated(&mut rejected).await?;
        }
        if !is_cancelled {
            self.import_beside_images(&files, &inputs.labels, &mut rejected);
        }
        self.post_added(is_cancelled, rejected);
        Ok(())
    }

    /// Finds keypoints again in the images whose keypoints another model found.
    pub(super) async fn detect_again(&mut self) -> Result<()> {
        self.end_task();
        self.show_model().await?;
        let mut rejected = Vec::new();
        let is_cancelled = self.detect_outdated(&mut rejected).await?;
        self.post_added(is_cancelled, rejected);
        Ok(())
    }

    /// Finds keypoints again in the images whose keypoints another model found. Returns true if cancelled.
    async fn detect_outdated(&mut self, rejected: &mut Vec<Rejected>) -> Result<bool> {
        let Some((run, step)) = self.shown_model.clone() else {
            return Ok(false);
        };
        let config = self.config();
        let ids = self.project()?.outdated(&run, step);
        let crops = match config.locate {
            true => self.crops_of(&ids, rejected).await?,
            false => Some(HashMap::new()),
        };
        let Some(crops) = crops else {
            return Ok(true);
        };
        let mut progress = Progress::new("Detecting keypoints again");
        let mut slice_start = Instant::now();
        let mut batch = Vec::new();
        for (done, id) in ids.iter().enumerate() {
            let Some(place) = (self.project_files.get(id)).filter(|place| place.0.size() > 0.0)
            else {
                continue; // a frame: the page sends it again
            };
            let place = place.clone();
            // The image may have been removed meanwhile.
            if let Ok((content, name)) = self.project()?.content_of(*id) {
                let decoded = inputs::read(&place.0, place.1.as_ref())
                    .and_then(|bytes| decoded(&name, &bytes, crops.get(id).copied(), &config));
                match decoded {
                    Ok(image) => batch.push(Undetected {
                        content,
                        image,
                        place,
                    }),
                    Err(reason) => rejected.push(Rejected { name, reason }),
                }
            }
            if batch.len() == DETECT_BATCH {
                self.detect_batch(&mut batch, rejected).await?;
            }
            progress.report(done + 1, Some(ids.len()));
            self.answer_meanwhile().await;
            if self.is_interrupted(&mut slice_start).await {
                self.detect_batch(&mut batch, rejected).await?;
                return Ok(true);
            }
        }
        self.detect_batch(&mut batch, rejected).await?;
        Ok(false)
    }

    /// Returns the crops of images of the project: those in which keypoints were detected before, or else those that are found now. Returns
    /// none if cancelled.
    async fn crops_of(
        &mut self,
        ids: &[u32],
        notes: &mut Vec<Rejected>,
    ) -> Result<Option<HashMap<u32, Crop>>> {
        let mut crops = HashMap::new();
        let mut unknown: Vec<(u32, String, Place)> = Vec::new();
        for id in ids {
            let project = self.project()?;
            let (_, name) = project.content_of(*id)?;
            match (project.crop_of(*id), self.project_files.get(id)) {
                (Some(crop), _) => _ = crops.insert(*id, crop),
                (None, Some(place)) if place.0.size() > 0.0 => {
                    unknown.push((*id, name, place.clone()));
                }
                _ => {} // a frame: the page sends it again
            }
        }
        if unknown.is_empty() {
            return Ok(Some(crops));
        }
        let wanted: Vec<Wanted> = (unknown.iter())
            .map(|(_, name, (file, entry))| (&**name, file, entry.as_ref()))
            .collect();
        let Some((found, told)) = self.locate_images(&wanted).await? else {
            return Ok(None);
        };
        notes.extend(told);
        let found = unknown.iter().zip(found);
        crops.extend(found.filter_map(|((id, ..), crop)| Some((*id, crop?))));
        Ok(Some(crops))
    }

    fn post_added(&mut self, is_cancelled: bool, rejected: Vec<Rejected>) {
        self.post_project(false);
        let count = self.project.as_ref().map_or(0, AnnotationProject::len);
        let about = match (count, is_cancelled) {
            (0, _) => "There are no images in these files.".into(),
            (n, true) => format!(
                "Stopped: detected keypoints in {} so far.",
                counted(n, "image")
            ),
            (n, false) => format!("Detected keypoints in {}.", counted(n, "image")),
        };
        post(&Event::Added { about, rejected });
    }

    /// Imports the labels that came with images; reasons and notes are added to `rejected`.
    fn import_beside_images(
        &mut self,
        files: &Files,
        labels: &[Input],
        rejected: &mut Vec<Rejected>,
    ) {
        for input in labels {
            let name = input.path();
            let bytes = inputs::read(&files[input.file].1, input.entry.as_ref());
            let note = |reason| Rejected {
                name: name.clone(),
                reason,
            };
            let imported = bytes
                .map_err(Error::File)
                .and_then(|bytes| formats::import(&name, &bytes))
                .and_then(|imported| Ok((self.project()?.import(&imported)?, imported.notes)));
            match imported {
                Ok((placed, notes)) => {
                    rejected.push(note(placed.summary));
                    rejected.extend(notes.into_iter().chain(placed.notes).map(note));
                }
                Err(error) => rejected.push(note(error.to_string())),
            }
        }
    }

    /// Imports files of labels.
    pub(super) async fn import_labels(&mut self, files: Files) -> Result<()> {
        let nothing = || Error::File("There are no labels to import. Choose a file.".into());
        let name = files.first().ok_or_else(nothing)?.0.clone();
        self.project()?;
        let mut contents = Vec::with_capacity(files.len());
        for (name, file) in files {
            formats::check_size(&name, file.size() as u64)?;
            contents.push((name, read_all(&file).await?));
        }
        let imported = formats::import_files(contents)?;
        let placed = self.project()?.import(&imported)?;
        self.post_project(false);
        let note = |reason| Rejected {
            name: name.clone(),
            reason,
        };
        post(&Event::Added {
            about: placed.summary,
            rejected: imported
                .notes
                .into_iter()
                .chain(placed.notes)
                .map(note)
                .collect(),
        });
        Ok(())
    }

    /// Finds keypoints in a batch of images, empties it, and adds them to the project.
    async fn detect_batch(
        &mut self,
        batch: &mut Vec<Undetected>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let session = self.session()?;
        let mut images = Dataset::new(session.config().size);
        let mut places = Vec::with_capacity(batch.len());
        for undetected in batch.drain(..) {
            images.push(undetected.image);
            places.push((undetected.content, undetected.place));
        }
        let found = session.detect(&images).await?;
        for (i, (found, (content, place))) in found.into_iter().zip(places).enumerate() {
            let placement = images.placement(i);
            let image = annotate::Image {
                crop: placement.crop,
                ..annotate::Image::detected(
                    images.name(i).to_string(),
                    &placement.as_whole(),
                    &found.keypoints,
                    &found.confidence,
                )
            };
            let name = image.file_name.clone();
            if let Some(reason) = self.add_image(&content, None, image, place).await? {
                rejected.push(Rejected { name, reason });
            }
        }
        Ok(())
    }

    /// Adds an image to the project. Returns a note if the project has it already, or if its name is taken.
    pub(super) async fn add_image(
        &mut self,
        content: &str,
        video: Option<&str>,
        image: annotate::Image,
        place: Place,
    ) -> Result<Option<String>> {
        self.show_model().await?;
        let step = self.session()?.steps_taken();
        let (id, note) = self.project()?.add(content, video, image, step);
        self.project_files.insert(id, place);
        // The page shows the project while it grows.
        if self.project_shown.elapsed() >= SHOW_EVERY {
            self.post_project(false);
            self.project_shown = Instant::now();
        }
        Ok(note)
    }

    /// Finds keypoints in RGBA pixels, or a crop of them. Returns them as fractions of the image, with its placement in the view.
    pub(super) async fn detect_pixels(
        &mut self,
        name: &str,
        rgba: &[u8],
        sides_px: [u32; 2],
        crop: Option<Crop>,
    ) -> Result<(Keypoints, Placement)> {
        let session = self.session()?;
        let Config { size, fit, .. } = *session.config();
        let image = match crop {
            Some(crop) => decode::rgba_image(rgba, sides_px)
                .map(|frame| decode::cut(name, &frame, crop, size)),
            None => decode::frame(name, rgba, sides_px, size, fit),
        };
        let image = image.map_err(Error::Images)?;
        let mut images = Dataset::new(size);
        images.push(image);
        let found = session.detect(&images).await?.pop();
        let found = found.ok_or_else(|| {
            Error::Images("There is no frame to detect keypoints in. Take it again.".into())
        })?;
        Ok((found, Placement::whole(sides_px)))
    }

    /// Reads the crop of a frame of the project in reverse.
    pub(super) async fn read_reversed(
        &mut self,
        id: u32,
        rgba: &[u8],
        sides_px: [u32; 2],
    ) -> Result<()> {
        let Some(crop) = self.project()?.crop_of(id) else {
            return Ok(()); // it was detected as a whole, or removed meanwhile
        };
        let session = self.session()?;
        let frame = decode::rgba_image(rgba, sides_px).map_err(Error::Images)?;
        let mut images = Dataset::new(session.config().size);
        images.push(decode::cut("", &frame, crop, images.size_px()));
        let reading = session.read_reversed(&images).await?.pop().flatten();
        self.reversed.extend(reading.map(|reading| (id, reading)));
        Ok(())
    }

    /// Returns the training images as files, with the crop of each where there is one; puppets are drawn larger than for training. Returns
    /// none if cancelled.
    async fn training_files(&mut self) -> Result<Option<(Files, Vec<Option<Crop>>)>> {
        let (mut all, mut all_crops) = (Files::new(), Vec::new());
        for (source, _) in &self.sources.clone() {
            let (count, seed) = match source {
                ImageSource::Files(files) | ImageSource::Hands { files, .. } => {
                    all.extend(files.iter().cloned());
                    continue;
                }
                ImageSource::Located { files, crops } => {
                    all.extend(files.iter().cloned());
                    all_crops.resize(all.len() - files.len(), None);
                    all_crops.extend(crops.iter().copied().map(Some));
                    continue;
                }
                ImageSource::Puppets { count, seed } => (*count, *seed),
            };
            let mut progress = Progress::new("Drawing puppets");
            let mut slice_start = Instant::now();
            for index in 0..count {
                let png = synthetic::puppet_png(index, seed, PUPPET_PX)?;
                all.push((format!("puppet-{index}.png"), blob(&png)?));
                progress.report(index + 1, Some(count));
                if self.is_interrupted(&mut slice_start).await {
                    return Ok(None);
                }
            }
        }
        Ok(Some((all, all_crops)))
    }
}

/// Computes the content hash of a file, read by slices.
pub(super) async fn identify(files: Files) -> Result<String> {
    let nothing = || Error::File("There is no file to identify. Choose a file.".into());
    let (_, file) = files.into_iter().next().ok_or_else(nothing)?;
    let file = BlobFile(file);
    let size = file.size();
    let mut content = ContentHasher::new(size);
    for (start, length) in ContentHasher::slices(size) {
        content.add(&file.read_at(start, length).await?);
    }
    Ok(content.digits())
}
