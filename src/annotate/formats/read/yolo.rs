//! Reads YOLO-Pose: one text file per image, and `data.yaml` with the keypoints' names if there is one.
//!
//! The files hold neither the images' sizes nor their extensions.

use serde_json::Value;

use super::{LabelCollector, ReadResult, yaml};
use crate::annotate::names::ANY_EXTENSION;
use crate::annotate::{Imported, Point, Visibility};

/// Reads labels. `labels` are paths and texts; `data` is the text of `data.yaml`, and what it says.
pub(super) fn read(
    labels: &[(String, String)],
    data: Option<(&str, &Value)>,
) -> ReadResult<Imported> {
    let mut found = LabelCollector {
        in_fractions: true,
        ..LabelCollector::default()
    };
    let about = data.map_or(&Value::Null, |(_, about)| about);
    let number = |value: &Value| value.as_str()?.parse::<usize>().ok();
    let shape = |i: usize| number(&about["kpt_shape"][i]);
    let lines = || {
        labels
            .iter()
            .flat_map(|(_, text)| text.lines())
            .map(|line| line.split_whitespace().count())
    };
    let numbers = lines()
        .find(|count| *count > 5)
        .map_or(0, |count| count - 5);
    let dimensions = shape(1)
        .filter(|n| (2..=3).contains(n))
        .unwrap_or(if numbers % 3 == 0 { 3 } else { 2 });
    let count = shape(0).unwrap_or(numbers / dimensions);
    if count == 0 || count > 10_000 {
        return Err(
            "The labels have no keypoints. Export them as YOLO-Pose, which writes keypoints after the box.".into(),
        );
    }
    // Newer files name the keypoints; ours do so in a comment, because of CVAT.
    let comment = |key: &str| {
        let line = data?.0.lines().find_map(|line| {
            line.trim()
                .strip_prefix("# ")?
                .strip_prefix(key)?
                .strip_prefix(": ")
        })?;
        // Our first files had JSON's strings here, whose surrogate pairs YAML does not know.
        let json = serde_json::from_str(&line.replacen("{0:", "{\"0\":", 1));
        json.ok()
            .filter(|_| key == "kpt_names")
            .or_else(|| yaml::parse(line).ok())
    };
    let names = match &about["kpt_names"] {
        Value::Null => comment("kpt_names").unwrap_or(Value::Null),
        names => names.clone(),
    };
    for i in 0..count {
        let name = names["0"][i]
            .as_str()
            .map_or_else(|| format!("kp{i}"), String::from);
        // Two keypoints of the same name stay two.
        if found.keypoint(&name) != i {
            found.originals.remove(&name);
            found.keypoint(&name);
        }
    }
    let ends = |edge: &Value| Some([number(&edge[0])?, number(&edge[1])?]);
    let edges = comment("skeleton").unwrap_or(Value::Null);
    let edges = edges.as_array().into_iter().flatten().filter_map(ends);
    found.skeleton = edges
        .filter(|edge| edge.iter().all(|end| *end < count))
        .collect();
    found.category = about["names"]["0"]
        .as_str()
        .or(about["names"][0].as_str())
        .map(String::from);

    for (path, text) in labels {
        let image = found.image(&format!("{}{ANY_EXTENSION}", image_of(path)), None, [0; 2]);
        for (i, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let at = format!("line {} of {path}", i + 1);
            let numbers: Option<Vec<f64>> = line
                .split_whitespace()
                .map(|cell| cell.parse().ok().filter(|v: &f64| v.is_finite()))
                .collect();
            match numbers {
                Some(numbers) if numbers.len() == 5 + dimensions * count => {
                    found.place_object(image, points(&numbers[5..], dimensions));
                }
                Some(numbers) if numbers.len() == 5 => {
                    found.tally.add("Boxes without keypoints were ignored", &at)
                }
                Some(_) => found.tally.add(
                    &format!(
                        "Lines that do not have {} numbers were ignored",
                        5 + dimensions * count
                    ),
                    &at,
                ),
                None => found.tally.add(
                    "Lines with something that is not a number were ignored",
                    &at,
                ),
            }
        }
    }
    Ok(found.finish())
}

fn points(numbers: &[f64], dimensions: usize) -> Vec<Point> {
    let point = |numbers: &[f64]| {
        let visibility = match numbers.get(2) {
            Some(v) if *v <= 0.0 => Visibility::Absent,
            Some(v) if *v < 2.0 => Visibility::Occluded,
            Some(_) => Visibility::Visible,
            None if numbers == [0.0, 0.0] => Visibility::Absent,
            None => Visibility::Visible,
        };
        match visibility {
            Visibility::Absent => Point::ABSENT,
            _ => Point {
                visibility,
                ..Point::placed([numbers[0], numbers[1]])
            },
        }
    };
    numbers.chunks_exact(dimensions).map(point).collect()
}

/// `labels/train/set/a.txt`, `train/labels/set/a.txt` -> `set/a`.
fn image_of(path: &str) -> &str {
    let path = path.strip_suffix(".txt").unwrap_or(path);
    let path = match path
        .rfind("labels/")
        .filter(|at| *at == 0 || path[..*at].ends_with('/'))
    {
        Some(at) => &path[at + "labels/".len()..],
        None => path,
    };
    match path.split_once('/') {
        Some(("train" | "val" | "valid" | "test", rest)) => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_finds_keypoints_with_and_without_names() {
        let labels = [
            (
                "labels/train/set/a.txt".to_string(),
                "0 0.5 0.5 1 1 0.25 0.5 2 0 0 0\n0 0.5 0.5 1 1\nx\n0 1 1 1 1 1 1 1\n".to_string(),
            ),
            ("valid/labels/b.txt".to_string(), String::new()),
        ];
        for (data, names) in [
            (None, ["kp0", "kp1"]),
            (
                Some("kpt_shape: [2, 3]\nnames: [mouse]\nkpt_names:\n  0:\n  - nose\n  - tail\n"),
                ["nose", "tail"],
            ),
            (
                Some(
                    "kpt_shape: [2, 3]\nnames:\n  0: mouse\n# kpt_names: {0: [\"nose\",\"\\ud83d\\udc4b\"]}\n# skeleton: [[0,1],[0,7]]\n",
                ),
                ["nose", "👋"],
            ),
            (
                Some(
                    "kpt_shape: [2, 3]\nnames:\n  0: mouse\n# kpt_names: {0: [\"nose\", \"\\U0001f44b\"]}\n# skeleton: [[0,1],[0,7]]\n",
                ),
                ["nose", "👋"],
            ),
        ] {
            let about = yaml::parse(data.unwrap_or("")).expect("YAML");
            let imported = read(&labels, data.map(|data| (data, &about))).expect("reads");
            let all = &imported.annotations;
            assert_eq!(
                all.keypoints
                    .iter()
                    .map(|k| k.name.as_str())
                    .collect::<Vec<_>>(),
                names
            );
            assert_eq!(
                all.images[0].points,
                [Point::placed([0.25, 0.5]), Point::ABSENT]
            );
            assert_eq!(
                all.images
                    .iter()
                    .map(|image| image.file_name.as_str())
                    .collect::<Vec<_>>(),
                ["set/a.*", "b.*"]
            );
            assert!(imported.in_fractions);
            assert_eq!(all.category == "mouse", data.is_some());
            assert_eq!(all.skeleton.len(), usize::from(names[1] == "👋"));
            let notes = imported.notes.join("\n");
            for part in [
                "Boxes without keypoints",
                "not a number",
                "do not have 11 numbers",
            ] {
                assert!(notes.contains(part), "{part}: {notes}");
            }
        }
        let pairs = [(
            "a.txt".to_string(),
            "0 0.5 0.5 1 1 0.25 0.5 0 0\n".to_string(),
        )];
        let imported = read(&pairs, None).expect("reads");
        assert_eq!(
            imported.annotations.images[0].points,
            [Point::placed([0.25, 0.5]), Point::ABSENT]
        );
        assert!(
            read(
                &[("a.txt".to_string(), "0 0.5 0.5 1 1\n".to_string())],
                None
            )
            .is_err()
        );
    }
}
