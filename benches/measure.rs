//! One device, measured: the same program natively and in a browser, on a GPU and on the CPU.

use std::collections::BTreeMap;

use autolink::config::{Config, LossKind, Preset};
use autolink::data::synthetic::puppets;
use autolink::device;
use autolink::loss::Perceptual;
use autolink::model::AutoLink;
use autolink::ops;
use autolink::ops::measure::{self, Which};
use autolink::train::Trainer;
use burn::tensor::{Device, Distribution, Tensor};
use web_time::Instant;

use crate::findings::{Convolutions, EdgeMap, Run, Shape, Step, StepProfile};
use crate::layers::{self, Layer};
use crate::say;

/// Slower than that, and an adapter is a processor.
const SLOW_PEAK: f64 = 1e12;
/// What a step reaches of the peak, about: to choose its batch beforehand.
const EXPECTED_SHARE: f64 = 0.2;
/// What takes longer is not run again, s.
const LONG: f64 = 10.0;
/// Burn's convolutions are compared with until they have taken so long, s: some take minutes on SwiftShader.
const MOST_FOR_BURN: f64 = 180.0;
/// What takes microseconds is repeated no more often.
const MOST_REPEATS: usize = 1024;
/// Graphics cards save power until they have worked for so long, s.
const WARMING: f64 = 1.0;
/// Steady steps are timed for no longer, s.
const MOST_SECONDS: f64 = 20.0;
/// Most pictures of a batch.
const MOST_PICTURES: usize = 16;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    /// A trial: few shapes, small batches.
    pub quick: bool,
    /// Nothing but the peak, a step of small and detection.
    pub steps_only: bool,
    /// Cores that compute, of which one alone measures the peak.
    pub cores: usize,
}

/// Measures `device`. `weights` are the bytes of [`autolink::loss::WEIGHTS_FILES`].
pub async fn run(
    device: &Device,
    place: String,
    adapter: String,
    weights: &[Vec<u8>],
    plan: Plan,
) -> Run {
    let peak = plan.cores as f64 * peak(device).await;
    let bandwidth = bandwidth(device, is_slow(device, peak)).await;
    say(&format!(
        "{place} ({adapter}): peak {:.1} GFLOP/s, copying {:.1} GB/s",
        peak / 1e9,
        bandwidth / 1e9
    ));
    // Steps first: what they compile, nothing has compiled yet.
    let steps = steps(device, weights, peak, plan).await;
    let conv3x3 = match plan.steps_only {
        true => None,
        false => Some(convolutions(device, peak, plan).await),
    };
    let detect_ms = detection(device).await * 1e3;
    say(&format!("detection of one picture: {detect_ms:.1} ms"));
    let edge_map = match plan.steps_only {
        true => None,
        false => Some(edge_map(device, is_slow(device, peak)).await),
    };
    Run {
        place,
        adapter,
        peak_gflops: peak / 1e9,
        copy_gbytes_per_second: bandwidth / 1e9,
        conv3x3,
        steps,
        detect_ms,
        edge_map,
    }
}

/// A processor: small batches then, and the pixel loss.
fn is_slow(device: &Device, peak: f64) -> bool {
    measure::adapter(device).is_none() || peak < SLOW_PEAK
}

/// Seconds until `work` is done.
async fn seconds<T>(device: &Device, work: impl FnOnce() -> T) -> f64 {
    measure::finish(device).await;
    let start = Instant::now();
    let result = work();
    measure::finish(device).await;
    drop(result);
    start.elapsed().as_secs_f64()
}

/// Seconds of one run, the best of `count`, each of so many runs that the waiting hardly counts: in a browser it alone takes
/// milliseconds. What takes seconds is timed once.
async fn best<const D: usize>(
    device: &Device,
    count: usize,
    mut run: impl FnMut() -> Tensor<D>,
) -> f64 {
    let first = seconds(device, &mut run).await;
    if first > LONG {
        return first; // Whatever was compiled in it.
    }
    let mut best = seconds(device, &mut run).await;
    if best > 1.0 {
        return best;
    }
    let waiting = seconds(device, || ()).await;
    let enough = (20.0 * waiting).max(0.02);
    let (mut repeats, mut timed, mut spent) = (1, 0, 0.0);
    while timed < count || spent < WARMING / 8.0 {
        let repeated = || {
            for _ in 1..repeats {
                run();
            }
            run()
        };
        let all = seconds(device, repeated).await;
        best = best.min(all / repeats as f64);
        spent += all;
        if all < enough && repeats < MOST_REPEATS {
            repeats *= 2;
        } else {
            timed += 1;
        }
    }
    best
}

/// Operations a second, the best of some chains of multiply-adds.
async fn peak(device: &Device) -> f64 {
    const ROUNDS: usize = 512;
    let like = Tensor::<1>::zeros([1], device);
    let mut warm = 0.0;
    while warm < WARMING {
        warm += seconds(device, || measure::multiply_adds(&like, 4, 4096, ROUNDS).0).await;
    }
    let mut peak = 0.0f64;
    for chains in [2, 4, 8] {
        let run = |groups| measure::multiply_adds(&like, chains, groups, ROUNDS);
        // As much work as takes some milliseconds more than waiting does.
        let waiting = seconds(device, || ()).await;
        let mut groups = 64;
        while groups < 32_768 && seconds(device, || run(groups)).await < 5e-3 + 2.0 * waiting {
            groups *= 2;
        }
        let operations = run(groups).1;
        let seconds = best(device, 5, || run(groups).0).await;
        peak = peak.max(operations / seconds);
    }
    peak
}

/// Bytes a second, read and written.
async fn bandwidth(device: &Device, is_slow: bool) -> f64 {
    let data = Tensor::<1>::zeros([if is_slow { 1 << 22 } else { 1 << 28 }], device);
    let bytes = 8.0 * data.shape().num_elements() as f64;
    bytes / best(device, 5, || data.clone() + 1.0).await
}

/// The most pictures, a power of two, that take no longer than `seconds`; none where one takes longer.
fn pictures_within(seconds: f64, operations_each: f64, rate: f64) -> Option<usize> {
    let most = (seconds * rate / operations_each) as usize;
    (most > 0).then(|| (1 << most.ilog2()).min(MOST_PICTURES))
}

/// Every shape of small and paper: forward, by the input, by the weights.
async fn convolutions(device: &Device, peak: f64, plan: Plan) -> Convolutions {
    let (mut found, mut spent_on_burn) = (Vec::new(), 0.0);
    for (preset, name) in [(Preset::Small, "small"), (Preset::Paper, "paper")] {
        if plan.quick && preset == Preset::Paper {
            continue;
        }
        let config = Config::preset(preset);
        let mut layers = layers::of_model(&config);
        layers.extend(layers::of_perceptual_loss(&config));
        layers.sort_by_key(|layer| [layer.inputs, layer.outputs, layer.side]);
        layers.dedup_by_key(|layer| [layer.inputs, layer.outputs, layer.side]);
        say(&format!(
            "3x3 convolutions of {name}: per cent of the peak, and times faster than Burn's"
        ));
        for layer in layers.iter().step_by(if plan.quick { 5 } else { 1 }) {
            let batch = pictures_within(0.02, layer.operations(), peak).unwrap_or(1);
            let start = Instant::now();
            let with_burn = preset == Preset::Small && spent_on_burn < MOST_FOR_BURN;
            found.push(convolution(device, name, layer, batch, peak, with_burn).await);
            if with_burn {
                spent_on_burn += start.elapsed().as_secs_f64();
            }
        }
    }
    Convolutions::of(found)
}

async fn convolution(
    device: &Device,
    preset: &str,
    layer: &Layer,
    batch: usize,
    peak: f64,
    with_burn: bool,
) -> Shape {
    let Layer {
        inputs,
        outputs,
        side,
        ..
    } = *layer;
    let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Default, device);
    let x = random([batch, inputs, side, side]);
    let dy = random([batch, outputs, side, side]);
    let weight = random([outputs, inputs, 3, 3]);
    let bias = Tensor::<1>::zeros([outputs], device);
    let forward = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>| {
        f(x.clone(), weight.clone(), bias.clone())
    };
    let gradient = |which| measure::gradient(which, [&x, &weight, &dy].map(Tensor::clone));
    let ours = [
        best(device, 3, || forward(ops::conv3x3)).await,
        best(device, 3, || gradient(Which::ByX)).await,
        best(device, 3, || gradient(Which::ByWeight)).await,
    ];
    let mut speedup_vs_burn = None;
    if with_burn {
        let burns = [
            best(device, 1, || forward(ops::conv3x3_reference)).await,
            best(device, 1, || gradient(Which::BurnByX)).await,
            best(device, 1, || gradient(Which::BurnByWeight)).await,
        ];
        speedup_vs_burn = Some([0, 1, 2].map(|i| burns[i] / ours[i]));
    }
    let operations = layer.operations() * batch as f64;
    let percent = ours.map(|seconds| 100.0 * operations / seconds / peak);
    let shown = [0, 1, 2].map(|i| {
        let times = speedup_vs_burn.map_or(String::new(), |times| format!(" {:>6.1}x", times[i]));
        format!("{:>8.1}%{times}", percent[i])
    });
    let shape = format!("{inputs}>{outputs} {side}px");
    say(&format!(
        "{:>24} {shape:>14} x{batch:<2} {}",
        layer.name,
        shown.concat()
    ));
    Shape {
        preset: preset.into(),
        inputs,
        outputs,
        side,
        batch,
        percent,
        speedup_vs_burn,
    }
}

/// A whole training step of each preset that takes less than ten seconds.
async fn steps(
    device: &Device,
    weights: &[Vec<u8>],
    peak: f64,
    plan: Plan,
) -> BTreeMap<String, Step> {
    let is_slow = is_slow(device, peak);
    let mut found = BTreeMap::new();
    for (preset, name) in [(Preset::Small, "small"), (Preset::Paper, "paper")] {
        if preset == Preset::Paper && (plan.quick || plan.steps_only) {
            continue;
        }
        let mut config = Config::preset(preset);
        if is_slow {
            config.loss = LossKind::Pixel;
        }
        let operations_each = layers::step_operations(&config);
        // The CPU takes small as it is, natively and in a browser, so that the two can be compared.
        let is_easy = measure::adapter(device).is_none() && preset == Preset::Small;
        let limit = if plan.quick { 2.0 } else { 10.0 };
        let batch = match pictures_within(limit, operations_each, EXPECTED_SHARE * peak) {
            _ if is_easy => config.batch,
            Some(batch) => batch,
            None if preset == Preset::Small => 1,
            None => {
                say(&format!(
                    "no step of {name}: a single picture takes more than {limit} s"
                ));
                continue;
            }
        };
        config.batch = batch;
        config.micro_batch = batch;
        found.insert(
            name.to_string(),
            step(device, name, &config, weights, peak, plan.quick).await,
        );
    }
    found
}

async fn step(
    device: &Device,
    name: &str,
    config: &Config,
    weights: &[Vec<u8>],
    peak: f64,
    quick: bool,
) -> Step {
    let count = if quick { 2 } else { 8 };
    measure::release_memory(device);
    let (first, steady, profile) = timed_steps(device, config, weights, count).await;
    // On the CPU there is no such switch, and on a slow adapter burn's step of paper takes minutes.
    let with_burn =
        measure::adapter(device).is_some() && (name == "small" || !is_slow(device, peak));
    let mut burns = None;
    if with_burn {
        device::use_references(device, true);
        burns = Some(timed_steps(device, config, weights, 1).await.1);
        device::use_references(device, false);
    }
    let rate = config.batch as f64 * layers::step_operations(config) / steady;
    let step = Step {
        batch: config.batch,
        loss: config.loss,
        ms: steady * 1e3,
        first_ms: first * 1e3,
        gflops: rate / 1e9,
        percent_of_peak: 100.0 * rate / peak,
        speedup_vs_burn: burns.map(|burns| burns / steady),
        speedup_vs_tfjs: None, // Known when TensorFlow.js has been measured.
        profile,
    };
    say(&format!(
        "a step of {name}, {:?} loss, {} pictures: {:.0} ms ({:.0} ms the first), {:.1} GFLOP/s, {:.1}% of the peak{}",
        step.loss,
        step.batch,
        step.ms,
        step.first_ms,
        step.gflops,
        step.percent_of_peak,
        step.speedup_vs_burn.map_or(String::new(), |times| format!(
            ", {times:.1} times faster than Burn's"
        ))
    ));
    step
}

/// Seconds of the first step and of the fastest of `count` after it; what one more is made of.
async fn timed_steps(
    device: &Device,
    config: &Config,
    weights: &[Vec<u8>],
    count: usize,
) -> (f64, f64, Option<StepProfile>) {
    let pictures = puppets(64, 0, config.size).dataset;
    let perceptual = (config.loss == LossKind::Perceptual).then(|| {
        let files: Vec<&[u8]> = weights.iter().map(Vec::as_slice).collect();
        let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
        Perceptual::from_bytes(&files, blocks, size, device).expect("the weights fit")
    });
    let mut trainer =
        Trainer::new(config, pictures.len(), device, perceptual).expect("a valid preset");
    let first = seconds(device, || trainer.step(&pictures)).await;
    let (mut steady, mut spent, mut done) = (f64::INFINITY, 0.0, 0);
    while spent < MOST_SECONDS && (done < count || spent < WARMING) {
        let time = seconds(device, || trainer.step(&pictures)).await;
        steady = steady.min(time);
        spent += time;
        done += 1;
    }
    let reserved_bytes = measure::reserved_bytes(device).unwrap_or_default();
    let profile = measure::profile(device, || drop(trainer.step(&pictures))).await;
    let profile = profile.map(|profile| {
        let all: f64 = profile
            .operations
            .values()
            .map(|(_, seconds)| seconds)
            .sum();
        let share = |(name, (launches, seconds))| (name, (launches, 100.0 * seconds / all));
        StepProfile {
            dispatches: profile
                .operations
                .values()
                .map(|(launches, _)| launches)
                .sum(),
            peak_bytes: profile.peak_bytes,
            reserved_bytes,
            operations: profile.operations.into_iter().map(share).collect(),
        }
    });
    (first, steady, profile)
}

/// Seconds for one picture, small.
async fn detection(device: &Device) -> f64 {
    let config = Config::preset(Preset::Small);
    let model = AutoLink::init(&config, device);
    let picture = Tensor::<4>::zeros([1, 3, config.size, config.size], device);
    best(device, 5, || {
        model.detector.forward(picture.clone()).keypoints
    })
    .await
}

/// 32 keypoints, 496 edges, 128 px.
async fn edge_map(device: &Device, is_slow: bool) -> EdgeMap {
    let batch = if is_slow { 2 } else { 16 };
    let uniform = Distribution::Uniform(-0.9, 0.9);
    let keypoints = Tensor::<3>::random([batch, 32, 2], uniform, device);
    let weights = Tensor::<2>::random([32, 32], Distribution::Default, device);
    let draw = |f: fn(Tensor<3>, Tensor<2>, usize, f64) -> Tensor<4>| {
        f(keypoints.clone(), weights.clone(), 128, 2.5e-3)
    };
    let ours = best(device, 3, || draw(ops::edge_map)).await;
    let reference = best(device, 1, || draw(ops::edge_map_reference)).await;
    let profiles = [
        measure::profile(device, || drop(draw(ops::edge_map))).await,
        measure::profile(device, || drop(draw(ops::edge_map_reference))).await,
    ];
    let [bytes, reference_bytes] = profiles.map(|profile| {
        let profile = profile?;
        Some(profile.peak_bytes - profile.bytes_before)
    });
    say(&format!(
        "edge map of 496 edges at 128 px, {batch} pictures: {:.2} ms, its reference {:.2} ms",
        ours * 1e3,
        reference * 1e3
    ));
    EdgeMap {
        batch,
        ms: ours * 1e3,
        reference_ms: reference * 1e3,
        bytes,
        reference_bytes,
    }
}
