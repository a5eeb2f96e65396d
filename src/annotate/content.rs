//! Images and videos are identified by their content: 128 bits of SipHash-1-3 over a file's length and bytes, as 32 hexadecimal
//! digits. A frame of a video is the video's digits, `#` and the frame's number.
//!
//! Of a file of more than 64 MiB, 64 slices are hashed, evenly spread from its first byte to its last; so a video of any length takes
//! as long as one of 64 MiB, and no file is in memory as a whole.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Length of a slice of a file that is hashed completely, bytes.
const SLICE: u64 = 4 << 20;
/// Greatest length of a file that is hashed completely, bytes.
const WHOLE: u64 = 64 << 20;
/// Number of slices of a longer file.
const SAMPLES: u64 = 64;
/// Length of each slice of a longer file, bytes.
const SAMPLE: u64 = 1 << 20;

/// Hashes a file slice by slice; see [`ContentHasher::slices`] and [`hash_bytes`].
pub struct ContentHasher {
    hasher: SipHasher13,
}

impl ContentHasher {
    /// Begins a file of `size` bytes.
    pub fn new(size: u64) -> ContentHasher {
        let mut hasher = SipHasher13::new();
        hasher.write(&size.to_le_bytes());
        ContentHasher { hasher }
    }

    /// Lists the slices of a file that are to be added, in order: offset and length in bytes.
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

    /// Returns the content, 32 hexadecimal digits.
    pub fn digits(&self) -> String {
        format!("{:032x}", self.hasher.finish128().as_u128())
    }
}

/// Returns the content of a file with these bytes, 32 hexadecimal digits.
///
/// ```
/// use autolink::annotate::content::hash_bytes;
///
/// assert_eq!(hash_bytes(b"abc"), "1aa268d9dc06bcbfc5ec159d3a5d13c9");
/// ```
pub fn hash_bytes(bytes: &[u8]) -> String {
    let size = bytes.len() as u64;
    let mut content = ContentHasher::new(size);
    for (start, length) in ContentHasher::slices(size) {
        content.add(&bytes[start as usize..][..length]);
    }
    content.digits()
}

/// Returns the content of a frame of a video, from the video's content.
///
/// ```
/// assert_eq!(autolink::annotate::content::frame_key("1aa2", 7), "1aa2#7");
/// ```
pub fn frame_key(video: &str, frame: u64) -> String {
    format!("{video}#{frame}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_depends_on_every_byte_and_the_length() {
        let bytes: Vec<u8> = (0..9 << 20).map(|i: u32| (i / 7) as u8).collect();
        let content = hash_bytes(&bytes);
        assert_eq!(content.len(), 32);
        assert_eq!(hash_bytes(&bytes), content);
        for at in [0, SLICE as usize - 1, SLICE as usize, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(hash_bytes(&other), content, "{at}");
        }
        assert_ne!(hash_bytes(&bytes[..bytes.len() - 1]), content);
        assert_ne!(hash_bytes(&[]), hash_bytes(&[0]));
        // Every version of this program gives the same bytes the same content.
        assert_eq!(hash_bytes(b"abc"), "1aa268d9dc06bcbfc5ec159d3a5d13c9");
        assert_ne!(frame_key(&content, 1), frame_key(&content, 11));
    }

    #[test]
    fn long_files_are_sampled_from_first_to_last_byte() {
        for size in [WHOLE + 1, 20 << 30] {
            let slices = ContentHasher::slices(size);
            assert_eq!(slices.len(), SAMPLES as usize);
            assert_eq!(slices[0].0, 0);
            let ends = slices.iter().map(|(start, length)| start + *length as u64);
            assert_eq!(ends.max(), Some(size));
        }
        let covered: u64 = ContentHasher::slices(WHOLE)
            .iter()
            .map(|(_, n)| *n as u64)
            .sum();
        assert_eq!(covered, WHOLE);
    }
}
