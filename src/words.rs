//! Sentences that people read.

/// Writes a count with its noun, which gets an `s` unless there is one: `1 image`, `2 images`.
///
/// ```
/// assert_eq!(autolink::words::counted(1, "image"), "1 image");
/// assert_eq!(autolink::words::counted(0, "image"), "0 images");
/// ```
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
