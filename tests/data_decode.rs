//! Every format, orientation and fit, and every bad file with its sentence. Pictures: `data/pictures/make.py`.

mod needs;

use std::path::Path;

use autolink::config::Fit;
use autolink::data::dataset::{Picture, Placement};
use autolink::data::decode::{decode, upright, whole};
use image::{ImageFormat, Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The middle of the yellow block, fractions of the 60 x 40 px.
const YELLOW: [f32; 2] = [0.75, 0.625];

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/pictures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decoded(name: &str, size_px: usize, fit: Fit) -> Picture {
    decode(name, &file(name), size_px, fit).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

/// The pixel at a point of the view, given as fractions.
fn at(picture: &Picture, size_px: usize, [x, y]: [f32; 2]) -> [u8; 3] {
    let [x, y] = [x, y].map(|v| ((v * size_px as f32) as usize).min(size_px - 1));
    let i = 3 * (y * size_px + x);
    [
        picture.pixels[i],
        picture.pixels[i + 1],
        picture.pixels[i + 2],
    ]
}

fn near(a: [u8; 3], b: [u8; 3], tolerance: u8) -> bool {
    a.iter().zip(b).all(|(&a, b)| a.abs_diff(b) <= tolerance)
}

/// The middle of what is yellow, as fractions of the view.
fn yellow(picture: &Picture, size_px: usize) -> [f32; 2] {
    let (mut sum, mut count) = ([0.0; 2], 0.0);
    for (i, rgb) in picture.pixels.chunks_exact(3).enumerate() {
        if rgb[0] > 160 && rgb[1] > 140 && rgb[2] < 110 {
            sum[0] += (i % size_px) as f32 + 0.5;
            sum[1] += (i / size_px) as f32 + 0.5;
            count += 1.0;
        }
    }
    assert!(count > 0.0, "{}: nothing is yellow", picture.name);
    sum.map(|v| v / count / size_px as f32)
}

/// Whether two points, as fractions of the original, are within 1 px of it.
fn assert_within_a_pixel(found: [f32; 2], truth: [f32; 2], placement: &Placement, what: &str) {
    for axis in 0..2 {
        let apart_px = (found[axis] - truth[axis]).abs() * placement.original_px[axis] as f32;
        assert!(apart_px <= 1.0, "{what}: {found:?}, not {truth:?}");
    }
}

#[test]
fn every_format_shows_the_same_picture() {
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
        let picture = decoded(name, 64, Fit::Stretch);
        assert_eq!(
            (picture.name.as_str(), picture.pixels.len()),
            (name, 64 * 64 * 3)
        );
        assert_eq!(picture.placement, Placement::whole([60, 40]), "{name}");
        // What compression and palettes do to colours is tolerated; a wrong channel order is not.
        for (point, colour) in [
            ([0.05, 0.1], [220, 30, 30]),
            (YELLOW, [230, 210, 40]),
            ([0.5, 0.5], [105, 120, 150]),
        ] {
            let seen = at(&picture, 64, point);
            assert!(near(seen, colour, 28), "{name} at {point:?}: {seen:?}");
        }
    }
    for name in ["grey.png", "grey.jpg"] {
        let picture = decoded(name, 64, Fit::Stretch);
        let seen = at(&picture, 64, YELLOW);
        assert!(near(seen, [197; 3], 6), "{name}: {seen:?}");
    }
}

#[test]
fn what_is_transparent_shows_white() {
    for name in ["alpha.png", "alpha.webp"] {
        let picture = decoded(name, 60, Fit::Crop);
        let seen = [[0.5, 0.2], [0.3, 0.9]].map(|point| at(&picture, 60, point));
        assert_eq!(seen[0], [255; 3], "{name}: clear");
        assert!(
            near(seen[1], [127; 3], 1),
            "{name}: half clear black, {:?}",
            seen[1]
        );
        assert_within_a_pixel(
            picture.placement.to_original(yellow(&picture, 60)),
            YELLOW,
            &picture.placement,
            name,
        );
    }
}

#[test]
fn every_orientation_shows_the_same_picture() {
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
fn placements_lead_back_to_the_original() {
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
            let picture = decode("p", &bytes, size_px, fit).expect(&what);
            let placement = &picture.placement;
            assert_eq!(placement.original_px, [width, height]);
            let seen = yellow(&picture, size_px);
            assert_within_a_pixel(placement.to_original(seen), truth, placement, &what);
            let back = placement.to_view(placement.to_original(seen));
            assert!(
                (back[0] - seen[0]).abs() < 1e-5 && (back[1] - seen[1]).abs() < 1e-5,
                "{what}"
            );
            // The fits are what they say.
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
fn padding_takes_the_colour_of_the_edge() {
    let mut original = RgbImage::from_pixel(100, 20, Rgb([10, 10, 10]));
    for x in 0..100 {
        original.put_pixel(x, 0, Rgb([200, 100, 0]));
        original.put_pixel(x, 1, Rgb([200, 100, 0]));
    }
    let mut bytes = Vec::new();
    original
        .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png)
        .expect("PNG");
    let picture = decode("p", &bytes, 100, Fit::Pad).expect("a picture");
    assert_eq!(at(&picture, 100, [0.5, 0.05]), [200, 100, 0]);
    assert_eq!(at(&picture, 100, [0.5, 0.95]), [10, 10, 10]);
}

#[test]
fn extreme_shapes_are_read() {
    for [width, height] in [[1, 1], [1, 900], [900, 1], [2, 3]] {
        let mut bytes = Vec::new();
        RgbImage::from_pixel(width, height, Rgb([9, 99, 199]))
            .write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Bmp)
            .expect("BMP");
        for fit in [Fit::Stretch, Fit::Crop, Fit::Pad] {
            let picture = decode("p", &bytes, 32, fit).expect("a picture");
            assert!(
                picture
                    .pixels
                    .chunks_exact(3)
                    .all(|rgb| rgb == [9, 99, 199]),
                "{width} x {height} {fit:?}"
            );
        }
    }
}

#[test]
fn bad_files_get_a_sentence() {
    let fails = |bytes: &[u8], sentence: &str| {
        let reason = decode("p", bytes, 64, Fit::Stretch).expect_err(sentence);
        assert_eq!(reason, sentence);
    };
    fails(b"", "The file is empty (zero bytes).");
    fails(
        b"file,wrist_x\n",
        "This is not a picture: use PNG, JPEG, WebP, GIF or BMP.",
    );
    fails(
        &[0; 5_000],
        "This is not a picture: use PNG, JPEG, WebP, GIF or BMP.",
    );
    fails(
        &file("wide.png"),
        "The picture is 30000 x 2 px, but a side may have at most 16384 px: scale it down first.",
    );
    fails(
        &file("large.png"),
        "The picture has 144 megapixels, but may have at most 100: scale it down first.",
    );
    fails(
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "HEIC pictures cannot be read here: save this one as JPEG or PNG.",
    );
    fails(
        b"II*\0\x08\0\0\0\0\0\0\0",
        "TIFF pictures cannot be read here: save this one as JPEG or PNG.",
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
fn truncated_files_are_rejected() {
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
        // Of animations only the first frame is read, so the cut must hit that.
        let share = if name.starts_with("animated") {
            0.4
        } else {
            0.75
        };
        for keep in [12, bytes.len() / 3, (bytes.len() as f64 * share) as usize] {
            match decode(name, &bytes[..keep], 64, Fit::Stretch) {
                Ok(_) => panic!(
                    "{name}: {keep} of {} bytes are taken for a picture",
                    bytes.len()
                ),
                Err(reason) => assert!(reason.contains("incomplete"), "{name}: {reason}"),
            }
        }
    }
    // Some bytes less than all but the end marker; a thumbnail's would not count as one.
    let jpeg = file("orientation-6.jpg");
    let reason = decode("p", &jpeg[..jpeg.len() - 8], 64, Fit::Stretch).expect_err("incomplete");
    assert_eq!(
        reason,
        "The JPEG file is incomplete: it ends before its picture does."
    );
    // What cameras append does no harm.
    let longer = [jpeg, vec![0; 100]].concat();
    decode("p", &longer, 64, Fit::Stretch).expect("a picture with something behind it");
}

#[test]
fn damaged_files_never_panic() {
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
                Ok(picture) => assert_eq!(picture.pixels.len(), 32 * 32 * 3),
                Err(reason) => assert!(reason.ends_with('.'), "{name}: {reason}"),
            }
        }
    }
}

#[test]
fn real_pictures_are_read_where_they_are() {
    for folder in ["hands/0", "hands/9", "tshirts", "faces"] {
        let Some(folder) = needs::shared(&format!("data/{folder}")) else {
            continue;
        };
        let files = std::fs::read_dir(folder).expect("a folder");
        let pictures = files.flatten().map(|file| file.path()).filter(|path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("jpg"))
        });
        for path in pictures.take(40) {
            let bytes = std::fs::read(&path).expect("readable");
            for fit in [Fit::Stretch, Fit::Crop, Fit::Pad] {
                decode("p", &bytes, 64, fit)
                    .unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
            }
        }
    }
}

/// The mean and the largest difference of two images of one size, over all pixels and colours.
fn apart(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (
        sum as f64 / a.len() as f64,
        differences.max().unwrap_or_default(),
    )
}

/// `data/pictures/odd.py` makes these, and beside each what Pillow shows of it.
#[test]
fn odd_pictures_are_shown_as_pillow_shows_them() {
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
            continue; // what Pillow shows
        };
        let (expected, expected_px) = whole(&expected).expect("a plain PNG");
        let (seen, sides_px) = whole(&file(&format!("odd/{name}")))
            .unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(sides_px, expected_px, "{name}");
        // JPEG decoders round differently; of two that upsample colours only the means are alike.
        let (mean, most) = apart(&seen, &expected);
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
fn a_jpeg_that_lacks_more_than_its_end_is_incomplete() {
    // Of the last bytes, the bits that fill up may be all that is missing; of scans and restarts it cannot be told.
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
fn what_goes_beside_labels_is_upright_without_its_tag() {
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
        // A reader that knows nothing of EXIF.
        let plain = image::load_from_memory(&turned)
            .expect("an image")
            .into_rgb8();
        let (seen, sides_px) = whole(&bytes).expect("an image");
        assert_eq!([plain.width(), plain.height()], sides_px, "{name}");
        let (mean, _) = apart(plain.as_raw(), &seen);
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
