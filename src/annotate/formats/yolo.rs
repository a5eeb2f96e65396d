//! YOLO-Pose (Ultralytics): `data.yaml`, `images/<split>/`, `labels/<split>/`, one line per object
//! `class cx cy w h x1 y1 v1 ...`, as fractions of the image.
//!
//! Ultralytics rejects coordinates outside of the image, so a point there is written as absent (`0 0 0`). Keypoint names
//! and the skeleton are comments in `data.yaml`, because CVAT takes every key that it does not know for a folder of images.

use std::collections::HashMap;

use super::{
    File, FormatSpec, ImagePlace, bounding_box_px, json_ascii, known_size, number, safe_path,
    validation_split, yaml_string,
};
use crate::annotate::{Annotations, Image, Point, without_extension};
use crate::error::{Error, Result};

pub(super) const POSE: FormatSpec = FormatSpec {
    title: "Ultralytics YOLO-Pose",
    about: "Labels with data.yaml, split into train and val",
    images: ImagePlace::Beside(image_paths),
    write: pose,
};

/// Writes `data.yaml` and one text file for each image; every fifth image is for validation.
///
/// See `tests/annotation/tools.py`.
///
/// # Errors
/// [`Error::File`] if an image's size is not known, or if two images differ only in their extension and would share a
/// file.
pub fn pose(annotations: &Annotations) -> Result<Vec<File>> {
    let mut files = vec![File::text("data.yaml", data_yaml(annotations))];
    let mut taken: HashMap<String, String> = HashMap::new();
    for (image, path) in annotations.images.iter().zip(image_paths(annotations)) {
        let labels = path.replacen("images/", "labels/", 1);
        let labels = format!("{}.txt", without_extension(&labels));
        if let Some(other) = taken.insert(labels.clone(), image.name()) {
            return Err(Error::File(format!(
                "In YOLO's folders {other} and {} would share one file of labels. Rename one of them.",
                image.name()
            )));
        }
        files.push(File::text(labels, line(image)?));
    }
    Ok(files)
}

/// Returns `images/<split>/<name>` for each image. Ultralytics replaces the last folder `images` in a path by `labels`, so none may follow.
fn image_paths(annotations: &Annotations) -> Vec<String> {
    let path = |(image, is_validation): (&Image, bool)| {
        let split = if is_validation { "val" } else { "train" };
        let name = image_path(&safe_path(&image.name()));
        format!("images/{split}/{name}")
    };
    let is_validation = validation_split(annotations);
    annotations
        .images
        .iter()
        .zip(is_validation)
        .map(path)
        .collect()
}

/// Renames folders called `images` in an image's path inside its split's folder.
pub(super) fn image_path(name: &str) -> String {
    let parts = name
        .split('/')
        .map(|part| if part == "images" { "pictures" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn data_yaml(annotations: &Annotations) -> String {
    // With a single image there is nothing to split off.
    let val = if annotations.images.len() > 1 {
        "images/val"
    } else {
        "images/train"
    };
    let names = annotations.keypoints.iter().map(|k| yaml_string(&k.name));
    let names: Vec<String> = names.collect();
    format!(
        "train: images/train\nval: {val}\nkpt_shape: [{}, 3]\nnames:\n  0: {}\n\
         # The keypoints' names, and the edges between them; the first line without its # is Ultralytics' kpt_names.\n\
         # kpt_names: {{0: [{}]}}\n# skeleton: {}\n",
        names.len(),
        yaml_string(&annotations.category),
        names.join(", "),
        json_ascii(&annotations.skeleton),
    )
}

/// Writes the line of an image's object; nothing if it has no point in the image.
fn line(image: &Image) -> Result<String> {
    let [width, height] = known_size(image)?;
    let inside = |p: &Point| {
        p.is_there() && (0.0..=width).contains(&p.x_px) && (0.0..=height).contains(&p.y_px)
    };
    let mut image = image.clone();
    for point in &mut image.points {
        if !inside(point) {
            *point = Point::ABSENT;
        }
    }
    let Some([x, y, w, h]) = bounding_box_px(&image) else {
        return Ok(String::new());
    };
    // A box of at least a pixel may leave the image at its right or lower border.
    let (w, h) = (w.min(width), h.min(height));
    let (x, y) = (x.min(width - w), y.min(height - h));
    let fraction = |v_px: f64, side_px: f64| number(v_px / side_px, 8);
    let mut cells = vec![
        "0".to_string(),
        fraction(x + w / 2.0, width),
        fraction(y + h / 2.0, height),
        fraction(w, width),
        fraction(h, height),
    ];
    for point in &image.points {
        cells.push(fraction(point.x_px, width));
        cells.push(fraction(point.y_px, height));
        cells.push((point.visibility as u8).to_string());
    }
    Ok(cells.join(" ") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn line_holds_fractions_inside_the_image() {
        let mut image = sample().images.remove(0);
        image.points[1].x_px = 640.001;
        image.points[2].x_px = 640.0;
        let line = line(&image).expect("a line");
        let cells: Vec<f64> = line
            .split_whitespace()
            .map(|c| c.parse().expect("a number"))
            .collect();
        assert_eq!(cells.len(), 5 + 3 * 4);
        assert!(cells[1..5].iter().all(|c| (0.0..=1.0).contains(c)));
        assert_eq!(cells[8..11], [0.0; 3]);
        assert_eq!(cells[11..14], [1.0, 0.0, 1.0]);
        assert!((cells[5] * 640.0 - 10.5).abs() < 1e-5);
    }

    #[test]
    fn pose_rejects_images_that_share_labels() {
        let mut sample = sample();
        sample.images.truncate(1);
        sample.images.push(sample.images[0].clone());
        sample.images[1].file_name = "a.png".into();
        // On different sides of the split the two do not collide.
        let mut both = sample.clone();
        for i in 0..20 {
            let mut other = sample.images[0].clone();
            other.file_name = format!("{i}.png");
            both.images.push(other);
        }
        let paths = image_paths(&both);
        let collide = paths[0].split('/').nth(1) == paths[1].split('/').nth(1);
        assert_eq!(pose(&both).is_err(), collide);
        sample.images[1].width_px = 0;
        sample.images[1].file_name = "b.png".into();
        let message = pose(&sample).expect_err("no size").to_string();
        assert!(message.contains("size of b.png is unknown"), "{message}");
    }

    #[test]
    fn image_paths_rename_folders_called_images() {
        let mut sample = sample();
        sample.images[0].file_name = "x/images/a.b.jpg".into();
        let paths = image_paths(&sample);
        assert!(paths[0].ends_with("/x/pictures/a.b.jpg"), "{paths:?}");
        let files = pose(&sample).expect("files");
        assert!(files[1].path.starts_with("labels/"));
        assert!(files[1].path.ends_with("/x/pictures/a.b.txt"));
    }
}
