//! Reads Label Studio's native JSON: tasks with a person's annotations, or predictions.

use serde_json::Value;

use super::{LabelCollector, ReadResult, side_px};
use crate::annotate::{Imported, Point};

/// The result of a task without labels.
static NOTHING: Value = Value::Null;

/// Returns true if the JSON is a list of tasks.
pub(super) fn is_tasks(value: &Value) -> bool {
    let is_task = |task: &Value| {
        task["data"].is_object()
            && (task["annotations"].is_array() || task["predictions"].is_array())
    };
    value
        .as_array()
        .is_some_and(|tasks| tasks.iter().any(is_task))
}

/// Reads tasks. `names` are the labels of the labelling config in its order, if there is one.
pub(super) fn read(value: &Value, names: &[String]) -> ReadResult<Imported> {
    let mut found = LabelCollector::default();
    for name in names {
        found.keypoint(name);
    }
    for (i, task) in value.as_array().into_iter().flatten().enumerate() {
        let at = format!("task {}", task["id"].as_i64().unwrap_or(i as i64 + 1));
        let fields = task["data"].as_object().into_iter().flatten();
        let texts = fields
            .filter_map(|(_, value)| value.as_str())
            .filter(|text| !text.trim().is_empty());
        let Some(file) = texts
            .clone()
            .find(|text| is_image(text))
            .or_else(|| texts.clone().next())
        else {
            found.tally.add("Tasks without an image were ignored", &at);
            continue;
        };
        // A person's annotations go before predictions.
        let newest = |field: &str| {
            task[field]
                .as_array()
                .and_then(|all| all.iter().rev().find(|one| one["result"].is_array()))
        };
        let (is_prediction, result) = match (newest("annotations"), newest("predictions")) {
            (Some(annotation), _) => (false, annotation),
            (None, Some(prediction)) => (true, prediction),
            (None, None) => (false, &NOTHING),
        };
        let results: &[Value] = result["result"].as_array().map_or(&[], Vec::as_slice);
        let sides = |result: &Value| {
            [
                side_px(result.get("original_width")),
                side_px(result.get("original_height")),
            ]
        };
        let size = results
            .iter()
            .map(sides)
            .find(|size| !size.contains(&0))
            .unwrap_or([0; 2]);
        let image = found.image(uploaded(file), None, size);
        for result in results {
            let value = &result["value"];
            let name = value["keypointlabels"][0].as_str();
            let (Some(name), Some(x), Some(y)) = (name, value["x"].as_f64(), value["y"].as_f64())
            else {
                found.tally.add(
                    "Results that are not keypoints with a label and a position were ignored",
                    &at,
                );
                continue;
            };
            if size.contains(&0) {
                found.tally.add(
                    "Keypoints in percent of an image whose size is not in the file were ignored",
                    &at,
                );
                continue;
            }
            if result["image_rotation"]
                .as_f64()
                .is_some_and(|angle| angle != 0.0)
            {
                found.tally.add("Keypoints on images that were rotated in Label Studio were ignored (rotate them back)", &at);
                continue;
            }
            let score = result["score"].as_f64().or(task["score"].as_f64());
            let is_placed = match result["origin"].as_str() {
                Some("manual" | "prediction-changed") => true,
                Some("prediction") => false,
                _ => !is_prediction,
            };
            let [width, height] = size.map(f64::from);
            let point = Point {
                corrected: is_placed,
                confidence: if is_placed {
                    1.0
                } else {
                    score.unwrap_or(1.0).clamp(0.0, 1.0)
                },
                ..Point::placed([x / 100.0 * width, y / 100.0 * height])
            };
            let at = found.keypoint(name);
            found.place(image, at, point);
        }
    }
    if found.images.is_empty() {
        return Err("The Label Studio file has no tasks with images.".into());
    }
    Ok(found.finish())
}

/// Returns true if a text of a task is its image.
fn is_image(text: &str) -> bool {
    let path = text
        .split(['?', '#'])
        .next()
        .unwrap_or(text)
        .to_ascii_lowercase();
    let ends = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"];
    ends.iter()
        .any(|end| path.ends_with(end) || text.to_ascii_lowercase().ends_with(end))
}

/// Removes the eight digits that Label Studio puts before the names of uploaded files: `/data/upload/1/8e5b8f6a-a.png`.
fn uploaded(file: &str) -> &str {
    let Some(name) = file
        .contains("/upload/")
        .then(|| file.rsplit('/').next())
        .flatten()
    else {
        return file;
    };
    match name.split_once('-') {
        Some((hash, name)) if hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn read_keeps_annotations_and_predictions_apart() {
        let result = |name: &str, x: f64| {
            json!({"original_width": 200, "original_height": 100, "type": "keypointlabels",
                "value": {"x": x, "y": 50.0, "keypointlabels": [name]}, "score": 0.25})
        };
        let tasks = json!([
            {"data": {"image": "/data/upload/1/8e5b8f6a-a-b.png"}, "annotations": [{"result": [result("nose", 10.0), {"type": "choices"}]}],
             "predictions": [{"result": [result("nose", 90.0)]}]},
            {"data": {"id": "x", "image": "https://x.org/b.png"}, "predictions": [{"result": [result("ear", 20.0)]}]},
            {"data": {}, "annotations": []},
        ]);
        assert!(is_tasks(&tasks) && !is_tasks(&json!([{"image_id": 1, "keypoints": []}])));
        let imported = read(&tasks, &["ear".into()]).expect("reads");
        let all = &imported.annotations;
        assert_eq!(
            all.keypoints
                .iter()
                .map(|k| k.name.as_str())
                .collect::<Vec<_>>(),
            ["ear", "nose"]
        );
        assert_eq!(all.images[0].file_name, "a-b.png");
        assert_eq!(all.images[0].points[1], Point::placed([20.0, 50.0]));
        let expected = Point {
            corrected: false,
            confidence: 0.25,
            ..Point::placed([40.0, 50.0])
        };
        assert_eq!(all.images[1].points[0], expected);
        let notes = imported.notes.join("\n");
        assert!(
            notes.contains("not keypoints with a label")
                && notes.contains("without an image were ignored: 1, task 3"),
            "{notes}"
        );
    }
}
