//! Every format is read as it was written, from a zip and as separate files.

use proptest::prelude::*;

use super::*;
use crate::annotate::formats::{Format, export, import, import_files, zip};
use crate::annotate::{EdgeWeight, Visibility};

/// Properties that a format holds besides names and places.
struct Holds {
    occluded: bool,
    corrected: bool,
    confidence: bool,
    skeleton: bool,
    category: bool,
}

fn holds(format: Format) -> Option<Holds> {
    let holds = |[occluded, corrected, confidence, skeleton, category]: [bool; 5]| {
        Some(Holds {
            occluded,
            corrected,
            confidence,
            skeleton,
            category,
        })
    };
    match format {
        Format::Coco | Format::CocoCvat | Format::CocoDeeplabcut | Format::Yolo => {
            holds([true, false, false, true, true])
        }
        Format::Deeplabcut => holds([false, false, false, true, true]),
        Format::DeeplabcutPredictions | Format::Sleap => holds([false, false, true, false, false]),
        Format::Cvat => holds([true, true, false, true, true]),
        Format::LabelStudio => holds([false, true, true, false, false]),
        Format::Csv => holds([true, true, true, true, false]),
        Format::Json => holds([true, true, true, true, true]),
        Format::Edges | Format::Svg | Format::Png => None,
    }
}

fn name() -> impl Strategy<Value = String> {
    let odd = "[ -~\u{a1}-\u{17f}\u{4e00}-\u{4e20}\u{1f44b}]{1,12}";
    prop_oneof!["[a-z]{1,6}", odd]
        .prop_map(|name| name.trim().to_string())
        .prop_filter("a name", |name| !name.is_empty())
}

fn point(size: [u32; 2]) -> impl Strategy<Value = Point> {
    let side = |i: usize| 0.001..f64::from(size[i]) - 0.001;
    (side(0), side(1), 0.0..1.0_f64, 0..3_u8, any::<bool>())
        .prop_map(|(x, y, confidence, state, corrected)| Point {
            confidence: if corrected { 1.0 } else { confidence },
            visibility: [
                Visibility::Absent,
                Visibility::Occluded,
                Visibility::Visible,
            ][usize::from(state)],
            corrected,
            ..Point::placed([x, y])
        })
        .prop_map(|point| {
            if point.is_there() {
                point
            } else {
                Point::ABSENT
            }
        })
}

prop_compose! {
    fn annotations()(names in prop::collection::hash_set(name(), 1..5), is_video in any::<bool>(), count in 1..8_usize)(
        images in prop::collection::vec(
            ("[a-z \u{e4}\u{624b}(),']{0,6}", prop::sample::select(vec!["", "set 1/", "a/b/", "images/", "Ü/"]), (20..4000_u32, 20..4000_u32))
                .prop_flat_map(move |(stem, folder, (width, height))| {
                    (Just((stem, folder, [width, height])), prop::collection::vec(point([width, height]), 5))
                }),
            count,
        ),
        edges in prop::collection::hash_set((0..names.len(), 0..names.len()), 0..4),
        category in name(),
        names in Just(names.into_iter().collect::<Vec<_>>()),
        is_video in Just(is_video),
    ) -> Annotations {
        let mut all = Annotations { category, keypoints: uncolored(names), ..Annotations::default() };
        let count = all.keypoints.len();
        all.skeleton = edges.into_iter().filter(|(a, b)| a < b).map(|(a, b)| [a, b]).collect();
        all.edge_weights = all.skeleton.iter().map(|ends| EdgeWeight { ends: *ends, weight: 0.5 }).collect();
        for (i, ((stem, folder, size), points)) in images.into_iter().enumerate() {
            let frame = is_video.then_some(7 * i as u64 + 3);
            let file_name = match is_video {
                true => ["cam1/walk, ü.mp4", "手.mp4"][i % 2].to_string(),
                false => format!("{folder}{i}{stem}.{}", ["png", "jpg"][i % 2]),
            };
            all.images.push(Image {
                file_name,
                frame,
                seconds: None,
                width_px: size[0],
                height_px: size[1],
                exif_orientation: 1,
                crop: None,
                points: points[..count].to_vec(),
            });
        }
        all
    }
}

/// Compares imported labels with the original, on the original's images.
fn check(
    original: &Annotations,
    format: Format,
    holds: &Holds,
    imported: &Imported,
) -> Result<(), TestCaseError> {
    prop_assert!(
        imported.notes.is_empty(),
        "{:?}: {:?}",
        format,
        imported.notes
    );
    let read = &imported.annotations;
    let blank = |image: &Image| Image {
        points: Vec::new(),
        ..image.clone()
    };
    let here: Vec<Image> = original.images.iter().map(blank).collect();
    let placed = imported.onto(&here);
    prop_assert!(placed.notes.is_empty(), "{:?}: {:?}", format, placed.notes);
    prop_assert!(
        !placed.summary.contains("not here"),
        "{:?}: {}",
        format,
        placed.summary
    );
    let labelled = original
        .images
        .iter()
        .filter(|image| image.points.iter().any(Point::is_there))
        .count();
    prop_assert_eq!(placed.images.len(), labelled, "{:?}", format);
    let column = |name: &str| read.keypoints.iter().position(|k| k.name == name);
    for (at, points) in &placed.images {
        for (keypoint, before) in original.keypoints.iter().zip(&original.images[*at].points) {
            let after = column(&keypoint.name).map_or(Point::ABSENT, |column| points[column]);
            prop_assert_eq!(
                after.is_there(),
                before.is_there(),
                "{:?}: {}",
                format,
                keypoint.name
            );
            if !before.is_there() {
                continue;
            }
            let distance = (after.x_px - before.x_px).hypot(after.y_px - before.y_px);
            prop_assert!(distance < 1e-3, "{:?}: {:?} {:?}", format, before, after);
            prop_assert!(
                !holds.occluded || after.visibility == before.visibility,
                "{:?}",
                format
            );
            prop_assert!(
                !holds.corrected || after.corrected == before.corrected,
                "{:?}",
                format
            );
            prop_assert!(
                !holds.confidence || (after.confidence - before.confidence).abs() < 1e-5,
                "{:?}",
                format
            );
        }
    }
    if holds.confidence && !holds.corrected {
        prop_assert!(
            placed
                .images
                .iter()
                .flat_map(|(_, points)| points)
                .all(|point| !point.corrected),
            "{:?}",
            format
        );
    }
    if holds.skeleton {
        let named = |all: &Annotations| {
            let names = |edge: &[usize; 2]| edge.map(|end| all.keypoints[end].name.clone());
            let mut edges: Vec<_> = all.skeleton.iter().map(names).collect();
            edges.sort();
            edges
        };
        prop_assert_eq!(named(read), named(original), "{:?}", format);
    }
    if holds.category {
        prop_assert_eq!(&read.category, &original.category, "{:?}", format);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn formats_round_trip(original in annotations()) {
        for format in Format::ALL {
            let Some(holds) = holds(format) else {
                continue;
            };
            let Ok(files) = export(&original, format) else {
                continue; // names that collide in this format
            };
            // These list only images with labels: without any there is nothing to read.
            let is_labelled = original.images.iter().any(|image| image.points.iter().any(Point::is_there));
            if matches!(format, Format::Deeplabcut | Format::Sleap) && !is_labelled {
                continue;
            }
            let packed = zip(files.clone()).expect("a zip");
            let imported = import("labels.zip", &packed);
            prop_assert!(imported.is_ok(), "{:?}: {:?}", format, imported);
            check(&original, format, &holds, &imported.expect("checked"))?;
            let files = files.into_iter().map(|file| (file.path, file.bytes)).collect();
            let imported = import_files(files).expect("as in the zip");
            check(&original, format, &holds, &imported)?;
        }
    }
}

#[test]
fn import_rejects_files_without_points() {
    let sample = crate::annotate::tests::sample();
    for (format, part) in [
        (Format::Edges, "edges but no points"),
        (Format::Svg, "drawing"),
    ] {
        let file = export(&sample, format).expect("files").remove(0);
        let message = import(&file.path, &file.bytes).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
    let packed = zip(export(&sample, Format::Svg).expect("files")).expect("a zip");
    let message = import("a.zip", &packed).expect_err("drawings").to_string();
    assert!(message.contains("no labels in this zip"), "{message}");
}

#[test]
fn import_rejects_other_files() {
    let workbook =
        zip([super::super::File::text("xl/workbook.xml", "<x/>".into())]).expect("a zip");
    for (name, bytes, part) in [
        ("a.csv", b"".as_slice(), "a.csv is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", b"x,y\n1,2\n", "line 1 begins with \"x\""),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0", "not a text"),
        ("a.json", b"{\"images\": [", "not valid JSON"),
        ("a.xml", b"<html/>", "not from CVAT"),
        ("a.csv", b"video,frame,seconds,a\n", "movements"),
        ("a.csv", b"file,a_x,a_y\n\"x,1,1\n", "does not end"),
        ("a.xlsx", &workbook, "Excel"),
        ("a.zip", b"PK\x03\x04 and nothing", "cannot be unpacked"),
        ("a.txt", b"0 0.5 0.5 1 1\n", "no keypoints"),
    ] {
        let message = import(name, bytes).expect_err(part).to_string();
        assert!(message.contains(part), "{name}: {message}");
    }
}

#[test]
fn import_keeps_everything_beside_an_invalid_file() {
    let files = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))
            .collect()
    };
    let imported = import_files(files(&[
        ("README.txt", "These are labels."),
        ("a/CollectedData_me.csv", "scorer,me,me\nbodyparts,tip,tip\ncoords,x,y\nlabeled-data/a/1.png,1,2\n"),
        ("b/CollectedData_me.csv", "scorer,me,me,me,me\nbodyparts,ear,ear,tip,tip\ncoords,x,y,x,y\nlabeled-data/b/1.png,1,2,3,4\n"),
        ("c/CollectedData_me.csv", "scorer,me,me\n"),
        ("picture.csv", "\u{0}\u{1}\u{2}"),
    ]))
    .expect("reads");
    let all = &imported.annotations;
    assert_eq!(
        all.images
            .iter()
            .map(|image| image.file_name.as_str())
            .collect::<Vec<_>>(),
        ["a/1.png", "b/1.png"]
    );
    assert_eq!(
        all.images[1].points,
        [Point::placed([3.0, 4.0]), Point::placed([1.0, 2.0])]
    );
    assert_eq!(
        all.images[0].points,
        [Point::placed([1.0, 2.0]), Point::ABSENT]
    );
    let notes = imported.notes.join("\n");
    assert!(
        notes.contains("c/CollectedData_me.csv was ignored")
            && notes.contains("picture.csv is not a text"),
        "{notes}"
    );
}

#[test]
fn import_notes_other_encodings() {
    let text = "file;nose, left_x;nose, left_y\na.png;0,5;0,25\n";
    let utf_16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let imported = import("t.csv", &utf_16).expect("reads");
    assert_eq!(imported.annotations.keypoints[0].name, "nose, left");
    assert_eq!(
        imported.annotations.images[0].points,
        [Point::placed([0.5, 0.25])]
    );
    let notes = imported.notes.join("\n");
    assert!(
        notes.contains("UTF-16") && notes.contains("semicolons"),
        "{notes}"
    );
}
