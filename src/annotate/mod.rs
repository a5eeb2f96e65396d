//! From discovered keypoints to annotations: a person names and corrects keypoints, places landmarks, and exports both.
//!
//! [`Annotations`] are points on images, as a file holds them. Detection makes them from the discovered keypoints
//! ([`Image::detected`]); an [`edit::Table`] names, merges, hides and reorders those ([`edit::Table::apply`]); [`landmarks`]
//! regresses a person's own points from them; [`formats`] writes and reads files; a [`project`] keeps it all, with every edit.
//!
//! Coordinates are pixels of the original image, x before y, from its left and upper border: the centre of the first
//! pixel is at (0.5, 0.5), and `x_px = width_px * x_fraction`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::data::dataset::Placement;
use crate::data::locate::Crop;
use crate::error::{Error, Result};
use crate::render::skeleton;

pub mod content; // hashes that identify images and videos
pub mod edit; // the table of keypoints: names, merging, hiding, edges
pub mod formats; // export and import, one file per format
pub mod landmarks; // a person's points, regressed from keypoints
pub mod motion; // paths, speeds, distances and angles over time
pub mod names; // images matched by their names
pub mod placing; // imported labels, placed on the images that are here
pub mod project; // the page's annotation project, and its edits

pub use names::match_names;
pub use placing::{Imported, PlacedLabels};

/// Points on images: every format is written from these, and read into them.
///
/// See `tests/annotation/sample.rs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Annotations {
    /// The kind of object in the images, one object in each: "hand", for example.
    pub category: String,
    /// Keypoints, `[K]`, in the order of every image's points.
    pub keypoints: Vec<Keypoint>,
    /// Edges, as pairs of indices into `keypoints`.
    pub skeleton: Vec<[usize; 2]>,
    /// Learned weights of all pairs of keypoints, in the skeleton or not. Empty if nothing was learned.
    #[serde(default)]
    pub edge_weights: Vec<EdgeWeight>,
    /// The edge weight above which an edge belonged to the skeleton, in files of older versions; newer ones have none.
    #[serde(default)]
    pub edge_threshold: Option<f64>,
    /// The part of the object that each keypoint belongs to, `[K]`, numbered from 0; empty if the skeleton was not cut into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<usize>,
    /// Images or frames, `[N]`.
    pub images: Vec<Image>,
}

/// A named keypoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keypoint {
    /// Its name: not empty, without line breaks, and unlike all others.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: String,
}

/// The learned weight of the edge between two keypoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeWeight {
    /// Indices of the two keypoints.
    pub ends: [usize; 2],
    /// The weight, at least 0.
    pub weight: f64,
}

/// An image or a frame of a video, and the points on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Path of the image's file, with `/` between folders; the video's for a frame.
    pub file_name: String,
    /// Frame number in the video, from 0; none for a still image.
    #[serde(default)]
    pub frame: Option<u64>,
    /// Time at which the frame is shown, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Width after the EXIF orientation, px; 0 if unknown, as in some files of labels.
    pub width_px: u32,
    /// Height after the EXIF orientation, px; 0 if unknown.
    pub height_px: u32,
    /// The EXIF orientation of its file, 1 to 8, which turns the stored pixels into the image; 1 for upright.
    #[serde(default = "upright", skip_serializing_if = "is_upright")]
    pub exif_orientation: u8,
    /// The crop around the animal in which its keypoints were detected; none if they were detected in the whole image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Points, `[K]`.
    pub points: Vec<Point>,
}

fn upright() -> u8 {
    1
}

fn is_upright(orientation: &u8) -> bool {
    *orientation == 1
}

/// A keypoint on an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Distance from the left border, px.
    pub x_px: f64,
    /// Distance from the upper border, px.
    pub y_px: f64,
    /// Confidence, 0 to 1; 1 if a person placed it.
    pub confidence: f64,
    /// Absent, occluded or visible.
    pub visibility: Visibility,
    /// True if a person placed it or moved it.
    pub corrected: bool,
}

/// Visibility of a point. As a number it is COCO's `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Absent: its coordinates mean nothing.
    Absent = 0,
    /// At a known place, but something is in front of it, or it lies outside of the image.
    Occluded = 1,
    /// Visible in the image.
    Visible = 2,
}

impl Point {
    /// An absent point.
    pub const ABSENT: Point = Point {
        x_px: 0.0,
        y_px: 0.0,
        confidence: 0.0,
        visibility: Visibility::Absent,
        corrected: false,
    };

    /// Makes a visible point that a person placed at `[x, y]`, px.
    pub fn placed(at_px: [f64; 2]) -> Point {
        Point {
            x_px: at_px[0],
            y_px: at_px[1],
            confidence: 1.0,
            visibility: Visibility::Visible,
            corrected: true,
        }
    }

    /// Returns true unless the point is absent.
    pub fn is_there(&self) -> bool {
        self.visibility != Visibility::Absent
    }

    /// Returns true if the point has a place, or if a person marked it absent.
    pub fn is_labelled(&self) -> bool {
        self.is_there() || self.corrected
    }
}

impl Image {
    /// Makes an image from the detector's output: `view_points`, `[K][x, y]` as fractions of the square view, are mapped back to
    /// pixels of the original, with their `confidence`, `[K]`.
    ///
    /// `x_px = width_px * (offset_x + scale_x * view_x)`, or through the crop that the view shows. A point in the view's padding lies
    /// outside of the image, so it is occluded.
    ///
    /// See `detected_points_map_back_to_original_pixels` in this file.
    pub fn detected(
        file_name: String,
        placement: &Placement,
        view_points: &[[f32; 2]],
        confidence: &[f32],
    ) -> Image {
        let [width_px, height_px] = placement.original_px;
        let sides_px = [f64::from(width_px), f64::from(height_px)];
        let points = view_points
            .iter()
            .zip(confidence)
            .map(|(view, &confidence)| {
                let fraction = placement.to_original_wide(view.map(f64::from));
                let inside = fraction.iter().all(|f| (0.0..=1.0).contains(f));
                Point {
                    x_px: fraction[0] * sides_px[0],
                    y_px: fraction[1] * sides_px[1],
                    confidence: f64::from(confidence),
                    visibility: if inside {
                        Visibility::Visible
                    } else {
                        Visibility::Occluded
                    },
                    corrected: false,
                }
            })
            .collect();
        Image {
            file_name,
            frame: None,
            seconds: None,
            width_px,
            height_px,
            exif_orientation: placement.exif_orientation,
            crop: placement.crop,
            points,
        }
    }

    /// Returns the image's name: the path of its file, or for frame 12 of `walk.mp4` `walk/img000012.png`.
    ///
    /// See `frames_are_named_after_their_video` in this file.
    pub fn name(&self) -> String {
        image_name(&self.file_name, self.frame)
    }

    /// Returns the mean confidence of the points that are not absent; 0 if all are.
    pub fn confidence(&self) -> f64 {
        let there: Vec<f64> = self
            .points
            .iter()
            .filter(|p| p.is_there())
            .map(|p| p.confidence)
            .collect();
        there.iter().sum::<f64>() / there.len().max(1) as f64
    }
}

impl Annotations {
    /// Makes annotations of unnamed keypoints, `kp0`, `kp1`, ..., with the given colours and without images.
    pub fn discovered(colors: &[String]) -> Annotations {
        let keypoint = |(i, color): (usize, &String)| Keypoint {
            name: format!("kp{i}"),
            color: color.clone(),
        };
        Annotations {
            category: "object".into(),
            keypoints: colors.iter().enumerate().map(keypoint).collect(),
            ..Annotations::default()
        }
    }

    /// Adds the learned edge weights `[K][K]`, and the skeleton that follows from them ([`render::skeleton`](crate::render::skeleton)).
    pub fn with_graph(self, weights: &[Vec<f32>]) -> Annotations {
        let edge_weights: Vec<EdgeWeight> = (0..weights.len())
            .flat_map(|j| (0..j).map(move |i| [i, j]))
            .map(|ends| EdgeWeight {
                ends,
                weight: f64::from(weights[ends[0]][ends[1]]),
            })
            .collect();
        Annotations {
            skeleton: skeleton(weights),
            edge_weights,
            ..self
        }
    }

    /// Checks that the annotations can be written as a file.
    ///
    /// See `validate_rejects_invalid_annotations` in this file.
    ///
    /// # Errors
    /// [`Error::File`] for names that are empty, doubled or broken over lines, for images of the same name, for points
    /// that are not numbers, and for too few or too many points.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::File(what));
        let count = self.keypoints.len();
        if count == 0 {
            return wrong("There are no keypoints to export. Show at least one.".into());
        }
        check_name(&self.category).map_err(|e| Error::File(format!("The kind of object: {e}")))?;
        let mut names = HashSet::new();
        for keypoint in &self.keypoints {
            check_name(&keypoint.name).map_err(|e| Error::File(e.to_string()))?;
            if !names.insert(keypoint.name.as_str()) {
                return wrong(format!(
                    "Two keypoints are called \"{}\". Rename one of them.",
                    keypoint.name
                ));
            }
        }
        if self.skeleton.iter().flatten().any(|&end| end >= count) {
            return wrong(format!(
                "The skeleton has an edge to a keypoint that is not among the {count}."
            ));
        }
        let mut files = HashSet::new();
        for image in &self.images {
            let name = image.name();
            if name.trim().is_empty() {
                return wrong("An image has no file name. Rename it.".into());
            }
            if image.points.len() != count {
                return wrong(format!(
                    "{name} has {} points, but there are {count} keypoints.",
                    image.points.len()
                ));
            }
            let numbers = |p: &Point| [p.x_px, p.y_px, p.confidence].iter().all(|v| v.is_finite());
            if !image.points.iter().all(numbers) {
                return wrong(format!(
                    "A point's position on {name} is not a number. Detect again."
                ));
            }
            if !files.insert(name.clone()) {
                return wrong(format!(
                    "Two images are called {name}. Rename one of them, or put them into different folders."
                ));
            }
        }
        Ok(())
    }
}

/// Checks that a name fits into every format: it is not empty, and on one line.
///
/// # Errors
/// [`Error::Setting`] otherwise.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::Setting("A name cannot be empty.".into()));
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'))
    {
        return Err(Error::Setting(format!(
            "The name {name:?} holds a line break or another control character. Remove it."
        )));
    }
    Ok(())
}

/// Names an image, or a frame of a video; see [`Image::name`].
pub fn image_name(name: &str, frame: Option<u64>) -> String {
    match frame {
        None => name.to_string(),
        Some(frame) => format!("{}/img{frame:06}.png", without_extension(name)),
    }
}

/// Returns true if `name` has the form that [`image_name`] gives to frames of `video`.
pub(crate) fn is_frame_of(video: &str, name: &str) -> bool {
    let number = name
        .strip_prefix(without_extension(video))
        .and_then(|rest| rest.strip_prefix("/img")?.strip_suffix(".png"));
    number.is_some_and(|number| number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Removes the extension: `folder/a.b.jpg` -> `folder/a.b`.
pub(crate) fn without_extension(path: &str) -> &str {
    let file = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[file..].rfind('.') {
        Some(dot) if dot > 0 => &path[..file + dot],
        _ => path,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three images, four keypoints, names that break careless writers; one point is absent, one occluded, one corrected, one image
    /// empty.
    pub(crate) fn sample() -> Annotations {
        let colors = ["#e6194b", "#3cb44b", "#4363d8", "#f58231"].map(String::from);
        let mut sample = Annotations::discovered(&colors);
        sample.category = "Hände & \"Füße\", 手".into();
        let names = [
            "nose, left \"tip\"",
            "Größe <ß> & 'é'",
            "右手: #1",
            " - {plain}\\x",
        ];
        for (keypoint, name) in sample.keypoints.iter_mut().zip(names) {
            keypoint.name = name.into();
        }
        sample.skeleton = vec![[0, 1], [1, 2], [3, 1]];
        sample.edge_threshold = Some(0.25);
        sample.edge_weights = vec![
            EdgeWeight {
                ends: [0, 1],
                weight: 0.75,
            },
            EdgeWeight {
                ends: [0, 3],
                weight: 0.125,
            },
        ];
        let at = |x_px: f64, y_px: f64, confidence: f64| Point {
            x_px,
            y_px,
            confidence,
            visibility: Visibility::Visible,
            corrected: false,
        };
        let mut image = |file: &str, size: [u32; 2], points: Vec<Point>| {
            sample.images.push(Image {
                file_name: file.into(),
                frame: None,
                seconds: None,
                width_px: size[0],
                height_px: size[1],
                exif_orientation: 1,
                crop: None,
                points,
            });
        };
        image(
            "a.jpg",
            [640, 480],
            vec![
                at(10.5, 20.0, 0.5),
                at(30.0, 40.25, 1.0),
                Point {
                    visibility: Visibility::Occluded,
                    ..at(639.123456, 0.0, 0.25)
                },
                Point::placed([100.0 / 3.0, 479.999]),
            ],
        );
        image(
            "set 1/ü, \"手\" 'x' & <b>.v2.png",
            [101, 77],
            vec![
                at(1.0 / 7.0, 76.5, 0.5),
                Point::ABSENT,
                at(50.0, 0.001, 1.0),
                at(99.0, 33.3333333, 0.75),
            ],
        );
        image("set 1/empty.png", [64, 64], vec![Point::ABSENT; 4]);
        sample
    }

    #[test]
    fn detected_points_map_back_to_original_pixels() {
        // A 200 x 100 image, padded above and below: the view spans twice its height.
        let placement = Placement {
            original_px: [200, 100],
            exif_orientation: 1,
            crop: None,
            offset: [0.0, -0.5],
            scale: [1.0, 2.0],
        };
        let image = Image::detected(
            "a.png".into(),
            &placement,
            &[[0.5, 0.5], [0.25, 0.1]],
            &[1.0, 0.5],
        );
        assert_eq!((image.width_px, image.height_px), (200, 100));
        assert_eq!((image.points[0].x_px, image.points[0].y_px), (100.0, 50.0));
        assert_eq!(image.points[0].visibility, Visibility::Visible);
        assert!((image.points[1].y_px + 30.0).abs() < 1e-5);
        assert_eq!(image.points[1].visibility, Visibility::Occluded);
        assert_eq!(image.confidence(), 0.75);
    }

    #[test]
    fn frames_are_named_after_their_video() {
        let mut image = sample().images.remove(0);
        assert_eq!(image.name(), "a.jpg");
        image.file_name = "day.1/walk.v2.mp4".into();
        image.frame = Some(12);
        assert_eq!(image.name(), "day.1/walk.v2/img000012.png");
        assert_eq!(without_extension("day.1/walk"), "day.1/walk");
        assert_eq!(without_extension(".hidden"), ".hidden");
    }

    #[test]
    fn validate_rejects_invalid_annotations() {
        let fails = |change: &dyn Fn(&mut Annotations), part: &str| {
            let mut annotations = sample();
            change(&mut annotations);
            let message = annotations.validate().expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        assert!(sample().validate().is_ok());
        fails(&|a| a.keypoints.clear(), "no keypoints");
        fails(&|a| a.keypoints[1].name = "a\nb".into(), "line break");
        fails(&|a| a.keypoints[1].name = " ".into(), "empty");
        fails(
            &|a| a.keypoints[1].name = a.keypoints[0].name.clone(),
            "Two keypoints",
        );
        fails(&|a| a.category.clear(), "kind of object");
        fails(&|a| a.skeleton.push([0, 4]), "skeleton");
        fails(
            &|a| a.images[1].file_name = "a.jpg".into(),
            "Two images are called a.jpg",
        );
        fails(
            &|a| {
                a.images[1].points.pop();
            },
            "3 points, but there are 4",
        );
        fails(&|a| a.images[0].points[0].x_px = f64::NAN, "not a number");
        fails(&|a| a.images[0].file_name.clear(), "no file name");
    }
}
