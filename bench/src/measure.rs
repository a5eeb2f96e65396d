//! Measurements of one device: the same code natively and in a browser, on a GPU and on the CPU.

use std::collections::BTreeMap;

use autolink::config::{Config, LossKind, Preset};
use autolink::data::synthetic::puppets;
use autolink::device;
use autolink::loss::Perceptual;
use autolink::model::AutoLink;
use autolink::ops;
use autolink::ops::measure::{self, ConvGrad};
use autolink::train::Trainer;
use burn::tensor::{Device, Distribution, Tensor};
use web_time::Instant;

use crate::findings::{Convolutions, EdgeMap, Run, Shape, Step, StepProfile};
use crate::layers::{self, Layer};
use crate::progress;

/// A GPU with a lower peak is software on the CPU.
const SLOW_PEAK: f64 = 1e12;
/// Share of the peak that a step reaches, roughly: chooses the batch beforehand.
const EXPECTED_SHARE: f64 = 0.2;
/// Work that takes longer is not repeated, s.
const LONG: f64 = 10.0;
/// Time limit for Burn's convolutions, s: some take minutes on SwiftShader.
const MOST_FOR_BURN: f64 = 180.0;
/// Largest number of repetitions of one measurement.
const MOST_REPEATS: usize = 1024;
/// GPUs reach their full clock rate after so much work, s.
const WARMING: f64 = 1.0;
/// Time limit for measuring steps, s.
const MOST_SECONDS: f64 = 20.0;
/// Largest batch.
const MOST_IMAGES: usize = 16;

/// The extent of the measurements.
#[derive(Clone, Copy)]
pub struct Plan {
    /// A trial: few shapes, small batches.
    pub quick: bool,
    /// Only the peak, a step of *small* and detection.
    pub steps_only: bool,
    /// Number of cores that compute; the peak is measured on one and multiplied.
    pub cores: usize,
}

/// Measures `device`. `weights` are the contents of [`autolink::loss::WEIGHTS_FILES`].
pub async fn run(
    device: &Device,
    environment: String,
    adapter: String,
    weights: &[Vec<u8>],
    plan: Plan,
) -> Run {
    let peak = plan.cores as f64 * peak(device).await;
    let bandwidth = bandwidth(device, is_slow(device, peak)).await;
    progress(&format!(
        "{environment} ({adapter}): peak {:.1} GFLOP/s, copying {:.1} GB/s",
        peak / 1e9,
        bandwidth / 1e9
    ));
    // Steps come first, so that the first one compiles all of its kernels.
    let steps = steps(device, weights, peak, plan).await;
    let conv3x3 = match plan.steps_only {
        true => None,
        false => Some(convolutions(device, peak, plan).await),
    };
    let detect_ms = detection(device).await * 1e3;
    progress(&format!("detection of one image: {detect_ms:.1} ms"));
    let edge_map = match plan.steps_only {
        true => None,
        false => Some(edge_map(device, is_slow(device, peak)).await),
    };
    Run {
        environment,
        adapter,
        peak_gflops: peak / 1e9,
        copy_gbytes_per_second: bandwidth / 1e9,
        conv3x3,
        steps,
        detect_ms,
        edge_map,
    }
}

/// Checks whether the device is a CPU, which gets small batches and the pixel loss.
fn is_slow(device: &Device, peak: f64) -> bool {
    measure::adapter_name(device).is_none() || peak < SLOW_PEAK
}

/// Times `work` until the device has finished it, s.
async fn seconds<T>(device: &Device, work: impl FnOnce() -> T) -> f64 {
    measure::finish(device).await;
    let start = Instant::now();
    let result = work();
    measure::finish(device).await;
    drop(result);
    start.elapsed().as_secs_f64()
}

/// Times one run, s: the best of `count` measurements, each of so many runs that waiting for the device hardly counts, which takes
/// milliseconds in a browser. Runs that take seconds are timed once.
async fn best<const D: usize>(
    device: &Device,
    count: usize,
    mut run: impl FnMut() -> Tensor<D>,
) -> f64 {
    let first = seconds(device, &mut run).await;
    if first > LONG {
        return first; // Including compilation.
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

/// Measures the peak in operations per second: the best of several chains of multiply-adds.
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
        // Enough work to take some milliseconds longer than waiting.
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

/// Measures the bandwidth in bytes per second, read and written.
async fn bandwidth(device: &Device, is_slow: bool) -> f64 {
    let data = Tensor::<1>::zeros([if is_slow { 1 << 22 } else { 1 << 28 }], device);
    let bytes = 8.0 * data.shape().num_elements() as f64;
    bytes / best(device, 5, || data.clone() + 1.0).await
}

/// Returns the largest batch, a power of two, that takes no longer than `seconds`; `None` if one image takes longer.
fn batch_within(seconds: f64, operations_each: f64, rate: f64) -> Option<usize> {
    let most = (seconds * rate / operations_each) as usize;
    (most > 0).then(|| (1 << most.ilog2()).min(MOST_IMAGES))
}

/// Measures every shape of *small* and *paper*: forward pass, input gradient, weight gradient.
async fn convolutions(device: &Device, peak: f64, plan: Plan) -> Convolutions {
    let (mut found, mut spent_on_burn) = (Vec::new(), 0.0);
    for (preset, name) in [(Preset::Small, "small"), (Preset::Paper, "paper")] {
        if plan.quick && preset == Preset::Paper {
            continue;
        }
        let config = Config::preset(preset);
        let mut layers = layers::model_layers(&config);
        layers.extend(layers::perceptual_loss_layers(&config));
        layers.sort_by_key(|layer| [layer.inputs, layer.outputs, layer.side]);
        layers.dedup_by_key(|layer| [layer.inputs, layer.outputs, layer.side]);
        progress(&format!(
            "3x3 convolutions of {name}: percent of the peak, and speed-up over Burn"
        ));
        for layer in layers.iter().step_by(if plan.quick { 5 } else { 1 }) {
            let batch = batch_within(0.02, layer.operations(), peak).unwrap_or(1);
            let start = Instant::now();
            let with_burn = preset == Preset::Small && spent_on_burn < MOST_FOR_BURN;
            found.push(convolution(device, name, layer, batch, peak, with_burn).await);
            if with_burn {
                spent_on_burn += start.elapsed().as_secs_f64();
            }
        }
    }
    Convolutions::new(found)
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
        best(device, 3, || gradient(ConvGrad::Input)).await,
        best(device, 3, || gradient(ConvGrad::Weight)).await,
    ];
    let mut speedup_vs_burn = None;
    if with_burn {
        let burns = [
            best(device, 1, || forward(ops::conv3x3_reference)).await,
            best(device, 1, || gradient(ConvGrad::BurnInput)).await,
            best(device, 1, || gradient(ConvGrad::BurnWeight)).await,
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
    progress(&format!(
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

/// Measures a training step of each preset that takes less than ten seconds.
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
        // On the CPU, *small* keeps its batch, so that native and browser runs can be compared.
        let is_easy = measure::adapter_name(device).is_none() && preset == Preset::Small;
        let limit = if plan.quick { 2.0 } else { 10.0 };
        let batch = match batch_within(limit, operations_each, EXPECTED_SHARE * peak) {
            _ if is_easy => config.batch,
            Some(batch) => batch,
            None if preset == Preset::Small => 1,
            None => {
                progress(&format!(
                    "no step of {name}: a single image takes more than {limit} s"
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
    // The CPU has no such switch, and on a slow GPU Burn's step of *paper* takes minutes.
    let with_burn =
        measure::adapter_name(device).is_some() && (name == "small" || !is_slow(device, peak));
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
        speedup_vs_tfjs: None, // Set after TensorFlow.js was measured.
        profile,
    };
    progress(&format!(
        "a step of {name}, {:?} loss, batch {}: {:.0} ms (the first {:.0} ms), {:.1} GFLOP/s, {:.1}% of the peak{}",
        step.loss,
        step.batch,
        step.ms,
        step.first_ms,
        step.gflops,
        step.percent_of_peak,
        step.speedup_vs_burn.map_or(String::new(), |times| format!(
            ", speed-up over Burn {times:.1}x"
        ))
    ));
    step
}

/// Times the first step and the fastest of `count` others, s, and profiles one more.
async fn timed_steps(
    device: &Device,
    config: &Config,
    weights: &[Vec<u8>],
    count: usize,
) -> (f64, f64, Option<StepProfile>) {
    let images = puppets(64, 0, config.size).dataset;
    let perceptual = (config.loss == LossKind::Perceptual).then(|| {
        let files: Vec<&[u8]> = weights.iter().map(Vec::as_slice).collect();
        let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
        Perceptual::from_bytes(&files, blocks, size, device).expect("the weights fit")
    });
    let mut trainer =
        Trainer::new(config, images.len(), device, perceptual).expect("a valid preset");
    let first = seconds(device, || trainer.step(&images)).await;
    let (mut steady, mut spent, mut done) = (f64::INFINITY, 0.0, 0);
    while spent < MOST_SECONDS && (done < count || spent < WARMING) {
        let time = seconds(device, || trainer.step(&images)).await;
        steady = steady.min(time);
        spent += time;
        done += 1;
    }
    let reserved_bytes = measure::reserved_bytes(device).unwrap_or_default();
    let profile = measure::profile(device, || drop(trainer.step(&images))).await;
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

/// Times the detection of one image with *small*, s.
async fn detection(device: &Device) -> f64 {
    let config = Config::preset(Preset::Small);
    let model = AutoLink::init(&config, device);
    let image = Tensor::<4>::zeros([1, 3, config.size, config.size], device);
    best(device, 5, || {
        model.detector.forward(image.clone()).keypoints
    })
    .await
}

/// Measures the edge map of 32 keypoints, 496 edges, at 128 px.
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
    progress(&format!(
        "edge map of 496 edges at 128 px, batch {batch}: {:.2} ms, its reference {:.2} ms",
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
