//! Edits change the stages that they should, and nothing else.

use autolink::data::synthetic;
use autolink::session::{
    Backend, EdgeEdit, EdgeState, Edits, MaskEdit, Session, SnapshotView, Stages, Transfer,
};
use autolink::train::diagnosis::Issue;
use autolink::{Config, LossKind, Preset};
use burn::tensor::Device;
use pollster::block_on;

const SIZE: usize = 32;

/// Trains a model for a few steps: an untrained decoder returns zero for every input.
fn session() -> Session {
    let config = Config {
        keypoints: 4,
        size: SIZE,
        width: 4,
        batch: 4,
        micro_batch: 4,
        loss: LossKind::Pixel,
        learning_rate: 4e-3,
        ..Config::preset(Preset::Tiny)
    };
    let images = synthetic::puppets(20, 1, SIZE).dataset;
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, images).expect("begins");
    for _ in 0..40 {
        block_on(session.step()).expect("steps");
    }
    session
}

fn inspect(session: &Session, edits: Edits) -> Stages {
    block_on(session.inspect(&edits)).expect("inspects")
}

const IMAGE: usize = 0;
const MASKED: usize = 1;
const EDGE_MAP: usize = 2;
const RECONSTRUCTION: usize = 3;
const WITHOUT_EDGE_MAP: usize = 4;

/// Returns the RGBA of one stage.
fn stage(stages: &Stages, index: usize) -> &[u8] {
    let length = SIZE * SIZE * 4;
    &stages.pixels[index * length..(index + 1) * length]
}

/// Returns the largest difference between two images, in 256 levels.
fn max_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .expect("there are pixels")
}

#[test]
fn inspect_without_edits_matches_the_views() {
    let mut session = session();
    let views = block_on(session.views()).expect("views");
    let stages = inspect(
        &session,
        Edits {
            preview: 2,
            ..Edits::default()
        },
    );
    assert_eq!(
        (
            stages.step,
            stages.preview,
            stages.size,
            stages.heatmap_size
        ),
        (40, 2, SIZE, SIZE / 4)
    );
    assert_eq!(stages.heatmaps.len(), 4 * (SIZE / 4).pow(2) * 4);
    let area = SIZE * SIZE * 4;
    for (index, channel) in [(IMAGE, 0), (MASKED, 1), (RECONSTRUCTION, 3)] {
        let view = channel * views.count + 2;
        let shown = &views.pixels[view * area..(view + 1) * area];
        assert!(
            max_difference(stage(&stages, index), shown) <= 1,
            "stage {index}"
        );
    }
    for (a, b) in stages
        .keypoints
        .iter()
        .flatten()
        .zip(views.keypoints[2].iter().flatten())
    {
        assert!((a - b).abs() < 1e-5);
    }
    assert_eq!(stages.edge_weights, views.edge_weights);
    // Hidden cells are grey; every other pixel is the image's.
    let grid = stages.mask.len().isqrt();
    let rgba = |stage: &[u8], y: usize, x: usize| stage[(y * SIZE + x) * 4..][..4].to_vec();
    for (y, x) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x))) {
        let is_visible = stages.mask[y * grid / SIZE * grid + x * grid / SIZE] == 1;
        let shown = rgba(stage(&stages, MASKED), y, x);
        let expected = if is_visible {
            rgba(stage(&stages, IMAGE), y, x)
        } else {
            vec![128, 128, 128, 255]
        };
        assert!(max_difference(&shown, &expected) <= 1, "{y}, {x}");
    }
    // The error is the mean difference of the two images shown.
    let mean_error = |a: &[u8]| {
        let pairs = a
            .iter()
            .zip(stage(&stages, IMAGE))
            .enumerate()
            .filter(|(i, _)| i % 4 != 3);
        let sum: u32 = pairs.map(|(_, (a, b))| u32::from(a.abs_diff(*b))).sum();
        sum as f32 / (3.0 * 255.0 * (SIZE * SIZE) as f32)
    };
    assert!((stages.error - mean_error(stage(&stages, RECONSTRUCTION))).abs() < 0.004);
    assert!(
        (stages.error_without_edge_map - mean_error(stage(&stages, WITHOUT_EDGE_MAP))).abs()
            < 0.004
    );
    assert!(
        max_difference(
            stage(&stages, RECONSTRUCTION),
            stage(&stages, WITHOUT_EDGE_MAP)
        ) > 0
    );
}

#[test]
fn painted_mask_changes_masked_input_and_reconstruction() {
    let session = session();
    let usual = inspect(&session, Edits::default());
    let painted = |cells: Vec<u8>| Edits {
        mask: MaskEdit::Painted { cells },
        ..Edits::default()
    };
    let all_hidden = inspect(&session, painted(vec![0; 256]));
    assert!(
        stage(&all_hidden, MASKED)
            .chunks(4)
            .all(|rgba| rgba[..3] == [128; 3])
    );
    assert!(
        max_difference(
            stage(&all_hidden, RECONSTRUCTION),
            stage(&usual, RECONSTRUCTION)
        ) > 0
    );
    assert_eq!(
        stage(&all_hidden, EDGE_MAP),
        stage(&usual, EDGE_MAP),
        "it is drawn from the keypoints"
    );
    let all_visible = inspect(&session, painted(vec![1; 256]));
    assert!(max_difference(stage(&all_visible, MASKED), stage(&all_visible, IMAGE)) <= 1);
    // One hidden cell changes the image there, and nowhere else.
    let mut cells = vec![1; 256];
    cells[3 * 16 + 5] = 0;
    let hole = inspect(&session, painted(cells));
    for (i, (a, b)) in stage(&hole, MASKED)
        .chunks(4)
        .zip(stage(&all_visible, MASKED).chunks(4))
        .enumerate()
    {
        let is_hole = i / SIZE / 2 == 3 && i % SIZE / 2 == 5;
        if is_hole {
            assert_eq!(a, [128, 128, 128, 255])
        } else {
            assert_eq!(a, b)
        }
    }
    let fresh = |seed| {
        inspect(
            &session,
            Edits {
                mask: MaskEdit::Fresh { seed },
                ..Edits::default()
            },
        )
        .mask
    };
    assert_ne!(fresh(1), fresh(2));
    assert_eq!(fresh(1), fresh(1));
    // A mask that is not square is ignored.
    assert_eq!(inspect(&session, painted(vec![0; 7])).mask, usual.mask);
}

#[test]
fn moved_keypoint_changes_the_edge_map() {
    let session = session();
    let usual = inspect(&session, Edits::default());
    let mut points = usual.keypoints.clone();
    let same = inspect(
        &session,
        Edits {
            keypoints: Some(points.clone()),
            ..Edits::default()
        },
    );
    assert!(
        max_difference(&same.pixels, &usual.pixels) <= 1,
        "the detected positions change nothing"
    );
    points[1] = [0.1, 0.9];
    let moved = inspect(
        &session,
        Edits {
            keypoints: Some(points.clone()),
            ..Edits::default()
        },
    );
    for (a, b) in moved
        .keypoints
        .iter()
        .flatten()
        .zip(points.iter().flatten())
    {
        assert!((a - b).abs() < 1e-5);
    }
    assert!(max_difference(stage(&moved, EDGE_MAP), stage(&usual, EDGE_MAP)) > 0);
    assert!(max_difference(stage(&moved, RECONSTRUCTION), stage(&usual, RECONSTRUCTION)) > 0);
    assert_eq!(stage(&moved, MASKED), stage(&usual, MASKED));
    assert_eq!(
        moved.heatmaps, usual.heatmaps,
        "the heatmaps stay those of the detector"
    );
    // Positions for another number of keypoints are ignored.
    points.pop();
    let other = inspect(
        &session,
        Edits {
            keypoints: Some(points),
            ..Edits::default()
        },
    );
    assert_eq!(other.keypoints, usual.keypoints);
}

#[test]
fn edge_edits_replace_edge_weights() {
    let session = session();
    // A square, so that no edge covers another.
    let square = Edits {
        keypoints: Some(vec![[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]),
        ..Edits::default()
    };
    let usual = inspect(&session, square.clone());
    let with = |edges: &[(usize, usize)], state| {
        let edges = edges
            .iter()
            .map(|&(from, to)| EdgeEdit { from, to, state })
            .collect();
        inspect(
            &session,
            Edits {
                edges,
                ..square.clone()
            },
        )
    };
    let all: Vec<(usize, usize)> = (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
    let none = with(&all, EdgeState::Off);
    assert!(none.edge_weights.iter().flatten().all(|&w| w == 0.0));
    let dark = &stage(&none, EDGE_MAP)[..4];
    assert!(stage(&none, EDGE_MAP).chunks(4).all(|rgba| rgba == dark));
    assert!(
        max_difference(stage(&none, RECONSTRUCTION), stage(&none, WITHOUT_EDGE_MAP)) <= 1,
        "without edges the decoder sees no keypoints"
    );

    let off = with(&[(0, 2)], EdgeState::Off);
    assert_eq!((off.edge_weights[0][2], off.edge_weights[2][0]), (0.0, 0.0));
    assert!(max_difference(stage(&off, EDGE_MAP), stage(&usual, EDGE_MAP)) > 0);
    let strongest = usual
        .edge_weights
        .iter()
        .flatten()
        .copied()
        .fold(0.0, f32::max);
    let up = with(&all, EdgeState::Strongest);
    for (i, row) in up.edge_weights.iter().enumerate() {
        for (j, &weight) in row.iter().enumerate() {
            assert_eq!(weight, if i == j { 0.0 } else { strongest });
        }
    }
    // Edges that do not exist are ignored.
    assert_eq!(
        with(&[(0, 9), (1, 1)], EdgeState::Strongest).edge_weights,
        usual.edge_weights
    );
}

#[test]
fn transfer_to_the_own_pose_is_the_reconstruction() {
    let session = session();
    let Transfer {
        pixels,
        previews,
        size,
        ..
    } = block_on(session.transfer(&[1, 4, 6])).expect("transfers");
    assert_eq!(
        (previews.as_slice(), size, pixels.len()),
        (&[1, 4, 6][..], SIZE, 9 * SIZE * SIZE * 4)
    );
    let cell = |pose: usize, appearance: usize| {
        &pixels[(pose * 3 + appearance) * SIZE * SIZE * 4..][..SIZE * SIZE * 4]
    };
    for (i, &preview) in previews.iter().enumerate() {
        let own = inspect(
            &session,
            Edits {
                preview,
                ..Edits::default()
            },
        );
        assert!(
            max_difference(cell(i, i), stage(&own, RECONSTRUCTION)) <= 1,
            "preview image {preview}"
        );
        for (j, &pose) in previews.iter().enumerate().filter(|&(j, _)| j != i) {
            // The same as an edit to the other's keypoints.
            let keypoints = inspect(
                &session,
                Edits {
                    preview: pose,
                    ..Edits::default()
                },
            )
            .keypoints;
            let posed = inspect(
                &session,
                Edits {
                    preview,
                    keypoints: Some(keypoints),
                    ..Edits::default()
                },
            );
            assert!(
                max_difference(cell(j, i), stage(&posed, RECONSTRUCTION)) <= 1,
                "{preview} in the pose of {pose}"
            );
            assert!(max_difference(cell(j, i), cell(i, i)) > 0);
        }
    }
    assert!(block_on(session.transfer(&[99])).is_err());
}

#[test]
fn inspect_and_transfer_do_not_affect_training() {
    let [mut inspected, mut other] = [session(), session()];
    for _ in 0..3 {
        inspect(
            &inspected,
            Edits {
                mask: MaskEdit::Fresh { seed: 3 },
                ..Edits::default()
            },
        );
        block_on(inspected.transfer(&[0, 1])).expect("transfers");
        let [a, b] =
            [&mut inspected, &mut other].map(|session| block_on(session.step()).expect("steps"));
        assert_eq!(a[0].loss, b[0].loss);
    }
}

#[test]
fn score_compares_keypoints_with_joints() {
    let puppets = synthetic::puppets(60, 1, SIZE);
    let config = session().config().clone();
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, puppets.dataset).expect("begins");
    let score = block_on(session.score(&puppets.joints)).expect("scores");
    assert_eq!(
        (score.n_fit, score.n_test),
        (45, 15),
        "three quarters, as on the command line"
    );
    assert!(score.error > 0.0 && score.baseline > 0.0 && score.error.is_finite());
    assert!(block_on(session.score(&[])).is_err());
}

#[test]
fn snapshot_matches_the_views() {
    let mut session = session();
    let views = block_on(session.views()).expect("views");
    let last = session.snapshots().all().last();
    let snapshot = SnapshotView::from(last.expect("one was taken"));
    assert_eq!(
        (snapshot.step, snapshot.size, snapshot.count),
        (40, SIZE, views.count)
    );
    assert_eq!(snapshot.pixels, views.pixels[3 * views.pixels.len() / 4..]);
    assert_eq!(snapshot.edge_strengths, views.edge_strengths);
}

/// Returns the issues of a run over `count` puppets.
fn issues(count: usize, flip: bool) -> Vec<Issue> {
    let config = Config {
        flip,
        ..session().config().clone()
    };
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    let images = synthetic::puppets(count, 1, SIZE).dataset;
    session.begin(config, images).expect("begins");
    for _ in 0..160 {
        block_on(session.step()).expect("steps");
    }
    let findings = block_on(session.views()).expect("views").findings;
    findings.iter().map(|finding| finding.issue).collect()
}

#[test]
fn few_images_are_diagnosed_as_overfitting() {
    assert!(issues(4, false).contains(&Issue::Overfitting));
    assert!(
        !issues(4, true).contains(&Issue::Overfitting),
        "mirror images were shown as well"
    );
    assert!(!issues(12, false).contains(&Issue::Overfitting), "not yet");
}
