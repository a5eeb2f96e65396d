//! CVAT for images 1.1: `annotations.xml`, with images in `images/`.
//!
//! The label is a skeleton, drawn in its `<svg>`; its keypoints are labels of their own, of type `points`, that name it as
//! their parent. A point that is absent is `outside`. `source` is `manual` where a person placed the point.

use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;

use super::{File, FormatSpec, ImagePlace, in_images_folder, number, px, safe_path, xml};
use crate::annotate::{Annotations, Image, Visibility};

pub(super) const IMAGES: FormatSpec = FormatSpec {
    title: "CVAT for images 1.1",
    about: "One XML file with skeletons",
    images: ImagePlace::Beside(in_images_folder),
    write: |annotations| Ok(vec![images(annotations)]),
};

/// Writes `annotations.xml`.
///
/// See `tests/annotation/tools.py`.
pub fn images(annotations: &Annotations) -> File {
    let mut to = XmlWriter(Writer::new_with_indent(Vec::new(), b' ', 2));
    let declaration = BytesDecl::new("1.0", Some("utf-8"), None);
    to.event(Event::Decl(declaration));
    to.open("annotations", &[]);
    to.element("version", &[], "1.1");
    to.open("meta", &[]);
    to.open("task", &[]);
    to.element("name", &[], &annotations.category);
    to.element("size", &[], &annotations.images.len().to_string());
    to.element("mode", &[], "annotation");
    to.open("labels", &[]);
    to.open("label", &[]);
    to.element("name", &[], &annotations.category);
    let first = annotations.keypoints.first();
    to.element("color", &[], first.map_or("", |keypoint| &keypoint.color));
    to.element("type", &[], "skeleton");
    to.element("attributes", &[], "");
    to.element("svg", &[], &drawing(annotations));
    to.close("label");
    for keypoint in &annotations.keypoints {
        to.open("label", &[]);
        to.element("name", &[], &keypoint.name);
        to.element("color", &[], &keypoint.color);
        to.element("type", &[], "points");
        to.element("attributes", &[], "");
        to.element("parent", &[], &annotations.category);
        to.close("label");
    }
    to.close("labels");
    to.close("task");
    to.close("meta");
    for (id, image) in annotations.images.iter().enumerate() {
        let attributes = [
            ("id", id.to_string()),
            ("name", safe_path(&image.name())),
            ("width", image.width_px.to_string()),
            ("height", image.height_px.to_string()),
        ];
        to.open("image", &attributes);
        if image.points.iter().any(|p| p.is_there()) {
            write_skeleton(&mut to, annotations, image);
        }
        to.close("image");
    }
    to.close("annotations");
    File::text("annotations.xml", to.into_text() + "\n")
}

fn write_skeleton(to: &mut XmlWriter, annotations: &Annotations, image: &Image) {
    let source = |corrected: bool| if corrected { "manual" } else { "auto" }.to_string();
    let flag = |is_set: bool| u8::from(is_set).to_string();
    let any = image.points.iter().any(|p| p.corrected);
    let attributes = [
        ("label", annotations.category.clone()),
        ("source", source(any)),
        ("occluded", flag(false)),
        ("points", String::new()),
        ("rotation", "0.00".into()),
        ("z_order", "0".into()),
    ];
    to.open("skeleton", &attributes);
    for (keypoint, point) in annotations.keypoints.iter().zip(&image.points) {
        let attributes = [
            ("label", keypoint.name.clone()),
            ("source", source(point.corrected)),
            ("outside", flag(!point.is_there())),
            ("occluded", flag(point.visibility == Visibility::Occluded)),
            ("points", format!("{},{}", px(point.x_px), px(point.y_px))),
            ("z_order", "0".into()),
        ];
        to.element("points", &attributes, "");
    }
    to.close("skeleton");
}

/// Draws the skeleton for CVAT's editor, in a square of 100: each keypoint at its mean place.
fn drawing(annotations: &Annotations) -> String {
    let at = mean_percent(annotations);
    let mut to = XmlWriter(Writer::new(Vec::new()));
    for &[a, b] in &annotations.skeleton {
        let attributes = [
            ("x1", at[a][0].clone()),
            ("y1", at[a][1].clone()),
            ("x2", at[b][0].clone()),
            ("y2", at[b][1].clone()),
            ("stroke", "black".into()),
            ("data-type", "edge".into()),
            ("data-node-from", (a + 1).to_string()),
            ("stroke-width", "0.5".into()),
            ("data-node-to", (b + 1).to_string()),
        ];
        to.element("line", &attributes, "");
    }
    for (i, keypoint) in annotations.keypoints.iter().enumerate() {
        let attributes = [
            ("r", "1.5".into()),
            ("stroke", "black".into()),
            ("fill", keypoint.color.clone()),
            ("cx", at[i][0].clone()),
            ("cy", at[i][1].clone()),
            ("stroke-width", "0.1".into()),
            ("data-type", "element node".into()),
            ("data-element-id", (i + 1).to_string()),
            ("data-node-id", (i + 1).to_string()),
            ("data-label-name", keypoint.name.clone()),
        ];
        to.element("circle", &attributes, "");
    }
    to.into_text()
}

/// Writes XML into memory. Text and attributes are escaped by [`xml`].
struct XmlWriter(Writer<Vec<u8>>);

impl XmlWriter {
    fn event(&mut self, event: Event) {
        // Writing into memory cannot fail.
        let _ = self.0.write_event(event);
    }

    fn open(&mut self, name: &str, attributes: &[(&str, String)]) {
        let mut tag = BytesStart::new(name);
        for (key, value) in attributes {
            tag.push_attribute(Attribute {
                key: QName(key),
                value: xml(value).into(),
            });
        }
        self.event(Event::Start(tag));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn element(&mut self, name: &str, attributes: &[(&str, String)], text: &str) {
        self.open(name, attributes);
        self.event(Event::Text(BytesText::from_escaped(xml(text))));
        self.close(name);
    }

    fn into_text(self) -> String {
        String::from_utf8(self.0.into_inner()).unwrap_or_default()
    }
}

/// Returns each keypoint's mean place in its images, `[K][x, y]`, percent; the middle for a keypoint that is always absent.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn images_match_cvat_files() {
        let mut sample = sample();
        sample.category = "object".into();
        for (i, keypoint) in sample.keypoints.iter_mut().enumerate() {
            keypoint.name = format!("kp{i}");
        }
        let text = String::from_utf8(images(&sample).bytes).expect("text");
        for part in [
            "  <image id=\"0\" name=\"a.jpg\" width=\"640\" height=\"480\">\n    <skeleton label=\"object\"",
            "<points label=\"kp0\" source=\"auto\" outside=\"0\" occluded=\"0\" points=\"10.5,20\" z_order=\"0\"></points>",
            "<points label=\"kp3\" source=\"manual\" outside=\"0\"",
            "<points label=\"kp2\" source=\"auto\" outside=\"0\" occluded=\"1\"",
            "<points label=\"kp1\" source=\"auto\" outside=\"1\" occluded=\"0\" points=\"0,0\"",
            "<parent>object</parent>",
            "&lt;line x1=",
            "data-node-from=&quot;4&quot;",
            "<image id=\"2\" name=\"set 1/empty.png\" width=\"64\" height=\"64\">\n  </image>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
