//! The worker's annotation desk: pictures, frames and labels onto it, files off it.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;
use web_time::{Duration, Instant};

use super::{BlobFile, Engine, Files, Message, Pile, Progress, fail, post, post_file};
use crate::annotate::{
    self,
    desk::{Desk, Layer},
    formats::{self, Format},
    motion::{self, Motion},
};
use crate::checkpoint::torch::ReadAt;
use crate::config::Config;
use crate::data::{Dataset, Picture, Placement, archive, decode, synthetic};
use crate::error::{Error, Result};
use crate::session::{Command, Event, Keypoints, Rejected, Session, discovered};
use crate::web::fetch;

/// Pictures that keypoints are found in at once; small, so that the desk fills while one looks.
const FIND_BATCH: usize = 16;
/// Between two looks at a desk that fills.
const DESK_EVERY: Duration = Duration::from_millis(1000);
/// Side of the puppets that are annotated.
const PUPPET_PX: usize = 192;
/// A zip is handed to the browser in pieces of this size, bytes.
const PIECE: usize = 4 << 20;

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
            Command::Find => self.find(files).await?,
            Command::Look { width, height } => {
                let found = self.look_at("camera", &pixels, [width, height]).await?.0;
                post(&Event::Detected { id, found });
                return Ok(false);
            }
            Command::AddFrame {
                video,
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
                self.lay(image, (blob(&[])?, 0)).await?;
            }
            Command::ShowDesk => {
                if self.desk.is_none() {
                    let fresh = self.discovered().await?;
                    self.desk = Some(Desk::new(fresh, None));
                }
                self.post_desk();
            }
            Command::GiveFrame { index } => {
                let file = files.into_iter().next().map(|(_, file)| file);
                if let (Some(place), Some(file)) = (self.desk_files.get_mut(index), file) {
                    place.0 = file;
                }
            }
            Command::Follow {
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
                post(&Event::Moved { id, videos });
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
            Command::ClearDesk => {
                let fresh = self.discovered().await?;
                self.desk = Some(Desk::new(fresh, None));
                self.desk_files.clear();
                self.post_desk();
            }
            Command::SaveWork => {
                let text = self.desk()?.save()?;
                post_file(id, "work.json".into(), &blob(text.as_bytes())?);
                return Ok(false);
            }
            Command::RestoreWork => {
                let nothing = || Error::File("There is no saved work.".into());
                let (_, file) = files.into_iter().next().ok_or_else(nothing)?;
                let text = String::from_utf8_lossy(&whole(&file).await?).into_owned();
                let fresh = self.discovered().await?;
                let desk = self.desk.get_or_insert_with(|| Desk::new(fresh, None));
                desk.restore(&text)?;
                self.post_desk();
            }
            Command::Edit { edit } => {
                self.desk()?.edit(edit)?;
                let names = self.desk()?.work().table.clone();
                // They are saved with the model, unless another run has begun since.
                let found_by = self.desk_of.clone();
                let session = self.session()?;
                let now = (session.steps_taken(), session.config().seed);
                if found_by.is_none_or(|(steps, config)| now.0 >= steps && now.1 == config.seed) {
                    session.name_keypoints(names);
                }
                self.post_desk();
            }
            Command::ImportLabels => self.import_labels(files).await?,
            Command::Export {
                layer,
                format,
                with_pictures,
            } => {
                let (name, file) = self.export(layer, format, with_pictures).await?;
                post_file(id, name, &file);
                return Ok(false);
            }
            Command::Picture { index } => {
                post_picture(id, &self.desk_files, index).await?;
                return Ok(false);
            }
            _ => {} // all others are the worker's own
        }
        Ok(true)
    }

    fn desk(&mut self) -> Result<&mut Desk> {
        self.desk.as_mut().ok_or_else(|| {
            Error::Pictures("The desk is empty: drop in the pictures to annotate first.".into())
        })
    }

    fn post_desk(&self) {
        if let Some(desk) = &self.desk {
            post(&Event::Desk(desk.view()));
        }
    }

    /// What the model as it is now calls its keypoints.
    async fn discovered(&mut self) -> Result<annotate::Annotations> {
        let session = self.session()?;
        discovered(&session.model(), session.config()).await
    }

    /// Puts files on the desk, with what the model finds in them; what is there already stays if this model found it.
    async fn find(&mut self, files: Files) -> Result<()> {
        self.end_task();
        let (files, left_out) = match files.is_empty() {
            false => (files, Vec::new()),
            true => match self.training_files().await? {
                Some(files) => (files, self.session()?.pictures().left_out()),
                None => return Ok(()),
            },
        };
        let config = self.config();
        let mut rejected = Vec::new();
        let mut progress = Progress::of("Finding keypoints");
        let mut stint = Instant::now();
        let mut batch: Vec<(Picture, Blob, usize)> = Vec::new();
        let (mut done, mut read, mut is_cancelled) = (0, 0, false);
        let count = files.len();
        'files: for (i, (name, file)) in files.into_iter().enumerate() {
            let Ok(buffer) = JsFuture::from(file.array_buffer()).await else {
                let reason = "The file cannot be read, or no longer.".into();
                rejected.push(Rejected { name, reason });
                continue;
            };
            let bytes = Uint8Array::new(&buffer).to_vec();
            let mut entries = archive::entries(name, bytes).enumerate();
            while let Some((place, (name, bytes))) = entries.next() {
                let decoded =
                    bytes.and_then(|bytes| decode::decode(&name, &bytes, config.size, config.fit));
                match decoded {
                    Ok(picture) => {
                        if left_out.binary_search(&read).is_err() {
                            batch.push((picture, file.clone(), place));
                        }
                        read += 1;
                    }
                    Err(reason) => rejected.push(Rejected { name, reason }),
                }
                if batch.len() == FIND_BATCH {
                    self.look(&mut batch, &mut rejected).await?;
                }
                done += 1;
                let left = entries.size_hint().1.unwrap_or_default() + count - i - 1;
                progress.report(done, Some(done + left));
                self.serve_pictures().await;
                if self.is_interrupted(&mut stint).await {
                    is_cancelled = true;
                    break 'files;
                }
            }
        }
        self.look(&mut batch, &mut rejected).await?;
        self.post_desk();
        let about = match (self.desk.as_ref().map_or(0, Desk::len), is_cancelled) {
            (0, _) => "Nothing in this can be looked at.".into(),
            (n, true) => format!("Stopped: keypoints of {n} {} so far.", pictures(n)),
            (n, false) => format!("Keypoints of {n} {}.", pictures(n)),
        };
        post(&Event::Found { about, rejected });
        Ok(())
    }

    /// Finds keypoints in a few pictures and puts them on the desk.
    async fn look(
        &mut self,
        batch: &mut Vec<(Picture, Blob, usize)>,
        rejected: &mut Vec<Rejected>,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let session = self.session()?;
        let mut pictures = Dataset::new(session.config().size);
        let mut places = Vec::with_capacity(batch.len());
        for (picture, file, place) in batch.drain(..) {
            pictures.push(picture);
            places.push((file, place));
        }
        let found = session.detect(&pictures).await?;
        for (i, (found, place)) in found.into_iter().zip(places).enumerate() {
            let image = annotate::Image::detected(
                pictures.name(i).to_string(),
                &pictures.placement(i).as_whole(),
                &found.keypoints,
                &found.confidence,
            );
            let name = image.file_name.clone();
            if let Some(reason) = self.lay(image, place).await? {
                rejected.push(Rejected { name, reason });
            }
        }
        Ok(())
    }

    /// Lays a picture on the desk, which is cleared first if another model found what lies there. A sentence if its name is
    /// taken.
    async fn lay(
        &mut self,
        image: annotate::Image,
        place: (Blob, usize),
    ) -> Result<Option<String>> {
        let of = (self.session()?.steps_taken(), self.config());
        if self.desk.is_none() || self.desk_of.as_ref() != Some(&of) {
            let fresh = self.discovered().await?;
            let mut desk = Desk::new(fresh, self.desk.as_ref());
            if let Some(names) = self.session.as_ref().and_then(Session::names) {
                desk.adopt(names.clone());
            }
            self.desk = Some(desk);
            self.desk_files.clear();
            self.desk_of = Some(of);
        }
        let note = self.desk()?.add(image);
        self.desk_files.push(place);
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
                Pile::Files(files) | Pile::Hands(files) => {
                    all.extend(files.iter().cloned());
                    continue;
                }
                Pile::Puppets { count, seed } => (*count, *seed),
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

    /// The desk is looked at while it fills.
    async fn serve_pictures(&mut self) {
        let is_asked = |message: &Message| matches!(message.command, Command::Picture { .. });
        while let Some(at) = self.backlog.iter().position(is_asked) {
            if let Some(Message {
                id,
                command: Command::Picture { index },
                ..
            }) = self.backlog.remove(at)
                && let Err(error) = post_picture(id, &self.desk_files, index).await
            {
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
        post(&Event::Found {
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
        with_pictures: bool,
    ) -> Result<(String, Blob)> {
        let annotations = self.desk()?.annotations(layer)?;
        let files = formats::export(&annotations, format)?;
        if files.len() == 1 && !with_pictures {
            let file = &files[0];
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            return Ok((name.to_string(), blob(&file.bytes)?));
        }
        let paths = if with_pictures || format == Format::Png {
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
            let (file, place) = self.desk_files[i].clone();
            if file.size() == 0.0 {
                continue; // a frame that nobody gave
            }
            let (_, bytes) = picture_of(&file, place).await?;
            zip.add(match format {
                Format::Png => formats::png::overlay(&annotations, &annotations.images[i], &bytes)?,
                _ => formats::File { path, bytes },
            })?;
            progress.report(i + 1, Some(total));
        }
        zip.finish()?;
        Ok((format!("{}.zip", format.name()), pieces.into_blob()?))
    }
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

/// Hands the file of a picture on the desk to the page: itself, or what is in its zip.
async fn post_picture(id: u32, places: &[(Blob, usize)], index: usize) -> Result<()> {
    let missing = || Error::File("There is no such picture on the desk.".into());
    let (file, place) = places.get(index).ok_or_else(missing)?;
    let is_zip = BlobFile(file.clone()).read_at(0, 2).await? == b"PK";
    if is_zip {
        let (name, bytes) = picture_of(file, *place).await?;
        post_file(id, name, &blob(&bytes)?);
    } else {
        post_file(id, "picture".into(), file);
    }
    Ok(())
}

async fn whole(file: &Blob) -> Result<Vec<u8>> {
    BlobFile(file.clone())
        .read_at(0, file.size() as usize)
        .await
}

/// The file of a picture with its name, out of a zip if it is in one.
async fn picture_of(file: &Blob, place: usize) -> Result<(String, Vec<u8>)> {
    let bytes = whole(file).await?;
    let (name, bytes) = archive::entries("picture".into(), bytes)
        .nth(place)
        .ok_or_else(|| Error::File("The picture is no longer in its file.".into()))?;
    Ok((name, bytes.map_err(Error::File)?))
}

fn pictures(count: usize) -> &'static str {
    if count == 1 { "picture" } else { "pictures" }
}
