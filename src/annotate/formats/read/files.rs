//! Recognises the formats of files of labels, and reads files that belong together as one.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use serde_json::Value;
use zip::ZipArchive;

use super::{ReadResult, coco, cvat, deeplabcut, json, label_studio, plain, sleap, yaml, yolo};
use crate::annotate::formats::split_path;
use crate::annotate::{Annotations, Image, Imported, Point};
use crate::data::table;
use crate::error::{Error, Result, legible};
use crate::eval::FILE_COLUMNS;

/// Greatest number of bytes of labels that are read together, unpacked.
const MAX_BYTES: u64 = 256 << 20;

/// Extensions of files of labels.
const ENDINGS: [&str; 7] = [".json", ".csv", ".tsv", ".xml", ".txt", ".yaml", ".yml"];

/// Reads labels: COCO keypoints, tables of DeepLabCut, Lightning Pose, SLEAP or this program, CVAT's XML, Label Studio's JSON,
/// YOLO-Pose, or a zip of any of these; the contents decide which. `name` is the file's name.
///
/// See `formats/read/tests.rs`.
///
/// # Errors
/// [`Error::Landmarks`] if the file is none of these, or if nothing in it can be used.
pub fn import(name: &str, bytes: &[u8]) -> Result<Imported> {
    import_files(vec![(name.to_string(), bytes.to_vec())])
}

/// Reads files that belong together, such as those of one folder; see [`import`]. Other files among them are ignored.
///
/// See `formats/read/tests.rs`.
///
/// # Errors
/// As [`import`], if none of the files can be used.
pub fn import_files(files: Vec<(String, Vec<u8>)>) -> Result<Imported> {
    let mut imported = read(files).map_err(Error::Landmarks)?;
    (imported.notes.iter_mut()).for_each(|note| *note = legible(note));
    Ok(imported)
}

/// A text file.
struct TextFile {
    path: String,
    text: String,
}

/// Reads a file's text and path, with the names of the images by number if another file lists them.
type NumberedReader = fn(&str, &str, Option<&HashMap<u64, String>>) -> ReadResult<Imported>;

/// The kind of a file, by its contents.
enum FileKind {
    /// Labels, already read.
    Labels(Imported),
    /// Predictions of numbered frames; another file may list the image of each number.
    Numbered(NumberedReader),
    /// YOLO's label lines.
    Yolo,
    /// The list of the images of all numbers.
    FileList,
    /// The skeleton and edge weights.
    Edges,
    /// DeepLabCut's `config.yaml`, YOLO's `data.yaml`.
    Yaml,
    /// Label Studio's config.
    Config,
}

fn read(files: Vec<(String, Vec<u8>)>) -> ReadResult<Imported> {
    let is_one = files.len() == 1;
    let mut notes = Vec::new();
    let mut texts = Vec::new();
    let (mut size, mut is_zip) = (0_u64, false);
    for (name, bytes) in files {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
            is_zip = true;
            unpack(&name, bytes, &mut size, &mut texts, &mut notes)?;
        } else {
            size += bytes.len() as u64;
            fits(&name, size)?;
            if bytes.is_empty() && is_one {
                return Err(format!("{name} is empty."));
            }
            match table::text(&name, &bytes, &mut notes) {
                Ok(text) => texts.push(TextFile { path: name, text }),
                Err(error) if is_one => return Err(error),
                Err(error) => notes.push(error),
            }
        }
    }

    // Label Studio's config comes first, since its tasks need the names.
    let config = texts
        .iter()
        .find_map(|text| config_labels(&text.text))
        .unwrap_or_default();
    let mut kinds = Vec::new();
    let mut failures = Vec::new();
    for text in &texts {
        match kind_of(text, &config) {
            Ok(kind) => kinds.push((text, kind)),
            // A README, for example.
            Err(_) if !is_one && text.path.ends_with(".txt") => {}
            Err(error) => failures.push((text.path.clone(), error)),
        }
    }
    let list: Option<HashMap<u64, String>> = kinds
        .iter()
        .filter(|(_, kind)| matches!(kind, FileKind::FileList))
        .map(|(text, _)| file_list(&text.text))
        .reduce(|mut all, more| {
            all.extend(more);
            all
        });
    let mut read: Vec<(&TextFile, Imported)> = Vec::new();
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut others: Vec<(&TextFile, &FileKind)> = Vec::new();
    for (text, kind) in &mut kinds {
        let text: &TextFile = text;
        match kind {
            FileKind::Labels(imported) => read.push((text, std::mem::take(imported))),
            FileKind::Numbered(table) => {
                // The list is for still images; videos count their own frames.
                let stem = crate::annotate::formats::table_stem(None);
                let is_of_images = split_path(&text.path).1.starts_with(&stem);
                match table(
                    &text.text,
                    &text.path,
                    list.as_ref().filter(|_| is_of_images),
                ) {
                    Ok(imported) => read.push((text, imported)),
                    Err(error) => failures.push((text.path.clone(), error)),
                }
            }
            FileKind::Yolo => lines.push((text.path.clone(), text.text.clone())),
            _ => {}
        }
    }
    for (text, kind) in &kinds {
        if matches!(kind, FileKind::Edges | FileKind::Yaml) {
            others.push((*text, kind));
        }
    }
    let mut configs: Vec<(&TextFile, Value)> = Vec::new();
    for (text, _) in others
        .iter()
        .filter(|(_, kind)| matches!(kind, FileKind::Yaml))
    {
        match yaml::parse(&text.text) {
            Ok(config) => configs.push((text, config)),
            Err(error) => failures.push((text.path.clone(), error)),
        }
    }
    let mut imported: Vec<Imported> = Vec::new();
    if let Some((first, _)) = lines.first() {
        let data = configs
            .iter()
            .find(|(_, config)| !config["kpt_shape"].is_null());
        match yolo::read(&lines, data.map(|(text, data)| (text.text.as_str(), data))) {
            Ok(lines) => imported.push(lines),
            Err(error) => failures.push((first.clone(), error)),
        }
    }
    let is_several = read.len() > 1;
    for (text, mut one) in read {
        if is_several {
            let note = |note: String| format!("{}: {note}", text.path);
            one.notes = one.notes.into_iter().map(note).collect();
        }
        imported.push(one);
    }
    if imported.is_empty() {
        return Err(match (failures.into_iter().next(), others.first()) {
            (Some((_, error)), _) => error,
            (None, Some((text, FileKind::Edges))) => {
                format!(
                    "{} holds edges but no points. Choose the file of points beside it.",
                    text.path
                )
            }
            _ if is_zip => "There are no labels in this zip.".into(),
            _ => "There are no labels in these files.".into(),
        });
    }
    notes.extend(
        failures
            .into_iter()
            .map(|(path, error)| format!("{path} was ignored: {error}")),
    );
    let mut all = merge(imported, &mut notes);
    if all.annotations.images.is_empty() {
        let why = notes.into_iter().chain(all.notes).next();
        return Err(why.unwrap_or_else(|| "The file lists no images.".into()));
    }
    for (text, kind) in others {
        match kind {
            FileKind::Edges if all.annotations.skeleton.is_empty() => {
                plain::add_edges(&text.text, &mut all.annotations)?
            }
            _ => {}
        }
    }
    for (_, config) in configs {
        add_config(&config, &mut all.annotations);
    }
    all.notes = notes
        .into_iter()
        .chain(std::mem::take(&mut all.notes))
        .collect();
    Ok(all)
}

/// Checks the size of a file of labels, in bytes, before it is loaded.
///
/// # Errors
/// [`Error::Landmarks`] if the file is too large.
pub fn check_size(name: &str, size: u64) -> Result<()> {
    fits(name, size).map_err(Error::Landmarks)
}

fn fits(name: &str, size: u64) -> ReadResult<()> {
    if size > MAX_BYTES {
        return Err(format!(
            "{name} is too large: all labels together may have at most {} MB. Split them into several files.",
            MAX_BYTES >> 20
        ));
    }
    Ok(())
}

/// Unpacks the files of labels in a zip.
fn unpack(
    name: &str,
    bytes: Vec<u8>,
    size: &mut u64,
    texts: &mut Vec<TextFile>,
    notes: &mut Vec<String>,
) -> ReadResult<()> {
    let damaged = |e: &dyn std::fmt::Display| {
        format!("{name} cannot be unpacked ({e}). Pack it again, or choose its files.")
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    for index in 0..archive.len() {
        let Some(path) = archive
            .name_for_index(index)
            .and_then(|name| name.ok())
            .map(|path| path.replace('\\', "/"))
        else {
            continue;
        };
        if path == "xl/workbook.xml" {
            return Err(format!(
                "{name} is an Excel workbook. Save the sheet as \"CSV UTF-8\"."
            ));
        }
        let is_hidden = path
            .split('/')
            .any(|part| part.starts_with('.') || part == "__MACOSX");
        if is_hidden
            || !ENDINGS
                .iter()
                .any(|end| path.to_ascii_lowercase().ends_with(end))
        {
            continue;
        }
        let mut file = archive.by_index(index).map_err(|e| damaged(&e))?;
        let mut bytes = Vec::new();
        let limit = MAX_BYTES + 1 - (*size).min(MAX_BYTES);
        file.by_ref()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|e| damaged(&e))?;
        *size += bytes.len() as u64;
        fits(name, *size)?;
        match table::text(&path, &bytes, notes) {
            Ok(text) => texts.push(TextFile { path, text }),
            Err(error) => notes.push(error),
        }
    }
    Ok(())
}

fn kind_of(TextFile { path, text }: &TextFile, labels: &[String]) -> ReadResult<FileKind> {
    let start = text.trim_start();
    if path.ends_with(".yaml") || path.ends_with(".yml") {
        return Ok(FileKind::Yaml);
    }
    if start.starts_with(['{', '[']) {
        let value = json(start).map_err(|e| {
            format!("{path} is damaged: it is not valid JSON ({e}). Export it again.")
        })?;
        return Ok(FileKind::Labels(if plain::is_own(&value) {
            plain::read_json(&value)?
        } else if label_studio::is_tasks(&value) {
            label_studio::read(&value, labels)?
        } else {
            coco::read(&value)?
        }));
    }
    if start.starts_with('<') {
        return match config_labels(text) {
            Some(_) => Ok(FileKind::Config),
            None if start.contains("<annotations") => Ok(FileKind::Labels(cvat::read(text)?)),
            None if start.contains("<svg") => Err(format!(
                "{path} is a drawing without points. Export the points in another format."
            )),
            None => Err(format!(
                "{path} is XML, but not from CVAT. Export the task as \"CVAT for images 1.1\"."
            )),
        };
    }
    let is_number = |cell: &str| cell.parse::<f64>().is_ok();
    let is_lines = path.ends_with(".txt")
        && (text.lines().filter(|line| !line.trim().is_empty()))
            .all(|line| line.split_whitespace().take(5).all(is_number));
    if is_lines {
        return Ok(FileKind::Yolo);
    }
    // A table is recognised by its header.
    let rows = table::rows(text, &mut Vec::new())
        .map_err(|what| format!("{path} cannot be read: {what}."))?;
    let Some((_, header)) = rows.first() else {
        return Err(format!("{path} is empty."));
    };
    let header: Vec<String> = header
        .iter()
        .map(|cell| cell.trim().to_ascii_lowercase())
        .collect();
    let has = |name: &str| header.iter().any(|cell| cell == name);
    Ok(match header[0].as_str() {
        "frame" if header == ["frame", "file"] => FileKind::FileList,
        "i" if has("name_i") => FileKind::Edges,
        "scorer" => FileKind::Numbered(deeplabcut::read),
        _ if has("frame_idx") => FileKind::Numbered(sleap::read),
        _ if has("file") && has("keypoint") => FileKind::Labels(plain::read_points(text)?),
        _ if has("video") && has("seconds") => {
            return Err(format!(
                "{path} holds movements but no points. Export the points in another format."
            ));
        }
        first if FILE_COLUMNS.contains(&first) => FileKind::Labels(plain::read_landmarks(text)?),
        first => {
            return Err(format!(
                "{path} is not a known table of labels: line 1 begins with \"{}\". Tables begin with \"file\" \
                 (file,<name>_x,<name>_y,...), \"scorer\" (DeepLabCut, Lightning Pose) or \"track\" (SLEAP).",
                first.chars().take(40).collect::<String>()
            ));
        }
    })
}

/// Returns the labels of Label Studio's config, if the text is one.
fn config_labels(text: &str) -> Option<Vec<String>> {
    let is_config = text.trim_start().starts_with('<') && text.contains("<KeyPointLabels");
    is_config.then(|| cvat::label_values(text))
}

/// Reads the list of images by number: `frame,file`.
fn file_list(text: &str) -> HashMap<u64, String> {
    let rows = table::rows(text, &mut Vec::new()).unwrap_or_default();
    let pair = |(_, cells): &(usize, Vec<String>)| {
        Some((cells[0].trim().parse().ok()?, cells.get(1)?.clone()))
    };
    rows.iter().skip(1).filter_map(pair).collect()
}

/// Adds the object and skeleton of DeepLabCut's `config.yaml`.
fn add_config(config: &Value, annotations: &mut Annotations) {
    let index = |name: &Value| {
        annotations
            .keypoints
            .iter()
            .position(|k| Some(k.name.as_str()) == name.as_str())
    };
    let edges = config["skeleton"].as_array().into_iter().flatten();
    let edges: Vec<[usize; 2]> = edges
        .filter_map(|edge| Some([index(&edge[0])?, index(&edge[1])?]))
        .collect();
    if annotations.skeleton.is_empty() {
        annotations.skeleton = edges;
    }
    if let Some(task) = config["Task"]
        .as_str()
        .filter(|task| crate::annotate::check_name(task).is_ok())
    {
        annotations.category = task.into();
    }
}

/// Merges labels of several files, with keypoints matched by name. If two files have the same point of an image, the first stays.
fn merge(mut all: Vec<Imported>, notes: &mut Vec<String>) -> Imported {
    if all
        .iter()
        .any(|one| one.in_fractions != all[0].in_fractions)
    {
        notes.push("Some files are in px and some in fractions of images. The latter were ignored. Import them separately.".into());
        all.retain(|one| !one.in_fractions);
    }
    let mut merged = all.remove(0);
    let mut at: HashMap<String, usize> = (merged.annotations.images.iter().enumerate())
        .map(|(i, image)| (image.name(), i))
        .collect();
    for one in all {
        merged.notes.extend(one.notes);
        let theirs = one.annotations;
        let ours = &mut merged.annotations;
        let columns: Vec<usize> = (theirs.keypoints.into_iter())
            .map(|keypoint| {
                ours.keypoints
                    .iter()
                    .position(|known| known.name == keypoint.name)
                    .unwrap_or_else(|| {
                        ours.keypoints.push(keypoint);
                        ours.keypoints.len() - 1
                    })
            })
            .collect();
        let count = ours.keypoints.len();
        for image in theirs.images {
            let i = *at.entry(image.name()).or_insert(ours.images.len());
            if i == ours.images.len() {
                ours.images.push(Image {
                    points: Vec::new(),
                    ..image.clone()
                });
            }
            let points = &mut ours.images[i].points;
            points.resize(count, Point::ABSENT);
            for (&column, point) in columns.iter().zip(&image.points) {
                if !points[column].is_there() {
                    points[column] = *point;
                }
            }
        }
        for edge in theirs.skeleton {
            let edge = edge.map(|end| columns[end]);
            if !ours.skeleton.contains(&edge) {
                ours.skeleton.push(edge);
            }
        }
    }
    let count = merged.annotations.keypoints.len();
    for image in &mut merged.annotations.images {
        image.points.resize(count, Point::ABSENT);
    }
    merged
}
