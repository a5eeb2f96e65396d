//! Decodes a file's bytes to a square image: PNG, JPEG, WebP, GIF (first frame) and BMP.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageError,
    ImageFormat, ImageReader, Luma, RgbImage,
};

use crate::config::Fit;
use crate::data::dataset::{Placement, SquareImage};
use crate::data::locate::Crop;
use crate::data::{jpeg, sniff};
use autolink_kernels::rescale::rescale;

/// Longest side of an image that is read, px.
const MAX_SIDE_PX: u32 = 16_384;
/// Most pixels of an image that is read: a tab has at most 4 GiB.
const MAX_PIXELS: u64 = 100_000_000;
/// Most bytes that a decoder may allocate: enough for [`MAX_PIXELS`] of 16-bit RGBA.
const MAX_ALLOC_BYTES: u64 = 1 << 30;
/// Quality of a JPEG that is written again because it had to be turned.
const JPEG_QUALITY: u8 = 95;

/// Decodes a file, applies its EXIF orientation, lays transparent parts on white, makes the image square as `fit` says, and resizes it
/// once to `size_px`. The first bytes of the file decide its format, not its name. See `tests/data_decode.rs`.
///
/// # Errors
/// A sentence for the user: the file is not an image, of an unsupported format, empty, damaged, incomplete, or too large (more than
/// 16,384 px per side or 100 megapixels by its header, which is checked before decoding).
pub fn decode(name: &str, bytes: &[u8], size_px: usize, fit: Fit) -> Result<SquareImage, String> {
    let (image, orientation) = read(name, bytes)?;
    let (pixels, placement) = square(&image, orientation, size_px as u32, fit)?;
    Ok(SquareImage {
        name: name.into(),
        pixels,
        placement,
    })
}

/// Makes a square image of a decoded video frame, RGBA `[H, W, 4]`, whose alpha is ignored. See `tests/browser/annotate.spec.js`.
///
/// # Errors
/// A sentence: the number of pixels does not match the size, or the image cannot be resized.
pub fn frame(
    name: &str,
    rgba: &[u8],
    [width, height]: [u32; 2],
    size_px: usize,
    fit: Fit,
) -> Result<SquareImage, String> {
    let rgb = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]);
    rgb_frame(name, rgb.collect(), [width, height], size_px, fit)
}

/// Makes an image of a decoded video frame, RGBA `[H, W, 4]`, whose alpha is ignored. See `tests/browser/locate.spec.js`.
///
/// # Errors
/// A sentence: the number of pixels does not match the size.
pub fn rgba_image(rgba: &[u8], [width, height]: [u32; 2]) -> Result<RgbImage, String> {
    let rgb = rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]);
    RgbImage::from_raw(width, height, rgb.collect())
        .filter(|image| image.width() > 0 && image.height() > 0)
        .ok_or_else(|| "The frame's pixels do not match its size.".into())
}

/// Decodes a file to its upright image in its own size, on white; otherwise as [`full_size`].
///
/// # Errors
/// As [`decode`].
pub fn upright_image(bytes: &[u8]) -> Result<RgbImage, String> {
    let (image, orientation) = read("", bytes)?;
    let mut turned = DynamicImage::ImageRgb8(image);
    turned.apply_orientation(orientation);
    Ok(turned.into_rgb8())
}

/// Makes a square image of a decoded video frame, RGB `[H, W, 3]`. See `cli/tests/videos.rs`.
///
/// # Errors
/// As [`frame`].
pub fn rgb_frame(
    name: &str,
    rgb: Vec<u8>,
    [width, height]: [u32; 2],
    size_px: usize,
    fit: Fit,
) -> Result<SquareImage, String> {
    let image = RgbImage::from_raw(width, height, rgb)
        .filter(|image| image.width() > 0 && image.height() > 0)
        .ok_or("The frame's pixels do not match its size.")?;
    let (pixels, placement) = square(&image, Orientation::NoTransforms, size_px as u32, fit)?;
    Ok(SquareImage {
        name: name.into(),
        pixels,
        placement,
    })
}

/// Decodes a file as [`decode`] does, but cuts a crop out of the upright image. See `tests/data_decode.rs`.
///
/// # Errors
/// As [`decode`].
pub fn decode_crop(
    name: &str,
    bytes: &[u8],
    crop: Crop,
    size_px: usize,
) -> Result<SquareImage, String> {
    let (image, orientation) = read(name, bytes)?;
    let mut turned = DynamicImage::ImageRgb8(image);
    turned.apply_orientation(orientation);
    let mut square = cut(name, &turned.into_rgb8(), crop, size_px);
    square.placement.exif_orientation = orientation.to_exif();
    Ok(square)
}

/// Cuts a crop out of an upright image or a video frame. See `tests/data_decode.rs`.
pub fn cut(name: &str, image: &RgbImage, crop: Crop, size_px: usize) -> SquareImage {
    SquareImage {
        name: name.into(),
        pixels: crop.cut(image, size_px),
        placement: Placement::cropped([image.width(), image.height()], crop),
    }
}

/// Encodes a video frame, RGB `[H, W, 3]`, as PNG. See `cli/tests/videos.rs`.
///
/// # Errors
/// A sentence: the number of pixels does not match the size.
pub fn frame_png(rgb: &[u8], size_px: [u32; 2]) -> Result<Vec<u8>, String> {
    if rgb.len() as u64 != 3 * u64::from(size_px[0]) * u64::from(size_px[1]) {
        return Err("The frame's pixels do not match its size.".into());
    }
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(rgb, size_px[0], size_px[1], ExtendedColorType::Rgb8)
        .map_err(|error| format!("The frame cannot be written: {error}."))?;
    Ok(bytes)
}

/// Decodes a file in its own size, upright and on white: RGB `[H, W, 3]` and `[width, height]`, px. See `tests/data_decode.rs`.
///
/// # Errors
/// As [`decode`].
pub fn full_size(bytes: &[u8]) -> Result<(Vec<u8>, [u32; 2]), String> {
    let turned = upright_image(bytes)?;
    let size_px = [turned.width(), turned.height()];
    Ok((turned.into_raw(), size_px))
}

/// Turns a file upright and drops its EXIF orientation, for readers that ignore it; returns none if it is upright already. See
/// `tests/data_decode.rs`.
///
/// A turned image is decoded and encoded again in its format, with its colour profile: JPEG at quality 95, PNG and WebP without loss.
///
/// # Errors
/// As [`decode`], or if the image cannot be encoded.
pub fn upright(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let bytes = &jpeg::with_tables(bytes);
    let Opened {
        format,
        orientation,
        mut decoder,
        ..
    } = open("", bytes)?;
    if orientation == Orientation::NoTransforms {
        return Ok(None);
    }
    let profile = decoder.icc_profile().ok().flatten();
    let mut image = decoded(bytes, format, decoder)?;
    image.apply_orientation(orientation);
    let mut turned = Vec::new();
    let written = match format {
        ImageFormat::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut turned, JPEG_QUALITY);
            write(encoder, &image, profile)
        }
        ImageFormat::WebP => write(WebPEncoder::new_lossless(&mut turned), &image, profile),
        _ => write(PngEncoder::new(&mut turned), &image, profile),
    };
    written.map_err(|error| format!("The rotated image cannot be written: {error}."))?;
    Ok(Some(turned))
}

fn write(
    mut encoder: impl ImageEncoder,
    image: &DynamicImage,
    profile: Option<Vec<u8>>,
) -> image::ImageResult<()> {
    if let Some(profile) = profile {
        // An image without its profile is better than none.
        let _ = encoder.set_icc_profile(profile);
    }
    encoder.write_image(
        image.as_bytes(),
        image.width(),
        image.height(),
        image.color().into(),
    )
}

/// A file whose header was read.
struct Opened<'b> {
    decoder: Box<dyn ImageDecoder + 'b>,
    format: ImageFormat,
    /// EXIF orientation.
    orientation: Orientation,
}

/// Decodes the image as it is stored, on white, with its EXIF orientation.
fn read(name: &str, bytes: &[u8]) -> Result<(RgbImage, Orientation), String> {
    let bytes = &jpeg::with_tables(bytes);
    let Opened {
        decoder,
        format,
        orientation,
    } = open(name, bytes)?;
    Ok((on_white(decoded(bytes, format, decoder)?), orientation))
}

/// Reads the header of a file, and checks format and size.
fn open<'b>(name: &str, bytes: &'b [u8]) -> Result<Opened<'b>, String> {
    if bytes.is_empty() {
        return Err("The file is empty (zero bytes).".into());
    }
    let start = &bytes[..bytes.len().min(sniff::START_BYTES)];
    let format = sniff::image_format(start).ok_or_else(|| sniff::rejection_message(name, start))?;
    let Some(label) = label(format) else {
        return Err(sniff::rejection_message(name, start));
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_ALLOC_BYTES);
    reader.limits(limits);
    let mut decoder = reader
        .into_decoder()
        .map_err(|error| error_message(label, &error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("The {label} file has no pixels."));
    }
    if width.max(height) > MAX_SIDE_PX {
        return Err(format!(
            "The image is {width} x {height} px, but a side may have at most {MAX_SIDE_PX} px. Scale it down first."
        ));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!(
            "The image has {} megapixels, but may have at most {}. Scale it down first.",
            pixels / 1_000_000,
            MAX_PIXELS / 1_000_000
        ));
    }
    // An image whose orientation cannot be read is upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok(Opened {
        decoder: Box::new(decoder),
        format,
        orientation,
    })
}

/// Returns the name of a supported format; none for all others.
fn label(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::Bmp => Some("BMP"),
        _ => None,
    }
}

/// Decodes the pixels of a file whose header was read.
fn decoded(
    bytes: &[u8],
    format: ImageFormat,
    decoder: Box<dyn ImageDecoder + '_>,
) -> Result<DynamicImage, String> {
    let message = |error| error_message(label(format).unwrap_or("image"), &error);
    // The decoder would fill missing parts with grey, and not report it.
    if format == ImageFormat::Jpeg && !jpeg::has_end_marker(bytes) {
        if !jpeg::has_detectable_end(bytes) {
            return Err(
                "The JPEG file is incomplete: it lacks its end marker, and maybe more.".into(),
            );
        }
        return without_end(bytes).map_err(message)?.ok_or_else(|| {
            "The JPEG file is incomplete: some of its pixels are missing.".to_string()
        });
    }
    DynamicImage::from_decoder(decoder).map_err(message)
}

/// Decodes a JPEG file without an end marker; returns none if more than the marker is missing. Whatever follows a file with all of its
/// pixels does not change them, so the file is decoded with several endings.
fn without_end(bytes: &[u8]) -> image::ImageResult<Option<DynamicImage>> {
    let mut ended = jpeg::TAILS.iter().map(|tail| {
        let bytes = jpeg::with_end(bytes, tail);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
        reader.no_limits();
        reader.decode()
    });
    let Some(first) = ended.next().transpose()? else {
        return Ok(None);
    };
    for other in ended {
        if other.is_ok_and(|other| other.as_bytes() != first.as_bytes()) {
            return Ok(None);
        }
    }
    Ok(Some(first))
}

/// Translates a decoder's error for the user.
fn error_message(label: &str, error: &ImageError) -> String {
    match error {
        ImageError::Unsupported(_) => {
            format!(
                "This kind of {label} file is not supported. Save it as an ordinary PNG or JPEG."
            )
        }
        ImageError::Limits(_) => "The image needs too much memory. Scale it down first.".into(),
        _ => format!("The {label} file is damaged or incomplete."),
    }
}

/// Converts an image to 8-bit RGB and lays transparent parts on white: `a c + (1 - a) 255`.
fn on_white(image: DynamicImage) -> RgbImage {
    let image = match image {
        DynamicImage::ImageLuma16(grey) => stretched_grey(grey),
        other => other,
    };
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let mut rgb = RgbImage::new(width, height);
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, a] = from.0.map(u32::from);
        to.0 = [r, g, b].map(|c| ((c * a + 255 * (255 - a) + 127) / 255) as u8);
    }
    rgb
}

/// Brightens 16-bit grey that uses only 8 or 12 bits, as scientific cameras write it: without this it would be nearly black. White is the
/// largest value of the bits in use.
fn stretched_grey(grey: ImageBuffer<Luma<u16>, Vec<u16>>) -> DynamicImage {
    let white = match grey.iter().copied().max().unwrap_or_default() {
        0..=255 => 255,
        256..=4095 => 4095,
        _ => return grey.into(),
    };
    let (width, height) = grey.dimensions();
    let scaled = grey
        .iter()
        .map(|&value| ((u32::from(value) * 255 + white / 2) / white) as u8);
    let scaled = ImageBuffer::<Luma<u8>, _>::from_raw(width, height, scaled.collect());
    scaled.map_or_else(|| grey.into(), DynamicImage::ImageLuma8)
}

/// Makes the square view, `[S, S, 3]`, and its placement in the upright original.
///
/// Every fit is centred, so turning the small image after resizing gives the same result, and is cheap.
fn square(
    image: &RgbImage,
    orientation: Orientation,
    size_px: u32,
    fit: Fit,
) -> Result<(Vec<u8>, Placement), String> {
    let (width, height) = image.dimensions();
    let (seen_px, inner_px) = fit_sizes([width, height], size_px, fit);

    let small = rescale(image.as_raw(), [width, height], seen_px, inner_px)
        .and_then(|small| RgbImage::from_raw(inner_px[0], inner_px[1], small))
        .ok_or("The image could not be resized.")?;

    let mut turned = DynamicImage::ImageRgb8(small);
    turned.apply_orientation(orientation);
    let turned = turned.into_rgb8();

    let [original_px, seen_px] = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => [[height, width], [seen_px[1], seen_px[0]]],
        _ => [[width, height], seen_px],
    };
    let inner_px = [turned.width(), turned.height()];
    let at_px = inner_px.map(|inner| (size_px - inner) / 2);
    // view v (px: S v) shows pixel (S v - at) seen / inner of the seen part, which starts at (original - seen) / 2.
    let axis = |axis: usize| {
        let [original, seen, inner, at] = [
            original_px[axis],
            seen_px[axis],
            inner_px[axis],
            at_px[axis],
        ]
        .map(f64::from);
        let offset = ((original - seen) / 2.0 - at * seen / inner) / original;
        let scale = f64::from(size_px) * seen / inner / original;
        (offset as f32, scale as f32)
    };
    let (x, y) = (axis(0), axis(1));
    let placement = Placement {
        original_px,
        exif_orientation: orientation.to_exif(),
        crop: None,
        offset: [x.0, y.0],
        scale: [x.1, y.1],
    };
    Ok((pad(turned, size_px, at_px), placement))
}

/// Returns how much of an image is visible (centred), and its size inside of the view; both `[width, height]`, px.
fn fit_sizes(original_px: [u32; 2], size_px: u32, fit: Fit) -> ([u32; 2], [u32; 2]) {
    let [width, height] = original_px;
    match fit {
        Fit::Stretch => (original_px, [size_px; 2]),
        Fit::Crop => ([width.min(height); 2], [size_px; 2]),
        Fit::Pad => {
            let longest = f64::from(width.max(height));
            let inner = |side: u32| (f64::from(size_px) * f64::from(side) / longest).round() as u32;
            (original_px, original_px.map(|side| inner(side).max(1)))
        }
    }
}

/// Places the image at `at_px` of a square view, between bars in the mean colour of the border that they touch.
fn pad(inner: RgbImage, size_px: u32, at_px: [u32; 2]) -> Vec<u8> {
    let (width, height) = inner.dimensions();
    if (width, height) == (size_px, size_px) {
        return inner.into_raw();
    }
    let mean = |pixels: &mut dyn Iterator<Item = (u32, u32)>| {
        let (mut sum, mut count) = ([0_u32; 3], 0);
        for (x, y) in pixels {
            let pixel = inner.get_pixel(x, y).0;
            sum = [0, 1, 2].map(|c| sum[c] + u32::from(pixel[c]));
            count += 1;
        }
        image::Rgb(sum.map(|c| ((c + count / 2) / count) as u8))
    };
    let [before, after] = if width < size_px {
        [0, width - 1].map(|x| mean(&mut (0..height).map(|y| (x, y))))
    } else {
        [0, height - 1].map(|y| mean(&mut (0..width).map(|x| (x, y))))
    };
    let view = RgbImage::from_fn(size_px, size_px, |x, y| {
        if x < at_px[0] || y < at_px[1] {
            before
        } else if x >= at_px[0] + width || y >= at_px[1] + height {
            after
        } else {
            *inner.get_pixel(x - at_px[0], y - at_px[1])
        }
    });
    view.into_raw()
}
