//! Recognises files by their first bytes; the name only helps where those are ambiguous.

use image::ImageFormat;

/// Number of first bytes by which a file is recognised.
pub(super) const START_BYTES: usize = 512;

/// Use of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    /// An image, of a supported format or another.
    Image,
    /// A table or project of another tool that may hold labels.
    Labels,
    /// Neither.
    Other,
}

/// Recognises a file by its name and first bytes.
pub(super) fn detect_kind(name: &str, start: &[u8]) -> InputKind {
    if holds_labels(name, start) {
        InputKind::Labels
    } else if image_format(start).is_some() || unsupported_image(name, start).is_some() {
        InputKind::Image
    } else {
        InputKind::Other
    }
}

/// Returns true for the first bytes of a video; some sound files begin alike.
pub(super) fn is_video(start: &[u8]) -> bool {
    describe_other(start).is_some_and(|kind| kind.contains("video"))
}

/// Returns true for names that look like an image's. Such files count as images, so that a message explains what is wrong with them.
pub(super) fn is_image_name(name: &str) -> bool {
    let known = [
        "png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "heic", "heif", "avif", "tif",
        "tiff", "apng", "dib", "ico",
    ];
    known.contains(&extension(name).as_str())
}

/// Returns the format of an image with these first bytes. Texts may begin with a short magic number ("BM", "P1"), so more is checked.
pub(super) fn image_format(start: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(start).ok()?;
    let is_confirmed = match format {
        ImageFormat::Bmp => start.get(14..18).is_none_or(|size| {
            matches!(
                u32::from_le_bytes([size[0], size[1], size[2], size[3]]),
                12..=256
            )
        }),
        ImageFormat::Pnm => start.get(2).is_some_and(u8::is_ascii_whitespace),
        _ => true,
    };
    is_confirmed.then_some(format)
}

/// Returns the message for a file that cannot be read as an image.
pub(super) fn rejection_message(name: &str, start: &[u8]) -> String {
    let unsupported = unsupported_image(name, start)
        .map(str::to_string)
        .or_else(|| {
            let format = image_format(start)?;
            Some(
                format
                    .extensions_str()
                    .first()
                    .unwrap_or(&"such")
                    .to_uppercase(),
            )
        });
    if let Some(kind) = unsupported {
        return format!("{kind} images cannot be read here. Save this one as PNG or JPEG.");
    }
    if holds_labels(name, start) {
        return "This file holds labels or settings, not an image.".into();
    }
    match describe_other(start) {
        Some(video) if video.contains("video") => {
            format!(
                "This is {video}, not an image. Take its frames on the page under \"Annotate\", or with ffmpeg."
            )
        }
        Some("a PDF document") => {
            "This is a PDF document, not an image. Export its pages as PNG or JPEG.".into()
        }
        Some(kind) => {
            format!("This is {kind}, not an image. Unpack it, or save its images as PNG or JPEG.")
        }
        None => "This is not an image. Use PNG, JPEG, WebP, GIF or BMP.".into(),
    }
}

/// Returns the name of an image format that neither this program nor the `image` crate reads.
fn unsupported_image(name: &str, start: &[u8]) -> Option<&'static str> {
    let brand = |brands: &[&[u8]]| {
        start.get(4..8) == Some(b"ftyp")
            && start
                .get(8..12)
                .is_some_and(|brand| brands.contains(&brand))
    };
    let starts = |magics: &[&[u8]]| magics.iter().any(|magic| start.starts_with(magic));
    let raw = [
        "nef", "nrw", "arw", "sr2", "dng", "cr2", "pef", "srw", "3fr", "iiq", "kdc", "dcr",
    ];
    let is_tiff = starts(&[b"II*\0", b"MM\0*"]);
    if brand(&[
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
    ]) {
        Some("HEIC")
    } else if brand(&[b"avif", b"avis"]) {
        Some("AVIF")
    } else if starts(&[b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"]) {
        Some("JPEG XL")
    } else if starts(&[b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"]) {
        Some("JPEG 2000")
    } else if starts(&[b"8BPS"]) {
        Some("Photoshop")
    } else if brand(&[b"crx "])
        || starts(&[b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"])
        || start.get(8..10) == Some(b"CR") && is_tiff
        || is_tiff && raw.contains(&extension(name).as_str())
    {
        Some("Camera RAW")
    } else {
        None
    }
}

/// Describes a file that is not an image.
fn describe_other(start: &[u8]) -> Option<&'static str> {
    let starts = |magics: &[&[u8]]| magics.iter().any(|magic| start.starts_with(magic));
    if start.get(4..8) == Some(b"ftyp")
        || matches!(start.get(4..8), Some(b"moov" | b"mdat" | b"wide"))
    {
        Some("a video (MP4 or QuickTime)")
    } else if starts(&[b"\x1a\x45\xdf\xa3"]) {
        Some("a video (WebM or Matroska)")
    } else if starts(&[b"RIFF"]) && start.get(8..12) == Some(b"AVI ") {
        Some("a video (AVI)")
    } else if starts(&[b"\0\0\x01\xba", b"\0\0\x01\xb3"])
        || start.first() == Some(&0x47) && start.get(188) == Some(&0x47)
    {
        Some("a video (MPEG)")
    } else if starts(&[b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"FLV\x01", b"OggS"]) {
        Some("a video or sound")
    } else if starts(&[b"%PDF"]) {
        Some("a PDF document")
    } else if starts(&[
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ\0",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
        b"\x28\xb5\x2f\xfd",
    ]) || start.get(257..262) == Some(b"ustar")
    {
        Some("an archive other than zip")
    } else {
        None
    }
}

/// Returns true if a file may hold labels: HDF5 (SLEAP, DeepLabCut), or a text that starts like JSON, XML or a table.
fn holds_labels(name: &str, start: &[u8]) -> bool {
    if start.starts_with(b"\x89HDF\r\n\x1a\n") {
        return true;
    }
    let extension = extension(name);
    let is_table = ["csv", "tsv"].contains(&extension.as_str());
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return is_table || extension == "json"; // UTF-16
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let is_text = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() || is_table, // cut off, or in an old code page
    };
    let first = start.trim_ascii_start().first();
    is_text
        && !start
            .iter()
            .any(|byte| *byte < b' ' && !b"\t\r\n".contains(byte))
        && match first {
            None => false,
            Some(b'{' | b'[') => true,
            Some(b'<') => extension == "xml",
            Some(_) => is_table,
        }
}

/// Returns the extension of a file name in lower case.
fn extension(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detect_kind_uses_the_first_bytes() {
        for (name, start, expected) in [
            ("a.csv", &b"\x89PNG\r\n\x1a\n..."[..], InputKind::Image),
            ("a", b"\xff\xd8\xff\xe0", InputKind::Image),
            (
                "a.heic",
                b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
                InputKind::Image,
            ),
            (
                "a.csv",
                b"BMI,tip_x,tip_y\nlong enough to be one",
                InputKind::Labels,
            ),
            ("a.csv", b"P1_x,P1_y\n1,2", InputKind::Labels),
            ("a.csv", b"\xff\xfef\0i\0l\0e\0", InputKind::Labels),
            ("a.csv", "K\u{fc}".as_bytes(), InputKind::Labels),
            (
                "a.json",
                b"\xef\xbb\xbf {\"images\": []}",
                InputKind::Labels,
            ),
            (
                "annotations.xml",
                b"<?xml version=\"1.0\"?>",
                InputKind::Labels,
            ),
            ("labels.slp", b"\x89HDF\r\n\x1a\n\0", InputKind::Labels),
            ("a.png", b"\0\0\0\x18ftypisom", InputKind::Other),
            ("notes.txt", b"one, two", InputKind::Other),
            ("page.html", b"<html>", InputKind::Other),
            ("P1.txt", b"P1 is a text", InputKind::Image), // a bitmap of letters begins so
            ("a.csv", &[0; 512], InputKind::Other),
            ("", b"", InputKind::Other),
        ] {
            assert_eq!(detect_kind(name, start), expected, "{name}");
        }
    }

    #[test]
    fn rejection_message_names_the_kind() {
        for (name, start, words) in [
            ("a", &b"\0\0\0\x18ftypavif\0\0\0\0"[..], "AVIF images"),
            ("a", b"\0\0\0\x18ftypcrx \0\0\0\0", "Camera RAW images"),
            ("a.NEF", b"MM\0*\0\0\0\x08", "Camera RAW images"),
            ("a.tif", b"MM\0*\0\0\0\x08", "TIFF images"),
            ("a", b"\xff\x0a..", "JPEG XL images"),
            ("a.jpg", b"\0\0\0\x20ftypisom", "a video (MP4"),
            ("a", b"\x1a\x45\xdf\xa3\x01", "a video (WebM"),
            ("a", b"RIFF\0\0\0\0AVI LIST", "a video (AVI)"),
            ("a", b"%PDF-1.7", "a PDF document"),
            ("a", b"\x1f\x8b\x08", "an archive other than zip"),
            ("a.csv", b"file,x,y", "holds labels"),
            ("a", b"?", "This is not an image"),
        ] {
            let message = rejection_message(name, start);
            assert!(message.contains(words), "{message}");
        }
    }
}
