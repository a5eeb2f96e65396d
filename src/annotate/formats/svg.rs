//! The skeleton over an image, as SVG: edges as lines, keypoints as dots with their names as titles, in the image's pixels. A point
//! that a person placed has a white rim; an occluded one is hollow.

use std::fmt::Write as _;

use super::{File, FormatSpec, ImagePlace, at_own_names, px, safe_path, xml};
use crate::annotate::{Annotations, Image, Visibility};
use crate::render::{
    DOT_RADIUS_UNITS, Dot, EDGE_OPACITY, EDGE_WIDTH_UNITS, Ink, Overlay, RIM_WIDTH_UNITS,
};

/// Writes `<image>.svg` for each image of known size; it refers to the image's file beside it.
pub fn overlays(annotations: &Annotations) -> Vec<File> {
    annotations
        .images
        .iter()
        .map(|image| {
            let path = safe_path(&image.name());
            let file = path.rsplit('/').next().unwrap_or_default();
            File::text(
                format!("{path}.svg"),
                overlay(annotations, image, Some(&address(file))),
            )
        })
        .collect()
}

/// Writes the SVG of one image. `href` is where the image's file is: an address, percent-encoded, relative to the SVG, or a
/// `data:image/png;base64,...`; without one the skeleton stands alone.
pub fn overlay(annotations: &Annotations, image: &Image, href: Option<&str>) -> String {
    let (width, height) = (image.width_px.max(1), image.height_px.max(1));
    let skeleton = skeleton(annotations, image, [width, height]);
    let unit_px = skeleton.unit_px();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n"
    );
    // Writing into a string cannot fail.
    if let Some(href) = href {
        let _ = writeln!(
            text,
            "<image href=\"{}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\"/>",
            xml(href)
        );
    }
    let _ = writeln!(
        text,
        "<g stroke=\"{}\" stroke-opacity=\"{EDGE_OPACITY}\" stroke-linecap=\"round\" stroke-width=\"{}\">",
        Ink::White.css(),
        px(EDGE_WIDTH_UNITS * unit_px)
    );
    for [from, to] in &skeleton.edges {
        let _ = writeln!(
            text,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(from[0]),
            px(from[1]),
            px(to[0]),
            px(to[1])
        );
    }
    text += "</g>\n";
    for dot in &skeleton.dots {
        let _ = writeln!(
            text,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\">\
             <title>{}</title></circle>",
            px(dot.at_px[0]),
            px(dot.at_px[1]),
            px(DOT_RADIUS_UNITS * unit_px),
            xml(dot.fill.map_or("none", Ink::css)),
            xml(dot.rim.css()),
            px(RIM_WIDTH_UNITS * unit_px),
            xml(dot.name)
        );
    }
    text + "</svg>\n"
}

/// Collects what is drawn of one image's skeleton, in an image of `size_px`: the points that are there, and the edges between two such.
pub(super) fn skeleton<'a>(
    annotations: &'a Annotations,
    image: &Image,
    size_px: [u32; 2],
) -> Overlay<'a> {
    let ends = annotations
        .skeleton
        .iter()
        .map(|ends| ends.map(|end| &image.points[end]));
    let edges = ends.filter(|ends| ends.iter().all(|point| point.is_there()));
    let points = annotations.keypoints.iter().zip(&image.points);
    let dots = points
        .filter(|(_, point)| point.is_there())
        .map(|(keypoint, point)| {
            let own = Ink::Keypoint(&keypoint.color);
            Dot {
                name: &keypoint.name,
                at_px: [point.x_px, point.y_px],
                fill: (point.visibility != Visibility::Occluded).then_some(own),
                rim: if point.corrected { Ink::White } else { own },
            }
        });
    Overlay {
        size_px,
        edges: edges
            .map(|ends| ends.map(|point| [point.x_px, point.y_px]))
            .collect(),
        dots: dots.collect(),
    }
}

/// Percent-encodes a file's name as an address, so that `#` and `?` are part of it.
fn address(file: &str) -> String {
    let mut address = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

pub(super) const OVERLAYS: FormatSpec = FormatSpec {
    title: "Overlays (SVG)",
    about: "The skeleton over each image",
    images: ImagePlace::Beside(at_own_names),
    write: |annotations| Ok(overlays(annotations)),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn overlay_draws_the_skeleton_over_the_image() {
        let sample = sample();
        let files = overlays(&sample);
        assert_eq!(files[0].path, "a.jpg.svg");
        let text = String::from_utf8_lossy(&files[0].bytes).to_string();
        assert!(text.contains("viewBox=\"0 0 640 480\""));
        assert!(text.contains("<image href=\"a.jpg\""));
        assert_eq!(text.matches("<line ").count(), 3);
        assert_eq!(text.matches("<circle ").count(), 4);
        assert!(text.contains("<title>nose, left &quot;tip&quot;</title>"));
        // An edge without one of its ends is not drawn.
        let text = String::from_utf8_lossy(&files[1].bytes).to_string();
        assert_eq!(text.matches("<line ").count(), 0);
        // A name that Windows cannot hold is replaced, as beside the labels.
        assert!(text.contains("href=\"%C3%BC%2C%20_"), "{text}");
        let alone = overlay(&sample, &sample.images[0], None);
        assert!(!alone.contains("<image"));
        let data = overlay(
            &sample,
            &sample.images[0],
            Some("data:image/png;base64,AAAA"),
        );
        assert!(data.contains("href=\"data:image/png;base64,AAAA\""));
    }
}
