//! Images as several formats need them: their box of points, their size, their split, and the files beside the labels.

use super::{File, Format, png};
use crate::annotate::{Annotations, Image};
use crate::data::decode;
use crate::error::{Error, Result};

/// Returns the box around the points that are there, `[x, y, width, height]` px, at least a pixel wide and high; none if there
/// are no points.
pub(super) fn bounding_box_px(image: &Image) -> Option<[f64; 4]> {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in image.points.iter().filter(|p| p.is_there()) {
        for (axis, v) in [point.x_px, point.y_px].into_iter().enumerate() {
            low[axis] = low[axis].min(v);
            high[axis] = high[axis].max(v);
        }
    }
    let side = |axis: usize| (high[axis] - low[axis]).max(1.0);
    low[0]
        .is_finite()
        .then(|| [low[0], low[1], side(0), side(1)])
}

/// Chooses every fifth image for validation, and at least one of two. The choice depends only on names, so that an image stays
/// on its side of the split when others are added.
pub(super) fn validation_split(annotations: &Annotations) -> Vec<bool> {
    let names: Vec<String> = annotations.images.iter().map(Image::name).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&i| (hash(&names[i]), i));
    let count = (names.len() as f64 / 5.0).round() as usize;
    let count = count.max(usize::from(names.len() > 1));
    let mut chosen = vec![false; names.len()];
    for &i in &order[..count] {
        chosen[i] = true;
    }
    chosen
}

/// Hashes with FNV-1a, 64 bits, and a final mix.
fn hash(text: &str) -> u64 {
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns the size of an image, `[width, height]` px.
///
/// # Errors
/// [`Error::File`] if the size is not known.
pub(super) fn known_size(image: &Image) -> Result<[f64; 2]> {
    if image.width_px == 0 || image.height_px == 0 {
        return Err(Error::File(format!(
            "The size of {} is unknown, but this format needs it. Add the image too.",
            image.name()
        )));
    }
    Ok([f64::from(image.width_px), f64::from(image.height_px)])
}

/// Makes an image's file at `path`, one of [`Format::image_paths`], beside the files of [`super::export`]: upright, so that labels
/// fit in readers that ignore EXIF; for [`Format::Png`] with the skeleton drawn into it. `bytes` are the original file's.
///
/// See `cli/tests/cli_files.rs`.
///
/// # Errors
/// [`Error::File`] if the image cannot be read, or cannot be written again.
pub fn image_file(
    annotations: &Annotations,
    image: &Image,
    format: Format,
    path: String,
    bytes: Vec<u8>,
) -> Result<File> {
    if format == Format::Png {
        return png::overlay(annotations, image, path, &bytes);
    }
    let upright = decode::upright(&bytes).map_err(|reason| {
        Error::File(format!(
            "{} cannot be exported with its labels: {reason}",
            image.name()
        ))
    })?;
    let bytes = upright.unwrap_or(bytes);
    Ok(File { path, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn validation_split_is_a_fifth_and_stable() {
        let mut many = sample();
        let image = many.images[0].clone();
        many.images = (0..100)
            .map(|i| Image {
                file_name: format!("{i}.png"),
                ..image.clone()
            })
            .collect();
        let chosen = validation_split(&many);
        assert_eq!(chosen.iter().filter(|c| **c).count(), 20);
        many.images.truncate(50);
        let fewer = validation_split(&many);
        let moved = (0..50).filter(|&i| fewer[i] != chosen[i]).count();
        assert!(moved < 8, "{moved}");
        many.images.truncate(2);
        assert_eq!(validation_split(&many).iter().filter(|c| **c).count(), 1);
        many.images.truncate(1);
        assert_eq!(validation_split(&many), [false]);
    }
}
