//! CVAT for images 1.1: `annotations.xml`, pictures in `images/`.
//!
//! The label is a skeleton, drawn in its `<svg>`; its keypoints are labels of their own, of type `points`, that name it as
//! their parent. A point that is not there is `outside`. `source` is `manual` where a person placed the point.

use std::fmt::Write as _;

use super::{File, number, px, safe_path, xml};
use crate::annotate::{Annotations, Image, Visibility};

/// `annotations.xml`.
pub fn images(annotations: &Annotations) -> File {
    let category = xml(&annotations.category);
    // Writing into a string cannot fail.
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n      \
         <name>{category}</name>\n      <size>{}</size>\n      <mode>annotation</mode>\n      <labels>\n        \
         <label>\n          <name>{category}</name>\n          <color>{}</color>\n          <type>skeleton</type>\n          \
         <attributes></attributes>\n          <svg>{}</svg>\n        </label>\n",
        annotations.images.len(),
        annotations
            .keypoints
            .first()
            .map_or("", |keypoint| keypoint.color.as_str()),
        xml(&drawing(annotations)),
    );
    for keypoint in &annotations.keypoints {
        let _ = write!(
            text,
            "        <label>\n          <name>{}</name>\n          <color>{}</color>\n          <type>points</type>\n          \
             <attributes></attributes>\n          <parent>{category}</parent>\n        </label>\n",
            xml(&keypoint.name),
            xml(&keypoint.color),
        );
    }
    text += "      </labels>\n    </task>\n  </meta>\n";
    for (id, image) in annotations.images.iter().enumerate() {
        let _ = writeln!(
            text,
            "  <image id=\"{id}\" name=\"{}\" width=\"{}\" height=\"{}\">",
            xml(&safe_path(&image.name())),
            image.width_px,
            image.height_px
        );
        if image.points.iter().any(|p| p.is_there()) {
            text += &skeleton(annotations, image, &category);
        }
        text += "  </image>\n";
    }
    text += "</annotations>\n";
    File::text("annotations.xml", text)
}

fn skeleton(annotations: &Annotations, image: &Image, category: &str) -> String {
    let source = |corrected: bool| if corrected { "manual" } else { "auto" };
    let any = image.points.iter().any(|p| p.corrected);
    let mut text = format!(
        "    <skeleton label=\"{category}\" source=\"{}\" occluded=\"0\" points=\"\" rotation=\"0.00\" z_order=\"0\">\n",
        source(any)
    );
    for (keypoint, point) in annotations.keypoints.iter().zip(&image.points) {
        let _ = writeln!(
            text,
            "      <points label=\"{}\" source=\"{}\" outside=\"{}\" occluded=\"{}\" points=\"{},{}\" z_order=\"0\">\
             </points>",
            xml(&keypoint.name),
            source(point.corrected),
            u8::from(!point.is_there()),
            u8::from(point.visibility == Visibility::Occluded),
            px(point.x_px),
            px(point.y_px),
        );
    }
    text + "    </skeleton>\n"
}

/// The skeleton as CVAT's editor draws it, in a square of 100: each keypoint at its mean place.
fn drawing(annotations: &Annotations) -> String {
    let at = mean_percent(annotations);
    let mut svg = String::new();
    for &[a, b] in &annotations.skeleton {
        let _ = write!(
            svg,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"black\" data-type=\"edge\" data-node-from=\"{}\" \
             stroke-width=\"0.5\" data-node-to=\"{}\"></line>",
            at[a][0],
            at[a][1],
            at[b][0],
            at[b][1],
            a + 1,
            b + 1
        );
    }
    for (i, keypoint) in annotations.keypoints.iter().enumerate() {
        let _ = write!(
            svg,
            "<circle r=\"1.5\" stroke=\"black\" fill=\"{}\" cx=\"{}\" cy=\"{}\" stroke-width=\"0.1\" \
             data-type=\"element node\" data-element-id=\"{id}\" data-node-id=\"{id}\" data-label-name=\"{}\"></circle>",
            xml(&keypoint.color),
            at[i][0],
            at[i][1],
            xml(&keypoint.name),
            id = i + 1
        );
    }
    svg
}

/// `[K][x, y]`: each keypoint's mean place in its picture, in percent; in the middle where it never is.
fn mean_percent(annotations: &Annotations) -> Vec<[String; 2]> {
    (0..annotations.keypoints.len())
        .map(|k| {
            let (mut sum, mut count) = ([0.0; 2], 0.0);
            for image in &annotations.images {
                let point = &image.points[k];
                if point.is_there() && image.width_px > 0 && image.height_px > 0 {
                    sum[0] += 100.0 * point.x_px / f64::from(image.width_px);
                    sum[1] += 100.0 * point.y_px / f64::from(image.height_px);
                    count += 1.0;
                }
            }
            sum.map(|v| {
                let mean = if count > 0.0 { v / count } else { 50.0 };
                number(mean.clamp(0.0, 100.0), 3)
            })
        })
        .collect()
}
