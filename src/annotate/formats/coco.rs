//! COCO keypoints: one category, ids from 1, a 1-based skeleton, `v` 0 absent, 1 occluded, 2 visible.
//!
//! An image without points is listed, but has no annotation.

use serde_json::{Value, json};

use super::{
    File, FormatSpec, ImagePlace, bounding_box_px, in_images_folder, json_ascii, rounded_px,
    safe_path, validation_split,
};
use crate::annotate::{Annotations, Image};

pub(super) const PLAIN: FormatSpec = FormatSpec {
    title: "COCO keypoints",
    about: "One JSON file, for pycocotools and many others",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(vec![plain(annotations)]),
};
pub(super) const FOR_CVAT: FormatSpec = FormatSpec {
    title: "CVAT, as COCO",
    about: "COCO keypoints, in the folders that CVAT imports",
    images: ImagePlace::Beside(cvat_image_paths),
    write: |annotations| Ok(vec![for_cvat(annotations)]),
};
pub(super) const FOR_DEEPLABCUT: FormatSpec = FormatSpec {
    title: "DeepLabCut 3, as COCO",
    about: "COCO keypoints, split into train and test",
    images: ImagePlace::Beside(in_images_folder),
    write: |annotations| Ok(for_deeplabcut(annotations)),
};

/// Writes `coco.json`, with file names as they are.
///
/// See `coco_round_trip_keeps_points` in this file.
pub fn plain(annotations: &Annotations) -> File {
    file("coco.json", annotations, Image::name, |_| true)
}

/// The subset under which CVAT finds the annotations.
const CVAT_SUBSET: &str = "default";

/// Writes `annotations/person_keypoints_default.json`; images lie in `images/default/`.
///
/// See `tests/annotation/tools.py`.
pub fn for_cvat(annotations: &Annotations) -> File {
    let path = format!("annotations/person_keypoints_{CVAT_SUBSET}.json");
    let name = |image: &Image| safe_path(&image.name());
    file(&path, annotations, name, |_| true)
}

fn cvat_image_paths(annotations: &Annotations) -> Vec<String> {
    let path = |image: &Image| format!("images/{CVAT_SUBSET}/{}", safe_path(&image.name()));
    annotations.images.iter().map(path).collect()
}

/// Writes `annotations/train.json` and, with every fifth image, `annotations/test.json`; images lie in `images/`.
///
/// See `tests/annotation/tools.py`.
pub fn for_deeplabcut(annotations: &Annotations) -> Vec<File> {
    let test = validation_split(annotations);
    let name = |image: &Image| safe_path(&image.name());
    [("train", false), ("test", true)]
        .map(|(subset, wanted)| {
            let path = format!("annotations/{subset}.json");
            file(&path, annotations, name, |i| test[i] == wanted)
        })
        .into()
}

/// Writes the images that `wanted` picks, under the names that `name` gives them.
fn file(
    path: &str,
    annotations: &Annotations,
    name: impl Fn(&Image) -> String,
    wanted: impl Fn(usize) -> bool,
) -> File {
    let (mut images, mut objects) = (Vec::new(), Vec::new());
    for (i, image) in annotations.images.iter().enumerate() {
        if !wanted(i) {
            continue;
        }
        images.push(json!({
            "id": i + 1,
            "file_name": name(image),
            "width": image.width_px,
            "height": image.height_px,
        }));
        objects.extend(object(i + 1, image));
    }
    let names: Vec<&str> = annotations
        .keypoints
        .iter()
        .map(|keypoint| keypoint.name.as_str())
        .collect();
    let skeleton: Vec<[usize; 2]> = annotations
        .skeleton
        .iter()
        .map(|edge| edge.map(|end| end + 1))
        .collect();
    let all = json!({
        "info": {"description": "keypoints found by AutoLink"},
        "licenses": [],
        "images": images,
        "categories": [{
            "id": 1,
            "name": annotations.category,
            "supercategory": "",
            "keypoints": names,
            "skeleton": skeleton,
        }],
        "annotations": objects,
    });
    File::text(path, json_ascii(&all))
}

/// Makes the annotation of image `id`, if it has a point.
fn object(id: usize, image: &Image) -> Option<Value> {
    let bbox = bounding_box_px(image)?;
    let mut keypoints = Vec::with_capacity(3 * image.points.len());
    for point in &image.points {
        if point.is_there() {
            keypoints.extend([json!(rounded_px(point.x_px)), json!(rounded_px(point.y_px))]);
        } else {
            keypoints.extend([json!(0), json!(0)]);
        }
        keypoints.push(json!(point.visibility as u8));
    }
    Some(json!({
        "id": id,
        "image_id": id,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": image.points.iter().filter(|p| p.is_there()).count(),
        "bbox": bbox.map(rounded_px),
        "area": rounded_px(bbox[2] * bbox[3]),
        "iscrowd": 0,
        "segmentation": [],
    }))
}

pub use super::read::coco::import;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Imported;
    use crate::annotate::tests::sample;

    #[test]
    fn coco_round_trip_keeps_points() {
        let sample = sample();
        let text = String::from_utf8(plain(&sample).bytes).expect("text");
        assert!(text.is_ascii());
        let Imported {
            annotations, notes, ..
        } = import(&text).expect("reads");
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(annotations.category, sample.category);
        assert_eq!(annotations.skeleton, sample.skeleton);
        for (a, b) in annotations.keypoints.iter().zip(&sample.keypoints) {
            assert_eq!(a.name, b.name);
        }
        for (a, b) in annotations.images.iter().zip(&sample.images) {
            assert_eq!(
                (&a.file_name, a.width_px, a.height_px),
                (&b.file_name, b.width_px, b.height_px)
            );
            for (a, b) in a.points.iter().zip(&b.points) {
                assert_eq!(a.visibility, b.visibility);
                assert!((a.x_px - b.x_px).abs() < 1e-3 && (a.y_px - b.y_px).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn coco_has_the_fields_that_readers_need() {
        let mut sample = sample();
        sample.images.truncate(1);
        sample.keypoints.truncate(2);
        sample.images[0].points.truncate(2);
        sample.skeleton.truncate(1);
        for (keypoint, name) in sample.keypoints.iter_mut().zip(["kp0", "kp1"]) {
            keypoint.name = name.into();
        }
        sample.category = "object".into();
        let value: Value = serde_json::from_slice(&plain(&sample).bytes).expect("json");
        assert_eq!(
            value["categories"],
            json!([{"id":1,"name":"object","supercategory":"","keypoints":["kp0","kp1"],"skeleton":[[1,2]]}])
        );
        assert_eq!(
            value["annotations"],
            json!([{"id":1,"image_id":1,"category_id":1,"keypoints":[10.5,20.0,2,30.0,40.25,2],"num_keypoints":2,
                "bbox":[10.5,20.0,19.5,20.25],"area":394.875,"iscrowd":0,"segmentation":[]}])
        );
    }

    #[test]
    fn deeplabcut_splits_hold_all_images() {
        let files = for_deeplabcut(&sample());
        let names: Vec<String> = files
            .iter()
            .flat_map(|file| {
                let value: Value = serde_json::from_slice(&file.bytes).expect("json");
                value["images"].as_array().cloned().expect("images")
            })
            .map(|image| image["file_name"].to_string())
            .collect();
        assert_eq!(names.len(), 3);
    }
}
