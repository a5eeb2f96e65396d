//! Reading zips: the directory once, then each file by its offset.

use std::io::{self, Read, Seek};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::extra_fields::ExtraField;
use zip::read::{Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, ZipReadOptions};

use crate::data::code_pages;
use crate::data::nfc::nfc;
use crate::io::{BufferedReader, CHUNK_BYTES, RangeReader};

/// Largest file that is read, unpacked, bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most files that are read from one zip.
const MAX_FILES: usize = 100_000;
/// Most bytes of the names of all files in a zip.
const MAX_NAMES_BYTES: usize = 32 << 20;

const DAMAGED: &str =
    "The zip file is damaged or incomplete. Pack it again, or add its images on their own.";
const DAMAGED_FILE: &str = "The file is damaged in the zip. Pack it again.";

/// Contents of a zip.
#[derive(Debug, Default)]
pub struct Zip {
    /// Files in their order, without folders, links, encrypted or hidden files, and `__MACOSX`.
    pub files: Vec<ZipFile>,
    /// Sentences about the parts of the zip that could not be read.
    pub notes: Vec<String>,
}

/// A file in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipFile {
    /// Path in the zip, with `/` between its parts. Two files may have the same path.
    pub path: String,
    /// Position in the zip.
    pub entry: ZipEntry,
}

/// Entry of a file in the zip's directory: its position, length and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZipEntry {
    /// Offset of the local header, bytes.
    header: u64,
    /// Length of the packed data, bytes.
    packed: u64,
    /// Length of the unpacked file, bytes.
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

/// Returns true if a file with these first bytes is a zip.
///
/// ```
/// assert!(autolink::data::archive::is_zip(b"PK\x03\x04\x14"));
/// ```
pub fn is_zip(start: &[u8]) -> bool {
    [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"]
        .iter()
        .any(|magic| start.starts_with(magic))
}

/// Reads the directory of a zip, and none of the files' data. A zip of any size is read in chunks of some hundred kilobytes. See
/// `tests/data_archive.rs`.
///
/// `code_pages::decode` decodes the names that are not marked as UTF-8; no file is dropped because of its name's bytes.
///
/// # Errors
/// A sentence about the zip: it is damaged, or one of several parts, or its files overlap.
pub fn read_directory(file: &(impl RangeReader + ?Sized)) -> Result<Zip, String> {
    let mut walk =
        ZipIterable::try_new(BufferedReader::new(file, 0, CHUNK_BYTES), Config::default())
            .map_err(error_message)?;
    let (mut zip, mut found) = (Zip::default(), Vec::new());
    let (mut names_bytes, mut is_encrypted) = (0, false);
    let records = walk.files().map_err(error_message)?;
    while let Some(record) = records.next() {
        let Ok(record) = record else {
            zip.notes.push(format!(
                "{DAMAGED} The files that its directory still lists were read."
            ));
            break;
        };
        is_encrypted |= record.encrypted();
        if record.is_symlink() || record.encrypted() {
            continue;
        }
        names_bytes += record.name_raw().len();
        if found.len() == MAX_FILES || names_bytes > MAX_NAMES_BYTES {
            zip.notes.push(format!(
                "The zip has more than {} files. The others were ignored.",
                found.len()
            ));
            break;
        }
        let entry = ZipEntry {
            header: record.header_start(),
            packed: record.compressed_size(),
            size: record.size(),
            crc32: record.crc32(),
            method: match record.compression() {
                CompressionMethod::Stored => Method::Stored,
                CompressionMethod::Deflated => Method::Deflated,
                _ => Method::Unknown,
            },
        };
        let says_utf8 = record.flags().as_u16() & 0x0800 != 0;
        let raw = record.name_raw().to_vec();
        let unicode = match raw.is_ascii() || says_utf8 {
            true => None,
            false => unicode_path(record, records.reader_mut(), &raw),
        };
        found.push((unicode.unwrap_or(raw), says_utf8, entry));
    }
    if overlaps(found.iter().map(|(_, _, entry)| entry)) {
        return Err("Files in this zip share their bytes, as in a zip that is made to fill memory. Pack it again.".into());
    }
    let names = code_pages::decode(
        found
            .iter()
            .map(|(raw, says_utf8, _)| (&raw[..], *says_utf8)),
    );
    let files = names.into_iter().zip(found);
    zip.files = files
        .filter_map(|(name, (_, _, entry))| {
            Some(ZipFile {
                path: inner_path(&name)?,
                entry,
            })
        })
        .collect();
    if is_encrypted {
        zip.notes.push(
            "The zip is protected by a password. Unpack it, and add its images on their own."
                .into(),
        );
    }
    Ok(zip)
}

/// Unpacks a file, and checks its length and CRC-32. See `tests/data_archive.rs`.
///
/// # Errors
/// A sentence about the file: it is damaged, uses an unknown compression method, or has more than [`MAX_FILE_BYTES`].
pub fn unpack(file: &(impl RangeReader + ?Sized), entry: &ZipEntry) -> Result<Vec<u8>, String> {
    if entry.size > MAX_FILE_BYTES {
        return Err(too_large_message());
    }
    let mut bytes = Vec::new();
    // The size in the directory may be wrong, so the limit is on the bytes that arrive.
    open(file, entry, CHUNK_BYTES)?
        .take(entry.size + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| DAMAGED_FILE)?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    if bytes.len() as u64 != entry.size || crc.sum() != entry.crc32 {
        return Err(DAMAGED_FILE.into());
    }
    Ok(bytes)
}

/// Unpacks the first bytes of a file, at most `length`. See `tests/data_archive.rs`.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_start(
    file: &(impl RangeReader + ?Sized),
    entry: &ZipEntry,
    length: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    open(file, entry, length)?
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|_| DAMAGED_FILE)?;
    Ok(bytes)
}

/// Returns the message for a file that is too large to be read.
pub fn too_large_message() -> String {
    format!(
        "The file has more than {} MiB, which is too large for an image.",
        MAX_FILE_BYTES >> 20
    )
}

/// Opens a file for reading: it is unpacked as it is read, from chunks of some `chunk_bytes`.
fn open<'f>(
    file: &'f (impl RangeReader + ?Sized),
    entry: &ZipEntry,
    chunk_bytes: usize,
) -> Result<Box<dyn Read + 'f>, String> {
    // A header of 30 bytes, the name and extra fields precede the data; they are mostly short.
    let chunk_bytes = entry.packed.min(chunk_bytes as u64) as usize + 512;
    let mut reader = BufferedReader::new(file, entry.header, chunk_bytes);
    let mut header = [0; 30];
    reader.read_exact(&mut header).map_err(|_| DAMAGED_FILE)?;
    let length = |at: usize| i64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let is_header = header.starts_with(b"PK\x03\x04");
    let skipped = reader.seek_relative(length(26) + length(28));
    if !is_header || skipped.is_err() {
        return Err(DAMAGED_FILE.into());
    }
    let packed = reader.take(entry.packed);
    match entry.method {
        Method::Stored => Ok(Box::new(packed)),
        Method::Deflated => Ok(Box::new(DeflateDecoder::new(packed))),
        Method::Unknown => Err("The compression method of this file is not supported. Pack it as an ordinary zip (deflate).".into()),
    }
}

/// Returns the message for a file that the system could not read.
pub fn unreadable_message(error: io::Error) -> String {
    format!("The file cannot be read ({error}). If it was moved or changed, choose it again.")
}

/// Returns the path in UTF-8 that some packers store beside a name in a code page.
fn unicode_path<F: RangeReader + ?Sized>(
    record: ZipFileEntry<'static>,
    reader: &mut BufferedReader<'_, F>,
    raw: &[u8],
) -> Option<Vec<u8>> {
    let file = record.with_reader(reader, ZipReadOptions::new()).ok()?;
    let mut fields = file.extra_data_fields();
    fields.find_map(|field| match field {
        ExtraField::UnicodePath(path) => Some(path.clone().unwrap_valid(raw).ok()?.into_vec()),
        _ => None,
    })
}

/// Returns true if two files share bytes, as only zips do that are made to unpack to more than they hold.
fn overlaps<'a>(places: impl Iterator<Item = &'a ZipEntry>) -> bool {
    let mut spans: Vec<(u64, u64)> = places
        .map(|entry| {
            (
                entry.header,
                entry.header.saturating_add(30).saturating_add(entry.packed),
            )
        })
        .collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

/// Normalises a file's path in the zip; returns none for folders and for files that operating systems leave in zips.
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

/// Returns the message for a zip whose directory cannot be read.
fn error_message(error: ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(_) => "The zip is one of several parts, or of an unsupported kind. Pack it as one ordinary zip.".into(),
        _ => DAMAGED.into(),
    }
}
