//! Finding the animal before a still camera: frames from the page, and images of a folder.

use std::collections::BTreeMap;

use image::RgbImage;
use web_sys::Blob;
use web_time::Instant;

use super::Engine;
use super::files::{Files, read_all};
use super::messages::{Progress, post};
use crate::data::archive::ZipEntry;
use crate::data::locate::{
    Crop, Order, Purpose, Search, Summary, Track, TrackOptions, candidates, choose_frames, shares,
    thumbnail,
};
use crate::data::{decode, inputs};
use crate::error::{Error, Result};
use crate::session::{Command, Event, Rejected};

/// The search in the frames of one camera.
#[derive(Default)]
pub(super) struct Source {
    search: Search,
    /// Present once crops were asked for.
    track: Option<Track>,
    /// Thumbnails of the crops of candidates, by the index of the frame.
    thumbnails: BTreeMap<usize, Vec<u8>>,
}

impl Source {
    /// Returns the indices of the frames that can be trained on.
    fn usable(&self) -> Vec<usize> {
        self.track.as_ref().map(Track::usable).unwrap_or_default()
    }
}

/// An image to be found keypoints in: its name, file, and its place in the file if that is a zip.
pub(super) type Wanted<'a> = (&'a str, &'a Blob, Option<&'a ZipEntry>);

impl Engine {
    /// Executes a command of the search for an animal. Returns true if [`Event::Done`] is still to be sent.
    pub(super) async fn locate(
        &mut self,
        id: u32,
        command: Command,
        files: Files,
        pixels: Vec<u8>,
    ) -> Result<bool> {
        match command {
            Command::BeginSearch { source } => {
                self.searches.insert(source, Source::default());
            }
            Command::SampleFrames {
                source,
                width,
                height,
            } => {
                for frame in frames(files, &pixels, [width, height]).await {
                    let sampled = frame.map_err(Error::Images);
                    sampled.and_then(|frame| self.source(&source)?.search.sample(&frame))?;
                }
            }
            Command::SearchFrames {
                source,
                width,
                height,
            } => {
                for frame in frames(files, &pixels, [width, height]).await {
                    let search = &mut self.source(&source)?.search;
                    match frame {
                        Ok(frame) => search.look(&frame)?,
                        Err(_) => search.skip(), // reading it later tells why
                    }
                }
            }
            Command::Locate {
                source: name,
                margin,
                is_video,
            } => {
                let order = if is_video {
                    Order::Video
                } else {
                    Order::Separate
                };
                let margin = margin.unwrap_or_else(|| self.config().crop_margin);
                self.crop_margin = margin;
                let source = self.source(&name)?;
                let track = source.search.track(TrackOptions::new(order, margin))?;
                let summary = Summary::new(&track);
                let noun = if is_video { "frame" } else { "image" };
                let about = |purpose| summary.sentence(&name, noun, purpose);
                post(&Event::Located {
                    id,
                    crops: track.places.iter().map(|place| place.crop).collect(),
                    usable: track.places.iter().map(|p| p.is_usable()).collect(),
                    margin,
                    is_advised: track.is_advised(source.search.size_px()?),
                    about_training: about(Purpose::Training),
                    about_detection: about(Purpose::Detection),
                });
                source.track = Some(track);
                return Ok(false);
            }
            Command::ListCandidates { sources, count } => {
                let usable = self.usable(&sources)?;
                let lengths: Vec<usize> = usable.iter().map(Vec::len).collect();
                let frames = (usable.iter().zip(shares(&lengths, count)))
                    .map(|(usable, share)| {
                        let few = candidates(usable.len(), share);
                        few.into_iter().map(|i| usable[i]).collect()
                    })
                    .collect();
                post(&Event::FramesChosen { id, frames });
                return Ok(false);
            }
            Command::AddCandidate {
                source,
                width,
                height,
                index,
            } => {
                let size = self.config().size;
                let source = self.source(&source)?;
                let place = (source.track.as_ref()).and_then(|track| track.places.get(index));
                let crop = place.map(|place| place.crop).ok_or_else(unknown)?;
                let frame = decode::rgba_image(&pixels, [width, height]).map_err(Error::Images)?;
                let small = thumbnail(&crop.cut(&frame, size), size);
                source.thumbnails.insert(index, small);
            }
            Command::ChooseFrames { sources, count } => {
                let seed = self.config().seed;
                let usable = self.usable(&sources)?;
                let lengths: Vec<usize> = usable.iter().map(Vec::len).collect();
                let mut frames = Vec::with_capacity(sources.len());
                for (name, share) in sources.iter().zip(shares(&lengths, count)) {
                    let small = std::mem::take(&mut self.source(name)?.thumbnails);
                    let (indices, small): (Vec<usize>, Vec<Vec<u8>>) = small.into_iter().unzip();
                    let chosen = choose_frames(&small, share, seed);
                    frames.push(chosen.into_iter().map(|i| indices[i]).collect());
                }
                post(&Event::FramesChosen { id, frames });
                return Ok(false);
            }
            _ => {} // `Engine::handle` handles all others
        }
        Ok(true)
    }

    fn source(&mut self, name: &str) -> Result<&mut Source> {
        self.searches.get_mut(name).ok_or_else(unknown)
    }

    /// Returns the usable frames of each source.
    fn usable(&mut self, sources: &[String]) -> Result<Vec<Vec<usize>>> {
        let usable = |name: &String| self.source(name).map(|source| source.usable());
        sources.iter().map(usable).collect()
    }

    /// Finds the animal in the images of each folder. Returns the crop of each image, none where it is not found, with a sentence about
    /// each folder; or none if cancelled.
    pub(super) async fn locate_images(
        &mut self,
        images: &[Wanted<'_>],
    ) -> Result<Option<(Vec<Option<Crop>>, Vec<Rejected>)>> {
        let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, (name, ..)) in images.iter().enumerate() {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            folders.entry(folder).or_default().push(i);
        }
        let (mut crops, mut notes) = (vec![None; images.len()], Vec::new());
        let mut slice_start = Instant::now();
        for (folder, members) in folders {
            let name = if folder.is_empty() {
                "these images"
            } else {
                folder
            };
            let read = |i: usize| {
                let (_, file, entry) = images[i];
                inputs::read(file, entry).and_then(|bytes| decode::upright_image(&bytes))
            };
            let mut search = Search::new();
            let mut error = None;
            let samples = Search::samples(members.len());
            let mut progress = Progress::new("Finding the animal");
            let total = samples.len() + members.len();
            for (done, at) in samples.iter().enumerate() {
                if let Ok(frame) = read(members[*at])
                    && let Err(reason) = search.sample(&frame)
                {
                    error = Some(reason);
                    break;
                }
                progress.report(done + 1, Some(total));
                if self.is_interrupted(&mut slice_start).await {
                    return Ok(None);
                }
            }
            if error.is_none() {
                error = search.size_px().err();
            }
            for (done, &i) in members.iter().enumerate() {
                if error.is_some() {
                    break;
                }
                match read(i) {
                    Ok(frame) => error = search.look(&frame).err(),
                    Err(_) => search.skip(),
                }
                progress.report(samples.len() + done + 1, Some(total));
                if self.is_interrupted(&mut slice_start).await {
                    return Ok(None);
                }
            }
            let track = match error {
                Some(error) => Err(error),
                None => search.track(TrackOptions::new(
                    Order::Separate,
                    self.config().crop_margin,
                )),
            };
            let reason = match track {
                Ok(track) => {
                    for (&i, place) in members.iter().zip(&track.places) {
                        crops[i] = Some(place.crop);
                    }
                    Summary::new(&track).sentence(name, "image", Purpose::Detection)
                }
                Err(error) => format!(
                    "The model was trained on crops around an animal, but sees these images whole. {error}"
                ),
            };
            notes.push(Rejected {
                name: name.into(),
                reason,
            });
        }
        Ok(Some((crops, notes)))
    }
}

/// Returns the frame in the pixels or, where they have no size, the images in the files.
async fn frames(
    files: Files,
    pixels: &[u8],
    size_px: [u32; 2],
) -> Vec<std::result::Result<RgbImage, String>> {
    if size_px != [0; 2] {
        return vec![decode::rgba_image(pixels, size_px)];
    }
    let mut frames = Vec::with_capacity(files.len());
    for (_, file) in files {
        let bytes = read_all(&file).await.map_err(|error| error.to_string());
        frames.push(bytes.and_then(|bytes| decode::upright_image(&bytes)));
    }
    frames
}

fn unknown() -> Error {
    Error::Images("The animal was not looked for in this video. Drop it again.".into())
}
