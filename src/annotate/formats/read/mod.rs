//! Import of labels that these formats, and the tools themselves, write. Entries that cannot be used are noted.
//!
//! A file's format is recognised by its contents, not by its name. Files that belong together (a zip, a folder) are read as one.

pub(super) mod coco;
pub(super) mod cvat;
pub(super) mod deeplabcut;
mod files;
pub(super) mod label_studio;
pub(super) mod plain;
mod sleap;
#[cfg(test)]
mod tests;
mod yaml;
mod yolo;

use std::collections::HashMap;

use serde_json::Value;

pub use files::{check_size, import, import_files};

use crate::annotate::{Annotations, Image, Imported, Keypoint, Point, check_name};
use crate::data::tally::Tally;

/// A result of reading; the error is a sentence for people.
type ReadResult<T> = Result<T, String>;

/// Collects annotations while a file is read: keypoints and images by their names.
#[derive(Default)]
struct LabelCollector {
    category: Option<String>,
    names: Vec<String>,
    /// Indices of keypoints by their names in the file.
    originals: HashMap<String, usize>,
    images: Vec<Image>,
    by_name: HashMap<(String, Option<u64>), usize>,
    skeleton: Vec<[usize; 2]>,
    in_fractions: bool,
    tally: Tally,
    notes: Vec<String>,
}

impl LabelCollector {
    /// Returns the keypoint with this name in the file, which is added if it is new.
    fn keypoint(&mut self, name: &str) -> usize {
        if let Some(&at) = self.originals.get(name) {
            return at;
        }
        let at = self.names.len();
        let unique = unique_name(name, &self.names, &mut self.notes);
        self.names.push(unique);
        self.originals.insert(name.into(), at);
        at
    }

    /// Returns the image with this name, or the frame of this video, which is added if it is new; sides of 0 px are unknown.
    fn image(
        &mut self,
        file_name: &str,
        frame: Option<u64>,
        [width_px, height_px]: [u32; 2],
    ) -> usize {
        let at = *self
            .by_name
            .entry((file_name.into(), frame))
            .or_insert(self.images.len());
        if at == self.images.len() {
            self.images.push(Image {
                file_name: file_name.into(),
                frame,
                seconds: None,
                width_px,
                height_px,
                exif_orientation: 1,
                crop: None,
                points: Vec::new(),
            });
        }
        at
    }

    /// Puts a point on an image. The first point of a keypoint stays.
    fn place(&mut self, image: usize, keypoint: usize, point: Point) {
        let points = &mut self.images[image].points;
        if points.len() <= keypoint {
            points.resize(keypoint + 1, Point::ABSENT);
        }
        if !points[keypoint].is_there() {
            points[keypoint] = point;
        } else if point.is_there() && point != points[keypoint] {
            let name = self.images[image].name();
            self.tally.add(
                "Duplicate points of an image were ignored (the first of each was used)",
                &name,
            );
        }
    }

    /// Puts an object's points on an image. Of several objects, the one with the most points stays.
    fn place_object(&mut self, image: usize, points: Vec<Point>) {
        let count = |points: &[Point]| points.iter().filter(|point| point.is_there()).count();
        let before = count(&self.images[image].points);
        if before > 0 && count(&points) > 0 {
            let name = self.images[image].name();
            self.tally.add(
                "Images with several objects (only the one with the most points was used)",
                &name,
            );
        }
        if count(&points) > before {
            self.images[image].points = points;
        }
    }

    fn finish(self) -> Imported {
        let LabelCollector {
            category,
            names,
            mut images,
            skeleton,
            in_fractions,
            tally,
            mut notes,
            ..
        } = self;
        for image in &mut images {
            image.points.resize(names.len(), Point::ABSENT);
        }
        notes.extend(tally.notes());
        Imported {
            annotations: Annotations {
                category: (category.filter(|name| check_name(name).is_ok()))
                    .unwrap_or_else(|| "object".into()),
                keypoints: uncolored(names),
                skeleton,
                images,
                ..Annotations::default()
            },
            in_fractions,
            notes,
        }
    }
}

/// Makes keypoints of names, white, for files without colours.
fn uncolored(names: Vec<String>) -> Vec<Keypoint> {
    let keypoint = |name| Keypoint {
        name,
        color: "#ffffff".into(),
    };
    names.into_iter().map(keypoint).collect()
}

/// Makes a name from a file valid here ([`Annotations::validate`]): on one line, not empty, unlike the `taken` ones. A changed name
/// is noted.
fn unique_name(name: &str, taken: &[String], notes: &mut Vec<String>) -> String {
    let mut clean = name.replace(
        |c: char| check_name(&c.to_string()).is_err() && c != ' ',
        " ",
    );
    if clean.trim().is_empty() {
        clean = "unnamed".into();
    }
    let mut unique = clean.clone();
    for number in 2.. {
        if !taken.contains(&unique) {
            break;
        }
        unique = format!("{clean} ({number})");
    }
    if unique != name {
        notes.push(format!(
            "The keypoint {name:?} is called \"{unique}\" here."
        ));
    }
    unique
}

/// Parses JSON as Python and JavaScript write it: `NaN` and `Infinity` count as `null`.
fn json(text: &str) -> Result<Value, serde_json::Error> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return serde_json::from_str(text);
    }
    let mut plain = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(c) = rest.chars().next() {
        let token = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|token| !quoted && rest.starts_with(token));
        if let Some(token) = token {
            plain += "null";
            rest = &rest[token.len()..];
            continue;
        }
        let mut taken = c.len_utf8();
        if quoted && c == '\\' {
            taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
        }
        quoted ^= c == '"';
        plain += &rest[..taken];
        rest = &rest[taken..];
    }
    serde_json::from_str(&plain)
}

/// Reads a side in px, from a number or a text; 0 if unknown.
fn side_px(value: Option<&Value>) -> u32 {
    let number = value.and_then(|value| {
        value
            .as_f64()
            .or_else(|| value.as_str()?.trim().parse().ok())
    });
    number
        .filter(|side| (1.0..=1e6).contains(side))
        .map_or(0, |side| side.round() as u32)
}

#[cfg(test)]
mod json_tests {
    use super::*;

    #[test]
    fn json_reads_python_tokens_as_null() {
        let text = r#"{"a NaN \" NaN": [NaN, -Infinity, Infinity, 1, "NaN \\"], "é": NaN}"#;
        let expected =
            serde_json::json!({"a NaN \" NaN": [null, null, null, 1, "NaN \\"], "é": null});
        assert_eq!(json(text).expect("json"), expected);
        assert!(json("[NaN").is_err());
        assert!(json("[\"NaN\\").is_err());
    }

    #[test]
    fn side_px_reads_numbers_and_text() {
        let side = |text: &str| side_px(serde_json::from_str(text).ok().as_ref());
        assert_eq!(
            [
                "640", "640.0", "\"640\"", "null", "-3", "\"wide\"", "1e300", "0"
            ]
            .map(side),
            [640, 640, 640, 0, 0, 0, 0, 0]
        );
    }
}
