//! Tables and JSON for other programs: `keypoints.csv`, one line per point; `edges.csv`, the learned weights;
//! `annotations.json`, everything.

use super::{File, FormatSpec, ImagePlace, csv_line, json_ascii, number, px};
use crate::annotate::{Annotations, Visibility};

pub(super) const CSV: FormatSpec = FormatSpec {
    title: "Table (CSV)",
    about: "One line per point, and edges.csv",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(vec![points(annotations), edges(annotations)]),
};
pub(super) const JSON: FormatSpec = FormatSpec {
    title: "JSON",
    about: "Everything, in AutoLink's own format",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(vec![json(annotations)]),
};
pub(super) const EDGES: FormatSpec = FormatSpec {
    title: "Edges (CSV)",
    about: "The learned edge weights",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(vec![edges(annotations)]),
};

/// Writes `keypoints.csv`: `file,frame,width,height,keypoint,x,y,confidence,visibility,corrected`, px. `frame` is blank for
/// still images, `x` and `y` are blank where the point is absent. Where keypoints were detected in crops around an animal, the columns
/// `crop_x,crop_y,crop_side,crop_degrees` follow: the crop's centre and side, px, and its angle, clockwise.
///
/// See `tables_hold_points_and_edges` in this file.
pub fn points(annotations: &Annotations) -> File {
    let has_crops = annotations.images.iter().any(|image| image.crop.is_some());
    let of_crops: &[&str] = match has_crops {
        true => &["crop_x", "crop_y", "crop_side", "crop_degrees"],
        false => &[],
    };
    let columns = [
        "file",
        "frame",
        "width",
        "height",
        "keypoint",
        "x",
        "y",
        "confidence",
        "visibility",
        "corrected",
    ];
    let mut text = csv_line(columns.iter().chain(of_crops));
    for image in &annotations.images {
        let crop = match (&image.crop, has_crops) {
            (Some(crop), _) => vec![
                px(crop.centre_px[0]),
                px(crop.centre_px[1]),
                px(crop.side_px),
                number(crop.angle.to_degrees(), 4),
            ],
            (None, true) => vec![String::new(); of_crops.len()],
            (None, false) => Vec::new(),
        };
        for (keypoint, point) in annotations.keypoints.iter().zip(&image.points) {
            let place = |v: f64| {
                if point.is_there() {
                    px(v)
                } else {
                    String::new()
                }
            };
            let cells = [
                image.file_name.clone(),
                image.frame.map(|f| f.to_string()).unwrap_or_default(),
                image.width_px.to_string(),
                image.height_px.to_string(),
                keypoint.name.clone(),
                place(point.x_px),
                place(point.y_px),
                number(point.confidence, 6),
                match point.visibility {
                    Visibility::Absent => "absent",
                    Visibility::Occluded => "occluded",
                    Visibility::Visible => "visible",
                }
                .into(),
                u8::from(point.corrected).to_string(),
            ];
            text += &csv_line(cells.iter().chain(&crop));
        }
    }
    File::text("keypoints.csv", text)
}

/// Writes `edges.csv`: `i,j,name_i,name_j,weight,threshold,in_skeleton`, keypoints from 0 in the order of the other files; the
/// threshold is the one that made the skeleton in files of older versions. Edges of the skeleton that were not
/// learned have no weight.
///
/// See `tables_hold_points_and_edges` in this file.
pub fn edges(annotations: &Annotations) -> File {
    let mut text = csv_line([
        "i",
        "j",
        "name_i",
        "name_j",
        "weight",
        "threshold",
        "in_skeleton",
    ]);
    let same = |a: [usize; 2], b: [usize; 2]| a == b || a == [b[1], b[0]];
    let threshold = annotations
        .edge_threshold
        .map(|t| number(t, 6))
        .unwrap_or_default();
    let mut line = |[i, j]: [usize; 2], weight: Option<f64>, in_skeleton: bool| {
        text += &csv_line([
            i.to_string(),
            j.to_string(),
            annotations.keypoints[i].name.clone(),
            annotations.keypoints[j].name.clone(),
            weight.map(|w| number(w, 6)).unwrap_or_default(),
            threshold.clone(),
            u8::from(in_skeleton).to_string(),
        ]);
    };
    for edge in &annotations.edge_weights {
        let in_skeleton = annotations.skeleton.iter().any(|&e| same(e, edge.ends));
        line(edge.ends, Some(edge.weight), in_skeleton);
    }
    for &ends in &annotations.skeleton {
        if !annotations.edge_weights.iter().any(|e| same(e.ends, ends)) {
            line(ends, None, true);
        }
    }
    File::text("edges.csv", text)
}

/// Writes `annotations.json`: [`Annotations`] as they are.
///
/// See `json_comes_back_whole` in `read/plain.rs`.
pub fn json(annotations: &Annotations) -> File {
    File::text("annotations.json", json_ascii(annotations))
}

pub use super::read::plain::import_json;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn tables_hold_points_and_edges() {
        let mut sample = sample();
        for (i, keypoint) in sample.keypoints.iter_mut().enumerate() {
            keypoint.name = format!("kp{i}");
        }
        assert_eq!(
            String::from_utf8_lossy(&edges(&sample).bytes),
            "i,j,name_i,name_j,weight,threshold,in_skeleton\n0,1,kp0,kp1,0.75,0.25,1\n0,3,kp0,kp3,0.125,0.25,0\n\
             1,2,kp1,kp2,,0.25,1\n3,1,kp3,kp1,,0.25,1\n"
        );
        let text = String::from_utf8(points(&sample).bytes).expect("text");
        assert!(text.contains("\na.jpg,,640,480,kp0,10.5,20,0.5,visible,0\n"));
        assert!(text.contains("\na.jpg,,640,480,kp3,33.3333,479.999,1,visible,1\n"));
        assert!(text.contains(",101,77,kp1,,,0,absent,0\n"));
        sample.images[0].crop = Some(crate::data::locate::Crop {
            centre_px: [100.25, 50.0],
            side_px: 80.0,
            angle: std::f64::consts::FRAC_PI_2,
        });
        let text = String::from_utf8(points(&sample).bytes).expect("text");
        assert!(text.starts_with("file,frame,width,height,keypoint,x,y,confidence,visibility,corrected,crop_x,crop_y,crop_side,crop_degrees\n"));
        assert!(text.contains(",kp0,10.5,20,0.5,visible,0,100.25,50,80,90\n"));
        assert!(text.contains(",101,77,kp1,,,0,absent,0,,,,\n"));
    }
}
