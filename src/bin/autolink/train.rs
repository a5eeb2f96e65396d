//! `autolink train`.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use autolink::annotate::Imported;
use autolink::checkpoint::Precision;
use autolink::data::{Dataset, synthetic};
use autolink::eval::{Landmarks, Score};
use autolink::loss::WEIGHTS_FILES;
use autolink::session::{Event, Session, preview};
use autolink::{Config, Preset};
use indicatif::ProgressBar;
use pollster::block_on;
use serde_json::json;

use crate::args::Train;
use crate::exam::Exam;
use crate::files::{Gathered, read_landmarks};
use crate::models::{load, open};
use crate::output::Voice;
use crate::save::{check_folder_of, create, write};

/// [`WEIGHTS_FILES`], in order.
const WEIGHTS: [&[u8]; 2] = [
    include_bytes!("../../../weights/vgg16_relu3_3.safetensors"),
    include_bytes!("../../../weights/vgg16_relu4_3.safetensors"),
];

/// Between two saves of a run that is under way.
const RUN_EVERY: Duration = Duration::from_secs(120);

/// Set by Ctrl-C: stop after this step.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn train(options: &Train, voice: &Voice) -> anyhow::Result<()> {
    autolink::ops::use_burn_on_gpu(options.ops == "burn");
    let device = open(options.backend)?;
    let training_device = device.clone().autodiff();
    let resumed = (options.resume.as_deref())
        .map(|path| load(path, &training_device))
        .transpose()?;
    let before = resumed.as_ref().map_or_else(
        || Config::preset(options.preset),
        |loaded| loaded.config.clone(),
    );
    let config = options.settings.over(before.clone());
    config.validate()?;
    if resumed.is_some() && !before.is_live_change(&config) {
        bail!(
            "A run goes on under its own settings; of those given, only the learning rate, the mask, thickness and edge scale may change."
        );
    }
    check_folder_of(&options.out)?;
    if let Some(run) = &options.run {
        check_folder_of(run)?;
    }
    let steps = options.steps.map_or(
        match options.preset {
            Preset::Tiny => 1000,
            Preset::Small => 1500,
            Preset::Paper => 20_001,
        },
        |steps| steps as usize,
    );
    let landmarks = options
        .eval_landmarks
        .as_deref()
        .map(read_landmarks)
        .transpose()?;
    let mut log = options.log.as_deref().map(create).transpose()?;
    if let Some(folder) = &options.preview {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made a folder", folder.display()))?;
    }

    let (pictures, joints, about) = training_pictures(&options.pictures, &config, voice)?;
    let exam = (landmarks.or(joints.map(Imported::from)))
        .map(|landmarks| Exam::new(&landmarks, &pictures, options.eval_fit))
        .transpose()?;
    voice.say(&ProgressBar::hidden(), &about);
    let mut session = Session::new(device, options.backend, config.clone())?;
    session.begin(config.clone(), pictures)?;
    if let Some(loaded) = resumed {
        session.resume(loaded, None)?;
        session.configure(config)?;
    }
    for _ in session.needs_weights() {
        give_weights(&mut session);
    }
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("Ctrl-C cannot be caught")?;

    let bar = voice.bar(
        steps,
        "{bar:32} {pos}/{len} steps, {elapsed} gone, {eta} to go, {msg}",
    );
    let preview = |session: &mut Session, step: usize| -> anyhow::Result<()> {
        let Some(folder) = &options.preview else {
            return Ok(());
        };
        session.pause();
        let sheet = preview::png(&block_on(session.views())?)?;
        write(&folder.join(format!("step_{step:06}.png")), &sheet)
    };
    preview(&mut session, 0)?;
    let mut saved_at = Instant::now();
    while session.steps_taken() < steps && !STOP.load(Ordering::Relaxed) {
        let mut reports = block_on(session.step())?;
        let step = session.steps_taken();
        let last = step == steps;
        let due = |every: u32| last || step.is_multiple_of(every as usize);
        if last || due(options.eval_every) || due(options.preview_every) {
            reports.extend(block_on(session.settle())?);
        }
        bar.set_position(step as u64);
        let score = match &exam {
            Some(exam) if due(options.eval_every) => {
                session.pause();
                let score = exam.score(&block_on(session.detect(&exam.pictures))?)?;
                let Score {
                    error, baseline, ..
                } = score;
                voice.say(
                    &bar,
                    &format!("step {step}: error {error:.4}, baseline {baseline:.4}"),
                );
                Some(score)
            }
            _ => None,
        };
        for report in reports {
            bar.set_message(format!("loss {:.4}", report.loss));
            let mut line = json!({"type": "step", "step": report.step, "loss": report.loss, "seconds": report.elapsed_seconds});
            if let (true, Some(score)) = (report.step == step, &score) {
                line["error"] = score.error.into();
                line["baseline"] = score.baseline.into();
            }
            if voice.json {
                voice.line(&line);
            }
            if let Some(log) = &mut log {
                writeln!(log, "{line}").context("The log cannot be written")?;
            }
        }
        if due(options.preview_every) {
            preview(&mut session, step)?;
        }
        if let Some(run) = &options.run
            && saved_at.elapsed() >= RUN_EVERY
        {
            session.pause();
            write(run, &block_on(session.save_run())?)?;
            saved_at = Instant::now();
        }
    }
    bar.finish_and_clear();
    let step = session.steps_taken();
    block_on(session.settle())?;
    write(&options.out, &block_on(session.save(Precision::Float32))?)?;
    if let Some(run) = &options.run {
        write(run, &block_on(session.save_run())?)?;
    }
    let stopped = if step < steps {
        "Stopped, and saved"
    } else {
        "Saved"
    };
    voice.say(
        &bar,
        &format!("{stopped} {} after {step} steps.", options.out.display()),
    );
    if voice.json {
        voice
            .line(&json!({"type": "saved", "model": options.out.to_string_lossy(), "steps": step}));
    }
    Ok(())
}

/// The next of the weights that the session needs, out of this program.
fn give_weights(session: &mut Session) {
    let next = session.needs_weights().first();
    if let Some(i) = WEIGHTS_FILES.iter().position(|file| Some(file) == next) {
        session.give_weights(WEIGHTS[i].to_vec());
    }
}

/// The pictures to learn from, and a sentence about them.
fn training_pictures(
    from: &str,
    config: &Config,
    voice: &Voice,
) -> anyhow::Result<(Dataset, Option<Landmarks>, String)> {
    if let Some(count) = from.strip_prefix("synthetic:") {
        let count = count
            .parse()
            .with_context(|| format!("{from} should be synthetic: and a number"))?;
        let puppets = synthetic::puppets(count, config.seed, config.size);
        let (pictures, landmarks) = (puppets.dataset, joints(&puppets.joints));
        voice.event(&Event::Loaded {
            is_new: true,
            pictures: count,
            read: count,
            about: "Drawn puppets.".into(),
            rejected: Vec::new(),
        });
        return Ok((pictures, Some(landmarks), format!("{count} drawn puppets.")));
    }
    let gathered = Gathered::new(&[from.into()])?;
    let mut pictures = Dataset::new(config.size);
    let rejected = gathered.read_all(config, voice, |picture| {
        pictures.push(picture);
        Ok(())
    })?;
    voice.rejected(&rejected);
    let about = format!("{} pictures from {from}.", pictures.len());
    voice.event(&Event::Loaded {
        is_new: true,
        pictures: pictures.len(),
        read: pictures.len(),
        about: about.clone(),
        rejected,
    });
    pictures.check()?;
    Ok((pictures, None, about))
}

/// The puppets' true joints as landmarks.
fn joints(joints: &[Vec<[f32; 2]>]) -> Landmarks {
    let row = |(i, joints): (usize, &Vec<[f32; 2]>)| {
        let points = joints.iter().map(|point| Some(point.map(f64::from)));
        (format!("puppet-{i}.png"), points.collect())
    };
    Landmarks {
        names: synthetic::JOINT_NAMES.map(str::to_string).to_vec(),
        rows: joints.iter().enumerate().map(row).collect(),
    }
}
