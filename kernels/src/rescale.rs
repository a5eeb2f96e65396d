//! Rescaling of photographs, with one filter for all images. (`resize` has the resizing that the model learns through.)

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// Rescales the centred part of `part_px` of an image (RGB, `[height, width, 3]`) to `[height', width', 3]`. All sizes are width, height.
/// Returns none if they contradict each other or the number of bytes.
///
/// The filter is Catmull-Rom, widened with the reduction so that it does not alias; one generic instance, because each is large.
pub fn rescale(
    rgb: &[u8],
    size_px: [u32; 2],
    part_px: [u32; 2],
    to_px: [u32; 2],
) -> Option<Vec<u8>> {
    let source = TypedImageRef::<U8x3>::from_buffer(size_px[0], size_px[1], rgb).ok()?;
    let mut bytes = vec![0; to_px[0] as usize * to_px[1] as usize * 3];
    let mut target = TypedImage::<U8x3>::from_buffer(to_px[0], to_px[1], &mut bytes).ok()?;
    let [left, top] =
        [0, 1].map(|axis| (f64::from(size_px[axis]) - f64::from(part_px[axis])) / 2.0);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
        .crop(left, top, part_px[0].into(), part_px[1].into());
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .ok()?;
    Some(bytes)
}
