//! Zips: the directory is read once, then each file by its offset.

use std::io::{self, Read, Seek};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::extra_fields::ExtraField;
use zip::read::{Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use crate::data::legacy;
use crate::data::nfc::nfc;
use crate::io::{BufferedReader, CHUNK_BYTES, RangeReader};

/// What one file may unpack to, and how large a file is read at all, bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most files taken out of one zip.
const MAX_FILES: usize = 100_000;
/// What the names of all files of a zip may take, bytes.
const MAX_NAMES_BYTES: usize = 32 << 20;

const DAMAGED: &str =
    "The zip file is damaged or incomplete: pack it again, or add its images by themselves.";
const DAMAGED_FILE: &str = "The file is damaged in the zip: pack it again.";

/// What is in a zip.
#[derive(Debug, Default)]
pub struct Zip {
    /// Its files in their order; no folders, links, locked or hidden files, and no `__MACOSX`.
    pub files: Vec<Packed>,
    /// Sentences about the zip: what of it could not be read, and why.
    pub notes: Vec<String>,
}

/// A file in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Its path in the zip, `/` between the parts. Two files may have the same one.
    pub path: String,
    /// Where it lies.
    pub place: Place,
}

/// Where a file lies in its zip, and what the zip's directory says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of its local header, bytes.
    header: u64,
    /// Length of its data as they lie there, bytes.
    packed: u64,
    /// Length of the file, bytes.
    size: u64,
    crc32: u32,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Stored,
    Deflated,
    Unknown,
}

/// Whether a file that starts like this is a zip.
pub fn is_zip(start: &[u8]) -> bool {
    [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"]
        .iter()
        .any(|magic| start.starts_with(magic))
}

/// Reads the directory of a zip; of the files' data nothing. A zip of any size is read by slices of some hundred kilobytes.
///
/// Names that are not marked as UTF-8 are told apart by `legacy::decode`; none is dropped for its bytes.
///
/// # Errors
/// A sentence about the zip: it is damaged, or only part of one, or its files overlap.
pub fn index(file: &(impl RangeReader + ?Sized)) -> Result<Zip, String> {
    let mut walk =
        ZipIterable::try_new(BufferedReader::new(file, 0, CHUNK_BYTES), Config::default())
            .map_err(said)?;
    let (mut zip, mut found) = (Zip::default(), Vec::new());
    let (mut names_bytes, mut is_locked) = (0, false);
    let entries = walk.files().map_err(said)?;
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else {
            zip.notes.push(format!(
                "{DAMAGED} What its list of files still names was read."
            ));
            break;
        };
        is_locked |= entry.encrypted();
        if entry.is_symlink() || entry.encrypted() {
            continue;
        }
        names_bytes += entry.name_raw().len();
        if found.len() == MAX_FILES || names_bytes > MAX_NAMES_BYTES {
            zip.notes.push(format!(
                "The zip holds more than {} files; the others were left out.",
                found.len()
            ));
            break;
        }
        let place = Place {
            header: entry.header_start(),
            packed: entry.compressed_size(),
            size: entry.size(),
            crc32: entry.crc32(),
            method: match entry.compression() {
                CompressionMethod::Stored => Method::Stored,
                CompressionMethod::Deflated => Method::Deflated,
                _ => Method::Unknown,
            },
        };
        let says_utf8 = entry.flags().as_u16() & 0x0800 != 0;
        let raw = entry.name_raw().to_vec();
        let unicode = match raw.is_ascii() || says_utf8 {
            true => None,
            false => unicode_path(entry, entries.reader_mut(), &raw),
        };
        found.push((unicode.unwrap_or(raw), says_utf8, place));
    }
    if overlaps(found.iter().map(|(_, _, place)| place)) {
        return Err("The files in this zip share their bytes, as in a zip made to fill memory: pack it again.".into());
    }
    let names = legacy::decode(
        found
            .iter()
            .map(|(raw, says_utf8, _)| (&raw[..], *says_utf8)),
    );
    let files = names.into_iter().zip(found);
    zip.files = files
        .filter_map(|(name, (_, _, place))| {
            Some(Packed {
                path: inner_path(&name)?,
                place,
            })
        })
        .collect();
    if is_locked {
        zip.notes.push(
            "The zip is locked with a password: unpack it, and add its images by themselves."
                .into(),
        );
    }
    Ok(zip)
}

/// The bytes of a file in a zip.
///
/// # Errors
/// A sentence about the file: damaged, packed in an unknown way, or larger than [`MAX_FILE_BYTES`].
pub fn unpack(file: &(impl RangeReader + ?Sized), place: &Place) -> Result<Vec<u8>, String> {
    if place.size > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // What the directory says of the size is not to be trusted: the limit is on what comes.
    data(file, place, CHUNK_BYTES)?
        .take(place.size + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| DAMAGED_FILE)?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    if bytes.len() as u64 != place.size || crc.sum() != place.crc32 {
        return Err(DAMAGED_FILE.into());
    }
    Ok(bytes)
}

/// The first bytes of a file in a zip, at most `length`.
///
/// # Errors
/// As [`unpack`].
pub fn start(
    file: &(impl RangeReader + ?Sized),
    place: &Place,
    length: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    data(file, place, length)?
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|_| DAMAGED_FILE)?;
    Ok(bytes)
}

/// What is said of a file that is too large to be read.
pub fn too_large() -> String {
    format!(
        "The file has more than {} MiB, which is too large for an image here.",
        MAX_FILE_BYTES >> 20
    )
}

/// Unpacks a file as it is read, some `chunk_bytes` of it at once.
fn data<'f>(
    file: &'f (impl RangeReader + ?Sized),
    place: &Place,
    chunk_bytes: usize,
) -> Result<Box<dyn Read + 'f>, String> {
    // Before the data come a header of 30 bytes, the name, and other fields, mostly short ones.
    let chunk_bytes = place.packed.min(chunk_bytes as u64) as usize + 512;
    let mut reader = BufferedReader::new(file, place.header, chunk_bytes);
    let mut header = [0; 30];
    reader.read_exact(&mut header).map_err(|_| DAMAGED_FILE)?;
    let length = |at: usize| i64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let is_header = header.starts_with(b"PK\x03\x04");
    let skipped = reader.seek_relative(length(26) + length(28));
    if !is_header || skipped.is_err() {
        return Err(DAMAGED_FILE.into());
    }
    let packed = reader.take(place.packed);
    match place.method {
        Method::Stored => Ok(Box::new(packed)),
        Method::Deflated => Ok(Box::new(DeflateDecoder::new(packed))),
        Method::Unknown => Err("The file is packed in a way that cannot be read here: pack it as an ordinary zip (deflate).".into()),
    }
}

/// What the system says of a file that could not be read.
pub fn unreadable(error: io::Error) -> String {
    format!("The file cannot be read, or no longer ({error}).")
}

/// The path that a packer of another code page gives beside the name, in UTF-8.
fn unicode_path<F: RangeReader + ?Sized>(
    entry: ZipFileEntry<'static>,
    reader: &mut BufferedReader<'_, F>,
    raw: &[u8],
) -> Option<Vec<u8>> {
    let file = entry.with_reader(reader, ZipReadOptions::new()).ok()?;
    let mut fields = file.extra_data_fields();
    fields.find_map(|field| match field {
        ExtraField::UnicodePath(path) => Some(path.clone().unwrap_valid(raw).ok()?.into_vec()),
        _ => None,
    })
}

/// Whether two files share bytes: only a zip that is made to unpack to more than it holds has such.
fn overlaps<'a>(places: impl Iterator<Item = &'a Place>) -> bool {
    let mut spans: Vec<(u64, u64)> = places
        .map(|place| {
            (
                place.header,
                place.header.saturating_add(30).saturating_add(place.packed),
            )
        })
        .collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

/// A file's path in the zip; none for folders and what systems leave in zips.
fn inner_path(name: &str) -> Option<String> {
    let path = nfc(name).replace('\\', "/");
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !["", ".", ".."].contains(part))
        .collect();
    let is_junk = |part: &&str| part.starts_with('.') || *part == "__MACOSX";
    let is_file = !path.ends_with('/') && !parts.is_empty() && !parts.iter().any(is_junk);
    is_file.then(|| parts.join("/"))
}

/// What is wrong with a zip whose directory cannot be read.
fn said(error: ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(_) => "The zip is one of several parts, or packed in a way that cannot be read here: pack it as one ordinary zip.".into(),
        _ => DAMAGED.into(),
    }
}
