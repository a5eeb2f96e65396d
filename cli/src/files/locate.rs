//! `--locate`: finds the animal before the still camera of each video and of each folder of images, so that the model sees crops around
//! it. [`autolink::data::locate`] does the finding; here are the passes over frames, and the sentences about them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use autolink::Config;
pub use autolink::data::locate::Purpose;
use autolink::data::locate::{
    Crop, Order, Place as Sight, Search, Summary, Track, TrackOptions, candidates, choose_frames,
    shares, thumbnail,
};
use autolink::data::{Dataset, SquareImage, decode};
use autolink::session::Rejected;
use image::RgbImage;
use indicatif::ProgressBar;
use serde_json::json;

use super::{Gathered, Place};
use crate::output::{Reporter, warn};

/// Images of one still camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// The video with this number.
    Video(usize),
    /// The images of a folder: its path on the disk, and in a zip file.
    Folder(PathBuf, String),
}

impl Gathered {
    /// Finds the animal in all frames of the videos, and all images of the folders, that the images `wanted` are from. From then on these
    /// are read as crops, whose side is `margin` lengths of the body, and those without a crop are not read. A source in which the animal cannot be found is rejected.
    ///
    /// # Errors
    /// The animal can be found in no source.
    pub fn locate(
        &mut self,
        wanted: impl Iterator<Item = usize>,
        margin: f64,
        purpose: Purpose,
        reporter: &Reporter,
    ) -> anyhow::Result<()> {
        let wanted: HashSet<usize> = wanted.collect();
        let mut sources: BTreeMap<Source, Vec<usize>> = BTreeMap::new();
        for index in 0..self.names.len() {
            sources.entry(self.source(index)).or_default().push(index);
        }
        sources.retain(|_, indices| indices.iter().any(|index| wanted.contains(index)));
        let mut found = vec![None; self.names.len()];
        let mut reasons = Vec::new();
        for (source, indices) in &sources {
            let name = self.source_name(source);
            match self.locate_source(source, indices, &name, margin, reporter) {
                Ok((track, sights)) => {
                    let noun = match source {
                        Source::Video(_) => "frame",
                        Source::Folder(..) => "image",
                    };
                    let summary = Summary::new(&track);
                    report(&summary, &name, noun, purpose, reporter);
                    for (index, sight) in sights {
                        found[index] = Some(sight);
                    }
                }
                Err(error) => reasons.push(Rejected {
                    name,
                    reason: error.to_string(),
                }),
            }
        }
        if reasons.len() == sources.len()
            && let Some(Rejected { name, reason }) = reasons.first()
        {
            bail!("The animal was not found in {name}. {reason}");
        }
        self.rejected.extend(reasons);
        self.sights = Some(found);
        Ok(())
    }

    /// Returns the camera that an image is from.
    fn source(&self, index: usize) -> Source {
        match self.places[index] {
            Place::Frame { video, .. } => Source::Video(video),
            Place::Image(image) => {
                let image = &self.images[image];
                let on_disk = self.files[image.file].parent();
                let path = image.path();
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                Source::Folder(on_disk.unwrap_or(&PathBuf::new()).into(), folder.into())
            }
        }
    }

    fn source_name(&self, source: &Source) -> String {
        match source {
            Source::Video(video) => self.videos[*video].name.clone(),
            Source::Folder(_, folder) if !folder.is_empty() => folder.clone(),
            Source::Folder(..) => "these images".into(),
        }
    }

    /// Finds the animal in the frames of a source, of which the images `indices` are. Returns the track, and the animal's place in
    /// each of these images.
    fn locate_source(
        &self,
        source: &Source,
        indices: &[usize],
        name: &str,
        margin: f64,
        reporter: &Reporter,
    ) -> anyhow::Result<(Track, Vec<(usize, Sight)>)> {
        // By the numbers of the source's frames.
        let number = |(nth, &index): (usize, &usize)| match self.places[index] {
            Place::Frame { frame, .. } => (frame, index),
            Place::Image(_) => (nth, index),
        };
        let members: HashMap<usize, usize> = indices.iter().enumerate().map(number).collect();
        let (all, order, background): (Vec<usize>, _, _) = match source {
            Source::Video(video) => {
                let video = &self.videos[*video].video;
                let all = video.every(1);
                (all, Order::Video, video.spread(Search::SAMPLES))
            }
            Source::Folder(..) => {
                let count = members.len();
                (
                    (0..count).collect(),
                    Order::Separate,
                    Search::samples(count),
                )
            }
        };
        let mut search = Search::new();
        let bar = reporter.bar(
            background.len(),
            "{bar:32} {pos}/{len} frames for the background, {eta} left",
        );
        self.each_frame(source, &members, &background, &bar, |_, frame| {
            Ok(search.sample(frame)?)
        })?;
        search.size_px()?; // before the long pass
        let mut numbers = Vec::new();
        let template = format!(
            "{{bar:32}} {{pos}}/{{len}} frames of {name} searched, {{per_sec}}, {{eta}} left"
        );
        let bar = reporter.bar(all.len(), &template);
        self.each_frame(source, &members, &all, &bar, |number, frame| {
            numbers.push(number);
            Ok(search.look(frame)?)
        })?;
        let track = search.track(TrackOptions::new(order, margin))?;
        let sights = (numbers.iter().zip(&track.places))
            .filter_map(|(number, place)| Some((*members.get(number)?, place.clone())))
            .collect();
        Ok((track, sights))
    }

    /// Decodes the frames of a source with these numbers, which ascend. Those that cannot be decoded are skipped: reading them later
    /// tells why.
    fn each_frame(
        &self,
        source: &Source,
        members: &HashMap<usize, usize>,
        numbers: &[usize],
        bar: &ProgressBar,
        mut take: impl FnMut(usize, &RgbImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let image =
            |rgb: Vec<u8>, [width, height]: [u32; 2]| RgbImage::from_raw(width, height, rgb);
        match source {
            Source::Video(video) => {
                let video = &self.videos[*video].video;
                for frame in video.frames(numbers).map_err(|reason| anyhow!(reason))? {
                    let Ok(frame) = frame else { break };
                    if let Some(image) = image(frame.rgb, frame.size_px) {
                        take(frame.number, &image)?;
                    }
                    bar.inc(1);
                }
            }
            Source::Folder(..) => {
                for number in numbers {
                    let Some(Place::Image(at)) = members.get(number).map(|&i| self.places[i])
                    else {
                        continue;
                    };
                    let decoded = self.image_bytes(at).and_then(|b| decode::full_size(&b));
                    if let Some(image) = decoded.ok().and_then(|(rgb, size)| image(rgb, size)) {
                        take(*number, &image)?;
                    }
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Returns the crop of an image; none if it is not located.
    pub(super) fn crop(&self, index: usize) -> Option<Crop> {
        Some(self.sights.as_ref()?[index].as_ref()?.crop)
    }

    /// Returns true if an image is a turned crop whose head may be at the other end.
    pub fn is_head_uncertain(&self, index: usize) -> bool {
        let sights = self.sights.as_ref();
        sights.is_some_and(|sights| sights[index].as_ref().is_some_and(|s| !s.is_head_certain))
    }

    /// Returns true if an image is to be read: where the animal was looked for, it must have been found.
    pub(super) fn is_read(&self, index: usize) -> bool {
        self.sights
            .as_ref()
            .is_none_or(|sights| sights[index].is_some())
    }

    /// Reads the located images to train on: those that show one animal whose head is certain, and at most `frames` frames of videos,
    /// chosen to differ. Several videos give a share each.
    pub fn read_located(
        &self,
        frames: Option<usize>,
        config: &Config,
        reporter: &Reporter,
    ) -> anyhow::Result<(Dataset, Vec<Rejected>)> {
        let sights = self.sights.iter().flatten().enumerate();
        let usable = sights.filter(|(_, sight)| sight.as_ref().is_some_and(Sight::is_usable));
        let mut of_videos = vec![Vec::new(); self.videos.len()];
        let mut wanted = Vec::new();
        for (index, _) in usable {
            match self.places[index] {
                Place::Frame { video, .. } => of_videos[video].push(index),
                Place::Image(_) => wanted.push(index),
            }
        }
        let share = frames.map(|frames| {
            let lengths: Vec<usize> = of_videos.iter().map(Vec::len).collect();
            shares(&lengths, frames)
        });
        for (video, indices) in of_videos.iter().enumerate() {
            let most = share.as_ref().map_or(usize::MAX, |share| share[video]);
            wanted.extend(
                candidates(indices.len(), most)
                    .into_iter()
                    .map(|i| indices[i]),
            );
        }
        let mut images = Dataset::new(config.size);
        let rejected = self.read(wanted.into_iter(), config, reporter, |image| {
            Dataset::check_memory(images.read_len() + 1, config.size)?;
            images.push(image);
            Ok(())
        })?;
        let Some(share) = share else {
            return Ok((images, rejected));
        };
        let numbers: HashMap<&str, usize> =
            self.names.iter().map(String::as_str).zip(0..).collect();
        let mut groups: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for i in 0..images.len() {
            let video = match self.places[numbers[images.name(i)]] {
                Place::Frame { video, .. } => Some(video),
                Place::Image(_) => None,
            };
            groups.entry(video).or_default().push(i);
        }
        let mut chosen = Dataset::new(config.size);
        for (video, group) in groups {
            let of_group = match video {
                None => (0..group.len()).collect(),
                Some(video) => {
                    let thumbnails: Vec<Vec<u8>> = (group.iter())
                        .map(|&i| thumbnail(images.pixels(i), config.size))
                        .collect();
                    choose_frames(&thumbnails, share[video], config.seed)
                }
            };
            for i in of_group {
                let i = group[i];
                chosen.push(SquareImage {
                    name: images.name(i).into(),
                    pixels: images.pixels(i).to_vec(),
                    placement: images.placement(i).clone(),
                });
            }
        }
        Ok((chosen, rejected))
    }
}

/// Tells a person, or a program, what was found.
fn report(summary: &Summary, name: &str, noun: &str, purpose: Purpose, reporter: &Reporter) {
    if reporter.json {
        reporter.line(&json!({
            "type": "located", "name": name, "images": summary.frames, "crop_px": summary.side_px,
            "turned": summary.is_turned, "nothing": summary.nothing, "several": summary.several,
            "uncertain": summary.uncertain,
        }));
    } else {
        warn(&summary.sentence(name, noun, purpose));
    }
}
