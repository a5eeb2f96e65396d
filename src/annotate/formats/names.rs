//! Names of files: ones that every system can hold, and ones that exports give to images.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{deeplabcut, yolo};
use crate::annotate::Annotations;
use crate::data::names::with_number;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// Longest part of a path, bytes: most systems take 255, and tools append to it.
const MAX_PART_BYTES: usize = 200;

/// Makes a path that stays inside its folder: `/` between parts, no empty ones, no `..`.
pub(super) fn contained_path(name: &str) -> String {
    map_parts(name, str::to_string)
}

/// Makes a path that stays inside its folder ([`contained_path`]) and that every system can hold: characters that Windows forbids
/// become `_`, and long parts are cut.
pub(super) fn safe_path(name: &str) -> String {
    map_parts(name, safe_part)
}

fn map_parts(name: &str, map: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = name
        .split(['/', '\\'])
        .filter(|part| !matches!(part.trim(), "" | "." | ".."))
        .map(map)
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

/// Renames images so that their files can lie in one folder on every system: names become those of [`safe_path`], with numbers
/// where two would be the same but for their case. Names that need no change stay.
pub(super) fn with_portable_names(annotations: &Annotations) -> Cow<'_, Annotations> {
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

/// Lists the names that exports give to an image, where they are not its own.
pub(in crate::annotate) fn written_names(name: &str) -> Vec<String> {
    let path = safe_path(name);
    let labelled = deeplabcut::image_path(name);
    let in_folder = labelled.strip_prefix("labeled-data/").unwrap_or_default();
    let names = [
        path.clone(),
        in_folder.to_string(),
        yolo::image_path(&path),
        labelled,
    ];
    names
        .into_iter()
        .filter(|written| written != name)
        .collect()
}

/// Splits `folder/file` into `("folder", "file")`; without a folder, that is empty.
pub(super) fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::formats::{Format, export, tests::named};

    #[test]
    fn safe_path_replaces_what_windows_cannot_hold() {
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
    fn images_and_labels_get_the_same_unique_names() {
        let annotations = named(&[
            "a:b.png",
            "a_b.png",
            "A_B.png",
            "a?b.png",
            "s/aux.jpg",
            "../a_b.png",
        ]);
        let renamed = with_portable_names(&annotations);
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
            for path in format.image_paths(&annotations) {
                let name = path.rsplit('/').next().expect("a name");
                let stem = name.rsplit_once('.').expect("an extension").0;
                assert!(
                    text.contains(stem) || text.contains(&stem.replace(' ', "%20")),
                    "{format:?} {name}: {text}"
                );
            }
        }
        // Formats without images beside them keep the names of the images.
        let coco = export(&annotations, Format::Coco).expect("files");
        assert!(String::from_utf8_lossy(&coco[0].bytes).contains("a:b.png"));
        let plain = named(&["a.png", "b/c.png"]);
        assert!(matches!(with_portable_names(&plain), Cow::Borrowed(_)));
    }
}
