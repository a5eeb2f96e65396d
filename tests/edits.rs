//! What a visitor may touch changes what it should, and nothing else.

use autolink::data::synthetic;
use autolink::session::{
    Backend, EdgeEdit, EdgeState, Edits, MaskEdit, Session, SnapshotView, Stages, Transfer,
};
use autolink::train::diagnosis::Issue;
use autolink::{Config, LossKind, Preset};
use burn::tensor::Device;
use pollster::block_on;

const SIZE: usize = 32;

/// A model that has learned a little: an untrained decoder gives nought whatever it sees.
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
    let pictures = synthetic::puppets(20, 1, SIZE).dataset;
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, pictures).expect("begins");
    for _ in 0..40 {
        block_on(session.step()).expect("steps");
    }
    session
}

fn inspect(session: &Session, touch: Edits) -> Stages {
    block_on(session.inspect(&touch)).expect("inspects")
}

const PICTURE: usize = 0;
const MASKED: usize = 1;
const EDGE_MAP: usize = 2;
const REBUILT: usize = 3;
const WITHOUT: usize = 4;

/// RGBA of one stage.
fn stage(parts: &Stages, index: usize) -> &[u8] {
    let length = SIZE * SIZE * 4;
    &parts.pixels[index * length..(index + 1) * length]
}

/// How far two pictures are apart at most, in 256 levels.
fn apart(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .expect("there are pixels")
}

#[test]
fn an_untouched_probe_is_as_in_the_grid() {
    let mut session = session();
    let views = block_on(session.views()).expect("views");
    let parts = inspect(
        &session,
        Edits {
            probe: 2,
            ..Edits::default()
        },
    );
    assert_eq!(
        (parts.step, parts.probe, parts.size, parts.heat_size),
        (40, 2, SIZE, SIZE / 4)
    );
    assert_eq!(parts.heatmaps.len(), 4 * (SIZE / 4).pow(2) * 4);
    let area = SIZE * SIZE * 4;
    for (index, channel) in [(PICTURE, 0), (MASKED, 1), (REBUILT, 3)] {
        let view = channel * views.count + 2;
        let shown = &views.pixels[view * area..(view + 1) * area];
        assert!(apart(stage(&parts, index), shown) <= 1, "stage {index}");
    }
    for (a, b) in parts
        .keypoints
        .iter()
        .flatten()
        .zip(views.keypoints[2].iter().flatten())
    {
        assert!((a - b).abs() < 1e-5);
    }
    assert_eq!(parts.edge_weights, views.edge_weights);
    // The mask says which cells are grey, and every other pixel is the picture's.
    let grid = parts.mask.len().isqrt();
    let rgba = |stage: &[u8], y: usize, x: usize| stage[(y * SIZE + x) * 4..][..4].to_vec();
    for (y, x) in (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (y, x))) {
        let kept = parts.mask[y * grid / SIZE * grid + x * grid / SIZE] == 1;
        let shown = rgba(stage(&parts, MASKED), y, x);
        let expected = if kept {
            rgba(stage(&parts, PICTURE), y, x)
        } else {
            vec![128, 128, 128, 255]
        };
        assert!(apart(&shown, &expected) <= 1, "{y}, {x}");
    }
    // The error is the mean distance of the two pictures shown.
    let distance = |a: &[u8]| {
        let pairs = a
            .iter()
            .zip(stage(&parts, PICTURE))
            .enumerate()
            .filter(|(i, _)| i % 4 != 3);
        let sum: u32 = pairs.map(|(_, (a, b))| u32::from(a.abs_diff(*b))).sum();
        sum as f32 / (3.0 * 255.0 * (SIZE * SIZE) as f32)
    };
    assert!((parts.error - distance(stage(&parts, REBUILT))).abs() < 0.004);
    assert!((parts.error_without - distance(stage(&parts, WITHOUT))).abs() < 0.004);
    assert!(apart(stage(&parts, REBUILT), stage(&parts, WITHOUT)) > 0);
}

#[test]
fn a_painted_mask_changes_what_is_left_and_what_comes_of_it() {
    let session = session();
    let usual = inspect(&session, Edits::default());
    let cover = |cells: Vec<u8>| Edits {
        cover: MaskEdit::Painted { cells },
        ..Edits::default()
    };
    let all_hidden = inspect(&session, cover(vec![0; 256]));
    assert!(
        stage(&all_hidden, MASKED)
            .chunks(4)
            .all(|rgba| rgba[..3] == [128; 3])
    );
    assert!(apart(stage(&all_hidden, REBUILT), stage(&usual, REBUILT)) > 0);
    assert_eq!(
        stage(&all_hidden, EDGE_MAP),
        stage(&usual, EDGE_MAP),
        "it is drawn from the keypoints"
    );
    let all_kept = inspect(&session, cover(vec![1; 256]));
    assert!(apart(stage(&all_kept, MASKED), stage(&all_kept, PICTURE)) <= 1);
    // One cell changes the picture there, and nowhere else.
    let mut cells = vec![1; 256];
    cells[3 * 16 + 5] = 0;
    let hole = inspect(&session, cover(cells));
    for (i, (a, b)) in stage(&hole, MASKED)
        .chunks(4)
        .zip(stage(&all_kept, MASKED).chunks(4))
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
                cover: MaskEdit::Fresh { seed },
                ..Edits::default()
            },
        )
        .mask
    };
    assert_ne!(fresh(1), fresh(2));
    assert_eq!(fresh(1), fresh(1));
    // What is no square is left out.
    assert_eq!(inspect(&session, cover(vec![0; 7])).mask, usual.mask);
}

#[test]
fn a_moved_keypoint_moves_the_edge_map() {
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
        apart(&same.pixels, &usual.pixels) <= 1,
        "where they were, nothing changes"
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
    assert!(apart(stage(&moved, EDGE_MAP), stage(&usual, EDGE_MAP)) > 0);
    assert!(apart(stage(&moved, REBUILT), stage(&usual, REBUILT)) > 0);
    assert_eq!(stage(&moved, MASKED), stage(&usual, MASKED));
    assert_eq!(
        moved.heatmaps, usual.heatmaps,
        "the detector still sees what it saw"
    );
    // Other keypoints than the model's are left out.
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
fn an_edge_is_switched_off_or_up() {
    let session = session();
    // In a square, so that no edge lies over another.
    let square = Edits {
        keypoints: Some(vec![[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]),
        ..Edits::default()
    };
    let usual = inspect(&session, square.clone());
    let with = |edges: &[(usize, usize)], becomes| {
        let edges = edges
            .iter()
            .map(|&(from, to)| EdgeEdit { from, to, becomes })
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
        apart(stage(&none, REBUILT), stage(&none, WITHOUT)) <= 1,
        "no edges are no keypoints to the decoder"
    );

    let off = with(&[(0, 2)], EdgeState::Off);
    assert_eq!((off.edge_weights[0][2], off.edge_weights[2][0]), (0.0, 0.0));
    assert!(apart(stage(&off, EDGE_MAP), stage(&usual, EDGE_MAP)) > 0);
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
    // An edge that there is not is left out.
    assert_eq!(
        with(&[(0, 9), (1, 1)], EdgeState::Strongest).edge_weights,
        usual.edge_weights
    );
}

#[test]
fn a_picture_in_its_own_pose_is_itself() {
    let session = session();
    let Transfer {
        pixels,
        probes,
        size,
        ..
    } = block_on(session.transfer(&[1, 4, 6])).expect("transfers");
    assert_eq!(
        (probes.as_slice(), size, pixels.len()),
        (&[1, 4, 6][..], SIZE, 9 * SIZE * SIZE * 4)
    );
    let cell = |pose: usize, look: usize| {
        &pixels[(pose * 3 + look) * SIZE * SIZE * 4..][..SIZE * SIZE * 4]
    };
    for (i, &probe) in probes.iter().enumerate() {
        let own = inspect(
            &session,
            Edits {
                probe,
                ..Edits::default()
            },
        );
        assert!(
            apart(cell(i, i), stage(&own, REBUILT)) <= 1,
            "probe {probe}"
        );
        for (j, &pose) in probes.iter().enumerate().filter(|&(j, _)| j != i) {
            // The same as drawing the other's keypoints by hand.
            let keypoints = inspect(
                &session,
                Edits {
                    probe: pose,
                    ..Edits::default()
                },
            )
            .keypoints;
            let posed = inspect(
                &session,
                Edits {
                    probe,
                    keypoints: Some(keypoints),
                    ..Edits::default()
                },
            );
            assert!(
                apart(cell(j, i), stage(&posed, REBUILT)) <= 1,
                "{probe} as {pose}"
            );
            assert!(apart(cell(j, i), cell(i, i)) > 0);
        }
    }
    assert!(block_on(session.transfer(&[99])).is_err());
}

#[test]
fn looking_changes_nothing() {
    let [mut looked, mut not] = [session(), session()];
    for _ in 0..3 {
        inspect(
            &looked,
            Edits {
                cover: MaskEdit::Fresh { seed: 3 },
                ..Edits::default()
            },
        );
        block_on(looked.transfer(&[0, 1])).expect("transfers");
        let [a, b] =
            [&mut looked, &mut not].map(|session| block_on(session.step()).expect("steps"));
        assert_eq!(a[0].loss, b[0].loss);
    }
}

#[test]
fn keypoints_are_scored_against_joints() {
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
fn moments_are_what_was_seen() {
    let mut session = session();
    let views = block_on(session.views()).expect("views");
    let moment = SnapshotView::of(session.snapshots().all().last().expect("one is kept"));
    assert_eq!(
        (moment.step, moment.size, moment.count),
        (40, SIZE, views.count)
    );
    assert_eq!(moment.pixels, views.pixels[3 * views.pixels.len() / 4..]);
    assert_eq!(moment.edge_strengths, views.edge_strengths);
}

/// What goes wrong in a run over so many puppets.
fn troubles(count: usize, flip: bool) -> Vec<Issue> {
    let config = Config {
        flip,
        ..session().config().clone()
    };
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    let pictures = synthetic::puppets(count, 1, SIZE).dataset;
    session.begin(config, pictures).expect("begins");
    for _ in 0..160 {
        block_on(session.step()).expect("steps");
    }
    let findings = block_on(session.views()).expect("views").findings;
    findings.iter().map(|finding| finding.issue).collect()
}

#[test]
fn a_few_pictures_are_learned_by_heart() {
    assert!(troubles(4, false).contains(&Issue::Overfitting));
    assert!(
        !troubles(4, true).contains(&Issue::Overfitting),
        "mirror images were shown, too"
    );
    assert!(
        !troubles(12, false).contains(&Issue::Overfitting),
        "not yet"
    );
}
