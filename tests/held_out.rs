//! What is held out of training: which images, and their loss.

use std::collections::HashSet;

use autolink::checkpoint;
use autolink::data::{Dataset, Split, split, synthetic};
use autolink::session::{Backend, Session};
use autolink::{Config, LossKind, Preset};
use burn::tensor::Device;
use pollster::block_on;

const IMAGES: usize = 60;

fn config() -> Config {
    Config {
        keypoints: 4,
        size: 32,
        width: 4,
        batch: 4,
        micro_batch: 4,
        seed: 3,
        loss: LossKind::Pixel,
        held_out: 0.1,
        ..Config::preset(Preset::Tiny)
    }
}

fn puppets(count: usize) -> Dataset {
    synthetic::puppets(count, 1, 32).dataset
}

fn session(config: Config, images: Dataset) -> Session {
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

fn held_out_loss(session: &mut Session) -> (usize, f32) {
    for _ in 0..100 {
        if let Some(found) = block_on(session.evaluate_slice()).expect("evaluates") {
            return found;
        }
    }
    panic!("the held-out loss is never known");
}

/// Places of the held-out images among all that were read.
fn places(images: &Dataset, split: &Split) -> HashSet<usize> {
    split.held_out.iter().map(|&i| images.place(i)).collect()
}

#[test]
fn split_holds_out_a_tenth_at_least_eight_and_none_of_few() {
    let counts = |images: usize, share: f64| {
        let split = split(&puppets(images), share, 0);
        let both: HashSet<usize> = split
            .training
            .iter()
            .chain(&split.held_out)
            .copied()
            .collect();
        assert_eq!(both, (0..images).collect());
        assert_eq!(split.training.len() + split.held_out.len(), images);
        split.held_out.len()
    };
    assert_eq!(counts(39, 0.1), 0);
    assert_eq!(counts(40, 0.1), 8);
    assert_eq!(counts(200, 0.1), 20);
    assert_eq!(counts(200, 0.5), 100);
    assert_eq!(counts(200, 0.0), 0);
}

#[test]
fn split_depends_on_the_seed_and_hardly_on_other_images() {
    let images = puppets(200);
    let of = |images: &Dataset| places(images, &split(images, 0.1, 7));
    let before = of(&images);
    assert_eq!(before, of(&images));
    assert_ne!(before, places(&images, &split(&images, 0.1, 8)));

    let mut fewer = images.clone();
    fewer.set_removed(&(0..50).collect::<Vec<_>>());
    let after = of(&fewer);
    assert!(after.iter().all(|place| *place >= 50));
    assert!(after.is_subset(&before), "{after:?} of {before:?}");

    let mut more = images.clone();
    more.append(puppets(40));
    assert!(of(&more).intersection(&before).count() >= 15);
}

/// Held-out images are replaced by others: had a batch held one of them, the losses would differ.
#[test]
fn held_out_images_are_never_in_a_batch() {
    let images = puppets(IMAGES);
    let held_out = split(&images, 0.1, config().seed).held_out;
    assert_eq!(held_out.len(), 8);
    let with_others_replaced = |replaced: &dyn Fn(usize) -> bool| {
        let mut changed = Dataset::new(32);
        for i in 0..IMAGES {
            let (image, _) = synthetic::puppet(i, if replaced(i) { 99 } else { 1 }, 32);
            changed.push(image);
        }
        losses(&mut session(config(), changed), 40) // 160 images: each of the 52 three times
    };
    let expected = losses(&mut session(config(), images), 40);
    assert_eq!(expected, with_others_replaced(&|i| held_out.contains(&i)));
    let trained = (0..IMAGES).find(|i| !held_out.contains(i)).expect("one");
    assert_ne!(expected, with_others_replaced(&|i| i == trained));
}

#[test]
fn resumed_runs_hold_out_the_same_images_and_go_on_exactly() {
    let mut whole = session(config(), puppets(IMAGES));
    let expected = losses(&mut whole, 30);
    let mut first = session(config(), puppets(IMAGES));
    losses(&mut first, 17);
    let file = block_on(first.save_run()).expect("saves");
    let mut second = session(
        Config {
            held_out: 0.0,
            ..config()
        },
        puppets(IMAGES),
    );
    let device = second.training_device();
    let loaded = checkpoint::load(&file, &device).expect("loads");
    second.resume(loaded, None).expect("resumes");
    assert_eq!(second.split(), whole.split());
    assert_eq!(losses(&mut second, 13), expected[17..]);
    assert_eq!(held_out_loss(&mut second), held_out_loss(&mut whole));
}

#[test]
fn held_out_loss_falls_and_does_not_change_training() {
    let mut watched = session(config(), puppets(IMAGES));
    let expected = losses(&mut session(config(), puppets(IMAGES)), 150);
    assert_eq!(block_on(watched.evaluate_slice()).expect("no run"), None);
    let mut found = losses(&mut watched, 1);
    let (step, first) = held_out_loss(&mut watched);
    assert_eq!(step, 1);
    assert_eq!(held_out_loss(&mut watched), (step, first), "the same masks");
    found.extend(losses(&mut watched, 149));
    assert_eq!(found, expected);
    let (step, last) = held_out_loss(&mut watched);
    assert_eq!(step, 150);
    assert!(first.is_finite() && last.is_finite());
    assert!(last < 0.8 * first, "{last} after {first}");
}

#[test]
fn held_out_loss_belongs_to_the_step_at_which_it_began() {
    let images = puppets(200); // 20 held out, in three slices
    let mut session = session(config(), images);
    losses(&mut session, 2);
    let (_, expected) = held_out_loss(&mut session);
    for _ in 0..2 {
        let slice = block_on(session.evaluate_slice()).expect("evaluates");
        assert_eq!(slice, None);
        losses(&mut session, 1);
    }
    let found = block_on(session.evaluate_slice()).expect("evaluates");
    assert_eq!(found, Some((2, expected)));
}

#[test]
fn removed_and_added_images_are_split_anew() {
    let mut session = session(config(), puppets(IMAGES));
    losses(&mut session, 3);
    session
        .remove_images(&(0..30).collect::<Vec<_>>())
        .expect("removes");
    assert!(session.split().held_out.is_empty(), "of 30 images");
    losses(&mut session, 2);
    assert_eq!(block_on(session.evaluate_slice()).expect("evaluates"), None);
    session.add(puppets(60)).expect("adds");
    let split = session.split();
    assert_eq!((split.held_out.len(), split.training.len()), (9, 81));
    losses(&mut session, 2);
    assert!(held_out_loss(&mut session).1.is_finite());
}

#[test]
fn score_is_measured_on_held_out_images() {
    let puppets = synthetic::puppets(100, 1, 32);
    let mut session = session(config(), puppets.dataset);
    losses(&mut session, 1);
    let score = block_on(session.score(&puppets.joints)).expect("scores");
    assert_eq!((score.n_fit, score.n_test), (90, 10));
    let mut rows: Vec<usize> = score.errors.iter().map(|(row, _)| *row).collect();
    rows.sort_unstable();
    assert_eq!(rows, session.split().held_out);
}

#[test]
fn older_files_hold_nothing_out() {
    let mut older = serde_json::to_value(config()).expect("a value");
    older.as_object_mut().expect("an object").remove("held_out");
    let read: Config = serde_json::from_value(older).expect("reads");
    assert_eq!(
        read,
        Config {
            held_out: 0.0,
            ..config()
        }
    );
}
