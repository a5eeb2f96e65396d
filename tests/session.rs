//! The engine's public interface, on small puppets.

mod needs;

use autolink::checkpoint::{self, Precision};
use autolink::data::{Dataset, Placement, SquareImage, synthetic};
use autolink::loss::WEIGHTS_FILES;
use autolink::session::{Backend, FileKind, Session, StepReport};
use autolink::{Config, Error, LossKind, Preset, eval};
use burn::tensor::Device;
use pollster::block_on;
use safetensors::SafeTensors;

fn small() -> Config {
    Config {
        keypoints: 4,
        size: 32,
        width: 4,
        batch: 4,
        micro_batch: 4,
        loss: LossKind::Pixel,
        ..Config::preset(Preset::Tiny)
    }
}

fn session(config: Config) -> Session {
    let images = synthetic::puppets(20, 1, config.size).dataset;
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, images).expect("begins");
    session
}

fn losses(session: &mut Session, steps: usize) -> Vec<f32> {
    (0..steps)
        .flat_map(|_| block_on(session.step()).expect("steps"))
        .map(|report| report.loss)
        .collect()
}

/// Uses the authors' learning rate. The two differ by rounding, which training magnifies, the faster the larger the rate: at the
/// preset's rate, five times theirs, a relative change of 1e-6 moves single losses by up to 5% within 100 steps, on the CPU alone.
/// Skipped where there is no adapter; `cargo xtask test` requires one.
#[test]
fn gpu_losses_track_cpu_losses_for_100_steps() {
    let Some(gpu) = needs::gpu() else { return };
    let config = Config {
        size: 32,
        width: 8,
        loss: LossKind::Pixel,
        learning_rate: Config::preset(Preset::Paper).learning_rate,
        ..Config::preset(Preset::Tiny)
    };
    let run = |device, backend| {
        let images = synthetic::puppets(20, 1, config.size).dataset;
        let mut session = Session::new(device, backend, config.clone()).expect("opens");
        session.begin(config.clone(), images).expect("begins");
        losses(&mut session, 100)
    };
    let wanted = run(Device::flex(), Backend::Cpu);
    let found = run(gpu, Backend::Gpu);
    assert_eq!([wanted.len(), found.len()], [100; 2]);
    for (step, (found, wanted)) in found.into_iter().zip(wanted).enumerate() {
        let apart = (found - wanted).abs() / wanted;
        assert!(apart < 0.01, "step {step}: {found} for {wanted}");
    }
}

#[test]
fn same_seed_gives_same_losses() {
    let [first, mut watched] = [0, 1].map(|_| session(small()));
    let mut first = first;
    let expected = losses(&mut first, 6);
    assert_eq!(expected.len(), 6);
    // Views do not change training.
    let found: Vec<f32> = (0..6)
        .flat_map(|_| {
            block_on(watched.views()).expect("views");
            losses(&mut watched, 1)
        })
        .collect();
    assert_eq!(expected, found);

    first.reset();
    assert_eq!(first.steps_taken(), 0);
    assert_eq!(expected, losses(&mut first, 6), "a reset starts over");
    let mut other = session(Config { seed: 1, ..small() });
    assert_ne!(expected, losses(&mut other, 6));
}

#[test]
fn configure_keeps_the_run_only_for_live_settings() {
    let mut session = session(small());
    losses(&mut session, 2);
    let live = Config {
        learning_rate: 1e-4,
        mask_ratio: 0.5,
        edge_scale: 10.0,
        ..small()
    };
    session.configure(live.clone()).expect("configures");
    assert_eq!((session.steps_taken(), session.config()), (2, &live));
    losses(&mut session, 1);
    assert_eq!(session.steps_taken(), 3);

    session
        .configure(Config {
            keypoints: 5,
            ..live.clone()
        })
        .expect("configures");
    assert_eq!(session.steps_taken(), 0);
    losses(&mut session, 1);

    let refused = session.configure(Config {
        keypoints: 1,
        ..live.clone()
    });
    assert!(matches!(refused, Err(Error::Setting(_))));
    assert!(
        session.configure(Config { size: 48, ..live }).is_err(),
        "the images have another size"
    );
    assert_eq!(
        (session.steps_taken(), session.config().keypoints),
        (1, 5),
        "a failed change has no effect"
    );
}

#[test]
fn views_draw_the_preview_images() {
    let mut session = session(small());
    losses(&mut session, 1);
    let views = block_on(session.views()).expect("views");
    assert_eq!((views.step, views.size, views.count), (1, 32, 8));
    assert_eq!(views.pixels.len(), 4 * 8 * 32 * 32 * 4);
    assert_eq!((views.keypoints.len(), views.keypoints[0].len()), (8, 4));
    for (i, row) in views.edge_weights.iter().enumerate() {
        assert_eq!((row.len(), row[i]), (4, 0.0));
        let strengths = &views.edge_strengths[i];
        assert_eq!((strengths.len(), strengths[i]), (4, 0.0));
        assert!(strengths.iter().all(|s| (0.0..=1.0).contains(s)));
    }
    assert!(
        views
            .keypoints
            .iter()
            .flatten()
            .flatten()
            .all(|v| (0.0..=1.0).contains(v))
    );

    let view = |i: usize| &views.pixels[i * 8 * 32 * 32 * 4..(i + 1) * 8 * 32 * 32 * 4];
    let first = session.preview_indices()[0];
    let input: Vec<u8> = view(0)[..32 * 32 * 4]
        .chunks(4)
        .flat_map(|rgba| rgba[..3].to_vec())
        .collect();
    assert_eq!(
        input,
        session.images().pixels(first),
        "the input is the image"
    );
    let (mut hidden, mut visible) = (0, 0);
    for (input, masked) in view(0).chunks(4).zip(view(1).chunks(4)) {
        if masked == [128, 128, 128, 255] {
            hidden += 1;
        } else {
            assert_eq!(input, masked, "visible pixels are those of the image");
            visible += 1;
        }
    }
    let share = f64::from(hidden) / f64::from(hidden + visible);
    assert!(
        (share - 0.8).abs() < 0.03,
        "{share} of the pixels are hidden"
    );

    // Every view hides the same cells.
    losses(&mut session, 1);
    let again = block_on(session.views()).expect("views");
    assert_eq!(view(1), &again.pixels[8 * 32 * 32 * 4..2 * 8 * 32 * 32 * 4]);
    let sheet = autolink::session::preview::png(&again).expect("a sheet");
    assert!(sheet.starts_with(b"\x89PNG"));
}

#[test]
fn detect_returns_fractions_of_the_original_image() {
    let session = session(small());
    let at = |placement| SquareImage {
        name: String::new(),
        pixels: vec![90; 32 * 32 * 3],
        placement,
    };
    let whole = Placement {
        original_px: [64, 64],
        exif_orientation: 1,
        crop: None,
        offset: [0.0; 2],
        scale: [1.0; 2],
    };
    let cropped = Placement {
        original_px: [128, 64],
        exif_orientation: 1,
        crop: None,
        offset: [0.25, 0.0],
        scale: [0.5, 1.0],
    };
    let padded = Placement {
        original_px: [64, 128],
        exif_orientation: 1,
        crop: None,
        offset: [-0.5, 0.0],
        scale: [2.0, 1.0],
    };
    let mut images = Dataset::new(32);
    for placement in [whole, cropped, padded] {
        images.push(at(placement));
    }
    let found = block_on(session.detect(&images)).expect("detects");
    for k in 0..4 {
        let [x, y] = found[0].keypoints[k];
        let close = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-5;
        assert!(close(found[1].keypoints[k], [0.25 + 0.5 * x, y]));
        assert!(close(found[2].keypoints[k], [2.0 * x - 0.5, y]));
        assert!((0.0..=1.0).contains(&found[0].confidence[k]));
    }
}

#[test]
fn step_never_reports_a_loss_that_is_not_finite() {
    let mut session = session(Config {
        learning_rate: 0.1,
        edge_scale: 2000.0,
        width: 4,
        ..small()
    });
    // A learning rate at its bound may or may not break the run, but it never goes on without a number.
    for _ in 0..30 {
        match block_on(session.step()) {
            Ok(reports) => assert!(
                reports
                    .iter()
                    .all(|StepReport { loss, .. }| loss.is_finite())
            ),
            Err(error) => {
                assert!(matches!(error, Error::Training(_)));
                assert!(error.to_string().contains("learning rate"), "{error}");
                session.reset();
                losses(&mut session, 1);
                return;
            }
        }
    }
}

#[test]
fn begin_rejects_too_few_images() {
    let mut session = Session::new(Device::flex(), Backend::Cpu, small()).expect("opens");
    assert!(matches!(block_on(session.step()), Err(Error::Images(_))));
    assert!(matches!(block_on(session.views()), Err(Error::Images(_))));
    assert!(matches!(
        session.begin(small(), Dataset::new(32)),
        Err(Error::Images(_))
    ));
    let one = synthetic::puppets(1, 0, 32).dataset;
    let message = session
        .begin(small(), one)
        .expect_err("one is too few")
        .to_string();
    assert!(message.contains("only one image"), "{message}");
}

#[test]
fn perceptual_loss_requires_its_weights() {
    let config = Config {
        loss: LossKind::Perceptual,
        perceptual_blocks: 1,
        perceptual_size: 16,
        batch: 2,
        micro_batch: 2,
        ..small()
    };
    let mut session = session(config.clone());
    assert_eq!(session.needs_weights(), &WEIGHTS_FILES[..1]);
    assert!(matches!(block_on(session.step()), Err(Error::Weights(_))));
    session.add_weights(b"damaged".to_vec());
    assert!(matches!(block_on(session.step()), Err(Error::Weights(_))));
    session.clear_weights();
    session.add_weights(include_bytes!("../weights/vgg16_relu3_3.safetensors").to_vec());
    assert!(session.needs_weights().is_empty());
    assert_eq!(losses(&mut session, 1).len(), 1);
    session
        .configure(Config {
            perceptual_blocks: 4,
            ..config
        })
        .expect("configures");
    assert_eq!(session.needs_weights(), &WEIGHTS_FILES[1..]);
}

fn loaded(session: &Session, file: &[u8]) -> checkpoint::Loaded {
    checkpoint::load(file, &session.training_device()).expect("loads")
}

/// Resumes `tests/data/seeds_in_turn.safetensors`: six steps of a run of an old version, whose random streams had consecutive seeds.
#[test]
fn old_runs_resume_with_their_old_seeding() {
    let file = include_bytes!("data/seeds_in_turn.safetensors");
    let mut session = session(small());
    let old = loaded(&session, file);
    let images = synthetic::puppets(10, old.config.seed, old.config.size).dataset;
    session.resume(old, Some(images)).expect("resumes");
    // The losses of its next steps, from the version that saved it; the last three after saving it again with this version.
    let wanted = [0.190007, 0.141296, 0.193160, 0.244751, 0.199620, 0.151150];
    let mut found = losses(&mut session, 3);
    let file = block_on(session.save_run()).expect("saves");
    let again = loaded(&session, &file);
    session.resume(again, None).expect("resumes");
    found.extend(losses(&mut session, 3));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-4, "{found} instead of {wanted}");
    }
}

#[test]
fn resume_continues_bit_identically() {
    // Saved at step 40, in the middle of its start.
    let config = Config {
        flip: true,
        start_steps: 60,
        start_boost: 3.0,
        ..small()
    };
    let mut whole = session(config.clone());
    let expected = losses(&mut whole, 80);

    let mut first = session(config.clone());
    assert!(block_on(first.save_run()).is_err(), "nothing to save yet");
    let mut found = losses(&mut first, 40);
    let file = block_on(first.save_run()).expect("saves");
    let mut second = session(Config {
        seed: 9,
        ..config.clone()
    });
    losses(&mut second, 3);
    second
        .resume(loaded(&second, &file), None)
        .expect("resumes");
    assert_eq!((second.steps_taken(), second.config()), (40, &config));
    assert_eq!(second.losses(), found);
    found.extend(losses(&mut second, 40));
    assert_eq!(found, expected, "bit for bit");
    assert_eq!(second.losses(), expected);
    let [a, b] = [&mut whole, &mut second].map(|s| {
        let mut file = block_on(s.save(Precision::Float32)).expect("saves a model");
        // They are two runs, so their ids differ.
        let id = s.run_id().as_bytes();
        let at = file.windows(id.len()).position(|bytes| bytes == id);
        file[at.expect("its id")..][..id.len()].fill(b'0');
        file
    });
    assert!(a == b, "the same model, byte for byte");
    assert_eq!(second.run_id(), first.run_id(), "the run keeps its id");
    assert_ne!(second.run_id(), whole.run_id());

    // A loaded run stays the same run until its first step, also with other images.
    let mut opened = session(config.clone());
    opened
        .resume(loaded(&opened, &file), None)
        .expect("resumes");
    let again = block_on(opened.save_run()).expect("saves");
    assert!(again == file, "byte for byte");
    let others = synthetic::puppets(7, 2, config.size).dataset;
    opened.begin(config.clone(), others).expect("begins");
    assert_eq!(opened.steps_taken(), 40);
    losses(&mut opened, 1);
    let others = synthetic::puppets(7, 2, config.size).dataset;
    opened.begin(config.clone(), others).expect("begins");
    assert_eq!(opened.steps_taken(), 0, "a new run");

    // A model without a run continues with a fresh optimiser.
    let mut warm = session(config.clone());
    warm.resume(loaded(&warm, &a), None).expect("resumes");
    assert_eq!(warm.steps_taken(), 80);
    let next = losses(&mut warm, 1)[0];
    assert!(next < 2.0 * expected[79], "{next} after {}", expected[79]);

    // A loaded run keeps its steps when a live setting changes; any other setting starts over.
    let mut changed = session(config.clone());
    changed
        .resume(loaded(&changed, &file), None)
        .expect("resumes");
    changed
        .configure(Config {
            learning_rate: 1e-4,
            ..config.clone()
        })
        .expect("configures");
    assert_eq!(changed.steps_taken(), 40);
    changed
        .configure(Config {
            keypoints: 5,
            ..config
        })
        .expect("configures");
    assert_eq!(changed.steps_taken(), 0);
}

#[test]
fn run_file_keeps_the_snapshots() {
    let mut first = session(small());
    for step in 0..12 {
        let views = block_on(first.views()).expect("views");
        assert_eq!(views.step, step);
        losses(&mut first, 1);
    }
    let steps = |session: &Session| -> Vec<usize> {
        session.snapshots().all().iter().map(|s| s.step).collect()
    };
    assert_eq!(steps(&first), [0, 1, 2, 3, 4, 5, 6, 8, 10]);
    let [start, .., end] = first.snapshots().all() else {
        panic!("more than one")
    };
    assert_eq!(start.reconstruction.len(), 8 * 32 * 32 * 3);
    assert_ne!(start.reconstruction, end.reconstruction);
    let file = block_on(first.save_run()).expect("saves");
    let mut second = session(small());
    second
        .resume(loaded(&second, &file), None)
        .expect("resumes");
    assert_eq!(second.snapshots(), first.snapshots());
    second.reset();
    assert!(second.snapshots().all().is_empty());

    let at = (file.windows(24))
        .position(|window| window == br#""snapshots/10/edge_weigh"#)
        .expect("is in the file");
    let mut broken = file.clone();
    broken[at + 11..at + 13].copy_from_slice(b"11");
    let message = checkpoint::load(&broken, &second.training_device())
        .err()
        .expect("broken")
        .to_string();
    assert!(message.contains("snapshots do not match"), "{message}");
}

#[test]
fn wrong_files_leave_the_session_unchanged() {
    let mut session = session(small());
    losses(&mut session, 2);
    let file = block_on(session.save_run()).expect("saves");
    let before = block_on(session.save(Precision::Float32)).expect("saves");
    let with = |old: &str, new: &str| {
        assert_eq!(old.len(), new.len());
        let at = file
            .windows(old.len())
            .position(|window| window == old.as_bytes())
            .expect("is in the file");
        let mut changed = file.clone();
        changed[at..at + old.len()].copy_from_slice(new.as_bytes());
        changed
    };
    let mut not_finite = file.clone();
    let end = not_finite.len();
    not_finite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let cases: [(Vec<u8>, &str); 7] = [
        (Vec::new(), "safetensors"),
        (b"\x89PNG\r\n\x1a\n and so on".to_vec(), "safetensors"),
        (file[..file.len() / 2].to_vec(), "incomplete"),
        (
            with("\\\"format\\\":1", "\\\"format\\\":9"),
            "its format is 9",
        ),
        (
            with("\\\"keypoints\\\":4", "\\\"keypoints\\\":5"),
            "another shape",
        ),
        (
            with("\\\"keypoints\\\":4", "\\\"keypoints\\\":1"),
            "must be from 2",
        ),
        (not_finite, "not finite numbers"),
    ];
    for (bytes, expected) in cases {
        let message = checkpoint::load(&bytes, &session.training_device())
            .err()
            .expect(expected)
            .to_string();
        assert!(message.contains(expected), "{message}");
        assert_eq!(session.steps_taken(), 2);
    }
    let large = Config {
        size: 48,
        ..small()
    };
    let mut other = Session::new(Device::flex(), Backend::Cpu, large.clone()).expect("opens");
    other
        .begin(large.clone(), synthetic::puppets(4, 1, 48).dataset)
        .expect("begins");
    losses(&mut other, 1);
    let other = block_on(other.save(Precision::Float32)).expect("saves");
    let message = session
        .resume(loaded(&session, &other), None)
        .expect_err("size")
        .to_string();
    assert!(message.contains("Load the images again"), "{message}");
    let after = block_on(session.save(Precision::Float32)).expect("saves");
    assert_eq!(before, after, "nothing was lost");
}

/// Returns a run's file with every value of one tensor replaced.
fn patched(file: &[u8], name: &str, value: f32) -> Vec<u8> {
    let mut file = file.to_vec();
    let (header, metadata) = SafeTensors::read_metadata(&file).expect("a header");
    let (start, end) = metadata.info(name).expect("is there").data_offsets;
    for at in (start..end).step_by(4) {
        let at = 8 + header + at;
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    file
}

/// Reads the values of a tensor in a file.
fn tensor(file: &[u8], name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(file).expect("opens");
    let bytes = file.tensor(name).expect("is there").data();
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    bytes.chunks_exact(4).map(number).collect()
}

#[test]
fn diverged_run_goes_back_to_its_last_finite_state() {
    let mut first = session(small());
    let before = losses(&mut first, 3);
    let file = block_on(first.save_run()).expect("saves");
    let model = block_on(first.save(Precision::Float32)).expect("saves");
    // The next step makes a parameter infinite, and only the one after that the loss.
    let doomed = patched(&file, "adamw.first/decoder.conv.weight", f32::MAX);
    let doomed = patched(&doomed, "adamw.second/decoder.conv.weight", 0.0);
    let opened = || {
        let mut session = session(small());
        (session.resume(loaded(&session, &doomed), None)).expect("resumes");
        session
    };

    let mut session = opened();
    assert_eq!(losses(&mut session, 1).len(), 1, "the loss is still finite");
    block_on(session.views()).expect("views");
    for _ in 0..2 {
        let error = block_on(session.step()).expect_err("not finite");
        assert!(matches!(error, Error::Training(_)));
        assert!(error.to_string().contains("back at step 3"), "{error}");
        assert_eq!((session.steps_taken(), session.losses()), (3, &before[..]));
        losses(&mut session, 1); // diverges again
    }
    let error = block_on(session.save(Precision::Float32)).expect_err("not finite");
    assert!(error.to_string().contains("decoder.conv."), "{error}");
    let saved = block_on(session.save(Precision::Float32)).expect("saves");
    assert!(saved == model, "the state of step 3");

    // Every way of saving checks first. After the rollback there is a finite state to save.
    for kind in [
        FileKind::Model,
        FileKind::SmallModel,
        FileKind::Run,
        FileKind::Onnx,
    ] {
        let mut session = opened();
        losses(&mut session, 1);
        let refused = block_on(session.file(kind));
        assert!(matches!(refused, Err(Error::Training(_))), "{kind:?}");
        let bytes = block_on(session.file(kind)).expect("saves");
        if kind == FileKind::Run {
            let again = loaded(&session, &bytes);
            assert_eq!((again.step, &again.losses), (3, &before));
            assert!(again.snapshots.all().is_empty());
        }
    }

    // A live setting also applies to the state that the run goes back to.
    let mut session = opened();
    losses(&mut session, 1);
    let gentle = Config {
        learning_rate: 1e-5,
        ..small()
    };
    session.configure(gentle.clone()).expect("configures");
    block_on(session.step()).expect_err("not finite");
    assert_eq!((session.steps_taken(), session.config()), (3, &gentle));
    let file = block_on(session.save_run()).expect("saves");
    assert_eq!(loaded(&session, &file).config, gentle);
}

#[test]
fn run_is_checked_every_few_steps() {
    let mut session = session(small());
    losses(&mut session, 29);
    let file = block_on(session.save_run()).expect("saves");
    let doomed = patched(&file, "adamw.first/decoder.conv.weight", f32::MAX);
    let doomed = patched(&doomed, "adamw.second/decoder.conv.weight", 0.0);
    (session.resume(loaded(&session, &file), None)).expect("resumes");
    losses(&mut session, 30); // checked in between
    let later = block_on(session.save_run()).expect("saves");
    assert_eq!(loaded(&session, &later).step, 59);
    (session.resume(loaded(&session, &doomed), None)).expect("resumes");
    losses(&mut session, 1);
    block_on(session.step()).expect_err("not finite");
    assert_eq!(
        session.steps_taken(),
        29,
        "of this run, not of the one before"
    );
}

#[test]
fn edge_moments_follow_the_edge_scale() {
    let mut session = session(small());
    losses(&mut session, 3);
    let [from, to] = [small().edge_scale, 4.0 * small().edge_scale];
    let moments = |session: &mut Session| {
        let file = block_on(session.save_run()).expect("saves");
        ["adamw.first/", "adamw.second/", ""]
            .map(|kind| tensor(&file, &format!("{kind}decoder.skeleton_scalar")))
    };
    let next = Config {
        edge_scale: to,
        ..small()
    };
    let [first, second, raw] = moments(&mut session);
    assert!(first.iter().any(|m| *m != 0.0));
    let file = block_on(session.save_run()).expect("saves");
    session.configure(next.clone()).expect("configures");
    let unit = (to / from) as f32;
    let times = |values: &[f32], factor: f32| -> Vec<f32> {
        values.iter().map(|value| value * factor).collect()
    };
    let wanted = [
        times(&first, unit),
        times(&second, unit * unit),
        times(&raw, 1.0 / unit),
    ];
    assert_eq!(moments(&mut session), wanted);
    // The same for a loaded run before its first step.
    (session.configure(small())).expect("configures");
    (session.resume(loaded(&session, &file), None)).expect("resumes");
    session.configure(next).expect("configures");
    assert_eq!(moments(&mut session), wanted);
}

#[test]
fn score_splits_images_as_the_command_line_does() {
    let session = session(small());
    let joints = synthetic::puppets(20, 1, 32).joints;
    let score = block_on(session.score(&joints)).expect("scores");
    assert_eq!((score.n_fit, score.n_test), (15, 5));
    assert_eq!(eval::fit_count(20, None).expect("enough"), 15);
}
