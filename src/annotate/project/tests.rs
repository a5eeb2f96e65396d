//! A project from its first label to its export.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::annotate::formats::{self, Format};
use crate::annotate::project::view::SUGGESTIONS;
use crate::annotate::{Imported, Visibility};
use crate::data::locate::Crop;
use crate::session::{Keypoints, Reversed};

/// Makes 30 images of a stick that turns: keypoints at its ends and middle, and one that stays in the middle.
fn project() -> AnnotationProject {
    let colors = ["#e6194b", "#3cb44b", "#4363d8", "#f58231"].map(String::from);
    let weights = vec![
        vec![0.0, 1.0, 0.1, 0.1],
        vec![1.0, 0.0, 0.9, 0.1],
        vec![0.1, 0.9, 0.0, 0.1],
        vec![0.1, 0.1, 0.1, 0.0],
    ];
    let discovered = Annotations::discovered(&colors).with_graph(&weights);
    let mut project = AnnotationProject::new("run a", discovered, None, None);
    for i in 0..30 {
        let (sin, cos) = (i as f64 * 0.2).sin_cos();
        let at = |r: f64| Point {
            corrected: false,
            confidence: 0.5 + 0.01 * i as f64,
            ..Point::placed([100.0 + r * cos, 60.0 + r * sin])
        };
        let image = Image {
            file_name: format!("set/{i}.png"),
            frame: None,
            seconds: None,
            exif_orientation: 1,
            crop: None,
            width_px: 200,
            height_px: 120,
            points: vec![at(-40.0), at(0.0), at(40.0), at(0.5)],
        };
        assert_eq!(
            project.add(&format!("content {i}"), None, image, 10),
            (i, None)
        );
    }
    project
}

fn numbers(view: &ProjectView, image: u32, point: usize) -> [f32; 4] {
    let columns = view.keypoints.len() + view.landmarks.len();
    let at = 16 * (image as usize * columns + point);
    std::array::from_fn(|i| {
        let bytes = &view.points[at + 4 * i..][..4];
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    })
}

#[test]
fn few_labels_predict_landmarks_and_corrections_improve_them() {
    let mut project = project();
    project
        .edit(Edit::AddLandmark {
            name: " tip ".into(),
        })
        .expect("adds");
    assert_eq!(project.view(true).landmarks[0].name, "tip");
    assert_eq!(project.view(true).next.len(), SUGGESTIONS);
    // The true tip lies beyond the third keypoint.
    let tip = |i: u32| {
        let (sin, cos) = (i as f64 * 0.2).sin_cos();
        [100.0 + 50.0 * cos, 60.0 + 50.0 * sin]
    };
    for _ in 0..5 {
        let view = project.view(true);
        let image = view.next[0];
        project
            .edit(Edit::Place {
                image,
                layer: Layer::Landmarks,
                index: 0,
                at_px: tip(image),
                occluded: false,
            })
            .expect("places");
    }
    let view = project.view(true);
    assert_eq!(view.missing, "");
    assert_eq!(view.landmarks[0].placed_on, 5);
    let error = view.landmarks[0].error.expect("an error");
    assert!(error < 0.05 && error < view.landmarks[0].baseline.expect("a baseline"));
    for image in 0..30 {
        let [x, y, _, state] = numbers(&view, image, 4);
        let [tx, ty] = tip(image).map(|v| v as f32);
        assert!((x - tx).hypot(y - ty) < 8.0, "{image}: {x} {y}, {tx} {ty}");
        assert_eq!(
            state >= 4.0,
            project
                .edits()
                .placed
                .contains_key(&format!("content {image}"))
        );
    }
    // Correcting a prediction adds a label.
    let image = (0..30)
        .find(|i| numbers(&view, *i, 4)[3] < 4.0)
        .expect("one");
    project
        .edit(Edit::Place {
            image,
            layer: Layer::Landmarks,
            index: 0,
            at_px: tip(image),
            occluded: true,
        })
        .expect("corrects");
    assert_eq!(project.view(true).landmarks[0].placed_on, 6);
    assert_eq!(numbers(&project.view(true), image, 4)[3], 5.0);
    project.edit(Edit::Undo).expect("undoes");
    assert_eq!(project.view(true).landmarks[0].placed_on, 5);
    project.edit(Edit::Redo).expect("redoes");
    let exported = project.annotations(Layer::Landmarks).expect("exports");
    assert_eq!(exported.images.len(), 30);
    assert!(exported.images[image as usize].points[0].corrected);
    assert_eq!(
        exported.images[image as usize].points[0].visibility,
        Visibility::Occluded
    );
}

#[test]
fn edits_name_merge_hide_and_correct_keypoints() {
    let mut project = project();
    let edits = [
        Edit::Rename {
            index: 0,
            name: "tail".into(),
        },
        Edit::Merge { into: 1, other: 3 },
        Edit::Hide {
            index: 2,
            hidden: true,
        },
        Edit::Place {
            image: 7,
            layer: Layer::Keypoints,
            index: 1,
            at_px: [3.0, 4.0],
            occluded: false,
        },
        Edit::Category {
            name: "stick".into(),
        },
    ];
    for edit in edits.clone() {
        project.edit(edit).expect("edits");
    }
    let view = project.view(true);
    assert_eq!(view.keypoints.len(), 3);
    assert!(view.keypoints[2].hidden);
    assert_eq!(view.keypoints[1].placed_on, 1);
    assert_eq!(numbers(&view, 7, 1), [3.0, 4.0, 1.0, 6.0]);
    assert_eq!(view.skeleton, [[0, 1], [1, 2]]);
    let exported = project.annotations(Layer::Keypoints).expect("exports");
    assert_eq!(exported.category, "stick");
    assert_eq!(exported.keypoints.len(), 2, "one is hidden");
    assert!(exported.images[7].points[1].corrected);
    project
        .edit(Edit::Unplace {
            image: 7,
            layer: Layer::Keypoints,
            index: 1,
        })
        .expect("takes back");
    assert_eq!(numbers(&project.view(true), 7, 1)[3], 2.0);
    for _ in 0..=edits.len() {
        project.edit(Edit::Undo).expect("undoes");
    }
    assert_eq!(project.view(true).keypoints[0].name, "kp0");
    assert!(!project.view(true).can_undo);
    // Invalid edits change nothing.
    for edit in [
        Edit::Rename {
            index: 9,
            name: "x".into(),
        },
        Edit::AddLandmark { name: " ".into() },
        Edit::Unplace {
            image: 99,
            layer: Layer::Landmarks,
            index: 0,
        },
    ] {
        assert!(project.edit(edit).is_err());
    }
    assert!(!project.view(true).can_undo);
}

#[test]
fn add_numbers_names_that_are_taken() {
    let mut project = project();
    let again = project
        .annotations(Layer::Keypoints)
        .expect("images")
        .images[3]
        .clone();
    let (_, note) = project.add("other", None, again.clone(), 10);
    let note = note.expect("a note");
    assert!(note.contains("set/3 (2).png"), "{note}");
    let (id, note) = project.add("another", None, again, 10);
    assert!(note.expect("a note").contains("set/3 (3).png"));
    let rows = project.view(true).rows.expect("rows");
    assert_eq!(rows[31].name, "set/3 (3).png");
    assert_eq!(
        (rows[31].id, project.id_of("set/3 (3).png")),
        (id, Some(id))
    );
    assert!(project.export(Layer::Keypoints, Format::Coco).is_ok());
}

#[test]
fn identical_files_with_different_names_are_separate_images() {
    let mut project = project();
    let image = project
        .annotations(Layer::Keypoints)
        .expect("images")
        .images[3]
        .clone();
    let before = project.len();
    // The last two names belong to other images, so these rows get numbers.
    let names = ["x/1.jpg", "x/2.jpg", "x/3.jpg", "set/3.png", "set/4.png"];
    let mut add = |content: &str, name: &str, step| {
        let file_name = name.into();
        let image = Image {
            file_name,
            ..image.clone()
        };
        project.add(content, None, image, step)
    };
    let ids = names.map(|name| add("alike", name, 10).0);
    let again = names.map(|name| add("alike", name, 10));
    for ((id, note), (name, first)) in again.into_iter().zip(names.iter().zip(ids)) {
        assert_eq!(id, first, "{name} again");
        assert!(note.is_some_and(|note| note.contains("already")), "{name}");
    }
    assert_eq!(project.len(), before + 5);
    // "Detect again" adds an image by its own content and name.
    for id in ids {
        let (content, file_name) = project.content_of(id).expect("a row");
        let image = Image {
            file_name,
            ..image.clone()
        };
        assert_eq!(project.add(&content, None, image, 20).0, id);
    }
    assert_eq!(project.len(), before + 5);
}

#[test]
fn add_recognises_renamed_images() {
    let mut project = project();
    let image = project
        .annotations(Layer::Keypoints)
        .expect("images")
        .images[3]
        .clone();
    let (id, _) = project.add("other", None, image.clone(), 10);
    let count = project.len();
    assert_eq!(project.add("other", None, image, 10).0, id);
    assert_eq!(project.len(), count);
}

#[test]
fn add_separates_images_named_like_frames() {
    let mut project = project();
    let image = project
        .annotations(Layer::Keypoints)
        .expect("images")
        .images[3]
        .clone();
    let named = |name: &str, frame: Option<u64>| Image {
        file_name: name.into(),
        frame,
        ..image.clone()
    };
    let mut add = |content: &str, video: Option<&str>, image: Image| {
        let (id, note) = project.add(content, video, image, 10);
        let rows = project.view(true).rows.expect("rows");
        let row = rows.iter().find(|row| row.id == id).expect("a row");
        (row.name.clone(), note.is_some())
    };
    // A frame first, then an image named like another frame; then the reverse.
    add("walk 0", Some("walk"), named("walk.mp4", Some(0)));
    let still = add("still", None, named("walk/img000007.png", None));
    assert_eq!(still, ("walk/img000007 (2).png".into(), true));
    add("still 2", None, named("run/img000001.png", None));
    let frame = add("run 0", Some("run"), named("run.mp4", Some(0)));
    assert_eq!(frame, ("run (2)/img000000.png".into(), true));
    let other = add("still 3", None, named("run/imgs.png", None));
    assert_eq!(other, ("run/imgs.png".into(), false));
    assert!(project.export(Layer::Keypoints, Format::Coco).is_ok());
}

#[test]
fn frames_to_which_the_skeleton_jumps_are_listed() {
    let mut project = project();
    let shown = project.annotations(Layer::Keypoints).expect("images");
    let image = shown.images[0].clone();
    let mut ids = BTreeMap::new();
    // Added out of order: the frames of a video follow one another by their numbers.
    for frame in [5, 3, 0, 1, 2, 4] {
        let shift_px = if frame < 3 { 2.0 } else { 90.0 } * frame as f64;
        let points = image.points.iter().map(|point| Point {
            x_px: point.x_px + shift_px.min(100.0),
            ..*point
        });
        let image = Image {
            file_name: "walk.mp4".into(),
            frame: Some(frame),
            seconds: Some(0.1 * frame as f64),
            points: points.collect(),
            ..image.clone()
        };
        let added = project.add(&format!("walk {frame}"), Some("walk"), image, 10);
        ids.insert(frame, added.0);
    }
    // Images that are no frames move as much, and are no track.
    assert_eq!(project.view(false).jumps, [ids[&3]]);
}

#[test]
fn flipped_frames_get_their_reversed_reading() {
    let mut project = project();
    let shown = project.annotations(Layer::Keypoints).expect("images");
    let image = shown.images[0].clone();
    let sides_px = [image.width_px, image.height_px].map(f64::from);
    let crop = Crop {
        centre_px: [50.0, 50.0],
        side_px: 40.0,
        angle: 1.0,
    };
    let is_flipped = |frame: u64| (4..7).contains(&frame);
    let mut readings = HashMap::new();
    for frame in 0..12 {
        // The keypoints lie on a line from head to tail, which moves by 1 px a frame.
        let count = image.points.len();
        let place = |k: usize| [30.0 + frame as f64, 30.0 + 4.0 * k as f64];
        let reversed = |k: usize| place(count - 1 - k);
        let located = |k: usize| {
            if is_flipped(frame) {
                reversed(k)
            } else {
                place(k)
            }
        };
        let other = |k: usize| {
            if is_flipped(frame) {
                place(k)
            } else {
                reversed(k)
            }
        };
        let points = (0..count).map(|k| Point {
            x_px: located(k)[0],
            y_px: located(k)[1],
            ..image.points[k]
        });
        let image = Image {
            file_name: "walk.mp4".into(),
            frame: Some(frame),
            seconds: Some(0.1 * frame as f64),
            points: points.collect(),
            crop: Some(crop),
            ..image.clone()
        };
        let (id, _) = project.add(&format!("walk {frame}"), Some("walk"), image, 10);
        let fraction = |k: usize| [0, 1].map(|axis| (other(k)[axis] / sides_px[axis]) as f32);
        let reading = Reversed {
            crop: crop.reversed(),
            found: Keypoints {
                keypoints: (0..count).map(fraction).collect(),
                confidence: vec![0.5; count],
            },
            // Most frames are the right way up, which the model tells weakly.
            costs: if is_flipped(frame) {
                [1.01, 0.99]
            } else {
                [0.99, 1.01]
            },
        };
        readings.insert(id, reading);
    }
    assert_eq!(project.view(true).jumps.len(), 2);
    // The skeleton jumps, so that all frames are to be read.
    let (mended, wanted) = project.mend_flips("walk", &HashMap::new());
    assert_eq!((mended, wanted.len()), (0, 12));
    assert_eq!(project.mend_flips("walk", &readings), (3, Vec::new()));
    let view = project.view(true);
    assert!(view.jumps.is_empty());
    for row in view.rows.expect("rows") {
        if let Some(video) = row.video {
            let expected = if is_flipped(video.frame) {
                crop.reversed()
            } else {
                crop
            };
            assert_eq!(
                project.crop_of(row.id),
                Some(expected),
                "frame {}",
                video.frame
            );
        }
    }
    let (mended, wanted) = project.mend_flips("other", &readings);
    assert_eq!((mended, wanted.len()), (0, 0));
}

#[test]
fn imported_predictions_are_not_labels() {
    let mut project = project();
    let mut predictions = Imported {
        annotations: Annotations::discovered(&["#ffffff".into()]),
        ..Imported::default()
    };
    let point = Point {
        confidence: 0.25,
        corrected: false,
        ..Point::placed([7.0, 8.0])
    };
    for i in 0..10 {
        let image = Image {
            points: vec![point],
            ..project.entries[i].image.clone()
        };
        predictions.annotations.images.push(image);
    }
    project.import(&predictions).expect("imports");
    let view = project.view(true);
    assert_eq!(view.landmarks[0].placed_on, 0);
    assert!(!view.missing.is_empty(), "nothing to learn from");
    assert_eq!(numbers(&view, 3, 4), [7.0, 8.0, 0.25, 2.0]);
    // Points that a person places stay, and are fitted.
    for at in 0..5 {
        let edit = Edit::Place {
            image: project.entries[at].id,
            layer: Layer::Landmarks,
            index: 0,
            at_px: [100.0, 60.0],
            occluded: false,
        };
        project.edit(edit).expect("places");
    }
    project.import(&predictions).expect("imports");
    let view = project.view(true);
    assert_eq!(view.landmarks[0].placed_on, 5);
    assert_eq!(numbers(&view, 3, 4), [100.0, 60.0, 1.0, 6.0]);
    assert_eq!(numbers(&view, 7, 4), [7.0, 8.0, 0.25, 2.0]);
    assert!(numbers(&view, 20, 4)[3] < 4.0, "regressed");
    // Without a point on any image.
    predictions
        .annotations
        .images
        .iter_mut()
        .for_each(|image| image.points.clear());
    assert!(
        project
            .import(&predictions)
            .expect_err("no point")
            .to_string()
            .contains("has a point")
    );
}

#[test]
fn import_adds_labels_as_landmarks() {
    let mut project = project();
    let file = project
        .export(Layer::Keypoints, Format::Coco)
        .expect("exports");
    let text = String::from_utf8(file[0].bytes.clone()).expect("text");
    let imported = formats::coco::import(&text).expect("reads");
    let placed = project.import(&imported).expect("imports");
    assert_eq!(placed.summary, "Labels for 30 images.");
    let view = project.view(true);
    assert_eq!(view.landmarks.len(), 4);
    assert_eq!(view.landmarks[0].placed_on, 30);
    assert!(view.landmarks[0].error.expect("an error") < 1e-3);
    // A keypoint agrees with the landmark of its own name, and not with another one's.
    assert!(view.keypoints[0].error.expect("an error") < 1e-6);
    assert!(view.keypoints[0].baseline.expect("a baseline") > 0.01);
    let names: Vec<String> = view.keypoints.iter().map(|k| k.name.clone()).collect();
    for (index, name) in [(0, "elsewhere"), (1, &names[0]), (0, &names[1])] {
        let name = name.into();
        project.edit(Edit::Rename { index, name }).expect("renames");
    }
    assert!(project.view(true).keypoints[0].error.expect("an error") > 0.01);
    for _ in 0..3 {
        project.edit(Edit::Undo).expect("undoes");
    }
    let mut elsewhere = imported.clone();
    for image in &mut elsewhere.annotations.images {
        image.file_name = format!("other-{}", image.file_name.replace('/', "-"));
    }
    let message = project
        .import(&elsewhere)
        .expect_err("none is here")
        .to_string();
    assert!(message.contains("in the project"), "{message}");
}
