//! Fuzz targets for all code that reads files of others. A target takes any bytes, and panics if an invariant does not hold.
//! `main.rs` runs them with libFuzzer, `tests/fuzz.rs` over the inputs that it found.

use std::collections::HashSet;

use autolink::annotate::content;
use autolink::annotate::formats::{self, Format};
use autolink::annotate::project::{AnnotationProject, Edit, Layer};
use autolink::annotate::{Annotations, Image, Imported, Point};
use autolink::checkpoint;
use autolink::config::Fit;
use autolink::data::decode;
use autolink::data::inputs::{self, Inputs};
use autolink::eval::Landmarks;
use burn::tensor::Device;

/// Name and function of a target.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("image", image),
    ("zip", zip),
    ("safetensors", safetensors),
    ("torch", torch),
    ("landmarks", landmarks),
    ("coco", coco),
    ("deeplabcut", deeplabcut),
    ("project", project),
];

/// Returns the target of a name.
#[allow(dead_code)] // `tests/fuzz.rs` does not need it
pub fn named(name: &str) -> Option<fn(&[u8])> {
    let mut targets = TARGETS.iter();
    targets
        .find(|(known, _)| *known == name)
        .map(|(_, run)| *run)
}

/// Checks that a message is not empty and not longer than a paragraph, whatever it quotes from the file.
fn assert_message(text: &str) {
    assert!(!text.trim().is_empty(), "an empty message");
    let length = text.chars().count();
    assert!(length <= 1000, "a message of {length} characters");
}

fn image(bytes: &[u8]) {
    const SIZE: usize = 32;
    let fit = [Fit::Crop, Fit::Pad, Fit::Stretch][bytes.len() % 3];
    match decode::decode("a file", bytes, SIZE, fit) {
        Ok(image) => {
            assert_eq!(image.pixels.len(), SIZE * SIZE * 3);
            let placement = image.placement;
            let numbers = placement.offset.iter().chain(&placement.scale);
            assert!(numbers.into_iter().all(|number| number.is_finite()));
            let [width, height] = placement.original_px;
            if u64::from(width) * u64::from(height) <= 1 << 16 {
                let (pixels, size_px) = decode::full_size(bytes).expect("it was read just now");
                assert_eq!(size_px, placement.original_px);
                assert_eq!(pixels.len(), 3 * width as usize * height as usize);
            }
        }
        Err(message) => assert_message(&message),
    }
}

fn zip(bytes: &[u8]) {
    let mut inputs = Inputs::default();
    inputs.add(0, "", "a.zip", bytes);
    let names = inputs.names(|_| false);
    let distinct: HashSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), inputs.images.len(), "a name twice");
    for name in &names {
        let mut parts = name.split('/');
        assert!(parts.all(|part| part != ".."), "{name:?} leaves its folder");
    }
    let mut unpacked = 0;
    for input in inputs.images.iter().chain(&inputs.labels) {
        match inputs::read(bytes, input.entry.as_ref()) {
            Ok(file) => unpacked += file.len(),
            Err(message) => assert_message(&message),
        }
    }
    for (_, message) in &inputs.rejected {
        assert_message(message);
    }
    let count = inputs.images.len() + inputs.labels.len() + inputs.rejected.len();
    assert!(count > 0, "the zip left no trace");
    // Deflate compresses at most 1,032 to 1. More is a zip bomb, which the reader stops.
    assert!(
        unpacked <= 2048 * bytes.len() + 1024,
        "{unpacked} bytes of {}",
        bytes.len()
    );
}

/// Takes a file, or the JSON of its header, to which it appends as many zeros as the header announces: fuzzing megabytes of
/// numbers would find nothing.
fn safetensors(bytes: &[u8]) {
    const MAX_DATA: usize = 16 << 20;
    let whole = if bytes.starts_with(b"{") {
        let end = |text: &str| -> Option<usize> {
            let numbers = text.split("data_offsets").skip(1);
            let ends =
                numbers.filter_map(|rest| rest.split([',', ']']).nth(1)?.trim().parse().ok());
            ends.max()
        };
        let data = std::str::from_utf8(bytes).ok().and_then(end).unwrap_or(0);
        let head = bytes.len().next_multiple_of(8);
        let mut file = (head as u64).to_le_bytes().to_vec();
        file.extend(bytes);
        file.resize(8 + head, b' ');
        file.resize(file.len() + data.min(MAX_DATA), 0);
        file
    } else {
        bytes.to_vec()
    };
    match checkpoint::load(&whole, &Device::flex()) {
        Ok(loaded) => {
            loaded.config.validate().expect("a loaded config is valid");
            let state = pollster::block_on(checkpoint::state(&loaded.model)).expect("on the CPU");
            let mut values = state.iter().flat_map(|(_, _, values)| values);
            assert!(values.all(|value| value.is_finite()));
        }
        Err(error) => assert_message(&error.to_string()),
    }
}

fn torch(bytes: &[u8]) {
    let found = match pollster::block_on(checkpoint::torch::read(bytes)) {
        Ok(found) => found,
        Err(error) => return assert_message(&error.to_string()),
    };
    for (name, (shape, values)) in &found.tensors {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    }
    if let Err(error) = found.into_model(&Device::flex()) {
        assert_message(&error.to_string());
    }
}

fn landmarks(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Landmarks::from_csv(text) {
        Ok(table) => {
            assert!(!table.names.is_empty() && !table.rows.is_empty());
            assert!(
                table
                    .rows
                    .iter()
                    .all(|(_, points)| points.len() == table.names.len())
            );
        }
        Err(error) => assert_message(&error.to_string()),
    }
}

/// Makes a project of two images and two keypoints.
fn two_images() -> AnnotationProject {
    let colors = ["#e6194b", "#3cb44b"].map(String::from);
    let discovered = Annotations::discovered(&colors);
    let mut project = AnnotationProject::new("a run", discovered, None, None);
    for name in ["a.png", "set/b.png"] {
        let image = Image {
            file_name: name.into(),
            frame: None,
            seconds: None,
            width_px: 64,
            height_px: 48,
            exif_orientation: 1,
            crop: None,
            points: vec![Point::placed([10.0, 20.0]), Point::placed([30.0, 40.0])],
        };
        project.add(&content::hash_bytes(name.as_bytes()), None, image, 0);
    }
    project
}

fn coco(bytes: &[u8]) {
    labels("labels.json", bytes);
}

fn deeplabcut(bytes: &[u8]) {
    labels("CollectedData_me.csv", bytes);
}

/// Imports labels, exports them in every format, and applies them to a project.
fn labels(name: &str, bytes: &[u8]) {
    let imported = match formats::import(name, bytes) {
        Ok(imported) => imported,
        Err(error) => return assert_message(&error.to_string()),
    };
    let Imported {
        annotations, notes, ..
    } = &imported;
    notes.iter().for_each(|note| assert_message(note));
    let count = annotations.keypoints.len();
    assert!(
        annotations
            .images
            .iter()
            .all(|image| image.points.len() == count)
    );
    for format in Format::ALL {
        if let Err(error) = formats::export(annotations, format) {
            assert_message(&error.to_string());
        }
    }
    // Our own format can be read back.
    if let Ok(files) = formats::export(annotations, Format::Json) {
        let again = formats::import("annotations.json", &files[0].bytes).expect("our own file");
        assert_eq!(again.annotations.images.len(), annotations.images.len());
        assert_eq!(again.annotations.keypoints, annotations.keypoints);
    }
    let mut project = two_images();
    match project.import(&imported) {
        Ok(_) => edit_and_export(&mut project),
        Err(error) => assert_message(&error.to_string()),
    }
}

fn project(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut project = two_images();
    match project.open(text) {
        Ok(name) => {
            let saved = project.save(&name).expect("an opened project can be saved");
            let again = two_images().open(&saved);
            assert_eq!(again.expect("a saved project can be opened"), name);
            edit_and_export(&mut project);
        }
        Err(error) => assert_message(&error.to_string()),
    }
}

/// Does with a project everything that the page can do.
fn edit_and_export(project: &mut AnnotationProject) {
    let edits = [
        Edit::AddLandmark {
            name: "one more".into(),
        },
        Edit::Rename {
            index: 0,
            name: "wrist".into(),
        },
        Edit::Place {
            image: 0,
            layer: Layer::Keypoints,
            index: 0,
            at_px: [3.0, 4.0],
            occluded: false,
        },
        Edit::Place {
            image: 1,
            layer: Layer::Landmarks,
            index: 0,
            at_px: [5.0, 6.0],
            occluded: true,
        },
        Edit::Merge { into: 0, other: 1 },
        Edit::RemoveLandmark { index: 0 },
        Edit::Undo,
        Edit::Redo,
    ];
    for edit in edits {
        if let Err(error) = project.edit(edit) {
            assert_message(&error.to_string());
        }
        project.view(false);
    }
    for layer in [Layer::Keypoints, Layer::Landmarks] {
        for format in [Format::Coco, Format::Deeplabcut, Format::Json] {
            if let Err(error) = project.export(layer, format) {
                assert_message(&error.to_string());
            }
        }
    }
}
