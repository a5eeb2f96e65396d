//! `cargo xtask recipe`: which settings learn keypoints in the fewest seconds.
//!
//! Every candidate trains on every data set with every seed. They take turns, a slice of training at a time, so that a noisy machine
//! hurts all alike; only training counts as time. After each slice, landmarks are regressed from the keypoints
//! ([`autolink::eval::score`]) on two thirds of the labelled images and scored on the others.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::curves::{self, Curve};
use anyhow::{Context, Result, bail, ensure};
use autolink::config::{Config, Fit, LossKind, Preset};
use autolink::data::{Dataset, decode, synthetic};
use autolink::eval::{self, Landmarks, Position};
use autolink::loss::{Perceptual, WEIGHTS_FILES};
use autolink::session::detect;
use autolink::train::Trainer;
use burn::tensor::Device;
use serde::Serialize;
use serde_json::{Map, Value};

/// The name of the data set that is drawn; others are folders.
const PUPPETS: &str = "puppets";
/// Number of puppets that are drawn.
const PUPPET_COUNT: usize = 1000;
/// Number of labelled images that are scored at most: detection takes time as well.
const MAX_SCORED: usize = 900;

/// What is compared, as the options say.
struct Plan {
    /// Folders with a `landmarks.csv`, or [`PUPPETS`].
    data: Vec<String>,
    seeds: Vec<u64>,
    /// Training of each run.
    total: Duration,
    /// Training between two scores.
    slice: Duration,
    /// Names, and settings that override those of *tiny*.
    candidates: Vec<(String, Map<String, Value>)>,
    json: Option<String>,
    svg: Option<String>,
}

/// One run: a candidate on a data set with a seed.
#[derive(Serialize)]
struct Run {
    data: String,
    candidate: String,
    seed: u64,
    scores: Vec<Score>,
    /// The mean distance from the mean landmark, as a fraction of the image's side.
    baseline: f64,
}

/// The landmark error after a time of training.
#[derive(Clone, Copy, Serialize)]
struct Score {
    seconds: f64,
    step: usize,
    /// As a fraction of the image's side.
    error: f64,
}

/// Compares candidates and prints their errors over time.
///
/// # Errors
/// Options that are unknown, images or landmarks that cannot be read, or settings that are not valid.
pub fn main(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    let mut runs = Vec::new();
    for data in &plan.data {
        runs.extend(compare(&plan, data)?);
        print(data, &plan, &runs);
    }
    if let Some(file) = &plan.json {
        fs::write(file, serde_json::to_string_pretty(&runs)?)
            .with_context(|| format!("{file} cannot be written"))?;
    }
    if let Some(file) = &plan.svg {
        let panels: Vec<_> = (plan.data.iter())
            .map(|data| (title(data), medians(data, &plan, &runs)))
            .collect();
        fs::write(file, curves::svg(&panels))
            .with_context(|| format!("{file} cannot be written"))?;
    }
    Ok(())
}

/// Names a data set after its folder.
fn title(data: &str) -> String {
    let name = Path::new(data).file_name();
    name.map_or(data.into(), |name| name.to_string_lossy().into_owned())
}

/// Returns for each candidate its median error over seeds after each slice.
fn medians(data: &str, plan: &Plan, runs: &[Run]) -> Vec<Curve> {
    let curve = |name: &String| {
        let runs: Vec<&Run> = (runs.iter())
            .filter(|run| run.data == data && run.candidate == *name)
            .collect();
        let slices = runs.first().map_or(0, |run| run.scores.len());
        let points = (0..slices).map(|i| {
            let middle = |value: fn(&Score) -> f64| {
                let mut values: Vec<f64> = runs.iter().map(|run| value(&run.scores[i])).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            [middle(|score| score.seconds), middle(|score| score.error)]
        });
        (name.clone(), points.collect())
    };
    plan.candidates
        .iter()
        .map(|(name, _)| curve(name))
        .collect()
}

/// Returns after how many seconds a curve first reaches an error, between two of its points in proportion.
fn time_to(error: f64, points: &[[f64; 2]]) -> Option<f64> {
    let i = points.iter().position(|point| point[1] <= error)?;
    let Some(before) = i.checked_sub(1) else {
        return Some(points[i][0]);
    };
    let ([t0, e0], [t1, e1]) = (points[before], points[i]);
    Some(t0 + (t1 - t0) * (e0 - error) / (e0 - e1))
}

impl Plan {
    fn parse(options: &[&str]) -> Result<Plan> {
        let mut plan = Plan {
            data: Vec::new(),
            seeds: vec![0, 1, 2],
            total: Duration::from_secs(60),
            slice: Duration::from_secs(10),
            candidates: vec![("tiny".into(), Map::new())],
            json: None,
            svg: None,
        };
        let mut options = options.iter();
        while let Some(&option) = options.next() {
            let mut value = || {
                let value = options.next().copied();
                value.with_context(|| format!("{option} needs a value"))
            };
            let seconds = |text: &str| -> Result<Duration> {
                let seconds: f64 = text
                    .parse()
                    .with_context(|| format!("{text} is not a number of seconds"))?;
                ensure!(seconds > 0.0, "{text} seconds are too few.");
                Duration::try_from_secs_f64(seconds)
                    .with_context(|| format!("{text} seconds are too many"))
            };
            match option {
                "--data" => plan.data.push(value()?.into()),
                "--seconds" => plan.total = seconds(value()?)?,
                "--every" => plan.slice = seconds(value()?)?,
                "--json" => plan.json = Some(value()?.into()),
                "--svg" => plan.svg = Some(value()?.into()),
                "--seeds" => {
                    let seeds = value()?.split(',').map(str::parse);
                    plan.seeds = seeds
                        .collect::<Result<_, _>>()
                        .context("--seeds needs numbers, such as 0,1,2")?;
                }
                candidate => {
                    let Some((name, settings)) = candidate.split_once('=') else {
                        bail!(
                            "`{candidate}` is neither an option nor a candidate, such as 'wide={{\"width\":24}}'"
                        );
                    };
                    let settings = serde_json::from_str(settings)
                        .with_context(|| format!("the settings of {name} are not a JSON object"))?;
                    plan.candidates.push((name.into(), settings));
                }
            }
        }
        if plan.data.is_empty() {
            plan.data.push(PUPPETS.into());
        }
        Ok(plan)
    }
}

/// Returns *tiny* with a candidate's settings, and a seed.
fn settings(overrides: &Map<String, Value>, seed: u64) -> Result<Config> {
    let mut config = serde_json::to_value(Config::preset(Preset::Tiny))?;
    let all = config.as_object_mut().context("settings are an object")?;
    all.extend(overrides.clone());
    if overrides.contains_key("batch") && !overrides.contains_key("micro_batch") {
        all.insert("micro_batch".into(), overrides["batch"].clone());
    }
    all.insert("seed".into(), seed.into());
    let config: Config = serde_json::from_value(config)?;
    config.validate()?;
    Ok(config)
}

/// A run that is being trained.
struct Training {
    config: Config,
    trainer: Trainer,
    images: Rc<Labelled>,
    trained: Duration,
    run: Run,
}

/// Runs every candidate with every seed on one data set, in turns.
fn compare(plan: &Plan, data: &str) -> Result<Vec<Run>> {
    let device = Device::flex();
    let mut all = Vec::new();
    let mut opened: Vec<((usize, Fit), Rc<Labelled>)> = Vec::new();
    for &seed in &plan.seeds {
        for (name, overrides) in &plan.candidates {
            let config = settings(overrides, seed)?;
            let kind = (config.size, config.fit);
            let images = match opened.iter().find(|(other, _)| *other == kind) {
                Some((_, images)) => images.clone(),
                None => {
                    let images = Rc::new(Labelled::open(data, &config)?);
                    opened.push((kind, images.clone()));
                    images
                }
            };
            let perceptual = perceptual(&config, &device)?;
            let trainer = Trainer::new(&config, images.training.len(), &device, perceptual)?;
            let run = Run {
                data: data.into(),
                candidate: name.clone(),
                seed,
                scores: Vec::new(),
                baseline: 0.0,
            };
            all.push(Training {
                config,
                trainer,
                images,
                trained: Duration::ZERO,
                run,
            });
        }
    }
    let mut until = Duration::ZERO;
    while until < plan.total {
        until += plan.slice;
        for training in &mut all {
            training.train(until);
            training.score(&device)?;
            let score = training.run.scores.last().context("just scored")?;
            crate::progress(&format!(
                "{data}, {}, seed {}: {:.4} after {:.1} s and {} steps",
                training.run.candidate,
                training.config.seed,
                score.error,
                score.seconds,
                score.step
            ));
        }
    }
    Ok(all.into_iter().map(|training| training.run).collect())
}

impl Training {
    fn train(&mut self, until: Duration) {
        while self.trained < until {
            let start = Instant::now();
            let output = self.trainer.step(&self.images.training);
            output.loss.into_data(); // waits for the device
            self.trained += start.elapsed();
        }
    }

    fn score(&mut self, device: &Device) -> Result<()> {
        let Labelled {
            scored, landmarks, ..
        } = &*self.images;
        let found = pollster::block_on(detect(&self.trainer.model(), scored, device))?;
        let keypoints: Vec<Vec<[f64; 2]>> = (found.iter())
            .map(|found| found.keypoints.iter().map(|p| p.map(f64::from)).collect())
            .collect();
        let score = eval::score(&keypoints, landmarks, landmarks.len() * 2 / 3, 0)?;
        self.run.baseline = score.baseline;
        self.run.scores.push(Score {
            seconds: self.trained.as_secs_f64(),
            step: self.trainer.steps_taken(),
            error: score.error,
        });
        Ok(())
    }
}

fn perceptual(config: &Config, device: &Device) -> Result<Option<Perceptual>> {
    if config.loss == LossKind::Pixel {
        return Ok(None);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights");
    let files = WEIGHTS_FILES
        .iter()
        .map(|name| fs::read(folder.join(name)))
        .collect::<std::io::Result<Vec<_>>>()?;
    let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
    Ok(Some(Perceptual::from_bytes(&files, blocks, size, device)?))
}

/// Images of one data set.
struct Labelled {
    training: Dataset,
    /// Those that are scored, in the order of `landmarks`.
    scored: Dataset,
    /// `[N][L][x, y]` as fractions of the image.
    landmarks: Vec<Vec<Position>>,
}

impl Labelled {
    /// Reads the labelled images of a folder, or draws puppets, at the size of `config`.
    fn open(data: &str, config: &Config) -> Result<Labelled> {
        let (training, landmarks) = match data {
            PUPPETS => {
                let puppets = synthetic::puppets(PUPPET_COUNT, 1, config.size);
                let wide = |joints: &Vec<[f32; 2]>| {
                    let wide = joints.iter().map(|joint| Some(joint.map(f64::from)));
                    wide.collect::<Vec<Position>>()
                };
                (puppets.dataset, puppets.joints.iter().map(wide).collect())
            }
            folder => read(Path::new(folder), config)?,
        };
        // Tables list images by kind: every n-th one is scored.
        training.check()?;
        let step = landmarks.len().div_ceil(MAX_SCORED);
        let mut scored = training.clone();
        let others: Vec<usize> = (0..landmarks.len()).filter(|i| i % step != 0).collect();
        scored.set_removed(&others);
        Ok(Labelled {
            training,
            scored,
            landmarks: landmarks.into_iter().step_by(step).collect(),
        })
    }
}

/// Reads the images that `landmarks.csv` of a folder lists.
fn read(folder: &Path, config: &Config) -> Result<(Dataset, Vec<Vec<Position>>)> {
    let table = folder.join("landmarks.csv");
    let table =
        fs::read_to_string(&table).with_context(|| format!("{} is missing", table.display()))?;
    let mut images = Dataset::new(config.size);
    let mut landmarks = Vec::new();
    for (file, places) in Landmarks::from_csv(&table)?.rows {
        let path = folder.join(&file);
        let bytes = fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
        let image = decode::decode(&file, &bytes, config.size, config.fit);
        images.push(image.map_err(anyhow::Error::msg)?);
        landmarks.push(places);
    }
    Ok((images, landmarks))
}

/// Prints a table: for each candidate the median and the worst error over seeds after each slice.
fn print(data: &str, plan: &Plan, all: &[Run]) {
    let runs: Vec<&Run> = all.iter().filter(|run| run.data == data).collect();
    let Some(first) = runs.first() else {
        return;
    };
    println!(
        "\n{data}: landmark error, median / worst of {} seeds; baseline {:.4}\n",
        plan.seeds.len(),
        first.baseline
    );
    let times = first
        .scores
        .iter()
        .map(|score| format!("{:.0} s", score.seconds));
    println!(
        "| candidate | {} | steps |",
        times.collect::<Vec<_>>().join(" | ")
    );
    println!("| --- | {}--- |", "--- | ".repeat(first.scores.len()));
    let medians = medians(data, plan, all);
    for (name, points) in &medians {
        let of_candidate: Vec<&&Run> = runs.iter().filter(|run| run.candidate == *name).collect();
        let cells = points.iter().enumerate().map(|(i, [_, median])| {
            let errors = of_candidate.iter().map(|run| run.scores[i].error);
            format!("{median:.4} / {:.4}", errors.fold(0.0, f64::max))
        });
        let steps = of_candidate.iter().filter_map(|run| run.scores.last());
        let steps: Vec<String> = steps.map(|score| score.step.to_string()).collect();
        println!(
            "| {name} | {} | {} |",
            cells.collect::<Vec<_>>().join(" | "),
            steps.join(", ")
        );
    }
    let Some((baseline, [_, last])) =
        (medians.first()).and_then(|(name, points)| Some((name, points.last()?)))
    else {
        return;
    };
    println!("\nTime to {last:.4}, the last median of {baseline}:\n");
    let reference = time_to(*last, &medians[0].1);
    for (name, points) in &medians {
        match (time_to(*last, points), reference) {
            (Some(time), Some(reference)) => {
                // The first score may have passed it long before.
                let [most, least] = if time > points[0][0] {
                    ["", ""]
                } else {
                    ["at most ", "at least "]
                };
                let ratio = reference / time;
                println!("- {name}: {most}{time:.0} s, {least}{ratio:.1} times as fast");
            }
            _ => println!("- {name}: not reached"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_override_those_of_tiny() {
        let plan =
            Plan::parse(&["--seeds", "3,4", "--data", "x", "half={\"batch\":8}"]).expect("a plan");
        assert_eq!(
            (&plan.seeds[..], &plan.data[..]),
            (&[3, 4][..], &["x".to_string()][..])
        );
        let (name, overrides) = &plan.candidates[1];
        let config = settings(overrides, 3).expect("settings");
        assert_eq!((name.as_str(), config.seed), ("half", 3));
        assert_eq!([config.batch, config.micro_batch], [8, 8]);
        let tiny = Config::preset(Preset::Tiny);
        assert_eq!(config.size, tiny.size);
    }

    #[test]
    fn parse_rejects_what_it_does_not_know() {
        for wrong in [
            &["--fast"][..],
            &["--seconds"],
            &["--seconds", "0"],
            &["--seconds", "inf"],
            &["a={"],
        ] {
            assert!(Plan::parse(wrong).is_err(), "{wrong:?}");
        }
        let unknown = serde_json::from_str("{\"unknown\":32}").expect("JSON");
        assert!(settings(&unknown, 0).is_err());
    }

    #[test]
    fn time_to_is_between_the_points_where_the_error_is_passed() {
        let points = [[10.0, 0.08], [20.0, 0.06], [30.0, 0.07]];
        assert_eq!(time_to(0.09, &points), Some(10.0));
        assert!((time_to(0.07, &points).expect("reached") - 15.0).abs() < 1e-9);
        assert_eq!(time_to(0.05, &points), None);
    }

    #[test]
    fn compare_scores_every_slice() {
        let tiny = r#"fast={"size":32,"width":4,"batch":2,"loss":"pixel","mask_grid":4}"#;
        let options = ["--seconds", "0.02", "--every", "0.01", "--seeds", "0", tiny];
        let mut plan = Plan::parse(&options).expect("a plan");
        plan.candidates.remove(0);
        let runs = compare(&plan, PUPPETS).expect("trains");
        let [run] = &runs[..] else {
            panic!("one run");
        };
        let [(name, points)] = &medians(PUPPETS, &plan, &runs)[..] else {
            panic!("one curve");
        };
        assert_eq!((name.as_str(), points.len()), ("fast", 2));
        assert_eq!(points[1], [run.scores[1].seconds, run.scores[1].error]);
        let [first, last] = run.scores[..] else {
            panic!("two slices");
        };
        // A step may take longer than a slice.
        assert!(first.seconds >= 0.01 && last.seconds >= 0.02);
        assert!(first.step >= 1 && last.step >= first.step);
        assert!(
            run.scores
                .iter()
                .all(|score| score.error > 0.0 && score.error < 0.5)
        );
    }
}
