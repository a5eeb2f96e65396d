//! Decoding: every format, orientation and fit, and every bad file with its message. `data/pictures/make.py` makes the images.

mod needs;

use std::path::Path;

use autolink::config::Fit;
use autolink::data::dataset::{Placement, SquareImage};
use autolink::data::decode::{decode, decode_crop, full_size, upright};
use autolink::data::locate::Crop;
use image::{ImageFormat, Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Middle of the yellow block, as fractions of the 60 x 40 px.
const YELLOW: [f32; 2] = [0.75, 0.625];

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/pictures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decoded(name: &str, size_px: usize, fit: Fit) -> SquareImage {
    decode(name, &file(name), size_px, fit).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

/// Returns the pixel at a point `[x, y]`, as fractions of the view.
fn at(image: &SquareImage, size_px: usize, [x, y]: [f32; 2]) -> [u8; 3] {
    let [x, y] = [x, y].map(|v| ((v * size_px as f32) as usize).min(size_px - 1));
    let i = 3 * (y * size_px + x);
    [image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]]
}

fn near(a: [u8; 3], b: [u8; 3], tolerance: u8) -> bool {
    a.iter().zip(b).all(|(&a, b)| a.abs_diff(b) <= tolerance)
}

/// Returns the middle of the yellow pixels, as fractions of the view.
fn yellow(image: &SquareImage, size_px: usize) -> [f32; 2] {
    let (mut sum, mut count) = ([0.0; 2], 0.0);
    for (i, rgb) in image.pixels.chunks_exact(3).enumerate() {
        if rgb[0] > 160 && rgb[1] > 140 && rgb[2] < 110 {
            sum[0] += (i % size_px) as f32 + 0.5;
            sum[1] += (i / size_px) as f32 + 0.5;
            count += 1.0;
        }
    }
    assert!(count > 0.0, "{}: nothing is yellow", image.name);
    sum.map(|v| v / count / size_px as f32)
}

/// Checks that two points, as fractions of the original, are within 1 px of each other.
fn assert_within_a_pixel(found: [f32; 2], truth: [f32; 2], placement: &Placement, what: &str) {
    for axis in 0..2 {
        let apart_px = (found[axis] - truth[axis]).abs() * placement.original_px[axis] as f32;
        assert!(apart_px <= 1.0, "{what}: {found:?}, not {truth:?}");
    }
}

#[test]
fn decode_reads_every_format() {
    let names = [
        "rgb.png",
        "palette.png",
        "sixteen.png",
        "rgb.bmp",
        "palette.bmp",
        "rgb.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "lossy.webp",
        "lossless.webp",
        "animated.gif",
        "animated.webp",
    ];
    for name in names {
        let image = decoded(name, 64, Fit::Stretch);
        assert_eq!(
            (image.name.as_str(), image.pixels.len()),
            (name, 64 * 64 * 3)
        );
        assert_eq!(image.placement, Placement::whole([60, 40]), "{name}");
        // The tolerance allows for compression and palettes, but not for a wrong channel order.
        for (point, colour) in [
            ([0.05, 0.1], [220, 30, 30]),
            (YELLOW, [230, 210, 40]),
            ([0.5, 0.5], [105, 120, 150]),
        ] {
            let seen = at(&image, 64, point);
            assert!(near(seen, colour, 28), "{name} at {point:?}: {seen:?}");
        }
    }
    for name in ["grey.png", "grey.jpg"] {
        let image = decoded(name, 64, Fit::Stretch);
        let seen = at(&image, 64, YELLOW);
        assert!(near(seen, [197; 3], 6), "{name}: {seen:?}");
    }
}

#[test]
fn decode_lays_transparency_on_white() {
    for name in ["alpha.png", "alpha.webp"] {
        let image = decoded(name, 60, Fit::Crop);
        let seen = [[0.5, 0.2], [0.3, 0.9]].map(|point| at(&image, 60, point));
        assert_eq!(seen[0], [255; 3], "{name}: clear");
        assert!(
            near(seen[1], [127; 3], 1),
            "{name}: half clear black, {:?}",
            seen[1]
        );
        assert_within_a_pixel(
            image.placement.to_original(yellow(&image, 60)),
            YELLOW,
            &image.placement,
            name,
        );
    }
}

#[test]
fn decode_crop_maps_back_to_the_upright_image() {
    let crop = Crop {
        centre_px: [40.0, 30.0],
        side_px: 24.0,
        angle: 0.8,
    };
    let file = |orientation| file(&format!("orientation-{orientation}.jpg"));
    let upright = decode_crop("a.jpg", &file(1), crop, 32).expect("an image");
    assert_eq!(upright.placement.crop, Some(crop));
    assert_eq!(upright.placement.as_whole().crop, None);
    for point in [[0.5, 0.5], [0.1, 0.9]] {
        let original = upright.placement.to_original(point);
        let [x, y] = crop.to_frame(point.map(f64::from));
        let [width, height] = upright.placement.original_px.map(f64::from);
        assert!((f64::from(original[0]) - x / width).abs() < 1e-6);
        assert!((f64::from(original[1]) - y / height).abs() < 1e-6);
        let back = upright.placement.to_view(original);
        assert!((0..2).all(|axis| (back[axis] - point[axis]).abs() < 1e-5));
    }
    for orientation in 2..=8 {
        let turned = decode_crop("a.jpg", &file(orientation), crop, 32).expect("an image");
        assert_eq!(turned.placement.original_px, upright.placement.original_px);
        assert_eq!(turned.placement.exif_orientation, orientation);
        let apart = turned
            .pixels
            .iter()
            .zip(&upright.pixels)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum::<u32>();
        assert!(
            apart < 3 * turned.pixels.len() as u32,
            "{orientation}: {apart}"
        );
    }
}

#[test]
fn decode_applies_every_orientation() {
    for fit in [Fit::Stretch, Fit::Crop, Fit::Pad] {
        let upright = decoded("orientation-1.jpg", 61, fit);
        for orientation in 2..=8 {
            let name = format!("orientation-{orientation}.jpg");
            let turned = decoded(&name, 61, fit);
            let expected = Placement {
                exif_orientation: orientation,
                ..upright.placement.clone()
            };
            assert_eq!(turned.placement, expected, "{name} {fit:?}");
            if fit != Fit::Crop {
                let corner = turned.placement.to_view([0.05, 0.07]);
                assert!(
                    near(at(&turned, 61, corner), [220, 30, 30], 30),
                    "{name} {fit:?}"
                );
            }
            let apart = turned
                .pixels
                .iter()
                .zip(&upright.pixels)
                .map(|(a, b)| u32::from(a.abs_diff(*b)))
                .sum::<u32>();
            assert!(
                apart < 3 * turned.pixels.len() as u32,
                "{name} {fit:?}: {apart}"
            );
        }
    }
}

#[test]
fn placement_maps_back_to_the_original() {
    // Wide, high, very wide, very high, square, odd sizes, smaller and larger than the view: yellow at (0.6, 0.4).
    for [width, height] in [
        [300, 200],
        [200, 300],
        [401, 150],
        [97, 260],
        [128, 128],
        [40, 31],
        [25, 45],
    ] {
        let truth = [0.6_f32, 0.4];
        let mut original = RgbImage::from_pixel(width, height, Rgb([60, 80, 140]));
        let radius = (width.min(height) as f32 * 0.07).max(2.0);
        let [x, y] = [truth[0] * width as f32, truth[1] * height as f32];
        for (column, row, pixel) in original.enumerate_pixels_mut() {
            if (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y) < radius {
                *pixel = Rgb([240, 220, 20]);
            }
        }
        let mut bytes = Vec::new();
        original
            .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png)
            .expect("PNG");
        for (fit, size_px) in [Fit::Stretch, Fit::Crop, Fit::Pad]
            .into_iter()
            .flat_map(|fit| [(fit, 64), (fit, 128)])
        {
            let what = format!("{width} x {height} {fit:?} {size_px}");
            let image = decode("p", &bytes, size_px, fit).expect(&what);
            let placement = &image.placement;
            assert_eq!(placement.original_px, [width, height]);
            let seen = yellow(&image, size_px);
            assert_within_a_pixel(placement.to_original(seen), truth, placement, &what);
            let back = placement.to_view(placement.to_original(seen));
            assert!(
                (back[0] - seen[0]).abs() < 1e-5 && (back[1] - seen[1]).abs() < 1e-5,
                "{what}"
            );
            // Crop lies inside of the original; stretch and pad show all of it.
            let corners = [
                placement.to_original([0.0; 2]),
                placement.to_original([1.0; 2]),
            ];
            let inside = corners
                .iter()
                .flatten()
                .all(|v| (-1e-6..=1.0 + 1e-6).contains(v));
            let whole = corners[0].iter().all(|&v| v <= 1e-6)
                && corners[1].iter().all(|&v| v >= 1.0 - 1e-6);
            let (expect_inside, expect_whole) = match fit {
                Fit::Stretch => (true, true),
                Fit::Crop => (true, width == height),
                Fit::Pad => (width == height, true),
            };
            assert_eq!((inside, whole), (expect_inside, expect_whole), "{what}");
        }
    }
}

#[test]
fn pad_takes_the_colour_of_the_border() {
    let mut original = RgbImage::from_pixel(100, 20, Rgb([10, 10, 10]));
    for x in 0..100 {
        original.put_pixel(x, 0, Rgb([200, 100, 0]));
        original.put_pixel(x, 1, Rgb([200, 100, 0]));
    }
    let mut bytes = Vec::new();
    original
        .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png)
        .expect("PNG");
    let image = decode("p", &bytes, 100, Fit::Pad).expect("an image");
    assert_eq!(at(&image, 100, [0.5, 0.05]), [200, 100, 0]);
    assert_eq!(at(&image, 100, [0.5, 0.95]), [10, 10, 10]);
}

#[test]
fn decode_reads_extreme_shapes() {
    for [width, height] in [[1, 1], [1, 900], [900, 1], [2, 3]] {
        let mut bytes = Vec::new();
        RgbImage::from_pixel(width, height, Rgb([9, 99, 199]))
            .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Bmp)
            .expect("BMP");
        for fit in [Fit::Stretch, Fit::Crop, Fit::Pad] {
            let image = decode("p", &bytes, 32, fit).expect("an image");
            assert!(
                image.pixels.chunks_exact(3).all(|rgb| rgb == [9, 99, 199]),
                "{width} x {height} {fit:?}"
            );
        }
    }
}

#[test]
fn decode_rejects_bad_files_with_a_sentence() {
    let fails = |bytes: &[u8], sentence: &str| {
        let reason = decode("p", bytes, 64, Fit::Stretch).expect_err(sentence);
        assert_eq!(reason, sentence);
    };
    fails(b"", "The file is empty (zero bytes).");
    fails(
        b"file,wrist_x\n",
        "This is not an image. Use PNG, JPEG, WebP, GIF or BMP.",
    );
    fails(
        &[0; 5_000],
        "This is not an image. Use PNG, JPEG, WebP, GIF or BMP.",
    );
    fails(
        &file("wide.png"),
        "The image is 30000 x 2 px, but a side may have at most 16384 px. Scale it down first.",
    );
    fails(
        &file("large.png"),
        "The image has 144 megapixels, but may have at most 100. Scale it down first.",
    );
    fails(
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "HEIC images cannot be read here. Save this one as PNG or JPEG.",
    );
    fails(
        b"II*\0\x08\0\0\0\0\0\0\0",
        "TIFF images cannot be read here. Save this one as PNG or JPEG.",
    );
    fails(
        b"\x89PNG\r\n\x1a\n",
        "The PNG file is damaged or incomplete.",
    );
    fails(
        b"\xff\xd8\xff\xe0",
        "The JPEG file is damaged or incomplete.",
    );
}

#[test]
fn decode_rejects_truncated_files() {
    for name in [
        "rgb.png",
        "palette.png",
        "sixteen.png",
        "rgb.bmp",
        "palette.bmp",
        "rgb.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "orientation-6.jpg",
        "lossy.webp",
        "lossless.webp",
        "animated.gif",
        "animated.webp",
        "alpha.png",
    ] {
        let bytes = file(name);
        // Only the first frame of an animation is read, so the cut must hit it.
        let share = if name.starts_with("animated") {
            0.4
        } else {
            0.75
        };
        for keep in [12, bytes.len() / 3, (bytes.len() as f64 * share) as usize] {
            match decode(name, &bytes[..keep], 64, Fit::Stretch) {
                Ok(_) => panic!(
                    "{name}: {keep} of {} bytes are accepted as an image",
                    bytes.len()
                ),
                Err(reason) => assert!(reason.contains("incomplete"), "{name}: {reason}"),
            }
        }
    }
    // Without the end marker and some bytes before it; the end marker of a thumbnail does not count.
    let jpeg = file("orientation-6.jpg");
    let reason = decode("p", &jpeg[..jpeg.len() - 8], 64, Fit::Stretch).expect_err("incomplete");
    assert_eq!(
        reason,
        "The JPEG file is incomplete: some of its pixels are missing."
    );
    // Bytes that cameras append are ignored.
    let longer = [jpeg, vec![0; 100]].concat();
    decode("p", &longer, 64, Fit::Stretch).expect("an image with bytes behind it");
}

#[test]
fn decode_does_not_panic_on_damaged_files() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for name in [
        "rgb.png",
        "palette.png",
        "sixteen.png",
        "palette.bmp",
        "rgb.bmp",
        "orientation-6.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "lossy.webp",
        "lossless.webp",
        "alpha.webp",
        "animated.gif",
        "animated.webp",
    ] {
        let bytes = file(name);
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                // Mostly near the start, where the headers are.
                let end = if rng.random() {
                    damaged.len().min(100)
                } else {
                    damaged.len()
                };
                damaged[rng.random_range(0..end as u32) as usize] = rng.random();
            }
            match decode(name, &damaged, 32, Fit::Pad) {
                Ok(image) => assert_eq!(image.pixels.len(), 32 * 32 * 3),
                Err(reason) => assert!(reason.ends_with('.'), "{name}: {reason}"),
            }
        }
    }
}

#[test]
fn decode_reads_photographs() {
    for folder in ["hands/0", "hands/9", "tshirts", "faces"] {
        let Some(folder) = needs::shared(&format!("data/{folder}")) else {
            continue;
        };
        let files = std::fs::read_dir(folder).expect("a folder");
        let images = files.flatten().map(|file| file.path()).filter(|path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("jpg"))
        });
        for path in images.take(40) {
            let bytes = std::fs::read(&path).expect("readable");
            for fit in [Fit::Stretch, Fit::Crop, Fit::Pad] {
                decode("p", &bytes, 64, fit)
                    .unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
            }
        }
    }
}

/// Returns mean and largest difference of two images of one size, over all pixels and channels.
fn differences(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (
        sum as f64 / a.len() as f64,
        differences.max().unwrap_or_default(),
    )
}

/// `data/pictures/odd.py` makes these files, and beside each the pixels that Pillow decodes.
#[test]
fn full_size_decodes_odd_files_as_pillow_does() {
    let mut count = 0;
    let odd = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures/odd");
    for entry in std::fs::read_dir(odd).expect("the folder") {
        let name = entry
            .expect("a file")
            .file_name()
            .into_string()
            .expect("ASCII");
        let Ok(expected) = std::fs::read(format!(
            "{}/tests/data/pictures/odd/{name}.png",
            env!("CARGO_MANIFEST_DIR")
        )) else {
            continue; // a PNG of the expected pixels
        };
        let (expected, expected_px) = full_size(&expected).expect("a plain PNG");
        let (seen, sides_px) = full_size(&file(&format!("odd/{name}")))
            .unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(sides_px, expected_px, "{name}");
        // JPEG decoders round differently; where they upsample chrominance, only the means agree.
        let (mean, most) = differences(&seen, &expected);
        let is_jpeg = name.ends_with(".jpg");
        assert!(
            mean < if is_jpeg { 1.5 } else { 0.5 },
            "{name}: {mean} apart"
        );
        assert!(is_jpeg || most <= 1, "{name}: {most} apart somewhere");
        count += 1;
    }
    assert_eq!(count, 19);
}

#[test]
fn decode_rejects_a_jpeg_that_lacks_more_than_its_end() {
    // The last bytes may hold padding bits only; with several scans or restart markers the loss cannot be detected.
    for (name, more) in [
        ("without-its-end.jpg", 6),
        ("progressive-restarts.jpg", 2),
        ("subsampled-restarts.jpg", 2),
    ] {
        let bytes = file(&format!("odd/{name}"));
        let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]);
        for keep in scan.expect("a scan") + 14..bytes.len() - more {
            let read = decode("p", &bytes[..keep], 64, Fit::Stretch);
            let reason = read
                .err()
                .unwrap_or_else(|| panic!("{name}: {keep} of {} bytes pass", bytes.len()));
            assert!(reason.contains("incomplete"), "{reason}");
        }
    }
}

#[test]
fn upright_turns_the_image_and_drops_the_tag() {
    for name in (2..=8)
        .map(|i| format!("orientation-{i}.jpg"))
        .chain(["odd/turned.png".into(), "odd/turned.webp".into()])
    {
        let bytes = file(&name);
        let turned = upright(&bytes)
            .expect("turns")
            .unwrap_or_else(|| panic!("{name} is not turned"));
        assert_eq!(
            image::guess_format(&turned).expect("an image"),
            image::guess_format(&bytes).expect("an image")
        );
        // A reader that ignores EXIF.
        let plain = image::load_from_memory(&turned)
            .expect("an image")
            .into_rgb8();
        let (seen, sides_px) = full_size(&bytes).expect("an image");
        assert_eq!([plain.width(), plain.height()], sides_px, "{name}");
        let (mean, _) = differences(plain.as_raw(), &seen);
        assert!(mean < 1.5, "{name}: {mean} apart");
        assert_eq!(upright(&turned), Ok(None), "{name}: once is enough");
    }
    for name in [
        "orientation-1.jpg",
        "rgb.png",
        "alpha.png",
        "animated.gif",
        "rgb.bmp",
        "lossy.webp",
    ] {
        assert_eq!(upright(&file(name)), Ok(None), "{name} stays byte for byte");
    }
}
