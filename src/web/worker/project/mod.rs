//! The worker's annotation project: its commands, and the edits of it.

mod detect; // images and frames into it
mod export; // files out of it

use web_sys::Blob;

use super::Engine;
use super::files::{Files, blob, read_all};
use super::messages::{Message, fail, post, post_file};
use crate::annotate::{
    self, content,
    motion::{self, Motion},
    project::{AnnotationProject, Edit},
};
use crate::data::archive;
use crate::error::{Error, Result};
use crate::session::{Command, Event, discovered};

/// The file of an image, and the image's place in the file if that is a zip.
pub(super) type Place = (Blob, Option<archive::ZipEntry>);

impl Engine {
    /// Executes a command on the project. Returns true if [`Event::Done`] is still to be sent.
    pub(super) async fn annotate(
        &mut self,
        id: u32,
        command: Command,
        files: Files,
        pixels: Vec<u8>,
    ) -> Result<bool> {
        match command {
            Command::AddImages => self.add_images(files).await?,
            Command::DetectAgain => self.detect_again().await?,
            Command::Identify => {
                let content = detect::identify(files).await?;
                post(&Event::Identified { id, content });
                return Ok(false);
            }
            Command::DetectPixels { width, height } => {
                let sides_px = [width, height];
                let found = self
                    .detect_pixels("camera", &pixels, sides_px, None)
                    .await?
                    .0;
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
                crop,
            } => {
                let sides_px = [width, height];
                let detected = self.detect_pixels(&video, &pixels, sides_px, crop);
                let (found, placement) = detected.await?;
                let image = annotate::Image {
                    frame: Some(frame),
                    seconds: Some(seconds),
                    crop,
                    ..annotate::Image::detected(
                        video,
                        &placement,
                        &found.keypoints,
                        &found.confidence,
                    )
                };
                let frame_content = content::frame_key(&content, frame);
                let place = (blob(&[])?, None);
                self.add_image(&frame_content, Some(&content), image, place)
                    .await?;
            }
            Command::ReadReversed {
                image,
                width,
                height,
            } => self.read_reversed(image, &pixels, [width, height]).await?,
            Command::MendFlips { video } => {
                let readings = std::mem::take(&mut self.reversed);
                let (mended, unread) = self.project()?.mend_flips(&video, &readings);
                if !unread.is_empty() {
                    self.reversed = readings;
                }
                post(&Event::FlipsMended { id, mended, unread });
                return Ok(false);
            }
            Command::ShowProject => {
                // Keypoints of an unknown model stay visible until images are detected again, unless the project knows this model.
                let run = self.session()?.run_id().to_string();
                let is_shown = |project: &AnnotationProject| {
                    project.knows(&run) || !project.knows(project.run())
                };
                if self.project.as_ref().is_none_or(is_shown) {
                    self.show_model().await?;
                }
                self.post_project(true);
            }
            Command::ProvideFrame { image } => {
                let file = files.into_iter().next().map(|(_, file)| file);
                if let (Some(place), Some(file)) = (self.project_files.get_mut(&image), file) {
                    place.0 = file;
                }
            }
            Command::MeasureMotion {
                layer,
                measures,
                smoothing,
            } => {
                let motions =
                    Motion::from_annotations(&self.project()?.annotations(layer)?, smoothing);
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
                let motions =
                    Motion::from_annotations(&self.project()?.annotations(layer)?, smoothing);
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
                let nothing = || Error::File("There is no project to open. Choose a file.".into());
                let (_, file) = files.into_iter().next().ok_or_else(nothing)?;
                let text = String::from_utf8_lossy(&read_all(&file).await?).into_owned();
                self.show_model().await?;
                let name = self.project()?.open(&text)?;
                self.project_files.clear();
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
                export::post_image(id, &self.project_files, image)?;
                return Ok(false);
            }
            _ => {} // `Engine::handle` handles all others
        }
        Ok(true)
    }

    fn project(&mut self) -> Result<&mut AnnotationProject> {
        self.project
            .as_mut()
            .ok_or_else(|| Error::Images("The project has no images. Add some first.".into()))
    }

    /// Sends the project to the page: all of it, or what changed.
    fn post_project(&mut self, all: bool) {
        if let Some(project) = &mut self.project {
            post(&Event::Project(project.view(all)));
        }
    }

    fn post_saved(&mut self, id: u32, name: &str) -> Result<()> {
        let text = self.project()?.save(name)?;
        post_file(id, "project.json".into(), &blob(text.as_bytes())?);
        Ok(())
    }

    fn edit(&mut self, edit: Edit) -> Result<()> {
        self.project()?.edit(edit)?;
        // Names are saved with the model that they belong to.
        if let (Some(project), Some(session)) = (&self.project, &mut self.session)
            && project.run() == session.run_id()
        {
            session.set_names(project.table().clone());
        }
        self.post_project(false);
        Ok(())
    }

    /// Shows the keypoints of the model as it is now; begins a project if there is none.
    async fn show_model(&mut self) -> Result<()> {
        let session = self.session()?;
        let model = (session.run_id().to_string(), session.steps_taken());
        if self.project.is_none() {
            self.begin_project().await?;
        } else if self.shown_model.as_ref() != Some(&model) {
            let fresh = self.discovered().await?;
            let names = self.session()?.names().cloned();
            self.project()?.show_model(&model.0, fresh, names.as_ref());
        }
        self.shown_model = Some(model);
        Ok(())
    }

    /// Begins a project without images.
    async fn begin_project(&mut self) -> Result<()> {
        let fresh = self.discovered().await?;
        let session = self.session()?;
        let (run, names) = (session.run_id().to_string(), session.names().cloned());
        let before = self.project.as_ref();
        self.project = Some(AnnotationProject::new(&run, fresh, names.as_ref(), before));
        self.project_files.clear();
        Ok(())
    }

    /// Returns the discovered keypoints of the model as it is now.
    async fn discovered(&mut self) -> Result<annotate::Annotations> {
        let session = self.session()?;
        discovered(&session.model(), session.config()).await
    }

    /// Answers commands that view, edit or save the project while images are added.
    async fn answer_meanwhile(&mut self) {
        let is_allowed = |message: &Message| {
            let command = &message.command;
            matches!(
                command,
                Command::ImageFile { .. } | Command::Edit { .. } | Command::SaveProject { .. }
            )
        };
        while let Some(at) = self.backlog.iter().position(is_allowed) {
            let Some(Message { id, command, .. }) = self.backlog.remove(at) else {
                return;
            };
            let result = match command {
                Command::ImageFile { image } => export::post_image(id, &self.project_files, image),
                Command::SaveProject { name } => self.post_saved(id, &name),
                Command::Edit { edit } => self.edit(edit).map(|()| post(&Event::Done { id })),
                _ => Ok(()),
            };
            if let Err(error) = result {
                fail(Some(id), &error);
            }
        }
    }
}
