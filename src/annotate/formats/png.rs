//! The skeleton drawn into an image, as PNG: edges as lines, keypoints as dots. A point that a person placed has a white rim; an
//! occluded one is hollow. [`super::svg`] draws the same beside the image.

use image::ExtendedColorType;
use tiny_skia::Pixmap;

use super::svg::skeleton;
use super::{File, FormatSpec, ImagePlace};
use crate::annotate::{Annotations, Image};
use crate::data::decode;
use crate::error::{Error, Result};
use crate::render::{Ink, draw_trail, encode_png};

/// Width of a trail, in units of the skeleton's drawing.
const TRAIL_WIDTH_UNITS: f64 = 0.8;

/// Draws the PNG file `path` of one image, one of [`super::Format::image_paths`]. `bytes` is the image's file.
///
/// # Errors
/// [`Error::File`] if the image cannot be decoded, or the PNG cannot be written.
pub fn overlay(
    annotations: &Annotations,
    image: &Image,
    path: String,
    bytes: &[u8],
) -> Result<File> {
    let cannot = |what: String| Error::File(format!("{} cannot be drawn on: {what}", image.name()));
    let (rgb, [width, height]) = decode::full_size(bytes).map_err(cannot)?;
    let rgb = drawn_on(&rgb, [width, height], |canvas| {
        skeleton(annotations, image, [width, height]).draw(canvas);
    });
    let rgb = rgb.ok_or_else(|| cannot("it is too large.".into()))?;
    let bytes = encode_png(&rgb, [width, height], ExtendedColorType::Rgb8)
        .map_err(|error| cannot(format!("{error}.")))?;
    Ok(File { path, bytes })
}

/// Draws trails and the skeleton into a frame of a video, RGB `[H, W, 3]` of `size_px` (width, height). `trails` `[K][T][x, y]` are
/// the latest places of each keypoint, px, the newest last.
///
/// # Errors
/// [`Error::File`] if the number of pixels does not match the size, or the frame is too large.
pub fn draw_on_frame(
    annotations: &Annotations,
    image: &Image,
    trails: &[Vec<[f64; 2]>],
    rgb: &[u8],
    size_px: [u32; 2],
) -> Result<Vec<u8>> {
    let draw = |canvas: &mut Pixmap| {
        let skeleton = skeleton(annotations, image, size_px);
        let width_px = TRAIL_WIDTH_UNITS * skeleton.unit_px();
        for (keypoint, trail) in annotations.keypoints.iter().zip(trails) {
            draw_trail(canvas, trail, Ink::Keypoint(&keypoint.color), width_px);
        }
        skeleton.draw(canvas);
    };
    drawn_on(rgb, size_px, draw).ok_or_else(|| {
        Error::File(format!(
            "{} cannot be drawn on: its pixels do not match its size.",
            image.name()
        ))
    })
}

/// Draws on opaque pixels, RGB `[H, W, 3]`; returns none if they do not match their size, or the size is too large.
fn drawn_on(
    rgb: &[u8],
    [width, height]: [u32; 2],
    draw: impl FnOnce(&mut Pixmap),
) -> Option<Vec<u8>> {
    let mut canvas = Pixmap::new(width, height)?;
    if rgb.len() / 3 != canvas.pixels().len() {
        return None;
    }
    let pixels = canvas.data_mut().chunks_exact_mut(4);
    for (to, from) in pixels.zip(rgb.chunks_exact(3)) {
        to.copy_from_slice(&[from[0], from[1], from[2], 255]);
    }
    draw(&mut canvas);
    // Opaque, so nothing is premultiplied.
    let pixels = canvas.data().chunks_exact(4);
    Some(pixels.flat_map(|p| [p[0], p[1], p[2]]).collect())
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
    fn frame_shows_trail_and_skeleton() {
        let keypoint = |name: &str, color: &str| Keypoint {
            name: name.into(),
            color: color.into(),
        };
        let annotations = Annotations {
            keypoints: vec![keypoint("a", "#ff0000")],
            ..Annotations::default()
        };
        let image = Image {
            file_name: "walk.mp4".into(),
            frame: Some(3),
            seconds: Some(0.1),
            exif_orientation: 1,
            crop: None,
            width_px: 200,
            height_px: 100,
            points: vec![Point {
                corrected: false,
                ..Point::placed([180.5, 30.5])
            }],
        };
        let trail = vec![[20.5, 30.5], [100.5, 30.5], [180.5, 30.5]];
        let drawn = |trails: &[Vec<[f64; 2]>], rgb: &[u8]| {
            draw_on_frame(&annotations, &image, trails, rgb, [200, 100])
        };
        let rgb = drawn(&[trail], &[90; 200 * 100 * 3]).expect("draws");
        let at = |x: usize, y: usize| &rgb[3 * (y * 200 + x)..][..3];
        assert_eq!(at(180, 30), [255, 0, 0], "the keypoint");
        assert!(at(140, 30)[0] > at(60, 30)[0] + 30, "the older the fainter");
        assert!(at(60, 30)[0] > 110, "the trail: {:?}", at(60, 30));
        assert_eq!(at(100, 80), [90; 3]);
        assert!(drawn(&[], &[90; 30]).is_err());
    }

    #[test]
    fn overlay_draws_dots_at_the_points() {
        let grey = encode_png(&[90; 200 * 100 * 3], [200, 100], ExtendedColorType::Rgb8);
        let grey = grey.expect("encodes");
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
            crop: None,
            width_px: 200,
            height_px: 100,
            points: vec![found([20.5, 30.5]), found([180.5, 30.5])],
        };
        annotations.images.push(image.clone());
        let path = Format::Png.image_paths(&annotations).remove(0);
        let file = overlay(&annotations, &image, path.clone(), &grey).expect("draws");
        assert_eq!(file.path, "set/a b.jpg.png");
        let (pixels, size) = decode::full_size(&file.bytes).expect("decodes");
        assert_eq!(size, [200, 100]);
        let at = |x: usize, y: usize| &pixels[3 * (y * 200 + x)..][..3];
        assert_eq!(at(20, 30), [255, 0, 0]);
        assert_eq!(at(180, 30), [0, 255, 0]);
        assert!(at(100, 30)[0] > 180, "the edge: {:?}", at(100, 30));
        assert_eq!(at(100, 80), [90, 90, 90]);
        assert!(overlay(&annotations, &image, path, b"not an image").is_err());
    }
}
