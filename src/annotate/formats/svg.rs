//! The skeleton over a picture, as SVG: edges as lines, keypoints as dots with their names as titles, in the picture's
//! pixels. A point that a person placed has a white rim; an occluded one is hollow.

use std::fmt::Write as _;

use super::{File, FormatSpec, ImagePlace, at_own_names, px, safe_path, xml};
use crate::annotate::{Annotations, Image, Visibility};

/// `<picture>.svg` for each picture of known size, which it refers to beside it.
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

/// One picture's overlay. `picture` is where the picture is: an address, percent-encoded, relative to the SVG, or a
/// `data:image/png;base64,...`; without one the skeleton stands alone.
pub fn overlay(annotations: &Annotations, image: &Image, picture: Option<&str>) -> String {
    let (width, height) = (image.width_px.max(1), image.height_px.max(1));
    // Seen alike on a thumbnail and on a photograph.
    let unit_px = f64::from(width.min(height)) / 100.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n"
    );
    // Writing into a string cannot fail.
    if let Some(picture) = picture {
        let _ = writeln!(
            text,
            "<image href=\"{}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\"/>",
            xml(picture)
        );
    }
    let _ = writeln!(
        text,
        "<g stroke=\"#fff\" stroke-opacity=\"0.8\" stroke-linecap=\"round\" stroke-width=\"{}\">",
        px(unit_px)
    );
    for &[a, b] in &annotations.skeleton {
        let (a, b) = (&image.points[a], &image.points[b]);
        if a.is_there() && b.is_there() {
            let _ = writeln!(
                text,
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
                px(a.x_px),
                px(a.y_px),
                px(b.x_px),
                px(b.y_px)
            );
        }
    }
    text += "</g>\n";
    for (keypoint, point) in annotations.keypoints.iter().zip(&image.points) {
        if !point.is_there() {
            continue;
        }
        let color = xml(&keypoint.color);
        let fill = if point.visibility == Visibility::Occluded {
            "none"
        } else {
            &color
        };
        let stroke = if point.corrected { "#fff" } else { &color };
        let _ = writeln!(
            text,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{}\">\
             <title>{}</title></circle>",
            px(point.x_px),
            px(point.y_px),
            px(1.5 * unit_px),
            px(0.5 * unit_px),
            xml(&keypoint.name)
        );
    }
    text + "</svg>\n"
}

/// A file's name as an address: percent-encoded, so that `#` and `?` are part of it.
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
    fn the_skeleton_lies_over_the_picture() {
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
