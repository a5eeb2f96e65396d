//! The worker's annotation desk: pictures, frames and labels onto it, files off it.

use std::collections::HashMap;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::Blob;
use web_time::{Duration, Instant};

use super::{
    BlobFile, Engine, Files, ImageSource, Message, Progress, fail, post, post_file, reject,
};
use crate::annotate::{
    self,
    content::{self, Content},
    desk::{AnnotationProject, Edit, Layer},
    formats::{self, Format},
    motion::{self, Motion},
};
use crate::checkpoint::torch::ReadAt;
use crate::config::Config;
use crate::data::inputs::{self, Input};
use crate::data::{Dataset, Placement, SquareImage, archive, decode, synthetic};
use crate::error::{Error, Result};
use crate::session::{Command, Event, Keypoints, Rejected, discovered};
use crate::web::fetch;

/// Pictures that keypoints are found in at once; small, so that the desk fills while one looks.
const FIND_BATCH: usize = 16;
/// Between two looks at a desk that fills.
const DESK_EVERY: Duration = Duration::from_millis(1000);
/// Side of the puppets that are annotated.
const PUPPET_PX: usize = 192;
/// A zip is handed to the browser in pieces of this size, bytes.
const PIECE: usize = 4 << 20;

/// The file of an image, and where in it the image lies if it is a zip.
pub(super) type Place = (Blob, Option<archive::ZipEntry>);

impl Engine {
    /// Does what a command asks of the desk; whether it is done and nobody was told yet.
    pub(super) async fn annotate(
        &mut self,
        id: u32,
        command: Command,
        files: Files,
        pixels: Vec<u8>,
    ) -> Result<bool> {
        match command {
            Command::AddImages => self.find(files).await?,
            Command::DetectAgain => self.find_again().await?,
            Command::Identify => {
                let content = identify(files).await?;
                post(&Event::Identified { id, content });
                return Ok(false);
            }
            Command::DetectPixels { width, height } => {
                let found = self.look_at("camera", &pixels, [width, height]).await?.0;
                post(&Event::Detected { id, found });
                return Ok(false);
            }
            Command::AddFrame {
                video,
                content,
                frame,
                seconds,
                width,
                height,
            } => {
                let (found, placement) = self.look_at(&video, &pixels, [width, height]).await?;
                let image = annotate::Image {
                    frame: Some(frame),
                    seconds: Some(seconds),
                    ..annotate::Image::detected(
                        video,
                        &placement,
                        &found.keypoints,
                        &found.confidence,
                    )
                };
                let known = content::of_frame(&content, frame);
                let place = (blob(&[])?, None);
                self.lay(&known, Some(&content), image, place).await?;
            }
            Command::ShowProject => {
                // What was found stays to be seen until somebody asks this model, unless it is known here.
                let run = self.session()?.run_id().to_string();
                let is_shown = |project: &AnnotationProject| {
                    project.knows(&run) || !project.knows(project.run())
                };
                if self.desk.as_ref().is_none_or(is_shown) {
                    self.show_model().await?;
                }
                self.post_project(true);
            }
            Command::ProvideFrame { image } => {
                let file = files.into_iter().next().map(|(_, file)| file);
                if let (Some(place), Some(file)) = (self.desk_files.get_mut(&image), file) {
                    place.0 = file;
                }
            }
            Command::MeasureMotion {
                layer,
                measures,
                smoothing,
            } => {
                let motions = Motion::of(&self.desk()?.annotations(layer)?, smoothing);
                let videos = motions.into_iter().map(|motion| {
                    let series = measures.iter().map(|measure| motion.series(*measure));
                    let series = series.collect::<Result<_>>()?;
                    Ok((motion.video, motion.seconds, series))
                });
                let videos = videos.collect::<Result<_>>()?;
                post(&Event::Motion { id, videos });
                return Ok(false);
            }
            Command::ExportMotion {
                layer,
                measures,
                smoothing,
            } => {
                let motions = Motion::of(&self.desk()?.annotations(layer)?, smoothing);
                let text = motion::csv(&motions, &measures)?;
                post_file(id, "motion.csv".into(), &blob(text.as_bytes())?);
                return Ok(false);
            }
            Command::NewProject => {
                self.show_model().await?;
                self.begin_project().await?;
                self.post_project(true);
            }
            Command::SaveProject { name } => {
                self.post_saved(id, &name)?;
                return Ok(false);
            }
            Command::OpenProject => {
                let nothing = || Error::File("There is no project to open.".into());
                let (_, file) = files.into_iter().next().ok_or_else(nothing)?;
                let text = String::from_utf8_lossy(&whole(&file).await?).into_owned();
                self.show_model().await?;
                let name = self.desk()?.open(&text)?;
                self.desk_files.clear();
                self.post_project(true);
                post(&Event::Opened { id, name });
                return Ok(false);
            }
            Command::Edit { edit } => self.edit(edit)?,
            Command::ImportLabels => self.import_labels(files).await?,
            Command::Export {
                layer,
                format,
                with_images,
            } => {
                let (name, file) = self.export(layer, format, with_images).await?;
                post_file(id, name, &file);
                return Ok(false);
            }
            Command::ImageFile { image } => {
                post_picture(id, &self.desk_files, image)?;
                return Ok(false);
            }
            _ => {} // all others are the worker's own
        }
        Ok(true)
    }

    fn desk(&mut self) -> Result<&mut AnnotationProject> {
        self.desk.as_mut().ok_or_else(|| {
            Error::Pictures("The project is empty: drop in the images to annotate first.".into())
        })
    }

    fn post_desk(&mut self) {
        self.post_project(false);
    }

    /// Tells the page what changed in the project, or all of it.
    fn post_project(&mut self, all: bool) {
        if let Some(project) = &mut self.desk {
            post(&Event::Project(project.view(all)));
        }
    }

    fn post_saved(&mut self, id: u32, name: &str) -> Result<()> {
        let text = self.desk()?.save(name)?;
        post_file(id, "project.json".into(), &blob(text.as_bytes())?);
        Ok(())
    }

    fn edit(&mut self, edit: Edit) -> Result<()> {
        self.desk()?.edit(edit)?;
        // Names are saved with the model that they were given to.
        if let (Some(project), Some(session)) = (&self.desk, &mut self.session)
            && project.run() == session.run_id()
        {
            session.name_keypoints(project.table().clone());
        }
        self.post_desk();
        Ok(())
    }

    /// Shows the keypoints of the model as it is now; begins a project where there is none.
    async fn show_model(&mut self) -> Result<()> {
        let session = self.session()?;
        let of = (session.run_id().to_string(), session.steps_taken());
        if self.desk.is_none() {
            self.begin_project().await?;
        } else if self.desk_of.as_ref() != Some(&of) {
            let fresh = self.discovered().await?;
            let names = self.session()?.names().cloned();
            self.desk()?.show_model(&of.0, fresh, names.as_ref());
        }
        self.desk_of = Some(of);
        Ok(())
    }

    /// Begins a project without images.
    async fn begin_project(&mut self) -> Result<()> {
        let fresh = self.discovered().await?;
        let session = self.session()?;
        let (run, names) = (session.run_id().to_string(), session.names().cloned());
        let before = self.desk.as_ref();
        self.desk = Some(AnnotationProject::new(&run, fresh, names.as_ref(), before));
        self.desk_files.clear();
        Ok(())
    }

    /// What the model as it is now calls its keypoints.
    async fn discovered(&mut self) -> Result<annotate::Annotations> {
        let session = self.session()?;
        discovered(&session.model(), session.config()).await
    }

    /// Puts files into the project, with what the model finds in them. Where that is another run than the one before, it looks at the
    /// images that are there as well.
    async fn find(&mut self, files: Files) -> Result<()> {
        self.end_task();
        let (files, left_out) = match files.is_empty() {
            false => (files, Vec::new()),
            true => match self.training_files().await? {
                Some(files) => (files, self.session()?.pictures().removed()),
                None => return Ok(()),
            },
        };
        let shown = self.desk.as_ref().map(|project| project.run().to_string());
        self.show_model().await?;
        let is_other_run =
            shown.is_some_and(|run| self.desk_of.as_ref().is_some_and(|of| of.0 != run));
        let config = self.config();
        let mut stint = Instant::now();
        let Some(inputs) = self.look_through(&files, &mut stint).await else {
            return Ok(());
        };
        let mut rejected: Vec<Rejected> = inputs.rejected.iter().map(reject).collect();
        let mut progress = Progress::of("Finding keypoints");
        let mut batch: Vec<Wanted> = Vec::new();
        let (mut read, mut is_cancelled) = (0, false);
        let (names, total) = (inputs.names(|_| false), inputs.images.len());
        rejected.extend(inputs.numbered(&names).iter().map(reject));
        for (done, (input, name)) in inputs.images.iter().zip(names).enumerate() {
            let file = &files[input.file].1;
            let decoded = inputs::read(file, input.entry.as_ref()).and_then(|bytes| {
                let picture = decode::decode(&name, &bytes, config.size, config.fit)?;
                Ok((content::of_bytes(&bytes), picture))
            });
            match decoded {
                Ok((content, picture)) => {
                    if left_out.binary_search(&read).is_err() {
                        batch.push(Wanted {
                            content,
                            picture,
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
            if batch.len() == FIND_BATCH {
                self.look(&mut batch, &mut rejected).await?;
            }
            progress.report(done + 1, Some(total));
            self.serve().await;
            if self.is_interrupted(&mut stint).await {
                is_cancelled = true;
                break;
            }
        }
        self.look(&mut batch, &mut rejected).await?;
        if is_other_run && !is_cancelled {
            is_cancelled = self.look_again(&mut rejected).await?;
        }
        if !is_cancelled {
            self.label(&files, &inputs.labels, &mut rejected);
        }
        self.post_found(is_cancelled, rejected);
        Ok(())
    }

    /// Finds keypoints anew in the images whose keypoints are not of the model as it is now.
    async fn find_again(&mut self) -> Result<()> {
        self.end_task();
        self.show_model().await?;
        let mut rejected = Vec::new();
        let is_cancelled = self.look_again(&mut rejected).await?;
        self.post_found(is_cancelled, rejected);
        Ok(())
    }

    /// ...; whether it was cancelled.
    async fn look_again(&mut self, rejected: &mut Vec<Rejected>) -> Result<bool> {
        let Some((run, step)) = self.desk_of.clone() else {
            return Ok(false);
        };
        let config = self.config();
        let ids = self.desk()?.outdated(&run, step);
        let mut progress = Progress::of("Finding keypoints again");
        let mut stint = Instant::now();
        let mut batch = Vec::new();
        for (done, id) in ids.iter().enumerate() {
            let Some(place) = self.desk_files.get(id).filter(|place| place.0.size() > 0.0) else {
                continue; // a frame: the page gives it again
            };
            let place = place.clone();
            // It may have been removed meanwhile.
            if let Ok((content, name)) = self.desk()?.content_of(*id) {
                let decoded = inputs::read(&place.0, place.1.as_ref())
                    .and_then(|bytes| decode::decode(&name, &bytes, config.size, config.fit));
                match decoded {
                    Ok(picture) => batch.push(Wanted {
                        content,
                        picture,
                        place,
                    }),
                    Err(reason) => rejected.push(Rejected { name, reason }),
                }
            }
            if batch.len() == FIND_BATCH {
                self.look(&mut batch, rejected).await?;
            }
            progress.report(done + 1, Some(ids.len()));
            self.serve().await;
            if self.is_interrupted(&mut stint).await {
                self.look(&mut batch, rejected).await?;
                return Ok(true);
            }
        }
        self.look(&mut batch, rejected).await?;
        Ok(false)
    }

    fn post_found(&mut self, is_cancelled: bool, rejected: Vec<Rejected>) {
        self.post_desk();
        let count = self.desk.as_ref().map_or(0, AnnotationProject::len);
        let about = match (count, is_cancelled) {
            (0, _) => "Nothing in this can be looked at.".into(),
            (n, true) => format!("Stopped: keypoints of {n} {} so far.", pictures(n)),
            (n, false) => format!("Keypoints of {n} {}.", pictures(n)),
        };
        post(&Event::Added { about, rejected });
    }

    /// Takes in the labels that came with the images; what could not be used of them joins `rejected`.
    fn label(&mut self, files: &Files, labels: &[Input], rejected: &mut Vec<Rejected>) {
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
                .and_then(|imported| Ok((self.desk()?.import(&imported)?, imported.notes)));
            match imported {
                Ok((placed, notes)) => {
                    rejected.push(note(placed.summary));
                    rejected.extend(notes.into_iter().chain(placed.notes).map(note));
                }
                Err(error) => rejected.push(note(error.to_string())),
            }
        }
    }

    /// Finds keypoints in a few images and puts them into the project.
    async fn look(&mut self, batch: &mut Vec<Wanted>, rejected: &mut Vec<Rejected>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let session = self.session()?;
        let mut pictures = Dataset::new(session.config().size);
        let mut places = Vec::with_capacity(batch.len());
        for wanted in batch.drain(..) {
            pictures.push(wanted.picture);
            places.push((wanted.content, wanted.place));
        }
        let found = session.detect(&pictures).await?;
        for (i, (found, (content, place))) in found.into_iter().zip(places).enumerate() {
            let image = annotate::Image::detected(
                pictures.name(i).to_string(),
                &pictures.placement(i).as_whole(),
                &found.keypoints,
                &found.confidence,
            );
            let name = image.file_name.clone();
            if let Some(reason) = self.lay(&content, None, image, place).await? {
                rejected.push(Rejected { name, reason });
            }
        }
        Ok(())
    }

    /// Puts an image into the project. A sentence if it is there already, or its name is taken.
    async fn lay(
        &mut self,
        content: &str,
        video: Option<&str>,
        image: annotate::Image,
        place: Place,
    ) -> Result<Option<String>> {
        self.show_model().await?;
        let step = self.session()?.steps_taken();
        let (id, note) = self.desk()?.add(content, video, image, step);
        self.desk_files.insert(id, place);
        // It is looked at while it fills.
        if self.desk_shown.elapsed() >= DESK_EVERY {
            self.post_desk();
            self.desk_shown = Instant::now();
        }
        Ok(note)
    }

    /// Keypoints in a frame, as fractions of it, and where it lies in the view.
    async fn look_at(
        &mut self,
        name: &str,
        rgba: &[u8],
        sides_px: [u32; 2],
    ) -> Result<(Keypoints, Placement)> {
        let session = self.session()?;
        let Config { size, fit, .. } = *session.config();
        let picture = decode::frame(name, rgba, sides_px, size, fit).map_err(Error::Pictures)?;
        let mut pictures = Dataset::new(size);
        pictures.push(picture);
        let found = session.detect(&pictures).await?.pop();
        let found = found.ok_or_else(|| Error::Pictures("There is no frame.".into()))?;
        Ok((found, Placement::whole(sides_px)))
    }

    /// The training pictures as files; puppets are drawn larger than they are trained on. Nothing if cancelled.
    async fn training_files(&mut self) -> Result<Option<Files>> {
        let mut all = Files::new();
        for (pile, _) in &self.piles.clone() {
            let (count, seed) = match pile {
                ImageSource::Files(files) | ImageSource::Hands(files) => {
                    all.extend(files.iter().cloned());
                    continue;
                }
                ImageSource::Puppets { count, seed } => (*count, *seed),
            };
            let mut progress = Progress::of("Drawing puppets");
            let mut stint = Instant::now();
            for index in 0..count {
                let png = synthetic::puppet_png(index, seed, PUPPET_PX)?;
                all.push((format!("puppet-{index}.png"), blob(&png)?));
                progress.report(index + 1, Some(count));
                if self.is_interrupted(&mut stint).await {
                    return Ok(None);
                }
            }
        }
        Ok(Some(all))
    }

    /// The project is looked at, edited and saved while it fills.
    async fn serve(&mut self) {
        let is_asked = |message: &Message| {
            let command = &message.command;
            matches!(
                command,
                Command::ImageFile { .. } | Command::Edit { .. } | Command::SaveProject { .. }
            )
        };
        while let Some(at) = self.backlog.iter().position(is_asked) {
            let Some(Message { id, command, .. }) = self.backlog.remove(at) else {
                return;
            };
            let result = match command {
                Command::ImageFile { image } => post_picture(id, &self.desk_files, image),
                Command::SaveProject { name } => self.post_saved(id, &name),
                Command::Edit { edit } => self.edit(edit).map(|()| post(&Event::Done { id })),
                _ => Ok(()),
            };
            if let Err(error) = result {
                fail(Some(id), &error);
            }
        }
    }

    async fn import_labels(&mut self, files: Files) -> Result<()> {
        let nothing = || Error::File("There is no file of labels.".into());
        let name = files.first().ok_or_else(nothing)?.0.clone();
        self.desk()?;
        let mut together = Vec::with_capacity(files.len());
        for (name, file) in files {
            formats::check_size(&name, file.size() as u64)?;
            together.push((name, whole(&file).await?));
        }
        let imported = formats::import_files(together)?;
        let placed = self.desk()?.import(&imported)?;
        self.post_desk();
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

    /// A file in a tool's form, or a zip of several; pictures go into it one at a time.
    async fn export(
        &mut self,
        layer: Layer,
        format: Format,
        with_images: bool,
    ) -> Result<(String, Blob)> {
        let annotations = self.desk()?.annotations(layer)?;
        let files = formats::export(&annotations, format)?;
        if files.len() == 1 && !with_images {
            let file = &files[0];
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            return Ok((name.to_string(), blob(&file.bytes)?));
        }
        let paths = if with_images || format == Format::Png {
            format.picture_paths(&annotations)
        } else {
            Vec::new()
        };
        let mut pieces = Pieces::default();
        let mut zip = formats::Zip::new(&mut pieces);
        for file in files {
            zip.add(file)?;
        }
        let mut progress = Progress::of("Packing pictures");
        let total = paths.len();
        for (i, path) in paths.into_iter().enumerate() {
            let image = &annotations.images[i];
            let id = self.desk()?.id_of(&image.picture_name());
            let place = id.and_then(|id| self.desk_files.get(&id));
            let Some((file, place)) = place.filter(|(file, _)| file.size() > 0.0) else {
                continue; // it is not here, or a frame that nobody gave
            };
            let bytes = inputs::read(file, place.as_ref()).map_err(Error::File)?;
            zip.add(formats::beside(&annotations, image, format, path, bytes)?)?;
            progress.report(i + 1, Some(total));
        }
        zip.finish()?;
        Ok((format!("{}.zip", format.name()), pieces.into_blob()?))
    }
}

/// An image that keypoints are to be found in.
struct Wanted {
    content: String,
    picture: SquareImage,
    place: Place,
}

/// What a file is known by, read by slices.
async fn identify(files: Files) -> Result<String> {
    let nothing = || Error::File("There is no file to identify.".into());
    let (_, file) = files.into_iter().next().ok_or_else(nothing)?;
    let file = BlobFile(file);
    let size = file.size();
    let mut content = Content::new(size);
    for (start, length) in Content::slices(size) {
        content.add(&file.read_at(start, length).await?);
    }
    Ok(content.digits())
}

/// A file that is written piece by piece, each handed to the browser.
#[derive(Default)]
struct Pieces {
    done: Array,
    last: Vec<u8>,
}

impl Pieces {
    fn hand_over(&mut self) -> Result<()> {
        let piece: JsValue = blob(&self.last)?.into();
        self.done.push(&piece);
        self.last.clear();
        Ok(())
    }

    fn into_blob(mut self) -> Result<Blob> {
        self.hand_over()?;
        Blob::new_with_blob_sequence(&self.done).map_err(|error| Error::File(fetch::said(error)))
    }
}

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.last.extend(bytes);
        if self.last.len() >= PIECE {
            self.hand_over().map_err(std::io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn blob(bytes: &[u8]) -> Result<Blob> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))
        .map_err(|error| Error::File(fetch::said(error)))
}

/// Hands the file of an image of the project to the page: itself, or what is in its zip.
fn post_picture(id: u32, places: &HashMap<u32, Place>, image: u32) -> Result<()> {
    let missing = || Error::File("This image is not here: drop it in to see it.".into());
    let (file, place) = places.get(&image).ok_or_else(missing)?;
    match place {
        None => post_file(id, "picture".into(), file),
        Some(place) => {
            let bytes = archive::unpack(file, place).map_err(Error::File)?;
            post_file(id, "picture".into(), &blob(&bytes)?);
        }
    }
    Ok(())
}

async fn whole(file: &Blob) -> Result<Vec<u8>> {
    BlobFile(file.clone())
        .read_at(0, file.size() as usize)
        .await
}

fn pictures(count: usize) -> &'static str {
    if count == 1 { "picture" } else { "pictures" }
}
