//! Reads this program's own files: `annotations.json`, `keypoints.csv`, `edges.csv`, and tables of landmarks.

use serde_json::Value;

use super::{LabelCollector, ReadResult};
use crate::annotate::{Annotations, EdgeWeight, Image, Imported, Keypoint, Point, Visibility};
use crate::data::table;
use crate::data::tally::Tally;
use crate::error::{Error, Result};
use crate::eval::Landmarks;

/// Reads `annotations.json` completely.
///
/// See `json_comes_back_whole` in this file.
///
/// # Errors
/// [`Error::Landmarks`] if the text is not such a file, or if anything in it is invalid.
pub fn import_json(text: &str) -> Result<Annotations> {
    let annotations: Annotations = serde_json::from_str(text).map_err(|e| {
        Error::Landmarks(format!("This is not an annotation file of AutoLink ({e})."))
    })?;
    annotations
        .validate()
        .map_err(|e| Error::Landmarks(e.to_string()))?;
    Ok(annotations)
}

/// Returns true if the JSON is this program's.
pub(super) fn is_own(value: &Value) -> bool {
    value["keypoints"].is_array()
        && value["images"].is_array()
        && value.get("annotations").is_none()
}

/// Reads the usable parts of `annotations.json`.
pub(super) fn read_json(value: &Value) -> ReadResult<Imported> {
    let mut tally = Tally::default();
    let list = |field: &str| {
        value[field]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice)
    };
    // Indices in the file of the keypoints that are kept.
    let mut kept = Vec::new();
    let mut annotations = Annotations {
        category: "object".into(),
        ..Annotations::default()
    };
    for (i, keypoint) in list("keypoints").iter().enumerate() {
        match serde_json::from_value::<Keypoint>(keypoint.clone()) {
            Ok(mut keypoint) => {
                let taken: Vec<String> = annotations
                    .keypoints
                    .iter()
                    .map(|k| k.name.clone())
                    .collect();
                keypoint.name = super::unique_name(&keypoint.name, &taken, &mut Vec::new());
                annotations.keypoints.push(keypoint);
                kept.push(i);
            }
            Err(error) => tally.add(
                "Keypoints that cannot be read were ignored",
                &format!("keypoint {} ({error})", i + 1),
            ),
        }
    }
    if kept.is_empty() {
        return Err("The file of annotations names no keypoints.".into());
    }
    let ends = |value: &Value| -> Option<[usize; 2]> {
        let at = |end: &Value| kept.iter().position(|i| end.as_u64() == Some(*i as u64));
        Some([at(&value[0])?, at(&value[1])?])
    };
    if let Some(category) = value["category"]
        .as_str()
        .filter(|name| crate::annotate::check_name(name).is_ok())
    {
        annotations.category = category.into();
    }
    annotations.skeleton = list("skeleton").iter().filter_map(ends).collect();
    let weight = |edge: &Value| {
        Some(EdgeWeight {
            ends: ends(&edge["ends"])?,
            weight: edge["weight"].as_f64()?,
        })
    };
    annotations.edge_weights = list("edge_weights").iter().filter_map(weight).collect();
    annotations.edge_threshold = value["edge_threshold"].as_f64();
    for (i, image) in list("images").iter().enumerate() {
        if !image.is_object() {
            tally.add(
                "Images that cannot be read were ignored",
                &format!("image {}", i + 1),
            );
            continue;
        }
        let mut fields = image.clone();
        let points = fields.get_mut("points").map_or(Value::Null, std::mem::take);
        fields["points"] = Value::Array(Vec::new());
        let Ok(mut image) = serde_json::from_value::<Image>(fields).map_err(|error| {
            tally.add(
                "Images that cannot be read were ignored",
                &format!("image {} ({error})", i + 1),
            );
        }) else {
            continue;
        };
        let name = image.name();
        if name.trim().is_empty() {
            tally.add(
                "Images without a name were ignored",
                &format!("image {}", i + 1),
            );
            continue;
        }
        image.points = (kept.iter())
            .map(|at| {
                serde_json::from_value(points[*at].clone()).unwrap_or_else(|_| {
                    tally.add(
                        "Points that cannot be read count as absent",
                        &format!("{name}, keypoint {}", at + 1),
                    );
                    Point::ABSENT
                })
            })
            .collect();
        annotations.images.push(image);
    }
    Ok(Imported {
        annotations,
        notes: tally.notes(),
        ..Imported::default()
    })
}

/// Reads `keypoints.csv`: one line per point.
pub(super) fn read_points(text: &str) -> ReadResult<Imported> {
    let mut found = LabelCollector::default();
    let rows = table::rows(text, &mut found.notes)
        .map_err(|what| format!("The table cannot be read: {what}."))?;
    let mut rows = rows.into_iter();
    let (_, header) = rows.next().ok_or("The table is empty.")?;
    let column = |name: &str| {
        header
            .iter()
            .position(|cell| cell.trim().eq_ignore_ascii_case(name))
    };
    let (Some(file), Some(keypoint), Some(x), Some(y)) =
        (column("file"), column("keypoint"), column("x"), column("y"))
    else {
        return Err(
            "A table with one line per point needs the columns file, keypoint, x and y.".into(),
        );
    };
    let [frame, width, height, confidence, visibility, corrected] = [
        "frame",
        "width",
        "height",
        "confidence",
        "visibility",
        "corrected",
    ]
    .map(column);
    for (line, cells) in rows {
        let at = format!("line {line}");
        let cell = |column: Option<usize>| {
            column
                .and_then(|column| cells.get(column))
                .map_or("", |cell| cell.trim())
        };
        let number = |column| table::number(cell(column)).ok().flatten();
        let whole =
            |column| number(column).filter(|v: &f64| v.fract() == 0.0 && (0.0..1e15).contains(v));
        // A file's name may begin with a space.
        let name = cells.get(file).map_or("", String::as_str);
        if name.trim().is_empty() || cell(Some(keypoint)).is_empty() {
            found
                .tally
                .add("Lines without a file or a keypoint were ignored", &at);
            continue;
        }
        let side = |column| whole(column).map_or(0, |side| side as u32);
        let image = found.image(
            name,
            whole(frame).map(|frame| frame as u64),
            [side(width), side(height)],
        );
        let to = found.keypoint(cells.get(keypoint).map_or("", String::as_str));
        let visibility = match cell(visibility) {
            "absent" => Visibility::Absent,
            "occluded" => Visibility::Occluded,
            _ => Visibility::Visible,
        };
        let point = match (number(Some(x)), number(Some(y))) {
            _ if visibility == Visibility::Absent => Point::ABSENT,
            (Some(x), Some(y)) => Point {
                visibility,
                confidence: number(confidence).unwrap_or(1.0).clamp(0.0, 1.0),
                corrected: corrected.is_none() || cell(corrected) == "1",
                ..Point::placed([x, y])
            },
            _ => {
                if !cell(Some(x)).is_empty() || !cell(Some(y)).is_empty() {
                    found
                        .tally
                        .add("Points without a position count as absent", &at);
                }
                Point::ABSENT
            }
        };
        found.place(image, to, point);
    }
    if found.images.is_empty() {
        return Err("The table has a header but no points.".into());
    }
    Ok(found.finish())
}

/// Adds the skeleton and the learned weights of `edges.csv`, by the keypoints' names.
pub(super) fn add_edges(text: &str, annotations: &mut Annotations) -> ReadResult<()> {
    let rows = table::rows(text, &mut Vec::new())
        .map_err(|what| format!("edges.csv cannot be read: {what}."))?;
    for (_, cells) in rows.iter().skip(1) {
        // i, j, name_i, name_j, weight, threshold, in_skeleton
        let index = |column: usize| {
            annotations
                .keypoints
                .iter()
                .position(|k| cells.get(column) == Some(&k.name))
        };
        let number = |column: usize| {
            cells
                .get(column)
                .and_then(|cell| table::number(cell).ok().flatten())
        };
        let (Some(a), Some(b)) = (index(2), index(3)) else {
            continue; // keypoints that are not in the other file
        };
        if number(6) == Some(1.0) {
            annotations.skeleton.push([a, b]);
        }
        if let Some(weight) = number(4) {
            annotations.edge_weights.push(EdgeWeight {
                ends: [a, b],
                weight,
            });
        }
        annotations.edge_threshold = annotations.edge_threshold.or(number(5));
    }
    Ok(())
}

/// Reads a table of landmarks: `file,<name>_x,<name>_y,...`, fractions of the image.
pub(super) fn read_landmarks(text: &str) -> ReadResult<Imported> {
    let mut notes = Vec::new();
    let landmarks = Landmarks::read(text, &mut notes).map_err(|error| error.to_string())?;
    let mut imported = Imported::from(landmarks);
    notes.append(&mut imported.notes);
    imported.notes = notes;
    Ok(imported)
}

impl From<Landmarks> for Imported {
    fn from(landmarks: Landmarks) -> Imported {
        let mut found = LabelCollector {
            in_fractions: true,
            ..LabelCollector::default()
        };
        for name in &landmarks.names {
            found.keypoint(name);
        }
        for (file, places) in &landmarks.rows {
            let image = found.image(file, None, [0; 2]);
            found.images[image].points = places
                .iter()
                .map(|place| place.map_or(Point::ABSENT, Point::placed))
                .collect();
        }
        found.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::annotate::formats::plain::json as write_json;
    use crate::annotate::tests::sample;

    #[test]
    fn json_comes_back_whole() {
        let sample = sample();
        let text = String::from_utf8(write_json(&sample).bytes).expect("text");
        assert_eq!(import_json(&text).expect("reads"), sample);
        let value = serde_json::from_str(&text).expect("json");
        let imported = read_json(&value).expect("reads");
        assert_eq!((imported.annotations, imported.notes.len()), (sample, 0));
        for text in ["", "{}", "[1]", "{\"category\": 3}"] {
            assert!(
                import_json(text)
                    .expect_err("no file of ours")
                    .to_string()
                    .contains("not an annotation file")
            );
        }
    }

    #[test]
    fn read_json_keeps_everything_beside_an_invalid_entry() {
        let sample = sample();
        let mut value = serde_json::to_value(&sample).expect("json");
        value["images"][0]["points"][1]["x_px"] = Value::Null;
        value["images"][1]["width_px"] = json!("wide");
        value["keypoints"][2] = json!(7);
        value["skeleton"][0] = json!([0, 99]);
        let Imported {
            annotations, notes, ..
        } = read_json(&value).expect("reads");
        assert_eq!(annotations.images.len(), 2);
        assert_eq!(annotations.keypoints.len(), 3);
        assert_eq!(
            annotations.images[0].points,
            [
                sample.images[0].points[0],
                Point::ABSENT,
                sample.images[0].points[3]
            ]
        );
        assert_eq!(annotations.skeleton, [[2, 1]]);
        let notes = notes.join("\n");
        for part in [
            "Keypoints that cannot be read were ignored: 1, keypoint 3",
            "count as absent: 1, a.jpg, keypoint 2",
            "Images that cannot be read were ignored: 1, image 2",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        assert!(read_json(&json!({"keypoints": [], "images": []})).is_err());
    }

    #[test]
    fn read_points_needs_four_columns() {
        let text = "keypoint,y,file,x,extra\ntip,2,a.png,1,\near,4,a.png,3,\ntip,x,b.png,1,\ntip,9,a.png,9,\n,1,a.png,1,\n";
        let Imported {
            annotations, notes, ..
        } = read_points(text).expect("reads");
        assert_eq!(
            annotations.images[0].points,
            [Point::placed([1.0, 2.0]), Point::placed([3.0, 4.0])]
        );
        assert_eq!(annotations.images[1].points, [Point::ABSENT; 2]);
        let notes = notes.join("\n");
        for part in [
            "count as absent: 1, line 4",
            "of an image were ignored (the first of each was used): 1, a.png",
            "without a file or a keypoint were ignored: 1, line 6",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
    }
}
