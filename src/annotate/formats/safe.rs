//! Names that every system can hold, and images as they lie beside labels.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{File, Format, png};
use crate::annotate::{Annotations, Image};
use crate::data::decode;
use crate::data::names::with_number;
use crate::error::{Error, Result};

/// What Windows keeps for devices, whatever stands behind a point.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// Longest part of a path, bytes: most systems take 255, and tools put something behind it.
const MAX_PART_BYTES: usize = 200;

/// A path that stays inside its folder: `/` between parts, no empty ones, no `..`.
pub(super) fn inside(name: &str) -> String {
    joined(name, str::to_string)
}

/// A path that stays [`inside`] its folder and can be held by every system: what Windows forbids is replaced by `_`, and what
/// is too long is cut.
pub(super) fn safe_path(name: &str) -> String {
    joined(name, safe_part)
}

fn joined(name: &str, made: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = name
        .split(['/', '\\'])
        .filter(|part| !matches!(part.trim(), "" | "." | ".."))
        .map(made)
        .collect();
    match parts.is_empty() {
        true => "image".into(),
        false => parts.join("/"),
    }
}

fn safe_part(part: &str) -> String {
    let mut safe = part.replace(
        |c: char| c.is_control() || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*'),
        "_",
    );
    if safe.len() > MAX_PART_BYTES {
        let extension = safe.rfind('.').filter(|dot| safe.len() - dot <= 10);
        let extension = safe.split_off(extension.unwrap_or(safe.len()));
        let fits = |end: &usize| end + extension.len() <= MAX_PART_BYTES;
        let end = safe.char_indices().map(|(at, _)| at).rfind(fits);
        safe.truncate(end.unwrap_or_default());
        safe += &extension;
    }
    let kept = safe.trim_end_matches(['.', ' ']).len();
    safe = safe[..kept].to_string() + &"_".repeat(safe.len() - kept);
    let stem = safe.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_lowercase();
    let is_port = ["com", "lpt"].iter().any(|port| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| {
            matches!(
                number.chars().collect::<Vec<_>>()[..],
                ['0'..='9' | '¹' | '²' | '³']
            )
        })
    });
    if is_port || DEVICES.contains(&stem.as_str()) {
        safe.insert(0, '_');
    }
    safe
}

/// The same annotations, of images whose names can lie in one folder on every system: those of [`safe_path`], numbered where
/// two would be one, for which capitals do not count. The names that need no change keep theirs.
pub(super) fn portable(annotations: &Annotations) -> Cow<'_, Annotations> {
    let mut used = HashSet::new();
    let mut safe: HashMap<&str, String> = HashMap::new();
    for keeps in [true, false] {
        for image in &annotations.images {
            let name = image.file_name.as_str();
            let path = safe_path(name);
            if safe.contains_key(name) || keeps && path != name {
                continue;
            }
            let mut unique = path.clone();
            for number in 2.. {
                if used.insert(unique.to_lowercase()) {
                    break;
                }
                unique = with_number(&path, number);
            }
            safe.insert(name, unique);
        }
    }
    if safe.iter().all(|(name, safe)| name == safe) {
        return Cow::Borrowed(annotations);
    }
    let mut renamed = annotations.clone();
    for image in &mut renamed.images {
        if let Some(safe) = safe.get(image.file_name.as_str()) {
            image.file_name.clone_from(safe);
        }
    }
    Cow::Owned(renamed)
}

/// An image as it goes to `path`, one of [`Format::picture_paths`], beside the files of [`super::export`]: upright, so that
/// labels fit whatever a reader thinks of EXIF; for [`Format::Png`] with the skeleton drawn into it. `bytes` are its file's.
///
/// # Errors
/// [`Error::File`] if it cannot be read, or not be written again.
pub fn beside(
    annotations: &Annotations,
    image: &Image,
    format: Format,
    path: String,
    bytes: Vec<u8>,
) -> Result<File> {
    if format == Format::Png {
        return png::overlay(annotations, image, &path, &bytes);
    }
    let turned = decode::upright(&bytes).map_err(|reason| {
        Error::File(format!(
            "{} cannot go with its labels: {reason}",
            image.picture_name()
        ))
    })?;
    let bytes = turned.unwrap_or(bytes);
    Ok(File { path, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::formats::{export, tests::named};

    #[test]
    fn what_windows_cannot_hold_is_replaced() {
        for (name, safe) in [
            ("12:30.png", "12_30.png"),
            ("aux.png", "_aux.png"),
            ("AUX", "_AUX"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("lpt¹.png", "_lpt¹.png"),
            ("com10.png", "com10.png"),
            ("nul .png", "_nul .png"),
            ("auxiliary.png", "auxiliary.png"),
            ("con/a.png", "_con/a.png"),
            ("what?*<>|\".png", "what______.png"),
            ("ends. ./a.png ", "ends___/a.png_"),
            ("../../x", "x"),
            ("..\\..", "image"),
            ("C:\\a\\b.png", "C_/a/b.png"),
            ("手/ü.png", "手/ü.png"),
        ] {
            assert_eq!(safe_path(name), safe);
            assert_eq!(safe_path(safe), safe, "stays");
        }
        let long = safe_path(&format!("{}.png", "手".repeat(100)));
        assert!(
            long.len() <= MAX_PART_BYTES && long.ends_with("手.png"),
            "{long}"
        );
    }

    #[test]
    fn images_and_labels_get_the_same_names_and_none_gets_lost() {
        let annotations = named(&[
            "a:b.png",
            "a_b.png",
            "A_B.png",
            "a?b.png",
            "s/aux.jpg",
            "../a_b.png",
        ]);
        let renamed = portable(&annotations);
        let names: Vec<&str> = renamed
            .images
            .iter()
            .map(|image| image.file_name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "a_b (3).png",
                "a_b.png",
                "A_B (2).png",
                "a_b (4).png",
                "s/_aux.jpg",
                "a_b (5).png"
            ]
        );
        for format in [
            Format::Yolo,
            Format::Cvat,
            Format::CocoCvat,
            Format::CocoDeeplabcut,
            Format::Svg,
        ] {
            let files = export(&annotations, format).expect("files");
            let text: String = files
                .iter()
                .map(|file| file.path.clone() + &String::from_utf8_lossy(&file.bytes))
                .collect();
            for path in format.picture_paths(&annotations) {
                let name = path.rsplit('/').next().expect("a name");
                let stem = name.rsplit_once('.').expect("with its ending").0;
                assert!(
                    text.contains(stem) || text.contains(&stem.replace(' ', "%20")),
                    "{format:?} {name}: {text}"
                );
            }
        }
        // What goes beside no image keeps the names that the images have.
        let coco = export(&annotations, Format::Coco).expect("files");
        assert!(String::from_utf8_lossy(&coco[0].bytes).contains("a:b.png"));
        let plain = named(&["a.png", "b/c.png"]);
        assert!(matches!(portable(&plain), Cow::Borrowed(_)));
    }
}
