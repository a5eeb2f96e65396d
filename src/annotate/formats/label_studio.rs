//! Label Studio: tasks with predictions in its native JSON, coordinates in percent of the image, and the labelling
//! config that goes with them.
//!
//! `data.img` is the image's name: prepend the address under which Label Studio finds the images.

use serde_json::json;

use super::{File, FormatSpec, ImagePlace, json_ascii, known_size, xml};
use crate::annotate::{Annotations, Image};
use crate::error::Result;

pub(super) const TASKS: FormatSpec = FormatSpec {
    title: "Label Studio",
    about: "Tasks and the labelling config",
    images: ImagePlace::Anywhere,
    write: tasks,
};

/// Size at which a keypoint is drawn, percent of the image's width.
const DOT_PERCENT: f64 = 0.6;

/// Writes `tasks.json` and `labeling_config.xml`.
///
/// See `tests/annotation/tools.py`.
///
/// # Errors
/// [`crate::Error::File`] if an image's size is not known.
pub fn tasks(annotations: &Annotations) -> Result<Vec<File>> {
    let tasks = annotations
        .images
        .iter()
        .map(|image| task(annotations, image))
        .collect::<Result<Vec<_>>>()?;
    Ok(vec![
        File::text("tasks.json", json_ascii(&tasks)),
        File::text("labeling_config.xml", config(annotations)),
    ])
}

fn task(annotations: &Annotations, image: &Image) -> Result<serde_json::Value> {
    let [width, height] = known_size(image)?;
    let percent = |v_px: f64, side_px: f64| (100.0 * v_px / side_px * 1e6).round() / 1e6;
    let result: Vec<_> = annotations
        .keypoints
        .iter()
        .zip(&image.points)
        .enumerate()
        .filter(|(_, (_, point))| point.is_there())
        .map(|(i, (keypoint, point))| {
            json!({
                "id": format!("p{i}"),
                "type": "keypointlabels",
                "from_name": "kp",
                "to_name": "img",
                "original_width": image.width_px,
                "original_height": image.height_px,
                "image_rotation": 0,
                "origin": if point.corrected { "manual" } else { "prediction" },
                "score": (point.confidence * 1e6).round() / 1e6,
                "value": {
                    "x": percent(point.x_px, width),
                    "y": percent(point.y_px, height),
                    "width": DOT_PERCENT,
                    "keypointlabels": [keypoint.name],
                },
            })
        })
        .collect();
    Ok(json!({
        "data": {"img": image.name()},
        "predictions": [{
            "model_version": "autolink",
            "score": (image.confidence() * 1e6).round() / 1e6,
            "result": result,
        }],
    }))
}

fn config(annotations: &Annotations) -> String {
    let labels: String = annotations
        .keypoints
        .iter()
        .map(|keypoint| {
            format!(
                "    <Label value=\"{}\" background=\"{}\"/>\n",
                xml(&keypoint.name),
                xml(&keypoint.color)
            )
        })
        .collect();
    format!(
        "<View>\n  <KeyPointLabels name=\"kp\" toName=\"img\">\n{labels}  </KeyPointLabels>\n  \
         <Image name=\"img\" value=\"$img\"/>\n</View>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn tasks_hold_points_in_percent() {
        let sample = sample();
        let files = tasks(&sample).expect("files");
        let value: serde_json::Value = serde_json::from_slice(&files[0].bytes).expect("json");
        let first = &value[0]["predictions"][0]["result"][0];
        assert_eq!(first["value"]["x"], json!(1.640625));
        assert_eq!(first["value"]["y"], json!(4.166667));
        assert_eq!(
            first["value"]["keypointlabels"],
            json!([sample.keypoints[0].name])
        );
        assert_eq!(
            value[0]["predictions"][0]["result"][3]["origin"],
            json!("manual")
        );
        assert_eq!(value[2]["predictions"][0]["result"], json!([]));
        let mut unknown = sample;
        unknown.images[0].height_px = 0;
        assert!(
            tasks(&unknown)
                .expect_err("no size")
                .to_string()
                .contains("a.jpg")
        );
    }
}
