//! Files out of zips, one at a time.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::data::decode::looks_like_picture;

/// A file's name and its bytes, or a sentence that says why there are none.
type Entry = (String, Result<Vec<u8>, String>);

/// What one file in a zip may unpack to, bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// What a whole zip may unpack to, as a multiple of its size. Deflate packs at most 1,032 to 1, so only a zip whose
/// files share their data (a bomb) comes here.
const MAX_RATIO: u64 = 1_100;
/// Most pictures taken out of one zip.
const MAX_PICTURES: usize = 100_000;

/// Names that are pictures, or are taken for pictures, so that the visitor is told what is wrong with them.
const PICTURE_EXTENSIONS: [&str; 16] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "heic", "heif", "avif", "tif",
    "tiff", "apng", "dib", "ico",
];

/// The files in a file: a plain file yields itself, whatever it is; a zip (told by its first bytes) its pictures.
///
/// A zip's files are unpacked one by one, as they are asked for, and named `zip/inner/path`. Folders, hidden files,
/// `__MACOSX` and files that are no pictures are skipped quietly; zips in the zip are not opened. `size_hint`'s upper
/// bound is how many files may still come.
///
/// An `Err` is a sentence for the visitor: about the one file (damaged, too large unpacked), or under the zip's own name
/// about all of it (damaged, locked with a password, no picture in it, more than 100,000 of them). However a zip is
/// made, at most 256 MiB are unpacked at once, and some 1,100 times its size altogether.
pub fn entries(name: String, bytes: Vec<u8>) -> impl Iterator<Item = Entry> {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return Entries::One(Some((name, Ok(bytes))));
    }
    let budget_bytes = MAX_FILE_BYTES.max(MAX_RATIO.saturating_mul(bytes.len() as u64));
    match ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => Entries::Zip(Box::new(Zip {
            name,
            archive,
            next: 0,
            pictures: 0,
            budget_bytes,
            told_of_lock: false,
        })),
        Err(_) => {
            let reason = "The zip file is damaged or incomplete: pack it again, or add its pictures by themselves.";
            Entries::One(Some((name, Err(reason.into()))))
        }
    }
}

enum Entries {
    One(Option<Entry>),
    Zip(Box<Zip>),
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Entries::One(entry) => entry.take(),
            Entries::Zip(zip) => zip.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Entries::One(entry) => (0, Some(usize::from(entry.is_some()))),
            // One more for a word about the zip itself.
            Entries::Zip(zip) => (0, Some(zip.archive.len() - zip.next + 1)),
        }
    }
}

struct Zip {
    name: String,
    archive: ZipArchive<Cursor<Vec<u8>>>,
    /// Index of the next file; one more than there are once the end has been told.
    next: usize,
    /// How many have been yielded.
    pictures: usize,
    /// How much may still be unpacked.
    budget_bytes: u64,
    told_of_lock: bool,
}

impl Zip {
    fn next(&mut self) -> Option<Entry> {
        while self.next < self.archive.len() {
            let index = self.next;
            self.next += 1;
            let Some(path) = self.picture_path(index) else {
                continue;
            };
            if self.pictures == MAX_PICTURES {
                return Some(self.end(format!(
                    "The zip holds more than {MAX_PICTURES} pictures; the others were left out."
                )));
            }
            match self.unpack(index, has_picture_extension(&path)) {
                Ok(Some(bytes)) => {
                    self.pictures += 1;
                    return Some((format!("{}/{path}", self.name), Ok(bytes)));
                }
                Ok(None) => {}
                Err(Failure::Locked) if self.told_of_lock => {}
                Err(Failure::Locked) => {
                    self.pictures += 1;
                    self.told_of_lock = true;
                    let reason = "The zip is locked with a password: unpack it, and add its pictures by themselves.";
                    return Some((self.name.clone(), Err(reason.into())));
                }
                Err(Failure::File(reason)) => {
                    self.pictures += 1;
                    return Some((format!("{}/{path}", self.name), Err(reason)));
                }
                Err(Failure::Bomb) => {
                    return Some(self.end("The zip unpacks to far more than a zip can hold: it is not read further.".into()));
                }
            }
        }
        if self.pictures == 0 {
            self.pictures = 1;
            let reason = "There is no picture in this zip (zips inside of a zip are not opened).";
            return Some(self.end(reason.into()));
        }
        None
    }

    /// A last word about the zip.
    fn end(&mut self, reason: String) -> Entry {
        self.next = self.archive.len();
        self.pictures = self.pictures.max(1);
        (self.name.clone(), Err(reason))
    }

    /// The path of a file that may be a picture.
    fn picture_path(&self, index: usize) -> Option<String> {
        let file = self.archive.by_index_data(index).ok()?;
        let raw = file.name_raw();
        let path = match std::str::from_utf8(raw) {
            // Some packers write UTF-8 and do not say so.
            Ok(utf8) => utf8.to_string(),
            Err(_) => match file.name() {
                Ok(name) => name.into_owned(),
                Err(_) => String::from_utf8_lossy(raw).into_owned(),
            },
        };
        let path = path.replace('\\', "/");
        if path.ends_with('/') || file.is_dir() || file.is_symlink() {
            return None;
        }
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| !["", ".", ".."].contains(part))
            .collect();
        let junk = parts
            .iter()
            .any(|part| part.starts_with('.') || *part == "__MACOSX");
        (!junk && !parts.is_empty()).then(|| parts.join("/"))
    }

    /// A file's bytes; none if it is no picture. Without an extension that tells, its first bytes do.
    fn unpack(&mut self, index: usize, surely: bool) -> Result<Option<Vec<u8>>, Failure> {
        let quietly = |failure| if surely { Err(failure) } else { Ok(None) };
        let mut file = match self.archive.by_index(index) {
            Ok(file) => file,
            Err(error) => return quietly(Failure::from(error)),
        };
        let mut bytes = Vec::new();
        if !surely {
            let start = file.by_ref().take(16).read_to_end(&mut bytes);
            self.budget_bytes = self.budget_bytes.saturating_sub(bytes.len() as u64);
            if start.is_err() || !looks_like_picture(&bytes) {
                return Ok(None);
            }
        }
        let declared = file.size();
        if declared <= MAX_FILE_BYTES {
            // What the zip says of its size is not to be trusted: the limit is on what comes.
            let allowed = MAX_FILE_BYTES.min(self.budget_bytes);
            let limit = allowed + 1 - (bytes.len() as u64).min(allowed);
            if file.take(limit).read_to_end(&mut bytes).is_err() {
                return quietly(Failure::File(
                    "The file is damaged in the zip: pack it again.".into(),
                ));
            }
            let read = bytes.len() as u64;
            if read <= allowed {
                self.budget_bytes -= read;
                return Ok(Some(bytes));
            }
            if allowed < MAX_FILE_BYTES {
                return Err(Failure::Bomb);
            }
            self.budget_bytes = self.budget_bytes.saturating_sub(read);
        }
        quietly(Failure::File(format!(
            "The file unpacks to more than {} MiB, which is too large for a picture here.",
            MAX_FILE_BYTES >> 20
        )))
    }
}

/// Why a file could not be unpacked.
enum Failure {
    /// A sentence about the file.
    File(String),
    /// The zip wants a password.
    Locked,
    /// The zip's budget is spent.
    Bomb,
}

impl From<ZipError> for Failure {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => Failure::Locked,
            ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => Failure::File(
                "The file is packed in a way that cannot be read here: pack it as an ordinary zip (deflate).".into(),
            ),
            _ => Failure::File("The file is damaged in the zip: pack it again.".into()),
        }
    }
}

fn has_picture_extension(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| {
        PICTURE_EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}
