//! Files that a person gave, looked at by their first bytes: images, those in zips too, labels, and what is neither.

use crate::data::archive::{self, MAX_FILE_BYTES, Place};
use crate::data::names::{self, Origin};
use crate::data::sniff::{self, Kind, START_BYTES};
use crate::error::legible;
use crate::io::RangeReader;

/// A file, or one in a zip, that is to be read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which of the files that were given it is, or is in.
    pub file: usize,
    /// Where it lies in that file, if that is a zip.
    pub place: Option<Place>,
    origin: Origin,
}

impl Input {
    /// Where it is found, for a person: the zip's path, and its own in that.
    pub fn path(&self) -> String {
        self.origin.path()
    }
}

/// What is in files.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Images, some of which may turn out to be damaged or of another kind.
    pub images: Vec<Input>,
    /// Files that may hold labels of the images.
    pub labels: Vec<Input>,
    /// What cannot be used: its path, and a sentence that says why.
    pub rejected: Vec<(String, String)>,
}

impl Inputs {
    /// Looks at one file: number `number`, at `path` below `given`. Of a plain file half a kilobyte is read, of a zip its
    /// directory and the first bytes of files whose names do not tell.
    pub fn add(
        &mut self,
        number: usize,
        given: &str,
        path: &str,
        file: &(impl RangeReader + ?Sized),
    ) {
        self.look(number, given, path, file);
    }

    fn look(&mut self, number: usize, given: &str, path: &str, file: &(impl RangeReader + ?Sized)) {
        let start = match file.read_range(0, START_BYTES) {
            Ok(start) => start,
            Err(error) => return self.reject(path, archive::unreadable(error)),
        };
        if archive::is_zip(&start) {
            return self.add_zip(number, given, path, file);
        }
        let input = Input {
            file: number,
            place: None,
            origin: Origin::new(given, path),
        };
        match sniff::kind(path, &start) {
            _ if start.is_empty() => self.reject(path, "The file is empty (zero bytes).".into()),
            Kind::Image if file.size() > MAX_FILE_BYTES => self.reject(path, archive::too_large()),
            Kind::Image => self.images.push(input),
            Kind::Labels => self.labels.push(input),
            Kind::Other => self.reject(path, sniff::not_read(path, &start)),
        }
    }

    /// Looks at file number `number` of a page, whose name has the folder before it that was dropped; so have the paths that
    /// people are told.
    pub fn add_named(&mut self, number: usize, name: &str, file: &(impl RangeReader + ?Sized)) {
        let (given, path) = name.split_once('/').unwrap_or(("", name));
        let before = (self.images.len(), self.labels.len(), self.rejected.len());
        self.look(number, given, path, file);
        let images = self.images[before.0..].iter_mut();
        for input in images.chain(&mut self.labels[before.1..]) {
            input.origin = input.origin.clone().shown_whole();
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
        let zip = match archive::index(file) {
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
                false => archive::start(file, &packed.place, START_BYTES).unwrap_or_default(),
            };
            let shown = format!("{path}/{}", packed.path);
            let kind = match is_named {
                true => Kind::Image,
                false => sniff::kind(&packed.path, &start),
            };
            let input = Input {
                file: number,
                place: Some(packed.place),
                origin: Origin::in_zip(given, path, &packed.path),
            };
            match kind {
                Kind::Image => self.images.push(input),
                Kind::Labels => self.labels.push(input),
                Kind::Other if archive::is_zip(&start) => self.reject(
                    &shown,
                    "This is a zip inside of a zip, which is not opened: unpack the outer one first.".into(),
                ),
                Kind::Other => {} // a zip may hold what it wants beside its images
            }
        }
        if (self.images.len(), self.labels.len(), self.rejected.len()) == before {
            self.reject(path, "There is no picture in this zip.".into());
        }
    }

    fn reject(&mut self, path: &str, reason: String) {
        self.rejected.push((path.to_string(), legible(&reason)));
    }

    /// What the images are called, in their order; see [`names`]. Names that `taken` says are taken are kept away from.
    pub fn names(&self, taken: impl Fn(&str) -> bool) -> Vec<String> {
        let origins: Vec<&Origin> = self.images.iter().map(|image| &image.origin).collect();
        names::tell_apart(&origins, taken)
    }

    /// The images that are called by a number, since others have the same path: that path, and a sentence with the name.
    pub fn numbered(&self, names: &[String]) -> Vec<(String, String)> {
        let numbered = |(image, name): &(&Input, &String)| !name.ends_with(&image.origin.name());
        let images = self.images.iter().zip(names).filter(numbered);
        let sentence = |name| {
            format!(
                "There is another picture of this name: this one is {name} here and in what is exported."
            )
        };
        images
            .map(|(image, name)| (image.path(), sentence(name)))
            .collect()
    }
}

/// The bytes of a file, or of one in a zip.
///
/// # Errors
/// A sentence: it cannot be read, is damaged in its zip, or has more than [`MAX_FILE_BYTES`].
pub fn read(file: &(impl RangeReader + ?Sized), place: Option<&Place>) -> Result<Vec<u8>, String> {
    match place {
        Some(place) => archive::unpack(file, place),
        None if file.size() > MAX_FILE_BYTES => Err(archive::too_large()),
        None => file
            .read_range(0, file.size() as usize)
            .map_err(archive::unreadable),
    }
}
