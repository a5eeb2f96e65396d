//! Files of annotation tools: annotations are exported as bytes ([`export`]), and labels imported from them ([`import`]). Each
//! format has a file of its own, of pure functions.
//!
//! To add a format, write its file with a `FormatSpec`, and register that with one line in the list below.
//! `tests/annotation/tools.py` loads what the formats write with the tools' own readers.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use self::csv::{by_video, frame_list, table_stem};
use self::images::{bounding_box_px, known_size, validation_split};
use self::names::{contained_path, safe_path, split_path, with_portable_names};
use self::text::{json_ascii, number, px, rounded_px, xml, yaml_string};
use crate::annotate::{Annotations, Image};
use crate::error::{Error, Result};

pub mod coco;
mod csv; // tables, and what tables of videos share
pub mod cvat;
pub mod deeplabcut;
mod images; // boxes, sizes, the validation split, images beside labels
pub mod label_studio;
mod names; // paths that every system can hold
pub mod plain;
pub mod png;
mod read; // labels of all formats, imported
pub mod sleap;
pub mod svg;
mod text; // numbers, JSON, YAML and XML
pub mod yolo;
mod zip; // files as one zip

pub use self::images::image_file;
pub use self::png::draw_on_frame;
pub use self::read::{check_size, import, import_files};
pub use self::zip::{Zip, zip, zip_to};

pub(super) use self::csv::csv_line;
pub(super) use self::names::written_names;

/// Declares [`Format`] from a list of formats.
macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident = $spec:path;)*) => {
        /// A format that annotations are exported in. Its serde name is its name on the command line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
        #[serde(rename_all = "kebab-case")]
        pub enum Format {
            $($(#[$doc])* $name,)*
        }

        impl Format {
            /// All formats, in the order in which they are offered.
            pub const ALL: [Format; [$(Format::$name),*].len()] = [$(Format::$name),*];

            fn spec(self) -> &'static FormatSpec {
                match self {
                    $(Format::$name => &$spec,)*
                }
            }
        }
    };
}

// All formats, in the order in which they are offered.
formats! {
    /// COCO keypoints, one JSON.
    Coco = coco::PLAIN;
    /// COCO keypoints in the folders that CVAT takes as a zip.
    CocoCvat = coco::FOR_CVAT;
    /// COCO keypoints in the folders of a DeepLabCut 3 project, split into train and test.
    CocoDeeplabcut = coco::FOR_DEEPLABCUT;
    /// A DeepLabCut or Lightning Pose project: labels and `config.yaml`.
    Deeplabcut = deeplabcut::LABELS;
    /// DeepLabCut's predictions, one table for each video.
    DeeplabcutPredictions = deeplabcut::PREDICTIONS;
    /// SLEAP's analysis table, one for each video.
    Sleap = sleap::ANALYSIS;
    /// YOLO-Pose (Ultralytics), split into train and val.
    Yolo = yolo::POSE;
    /// CVAT for images 1.1.
    Cvat = cvat::IMAGES;
    /// Label Studio's tasks and labelling config.
    LabelStudio = label_studio::TASKS;
    /// One line per point, and `edges.csv`.
    Csv = plain::CSV;
    /// Everything, as this program keeps it.
    Json = plain::JSON;
    /// The learned edge weights, `edges.csv`.
    Edges = plain::EDGES;
    /// The skeleton over each image.
    Svg = svg::OVERLAYS;
    /// The skeleton drawn into each image; see [`png::overlay`].
    Png = png::OVERLAYS;
}

/// A format's entry in the list: how it is offered, and how it is written.
struct FormatSpec {
    /// The tool that opens it.
    title: &'static str,
    /// Its contents.
    about: &'static str,
    /// The place of its images.
    images: ImagePlace,
    /// Makes its files, whose paths are relative to one folder.
    write: fn(&Annotations) -> Result<Vec<File>>,
}

/// The place where a format wants its images.
enum ImagePlace {
    /// Anywhere: the files name the images as they are.
    Anywhere,
    /// Beside its files, at these paths, in the order of the images. Images and labels get names that every system can hold.
    Beside(fn(&Annotations) -> Vec<String>),
    /// The images themselves are written again, with the skeleton drawn into them.
    DrawnOn,
}

/// Puts each image at its own name, made safe.
fn at_own_names(annotations: &Annotations) -> Vec<String> {
    let names = annotations.images.iter().map(Image::name);
    names.map(|name| safe_path(&name)).collect()
}

/// Puts each image into the folder `images`.
fn in_images_folder(annotations: &Annotations) -> Vec<String> {
    let names = at_own_names(annotations).into_iter();
    names.map(|name| format!("images/{name}")).collect()
}

impl Format {
    /// Returns the name of the format, as on the command line.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_string))
            .unwrap_or_default()
    }

    /// Returns where the format wants each image (for [`Format::Png`], the drawing of it), in the order of the images: paths
    /// relative to the folder of the files of [`export`].
    ///
    /// See `tests/annotation/sample.rs`.
    pub fn image_paths(self, annotations: &Annotations) -> Vec<String> {
        match self.spec().images {
            ImagePlace::Anywhere => {
                let names = annotations.images.iter().map(Image::name);
                names.map(|name| contained_path(&name)).collect()
            }
            ImagePlace::Beside(paths) => paths(&with_portable_names(annotations)),
            ImagePlace::DrawnOn => {
                let names = at_own_names(&with_portable_names(annotations));
                names.iter().map(|name| format!("{name}.png")).collect()
            }
        }
    }

    /// Returns true if the format's tool looks for images beside its files.
    pub fn holds_images(self) -> bool {
        matches!(self.spec().images, ImagePlace::Beside(_))
    }
}

/// A format, as a person is offered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct FormatInfo {
    /// The format.
    pub format: Format,
    /// The tool that opens it.
    pub title: String,
    /// Its contents.
    pub about: String,
    /// True if its tool looks for images beside its files.
    pub holds_images: bool,
}

impl FormatInfo {
    /// Lists all formats, in the order in which they are offered.
    ///
    /// See `cli/tests/lost.rs`.
    pub fn all() -> Vec<FormatInfo> {
        let info = |format: Format| FormatInfo {
            format,
            title: format.spec().title.into(),
            about: format.spec().about.into(),
            holds_images: format.holds_images(),
        };
        Format::ALL.map(info).to_vec()
    }
}

/// Names the annotated video of a video, a path relative to the folder of the files of [`export`].
///
/// ```
/// assert_eq!(autolink::annotate::formats::annotated_video("day 1/walk.mov"), "day 1/walk.annotated.mp4");
/// ```
pub fn annotated_video(video: &str) -> String {
    format!("{}.annotated.mp4", table_stem(Some(video)))
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, with `/` between folders, relative to the folder that the person chose.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl File {
    /// Makes a text file, UTF-8.
    pub fn text(path: impl Into<String>, text: String) -> File {
        File {
            path: path.into(),
            bytes: text.into_bytes(),
        }
    }
}

/// Writes annotations as `format`: one file or several. [`Format::Png`] gives none, since [`image_file`] draws on each image.
///
/// See `tests/annotation/sample.rs`.
///
/// # Errors
/// [`Error::File`] if the annotations are not valid ([`Annotations::validate`]), or cannot be written as this format.
pub fn export(annotations: &Annotations, format: Format) -> Result<Vec<File>> {
    annotations.validate()?;
    // Where images lie beside labels, both have names that every system can hold.
    let annotations = &match format.holds_images() {
        true => with_portable_names(annotations),
        false => Cow::Borrowed(annotations),
    };
    let files = (format.spec().write)(annotations)?;
    let mut paths = HashSet::new();
    match files.iter().find(|file| !paths.insert(&file.path)) {
        Some(file) => Err(Error::File(format!(
            "{} would be written twice, for two images or videos with similar names. Rename one of them.",
            file.path
        ))),
        None => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

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
    fn every_format_writes_each_file_once_and_places_images() {
        let sample = sample();
        for format in Format::ALL {
            let files = export(&sample, format).expect("files");
            // PNG overlays are made of the images themselves.
            assert_eq!(files.is_empty(), format == Format::Png, "{format:?}");
            let mut paths: Vec<String> = files.iter().map(|f| f.path.clone()).collect();
            paths.extend(format.image_paths(&sample));
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
    fn every_format_writes_annotations_without_images() {
        let mut empty = sample();
        empty.images.clear();
        for format in Format::ALL {
            assert!(export(&empty, format).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn export_rejects_tables_of_the_same_path() {
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
            .expect_err("the same path")
            .to_string();
        assert!(
            message.contains("walk.analysis.csv would be written twice"),
            "{message}"
        );
    }

    #[test]
    fn import_never_panics_on_damaged_files() {
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
                    // Whatever was read can be exported again, unless names collide.
                    let _ = export(&read.annotations, Format::Coco);
                    let _ = export(&read.annotations, Format::Cvat);
                }
                let _ = plain::import_json(&text);
            }
        }
    }
}
