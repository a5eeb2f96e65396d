//! Regression, suggestions and their errors, on made and on real keypoints.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::regression::{MAX_WORST, Ridge};
use super::*;
use crate::annotate::{Keypoint, Point, edit::Table};
use crate::data::locate::Crop;
use crate::eval::{LeastSquares, dot};

const SIDE: [u32; 2] = [320, 200];

fn annotations(points: &[Vec<[f64; 2]>]) -> Annotations {
    let keypoint = |i| Keypoint {
        name: format!("p{i}"),
        color: "#123456".into(),
    };
    Annotations {
        category: "thing".into(),
        keypoints: (0..points[0].len()).map(keypoint).collect(),
        images: points
            .iter()
            .enumerate()
            .map(|(i, row)| Image {
                file_name: format!("{i}.png"),
                frame: None,
                seconds: None,
                exif_orientation: 1,
                crop: None,
                width_px: SIDE[0],
                height_px: SIDE[1],
                points: row
                    .iter()
                    .map(|[x, y]| Point::placed([x * f64::from(SIDE[0]), y * f64::from(SIDE[1])]))
                    .collect(),
            })
            .collect(),
        ..Annotations::default()
    }
}

type PointRows = Vec<Vec<[f64; 2]>>;

/// Draws a normal number, as the sum of twelve uniform ones.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Makes `n` images of a thing that moves about and has 4 degrees of freedom: K keypoints and L landmarks, with noise.
fn things(n: usize, k: usize, l: usize, noise: f64, seed: u64) -> (PointRows, PointRows) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let hidden = 4;
    let mut points = |count: usize| -> Vec<Vec<f64>> {
        (0..2 * count)
            .map(|_| (0..hidden).map(|_| 0.05 * normal(&mut rng)).collect())
            .collect()
    };
    let (a, b) = (points(k), points(l));
    let (mut keypoints, mut landmarks) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let h: Vec<f64> = (0..hidden).map(|_| normal(&mut rng)).collect();
        let place = [0, 1].map(|_| 0.5 + 0.1 * normal(&mut rng));
        let mut project = |map: &Vec<Vec<f64>>| -> Vec<[f64; 2]> {
            map.chunks_exact(2)
                .map(|pair| [0, 1].map(|i| place[i] + dot(&pair[i], &h) + noise * normal(&mut rng)))
                .collect()
        };
        keypoints.push(project(&a));
        landmarks.push(project(&b));
    }
    (keypoints, landmarks)
}

fn subset(all: &Annotations, n: usize) -> Annotations {
    let mut some = all.clone();
    some.images.truncate(n);
    some
}

/// Returns the mean distance of predictions from the truth on images `from..`, in fractions.
fn test_error(fit: &Fit, discovered: &Annotations, truth: &[Vec<[f64; 2]>], from: usize) -> f64 {
    let mut errors = Vec::new();
    for (image, truth) in discovered.images.iter().zip(truth).skip(from) {
        for (at, truth) in fit.predict(image).expect("predicts").iter().zip(truth) {
            let at = at.expect("a prediction");
            errors.push((at[0] - truth[0]).hypot(at[1] - truth[1]));
        }
    }
    mean(&errors).expect("errors")
}

#[test]
fn fit_recovers_linear_maps() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let keypoints: Vec<Vec<[f64; 2]>> = (0..80)
        .map(|_| (0..5).map(|_| [rng.random(), rng.random()]).collect())
        .collect();
    let landmarks: Vec<Vec<[f64; 2]>> = keypoints
        .iter()
        .map(|k| {
            vec![
                [0.3 * k[0][0] + 0.2 * k[4][1] + 0.1, 0.5 * k[1][1] + 0.25],
                [0.5 * (k[2][0] + k[3][0]), 0.7 - 0.2 * k[2][1]],
            ]
        })
        .collect();
    let discovered = annotations(&keypoints);
    let placed = subset(&annotations(&landmarks), 40);
    let fit = Fit::new(&discovered, &placed).expect("a fit");
    assert!(fit.error_fraction() < 1e-8, "{}", fit.error_fraction());
    assert!(test_error(&fit, &discovered, &landmarks, 40) < 1e-8);
    assert_eq!(fit.labelled, (0..40).collect::<Vec<_>>());
    let first = &fit.landmarks[0];
    assert!(first.baseline_fraction > Some(0.05));
    assert_eq!((first.placed_on, first.worst.len()), (40, MAX_WORST));
}

#[test]
fn fit_regresses_in_the_crops_of_located_images() {
    // Things that do not bend, but lie anywhere and in any direction: only in their crops are landmarks linear in the keypoints.
    let (keypoints, landmarks) = (
        [[0.3, 0.4], [0.7, 0.5], [0.5, 0.8]],
        [[0.5, 0.1], [0.2, 0.9]],
    );
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let crops: Vec<Crop> = (0..40)
        .map(|_| Crop {
            centre_px: [320.0 * rng.random::<f64>(), 200.0 * rng.random::<f64>()],
            side_px: 60.0,
            angle: std::f64::consts::TAU * rng.random::<f64>(),
        })
        .collect();
    let on_frames = |points: &[[f64; 2]]| {
        let rows: PointRows = (crops.iter())
            .map(|crop| {
                let at = |p: &[f64; 2]| crop.to_frame(*p);
                let fraction = |[x, y]: [f64; 2]| [x / f64::from(SIDE[0]), y / f64::from(SIDE[1])];
                points.iter().map(at).map(fraction).collect()
            })
            .collect();
        let mut annotations = annotations(&rows);
        for (image, crop) in annotations.images.iter_mut().zip(&crops) {
            image.crop = Some(*crop);
        }
        annotations
    };
    let (discovered, truth) = (on_frames(&keypoints), on_frames(&landmarks));
    let mut placed = subset(&truth, 5);
    // Labels have no crops of their own, and may have been made on a copy of another size.
    for image in &mut placed.images {
        image.crop = None;
        (image.width_px, image.height_px) = (2 * SIDE[0], 2 * SIDE[1]);
        for point in &mut image.points {
            (point.x_px, point.y_px) = (2.0 * point.x_px, 2.0 * point.y_px);
        }
    }
    let fit = Fit::new(&discovered, &placed).expect("a fit");
    assert!(
        fit.landmarks[0].error_px < Some(1e-6),
        "{:?}",
        fit.landmarks[0]
    );
    let annotated = fit.annotate(&discovered, &placed).expect("annotates");
    for (image, truth) in annotated.images.iter().zip(&truth.images) {
        for (point, truth) in image.points.iter().zip(&truth.points) {
            let off = (point.x_px - truth.x_px).hypot(point.y_px - truth.y_px);
            assert!(off < 1e-6, "{}: {off}", image.file_name);
        }
    }
    let mut whole = discovered.clone();
    whole.images.iter_mut().for_each(|image| image.crop = None);
    let fit = Fit::new(&whole, &placed).expect("a fit");
    assert_eq!(fit.landmarks[0].error_px, None);
    assert!(fit.landmarks[0].error_fraction > Some(0.01));
}

#[test]
fn closed_form_equals_leaving_one_out() {
    for (n, k) in [(12, 3), (7, 8), (3, 4)] {
        let (keypoints, landmarks) = things(n, k, 1, 0.05, 3);
        let x: Vec<Vec<f64>> = keypoints.iter().map(|row| row.concat()).collect();
        let y: Vec<[f64; 2]> = landmarks.iter().map(|row| row[0]).collect();
        let ridge = Ridge::new(&x).expect("a ridge");
        for strength in [1e-4, 0.03, 1.0, f64::INFINITY] {
            let closed = ridge.leave_one_out_errors(&y, strength);
            for (i, closed) in closed.iter().enumerate() {
                let (mut x, mut y) = (x.clone(), y.clone());
                let (x_i, y_i) = (x.remove(i), y.remove(i));
                let without = Ridge::new(&x).expect("a ridge");
                // The same lambda, though the share is of other singular values.
                let share = strength * ridge.greatest / without.greatest;
                let at = without.map(&y, share).predict(&x_i);
                let brute = (at[0] - y_i[0]).hypot(at[1] - y_i[1]);
                assert!(
                    (brute - closed).abs() < 1e-9 * (1.0 + brute),
                    "n {n}, strength {strength}: {brute} {closed}"
                );
            }
        }
    }
}

/// Returns mean distances on the images from `n` on, fitted on those before: of ridge, of least squares without a bias (as
/// [`crate::eval`]) and with one, and of the mean landmark.
fn compare(keypoints: &PointRows, landmarks: &PointRows, n: usize) -> [f64; 4] {
    let discovered = annotations(keypoints);
    let placed = subset(&annotations(landmarks), n);
    let fit = Fit::new(&discovered, &placed).expect("a fit");
    let flat =
        |points: &PointRows| -> Vec<Vec<f64>> { points.iter().map(|r| r.concat()).collect() };
    let (x, y) = (flat(keypoints), flat(landmarks));
    let columns = |rows: &[Vec<f64>], mean: &[f64]| -> Vec<Vec<f64>> {
        let column = |(c, mean): (usize, &f64)| rows.iter().map(|r| r[c] - mean).collect();
        mean.iter().enumerate().map(column).collect()
    };
    let least_squares = |x_mean: &[f64], y_mean: &[f64]| {
        let solver = LeastSquares::new(columns(&x[..n], x_mean));
        let weights: Vec<Vec<f64>> = columns(&y[..n], y_mean)
            .iter()
            .map(|target| solver.solve(target))
            .collect();
        let mut errors = Vec::new();
        for (x, y) in x.iter().zip(&y).skip(n) {
            let x: Vec<f64> = x.iter().zip(x_mean).map(|(x, m)| x - m).collect();
            let gap = |c: usize| y[c] - y_mean[c] - dot(&weights[c], &x);
            errors.extend((0..y.len()).step_by(2).map(|c| gap(c).hypot(gap(c + 1))));
        }
        mean(&errors).expect("errors")
    };
    let (x_mean, y_mean) = (column_means(&x[..n]), column_means(&y[..n]));
    let means = y.iter().skip(n).flat_map(|y| {
        let gap = |c: usize| y[c] - y_mean[c];
        (0..y.len())
            .step_by(2)
            .map(move |c| gap(c).hypot(gap(c + 1)))
            .collect::<Vec<_>>()
    });
    [
        test_error(&fit, &discovered, landmarks, n),
        least_squares(&vec![0.0; x_mean.len()], &vec![0.0; y_mean.len()]),
        least_squares(&x_mean, &y_mean),
        mean(&means.collect::<Vec<_>>()).expect("errors"),
    ]
}

fn sum<const N: usize>(rows: impl Iterator<Item = [f64; N]>) -> [f64; N] {
    rows.fold([0.0; N], |sum, row| {
        std::array::from_fn(|i| sum[i] + row[i])
    })
}

#[test]
fn ridge_beats_least_squares_with_few_images() {
    let k = 8;
    for n in [3, 4, 5, 8, 12, 16, 17, 18, 20, 23] {
        let errors = sum((0..10).map(|seed| {
            let (keypoints, landmarks) = things(300, k, 5, 0.03, 100 + seed);
            compare(&keypoints, &landmarks, n)
        }));
        assert!(
            errors[1..].iter().all(|e| errors[0] < *e),
            "n {n}: {errors:?}"
        );
    }
}

/// Prints the first table of `landmarks/mod.rs`: `cargo test --lib on_hands -- --nocapture`.
#[test]
fn ridge_beats_least_squares_on_hands() {
    let Some(path) = crate::needs::shared("data/hands/landmarks.csv") else {
        return;
    };
    let text = std::fs::read_to_string(path).expect("text");
    let table = crate::eval::Landmarks::from_csv(&text).expect("a table");
    let (k, draws) = (12, 10);
    for n in [3, 5, 10, 20, 50, 200] {
        let errors = sum((0..draws).map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut rows: Vec<u32> = (0..table.rows.len() as u32).collect();
            crate::data::dataset::shuffle(&mut rows, &mut rng);
            let landmarks: PointRows = rows[..700]
                .iter()
                .map(|&i| table.rows[i as usize].1.iter().flatten().copied().collect())
                .collect();
            // Each keypoint: between two neighbouring landmarks, with little, more or much noise.
            let sources: Vec<(usize, f64)> = (0..k)
                .map(|i| {
                    (
                        rng.random_range(0..table.names.len()),
                        [0.01, 0.04, 0.12][i % 3],
                    )
                })
                .collect();
            let keypoints: PointRows = landmarks
                .iter()
                .map(|row| {
                    let point = |&(at, noise): &(usize, f64)| {
                        let next = (at + 1) % row.len();
                        [0, 1].map(|c| {
                            0.7 * row[at][c] + 0.3 * row[next][c] + noise * normal(&mut rng)
                        })
                    };
                    sources.iter().map(point).collect()
                })
                .collect();
            compare(&keypoints, &landmarks, n)
        }));
        let percent = errors.map(|e| (1000.0 * e / draws as f64).round() / 10.0);
        println!(
            "n {n}: ridge {}, least squares {}, with a bias {}, mean {}",
            percent[0], percent[1], percent[2], percent[3]
        );
        if n < 3 * k {
            assert!(
                errors[1..].iter().all(|e| errors[0] < *e),
                "n {n}: {errors:?}"
            );
        }
    }
}

/// Prints the second table of `landmarks/mod.rs`: `cargo test --lib shipped_model -- --nocapture`.
#[test]
fn ridge_beats_least_squares_with_the_shipped_model() {
    let Some(folder) = crate::needs::shared("data/hands") else {
        return;
    };
    let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/hands.safetensors");
    let model = std::fs::read(model).expect("it comes with the page");
    let table = std::fs::read_to_string(folder.join("landmarks.csv")).expect("text");
    let device = burn::tensor::Device::flex();
    let crate::checkpoint::Loaded { model, config, .. } =
        crate::checkpoint::load(&model, &device).expect("a model");
    let table = crate::eval::Landmarks::from_csv(&table).expect("a table");
    let mut images = crate::data::Dataset::new(config.size);
    for (name, _) in &table.rows {
        let bytes = std::fs::read(folder.join(name)).expect("an image");
        let image = crate::data::decode::decode(name, &bytes, config.size, config.fit);
        images.push(image.expect("decodes"));
    }
    let found = pollster::block_on(crate::session::detect(&model, &images, &device));
    let found: PointRows = (found.expect("finds").into_iter())
        .map(|found| found.keypoints.iter().map(|p| p.map(f64::from)).collect())
        .collect();
    let draws = 10;
    for n in [5, 10, 20, 50, 200] {
        let errors = sum((0..draws).map(|seed| {
            let mut rows: Vec<u32> = (0..table.rows.len() as u32).collect();
            crate::data::dataset::shuffle(&mut rows, &mut ChaCha8Rng::seed_from_u64(seed));
            let collect = |points: &dyn Fn(usize) -> Vec<[f64; 2]>| -> PointRows {
                rows.iter().map(|&i| points(i as usize)).collect()
            };
            let keypoints = collect(&|i| found[i].clone());
            let landmarks = collect(&|i| table.rows[i].1.iter().flatten().copied().collect());
            compare(&keypoints, &landmarks, n)
        }));
        let percent = errors.map(|e| (1000.0 * e / draws as f64).round() / 10.0);
        println!(
            "n {n}: ridge {}, least squares {}, with a bias {}, mean {}",
            percent[0], percent[1], percent[2], percent[3]
        );
        if n < 3 * config.keypoints {
            assert!(
                errors[1..].iter().all(|e| errors[0] < *e),
                "n {n}: {errors:?}"
            );
        }
    }
}

#[test]
fn leave_one_out_error_predicts_test_error() {
    let (keypoints, landmarks) = things(400, 6, 4, 0.03, 9);
    let discovered = annotations(&keypoints);
    let fit = Fit::new(&discovered, &subset(&annotations(&landmarks), 40)).expect("a fit");
    let test = test_error(&fit, &discovered, &landmarks, 40);
    assert!(
        (fit.error_fraction() / test - 1.0).abs() < 0.2,
        "{} {test}",
        fit.error_fraction()
    );
}

#[test]
fn fit_accepts_missing_landmarks() {
    let (keypoints, landmarks) = things(60, 6, 3, 0.001, 5);
    let discovered = annotations(&keypoints);
    let mut placed = subset(&annotations(&landmarks), 30);
    for (i, image) in placed.images.iter_mut().enumerate() {
        if i % 2 == 0 {
            image.points[1] = Point::ABSENT;
        }
        if i >= 2 {
            image.points[2] = Point::ABSENT;
        }
    }
    placed.images[3].points = vec![Point::ABSENT; 3];
    let mut stranger = placed.images[0].clone();
    stranger.file_name = "stranger.png".into();
    placed.images.push(stranger);
    let fit = Fit::new(&discovered, &placed).expect("a fit");
    let placed_on: Vec<usize> = fit.landmarks.iter().map(|l| l.placed_on).collect();
    assert_eq!(placed_on, [29, 14, 2]);
    assert!(fit.landmarks[2].error_fraction.is_none());
    assert_eq!(fit.unknown, ["stranger.png"]);
    assert_eq!(fit.labelled.len(), 29);
    let all = fit.annotate(&discovered, &placed).expect("annotations");
    // Placed ones are kept, others predicted or absent.
    assert_eq!(all.images[1].points[0], placed.images[1].points[0]);
    let point = all.images[0].points[1];
    assert!(!point.corrected && point.is_there());
    assert!((point.x_px / f64::from(SIDE[0]) - landmarks[0][1][0]).abs() < 0.05);
    assert!(!all.images[59].points[2].is_there());
    assert!(all.validate().is_ok());
}

#[test]
fn fit_scales_labels_of_smaller_copies() {
    let (keypoints, landmarks) = things(40, 6, 3, 0.001, 5);
    let discovered = annotations(&keypoints);
    let mut placed = subset(&annotations(&landmarks), 30);
    let plain = Fit::new(&discovered, &placed).expect("a fit");
    for image in &mut placed.images {
        (image.width_px, image.height_px) = (SIDE[0] / 2, SIDE[1] / 4);
        for point in &mut image.points {
            (point.x_px, point.y_px) = (point.x_px / 2.0, point.y_px / 4.0);
        }
    }
    let copy = Fit::new(&discovered, &placed).expect("a fit");
    assert!((plain.error_fraction() - copy.error_fraction()).abs() < 1e-12);
    let all = copy.annotate(&discovered, &placed).expect("annotations");
    assert!((all.images[0].points[0].x_px - 2.0 * placed.images[0].points[0].x_px).abs() < 1e-9);
}

#[test]
fn corrected_keypoints_improve_the_fit() {
    let (mut keypoints, landmarks) = things(40, 6, 3, 0.001, 6);
    // Detection failed on one labelled image.
    let truth = keypoints[4].clone();
    keypoints[4] = vec![[0.9, 0.1]; 6];
    let mut discovered = annotations(&keypoints);
    let placed = subset(&annotations(&landmarks), 20);
    let before = Fit::new(&discovered, &placed).expect("a fit");
    assert!(before.landmarks.iter().all(|l| l.worst[0].image == 4));
    let table = Table::new(&discovered);
    for (k, [x, y]) in truth.into_iter().enumerate() {
        let point = Point::placed([x * f64::from(SIDE[0]), y * f64::from(SIDE[1])]);
        table
            .correct(&mut discovered.images[4], k, point)
            .expect("corrects");
    }
    let after = Fit::new(&discovered, &placed).expect("a fit");
    assert!(after.error_fraction() < 0.2 * before.error_fraction());
}

#[test]
fn fit_ignores_constant_and_duplicate_keypoints() {
    let (mut keypoints, landmarks) = things(60, 6, 3, 0.01, 7);
    for row in &mut keypoints {
        row.push(row[0]);
        row.push([0.5, 0.5]);
    }
    let discovered = annotations(&keypoints);
    let fit = Fit::new(&discovered, &subset(&annotations(&landmarks), 30)).expect("a fit");
    assert!(test_error(&fit, &discovered, &landmarks, 30) < 0.05);
    // Nothing but dead ones: the mean.
    let dead = annotations(&vec![vec![[0.25, 0.5]; 4]; 60]);
    let fit = Fit::new(&dead, &subset(&annotations(&landmarks), 30)).expect("a fit");
    let first = &fit.landmarks[0];
    let gap = first
        .error_fraction
        .zip(first.baseline_fraction)
        .map(|(a, b)| (a - b).abs());
    assert!(gap < Some(1e-12));
    assert_eq!(
        next_to_label(&dead, Some(&fit), &[], 2)
            .expect("a choice")
            .len(),
        2
    );
}

#[test]
fn next_image_is_unlike_labelled_ones_and_like_others() {
    // Two poses, each many times with a little noise, and one failure; the first pose is labelled.
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let poses = [
        [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]],
        [[0.3, 0.4], [0.4, 0.4], [0.9, 0.5], [0.8, 0.5]],
    ];
    let mut keypoints: Vec<Vec<[f64; 2]>> = (0..40)
        .map(|i| {
            let mut noisy = |v: f64| v + 0.01 * normal(&mut rng);
            poses[i / 20].iter().map(|at| at.map(&mut noisy)).collect()
        })
        .collect();
    keypoints.push(vec![[0.3, 0.3], [0.6, 0.3], [0.2, 0.1], [0.3, 0.6]]);
    let discovered = annotations(&keypoints);
    let next = next_to_label(&discovered, None, &[0, 1, 2], 3).expect("a choice");
    assert_eq!(next.len(), 3);
    assert!((20..40).contains(&next[0]), "{next:?}");
    // With nothing labelled, two picks see both poses or the middle; never the failure first.
    let first = next_to_label(&discovered, None, &[], 1).expect("a choice");
    assert_ne!(first, [40]);
    // Every image once.
    let mut all = next_to_label(&discovered, None, &[5], 99).expect("a choice");
    all.sort_unstable();
    assert_eq!(all.len(), 40);
    all.dedup();
    assert_eq!(all.len(), 40);
    let nothing = Annotations::default();
    assert!(
        next_to_label(&nothing, None, &[], 1)
            .expect("none")
            .is_empty()
    );
}

#[test]
fn suggested_images_beat_random_ones() {
    let (mut chosen_error, mut random_error) = (0.0, 0.0);
    for seed in 0..20 {
        let (keypoints, landmarks) = things(200, 8, 4, 0.03, 300 + seed);
        let discovered = annotations(&keypoints);
        let all = annotations(&landmarks);
        let pick = |indices: &[usize]| {
            let mut some = all.clone();
            some.images = indices.iter().map(|&i| all.images[i].clone()).collect();
            let fit = Fit::new(&discovered, &some).expect("a fit");
            test_error(&fit, &discovered, &landmarks, 0)
        };
        let chosen = next_to_label(&discovered, None, &[], 8).expect("a choice");
        chosen_error += pick(&chosen);
        random_error += pick(&(0..8).collect::<Vec<_>>());
    }
    assert!(chosen_error < random_error, "{chosen_error} {random_error}");
}

#[test]
fn fit_rejects_too_few_or_invalid_labels() {
    let (keypoints, landmarks) = things(10, 3, 2, 0.01, 8);
    let (discovered, placed) = (annotations(&keypoints), annotations(&landmarks));
    let fails = |discovered: &Annotations, placed: &Annotations, part: &str| {
        let message = Fit::new(discovered, placed).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    };
    fails(
        &discovered,
        &subset(&placed, 2),
        "at least 3 images; so far the most is 2",
    );
    let mut strangers = placed.clone();
    for image in &mut strangers.images {
        image.file_name.insert(0, 'x');
    }
    fails(&discovered, &strangers, "for example x0.png");
    let mut ragged = discovered.clone();
    ragged.images[1].points.pop();
    fails(&ragged, &placed, "same number of keypoints");
    let mut nan = discovered.clone();
    nan.images[1].points[0].x_px = f64::NAN;
    fails(&nan, &placed, "not a number");
    let mut nan = placed.clone();
    nan.images[1].points[0].x_px = f64::NAN;
    fails(&discovered, &nan, "not a number");
    let mut short = placed.clone();
    short.images[1].points.pop();
    fails(&discovered, &short, "1 landmarks, but 2 are named");
    let mut unknown = discovered.clone();
    unknown.images[1].width_px = 0;
    fails(&unknown, &placed, "size of 1.png");
    fails(
        &Annotations::default(),
        &Annotations::default(),
        "at least 3",
    );
}
