//! Reads COCO keypoints as labels that a person placed; annotations with a `score` are predictions.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{LabelCollector, ReadResult, json, side_px};
use crate::annotate::{Imported, Point, Visibility};
use crate::error::{Error, Result};

/// Reads COCO keypoints of one category.
///
/// Entries that cannot be used are left out with a note: annotations without keypoints, of crowds, of other categories, of images
/// that are not listed; points without a place; further objects on one image (the one with the most points stays).
///
/// See `tests/annotation/sample.rs`.
///
/// # Errors
/// [`Error::Landmarks`] if the text is not such a file, or if nothing in it can be used.
pub fn import(text: &str) -> Result<Imported> {
    let all = json(text.trim_start_matches('\u{feff}')).map_err(|e| {
        Error::Landmarks(format!(
            "This is not a COCO file because it is not valid JSON ({e}). Export it again as COCO keypoints."
        ))
    })?;
    let imported = read(&all).map_err(Error::Landmarks)?;
    if imported.annotations.images.is_empty() {
        return Err(Error::Landmarks("The COCO file lists no images.".into()));
    }
    Ok(imported)
}

/// A category with keypoints.
struct Category<'a> {
    id: Option<String>,
    name: &'a str,
    fields: &'a Map<String, Value>,
}

pub(super) fn read(all: &Value) -> ReadResult<Imported> {
    let Value::Object(all) = all else {
        return Err(
            "This is JSON, but not a COCO dataset, which has images, categories and annotations. A list alone is a file \
             of COCO results. Export the dataset instead."
                .into(),
        );
    };
    let mut found = LabelCollector::default();
    let categories: Vec<Category> = list(all, "categories")?
        .iter()
        .filter_map(category)
        .collect();
    let objects = list(all, "annotations")?;
    let images = images(list(all, "images")?, &mut found);
    if categories.is_empty() {
        return Err(
            "The COCO file has no category with keypoints, only boxes or outlines. Export it as COCO keypoints.".into(),
        );
    }
    let category_of =
        |object: &Map<String, Value>| match object.get("category_id").filter(|id| !id.is_null()) {
            None if categories.len() == 1 => Some(0),
            None => None,
            Some(id) => {
                let id = key(id);
                categories.iter().position(|category| category.id == id)
            }
        };
    // The category with the most labels.
    let mut counts = vec![0_usize; categories.len()];
    for object in objects.iter().filter_map(Value::as_object) {
        if let Some(at) =
            category_of(object).filter(|_| object.get("keypoints").is_some_and(Value::is_array))
        {
            counts[at] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let chosen = counts.iter().position(|count| *count == most).unwrap_or(0);
    let category = &categories[chosen];
    found.category = Some(category.name.into());
    for (i, name) in list(category.fields, "keypoints")?.iter().enumerate() {
        let name = match name {
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            _ => format!("kp{i}"),
        };
        // Two keypoints of the same name stay two.
        let at = found.keypoint(&name);
        if at != i {
            found.originals.remove(&name);
            found.keypoint(&name);
        }
    }
    skeleton(category.fields, &mut found);

    for (i, object) in objects.iter().enumerate() {
        let at = match object.get("id").and_then(key) {
            Some(id) => format!("annotation {id}"),
            None => format!("annotation {} of the list", i + 1),
        };
        let Some(object) = object.as_object() else {
            found
                .tally
                .add("Annotations that are not JSON objects were ignored", &at);
            continue;
        };
        match category_of(object) {
            Some(other) if other != chosen => {
                let what = format!(
                    "Annotations of \"{}\" were ignored because only one kind of object is read, and \"{}\" has at least as many",
                    categories[other].name, category.name
                );
                found.tally.add(&what, &at);
                continue;
            }
            Some(_) => {}
            None => {
                found.tally.add("Annotations of a category that has no keypoints, or is not in the file, were ignored", &at);
                continue;
            }
        }
        if object
            .get("iscrowd")
            .is_some_and(|crowd| crowd.as_f64() == Some(1.0) || crowd.as_bool() == Some(true))
        {
            found.tally.add(
                "Annotations of crowds were ignored because a crowd is not a single object",
                &at,
            );
            continue;
        }
        let Some(Value::Array(numbers)) = object.get("keypoints") else {
            found
                .tally
                .add("Annotations without keypoints were ignored", &at);
            continue;
        };
        let image = match object
            .get("image_id")
            .and_then(key)
            .and_then(|id| images.get(&id))
        {
            Some(Some(image)) => *image,
            Some(None) => {
                found.tally.add(
                    "Annotations whose image_id belongs to several images were ignored",
                    &at,
                );
                continue;
            }
            None => {
                found.tally.add(
                    "Annotations whose image_id belongs to no image in the file were ignored",
                    &at,
                );
                continue;
            }
        };
        let score = object.get("score").and_then(Value::as_f64);
        if let Some(points) = points(numbers, &at, score, &mut found) {
            found.place_object(image, points);
        }
    }
    Ok(found.finish())
}

fn category(category: &Value) -> Option<Category<'_>> {
    let fields = category.as_object()?;
    let has_keypoints = fields
        .get("keypoints")
        .and_then(Value::as_array)
        .is_some_and(|names| !names.is_empty());
    has_keypoints.then(|| Category {
        id: fields.get("id").and_then(key),
        name: fields
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or("object"),
        fields,
    })
}

/// Maps ids to images; none where several images have the same id.
fn images(list: &[Value], found: &mut LabelCollector) -> HashMap<String, Option<usize>> {
    let mut by_id = HashMap::new();
    for (i, image) in list.iter().enumerate() {
        let text = |field: &str| {
            image
                .get(field)
                .and_then(Value::as_str)
                .filter(|name| !name.trim().is_empty())
        };
        let Some(name) = ["file_name", "path", "coco_url"].into_iter().find_map(text) else {
            found.tally.add(
                "Images without a \"file_name\" were ignored",
                &format!("image {} of the list", i + 1),
            );
            continue;
        };
        let size = [side_px(image.get("width")), side_px(image.get("height"))];
        let at = found.image(name, None, size);
        if let Some(id) = image.get("id").and_then(key) {
            by_id
                .entry(id)
                .and_modify(|other: &mut Option<usize>| *other = other.filter(|other| *other == at))
                .or_insert(Some(at));
        }
    }
    by_id
}

/// Reads edges between keypoints, which COCO counts from 1. Some writers count from 0: then an edge has a 0, and none has the last
/// number.
fn skeleton(category: &Map<String, Value>, found: &mut LabelCollector) {
    let Some(edges) = category.get("skeleton").and_then(Value::as_array) else {
        return;
    };
    let count = found.names.len() as u64;
    let ends = |edge: &Value| -> Option<[u64; 2]> {
        match edge.as_array()?.as_slice() {
            [a, b] => Some([whole(a)?, whole(b)?]),
            _ => None,
        }
    };
    let all = || edges.iter().filter_map(ends).flatten();
    let first = u64::from(!(all().any(|end| end == 0) && all().all(|end| end < count)));
    if first == 0 {
        found.notes.push(
            "The skeleton's edges count keypoints from 0 instead of 1, and were read accordingly."
                .into(),
        );
    }
    for edge in edges {
        match ends(edge).map(|ends| ends.map(|end| end.wrapping_sub(first))) {
            Some([a, b]) if a < count && b < count && a != b => {
                found.skeleton.push([a as usize, b as usize])
            }
            _ => found.tally.add(
                &format!(
                    "Skeleton edges that are not two numbers from {first} to {} were ignored",
                    count + first - 1
                ),
                &format!("edge {edge}"),
            ),
        }
    }
}

/// Reads `[x, y, v, ...]` as points: a person's, or predictions with a `score`. None if the count of numbers is not a multiple of 3.
fn points(
    numbers: &[Value],
    at: &str,
    score: Option<f64>,
    found: &mut LabelCollector,
) -> Option<Vec<Point>> {
    let count = found.names.len();
    if numbers.len() != 3 * count {
        let what = format!(
            "Annotations without exactly {} numbers for {count} keypoints",
            3 * count
        );
        let at = format!("{at} with {}", numbers.len());
        if !numbers.len().is_multiple_of(3) || numbers.is_empty() {
            found.tally.add(&format!("{what} were ignored"), &at);
            return None;
        }
        found.tally.add(&format!("{what} were read in order"), &at);
    }
    let mut points = vec![Point::ABSENT; count];
    for (to, numbers) in points.iter_mut().zip(numbers.chunks_exact(3)) {
        let [x, y, v] = [0, 1, 2].map(|i| number(&numbers[i]));
        let (Some(x), Some(y)) = (x, y) else {
            found.tally.add(
                "Points without a position (null or not a number) count as absent",
                at,
            );
            continue;
        };
        let visibility = match v {
            None => {
                found
                    .tally
                    .add("Points without a visibility count as visible", at);
                Visibility::Visible
            }
            Some(v) if v <= 0.0 => continue,
            Some(v) if v < 2.0 => Visibility::Occluded,
            Some(_) => Visibility::Visible,
        };
        if x == 0.0 && y == 0.0 {
            found.tally.add("Points exactly in the upper left corner, where some tools put absent points, were kept (check them)", at);
        }
        *to = Point {
            visibility,
            ..Point::placed([x, y])
        };
        if let Some(score) = score {
            (to.corrected, to.confidence) = (false, score.clamp(0.0, 1.0));
        }
    }
    Some(points)
}

fn number(value: &Value) -> Option<f64> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number
        .or_else(|| value.as_bool().map(|v| 2.0 * f64::from(u8::from(v))))
        .filter(|v| v.is_finite())
}

/// Returns a list that must be there.
fn list<'a>(object: &'a Map<String, Value>, field: &str) -> ReadResult<&'a [Value]> {
    match object.get(field) {
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!(
            "In the COCO file, \"{field}\" is not a list. Export it again as COCO keypoints."
        )),
        None => Err(format!(
            "The COCO file has no \"{field}\". Export it again as COCO keypoints."
        )),
    }
}

/// Normalises an id, which may be a number or a text.
fn key(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.trim().into()),
        Value::Number(id) => Some(
            whole(&Value::Number(id.clone())).map_or_else(|| id.to_string(), |id| id.to_string()),
        ),
        _ => None,
    }
}

/// Reads a whole number from 0, which some writers write with a decimal point.
fn whole(value: &Value) -> Option<u64> {
    let rounded = || {
        value
            .as_f64()
            .filter(|v| v.fract() == 0.0 && (0.0..1e15).contains(v))
            .map(|v| v as u64)
    };
    value.as_u64().or_else(rounded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Makes a file of three images with two points each.
    fn good() -> Value {
        let image = |i: usize| json!({"id": i, "file_name": format!("{i}.png"), "width": 320, "height": 240});
        let object = |i: usize| json!({"id": i, "image_id": i, "category_id": 1, "keypoints": [10 * i, 20, 2, 100, 10 * i, 1], "iscrowd": 0});
        json!({
            "images": [image(1), image(2), image(3)],
            "annotations": [object(1), object(2), object(3)],
            "categories": [{"id": 1, "name": "thing", "keypoints": ["tip", "tail"], "skeleton": [[1, 2]]}],
        })
    }

    fn changed(change: &dyn Fn(&mut Value)) -> Value {
        let mut value = good();
        change(&mut value);
        value
    }

    #[test]
    fn import_keeps_everything_beside_an_invalid_entry() {
        let read = |change: &dyn Fn(&mut Value)| {
            let imported = import(&changed(change).to_string()).expect("reads");
            let there = |i: usize| {
                imported.annotations.images[i]
                    .points
                    .iter()
                    .map(|p| p.visibility as u8)
                    .collect::<Vec<_>>()
            };
            (
                (0..3).map(there).collect::<Vec<_>>(),
                imported.annotations,
                imported.notes.join("\n"),
            )
        };
        let all = vec![vec![2, 1]; 3];
        let first = |points: &[u8]| vec![points.to_vec(), vec![2, 1], vec![2, 1]];
        // A change of the file, which points are there then, and what a note says.
        type Odd<'a> = (&'a dyn Fn(&mut Value), Vec<Vec<u8>>, &'a str);
        let odd: &[Odd] = &[
            (&|_| {}, all.clone(), ""),
            (
                &|v| {
                    v["annotations"].as_array_mut().expect("a list").push(
                        json!({"id": 9, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}),
                    )
                },
                all.clone(),
                "without keypoints were ignored: 1, annotation 9",
            ),
            (
                &|v| v["annotations"][0]["keypoints"][0] = Value::Null,
                first(&[0, 1]),
                "without a position",
            ),
            (
                &|v| v["annotations"][0]["keypoints"][1] = json!("x"),
                first(&[0, 1]),
                "without a position",
            ),
            (
                &|v| v["annotations"][0]["keypoints"][2] = Value::Null,
                first(&[2, 1]),
                "count as visible",
            ),
            (
                &|v| v["annotations"][0]["keypoints"][2] = json!("2"),
                all.clone(),
                "",
            ),
            (
                &|v| v["annotations"][0]["keypoints"] = json!([0, 0, 2, 1, 1, 1]),
                all.clone(),
                "upper left corner",
            ),
            (
                &|v| v["annotations"][0]["keypoints"] = json!([1, 1, 2]),
                first(&[2, 0]),
                "in order: 1, annotation 1 with 3",
            ),
            (
                &|v| v["annotations"][0]["keypoints"] = json!([1, 1, 2, 1, 1, 1, 1, 1, 2]),
                all.clone(),
                "in order",
            ),
            (
                &|v| v["annotations"][0]["keypoints"] = json!([1, 1, 2, 3]),
                first(&[0, 0]),
                "were ignored: 1, annotation 1 with 4",
            ),
            (
                &|v| v["annotations"][0]["keypoints"] = json!([]),
                first(&[0, 0]),
                "annotation 1 with 0",
            ),
            (
                &|v| v["annotations"][0]["segmentation"] = json!({"counts": "abc", "size": [1, 2]}),
                all.clone(),
                "",
            ),
            (
                &|v| v["annotations"][0]["image_id"] = json!(77),
                first(&[0, 0]),
                "belongs to no image in the file",
            ),
            (
                &|v| v["annotations"][0]["image_id"] = json!({}),
                first(&[0, 0]),
                "belongs to no image in the file",
            ),
            (
                &|v| v["annotations"][0] = json!(3),
                first(&[0, 0]),
                "not JSON objects were ignored: 1, annotation 1 of the list",
            ),
            (
                &|v| v["annotations"][0]["iscrowd"] = json!(1),
                first(&[0, 0]),
                "crowds",
            ),
            (
                &|v| v["annotations"][0]["category_id"] = json!(5),
                first(&[0, 0]),
                "not in the file",
            ),
            (
                &|v| v["annotations"][0]["category_id"] = Value::Null,
                all.clone(),
                "",
            ),
            (
                &|v| v["images"][2]["width"] = json!("wide"),
                all.clone(),
                "",
            ),
            (
                &|v| {
                    for i in 0..3 {
                        v["images"][i]["id"] = json!(format!("00{i}"));
                        v["annotations"][i]["image_id"] = json!(format!("00{i}"));
                    }
                },
                all.clone(),
                "",
            ),
            (
                &|v| v["annotations"][0]["image_id"] = json!(1.0),
                all.clone(),
                "",
            ),
            (
                &|v| {
                    let mut other = v["categories"][0].clone();
                    (other["id"], other["name"]) = (json!(2), json!("other"));
                    v["categories"].as_array_mut().expect("a list").push(other);
                    v["annotations"][0]["category_id"] = json!(2);
                },
                first(&[0, 0]),
                "of \"other\" were ignored",
            ),
            (
                &|v| {
                    let mut more = v["annotations"][0].clone();
                    more["keypoints"][2] = json!(0);
                    v["annotations"]
                        .as_array_mut()
                        .expect("a list")
                        .insert(0, more);
                },
                all.clone(),
                "several objects",
            ),
            (
                &|v| {
                    v["images"]
                        .as_array_mut()
                        .expect("a list")
                        .push(json!({"id": 9}))
                },
                all.clone(),
                "without a \"file_name\" were ignored: 1, image 4 of the list",
            ),
            (
                &|v| {
                    v["images"]
                        .as_array_mut()
                        .expect("a list")
                        .push(json!({"id": 1, "file_name": "other.png"}))
                },
                first(&[0, 0]),
                "belongs to several images",
            ),
            (
                &|v| {
                    v["categories"]
                        .as_array_mut()
                        .expect("a list")
                        .push(json!({"id": 7, "name": "box"}))
                },
                all.clone(),
                "",
            ),
        ];
        for (i, (change, expected, note)) in odd.iter().enumerate() {
            let (points, annotations, notes) = read(*change);
            assert_eq!(points, *expected, "{i}: {note}");
            assert!(notes.contains(note), "{i}: {note}: {notes}");
            assert_eq!(notes.is_empty(), note.is_empty(), "{i}: {notes}");
            assert_eq!(annotations.skeleton, [[0, 1]]);
        }
    }

    #[test]
    fn import_reads_nan_and_byte_order_mark() {
        let text = good()
            .to_string()
            .replacen("[10,20,2,", "[NaN,-Infinity,0,", 1);
        let Imported {
            annotations, notes, ..
        } = import(&format!("\u{feff}{text}")).expect("reads");
        assert!(!annotations.images[0].points[0].is_there());
        assert!(annotations.images[0].points[1].is_there());
        assert!(notes[0].contains("without a position"), "{notes:?}");
    }

    #[test]
    fn import_reads_skeletons_that_count_from_0() {
        let read = |edges: Value| {
            let value = changed(&|v| {
                v["categories"][0]["keypoints"] = json!(["a", "b", "c"]);
                v["categories"][0]["skeleton"] = edges.clone();
            });
            let imported = import(&value.to_string()).expect("reads");
            (imported.annotations.skeleton, imported.notes.join("\n"))
        };
        let (edges, notes) = read(json!([[0, 1], [1, 2]]));
        assert_eq!(edges, [[0, 1], [1, 2]]);
        assert!(notes.contains("from 0 instead of 1"), "{notes}");
        let (edges, notes) = read(json!([[1, 2], [2, 3]]));
        assert_eq!(edges, [[0, 1], [1, 2]]);
        assert!(!notes.contains("skeleton"), "{notes}");
        let (edges, notes) = read(json!([[0, 1], [2, 3], [1], ["a", "b"], [2, 2]]));
        assert_eq!(edges, [[1, 2]]);
        assert!(
            notes.contains("from 1 to 3 were ignored: 4, for example edge [0,1]"),
            "{notes}"
        );
        assert_eq!(read(Value::Null).0, [[0; 2]; 0]);
    }

    #[test]
    fn import_keeps_results_as_predictions() {
        let value = changed(&|v| v["annotations"][1]["score"] = json!(0.75));
        let images = import(&value.to_string())
            .expect("reads")
            .annotations
            .images;
        assert_eq!(
            [images[0].points[0].corrected, images[1].points[0].corrected],
            [true, false]
        );
        assert_eq!(images[1].points[0].confidence, 0.75);
    }

    #[test]
    fn import_renames_duplicate_keypoints() {
        let value = changed(&|v| v["categories"][0]["keypoints"] = json!(["a", "a"]));
        let Imported {
            annotations, notes, ..
        } = import(&value.to_string()).expect("reads");
        assert_eq!(annotations.keypoints[1].name, "a (2)");
        assert!(notes[0].contains("a (2)"), "{notes:?}");
        let value = changed(&|v| v["categories"][0]["keypoints"] = json!([7, {}]));
        let names = import(&value.to_string())
            .expect("reads")
            .annotations
            .keypoints;
        assert_eq!(
            [names[0].name.as_str(), names[1].name.as_str()],
            ["7", "kp1"]
        );
    }

    #[test]
    fn import_rejects_other_files() {
        for (text, part) in [
            ("", "not valid JSON"),
            ("{\"images\": [", "not valid JSON"),
            ("\u{89}PNG", "not valid JSON"),
            ("[]", "COCO results"),
            ("3", "not a COCO dataset"),
            ("{}", "no \"categories\""),
        ] {
            let message = import(text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
        let fails = |change: &dyn Fn(&mut Value), part: &str| {
            let message = import(&changed(change).to_string())
                .expect_err(part)
                .to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(&|v| v["images"] = json!({}), "\"images\" is not a list");
        fails(&|v| v["images"] = json!([]), "lists no images");
        fails(&|v| v["images"] = json!(["a.jpg"]), "lists no images");
        fails(
            &|v| v["categories"] = json!([]),
            "no category with keypoints",
        );
        fails(
            &|v| v["categories"][0]["keypoints"] = json!("a"),
            "no category with keypoints",
        );
        fails(
            &|v| v["annotations"] = Value::Null,
            "\"annotations\" is not a list",
        );
    }
}
