//! JPEG files without an end: cameras that lose their power leave such.

/// What is put behind a file that has no end marker, before one: nothing, and bits of two kinds.
pub(super) const TAILS: [&[u8]; 3] = [&[], &[0x00; 64], &[0xAA; 64]];

/// Whether a file reaches its end-of-image marker. Walks from segment to segment, because thumbnails inside of a segment
/// have such markers, too.
pub(super) fn is_ended(bytes: &[u8]) -> bool {
    let mut at = 2; // after start of image
    while let Some(&[byte, marker]) = bytes.get(at..at + 2) {
        match (byte, marker) {
            (0xFF, 0xD9) => return true,
            // Fill bytes; then stuffed zeros, restarts and lone markers, which have no length.
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x00 | 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, _) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            // Entropy-coded data.
            _ => at += 1,
        }
    }
    false
}

/// The file with a tail and an end marker behind it; of its own marker there may be the first byte.
pub(super) fn ended_by(bytes: &[u8], tail: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\xff").unwrap_or(bytes);
    [bytes, tail, b"\xff\xd9"].concat()
}
