//! Reads files by ranges, and takes numbers from bytes.

use super::wrong;
use crate::error::{Error, Result};

/// A file that is read by ranges: bytes in memory, a file on a disk, a `Blob` in a browser.
pub trait ReadAt {
    /// Returns the length, bytes.
    fn size(&self) -> u64;

    /// Reads `length` bytes from `offset` on: at most 4 MiB, within [`ReadAt::size`].
    ///
    /// # Errors
    /// [`Error::File`] if they cannot be read.
    #[expect(async_fn_in_trait, reason = "a browser's worker has one thread")]
    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..length))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| wrong("it ends unexpectedly"))
    }
}

#[cfg(not(target_family = "wasm"))]
impl ReadAt for std::fs::File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let (mut file, mut bytes) = (self, vec![0; length]);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| {
                Error::File("The checkpoint cannot be read.".into()).with_source(error)
            })?;
        Ok(bytes)
    }
}

/// Takes little-endian numbers from the front of bytes.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes the bytes before the next line feed, and the line feed.
    pub(super) fn line(&mut self) -> Result<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or_else(too_short)?)?;
        self.take(1)?;
        Ok(line)
    }
}

pub(super) fn too_short() -> Error {
    wrong("it ends unexpectedly")
}
