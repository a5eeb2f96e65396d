//! Reads the directory and the stored entries of the zip around a checkpoint.

use std::collections::HashMap;

use super::file::{Cursor, ReadAt, too_short};
use super::{is_pickle, printable, wrong};
use crate::error::{Error, Result};

/// Maximum length of the pickle, bytes. The authors' have about 60 kB.
const MAX_PICKLE: u64 = 4 << 20;

/// Maximum length of the zip directory, bytes. The authors' have about 40 kB.
const MAX_DIRECTORY: u64 = 4 << 20;

/// Returns whether a file of this name may be a model.
fn is_model_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".ckpt", ".pt", ".pth", ".safetensors"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Returns the error for a zip that contains a model file.
fn needs_unpacking(name: &str) -> Error {
    Error::Model(format!(
        "This is a zip that contains {}. Unpack it first, then open that file.",
        printable(name)
    ))
}

/// A zip of stored entries.
pub(super) struct Archive<'f, F: ?Sized> {
    file: &'f F,
    /// First folder of all names.
    prefix: String,
    entries: HashMap<String, Entry>,
}

/// Position of an entry in the file, bytes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Start of its local header, which is followed by a name, padding and the data.
    header: u64,
    /// Length of the data.
    pub(super) size: u64,
    /// Start of the next entry or of the directory.
    end: u64,
    /// True if the entry is compressed or encrypted.
    is_packed: bool,
}

impl<'f, F: ReadAt + ?Sized> Archive<'f, F> {
    /// Reads the directory.
    pub(super) async fn open(file: &'f F) -> Result<Self> {
        let mut archive = Archive {
            file,
            prefix: String::new(),
            entries: HashMap::new(),
        };
        // The end record: 22 bytes, then a comment of up to 65,535; before it, in large files, a locator of 20.
        let start = file.size().saturating_sub(20 + 22 + 0xffff);
        let tail = archive.bytes(start, file.size() - start).await?;
        let is_end = |&at: &usize| {
            let comment = tail.len() - at - 22;
            tail[at..].starts_with(b"PK\x05\x06")
                && tail[at + 20..at + 22] == (comment as u16).to_le_bytes()
                && comment <= 0xffff
        };
        let Some(at) = (0..(tail.len() + 1).saturating_sub(22)).rev().find(is_end) else {
            let start = archive.bytes(0, file.size().min(9)).await?;
            return Err(wrong(if is_pickle(&start) {
                "PyTorch before 1.6 wrote it. Load it and save it again with a newer version"
            } else {
                "it is not a PyTorch file, or it is incomplete"
            }));
        };
        let mut end = Cursor(&tail[at + 10..]);
        let mut count = u64::from(end.u16()?);
        let mut length = u64::from(end.u32()?);
        let mut offset = u64::from(end.u32()?);
        let mut limit = start + at as u64;
        if count == 0xffff || length == 0xffff_ffff || offset == 0xffff_ffff {
            let locator = at.checked_sub(20).map(|at| &tail[at..]);
            let mut locator = Cursor(locator.unwrap_or_default());
            if locator.take(4)? != b"PK\x06\x07" {
                return Err(wrong("its zip directory is damaged"));
            }
            locator.take(4)?;
            limit = locator.u64()?;
            let record = archive.bytes(limit, 56).await?;
            let mut record = Cursor(&record);
            if record.take(4)? != b"PK\x06\x06" {
                return Err(wrong("its zip directory is damaged"));
            }
            record.take(28)?;
            count = record.u64()?;
            length = record.u64()?;
            offset = record.u64()?;
        }
        if length > MAX_DIRECTORY || offset.checked_add(length).is_none_or(|end| end > limit) {
            return Err(wrong("its zip directory is damaged"));
        }

        let directory = archive.bytes(offset, length).await?;
        let mut rest = Cursor(&directory);
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(entry(&mut rest)?);
        }
        if let Some((packed, _)) = found.iter().find(|(_, entry)| entry.is_packed) {
            let mut names = found.iter().map(|(name, _)| name);
            return Err(names.find(|name| is_model_file(name)).map_or_else(
                || {
                    wrong(format!(
                        "its entry {} is compressed, which PyTorch does not do. Unpack it, and save the model again with torch.save",
                        printable(packed)
                    ))
                },
                |name| needs_unpacking(name),
            ));
        }
        // No two entries share bytes, so nothing can be larger than the file.
        found.sort_by_key(|(_, entry)| entry.header);
        let mut end = offset;
        for (name, mut entry) in found.into_iter().rev() {
            let least = entry.header.checked_add(30);
            if least
                .and_then(|least| least.checked_add(entry.size))
                .is_none_or(|least| least > end)
            {
                return Err(wrong(format!(
                    "its entry {} overlaps another one",
                    printable(&name)
                )));
            }
            entry.end = end;
            end = entry.header;
            if let Some(_twice) = archive.entries.insert(name, entry) {
                return Err(wrong("two of its entries have the same name"));
            }
        }

        let mut prefixes = archive.entries.keys().filter_map(|name| {
            let (prefix, file) = name.split_once('/')?;
            (file == "data.pkl").then_some(prefix)
        });
        let (Some(prefix), None) = (prefixes.next(), prefixes.next()) else {
            let wrapped = archive.entries.keys().find(|name| is_model_file(name));
            return Err(wrapped.map_or_else(
                || wrong("it is a zip, but PyTorch did not write it"),
                |name| needs_unpacking(name),
            ));
        };
        archive.prefix = prefix.to_string();
        // Newer files have "little" or "big" here.
        if archive
            .entry("byteorder")
            .is_some_and(|order| order.size == 3)
        {
            return Err(wrong("its numbers are big-endian"));
        }
        Ok(archive)
    }

    /// Reads `data.pkl`.
    pub(super) async fn pickle(&self) -> Result<Vec<u8>> {
        let entry = self.entry("data.pkl").ok_or_else(too_short)?;
        if entry.size > MAX_PICKLE {
            return Err(wrong("its pickle (data.pkl) is too long"));
        }
        self.bytes(self.data(entry).await?, entry.size).await
    }

    pub(super) fn entry(&self, name: &str) -> Option<Entry> {
        self.entries
            .get(&format!("{}/{name}", self.prefix))
            .copied()
    }

    /// Returns the start of an entry's data, which its local header determines.
    pub(super) async fn data(&self, entry: Entry) -> Result<u64> {
        let header = self.bytes(entry.header, 30).await?;
        let mut header = Cursor(&header);
        if header.take(4)? != b"PK\x03\x04" {
            return Err(wrong("its zip directory does not match its entries"));
        }
        header.take(22)?;
        let data = entry.header + 30 + u64::from(header.u16()?) + u64::from(header.u16()?);
        if data + entry.size > entry.end {
            return Err(wrong("its zip directory does not match its entries"));
        }
        Ok(data)
    }

    /// Reads a range of the file.
    pub(super) async fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.file.size())
        {
            return Err(wrong("it refers to bytes beyond its end"));
        }
        let length = length as usize; // at most 4 MiB
        let bytes = self.file.read_at(offset, length).await?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(too_short())
        }
    }
}

/// Parses an entry of the zip's directory. Its end is not known yet.
fn entry(rest: &mut Cursor) -> Result<(String, Entry)> {
    if rest.take(4)? != b"PK\x01\x02" {
        return Err(wrong("its zip directory is damaged"));
    }
    rest.take(4)?;
    let (flags, method) = (rest.u16()?, rest.u16()?);
    rest.take(8)?;
    let (packed, size) = (u64::from(rest.u32()?), u64::from(rest.u32()?));
    let (name, extra, comment) = (rest.u16()?, rest.u16()?, rest.u16()?);
    rest.take(8)?;
    let header = u64::from(rest.u32()?);
    let name = String::from_utf8_lossy(rest.take(name.into())?).into_owned();
    let mut extra = Cursor(rest.take(extra.into())?);
    rest.take(comment.into())?;

    // Values of more than 32 bits are in the extra field 1, in this order.
    let mut wide = [size, packed, header];
    if wide.contains(&0xffff_ffff) {
        let mut field = loop {
            let (kind, length) = (extra.u16()?, extra.u16()?);
            let field = extra.take(length.into())?;
            if kind == 1 {
                break Cursor(field);
            }
        };
        for value in wide.iter_mut().filter(|value| **value == 0xffff_ffff) {
            *value = field.u64()?;
        }
    }
    let [size, packed, header] = wide;
    let is_packed = method != 0 || flags & 1 != 0 || packed != size;
    let entry = Entry {
        header,
        size,
        end: header,
        is_packed,
    };
    Ok((name, entry))
}

#[cfg(test)]
mod tests {
    use super::super::samples::*;
    use super::*;

    #[test]
    fn open_asks_to_unpack_zips() {
        let inner = lightning();
        for (name, method) in [("epoch=3.ckpt", 0), ("runs/m.PT", 8), ("m.safetensors", 8)] {
            let message = quickly(&zip_of(&[
                ("readme.txt", 8, b"hello"),
                (name, method, &inner),
            ]));
            let message = message.expect_err("is refused").to_string();
            assert!(
                message.contains(name) && message.contains("Unpack it first"),
                "{message}"
            );
        }
    }

    #[test]
    fn open_reads_zip64() {
        // The same file with its end record saying "see the other one".
        let good = lightning();
        let (body, end) = good.split_at(good.len() - 22);
        let at = body.len() as u64;
        let number = |place: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| end[place + i]));
        let mut bytes = body.to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend([0; 28]);
        bytes.extend(u64::from(number(8) & 0xffff).to_le_bytes());
        bytes.extend(u64::from(number(12)).to_le_bytes());
        bytes.extend(u64::from(number(16)).to_le_bytes());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(b"PK\x05\x06");
        bytes.extend([0xff; 16]);
        bytes.extend([0; 2]);
        assert_eq!(quickly(&bytes).expect("reads").tensors.len(), 2);
        // A directory entry with its size in the extra field.
        let mut name = vec![0; 46 + 1 + 20];
        name[..4].copy_from_slice(b"PK\x01\x02");
        name[20..28].copy_from_slice(&[0xff; 8]);
        (name[28], name[30], name[46]) = (1, 20, b'x');
        name[47..51].copy_from_slice(&[1, 0, 16, 0]);
        (name[51], name[55], name[59], name[63]) = (7, 1, 7, 1);
        let (name, entry) = entry(&mut Cursor(&name)).expect("reads");
        assert_eq!((&name[..], entry.size), ("x", 7 + (1 << 32)));
    }

    #[test]
    fn open_rejects_hostile_zips() {
        let good = lightning();
        let edited = |at: usize, with: &[u8]| {
            let mut bytes = good.clone();
            bytes[at..at + with.len()].copy_from_slice(with);
            bytes
        };
        let end = good.len() - 22;
        let directory = end - (46 * 4 + "m/data.pklm/byteorderm/data/0m/data/1".len());
        #[rustfmt::skip] // one line per case
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "not a PyTorch file"),
            ("text", b"no model".repeat(99), "not a PyTorch file"),
            ("the old format", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), "before 1.6"),
            ("half", good[..good.len() / 2].to_vec(), "it is incomplete"),
            ("without its end", good[..good.len() - 1].to_vec(), "it is incomplete"),
            ("without its begin", good[1..].to_vec(), "directory is damaged"),
            ("many entries", edited(end + 10, &[0xfe, 0xff]), "ends unexpectedly"),
            ("a zip64 that is none", edited(end + 10, &[0xff, 0xff]), "directory is damaged"),
            ("a long directory", edited(end + 12, &[0xff; 3]), "directory is damaged"),
            ("a directory beyond the end", edited(end + 16, &[0xff; 3]), "directory is damaged"),
            ("a directory elsewhere", edited(end + 16, &[0]), "directory is damaged"),
            ("a huge entry", edited(directory + 20, &[0xf0, 0xff, 0xff, 0x7f, 0xf0, 0xff, 0xff, 0x7f]), "overlaps"),
            ("an overlap", edited(directory + 46 + 10 + 42, &[9, 0]), "overlaps"),
            ("an entry elsewhere", edited(directory + 42, &[1]), "does not match"),
            ("padding into the next", edited(28, &[0xff, 0xff]), "does not match"),
            ("compressed", zip_of(&[("m/data.pkl", 8, b".")]), "compressed"),
            ("two names", zip_of(&[("m/data.pkl", 0, b"."), ("m/data.pkl", 0, b".")]), "same name"),
            ("two pickles", zip_of(&[("m/data.pkl", 0, b"."), ("n/data.pkl", 0, b".")]), "PyTorch did not write it"),
            ("pictures", zip_of(&[("m/1.png", 0, b"x")]), "PyTorch did not write it"),
            ("big-endian", zip_of(&[("m/data.pkl", 0, b"."), ("m/byteorder", 0, b"big")]), "big-endian"),
        ];
        for (what, bytes, expected) in cases {
            let message = quickly(&bytes).expect_err(what).to_string();
            assert!(message.contains(expected), "{what}: {message}");
        }
    }
}
