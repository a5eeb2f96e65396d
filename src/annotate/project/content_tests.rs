//! Labels belong to images by their content, and to runs by their id.

use super::*;
use crate::annotate::Visibility;
use crate::annotate::formats::Format;
use crate::annotate::project::view::SUGGESTIONS;

fn discovered(count: usize) -> Annotations {
    let colors = vec!["#e6194b".to_string(); count];
    let weights = vec![vec![0.0; count]; count];
    Annotations::discovered(&colors).with_graph(&weights)
}

/// Makes an image of 200 x 120 px with `count` keypoints that differ from image to image.
fn image(name: &str, i: usize, count: usize) -> Image {
    let at = |k: usize| Point {
        corrected: false,
        confidence: 0.5,
        ..Point::placed([
            20.0 + (i * (k + 3)) as f64 % 150.0,
            10.0 + (i * i * (k + 1)) as f64 % 100.0,
        ])
    };
    let placement = crate::data::dataset::Placement::whole([200, 120]);
    Image {
        points: (0..count).map(at).collect(),
        ..Image::detected(name.into(), &placement, &[], &[])
    }
}

/// Makes a project of images `a 0`, `a 1`, ... of contents `content a 0`, ... with four keypoints of `run a` after 10 steps.
fn project(count: usize) -> AnnotationProject {
    let mut project = AnnotationProject::new("run a", discovered(4), None, None);
    add(&mut project, "a", count, 4, 10);
    project
}

fn add(
    project: &mut AnnotationProject,
    prefix: &str,
    count: usize,
    keypoints: usize,
    step: usize,
) -> Vec<u32> {
    let add = |i| {
        let content = format!("content {prefix} {i}");
        project
            .add(
                &content,
                None,
                image(&format!("{prefix} {i}.png"), i, keypoints),
                step,
            )
            .0
    };
    (0..count).map(add).collect()
}

fn place(image: u32, index: usize) -> Edit {
    Edit::Place {
        image,
        layer: Layer::Landmarks,
        index,
        at_px: [f64::from(image), 7.0],
        occluded: false,
    }
}

fn landmark(name: &str) -> Edit {
    Edit::AddLandmark { name: name.into() }
}

fn apply(project: &mut AnnotationProject, edits: impl IntoIterator<Item = Edit>) {
    for edit in edits {
        project.edit(edit).expect("edits");
    }
}

fn state(view: &ProjectView, row: usize, point: usize) -> f32 {
    let columns = view.keypoints.len() + view.landmarks.len();
    let at = 16 * (row * columns + point) + 12;
    f32::from_le_bytes([0, 1, 2, 3].map(|i| view.points[at + i]))
}

fn saved(project: &AnnotationProject) -> String {
    project.save("mine").expect("saves")
}

fn opened(text: &str) -> AnnotationProject {
    let mut project = AnnotationProject::new("run z", discovered(4), None, None);
    project.open(text).expect("opens");
    project
}

#[test]
fn labels_stay_with_their_content_not_their_name() {
    let mut first = project(3);
    apply(
        &mut first,
        [landmark("tip"), place(0, 0), place(1, 0), place(2, 0)],
    );
    // On another day: the same names, other content.
    let mut second = opened(&saved(&first));
    let (id, note) = second.add("other content", None, image("a 0.png", 9, 4), 10);
    assert!(note.expect("a note").contains("a 0 (2).png"));
    let view = second.view(true);
    assert_eq!((view.labelled, view.landmarks[0].placed_on), (3, 3));
    let rows = view.rows.as_ref().expect("rows");
    assert_eq!(rows.iter().filter(|row| row.is_here).count(), 1);
    let new = rows.iter().position(|row| row.id == id).expect("its row");
    assert_eq!(state(&view, new, 4), 0.0, "it starts clean");
    // The first ones find their labels under any name.
    let (id, note) = second.add("content a 1", None, image("renamed.png", 1, 4), 10);
    assert_eq!(note, None);
    let view = second.view(true);
    assert_eq!(view.rows.as_ref().map(Vec::len), Some(4));
    let at = view
        .rows
        .iter()
        .flatten()
        .position(|row| row.id == id)
        .expect("its row");
    assert_eq!(state(&view, at, 4), 6.0);
}

#[test]
fn file_added_twice_is_one_image_and_its_copy_another() {
    let mut project = project(2);
    let (id, note) = project.add("content a 1", None, image("a 1.png", 1, 4), 10);
    assert_eq!(id, 1);
    assert!(
        note.expect("a note")
            .contains("already in the project, as a 1.png")
    );
    assert_eq!(project.len(), 2);
    let (id, note) = project.add("content a 1", None, image("copy.png", 1, 4), 10);
    assert_eq!((id, note), (2, None));
    assert_eq!(project.len(), 3);
}

#[test]
fn more_training_keeps_images_corrections_and_undo() {
    let mut project = project(5);
    let correction = Edit::Place {
        image: 2,
        layer: Layer::Keypoints,
        index: 1,
        at_px: [3.0, 4.0],
        occluded: false,
    };
    apply(&mut project, [landmark("tip"), place(1, 0), correction]);
    // A step further, and an image more.
    project.show_model("run a", discovered(4), None);
    assert_eq!(project.outdated("run a", 11), [0, 1, 2, 3, 4]);
    let (id, _) = project.add("new", None, image("new.png", 5, 4), 11);
    let view = project.view(false);
    let steps: Vec<_> = view.rows.iter().flatten().map(|row| row.step).collect();
    assert_eq!(steps, [10, 10, 10, 10, 10, 11].map(Some));
    assert_eq!(project.outdated("run a", 11), [0, 1, 2, 3, 4]);
    // Detected again.
    for (i, id) in add(&mut project, "a", 5, 4, 11).into_iter().enumerate() {
        assert_eq!(id, i as u32);
    }
    assert!(project.outdated("run a", 11).is_empty() && id == 5);
    let view = project.view(false);
    assert_eq!((state(&view, 2, 1), state(&view, 1, 4)), (6.0, 6.0));
    apply(&mut project, [Edit::Undo, Edit::Undo]);
    let view = project.view(false);
    assert_eq!((state(&view, 2, 1), state(&view, 1, 4)), (2.0, 0.0));
}

#[test]
fn names_and_corrections_belong_to_their_run() {
    let mut project = project(2);
    let rename = |name: &str| Edit::Rename {
        index: 0,
        name: name.into(),
    };
    let correct = Edit::Place {
        image: 0,
        layer: Layer::Keypoints,
        index: 0,
        at_px: [1.0, 2.0],
        occluded: false,
    };
    apply(
        &mut project,
        [
            rename("nose"),
            Edit::Merge { into: 1, other: 2 },
            correct,
            landmark("tip"),
            place(0, 0),
        ],
    );
    // Another run has more keypoints: all are there, under their own names.
    project.show_model("run b", discovered(6), None);
    assert!(!project.knows("run b"));
    let view = project.view(false);
    assert_eq!(view.keypoints.len(), 6);
    assert_eq!(view.keypoints[0].name, "kp0");
    assert_eq!(
        view.landmarks[0].placed_on, 1,
        "landmarks belong to the image"
    );
    assert_eq!(project.outdated("run b", 10), [0, 1], "nothing found yet");
    assert!(project.annotations(Layer::Keypoints).is_err());
    add(&mut project, "a", 2, 6, 10);
    let view = project.view(false);
    assert!((0..6).all(|k| state(&view, 0, k) == 2.0), "no correction");
    apply(&mut project, [rename("hand")]);
    // The first one again: its names, its corrections, and what it found.
    project.show_model("run a", discovered(4), None);
    let view = project.view(false);
    let names: Vec<_> = view.keypoints.iter().map(|k| k.name.as_str()).collect();
    assert_eq!(names, ["nose", "kp1", "kp3"]);
    assert_eq!(state(&view, 0, 0), 6.0);
    // All of it is in the file.
    let mut again = opened(&saved(&project));
    for (run, name, count) in [
        ("run a", "nose", 4),
        ("run b", "hand", 6),
        ("run c", "kp0", 5),
    ] {
        again.show_model(run, discovered(count), None);
        assert_eq!(again.view(false).keypoints[0].name, name);
    }
    // Names that were saved with the model hold until there are others.
    let table = Table::new(&discovered(5))
        .rename(0, "from the file")
        .expect("a name");
    again.show_model("run c", discovered(5), Some(&table));
    assert_eq!(again.view(false).keypoints[0].name, "from the file");
    again.show_model("run a", discovered(4), Some(&table));
    assert_eq!(again.view(false).keypoints[0].name, "nose");
}

#[test]
fn removing_a_landmark_unlabels_its_images() {
    let mut project = project(6);
    apply(
        &mut project,
        [
            landmark("tip"),
            landmark("end"),
            place(0, 0),
            place(1, 0),
            place(1, 1),
        ],
    );
    let before = saved(&project);
    assert_eq!(project.view(false).labelled, 2);
    apply(&mut project, [Edit::RemoveLandmark { index: 0 }]);
    let view = project.view(false);
    assert_eq!((view.labelled, view.landmarks[0].placed_on), (1, 1));
    assert!(project.edits().placed.len() == 1);
    apply(
        &mut project,
        [Edit::RemoveLandmark { index: 0 }, landmark("other")],
    );
    let view = project.view(false);
    assert_eq!(view.labelled, 0);
    assert_eq!(view.next.len(), SUGGESTIONS);
    // The most typical image of all is suggested first, labelled before or not.
    let fresh = {
        let mut fresh = self::project(6);
        apply(&mut fresh, [landmark("other")]);
        fresh.view(false).next
    };
    assert_eq!(view.next, fresh);
    apply(&mut project, [Edit::Undo, Edit::Undo, Edit::Undo]);
    assert_eq!(saved(&project), before);
}

#[test]
fn absent_points_are_labels_that_are_not_visible() {
    let mut project = project(4);
    apply(
        &mut project,
        [landmark("tip"), place(0, 0), place(1, 0), place(2, 0)],
    );
    let absent = |layer, index| Edit::Absent {
        image: 3,
        layer,
        index,
    };
    assert!(state(&project.view(false), 3, 4) < 3.0, "predicted");
    apply(
        &mut project,
        [absent(Layer::Landmarks, 0), absent(Layer::Keypoints, 1)],
    );
    let view = project.view(false);
    assert_eq!((state(&view, 3, 4), state(&view, 3, 1)), (4.0, 4.0));
    assert_eq!((view.labelled, view.landmarks[0].placed_on), (4, 4));
    assert!(!view.next.contains(&3));
    for (layer, index) in [(Layer::Landmarks, 0), (Layer::Keypoints, 1)] {
        let exported = project.annotations(layer).expect("exports");
        let point = exported.images[3].points[index];
        assert_eq!((point.visibility, point.x_px), (Visibility::Absent, 0.0));
    }
    // It stays in the file, and is taken back like any other.
    let mut again = opened(&saved(&project));
    assert_eq!(again.view(false).labelled, 4);
    apply(&mut project, [Edit::Undo]);
    assert_eq!(state(&project.view(false), 3, 1), 2.0);
}

#[test]
fn removing_images_removes_labels_and_undo_restores_both() {
    let mut project = project(5);
    let correct = Edit::Place {
        image: 3,
        layer: Layer::Keypoints,
        index: 0,
        at_px: [1.0, 2.0],
        occluded: false,
    };
    apply(
        &mut project,
        [landmark("tip"), place(1, 0), place(3, 0), correct],
    );
    let before = (saved(&project), project.view(true).points);
    apply(&mut project, [Edit::Remove { images: vec![1, 3] }]);
    let view = project.view(false);
    let ids: Vec<_> = view.rows.iter().flatten().map(|row| row.id).collect();
    assert_eq!((ids, view.labelled), (vec![0, 2, 4], 0));
    assert!(!saved(&project).contains("content a 3"));
    // A late edit of a removed image hits no other one.
    assert!(project.edit(place(3, 0)).is_err());
    apply(&mut project, [place(4, 0)]);
    assert_eq!(state(&project.view(false), 2, 4), 6.0);
    apply(&mut project, [Edit::Undo, Edit::Undo]);
    assert_eq!((saved(&project), project.view(true).points), before);
    apply(&mut project, [Edit::Redo]);
    assert_eq!(project.len(), 3);
    // Brought again before the removal is undone, an image is there once, with its labels.
    project.add("content a 3", None, image("a 3.png", 3, 4), 10);
    assert_eq!(project.view(true).labelled, 0);
    apply(&mut project, [Edit::Undo]);
    assert_eq!((project.len(), project.view(true).labelled), (5, 2));
}

#[test]
fn frames_of_videos_of_the_same_name_stay_separate() {
    let mut project = AnnotationProject::new("run a", discovered(4), None, None);
    for (video, count) in [("video a", 20), ("video b", 40)] {
        for frame in 0..count {
            let image = Image {
                frame: Some(frame),
                seconds: Some(frame as f64 / 10.0),
                ..image("video.mp4", frame as usize, 4)
            };
            let content = crate::annotate::content::frame_key(video, frame);
            let (_, note) = project.add(&content, Some(video), image, 10);
            assert_eq!(note.is_some(), video == "video b" && frame == 0, "{note:?}");
        }
    }
    let annotations = project.annotations(Layer::Keypoints).expect("exports");
    let motions = crate::annotate::motion::Motion::from_annotations(&annotations, None);
    let lengths: Vec<_> = motions
        .iter()
        .map(|m| (m.video.as_str(), m.frames.len()))
        .collect();
    assert_eq!(lengths, [("video (2).mp4", 40), ("video.mp4", 20)]);
    assert!(project.export(Layer::Keypoints, Format::Coco).is_ok());
}

#[test]
fn undo_reverts_a_thousand_edits() {
    let mut project = project(50);
    apply(&mut project, [landmark("tip")]);
    let start = saved(&project);
    apply(
        &mut project,
        (0..999).map(|i| Edit::Place {
            image: i % 50,
            layer: Layer::Landmarks,
            index: 0,
            at_px: [f64::from(i), 1.0],
            occluded: false,
        }),
    );
    let end = saved(&project);
    (0..999).for_each(|_| apply(&mut project, [Edit::Undo]));
    assert_eq!(saved(&project), start);
    (0..999).for_each(|_| apply(&mut project, [Edit::Redo]));
    assert_eq!(saved(&project), end);
}

#[test]
fn edits_without_effect_are_not_recorded() {
    let mut project = project(2);
    let name = project.table().keypoints[0].name.clone();
    apply(
        &mut project,
        [
            Edit::Rename { index: 0, name },
            Edit::Category {
                name: "object".into(),
            },
            Edit::Remove { images: vec![] },
        ],
    );
    let unplace = Edit::Unplace {
        image: 0,
        layer: Layer::Keypoints,
        index: 0,
    };
    apply(&mut project, [unplace]);
    assert!(!project.view(false).can_undo);
}

#[test]
fn labels_of_earlier_versions_wait_until_attached() {
    let mut project = project(3);
    apply(&mut project, [landmark("tip")]);
    let table = serde_json::to_value(
        Table::new(&discovered(4))
            .rename(2, "nose")
            .expect("a name"),
    );
    let point = serde_json::to_value(Point::placed([5.0, 6.0])).expect("json");
    let outside = serde_json::to_value(Point::placed([500.0, 6.0])).expect("json");
    let work = serde_json::json!({
        "category": "hand", "table": table.expect("json"), "corrected": { "a 1.png": { "3": point } },
        "landmarks": [{ "name": "tip", "color": "#112233" }],
        "placed": { "a 0.png": [point], "a 2.png": [outside], "elsewhere.png": [point] },
    });
    assert_eq!(project.open(&work.to_string()).expect("opens"), "");
    add(&mut project, "a", 3, 4, 10);
    let view = project.view(false);
    assert_eq!((view.labelled, view.waiting, view.attachable), (0, 4, 2));
    assert_eq!(
        view.keypoints[2].name, "kp2",
        "of a model that is not known"
    );
    // They survive a save, and changes of the landmarks.
    let mut project = opened(&saved(&project));
    add(&mut project, "a", 3, 4, 10);
    apply(
        &mut project,
        [
            landmark("end"),
            Edit::RemoveLandmark { index: 0 },
            Edit::Undo,
        ],
    );
    apply(&mut project, [Edit::AttachWaiting]);
    let view = project.view(false);
    assert_eq!((view.labelled, view.waiting, view.attachable), (1, 2, 0));
    assert_eq!(
        (state(&view, 0, 4), state(&view, 0, 5), state(&view, 1, 3)),
        (6.0, 0.0, 6.0)
    );
    assert_eq!(view.keypoints[2].name, "nose");
    apply(&mut project, [Edit::Undo]);
    let view = project.view(false);
    assert_eq!((view.labelled, view.waiting, view.attachable), (0, 4, 2));
    assert_eq!(view.keypoints[2].name, "kp2");
}

#[test]
fn open_rejects_damaged_projects_and_changes_nothing() {
    let mut project = project(2);
    apply(&mut project, [landmark("tip"), place(0, 0)]);
    let text = saved(&project);
    let before = project.view(true).points;
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    let damages: [fn(&mut serde_json::Value); 8] = [
        |v| v["version"] = 2.into(),
        |v| v["format"] = "other".into(),
        |v| v["landmarks"] = serde_json::json!([]),
        |v| v["category"] = "".into(),
        |v| v["images"][0]["width_px"] = 0.into(),
        |v| v["images"][1]["name"] = v["images"][0]["name"].clone(),
        |v| v["images"][0]["content"] = "".into(),
        |v| {
            v["models"] =
                serde_json::json!({ "x": { "table": { "keypoints": [], "edges": [[0, 1]] } } })
        },
    ];
    for (i, damage) in damages.into_iter().enumerate() {
        let mut value = value.clone();
        damage(&mut value);
        assert!(project.open(&value.to_string()).is_err(), "damage {i}");
        assert_eq!(project.view(true).points, before);
    }
    assert!(project.open("{}").is_err() && project.open(&text[1..]).is_err());
    assert_eq!(project.open(&text).expect("opens"), "mine");
    assert_eq!(saved(&project), text);
    assert_eq!(project.view(true).labelled, 1);
    assert!(!project.view(true).can_undo);
}

#[test]
fn view_includes_rows_only_if_they_changed() {
    let mut project = project(3);
    assert!(project.view(false).rows.is_some());
    apply(&mut project, [landmark("tip"), place(0, 0)]);
    assert!(project.view(false).rows.is_none());
    assert!(project.view(true).rows.is_some());
    apply(&mut project, [Edit::Remove { images: vec![0] }]);
    assert!(project.view(false).rows.is_some());
}
