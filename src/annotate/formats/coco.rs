//! COCO keypoints: one category, ids from 1, a 1-based skeleton, `v` 0 absent, 1 occluded, 2 visible.
//!
//! A picture without points is listed and has no annotation.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{File, bounding_box_px, json_ascii, rounded_px, safe_path, validation};
use crate::annotate::{Annotations, Image, Imported, Point, Visibility, check_name};
use crate::error::{Error, Result};

/// `coco.json`, with file names as they are.
pub fn plain(annotations: &Annotations) -> File {
    file("coco.json", annotations, Image::picture_name, |_| true)
}

/// The subset under which CVAT finds the annotations.
const CVAT_SUBSET: &str = "default";

/// `annotations/person_keypoints_default.json`; pictures lie in `images/default/`.
pub fn for_cvat(annotations: &Annotations) -> File {
    let path = format!("annotations/person_keypoints_{CVAT_SUBSET}.json");
    let name = |image: &Image| safe_path(&image.picture_name());
    file(&path, annotations, name, |_| true)
}

pub(super) fn cvat_picture_path(name: &str) -> String {
    format!("images/{CVAT_SUBSET}/{}", safe_path(name))
}

/// `annotations/train.json` and, with every fifth picture, `annotations/test.json`; pictures lie in `images/`.
pub fn for_deeplabcut(annotations: &Annotations) -> Vec<File> {
    let test = validation(annotations);
    let name = |image: &Image| safe_path(&image.picture_name());
    [("train", false), ("test", true)]
        .map(|(subset, wanted)| {
            let path = format!("annotations/{subset}.json");
            file(&path, annotations, name, |i| test[i] == wanted)
        })
        .into()
}

/// The images that `wanted` picks, under the names that `name` gives them.
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

/// The annotation of image `id`, if it has a point.
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

/// Reads COCO keypoints of one category, as landmarks that a person placed.
///
/// What cannot be used is left out with a note: annotations of images that are not listed, crowds, further objects on one
/// image (the one with the most points stays), edges to keypoints that do not exist.
///
/// # Errors
/// [`Error::Landmarks`] if it is no such file: a sentence says what is missing, and where.
pub fn import(text: &str) -> Result<Imported> {
    read(text).map_err(Error::Landmarks)
}

type Read<T> = std::result::Result<T, String>;

fn read(text: &str) -> Read<Imported> {
    let all: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| {
        format!("This is not a COCO file, since it is not JSON ({e}): export it again as COCO keypoints.")
    })?;
    let Value::Object(all) = all else {
        return Err(
            "This is JSON, but not a COCO dataset, which has images, categories and annotations. A list alone is a file \
             of COCO results: export the dataset instead."
                .into(),
        );
    };
    let mut notes = Vec::new();

    // The category.
    let categories = list(&all, "categories", "The COCO file")?;
    let mut chosen = None;
    for (i, category) in categories.iter().enumerate() {
        let at = format!("Category {} of the COCO file", i + 1);
        let category = category
            .as_object()
            .ok_or(format!("{at} is not an object in braces."))?;
        if category
            .get("keypoints")
            .is_none_or(|k| k.as_array().is_some_and(Vec::is_empty))
        {
            continue;
        }
        let name = category
            .get("name")
            .and_then(Value::as_str)
            .filter(|name| check_name(name).is_ok())
            .unwrap_or("object");
        if let Some((_, _, other)) = chosen {
            return Err(format!(
                "The COCO file has keypoints of several kinds of objects (\"{other}\" and \"{name}\"): export one kind at \
                 a time."
            ));
        }
        chosen = Some((whole(category, "id", &at)?, category, name));
    }
    let Some((category_id, category, category_name)) = chosen else {
        return Err(
            "The COCO file has no category with keypoints, only boxes or outlines: export it as COCO keypoints.".into(),
        );
    };
    let mut names: Vec<String> = Vec::new();
    for name in list(category, "keypoints", "The category of the COCO file")? {
        let name = name
            .as_str()
            .ok_or("A keypoint's name in the COCO file is not a text.")?;
        names.push(super::unique_name(name, &names, &mut notes));
    }
    let mut skeleton = Vec::new();
    if let Some(edges) = category.get("skeleton").and_then(Value::as_array) {
        for edge in edges {
            let ends: Option<Vec<usize>> = edge.as_array().map(|ends| {
                ends.iter()
                    .filter_map(Value::as_u64)
                    .filter(|&end| (1..=names.len() as u64).contains(&end))
                    .map(|end| end as usize - 1)
                    .collect()
            });
            match ends.as_deref() {
                Some(&[a, b]) => skeleton.push([a, b]),
                _ => notes.push(format!(
                    "The skeleton's edge {edge} was left out: it should be two numbers from 1 to {}.",
                    names.len()
                )),
            }
        }
    }

    // The images.
    let mut images = Vec::new();
    let mut by_id = HashMap::new();
    for (i, image) in list(&all, "images", "The COCO file")?.iter().enumerate() {
        let at = format!("Image {} of the COCO file", i + 1);
        let image = image
            .as_object()
            .ok_or(format!("{at} is not an object in braces."))?;
        let file_name = image
            .get("file_name")
            .and_then(Value::as_str)
            .ok_or(format!("{at} has no \"file_name\"."))?;
        if by_id
            .insert(whole(image, "id", &at)?, images.len())
            .is_some()
        {
            return Err(format!("{at} has the id of another one."));
        }
        let side = |field: &str| match image.get(field) {
            None | Some(Value::Null) => Ok(0),
            Some(_) => whole(image, field, &at).and_then(|side| {
                u32::try_from(side).map_err(|_| {
                    format!("{at}: its \"{field}\" is {side}, which is no number of pixels.")
                })
            }),
        };
        images.push(Image {
            file_name: file_name.to_string(),
            frame: None,
            seconds: None,
            width_px: side("width")?,
            height_px: side("height")?,
            points: vec![Point::ABSENT; names.len()],
        });
    }

    // The points.
    let (mut unknown, mut crowds, mut further) = (0, 0, HashSet::new());
    for (i, object) in list(&all, "annotations", "The COCO file")?
        .iter()
        .enumerate()
    {
        let at = format!("Annotation {} of the COCO file", i + 1);
        let object = object
            .as_object()
            .ok_or(format!("{at} is not an object in braces."))?;
        if whole(object, "category_id", &at)? != category_id {
            continue;
        }
        if object
            .get("iscrowd")
            .is_some_and(|crowd| crowd.as_u64() == Some(1))
        {
            crowds += 1;
            continue;
        }
        let Some(&image) = by_id.get(&whole(object, "image_id", &at)?) else {
            unknown += 1;
            continue;
        };
        let points = points(list(object, "keypoints", &at)?, names.len(), &at)?;
        let image: &mut Image = &mut images[image];
        let count = |points: &[Point]| points.iter().filter(|p| p.is_there()).count();
        if count(&image.points) > 0 {
            further.insert(image.file_name.clone());
        }
        if count(&points) > count(&image.points) {
            image.points = points;
        }
    }
    if unknown > 0 {
        notes.push(format!(
            "{unknown} annotation(s) were left out: their image_id is not among the file's images."
        ));
    }
    if crowds > 0 {
        notes.push(format!(
            "{crowds} annotation(s) of crowds were left out: they have no single keypoints."
        ));
    }
    if !further.is_empty() {
        notes.push(format!(
            "{} picture(s) show several objects; of each, the one with the most points was taken.",
            further.len()
        ));
    }
    if images.is_empty() {
        return Err("The COCO file lists no images.".into());
    }
    Ok(Imported {
        annotations: Annotations {
            category: category_name.to_string(),
            keypoints: super::uncolored(names),
            skeleton,
            images,
            ..Annotations::default()
        },
        notes,
    })
}

/// `[x, y, v, ...]` as points.
fn points(numbers: &[Value], count: usize, at: &str) -> Read<Vec<Point>> {
    if numbers.len() != 3 * count {
        return Err(format!(
            "{at} has {} numbers in \"keypoints\"; {count} keypoints make {}.",
            numbers.len(),
            3 * count
        ));
    }
    numbers
        .chunks_exact(3)
        .map(|numbers| {
            let [x, y, v] = [0, 1, 2].map(|i| numbers[i].as_f64().filter(|n| n.is_finite()));
            let (Some(x), Some(y), Some(v)) = (x, y, v) else {
                return Err(format!(
                    "{at} has something in \"keypoints\" that is not a number."
                ));
            };
            Ok(if v <= 0.0 {
                Point::ABSENT
            } else {
                Point {
                    visibility: if v == 1.0 {
                        Visibility::Occluded
                    } else {
                        Visibility::Visible
                    },
                    ..Point::placed([x, y])
                }
            })
        })
        .collect()
}

/// A list that must be there.
fn list<'a>(object: &'a Map<String, Value>, field: &str, at: &str) -> Read<&'a [Value]> {
    match object.get(field) {
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!("{at}: \"{field}\" is not a list.")),
        None => Err(format!(
            "{at} has no \"{field}\": export it again as COCO keypoints."
        )),
    }
}

/// A whole number that must be there. Some writers put a point behind it.
fn whole(object: &Map<String, Value>, field: &str, at: &str) -> Read<i64> {
    let value = object
        .get(field)
        .ok_or(format!("{at} has no \"{field}\"."))?;
    value
        .as_i64()
        .or(value
            .as_f64()
            .filter(|v| v.fract() == 0.0 && v.abs() < 1e15)
            .map(|v| v as i64))
        .ok_or(format!("{at}: \"{field}\" is {value}, not a whole number."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn what_is_written_is_read() {
        let sample = sample();
        let text = String::from_utf8(plain(&sample).bytes).expect("text");
        assert!(text.is_ascii());
        let Imported { annotations, notes } = import(&text).expect("reads");
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
    fn the_file_is_as_the_readers_want_it() {
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
    fn the_splits_of_deeplabcut_hold_all_pictures() {
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

    #[test]
    fn what_cannot_be_read_is_said() {
        let good = json!({
            "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
            "categories": [{"id": 1, "name": "hand", "keypoints": ["a", "b"], "skeleton": [[1, 2]]}],
            "annotations": [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2, 3, 4.5, 1]}],
        });
        assert!(import(&good.to_string()).is_ok());
        let fails = |change: &dyn Fn(&mut Value), part: &str| {
            let mut value = good.clone();
            change(&mut value);
            let message = import(&value.to_string()).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        for (text, part) in [
            ("", "not JSON"),
            ("{\"images\": [", "not JSON"),
            ("\u{89}PNG", "not JSON"),
            ("[]", "COCO results"),
            ("3", "not a COCO dataset"),
            ("{}", "no \"categories\""),
        ] {
            let message = import(text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
        fails(&|v| v["images"] = json!({}), "\"images\" is not a list");
        fails(&|v| v["images"] = json!([]), "lists no images");
        fails(&|v| v["images"] = json!(["a.jpg"]), "Image 1");
        fails(
            &|v| v["images"][0]["file_name"] = json!(3),
            "no \"file_name\"",
        );
        fails(
            &|v| v["images"][0]["width"] = json!("wide"),
            "not a whole number",
        );
        fails(
            &|v| v["images"][0]["width"] = json!(-3),
            "no number of pixels",
        );
        fails(&|v| v["images"][0]["id"] = Value::Null, "\"id\" is null");
        fails(
            &|v| {
                let image = v["images"][0].clone();
                v["images"] = json!([image, image]);
            },
            "id of another",
        );
        fails(
            &|v| v["categories"] = json!([]),
            "no category with keypoints",
        );
        fails(
            &|v| v["categories"][0]["keypoints"] = json!("a"),
            "\"keypoints\" is not a list",
        );
        fails(
            &|v| v["categories"][0]["keypoints"] = json!([1, 2]),
            "not a text",
        );
        fails(
            &|v| {
                let category = v["categories"][0].clone();
                v["categories"] = json!([category, category]);
            },
            "several kinds of objects",
        );
        fails(
            &|v| v["annotations"] = Value::Null,
            "\"annotations\" is not a list",
        );
        fails(
            &|v| v["annotations"][0]["keypoints"] = json!([1, 2]),
            "2 numbers in \"keypoints\"; 2 keypoints make 6",
        );
        fails(
            &|v| v["annotations"][0]["keypoints"][0] = json!("x"),
            "not a number",
        );
        fails(
            &|v| v["annotations"][0]["image_id"] = json!("one"),
            "\"image_id\" is \"one\"",
        );
    }

    #[test]
    fn what_is_left_out_is_noted() {
        let object = |image_id: u32, v: u32| json!({"id": 1, "image_id": image_id, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, v]});
        let mut crowd = object(1, 2);
        crowd["iscrowd"] = json!(1);
        let value = json!({
            "images": [{"id": 1, "file_name": "a.jpg"}],
            "categories": [{"id": 1, "name": "hand", "keypoints": ["a", "a"], "skeleton": [[1, 3], [0, 1], [1, 2]]}],
            "annotations": [object(7, 2), object(1, 0), object(1, 2), object(1, 0), crowd],
        });
        let Imported { annotations, notes } = import(&value.to_string()).expect("reads");
        assert_eq!(annotations.skeleton, [[0, 1]]);
        assert_eq!(annotations.images[0].width_px, 0);
        assert!(annotations.images[0].points[1].is_there());
        assert_eq!(annotations.keypoints[1].name, "a (2)");
        let all = notes.join("\n");
        for part in [
            "image_id is not",
            "crowds",
            "several objects",
            "edge [1,3]",
            "edge [0,1]",
            "a (2)",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }
}
