//! Sorts the files that a person gave, by their first bytes: images (also in zips), labels, and files that are neither.

use crate::data::archive::{self, MAX_FILE_BYTES, ZipEntry};
use crate::data::names::{self, Origin};
use crate::data::sniff::{self, InputKind, START_BYTES};
use crate::error::legible;
use crate::io::RangeReader;

/// A file to be read, on its own or in a zip.
#[derive(Clone, Debug)]
pub struct Input {
    /// Number of the given file that it is, or is in.
    pub file: usize,
    /// Entry of the file in its zip; none if it is a file on its own.
    pub entry: Option<ZipEntry>,
    origin: Origin,
}

impl Input {
    /// Returns the path by which a person finds it: that of the zip, and its own in the zip.
    pub fn path(&self) -> String {
        self.origin.path()
    }
}

/// Files that a person gave, sorted by their use. See `tests/data_archive.rs`.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Images; decoding may still reject some of them.
    pub images: Vec<Input>,
    /// Videos, if they are taken; some may hold sound only.
    pub videos: Vec<Input>,
    /// Videos are taken, not rejected; those in zips never are.
    pub takes_videos: bool,
    /// Files that may hold labels of the images.
    pub labels: Vec<Input>,
    /// Unusable files: path, and a sentence with the reason.
    pub rejected: Vec<(String, String)>,
}

impl Inputs {
    /// Sorts file `number`, which lies at `path` below `given`. It reads half a kilobyte of a plain file, and of a zip the directory and
    /// the first bytes of files whose names do not show what they are. See `tests/data_archive.rs`.
    pub fn add(
        &mut self,
        number: usize,
        given: &str,
        path: &str,
        file: &(impl RangeReader + ?Sized),
    ) {
        self.sort(number, given, path, file);
    }

    fn sort(&mut self, number: usize, given: &str, path: &str, file: &(impl RangeReader + ?Sized)) {
        let start = match file.read_range(0, START_BYTES) {
            Ok(start) => start,
            Err(error) => return self.reject(path, archive::unreadable_message(error)),
        };
        if archive::is_zip(&start) {
            return self.add_zip(number, given, path, file);
        }
        let input = Input {
            file: number,
            entry: None,
            origin: Origin::new(given, path),
        };
        match sniff::detect_kind(path, &start) {
            _ if start.is_empty() => self.reject(path, "The file is empty (zero bytes).".into()),
            InputKind::Image if file.size() > MAX_FILE_BYTES => {
                self.reject(path, archive::too_large_message())
            }
            InputKind::Image => self.images.push(input),
            InputKind::Labels => self.labels.push(input),
            InputKind::Other if self.takes_videos && sniff::is_video(&start) => {
                self.videos.push(input);
            }
            InputKind::Other => self.reject(path, sniff::rejection_message(path, &start)),
        }
    }

    /// Sorts file `number` of a page. Its name begins with the folder that was dropped, and so do the paths that messages quote.
    pub fn add_named(&mut self, number: usize, name: &str, file: &(impl RangeReader + ?Sized)) {
        let (given, path) = name.split_once('/').unwrap_or(("", name));
        let before = (self.images.len(), self.labels.len(), self.rejected.len());
        self.sort(number, given, path, file);
        let images = self.images[before.0..].iter_mut();
        for input in images.chain(&mut self.labels[before.1..]) {
            input.origin = input.origin.clone().with_full_path();
        }
        if !given.is_empty() {
            for (path, _) in &mut self.rejected[before.2..] {
                *path = format!("{given}/{path}");
            }
        }
    }

    fn add_zip(
        &mut self,
        number: usize,
        given: &str,
        path: &str,
        file: &(impl RangeReader + ?Sized),
    ) {
        let zip = match archive::read_directory(file) {
            Ok(zip) => zip,
            Err(reason) => return self.reject(path, reason),
        };
        let before = (self.images.len(), self.labels.len(), self.rejected.len());
        for note in zip.notes {
            self.reject(path, note);
        }
        for packed in zip.files {
            let is_named = sniff::is_image_name(&packed.path);
            let start = match is_named {
                true => Vec::new(),
                false => {
                    archive::unpack_start(file, &packed.entry, START_BYTES).unwrap_or_default()
                }
            };
            let shown = format!("{path}/{}", packed.path);
            let kind = match is_named {
                true => InputKind::Image,
                false => sniff::detect_kind(&packed.path, &start),
            };
            let input = Input {
                file: number,
                entry: Some(packed.entry),
                origin: Origin::in_zip(given, path, &packed.path),
            };
            match kind {
                InputKind::Image => self.images.push(input),
                InputKind::Labels => self.labels.push(input),
                InputKind::Other if archive::is_zip(&start) => self.reject(
                    &shown,
                    "This is a zip inside a zip, which is not opened. Unpack the outer one first."
                        .into(),
                ),
                InputKind::Other => {} // A zip may hold other files beside its images.
            }
        }
        if (self.images.len(), self.labels.len(), self.rejected.len()) == before {
            self.reject(path, "There are no images in this zip.".into());
        }
    }

    fn reject(&mut self, path: &str, reason: String) {
        self.rejected.push((path.to_string(), legible(&reason)));
    }

    /// Returns the names of the images and then of the videos, in their order; see [`names`]. It avoids names for which `taken` returns true.
    pub fn names(&self, taken: impl Fn(&str) -> bool) -> Vec<String> {
        let inputs = self.images.iter().chain(&self.videos);
        let origins: Vec<&Origin> = inputs.map(|input| &input.origin).collect();
        names::unique_names(&origins, taken)
    }

    /// Returns the images that got a number because others have the same path: that path, and a sentence with the new name.
    pub fn numbered(&self, names: &[String]) -> Vec<(String, String)> {
        let numbered = |(image, name): &(&Input, &String)| !name.ends_with(&image.origin.name());
        let images = self.images.iter().zip(names).filter(numbered);
        let sentence = |name| {
            format!("Another image has this name. This one is called {name} here and in exports.")
        };
        images
            .map(|(image, name)| (image.path(), sentence(name)))
            .collect()
    }
}

/// Reads a file, or unpacks the file `entry` of a zip. See `tests/data_archive.rs`.
///
/// # Errors
/// A sentence: the file cannot be read, is damaged in its zip, or has more than [`MAX_FILE_BYTES`].
pub fn read(
    file: &(impl RangeReader + ?Sized),
    entry: Option<&ZipEntry>,
) -> Result<Vec<u8>, String> {
    match entry {
        Some(entry) => archive::unpack(file, entry),
        None if file.size() > MAX_FILE_BYTES => Err(archive::too_large_message()),
        None => file
            .read_range(0, file.size() as usize)
            .map_err(archive::unreadable_message),
    }
}
