//! `autolink train`: checks whatever can be checked before the first step, and saves however training ends.

mod run;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use autolink::annotate::Imported;
use autolink::checkpoint::{self, Loaded};
use autolink::data::{Dataset, synthetic};
use autolink::eval::Landmarks;
use autolink::loss::WEIGHTS_FILES;
use autolink::session::{Event, Session};
use autolink::words::counted;
use autolink::{Config, Preset};
use burn::tensor::Device;
use indicatif::ProgressBar;
use pollster::block_on;

use crate::args::{FrameChoice, Kernels, Train};
use crate::files::{Gathered, Purpose, read_landmarks};
use crate::labelled::LabelledSet;
use crate::log;
use crate::models::{load, open};
use crate::output::Reporter;
use crate::save::{Outputs, is_same};
use crate::signals::Signals;

use run::{Run, last_preview, stamp};

/// The contents of [`WEIGHTS_FILES`], in order.
const WEIGHTS: [&[u8]; 2] = [
    include_bytes!("../../weights/vgg16_relu3_3.safetensors"),
    include_bytes!("../../weights/vgg16_relu4_3.safetensors"),
];

/// Number of frames of videos that are used by default, as the page proposes it.
const USUAL_FRAMES: usize = 200;

pub fn train(options: &Train, reporter: &Reporter) -> anyhow::Result<ExitCode> {
    let landmarks = (options.eval_landmarks.as_deref())
        .map(read_landmarks)
        .transpose()?;
    let device = open(options.compute.backend)?;
    autolink::device::use_references(&device, options.ops == Kernels::Burn);
    let resumed = (options.resume.as_deref())
        .map(|path| load(path, &device.clone().autodiff()))
        .transpose()?;
    let before = resumed.as_ref().map_or_else(
        || Config::preset(options.preset),
        |loaded| loaded.config.clone(),
    );
    let mut config = options.settings.over(before.clone());
    config.locate |= options.locate;
    config.crop_margin = options.margin.unwrap_or(config.crop_margin);
    config.validate()?;
    if let Some(loaded) = &resumed
        && options
            .steps
            .is_some_and(|steps| (steps as usize) < loaded.step)
    {
        bail!(
            "This run has taken {} already, more than --steps says. `--steps` counts from its first step: give a higher number.",
            counted(loaded.step, "step")
        );
    }
    if resumed.is_some() && !before.is_live_change(&config) {
        bail!(
            "A run keeps its settings: with --resume, only --lr, --mask-ratio, --mask-grid, --thickness and --edge-scale can be changed."
        );
    }
    let steps = options.steps.map_or(
        match options.preset {
            // Crops that turn with the body have little left to learn; see `docs/animals.md`.
            Preset::Quick if config.locate => 500,
            Preset::Quick | Preset::Tiny => 1000,
            Preset::Small => 1500,
            Preset::Paper => 20_001,
        },
        |steps| steps as usize,
    );
    let choice = frames(options);
    // Those that differ are chosen after the animal was found.
    let listed = match config.locate {
        true => FrameChoice {
            frames: None,
            ..choice
        },
        false => choice,
    };
    let gathered = match options.images.starts_with("synthetic:") {
        true if config.locate => bail!(
            "Drawn puppets fill their images, so that there is nothing to find. Leave --locate out."
        ),
        true => None,
        false => Some(Gathered::new(&[(&options.images).into()], listed)?),
    };
    let known = ([Some(&options.out), options.run.as_ref()]
        .into_iter()
        .flatten())
    .map(|path| (path.clone(), stamp(path)))
    .collect();
    check_outputs(options, gathered.as_ref(), resumed.as_ref())?;

    let (images, joints, about) =
        training_images(&options.images, gathered, choice.frames, &config, reporter)?;
    let labelled = (landmarks.or(joints.map(Imported::from)))
        .map(|landmarks| LabelledSet::new(&landmarks, &images, options.eval_fit))
        .transpose()?;
    reporter.print(&ProgressBar::hidden(), &about);
    let mut session = Session::new(device, options.compute.backend, config.clone())?;
    session.begin(config.clone(), images)?;
    if let Some(loaded) = resumed {
        session.resume(loaded, None)?;
        session.configure(config)?;
    }
    for _ in session.needs_weights() {
        give_weights(&mut session);
    }
    let mut run = Run::new(options, reporter, session, labelled, steps, known);
    run.prepare()?;
    let signals = Signals::catch()?;
    let ended = run.train(&signals);
    run.finish(ended)
}

/// Returns which frames of videos to train on: more of one video hardly differ.
fn frames(options: &Train) -> FrameChoice {
    match options.frames {
        FrameChoice {
            every: None,
            frames: None,
        } => FrameChoice {
            every: None,
            frames: Some(USUAL_FRAMES),
        },
        chosen => chosen,
    }
}

/// Checks that all outputs can be written, and that none replaces a file that should stay.
fn check_outputs(
    options: &Train,
    gathered: Option<&Gathered>,
    resumed: Option<&Loaded>,
) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(options.force);
    if let Some(gathered) = gathered {
        outputs = outputs.input(&options.images).sources(gathered.sources());
    }
    if let Some(table) = &options.eval_landmarks {
        outputs = outputs.input(table);
    }
    let files = [(Some(&options.out), false), (options.run.as_ref(), true)];
    for (path, for_run) in files {
        let Some(path) = path else { continue };
        match (&options.resume, resumed) {
            (Some(from), Some(loaded)) if is_continued(path, for_run, from, loaded) => {
                outputs.replace(path)?;
            }
            _ => outputs.file(path)?,
        }
        if path
            .extension()
            .is_none_or(|extension| extension != "safetensors")
        {
            bail!(
                "{} will hold safetensors: give it a name that ends in .safetensors. `autolink convert` makes an ONNX file of a model.",
                path.display()
            );
        }
    }
    if let Some(from) = &options.resume {
        outputs = outputs.input(from);
    }
    match &options.log {
        Some(log) if options.resume.is_some() => {
            log::check(log)?;
            outputs.replace(log)?;
        }
        Some(log) => outputs.file(log)?,
        None => {}
    }
    if let Some(folder) = &options.preview {
        outputs.folder(folder)?;
        // A resumed run may add to its own previews.
        let start = resumed.map(|loaded| loaded.step);
        if !options.force && last_preview(folder)?.is_some_and(|last| Some(last) > start) {
            bail!(
                "{} holds previews of another run. Choose another folder, or replace them with --force.",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Checks that the resumed run holds everything that a file holds, so that the run may replace the file.
fn is_continued(path: &Path, for_run: bool, from: &Path, resumed: &Loaded) -> bool {
    let Some(there) = fs::read(path)
        .ok()
        .and_then(|bytes| checkpoint::load(&bytes, &Device::flex()).ok())
    else {
        return false;
    };
    if there.is_run() && !(for_run && resumed.is_run()) {
        return false; // the file holds a run, of which the output would only keep the model
    }
    let state = |loaded: &Loaded| block_on(checkpoint::state(&loaded.model)).ok();
    is_same(path, from) || (there.step == resumed.step && state(&there) == state(resumed))
}

/// Gives the session the next weights that it needs; they are part of this program.
fn give_weights(session: &mut Session) {
    let next = session.needs_weights().first();
    if let Some(i) = WEIGHTS_FILES.iter().position(|file| Some(file) == next) {
        session.add_weights(WEIGHTS[i].to_vec());
    }
}

/// Loads the training images, with the joints of puppets, and a sentence about them. Where the animal is located, at most `frames` frames
/// of videos are used, chosen to differ.
fn training_images(
    from: &str,
    gathered: Option<Gathered>,
    frames: Option<usize>,
    config: &Config,
    reporter: &Reporter,
) -> anyhow::Result<(Dataset, Option<Landmarks>, String)> {
    if let Some(count) = from.strip_prefix("synthetic:") {
        let count = count
            .parse()
            .with_context(|| format!("{from} must be `synthetic:` followed by a number"))?;
        Dataset::check_memory(count, config.size)?;
        let puppets = synthetic::puppets(count, config.seed, config.size);
        let (images, landmarks) = (puppets.dataset, joints(&puppets.joints));
        images.check()?;
        reporter.event(&Event::Loaded {
            is_new: true,
            images: count,
            read: count,
            about: "Drawn puppets.".into(),
            rejected: Vec::new(),
        });
        return Ok((
            images,
            Some(landmarks),
            format!("{}.", counted(count, "drawn puppet")),
        ));
    }
    let mut gathered = gathered.context("no files were gathered")?;
    let (images, rejected) = if config.locate {
        let all = 0..gathered.names.len();
        gathered.locate(all, config.crop_margin, Purpose::Training, reporter)?;
        gathered.read_located(frames, config, reporter)?
    } else {
        let mut images = Dataset::new(config.size);
        let rejected = gathered.read_all(config, reporter, |image| {
            Dataset::check_memory(images.read_len() + 1, config.size)?;
            images.push(image);
            Ok(())
        })?;
        (images, rejected)
    };
    reporter.rejected(&rejected);
    let about = format!("{} from {from}.", counted(images.len(), "image"));
    reporter.event(&Event::Loaded {
        is_new: true,
        images: images.len(),
        read: images.len(),
        about: about.clone(),
        rejected,
    });
    images.check()?;
    Ok((images, None, about))
}

/// Converts the true joints of puppets to landmarks.
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
