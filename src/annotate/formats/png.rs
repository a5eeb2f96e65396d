//! The skeleton drawn into a picture, as PNG: edges as lines, keypoints as dots. A point that a person placed has a white rim; an
//! occluded one is hollow. [`super::svg`] draws the same beside the picture.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, Stroke, Transform};

use super::{File, FormatSpec, ImagePlace};
use crate::annotate::{Annotations, Image, Visibility};
use crate::data::decode;
use crate::error::{Error, Result};

/// `<path>.png` of one image; `picture` are the bytes of its file, `path` is where the format wants that.
///
/// # Errors
/// [`Error::File`] if the picture cannot be read.
pub fn overlay(
    annotations: &Annotations,
    image: &Image,
    path: &str,
    picture: &[u8],
) -> Result<File> {
    let cannot = |what: String| Error::File(format!("{path} cannot be drawn on: {what}"));
    let (rgb, [width, height]) = decode::whole(picture).map_err(cannot)?;
    let too_large = || cannot("it is too large.".into());
    let mut canvas = Pixmap::new(width, height).ok_or_else(too_large)?;
    for (to, from) in canvas
        .data_mut()
        .chunks_exact_mut(4)
        .zip(rgb.chunks_exact(3))
    {
        to.copy_from_slice(&[from[0], from[1], from[2], 255]);
    }
    // As large on a thumbnail as on a photograph.
    let unit_px = f64::from(width.min(height)) / 100.0;
    for &[a, b] in &annotations.skeleton {
        let ends = [&image.points[a], &image.points[b]];
        if !ends.iter().all(|end| end.is_there()) {
            continue;
        }
        let mut line = PathBuilder::new();
        line.move_to(ends[0].x_px as f32, ends[0].y_px as f32);
        line.line_to(ends[1].x_px as f32, ends[1].y_px as f32);
        if let Some(line) = line.finish() {
            let stroke = Stroke {
                line_cap: LineCap::Round,
                ..width_of(unit_px)
            };
            let white = paint([255; 3], 204);
            canvas.stroke_path(&line, &white, &stroke, Transform::identity(), None);
        }
    }
    for (keypoint, point) in annotations.keypoints.iter().zip(&image.points) {
        let (x, y, radius) = (point.x_px as f32, point.y_px as f32, 1.5 * unit_px as f32);
        let Some(dot) = PathBuilder::from_circle(x, y, radius).filter(|_| point.is_there()) else {
            continue;
        };
        let color = paint(rgb_of(&keypoint.color), 255);
        if point.visibility != Visibility::Occluded {
            canvas.fill_path(&dot, &color, FillRule::Winding, Transform::identity(), None);
        }
        let rim = if point.corrected {
            paint([255; 3], 255)
        } else {
            color
        };
        canvas.stroke_path(
            &dot,
            &rim,
            &width_of(0.5 * unit_px),
            Transform::identity(),
            None,
        );
    }
    // Opaque, so nothing is premultiplied.
    let rgb: Vec<u8> = (canvas.data().chunks_exact(4))
        .flat_map(|rgba| [rgba[0], rgba[1], rgba[2]])
        .collect();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| cannot(format!("{error}.")))?;
    Ok(File {
        path: format!("{path}.png"),
        bytes,
    })
}

fn width_of(width_px: f64) -> Stroke {
    Stroke {
        width: width_px as f32,
        ..Stroke::default()
    }
}

fn paint([r, g, b]: [u8; 3], alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(r, g, b, alpha));
    paint
}

/// `#rrggbb`; white if it is no colour.
fn rgb_of(color: &str) -> [u8; 3] {
    let digits = color.strip_prefix('#').unwrap_or_default();
    let value = u32::from_str_radix(digits, 16).unwrap_or(0xff_ffff);
    [value >> 16, value >> 8, value].map(|byte| (byte & 0xff) as u8)
}

pub(super) const OVERLAYS: FormatSpec = FormatSpec {
    title: "Overlays (PNG)",
    about: "The skeleton drawn into each image",
    images: ImagePlace::DrawnOn,
    // Made of the images, one at a time: see `overlay`.
    write: |_| Ok(Vec::new()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::formats::Format;
    use crate::annotate::{Keypoint, Point};

    #[test]
    fn dots_lie_where_the_points_are() {
        let mut grey = Vec::new();
        PngEncoder::new(&mut grey)
            .write_image(&[90; 200 * 100 * 3], 200, 100, ExtendedColorType::Rgb8)
            .expect("encodes");
        let keypoint = |name: &str, color: &str| Keypoint {
            name: name.into(),
            color: color.into(),
        };
        let mut annotations = Annotations {
            keypoints: vec![keypoint("a", "#ff0000"), keypoint("b", "#00ff00")],
            skeleton: vec![[0, 1]],
            ..Annotations::default()
        };
        let found = |at: [f64; 2]| Point {
            corrected: false,
            ..Point::placed(at)
        };
        let image = Image {
            file_name: "set/../a b.jpg".into(),
            frame: None,
            seconds: None,
            exif_orientation: 1,
            width_px: 200,
            height_px: 100,
            points: vec![found([20.5, 30.5]), found([180.5, 30.5])],
        };
        annotations.images.push(image.clone());
        let path = &Format::Png.image_paths(&annotations)[0];
        let file = overlay(&annotations, &image, path, &grey).expect("draws");
        assert_eq!(file.path, "set/a b.jpg.png");
        let (pixels, size) = decode::whole(&file.bytes).expect("decodes");
        assert_eq!(size, [200, 100]);
        let at = |x: usize, y: usize| &pixels[3 * (y * 200 + x)..][..3];
        assert_eq!(at(20, 30), [255, 0, 0]);
        assert_eq!(at(180, 30), [0, 255, 0]);
        assert!(at(100, 30)[0] > 180, "the edge: {:?}", at(100, 30));
        assert_eq!(at(100, 80), [90, 90, 90]);
        assert!(overlay(&annotations, &image, path, b"no picture").is_err());
    }
}
