//! Files read by slices, so that nothing larger than an image is ever in memory.

use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};

/// What is read of a file at once when all of it is walked through, bytes.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// A file that is read by slices: one on disk, or one that the browser holds.
pub trait Slices {
    /// Its length, bytes.
    fn size(&self) -> u64;

    /// `length` bytes from `offset` on, or as many as there are.
    ///
    /// # Errors
    /// What the system says where the file cannot be read, or no longer.
    fn slice(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl Slices for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slice(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).map_or(self.len(), |start| start.min(self.len()));
        let end = start.saturating_add(length).min(self.len());
        Ok(self[start..end].to_vec())
    }
}

#[cfg(not(target_family = "wasm"))]
impl Slices for std::fs::File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn slice(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (self, Vec::new());
        file.seek(SeekFrom::Start(offset))?;
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Walks through a file from `at` on, a piece of it in memory.
pub(super) struct Reader<'f, F: ?Sized> {
    file: &'f F,
    size: u64,
    at: u64,
    piece_bytes: usize,
    piece: Vec<u8>,
    piece_at: u64,
}

impl<'f, F: Slices + ?Sized> Reader<'f, F> {
    /// From `at` on, `piece_bytes` at once.
    pub(super) fn new(file: &'f F, at: u64, piece_bytes: usize) -> Self {
        Reader {
            file,
            size: file.size(),
            at,
            piece_bytes,
            piece: Vec::new(),
            piece_at: 0,
        }
    }
}

impl<F: Slices + ?Sized> Read for Reader<'_, F> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || to.is_empty() {
            return Ok(0);
        }
        let is_here = self.at >= self.piece_at && self.at - self.piece_at < self.piece.len() as u64;
        if !is_here {
            self.piece = self.file.slice(self.at, self.piece_bytes)?;
            self.piece_at = self.at;
        }
        let rest = &self.piece[(self.at - self.piece_at) as usize..];
        let count = rest.len().min(to.len());
        to[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl<F: Slices + ?Sized> Seek for Reader<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gives_what_the_file_holds_wherever_it_is() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 7).map(|i| (i / 251) as u8).collect();
        let mut reader = Reader::new(&bytes[..], 0, PIECE_BYTES);
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).expect("reads");
        assert!(whole == bytes);
        for (to, at) in [
            (SeekFrom::Start(PIECE_BYTES as u64 - 3), PIECE_BYTES - 3),
            (SeekFrom::Current(-5), PIECE_BYTES - 2),
            (SeekFrom::End(-6), bytes.len() - 6),
        ] {
            assert_eq!(reader.seek(to).expect("is inside"), at as u64);
            let mut six = [0; 6];
            reader.read_exact(&mut six).expect("six bytes");
            assert_eq!(six, bytes[at..at + 6]);
        }
        reader.seek(SeekFrom::End(9)).expect("may lie behind it");
        assert_eq!(reader.read(&mut [0]).expect("nothing"), 0);
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
    }
}
