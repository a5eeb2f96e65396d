//! Images and videos are known by their content: 128 bits of SipHash-1-3 over a file's bytes, as 32 hexadecimal digits. A frame of a video
//! is the video's digits, `#` and its number.
//!
//! A file of more than 64 MiB is known by its length and 64 slices of it, evenly spread from its first byte to its last; so a video
//! of any length takes as long as one of 64 MiB, and no file is in memory as a whole.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Length of a slice of a file that is read whole, bytes.
const SLICE: u64 = 4 << 20;
/// Files up to this length are read whole, bytes.
const WHOLE: u64 = 64 << 20;
/// So many slices of a longer file are read, ...
const SAMPLES: u64 = 64;
/// ... of this length each, bytes.
const SAMPLE: u64 = 1 << 20;

/// Takes a file's slices one by one; see [`Content::slices`].
pub struct Content {
    hasher: SipHasher13,
}

impl Content {
    /// Begins with a file of so many bytes.
    pub fn new(size: u64) -> Content {
        let mut hasher = SipHasher13::new();
        hasher.write(&size.to_le_bytes());
        Content { hasher }
    }

    /// Which slices of a file are to be added, in order: offset and length in bytes.
    pub fn slices(size: u64) -> Vec<(u64, usize)> {
        if size > WHOLE {
            let at = |i: u64| (size - SAMPLE) / (SAMPLES - 1) * i;
            let starts = (0..SAMPLES - 1).map(at).chain([size - SAMPLE]);
            return starts.map(|start| (start, SAMPLE as usize)).collect();
        }
        let starts = (0..size).step_by(SLICE as usize);
        starts
            .map(|start| (start, SLICE.min(size - start) as usize))
            .collect()
    }

    /// Adds the next slice.
    pub fn add(&mut self, slice: &[u8]) {
        self.hasher.write(slice);
    }

    /// Returns 32 hexadecimal digits.
    pub fn digits(&self) -> String {
        format!("{:032x}", self.hasher.finish128().as_u128())
    }
}

/// Returns what a file with these bytes is known by.
pub fn of_bytes(bytes: &[u8]) -> String {
    let size = bytes.len() as u64;
    let mut content = Content::new(size);
    for (start, length) in Content::slices(size) {
        content.add(&bytes[start as usize..][..length]);
    }
    content.digits()
}

/// Returns what a frame of a video is known by.
pub fn of_frame(video: &str, frame: u64) -> String {
    format!("{video}#{frame}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_file_counts_and_so_does_its_length() {
        let bytes: Vec<u8> = (0..9 << 20).map(|i: u32| (i / 7) as u8).collect();
        let known = of_bytes(&bytes);
        assert_eq!(known.len(), 32);
        assert_eq!(of_bytes(&bytes), known);
        for at in [0, SLICE as usize - 1, SLICE as usize, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(of_bytes(&other), known, "{at}");
        }
        assert_ne!(of_bytes(&bytes[..bytes.len() - 1]), known);
        assert_ne!(of_bytes(&[]), of_bytes(&[0]));
        // The same bytes are known the same by every version of this program.
        assert_eq!(of_bytes(b"abc"), "1aa268d9dc06bcbfc5ec159d3a5d13c9");
        assert_ne!(of_frame(&known, 1), of_frame(&known, 11));
    }

    #[test]
    fn a_long_file_is_sampled_from_its_first_byte_to_its_last() {
        for size in [WHOLE + 1, 20 << 30] {
            let slices = Content::slices(size);
            assert_eq!(slices.len(), SAMPLES as usize);
            assert_eq!(slices[0].0, 0);
            let ends = slices.iter().map(|(start, length)| start + *length as u64);
            assert_eq!(ends.max(), Some(size));
        }
        let covered: u64 = Content::slices(WHOLE).iter().map(|(_, n)| *n as u64).sum();
        assert_eq!(covered, WHOLE);
    }
}
