//! Reading files: images, videos, folders and zip files of images, and tables of landmarks.

mod locate;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use autolink::Config;
use autolink::annotate::content::ContentHasher;
use autolink::annotate::{self, Imported, formats, image_name};
use autolink::data::inputs::{self, Input, Inputs};
use autolink::data::{SquareImage, decode, locate as animal};
use autolink::io::RangeReader;
use autolink::session::Rejected;
use glob::{MatchOptions, glob_with};
use image::RgbImage;

use crate::args::FrameChoice;
use crate::output::{Reporter, warn};
use crate::save::place;
use crate::video::{Frame, Frames, Video};

pub use locate::Purpose;

/// Images and videos that were named as files, folders, zip files and patterns. Their first bytes say what they are; nothing is
/// decoded yet.
#[derive(Default)]
pub struct Gathered {
    /// The name of each image and of each chosen frame (`walk/img000012.png`); names are unique.
    pub names: Vec<String>,
    /// The place of each.
    places: Vec<Place>,
    images: Vec<Input>,
    /// Videos whose times could be read.
    pub videos: Vec<NamedVideo>,
    files: Vec<PathBuf>,
    /// Files that cannot be used.
    pub rejected: Vec<Rejected>,
    /// Where the animal is on each, if it was looked for; none where it was not found.
    sights: Option<Vec<Option<animal::Place>>>,
}

/// A video and its name, which no other image or video has.
pub struct NamedVideo {
    pub name: String,
    pub video: Video,
    /// Number of its file.
    file: usize,
}

/// Where an image is read from.
#[derive(Clone, Copy)]
enum Place {
    /// An image with this number.
    Image(usize),
    /// A frame of the video with this number.
    Frame { video: usize, frame: usize },
}

impl Gathered {
    /// Lists the images under these paths, and the frames of videos that `choice` chooses.
    ///
    /// # Errors
    /// A path does not exist, or a pattern matches nothing.
    pub fn new(paths: &[PathBuf], choice: FrameChoice) -> anyhow::Result<Self> {
        let mut inputs = Inputs {
            takes_videos: true,
            ..Inputs::default()
        };
        let (mut files, mut seen) = (Vec::new(), HashSet::new());
        for path in expanded(paths)? {
            let (given, found) = files_under(&path, &mut inputs.rejected)?;
            for (name, path) in found {
                let place = place(&path).map_or_else(|| std::path::absolute(&path), Ok)?;
                if !seen.insert(place) {
                    continue; // the same file was named twice
                }
                match File::open(&path) {
                    Ok(file) => inputs.add(files.len(), &given, &name, &file),
                    Err(error) => inputs.rejected.push((name, unreadable(&error))),
                }
                files.push(path);
            }
        }
        let mut names = inputs.names(|_| false);
        let video_names = names.split_off(inputs.images.len());
        let videos = open_videos(&inputs.videos, video_names, &files, &mut inputs.rejected);
        let mut places: Vec<Place> = (0..names.len()).map(Place::Image).collect();
        let times: Vec<&Video> = videos.iter().map(|named| &named.video).collect();
        for (video, frames) in choice.numbers(&times).into_iter().enumerate() {
            for frame in frames {
                names.push(image_name(&videos[video].name, Some(frame as u64)));
                places.push(Place::Frame { video, frame });
            }
        }
        reject_equal(&names)?;
        for labels in &inputs.labels {
            let reason = "It holds labels or settings, not an image. Pass labels with --landmarks, --against or --eval-landmarks.";
            inputs.rejected.push((labels.path(), reason.into()));
        }
        let rejected = (inputs.rejected.into_iter())
            .map(|(name, reason)| Rejected { name, reason })
            .collect();
        Ok(Self {
            names,
            places,
            images: inputs.images,
            videos,
            files,
            rejected,
            sights: None,
        })
    }

    /// Returns the files that images are read from: the images themselves, videos, and zip files.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        let images = self.images.iter().map(|image| image.file);
        let videos = self.videos.iter().map(|video| video.file);
        images.chain(videos).map(|file| self.files[file].as_path())
    }

    /// Returns the file of an image, or `None` if the image is in a zip file or a frame.
    pub fn file(&self, index: usize) -> Option<&Path> {
        let Place::Image(image) = self.places[index] else {
            return None;
        };
        let image = &self.images[image];
        let file = &self.files[image.file];
        image.entry.is_none().then_some(file)
    }

    /// Returns the number of the video that an image is a frame of; none for other images.
    pub fn video_of(&self, index: usize) -> Option<usize> {
        match self.places[index] {
            Place::Image(_) => None,
            Place::Frame { video, .. } => Some(video),
        }
    }

    /// Returns an image's annotations under the names that exports use: a frame has its video's, its number and its time.
    pub fn with_origin(&self, index: usize, image: annotate::Image) -> annotate::Image {
        match self.places[index] {
            Place::Image(_) => image,
            Place::Frame { video, frame } => annotate::Image {
                file_name: self.videos[video].name.clone(),
                frame: Some(frame as u64),
                seconds: Some(self.videos[video].video.seconds[frame]),
                ..image
            },
        }
    }

    /// Reads the files of images and frames.
    pub fn reader(&self) -> ImageReader<'_> {
        ImageReader {
            gathered: self,
            open: None,
        }
    }

    fn image_bytes(&self, image: usize) -> Result<Vec<u8>, String> {
        let image = &self.images[image];
        let file = File::open(&self.files[image.file]).map_err(|error| unreadable(&error))?;
        inputs::read(&file, image.entry.as_ref())
    }

    /// Decodes the images with the numbers `wanted`, one by one, and returns all files that could not be used. Located images are crops
    /// around the animal.
    pub fn read(
        &self,
        wanted: impl ExactSizeIterator<Item = usize>,
        config: &Config,
        reporter: &Reporter,
        mut take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        let bar = reporter.bar(wanted.len(), "{bar:32} {pos}/{len} images read, {eta} left");
        let mut rejected = self.rejected.clone();
        // The wanted frames of each video.
        let mut frames = vec![Vec::new(); self.videos.len()];
        for index in wanted.filter(|&index| self.is_read(index)) {
            let image = match self.places[index] {
                Place::Image(image) => image,
                Place::Frame { video, frame } => {
                    frames[video].push((frame, index));
                    continue;
                }
            };
            let decode = |bytes: Vec<u8>| match self.crop(index) {
                Some(crop) => decode::decode_crop(&self.names[index], &bytes, crop, config.size),
                None => decode::decode(&self.names[index], &bytes, config.size, config.fit),
            };
            match self.image_bytes(image).and_then(decode) {
                Ok(image) => take(image)?,
                Err(reason) => rejected.push(Rejected {
                    name: self.images[image].path(),
                    reason,
                }),
            }
            bar.inc(1);
        }
        for (video, frames) in self.videos.iter().zip(frames) {
            if frames.is_empty() {
                continue;
            }
            let (numbers, indices): (Vec<usize>, Vec<usize>) = frames.into_iter().unzip();
            let mut reject = |reason| {
                rejected.push(Rejected {
                    name: video.name.clone(),
                    reason,
                });
            };
            let decoded = match video.video.frames(&numbers) {
                Ok(decoded) => decoded,
                Err(reason) => {
                    reject(reason);
                    continue;
                }
            };
            for frame in decoded {
                let square = frame.and_then(|frame| {
                    let Frame {
                        number,
                        size_px,
                        rgb,
                        ..
                    } = frame;
                    let at = numbers.partition_point(|other| *other < number);
                    let name = &self.names[indices[at]];
                    let Some(crop) = self.crop(indices[at]) else {
                        return decode::rgb_frame(name, rgb, size_px, config.size, config.fit);
                    };
                    let frame = RgbImage::from_raw(size_px[0], size_px[1], rgb)
                        .ok_or("The frame's pixels do not match its size.")?;
                    Ok(decode::cut(name, &frame, crop, config.size))
                });
                match square {
                    Ok(image) => take(image)?,
                    Err(reason) => reject(reason),
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(rejected)
    }

    /// Decodes all images, see [`Gathered::read`].
    pub fn read_all(
        &self,
        config: &Config,
        reporter: &Reporter,
        take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        self.read(0..self.names.len(), config, reporter, take)
    }
}

/// Reads the files of images one after the other. Frames of a video are quick to read in their order.
pub struct ImageReader<'g> {
    gathered: &'g Gathered,
    /// The video whose frames are being decoded.
    open: Option<(usize, Frames)>,
}

impl ImageReader<'_> {
    /// Reads the bytes of an image, or makes a PNG of a frame.
    ///
    /// # Errors
    /// The image cannot be read, is too large, or is damaged in its zip file; the frame cannot be decoded.
    pub fn bytes(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let (video, frame) = match self.gathered.places[index] {
            Place::Image(image) => return self.gathered.image_bytes(image),
            Place::Frame { video, frame } => (video, frame),
        };
        if self.open.as_ref().is_none_or(|(other, _)| *other != video) {
            let chosen = self.gathered.places[index..].iter();
            let numbers: Vec<usize> = chosen
                .filter_map(|place| match *place {
                    Place::Frame { video: of, frame } if of == video => Some(frame),
                    _ => None,
                })
                .collect();
            self.open = Some((video, self.gathered.videos[video].video.frames(&numbers)?));
        }
        let Some((_, frames)) = &mut self.open else {
            return Err("The video is not open.".into());
        };
        for decoded in frames {
            let decoded = decoded?;
            if decoded.number == frame {
                return decode::frame_png(&decoded.rgb, decoded.size_px);
            }
        }
        Err("This frame cannot be decoded.".into())
    }
}

/// Opens videos, and rejects those that cannot be read or are the same as another.
fn open_videos(
    inputs: &[Input],
    names: Vec<String>,
    files: &[PathBuf],
    rejected: &mut Vec<(String, String)>,
) -> Vec<NamedVideo> {
    let (mut videos, mut seen) = (Vec::<NamedVideo>::new(), HashMap::new());
    for (input, name) in inputs.iter().zip(names) {
        let path = &files[input.file];
        let opened =
            content(path)
                .map_err(|error| unreadable(&error))
                .and_then(|content| match seen.get(&content) {
                    Some(other) => {
                        Err(format!("It is the same video as {other} and is used once."))
                    }
                    None => Video::open(path, &name).map(|video| (content, video)),
                });
        match opened {
            Ok((content, video)) => {
                seen.insert(content, name.clone());
                videos.push(NamedVideo {
                    name,
                    video,
                    file: input.file,
                });
            }
            Err(reason) => rejected.push((input.path(), reason)),
        }
    }
    videos
}

/// Returns the content of a file, by which the page knows a video.
fn content(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let mut content = ContentHasher::new(file.size());
    for (start, length) in ContentHasher::slices(file.size()) {
        content.add(&file.read_range(start, length)?);
    }
    Ok(content.digits())
}

/// Checks that no two names are equal: `walk.mp4` and `walk.mov` name their frames alike.
fn reject_equal(names: &[String]) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => bail!(
            "Two images are called {name}. Rename one of them, or put them into different folders."
        ),
        None => Ok(()),
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("It cannot be read ({error}).")
}

/// Expands patterns (`new/*.jpg`), which some shells leave alone. An existing file whose name looks like a pattern stays as it is.
fn expanded(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let options = MatchOptions {
        case_sensitive: !cfg!(windows),
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let mut all = Vec::new();
    for path in paths {
        let pattern = path.to_string_lossy();
        if fs::symlink_metadata(path).is_ok() || !pattern.contains(['*', '?', '[']) {
            all.push(path.clone());
            continue;
        }
        let found = glob_with(&pattern, options).map_err(|error| {
            anyhow!("{pattern} is neither a file nor a valid pattern: {error}.")
        })?;
        let before = all.len();
        for path in found {
            all.push(path.with_context(|| format!("{pattern} cannot be searched"))?);
        }
        if all.len() == before {
            bail!("No file matches the pattern {pattern}. Check its folder and its ending.");
        }
    }
    Ok(all)
}

/// Files with their paths relative to the path that was given, `/` between the parts.
type Relative = Vec<(String, PathBuf)>;

/// Returns a path as an absolute one, and the files under it, sorted by name: those of a folder, or the one file. Whatever is not
/// a file or cannot be opened is added to `rejected`.
fn files_under(
    root: &Path,
    rejected: &mut Vec<(String, String)>,
) -> anyhow::Result<(String, Relative)> {
    let about = fs::metadata(root).with_context(|| format!("{} cannot be read", root.display()))?;
    let mut whole = std::path::absolute(root)?;
    if whole.components().any(|part| part == Component::ParentDir) {
        whole = whole.canonicalize()?;
    }
    if about.is_file() {
        let given = whole.parent().unwrap_or(Path::new(""));
        return Ok((slashed(given), vec![(name_of(&whole), root.to_path_buf())]));
    }
    if !about.is_dir() {
        bail!("{} is neither a file nor a folder.", root.display());
    }
    // By hand: walkdir has sentences of its own for errors, and the code would be no shorter.
    let (mut files, mut folders) = (Vec::new(), vec![(String::new(), root.to_path_buf())]);
    while let Some((prefix, folder)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if prefix.is_empty() => {
                return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
            }
            Err(error) => {
                rejected.push((prefix, unreadable(&error)));
                continue;
            }
            Ok(entries) => entries,
        };
        for entry in entries {
            let path = entry?.path();
            let name = name_of(&path);
            if name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{name}");
            let mut reject = |reason: &str| rejected.push((name.clone(), reason.into()));
            match fs::metadata(&path) {
                Err(error) => reject(&unreadable(&error)),
                // The link may lead to a folder above it.
                Ok(about) if about.is_dir() && path.is_symlink() => {
                    reject(
                        "It is a link to a folder, which is not followed. Name that folder as well.",
                    );
                }
                Ok(about) if about.is_dir() => folders.push((name + "/", path)),
                Ok(about) if about.is_file() => files.push((name, path)),
                Ok(_) => reject("It is a device or a pipe, not a file."),
            }
        }
    }
    files.sort();
    rejected.sort();
    Ok((slashed(&whole), files))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Formats a path with `/` between its parts.
fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Reads a file.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Reads labels in any supported format, and warns about what could not be used.
pub fn read_landmarks(path: &Path) -> anyhow::Result<Imported> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let imported = formats::import(&name, &read(path)?)?;
    imported.notes.iter().for_each(|note| warn(note));
    Ok(imported)
}
