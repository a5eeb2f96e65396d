//! The skeleton drawn into an image, as PNG: edges as lines, keypoints as dots. A point that a person placed has a white rim; an
//! occluded one is hollow. [`super::svg`] draws the same beside the image.

use image::ExtendedColorType;
use tiny_skia::Pixmap;

use super::svg::skeleton;
use super::{File, FormatSpec, ImagePlace};
use crate::annotate::{Annotations, Image};
use crate::data::decode;
use crate::error::{Error, Result};
use crate::render::encode_png;

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
    let too_large = || cannot("it is too large.".into());
    let mut canvas = Pixmap::new(width, height).ok_or_else(too_large)?;
    for (to, from) in canvas
        .data_mut()
        .chunks_exact_mut(4)
        .zip(rgb.chunks_exact(3))
    {
        to.copy_from_slice(&[from[0], from[1], from[2], 255]);
    }
    skeleton(annotations, image, [width, height]).draw(&mut canvas);
    // Opaque, so nothing is premultiplied.
    let rgb: Vec<u8> = (canvas.data().chunks_exact(4))
        .flat_map(|rgba| [rgba[0], rgba[1], rgba[2]])
        .collect();
    let bytes = encode_png(&rgb, [width, height], ExtendedColorType::Rgb8)
        .map_err(|error| cannot(format!("{error}.")))?;
    Ok(File { path, bytes })
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
