//! Files that annotation tools read: annotations in, bytes out ([`export`]), and back ([`import`]). A file a format, pure functions.
//!
//! `tests/annotation/tools.py` loads what these write with the tools' own readers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;

use safe::{inside, portable, safe_path};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::annotate::{Annotations, Image, Keypoint, check_name, without_extension};
use crate::error::{Error, Result};

pub mod coco;
pub mod cvat;
pub mod deeplabcut;
pub mod label_studio;
pub mod plain;
pub mod png;
mod read;
mod safe;
pub mod sleap;
pub mod svg;
pub mod yolo;

pub use read::{check_size, import, import_files};
pub use safe::beside;

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// COCO keypoints, one JSON.
    Coco,
    /// COCO keypoints in the folders that CVAT takes as a zip.
    CocoCvat,
    /// COCO keypoints in the folders of a DeepLabCut 3 project, split into train and test.
    CocoDeeplabcut,
    /// A DeepLabCut or Lightning Pose project: labels and `config.yaml`.
    Deeplabcut,
    /// DeepLabCut's predictions, a table for each video.
    DeeplabcutPredictions,
    /// SLEAP's analysis table, one for each video.
    Sleap,
    /// YOLO-Pose (Ultralytics), split into train and val.
    Yolo,
    /// CVAT for images 1.1.
    Cvat,
    /// Label Studio's tasks and labelling config.
    LabelStudio,
    /// A line per point, and `edges.csv`.
    Csv,
    /// Everything, as this program keeps it.
    Json,
    /// The learned edge weights, `edges.csv`.
    Edges,
    /// The skeleton over each picture.
    Svg,
    /// The skeleton drawn into each picture; see [`png::overlay`].
    Png,
}

impl Format {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Format; 14] = [
        Format::Coco,
        Format::CocoCvat,
        Format::CocoDeeplabcut,
        Format::Deeplabcut,
        Format::DeeplabcutPredictions,
        Format::Sleap,
        Format::Yolo,
        Format::Cvat,
        Format::LabelStudio,
        Format::Csv,
        Format::Json,
        Format::Edges,
        Format::Svg,
        Format::Png,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_string))
            .unwrap_or_default()
    }

    /// Where the format wants each image's picture, in the order of the images: beside the files of [`export`], from the
    /// same folder.
    pub fn picture_paths(self, annotations: &Annotations) -> Vec<String> {
        let annotations = &match self.holds_images() || self == Format::Png {
            true => portable(annotations),
            false => Cow::Borrowed(annotations),
        };
        let names = annotations.images.iter().map(Image::picture_name);
        match self {
            Format::CocoCvat => names.map(|name| coco::cvat_picture_path(&name)).collect(),
            Format::CocoDeeplabcut => names
                .map(|name| format!("images/{}", safe_path(&name)))
                .collect(),
            Format::Deeplabcut => names.map(|name| deeplabcut::picture_path(&name)).collect(),
            Format::Yolo => yolo::picture_paths(annotations),
            Format::Cvat => names
                .map(|name| format!("images/{}", safe_path(&name)))
                .collect(),
            Format::Svg | Format::Png => names.map(|name| safe_path(&name)).collect(),
            // Their files name the images as they are.
            _ => names.map(|name| inside(&name)).collect(),
        }
    }

    /// Whether its tool looks for the images beside its files.
    pub fn holds_images(self) -> bool {
        matches!(
            self,
            Format::CocoCvat
                | Format::CocoDeeplabcut
                | Format::Deeplabcut
                | Format::Yolo
                | Format::Cvat
                | Format::Svg
        )
    }
}

/// A format, as it is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Offer {
    /// Which.
    pub format: Format,
    /// The tool that opens it.
    pub title: String,
    /// What is in it.
    pub about: String,
    /// Whether its files have a place for the pictures.
    pub holds_images: bool,
}

impl Offer {
    /// All of them, in order.
    pub fn all() -> Vec<Offer> {
        let offer = |format: Format| {
            let (title, about) = match format {
                Format::Coco => (
                    "COCO keypoints",
                    "One JSON, for pycocotools and many others",
                ),
                Format::CocoCvat => (
                    "CVAT, as COCO",
                    "COCO keypoints in the folders of a CVAT import",
                ),
                Format::CocoDeeplabcut => (
                    "DeepLabCut 3, as COCO",
                    "COCO keypoints, split into train and test",
                ),
                Format::Deeplabcut => (
                    "DeepLabCut, Lightning Pose",
                    "Labels and config.yaml of a project",
                ),
                Format::DeeplabcutPredictions => (
                    "DeepLabCut predictions",
                    "A table with likelihoods for each video",
                ),
                Format::Sleap => ("SLEAP analysis", "A table for each video"),
                Format::Yolo => (
                    "Ultralytics YOLO-Pose",
                    "Labels with data.yaml, split into train and val",
                ),
                Format::Cvat => ("CVAT for images 1.1", "One XML with skeletons"),
                Format::LabelStudio => ("Label Studio", "Tasks and the labelling config"),
                Format::Csv => ("Table (CSV)", "A line a point, and edges.csv"),
                Format::Json => ("JSON", "Everything, as this page keeps it"),
                Format::Edges => ("Edges (CSV)", "The learned edge weights"),
                Format::Svg => ("Overlays (SVG)", "The skeleton over each picture"),
                Format::Png => ("Overlays (PNG)", "The skeleton drawn into each picture"),
            };
            Offer {
                format,
                title: title.into(),
                about: about.into(),
                holds_images: format.holds_images(),
            }
        };
        Format::ALL.map(offer).to_vec()
    }
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// With its folders, `/` between them, relative to where the person wants it.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// A text file, UTF-8.
    pub fn text(path: impl Into<String>, text: String) -> File {
        File {
            path: path.into(),
            bytes: text.into_bytes(),
        }
    }
}

/// Writes annotations as `format`: one file or several.
///
/// # Errors
/// [`Error::File`] if they cannot be written at all, or not as this format: a sentence says why.
pub fn export(annotations: &Annotations, format: Format) -> Result<Vec<File>> {
    annotations.validate()?;
    // Where images lie beside labels, both have names that every system can hold.
    let annotations = &match format.holds_images() {
        true => portable(annotations),
        false => Cow::Borrowed(annotations),
    };
    let files = match format {
        Format::Coco => vec![coco::plain(annotations)],
        Format::CocoCvat => vec![coco::for_cvat(annotations)],
        Format::CocoDeeplabcut => coco::for_deeplabcut(annotations),
        Format::Deeplabcut => deeplabcut::labels(annotations)?,
        Format::DeeplabcutPredictions => deeplabcut::predictions(annotations),
        Format::Sleap => sleap::analysis(annotations),
        Format::Yolo => yolo::pose(annotations)?,
        Format::Cvat => vec![cvat::images(annotations)],
        Format::LabelStudio => label_studio::tasks(annotations)?,
        Format::Csv => vec![plain::points(annotations), plain::edges(annotations)],
        Format::Json => vec![plain::json(annotations)],
        Format::Edges => vec![plain::edges(annotations)],
        Format::Svg => svg::overlays(annotations),
        Format::Png => Vec::new(), // made of the pictures, one at a time
    };
    let mut paths = HashSet::new();
    match files.iter().find(|file| !paths.insert(&file.path)) {
        Some(file) => Err(Error::File(format!(
            "{} would be written twice, for two pictures or videos whose names differ too little: rename one of them.",
            file.path
        ))),
        None => Ok(files),
    }
}

/// Files as one zip.
///
/// # Errors
/// [`Error::File`] for two files of one path.
pub fn zip(files: impl IntoIterator<Item = File>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    zip_to(&mut bytes, files)?;
    Ok(bytes)
}

/// Files as one zip; see [`Zip`].
///
/// # Errors
/// [`Error::File`] for two files of one path, or if the writer fails.
pub fn zip_to(to: impl Write, files: impl IntoIterator<Item = File>) -> Result<()> {
    let mut zip = Zip::new(to);
    for file in files {
        zip.add(file)?;
    }
    zip.finish()
}

/// A zip that is written as its files come: annotations with all their pictures need no more memory than one picture. The
/// same files give the same bytes.
pub struct Zip<W: Write>(ZipWriter<zip::write::StreamWriter<W>>);

impl<W: Write> Zip<W> {
    /// An empty one.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new_stream(to))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`Error::File`] if there is one of this path already, or the writer fails.
    pub fn add(&mut self, file: File) -> Result<()> {
        // Pictures are packed already; but a stream of stored files is more than some readers take.
        let level = if is_text(&file.path) { 6 } else { 1 };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(level));
        self.0
            .start_file(file.path.as_str(), options)
            .map_err(|e| File::cannot_zip(&file.path, &e))?;
        self.0
            .write_all(&file.bytes)
            .map_err(|e| File::cannot_zip(&file.path, &e))
    }

    /// Writes the list of files, without which it is no zip.
    ///
    /// # Errors
    /// [`Error::File`] if the writer fails.
    pub fn finish(self) -> Result<()> {
        self.0
            .finish()
            .map_err(|e| File::cannot_zip("the list of files", &e))?;
        Ok(())
    }
}

impl File {
    fn cannot_zip(path: &str, cause: &dyn std::fmt::Display) -> Error {
        Error::File(format!("{path} cannot be put into the zip: {cause}."))
    }
}

fn is_text(path: &str) -> bool {
    [".json", ".csv", ".xml", ".txt", ".yaml", ".svg"]
        .iter()
        .any(|end| path.ends_with(end))
}

// What several formats need.

/// The names that exports give to an image, where they are not its own.
pub(super) fn written_names(name: &str) -> Vec<String> {
    let path = safe_path(name);
    let labelled = deeplabcut::picture_path(name);
    let in_folder = labelled.strip_prefix("labeled-data/").unwrap_or_default();
    let names = [
        path.clone(),
        in_folder.to_string(),
        yolo::picture_path(&path),
        labelled,
    ];
    names
        .into_iter()
        .filter(|written| written != name)
        .collect()
}

/// `folder/file` -> `("folder", "file")`.
fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A number with at most `decimals` digits behind the point, and no more than it needs.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

/// Pixels, to a ten-thousandth.
fn px(value: f64) -> String {
    number(value, 4)
}

/// [`px`] for JSON.
fn rounded_px(value: f64) -> f64 {
    // Adding 0 makes -0 a 0.
    (value * 1e4).round() / 1e4 + 0.0
}

/// JSON in ASCII: readers that open files in their system's encoding, as many do on Windows, read every name right.
fn json_ascii(value: &impl Serialize) -> String {
    // Only a map with keys that are no strings, or a failing writer, could fail; there are none here.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            ascii.push(c);
        } else {
            // Writing into a string cannot fail.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

/// A YAML string in double quotes, in ASCII.
fn yaml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            // Unlike JSON's, YAML's escapes name whole characters. Writing into a string cannot fail.
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Text for XML, inside or outside of an attribute's double quotes. What XML cannot hold at all becomes U+FFFD.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A line of a CSV table (RFC 4180), with its end.
pub(super) fn csv_line<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let mut line = String::new();
    for (i, cell) in cells.into_iter().enumerate() {
        let cell = cell.as_ref();
        if i > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push('\n');
    line
}

/// The box around the points that are there, `[x, y, width, height]` px, at least a pixel wide and high; none if there are
/// no points.
fn bounding_box_px(image: &Image) -> Option<[f64; 4]> {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in image.points.iter().filter(|p| p.is_there()) {
        for (axis, v) in [point.x_px, point.y_px].into_iter().enumerate() {
            low[axis] = low[axis].min(v);
            high[axis] = high[axis].max(v);
        }
    }
    let side = |axis: usize| (high[axis] - low[axis]).max(1.0);
    low[0]
        .is_finite()
        .then(|| [low[0], low[1], side(0), side(1)])
}

/// Every fifth picture, for splits into training and validation; at least one of two. Which ones depends on nothing but
/// their names, so that the same picture stays on its side when others come.
fn validation(annotations: &Annotations) -> Vec<bool> {
    let names: Vec<String> = annotations.images.iter().map(Image::picture_name).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&i| (hash(&names[i]), i));
    let count = (names.len() as f64 / 5.0).round() as usize;
    let count = count.max(usize::from(names.len() > 1));
    let mut chosen = vec![false; names.len()];
    for &i in &order[..count] {
        chosen[i] = true;
    }
    chosen
}

/// FNV-1a, 64 bits, with a final mix.
fn hash(text: &str) -> u64 {
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A video's file, `None` for pictures, and its images with their frames.
type Video<'a> = (Option<&'a str>, Vec<(u64, &'a Image)>);

/// Images of each video, and of all pictures together (`None`), in their first order. A picture's frame is its number
/// among the pictures.
fn by_video(annotations: &Annotations) -> Vec<Video<'_>> {
    let mut videos: Vec<Video> = Vec::new();
    let mut at: HashMap<Option<&str>, usize> = HashMap::new();
    for image in &annotations.images {
        let key = image.frame.map(|_| image.file_name.as_str());
        let i = *at.entry(key).or_insert_with(|| {
            videos.push((key, Vec::new()));
            videos.len() - 1
        });
        let frame = image.frame.unwrap_or(videos[i].1.len() as u64);
        videos[i].1.push((frame, image));
    }
    for (_, images) in &mut videos {
        images.sort_by_key(|(frame, _)| *frame);
    }
    videos
}

/// The name for the tables of a video, or of all pictures.
fn table_stem(video: Option<&str>) -> String {
    video.map_or("pictures".into(), |video| {
        safe_path(without_extension(video))
    })
}

/// Which frame of a table is which picture: for formats that only number frames.
fn picture_list(images: &[(u64, &Image)], path: String) -> File {
    let mut text = csv_line(["frame", "file"]);
    for (frame, image) in images {
        text += &csv_line([frame.to_string(), image.picture_name()]);
    }
    File::text(path, text)
}

/// Keypoints that a file names but does not colour.
fn uncolored(names: Vec<String>) -> Vec<Keypoint> {
    let keypoint = |name| Keypoint {
        name,
        color: "#ffffff".into(),
    };
    names.into_iter().map(keypoint).collect()
}

/// A name out of a file, made to fit ours ([`Annotations::validate`]): on one line, not empty, unlike the `taken` ones.
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

/// An error where a picture's size is needed and not known.
fn known_size(image: &Image) -> Result<[f64; 2]> {
    if image.width_px == 0 || image.height_px == 0 {
        return Err(Error::File(format!(
            "The size of {} is not known, and this format needs it: add the picture too.",
            image.picture_name()
        )));
    }
    Ok([f64::from(image.width_px), f64::from(image.height_px)])
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::annotate::tests::sample;
    use crate::data::table;

    /// The sample's points on images of these names.
    pub(super) fn named(names: &[&str]) -> Annotations {
        let mut annotations = sample();
        let image = annotations.images[0].clone();
        let image = |name: &&str| Image {
            file_name: name.to_string(),
            ..image.clone()
        };
        annotations.images = names.iter().map(image).collect();
        annotations
    }

    #[test]
    fn every_format_writes_each_file_once_and_says_where_pictures_go() {
        let sample = sample();
        for format in Format::ALL {
            let files = export(&sample, format).expect("files");
            // Overlays are made of the pictures.
            assert_eq!(files.is_empty(), format == Format::Png, "{format:?}");
            let mut paths: Vec<String> = files.iter().map(|f| f.path.clone()).collect();
            paths.extend(format.picture_paths(&sample));
            let count = paths.len();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), count, "{format:?}");
            assert_eq!(export(&sample, format).expect("files"), files);
            let name = serde_json::to_string(&format).expect("json");
            assert_eq!(
                serde_json::from_str::<Format>(&name).expect("a format"),
                format
            );
        }
        assert_eq!(
            serde_json::to_string(&Format::CocoDeeplabcut).expect("json"),
            "\"coco-deeplabcut\""
        );
    }

    #[test]
    fn annotations_without_pictures_are_written_too() {
        let mut empty = sample();
        empty.images.clear();
        for format in Format::ALL {
            assert!(export(&empty, format).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn tables_of_videos_that_would_meet_are_refused() {
        let mut sample = sample();
        for (image, video) in sample
            .images
            .iter_mut()
            .zip(["walk.mp4", "walk.mov", "x.mp4"])
        {
            image.file_name = video.into();
        }
        for (frame, image) in sample.images.iter_mut().enumerate() {
            image.frame = Some(frame as u64);
        }
        let message = export(&sample, Format::Sleap)
            .expect_err("they meet")
            .to_string();
        assert!(
            message.contains("walk.analysis.csv would be written twice"),
            "{message}"
        );
    }

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic() {
        let sample = sample();
        let coco = coco::plain(&sample);
        let table = deeplabcut::labels(&sample).expect("files").remove(1);
        let json = plain::json(&sample);
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let bits: &[&[u8]] = &[
            b"", b"\"", b"null", b"[", b"-1", b"1e999", b",", b"{}", b"\n", b"\xff",
        ];
        for file in [coco, table, json] {
            for _ in 0..3000 {
                let mut bytes = file.bytes.clone();
                for _ in 0..=random(3) {
                    let at = random(bytes.len());
                    let end = (at + random(12)).min(bytes.len());
                    bytes.splice(at..end, bits[random(bits.len())].iter().copied());
                    if bytes.is_empty() {
                        bytes.push(b'x');
                    }
                }
                let text = String::from_utf8_lossy(&bytes);
                let read = [coco::import(&text), deeplabcut::import(&text)];
                for read in read.into_iter().flatten() {
                    // What was read can be looked at and, but for names that meet, written.
                    let _ = export(&read.annotations, Format::Coco);
                    let _ = export(&read.annotations, Format::Cvat);
                }
                let _ = plain::import_json(&text);
            }
        }
    }

    #[test]
    fn a_zip_holds_the_files_and_is_the_same_each_time() {
        let files = vec![
            File::text("ü/手.csv", "a,b\n".repeat(1000)),
            File {
                path: "a.png".into(),
                bytes: vec![7; 99],
            },
        ];
        let bytes = zip(files.clone()).expect("a zip");
        assert_eq!(zip(files.clone()).expect("a zip"), bytes);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
        assert_eq!(archive.len(), 2);
        for file in &files {
            let mut entry = archive.by_name(&file.path).expect("the file");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("reads");
            assert_eq!(content, file.bytes);
        }
        let twice = zip([files[0].clone(), files[0].clone()]);
        assert!(
            twice
                .expect_err("twice")
                .to_string()
                .contains("cannot be put into the zip")
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (10.5, "10.5"),
            (20.0, "20"),
            (-0.00001, "0"),
            (1.0 / 3.0, "0.3333"),
            (100.0, "100"),
            (-7.25, "-7.25"),
        ] {
            assert_eq!(px(value), text);
        }
        assert_eq!(number(1200.0, 0), "1200");
        assert_eq!(json_ascii(&rounded_px(-0.00001)), "0.0");
    }

    #[test]
    fn text_is_quoted() {
        assert_eq!(
            json_ascii(&"ü\u{1f44b}\"\\\u{7f}"),
            r#""\u00fc\ud83d\udc4b\"\\\u007f""#
        );
        assert_eq!(
            yaml_string("a: \"ü\u{1f44b}\"\\ #"),
            r#""a: \"\U000000fc\U0001f44b\"\\ #""#
        );
        assert_eq!(
            xml("<a & \"b\">\n\u{1}手"),
            "&lt;a &amp; &quot;b&quot;&gt;&#10;\u{fffd}手"
        );
        assert_eq!(safe_path("../a\\b//./c\n.png"), "a/b/c_.png");
    }

    #[test]
    fn csv_comes_back() {
        let rows = [
            vec!["a", "", "b,c"],
            vec!["\"q\"", "two\nlines", " space "],
            vec!["", "", ""],
        ];
        let text: String = rows.iter().map(csv_line).collect();
        let read = table::rows(&text, &mut Vec::new()).expect("rows");
        assert_eq!(
            read.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 2, 4]
        );
        for ((_, cells), row) in read.iter().zip(&rows) {
            assert_eq!(cells, row);
        }
    }

    #[test]
    fn a_fifth_is_for_validation_and_stays_there() {
        let mut many = sample();
        let image = many.images[0].clone();
        many.images = (0..100)
            .map(|i| Image {
                file_name: format!("{i}.png"),
                ..image.clone()
            })
            .collect();
        let chosen = validation(&many);
        assert_eq!(chosen.iter().filter(|c| **c).count(), 20);
        many.images.truncate(50);
        let fewer = validation(&many);
        let moved = (0..50).filter(|&i| fewer[i] != chosen[i]).count();
        assert!(moved < 8, "{moved}");
        many.images.truncate(2);
        assert_eq!(validation(&many).iter().filter(|c| **c).count(), 1);
        many.images.truncate(1);
        assert_eq!(validation(&many), [false]);
    }

    #[test]
    fn frames_are_grouped_by_video() {
        let mut sample = sample();
        sample.images[0].file_name = "walk.mp4".into();
        sample.images[0].frame = Some(7);
        sample.images[2].file_name = "walk.mp4".into();
        sample.images[2].frame = Some(3);
        let groups = by_video(&sample);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].0, Some("walk.mp4"));
        assert_eq!(
            groups[0].1.iter().map(|(f, _)| *f).collect::<Vec<_>>(),
            [3, 7]
        );
        assert_eq!((groups[1].0, groups[1].1[0].0), (None, 0));
        assert_eq!(table_stem(groups[0].0), "walk");
    }
}
