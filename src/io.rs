//! Reading files by byte ranges, so that memory never holds more of a file than the part in use.

use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};

/// Bytes that [`BufferedReader`] requests at once when it reads a file from start to end.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// A source of bytes that is read by ranges: a file on disk, a `Blob` of the browser, or bytes in memory.
///
/// `tests/data_archive.rs` implements it for a file of 5 GB that does not exist.
pub trait RangeReader {
    /// Returns the length of the source in bytes.
    fn size(&self) -> u64;

    /// Reads `length` bytes from `offset` on; fewer where the source ends earlier, none where `offset` lies beyond its end.
    ///
    /// # Errors
    /// The system's error if the file cannot be read, or no longer.
    fn read_range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl RangeReader for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).map_or(self.len(), |start| start.min(self.len()));
        let end = start.saturating_add(length).min(self.len());
        Ok(self[start..end].to_vec())
    }
}

#[cfg(not(target_family = "wasm"))]
impl RangeReader for std::fs::File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (self, Vec::new());
        file.seek(SeekFrom::Start(offset))?;
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads and seeks in a [`RangeReader`], with one chunk of it in memory.
pub(crate) struct BufferedReader<'f, F: ?Sized> {
    file: &'f F,
    size: u64,
    position: u64,
    chunk_bytes: usize,
    chunk: Vec<u8>,
    chunk_start: u64,
}

impl<'f, F: RangeReader + ?Sized> BufferedReader<'f, F> {
    /// Starts at byte `position` and requests `chunk_bytes` at once.
    pub(crate) fn new(file: &'f F, position: u64, chunk_bytes: usize) -> Self {
        BufferedReader {
            file,
            size: file.size(),
            position,
            chunk_bytes,
            chunk: Vec::new(),
            chunk_start: 0,
        }
    }
}

impl<F: RangeReader + ?Sized> Read for BufferedReader<'_, F> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || to.is_empty() {
            return Ok(0);
        }
        let is_buffered = self.position >= self.chunk_start
            && self.position - self.chunk_start < self.chunk.len() as u64;
        if !is_buffered {
            self.chunk = self.file.read_range(self.position, self.chunk_bytes)?;
            self.chunk_start = self.position;
        }
        let rest = &self.chunk[(self.position - self.chunk_start) as usize..];
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<F: RangeReader + ?Sized> Seek for BufferedReader<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffered_reader_returns_the_bytes_at_every_position() {
        let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 7).map(|i| (i / 251) as u8).collect();
        let mut reader = BufferedReader::new(&bytes[..], 0, CHUNK_BYTES);
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).expect("reads");
        assert!(whole == bytes);
        for (to, at) in [
            (SeekFrom::Start(CHUNK_BYTES as u64 - 3), CHUNK_BYTES - 3),
            (SeekFrom::Current(-5), CHUNK_BYTES - 2),
            (SeekFrom::End(-6), bytes.len() - 6),
        ] {
            assert_eq!(reader.seek(to).expect("is inside"), at as u64);
            let mut six = [0; 6];
            reader.read_exact(&mut six).expect("six bytes");
            assert_eq!(six, bytes[at..at + 6]);
        }
        reader
            .seek(SeekFrom::End(9))
            .expect("a position beyond the end");
        assert_eq!(reader.read(&mut [0]).expect("nothing"), 0);
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
    }
}
