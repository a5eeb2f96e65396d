//! AutoLink on the command line: train a model, detect keypoints with it, measure it.

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    cli::main()
}

/// The browser has a page and `worker`.
#[cfg(target_family = "wasm")]
fn main() {}

#[cfg(not(target_family = "wasm"))]
mod cli {
    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::fs;
    use std::io::{IsTerminal, Read, Write};
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use anyhow::{Context, bail};
    use autolink::annotate::edit::Table;
    use autolink::annotate::formats::{self, Format};
    use autolink::annotate::{self, Annotations, Imported, Point, landmarks};
    use autolink::checkpoint::{self, Loaded, Precision, onnx, torch};
    use autolink::data::{Dataset, Picture, Placement, archive, decode, synthetic};
    use autolink::error::ErrorKind;
    use autolink::eval::{self, Landmarks, Score};
    use autolink::loss::WEIGHTS_FILES;
    use autolink::session::{self, Backend, Event, Keypoints, Rejected, Session, preview};
    use autolink::{Config, Fit, LossKind, Preset};
    use burn::tensor::Device;
    use clap::{Args, Parser, Subcommand};
    use indicatif::{ProgressBar, ProgressStyle};
    use pollster::block_on;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    /// [`WEIGHTS_FILES`], in order.
    const WEIGHTS: [&[u8]; 2] = [
        include_bytes!("../../weights/vgg16_relu3_3.safetensors"),
        include_bytes!("../../weights/vgg16_relu4_3.safetensors"),
    ];

    /// Pictures decoded at once when they are only looked at.
    const DETECT_CHUNK: usize = 256;

    /// Between two saves of a run that is under way.
    const RUN_EVERY: Duration = Duration::from_secs(120);

    /// Set by Ctrl-C: stop after this step.
    static STOP: AtomicBool = AtomicBool::new(false);

    /// Keypoints and a skeleton from unlabelled pictures (AutoLink, NeurIPS 2022).
    #[derive(Parser)]
    #[command(version)]
    struct Cli {
        /// Speak in JSON lines on standard output instead of sentences and progress bars.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Subcommand)]
    enum Command {
        /// Learn from pictures of one kind of object. Ctrl-C saves what was learned so far.
        Train(Box<Train>),
        /// Find keypoints in pictures.
        Detect(Detect),
        /// Measure how well keypoints predict landmarks.
        Eval(Eval),
        /// Find keypoints and write them as the file of an annotation tool.
        Annotate(Annotate),
        /// Predict named landmarks on all pictures from a few pictures that have them. Prints what leaving each one out
        /// showed, a line a landmark.
        Landmarks(FewShot),
        /// Turn a model into another kind of file: a model, a run or the authors' checkpoint into .safetensors or .onnx.
        Convert(Convert),
        /// Write a model's detector for other programs.
        Export(Export),
    }

    #[derive(Args)]
    struct Discover {
        /// Pictures, folders of pictures, zips.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The model (.safetensors), or the authors' checkpoint.
        #[arg(long)]
        model: PathBuf,
        /// What to write: coco, coco-cvat, coco-deeplabcut, deeplabcut, deeplabcut-predictions, sleap, yolo, cvat, label-studio, csv,
        /// json, edges or svg.
        #[arg(long, value_parser = named::<Format>)]
        format: Format,
        /// The folder to write into.
        #[arg(long)]
        out: PathBuf,
        /// What computes.
        #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
        backend: Backend,
    }

    #[derive(Args)]
    struct Annotate {
        #[command(flatten)]
        discover: Discover,
        /// A table of the true places of named keypoints: `file,<name>_x,<name>_y,...`, as fractions of the picture. Prints how
        /// far the keypoints of these names are from them, a line a keypoint.
        #[arg(long)]
        against: Option<PathBuf>,
    }

    #[derive(Args)]
    struct FewShot {
        #[command(flatten)]
        discover: Discover,
        /// A table of the landmarks of three pictures or more: `file,<name>_x,<name>_y,...`, as fractions of the picture.
        #[arg(long)]
        landmarks: PathBuf,
    }

    #[derive(Args)]
    struct Convert {
        /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
        from: PathBuf,
        /// Where to: .safetensors for a model without its run, .onnx for its detector.
        to: PathBuf,
        /// Keep numbers in half the space, to three digits.
        #[arg(long)]
        float16: bool,
    }

    #[derive(Args)]
    struct Export {
        /// A model or run (.safetensors), or the authors' checkpoint (.ckpt, .pt).
        #[arg(long)]
        model: PathBuf,
        /// Where to write the detector: ONNX, operator set 17.
        #[arg(long)]
        onnx: PathBuf,
    }

    #[derive(Args)]
    struct Train {
        /// A folder of pictures (searched through; zips too), one zip or picture, or `synthetic:N` for N drawn puppets.
        pictures: String,
        /// Where to save the model (.safetensors).
        #[arg(long)]
        out: PathBuf,
        /// The settings to start from: tiny, small or paper.
        #[arg(long, default_value = "tiny", value_parser = named::<Preset>)]
        preset: Preset,
        /// How many steps; by default 1000 (tiny), 1500 (small) or 20001 (paper).
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        steps: Option<u32>,
        #[command(flatten)]
        settings: Settings,
        /// Go on from this model or run; its settings hold, but for live ones given here. `--steps` counts from its first step.
        #[arg(long, conflicts_with = "preset", requires = "steps")]
        resume: Option<PathBuf>,
        /// Where to save the run every few minutes and at the end, to go on exactly there with `--resume` (.safetensors).
        #[arg(long)]
        run: Option<PathBuf>,
        /// What computes.
        #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
        backend: Backend,
        /// Whose kernels run on the GPU: ours or, to compare with, burn's.
        #[arg(long, default_value = "own", value_parser = ["own", "burn"])]
        ops: String,
        /// Write a JSON line per step: step, loss, seconds; and error and baseline where evaluated.
        #[arg(long)]
        log: Option<PathBuf>,
        /// A folder for pictures of what the model sees.
        #[arg(long)]
        preview: Option<PathBuf>,
        /// A preview every so many steps, and one at the end.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        preview_every: u32,
        /// Evaluate on the training pictures against these landmarks (puppets: against their joints, unasked).
        #[arg(long)]
        eval_landmarks: Option<PathBuf>,
        /// Evaluate every so many steps, and at the end.
        #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
        eval_every: u32,
        /// On how many pictures the regression is fitted; by default three quarters.
        #[arg(long)]
        eval_fit: Option<usize>,
    }

    /// What overrides the preset.
    #[derive(Args)]
    struct Settings {
        /// Number of keypoints.
        #[arg(long)]
        keypoints: Option<usize>,
        /// Side of the pictures that the model sees, px.
        #[arg(long)]
        size: Option<usize>,
        /// Channels of the first layer.
        #[arg(long)]
        width: Option<usize>,
        /// How pictures become square: stretch, crop or pad.
        #[arg(long, value_parser = named::<Fit>)]
        fit: Option<Fit>,
        /// Mirror each picture with probability one half.
        #[arg(long)]
        flip: bool,
        /// pixel or perceptual.
        #[arg(long, value_parser = named::<LossKind>)]
        loss: Option<LossKind>,
        /// How many VGG16 blocks the perceptual loss compares.
        #[arg(long)]
        perceptual_blocks: Option<usize>,
        /// Side at which the perceptual loss compares pictures, px.
        #[arg(long)]
        perceptual_size: Option<usize>,
        /// Pictures per step.
        #[arg(long)]
        batch: Option<usize>,
        /// Pictures in memory at once; a divisor of the batch.
        #[arg(long)]
        micro_batch: Option<usize>,
        /// Seed of everything random.
        #[arg(long)]
        seed: Option<u64>,
        /// Learning rate.
        #[arg(long)]
        lr: Option<f64>,
        /// AdamW's decoupled weight decay.
        #[arg(long)]
        weight_decay: Option<f64>,
        /// Share of mask cells that are hidden.
        #[arg(long)]
        mask_ratio: Option<f64>,
        /// Mask cells along a side.
        #[arg(long)]
        mask_grid: Option<usize>,
        /// Width of a drawn edge.
        #[arg(long)]
        thickness: Option<f64>,
        /// How much faster edge weights learn than the rest.
        #[arg(long)]
        edge_scale: Option<f64>,
        /// Weight of every edge before training.
        #[arg(long)]
        edge_start: Option<f64>,
    }

    impl Settings {
        fn over(&self, preset: Config) -> Config {
            let batch = self.batch.unwrap_or(preset.batch);
            let micro_batch = if preset.micro_batch == preset.batch {
                batch
            } else {
                preset.micro_batch.min(batch)
            };
            Config {
                keypoints: self.keypoints.unwrap_or(preset.keypoints),
                size: self.size.unwrap_or(preset.size),
                width: self.width.unwrap_or(preset.width),
                fit: self.fit.unwrap_or(preset.fit),
                flip: self.flip || preset.flip,
                loss: self.loss.unwrap_or(preset.loss),
                perceptual_blocks: self.perceptual_blocks.unwrap_or(preset.perceptual_blocks),
                perceptual_size: self.perceptual_size.unwrap_or(preset.perceptual_size),
                batch,
                micro_batch: self.micro_batch.unwrap_or(micro_batch),
                seed: self.seed.unwrap_or(preset.seed),
                learning_rate: self.lr.unwrap_or(preset.learning_rate),
                weight_decay: self.weight_decay.unwrap_or(preset.weight_decay),
                mask_ratio: self.mask_ratio.unwrap_or(preset.mask_ratio),
                mask_grid: self.mask_grid.unwrap_or(preset.mask_grid),
                thickness: self.thickness.unwrap_or(preset.thickness),
                edge_scale: self.edge_scale.unwrap_or(preset.edge_scale),
                edge_start: self.edge_start.unwrap_or(preset.edge_start),
            }
        }
    }

    #[derive(Args)]
    struct Detect {
        /// Pictures, folders and zips.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// A model that `train` saved.
        #[arg(long)]
        model: PathBuf,
        /// Where to write the keypoints (.json).
        #[arg(long)]
        out: PathBuf,
        /// What computes.
        #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
        backend: Backend,
    }

    #[derive(Args)]
    struct Eval {
        /// A model that `train` saved.
        #[arg(long)]
        model: PathBuf,
        /// The folder in which the table's files lie.
        #[arg(long)]
        images: PathBuf,
        /// A table: `file,<name>_x,<name>_y,...`, coordinates as fractions of the picture.
        #[arg(long)]
        landmarks: PathBuf,
        /// On how many pictures the regression is fitted; by default three quarters.
        #[arg(long)]
        fit: Option<usize>,
        /// Which pictures those are.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// What computes.
        #[arg(long, default_value = "cpu", value_parser = named::<Backend>)]
        backend: Backend,
    }

    /// A value by the name that the JSON files use.
    fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        serde_json::from_value(text.into()).map_err(|error| error.to_string())
    }

    pub fn main() -> ExitCode {
        let cli = Cli::parse();
        let voice = Voice { json: cli.json };
        let done = match &cli.command {
            Command::Train(options) => train(options, &voice),
            Command::Detect(options) => detect(options, &voice),
            Command::Eval(options) => evaluate(options, &voice),
            Command::Annotate(options) => annotate(options, &voice),
            Command::Landmarks(options) => landmarks(options, &voice),
            Command::Convert(options) => convert(options),
            Command::Export(options) => export(options),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let message = format!("{error:#}");
                if cli.json {
                    let kind = error
                        .downcast_ref()
                        .map_or(ErrorKind::File, autolink::Error::kind);
                    voice.event(&Event::Failed {
                        id: None,
                        kind,
                        message,
                    });
                } else {
                    eprintln!("{message}");
                }
                ExitCode::FAILURE
            }
        }
    }

    /// How the program speaks: JSON lines on standard output, or sentences and bars on standard error.
    struct Voice {
        json: bool,
    }

    impl Voice {
        fn line(&self, value: &serde_json::Value) {
            // A closed pipe is no reason to lose a training run.
            let _ = writeln!(std::io::stdout(), "{value}");
        }

        fn event(&self, event: &Event) {
            if let (true, Ok(value)) = (self.json, serde_json::to_value(event)) {
                self.line(&value);
            }
        }

        fn say(&self, bar: &ProgressBar, sentence: &str) {
            if !self.json {
                bar.suspend(|| eprintln!("{sentence}"));
            }
        }

        fn bar(&self, length: usize, template: &str) -> ProgressBar {
            if self.json || !std::io::stderr().is_terminal() {
                return ProgressBar::hidden();
            }
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(length as u64).with_style(style)
        }

        /// Files that could not be used.
        fn rejected(&self, rejected: &[Rejected]) {
            for Rejected { name, reason } in rejected {
                eprintln!("left out {name}: {reason}");
            }
        }
    }

    fn train(options: &Train, voice: &Voice) -> anyhow::Result<()> {
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
            voice.line(
                &json!({"type": "saved", "model": options.out.to_string_lossy(), "steps": step}),
            );
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
        let files = files_under(Path::new(from))?;
        let mut pictures = Dataset::new(config.size);
        let rejected = read_pictures(&files, config, voice, |picture| {
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

    /// Pictures with landmarks, to be scored again and again.
    struct Exam {
        pictures: Dataset,
        landmarks: Vec<Vec<eval::Place>>,
        n_fit: usize,
        seed: u64,
    }

    impl Exam {
        /// Those of the pictures that have landmarks; three quarters to fit on unless told. Tells of which images that are
        /// not here there are landmarks, too.
        fn new(
            landmarks: &Imported,
            pictures: &Dataset,
            n_fit: Option<usize>,
        ) -> anyhow::Result<Self> {
            let here: Vec<annotate::Image> = (0..pictures.len())
                .map(|i| {
                    annotate::Image::blank(pictures.name(i).to_string(), pictures.placement(i))
                })
                .collect();
            let placed = landmarks.onto(&here);
            if placed.missing > 0 {
                eprintln!("{}", placed.summary);
            }
            placed.notes.iter().for_each(|note| eprintln!("{note}"));
            let mut exam = Self {
                pictures: Dataset::new(pictures.size_px()),
                landmarks: Vec::new(),
                n_fit: 0,
                seed: 0,
            };
            let points: BTreeMap<usize, Vec<Point>> = placed.images.into_iter().collect();
            for (i, points) in points {
                exam.pictures.push(Picture {
                    name: pictures.name(i).to_string(),
                    pixels: pictures.pixels(i).to_vec(),
                    placement: pictures.placement(i).clone(),
                });
                let [width, height] = pictures.placement(i).original_px.map(f64::from);
                let place = |p: &Point| p.is_there().then(|| [p.x_px / width, p.y_px / height]);
                exam.landmarks.push(points.iter().map(place).collect());
            }
            if exam.landmarks.is_empty() {
                bail!("None of the files in the table of landmarks is among the pictures.");
            }
            exam.n_fit = n_fit.unwrap_or(exam.landmarks.len() * 3 / 4);
            Ok(exam)
        }

        fn score(&self, found: &[Keypoints]) -> autolink::Result<Score> {
            eval::score(&places(found), &self.landmarks, self.n_fit, self.seed)
        }

        /// Whether the pictures of low confidence are those of large error: -1 would be exactly. A keypoint's error is its distance
        /// from where the landmarks say that it should be, by the same regression the other way round.
        fn confidence_rank(&self, found: &[Keypoints]) -> autolink::Result<f64> {
            // Images that lack a landmark do not tell where their keypoints should be.
            let whole: Vec<usize> = (0..self.landmarks.len())
                .filter(|&i| self.landmarks[i].iter().all(Option::is_some))
                .collect();
            let landmarks: Vec<Vec<[f64; 2]>> = (whole.iter())
                .map(|&i| self.landmarks[i].iter().flatten().copied().collect())
                .collect();
            let places = places(found);
            let places: Vec<Vec<eval::Place>> = (whole.iter())
                .map(|&i| places[i].iter().copied().map(Some).collect())
                .collect();
            let n_fit = self.n_fit * whole.len() / self.landmarks.len();
            let expected = eval::score(&landmarks, &places, n_fit, self.seed)?;
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
            let (confidence, errors): (Vec<f64>, Vec<f64>) = (expected.errors.iter())
                .map(|(row, distances)| {
                    let confidence = found[whole[*row]].confidence.iter().map(|c| f64::from(*c));
                    (mean(&confidence.collect::<Vec<_>>()), mean(distances))
                })
                .unzip();
            Ok(eval::rank_correlation(&confidence, &errors))
        }
    }

    fn places(found: &[Keypoints]) -> Vec<Vec<[f64; 2]>> {
        let places = |found: &Keypoints| found.keypoints.iter().map(|p| p.map(f64::from)).collect();
        found.iter().map(places).collect()
    }

    /// The file that `detect` writes.
    #[derive(Serialize)]
    struct Found {
        /// By the file's name.
        images: BTreeMap<String, Keypoints>,
        /// `[K][K]`, symmetric, zero diagonal.
        edges: Vec<Vec<f32>>,
        /// Files that could not be used.
        rejected: Vec<Rejected>,
    }

    /// A picture that was looked at.
    struct Seen {
        name: String,
        placement: Placement,
        /// As fractions of the original.
        found: Keypoints,
    }

    /// The keypoints of all pictures under these paths, and the files that are none.
    fn find(
        paths: &[PathBuf],
        Loaded { model, config, .. }: &Loaded,
        device: &Device,
        voice: &Voice,
    ) -> anyhow::Result<(Vec<Seen>, Vec<Rejected>)> {
        let mut files = Vec::new();
        for path in paths {
            files.extend(files_under(path)?);
        }
        let mut all = Vec::new();
        let mut chunk = Dataset::new(config.size);
        let mut look = |chunk: &Dataset| -> anyhow::Result<()> {
            let found = block_on(session::detect(model, chunk, device))?;
            all.extend(found.into_iter().enumerate().map(|(i, found)| Seen {
                name: chunk.name(i).to_string(),
                placement: chunk.placement(i).clone(),
                found,
            }));
            Ok(())
        };
        let rejected = read_pictures(&files, config, voice, |picture| {
            chunk.push(picture);
            if chunk.len() == DETECT_CHUNK {
                look(&std::mem::replace(&mut chunk, Dataset::new(config.size)))?;
            }
            Ok(())
        })?;
        look(&chunk)?;
        voice.rejected(&rejected);
        if all.is_empty() {
            bail!("None of the files is a picture.");
        }
        Ok((all, rejected))
    }

    fn detect(options: &Detect, voice: &Voice) -> anyhow::Result<()> {
        check_folder_of(&options.out)?;
        let device = open(options.backend)?;
        let loaded = load(&options.model, &device)?;
        let (images, rejected) = find(&options.paths, &loaded, &device, voice)?;
        let images: BTreeMap<_, _> = (images.into_iter())
            .map(|seen| (seen.name, seen.found))
            .collect();
        let Loaded { model, config, .. } = loaded;
        let found = Found {
            edges: block_on(session::edge_weights(&model, &config))?,
            images,
            rejected,
        };
        write(&options.out, &serde_json::to_vec(&found)?)?;
        let count = found.images.len();
        voice.say(
            &ProgressBar::hidden(),
            &format!(
                "Keypoints of {count} pictures in {}.",
                options.out.display()
            ),
        );
        if voice.json {
            voice.line(
                &json!({"type": "detected", "images": count, "out": options.out.to_string_lossy()}),
            );
        }
        Ok(())
    }

    fn evaluate(options: &Eval, voice: &Voice) -> anyhow::Result<()> {
        let landmarks = read_landmarks(&options.landmarks)?;
        let device = open(options.backend)?;
        let Loaded { model, config, .. } = load(&options.model, &device)?;
        let files = files_under(&options.images)?;
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let labelled: Vec<String> = (landmarks.annotations.images.iter())
            .map(annotate::Image::picture_name)
            .collect();
        let found: HashSet<usize> = (annotate::match_names(&labelled, &names).into_iter())
            .flatten()
            .collect();
        let wanted: Vec<_> = (files.into_iter().enumerate())
            .filter(|(i, (name, _))| name.ends_with(".zip") || found.contains(i))
            .map(|(_, file)| file)
            .collect();
        let mut pictures = Dataset::new(config.size);
        let rejected = read_pictures(&wanted, &config, voice, |picture| {
            pictures.push(picture);
            Ok(())
        })?;
        voice.rejected(&rejected);
        let exam = Exam {
            seed: options.seed,
            ..Exam::new(&landmarks, &pictures, options.fit)?
        };
        let found = block_on(session::detect(&model, &exam.pictures, &device))?;
        let score = exam.score(&found)?;
        let mut line = serde_json::to_value(&score)?;
        line["confidence_rank"] = exam.confidence_rank(&found)?.into();
        voice.line(&line);
        Ok(())
    }

    /// What the model finds in all pictures under these paths, and the names that were given to it.
    fn discover(options: &Discover, voice: &Voice) -> anyhow::Result<(Annotations, Option<Table>)> {
        let device = open(options.backend)?;
        let loaded = load(&options.model, &device)?;
        let (images, _) = find(&options.paths, &loaded, &device, voice)?;
        let Loaded {
            model,
            config,
            names,
            ..
        } = loaded;
        let mut found = block_on(session::discovered(&model, &config))?;
        found.images = (images.into_iter())
            .map(|seen| {
                let whole = seen.placement.as_whole();
                let Keypoints {
                    keypoints,
                    confidence,
                } = seen.found;
                annotate::Image::detected(seen.name, &whole, &keypoints, &confidence)
            })
            .collect();
        Ok((found, names))
    }

    fn write_annotations(
        found: &Annotations,
        options: &Discover,
        voice: &Voice,
    ) -> anyhow::Result<()> {
        let mut written = 0;
        let mut write_one = |file: &formats::File| -> anyhow::Result<()> {
            let path = options.out.join(&file.path);
            let folder = path.parent().unwrap_or(&options.out);
            fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made a folder", folder.display()))?;
            written += 1;
            write(&path, &file.bytes)
        };
        for file in formats::export(found, options.format)? {
            write_one(&file)?;
        }
        if options.format == Format::Png {
            let images: HashMap<&str, &annotate::Image> = (found.images.iter())
                .map(|image| (image.file_name.as_str(), image))
                .collect();
            for path in &options.paths {
                for (name, path) in files_under(path)? {
                    for (name, bytes) in archive::entries(name, read(&path)?) {
                        if let (Some(image), Ok(bytes)) = (images.get(name.as_str()), bytes) {
                            write_one(&formats::png::overlay(found, image, &bytes)?)?;
                        }
                    }
                }
            }
        }
        let (pictures, files, out) = (found.images.len(), written, options.out.display());
        voice.say(
            &ProgressBar::hidden(),
            &format!("Annotations of {pictures} pictures in {out}, files: {files}."),
        );
        Ok(())
    }

    fn annotate(options: &Annotate, voice: &Voice) -> anyhow::Result<()> {
        let against = options.against.as_deref().map(read_landmarks).transpose()?;
        let (found, names) = discover(&options.discover, voice)?;
        let named = match names {
            Some(names) => names.apply(&found)?,
            None => found,
        };
        if let Some(table) = against {
            let agreements = landmarks::agreement(&named, &placed(&table, &named));
            if agreements.is_empty() {
                let names: Vec<&str> = (table.annotations.keypoints.iter())
                    .map(|keypoint| keypoint.name.as_str())
                    .collect();
                bail!(
                    "The model has no keypoint called {} on these pictures: name its keypoints on the page first.",
                    names.join(", ")
                );
            }
            for agreement in agreements {
                voice.line(&serde_json::to_value(agreement)?);
            }
        }
        write_annotations(&named, &options.discover, voice)
    }

    /// The labels on those of their images that are here; tells what of them could not be used.
    fn placed(labels: &Imported, found: &Annotations) -> Annotations {
        let placed = labels.onto(&found.images);
        eprintln!("{}", placed.summary);
        placed.notes.iter().for_each(|note| eprintln!("{note}"));
        let on_image = |(at, points): (usize, Vec<Point>)| annotate::Image {
            points,
            ..found.images[at].clone()
        };
        Annotations {
            images: placed.images.into_iter().map(on_image).collect(),
            edge_weights: Vec::new(),
            edge_threshold: None,
            ..labels.annotations.clone()
        }
    }

    fn landmarks(options: &FewShot, voice: &Voice) -> anyhow::Result<()> {
        let table = read_landmarks(&options.landmarks)?;
        let (found, _) = discover(&options.discover, voice)?;
        let placed = placed(&table, &found);
        let fit = landmarks::Fit::new(&found, &placed)?;
        for landmark in &fit.landmarks {
            voice.line(&serde_json::to_value(landmark)?);
        }
        write_annotations(&fit.annotate(&found, &placed)?, &options.discover, voice)
    }

    fn open(backend: Backend) -> autolink::Result<Device> {
        match backend {
            Backend::Cpu => Ok(Device::flex()),
            Backend::Gpu => block_on(session::open_gpu()),
        }
    }

    /// Ours, or the authors'.
    fn load(path: &Path, device: &Device) -> anyhow::Result<Loaded> {
        let unreadable = || format!("{} cannot be read", path.display());
        let file = fs::File::open(path).with_context(unreadable)?;
        let mut magic = [0; 2];
        let is_zip = (&file).read_exact(&mut magic).is_ok() && magic == *b"PK";
        Ok(if is_zip {
            block_on(torch::read(&file))?.into_model(device)?
        } else {
            checkpoint::load(&read(path)?, device)?
        })
    }

    fn convert(options: &Convert) -> anyhow::Result<()> {
        check_folder_of(&options.to)?;
        let Loaded {
            model,
            config,
            step,
            names,
            run_id,
            ..
        } = load(&options.from, &Device::flex())?;
        let names = names.as_ref();
        let precision = if options.float16 {
            Precision::Float16
        } else {
            Precision::Float32
        };
        let bytes = match options.to.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => {
                let saved = checkpoint::save(&model, &config, step, names, &run_id, precision);
                block_on(saved)?
            }
            Some("onnx") => block_on(onnx::export(&model, &config, names))?,
            _ => bail!(
                "{} should end in .safetensors or .onnx.",
                options.to.display()
            ),
        };
        write(&options.to, &bytes)
    }

    fn export(options: &Export) -> anyhow::Result<()> {
        check_folder_of(&options.onnx)?;
        let Loaded {
            model,
            config,
            names,
            ..
        } = load(&options.model, &Device::flex())?;
        let detector = block_on(onnx::export(&model, &config, names.as_ref()))?;
        write(&options.onnx, &detector)
    }

    /// Labels in any form that is read; tells what of them could not be used.
    fn read_landmarks(path: &Path) -> anyhow::Result<Imported> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let imported = formats::import(&name, &read(path)?)?;
        imported.notes.iter().for_each(|note| eprintln!("{note}"));
        Ok(imported)
    }

    /// The files under a folder, or the one file, sorted by name; the names are relative to the folder, with `/`.
    fn files_under(root: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let file_name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        if !root.is_dir() {
            fs::metadata(root).with_context(|| format!("{} cannot be read", root.display()))?;
            return Ok(vec![(file_name(root), root.to_path_buf())]);
        }
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), root.to_path_buf())];
        while let Some((prefix, folder)) = folders.pop() {
            let unreadable = || format!("{} cannot be read", folder.display());
            for entry in fs::read_dir(&folder).with_context(unreadable)? {
                let path = entry.with_context(unreadable)?.path();
                let name = file_name(&path);
                if name.starts_with('.') {
                    continue;
                }
                // Links to folders may lead in a circle.
                match path.is_dir() {
                    true if path.is_symlink() => {}
                    true => folders.push((format!("{prefix}{name}/"), path)),
                    false => files.push((format!("{prefix}{name}"), path)),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Reads pictures one by one, out of zips too, and says which could not be used.
    fn read_pictures(
        files: &[(String, PathBuf)],
        config: &Config,
        voice: &Voice,
        mut take: impl FnMut(Picture) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        let bar = voice.bar(files.len(), "{bar:32} {pos}/{len} files read");
        let mut rejected = Vec::new();
        for (name, path) in files {
            bar.inc(1);
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    rejected.push(Rejected {
                        name: name.clone(),
                        reason: format!("It cannot be read ({error})."),
                    });
                    continue;
                }
            };
            for (name, bytes) in archive::entries(name.clone(), bytes) {
                match bytes.and_then(|bytes| decode::decode(&name, &bytes, config.size, config.fit))
                {
                    Ok(picture) => take(picture)?,
                    Err(reason) => rejected.push(Rejected { name, reason }),
                }
            }
        }
        bar.finish_and_clear();
        Ok(rejected)
    }

    fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
        fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    }

    fn create(path: &Path) -> anyhow::Result<fs::File> {
        fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Better to hear that nothing can be saved before the work than after it.
    fn check_folder_of(path: &Path) -> anyhow::Result<()> {
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                bail!(
                    "{} cannot be written: there is no folder {}.",
                    path.display(),
                    folder.display()
                )
            }
            _ => Ok(()),
        }
    }

    /// Writes beside it first, so that an interruption leaves the old file or the new one.
    fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let cannot = || format!("{} cannot be written", path.display());
        fs::write(&beside, bytes).with_context(cannot)?;
        fs::rename(&beside, path).with_context(cannot)
    }
}
