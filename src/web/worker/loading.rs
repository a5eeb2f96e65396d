//! Images and models into the engine.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;
use web_time::{Duration, Instant};

use super::files::{BlobFile, Files, blob, read_all};
use super::messages::{Progress, post};
use super::{Engine, Incoming};
use crate::checkpoint;
use crate::config::Config;
use crate::data::inputs::{self, Inputs};
use crate::data::locate::Crop;
use crate::data::{Dataset, SquareImage, decode, hands, synthetic};
use crate::error::{Error, Result};
use crate::session::{
    Command, Event, Keypoints, Phase, Rejected, SnapshotView, Source, ViewSchedule,
};
use crate::web::fetch;

/// Work that may take long runs for this long before the event loop gets a turn.
const TIME_SLICE: Duration = Duration::from_millis(30);
/// Number of parallel downloads.
const DOWNLOADS: usize = 6;
/// Largest number of puppets.
const MAX_PUPPETS: usize = 20_000;
/// Error where no file of a load can be used.
const NO_IMAGES: &str =
    "There are no images in these files. Load PNG, JPEG, WebP, GIF or BMP files, or zips of them.";
/// Note on files of labels among training images.
const LABELS_WAIT: &str = "This file holds labels. They are used once its images are annotated.";

/// Error where crops and whole images would be trained on together.
const MIXED: &str =
    "Crops around an animal and whole images do not mix. Load them in place of the other images.";

/// The source of images, from which they can be read again at another size.
#[derive(Clone)]
pub(super) enum ImageSource {
    /// A person's files.
    Files(Files),
    /// A person's images, as crops around an animal.
    Located { files: Files, crops: Rc<[Crop]> },
    /// The sample of hands.
    Hands {
        files: Files,
        /// The landmarks of each photograph, or none at all.
        landmarks: Rc<[Vec<[f32; 2]>]>,
    },
    /// Drawn puppets.
    Puppets { count: usize, seed: u64 },
}

impl ImageSource {
    fn is_located(&self) -> bool {
        matches!(self, ImageSource::Located { .. })
    }
}

impl Engine {
    /// Notes in the settings whether the images are crops. A model that was trained on crops and opened for whole images forgets it here, when it
    /// goes on training.
    pub(super) fn note_crops(&mut self) -> Result<()> {
        let locate = self.sources.iter().any(|(source, _)| source.is_located());
        let config = self.session()?.config().clone();
        if config.locate == locate {
            return Ok(());
        }
        self.session()?.configure(Config { locate, ..config })
    }

    /// Replaces the images or adds to them. A load that fails or is cancelled leaves the images before it in place.
    pub(super) async fn load(&mut self, source: Source, files: Files, append: bool) -> Result<()> {
        let config = self.session()?.config().clone();
        self.end_task();
        self.post_state(Phase::Loading);
        let loaded = self.load_with(source, files, append, config).await;
        self.post_state(self.phase());
        if loaded? {
            self.post_views().await?;
        }
        Ok(())
    }

    /// Loads images at the size of `config`. Returns false if the load was cancelled.
    async fn load_with(
        &mut self,
        source: Source,
        files: Files,
        append: bool,
        mut config: Config,
    ) -> Result<bool> {
        let source = match source {
            Source::Files => ImageSource::Files(files),
            Source::Located { crops } => ImageSource::Located {
                files,
                crops: crops.into(),
            },
            Source::Puppets { count, seed } => ImageSource::Puppets {
                count: count.min(MAX_PUPPETS),
                seed,
            },
            Source::Hands {
                count,
                base_url,
                bundle_url,
            } => {
                let bundle_url = bundle_url.filter(|_| count <= hands::BUNDLED);
                match self.fetch_hands(count, &base_url, bundle_url).await? {
                    Some(hands) => hands,
                    None => return Ok(false),
                }
            }
        };
        config.locate = source.is_located();
        if config.locate {
            config.crop_margin = self.crop_margin;
        }
        if append
            && self
                .sources
                .iter()
                .any(|(other, _)| other.is_located() != config.locate)
        {
            return Err(Error::Images(MIXED.into()));
        }
        let Some((images, rejected)) = self.read(&[&source], &config).await? else {
            return Ok(false);
        };
        let count = images.read_len();
        let begun = match append {
            _ if count == 0 => Err(Error::Images(NO_IMAGES.into())),
            true => self.session()?.add(images),
            false => self.session()?.begin(config, images),
        };
        if begun.is_ok() {
            if !append {
                self.sources.clear();
            }
            self.sources.push((source, count));
        }
        // Sent in any case: the rejected files explain why no run could begin.
        let images = self.session()?.images();
        post(&Event::Loaded {
            is_new: begun.is_ok(),
            images: images.len(),
            read: images.read_len(),
            about: self.about(),
            rejected,
        });
        begun.map(|()| true)
    }

    /// Describes the images, with a sentence for each kind of source.
    fn about(&self) -> String {
        let (mut own, mut crops, mut hands, mut puppets) = (0, 0, 0, 0);
        for (source, count) in &self.sources {
            match source {
                ImageSource::Files(_) => own += count,
                ImageSource::Located { .. } => crops += count,
                ImageSource::Hands { .. } => hands += count,
                ImageSource::Puppets { .. } => puppets += count,
            }
        }
        let parts = [
            (puppets, format!("{puppets} drawn puppets.")),
            (hands, format!("{hands} {}.", hands::ABOUT)),
            (
                own,
                format!("{own} images of your own. They stay on this device."),
            ),
            (
                crops,
                format!(
                    "{crops} crops around the animal in your own images. They stay on this device."
                ),
            ),
        ];
        let used = parts.into_iter().filter(|(count, _)| *count > 0);
        used.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    /// Returns true if the page cancelled the load, or started another one.
    fn is_cancelled(&mut self) -> bool {
        let cancel = self
            .backlog
            .iter()
            .position(|message| matches!(message.command, Command::CancelLoad));
        if let Some(message) = cancel.and_then(|at| self.backlog.remove(at)) {
            post(&Event::Done { id: message.id });
            return true;
        }
        self.backlog
            .iter()
            .any(|message| matches!(message.command, Command::Load { .. }))
    }

    /// Reads all images again at the size of `config`, and removes those that were removed. Returns none if cancelled.
    async fn read_again(&mut self, config: &Config) -> Result<Option<Dataset>> {
        let removed = self.session()?.images().removed();
        let sources = self.sources.clone();
        let sources: Vec<&ImageSource> = sources.iter().map(|(source, _)| source).collect();
        Ok(self.read(&sources, config).await?.map(|(mut images, _)| {
            images.set_removed(&removed);
            images
        }))
    }

    /// Reads the images of `sources` at the size of `config`. Returns them with the files that could not be used, or none if cancelled.
    async fn read(
        &mut self,
        sources: &[&ImageSource],
        config: &Config,
    ) -> Result<Option<(Dataset, Vec<Rejected>)>> {
        let (mut images, mut rejected) = (Dataset::new(config.size), Vec::new());
        let mut slice_start = Instant::now();
        for source in sources {
            match source {
                ImageSource::Puppets { count, seed } => {
                    Dataset::check_memory(images.read_len() + count, config.size)?;
                    let mut progress = Progress::new("Drawing puppets");
                    for index in 0..*count {
                        images.push(synthetic::puppet(index, *seed, config.size).0);
                        progress.report(index + 1, Some(*count));
                        if self.is_interrupted(&mut slice_start).await {
                            return Ok(None);
                        }
                    }
                }
                ImageSource::Files(files)
                | ImageSource::Located { files, .. }
                | ImageSource::Hands { files, .. } => {
                    let crop = |file: usize| match source {
                        ImageSource::Located { crops, .. } => crops.get(file).copied(),
                        _ => None,
                    };
                    let Some(inputs) = self.list_inputs(files, &mut slice_start).await else {
                        return Ok(None);
                    };
                    rejected.extend(inputs.rejected.iter().map(reject));
                    rejected.extend(inputs.labels.iter().map(|labels| Rejected {
                        name: labels.path(),
                        reason: LABELS_WAIT.into(),
                    }));
                    let mut progress = Progress::new("Reading images");
                    let (names, total) = (inputs.names(|_| false), inputs.images.len());
                    Dataset::check_memory(images.read_len() + total, config.size)?;
                    for (done, (input, name)) in inputs.images.iter().zip(names).enumerate() {
                        let bytes = inputs::read(&files[input.file].1, input.entry.as_ref());
                        match bytes
                            .and_then(|bytes| decoded(&name, &bytes, crop(input.file), config))
                        {
                            Ok(image) => images.push(image),
                            Err(reason) => rejected.push(Rejected {
                                name: input.path(),
                                reason,
                            }),
                        }
                        progress.report(done + 1, Some(total));
                        if self.is_interrupted(&mut slice_start).await {
                            return Ok(None);
                        }
                    }
                }
            }
        }
        Ok(Some((images, rejected)))
    }

    /// Lists the images and labels among files, and in zips among them. Returns none if cancelled.
    pub(super) async fn list_inputs(
        &mut self,
        files: &Files,
        slice_start: &mut Instant,
    ) -> Option<Inputs> {
        let mut inputs = Inputs::default();
        for (number, (name, file)) in files.iter().enumerate() {
            inputs.add_named(number, name, file);
            if self.is_interrupted(slice_start).await {
                return None;
            }
        }
        Some(inputs)
    }

    /// Gives the event loop a turn once the time slice is over. Returns true if the load was cancelled.
    pub(super) async fn is_interrupted(&mut self, slice_start: &mut Instant) -> bool {
        if slice_start.elapsed() < TIME_SLICE {
            return false;
        }
        fetch::turn(&self.turns).await;
        *slice_start = Instant::now();
        self.drain();
        self.is_cancelled()
    }

    /// Downloads the first `count` photographs of hands: from the bundle, with landmarks, or from their folder. Returns none if cancelled.
    async fn fetch_hands(
        &mut self,
        count: usize,
        base_url: &str,
        bundle_url: Option<String>,
    ) -> Result<Option<ImageSource>> {
        if let Some(url) = bundle_url {
            let Some(zip) = self.download(vec![url]).await? else {
                return Ok(None);
            };
            let hands = hands::read_bundle(&zip.concat(), count)?;
            let files = hands
                .iter()
                .map(|hand| Ok((hand.name.clone(), blob(&hand.bytes)?)));
            return Ok(Some(ImageSource::Hands {
                files: files.collect::<Result<_>>()?,
                landmarks: hands.into_iter().map(|hand| hand.landmarks).collect(),
            }));
        }
        let names: Vec<String> = hands::names().take(count).collect();
        let urls = names.iter().map(|name| format!("{base_url}{name}"));
        let Some(bytes) = self.download(urls.collect()).await? else {
            return Ok(None);
        };
        let files = names.into_iter().zip(bytes);
        let files = files.map(|(name, bytes)| Ok((name, blob(&bytes)?)));
        Ok(Some(ImageSource::Hands {
            files: files.collect::<Result<_>>()?,
            landmarks: Rc::default(),
        }))
    }

    /// Downloads files, several at a time. Returns none if the load was cancelled.
    async fn download(&mut self, urls: Vec<String>) -> Result<Option<Vec<Vec<u8>>>> {
        self.load_id += 1;
        let load = self.load_id;
        let total = urls.len();
        let abort =
            AbortController::new().map_err(|error| Error::Network(fetch::error_text(error)))?;
        let waiting: VecDeque<_> = urls.into_iter().enumerate().collect();
        let waiting = Rc::new(RefCell::new(waiting));
        for _ in 0..DOWNLOADS {
            let (waiting, outbox, signal) = (waiting.clone(), self.outbox.clone(), abort.signal());
            spawn_local(async move {
                loop {
                    let next = waiting.borrow_mut().pop_front();
                    let Some((index, url)) = next else { return };
                    let bytes = fetch::bytes(&url, Some(&signal), |_, _| {}).await;
                    let _ = outbox.unbounded_send(Incoming::Fetched { load, index, bytes });
                }
            });
        }
        let mut progress = Progress::new("Downloading photographs of hands");
        let mut files = vec![Vec::new(); total];
        let mut done = 0;
        let result = loop {
            if done == total {
                break Ok(true);
            }
            match self.inbox.recv().await {
                Ok(Incoming::Fetched {
                    load: its_load,
                    index,
                    bytes,
                }) if its_load == load => match bytes {
                    Ok(bytes) => {
                        files[index] = bytes;
                        done += 1;
                        progress.report(done, Some(total));
                    }
                    Err(error) => break Err(error),
                },
                Ok(incoming) => {
                    self.accept(incoming);
                    if self.is_cancelled() {
                        break Ok(false);
                    }
                }
                Err(_) => break Ok(false),
            }
        };
        waiting.borrow_mut().clear();
        abort.abort();
        Ok(result?.then_some(files))
    }

    /// Changes the settings; reads the images again where their size or fit changes.
    pub(super) async fn configure(&mut self, config: Config) -> Result<()> {
        config.validate()?;
        let session = self.session()?;
        let is_live = session.config().is_live_change(&config);
        if session.must_reload_images(&config) {
            self.post_state(Phase::Loading);
            let begun = match self.read_again(&config).await {
                Ok(Some(images)) => self.session()?.begin(config, images),
                other => other.map(|_| ()),
            };
            if begun.is_err() {
                self.post_state(self.phase());
            }
            begun?;
        } else {
            session.configure(config)?;
        }
        self.post_state(self.phase());
        self.schedule = ViewSchedule::default();
        if self.task.is_none() || !is_live {
            self.post_views().await?;
        }
        Ok(())
    }

    /// Opens the model or run in a file. A failure leaves everything as it was.
    pub(super) async fn resume(&mut self, files: Files) -> Result<()> {
        let nothing = || Error::File("There is no model to open. Choose a file.".into());
        let (name, file) = files.into_iter().next().ok_or_else(nothing)?;
        let device = self.session()?.training_device();
        let loaded = checkpoint::open(&BlobFile(file), &device).await?;
        let mut images = None;
        if self.session()?.must_reload_images(&loaded.config) {
            self.post_state(Phase::Loading);
            let read = self.read_again(&loaded.config).await;
            self.post_state(self.phase());
            images = read?;
            if images.is_none() {
                return Ok(()); // cancelled
            }
        }
        self.end_task();
        let (step, is_run, losses) = (loaded.step, loaded.is_run(), loaded.losses.clone());
        self.session()?.resume(loaded, images)?;
        self.post_state(self.phase());
        post(&Event::Resumed {
            is_run,
            about: format!("{name}, trained for {step} steps."),
            losses,
        });
        for snapshot in self.session()?.snapshots().all() {
            post(&Event::Snapshot(SnapshotView::from(snapshot)));
        }
        self.schedule = ViewSchedule::default();
        self.post_views().await
    }

    /// Finds the keypoints in an image file.
    pub(super) async fn detect(&mut self, files: Files) -> Result<Keypoints> {
        let nothing = || Error::File("There is no image to open. Choose a file.".into());
        let (name, file) = files.into_iter().next().ok_or_else(nothing)?;
        let bytes = read_all(&file).await?;
        let session = self.session()?;
        let Config { size, fit, .. } = *session.config();
        let image = decode::decode(&name, &bytes, size, fit)
            .map_err(|reason| Error::Images(format!("{name}: {reason}")))?;
        let mut images = Dataset::new(size);
        images.push(image);
        session.detect(&images).await?.pop().ok_or_else(nothing)
    }
}

/// Decodes an image, or a crop of it, as the model sees it.
pub(super) fn decoded(
    name: &str,
    bytes: &[u8],
    crop: Option<Crop>,
    config: &Config,
) -> std::result::Result<SquareImage, String> {
    match crop {
        Some(crop) => decode::decode_crop(name, bytes, crop, config.size),
        None => decode::decode(name, bytes, config.size, config.fit),
    }
}

/// Makes the record of a file that could not be used from its name and the reason.
pub(super) fn reject((name, reason): &(String, String)) -> Rejected {
    Rejected {
        name: name.clone(),
        reason: reason.clone(),
    }
}
