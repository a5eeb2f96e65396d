//! The GPU beside its own peak and beside burn's kernels, in one run: `cargo bench --bench gpu -- [--quick] [--json FILE]`.
//!
//! Convolutions are counted as the direct way's `2 * 9 I O H W B` operations, of which Winograd's needs half.

use std::time::Instant;

use autolink::config::{Config, LossKind, Preset};
use autolink::data::synthetic::puppets;
use autolink::loss::{Perceptual, WEIGHTS_FILES};
use autolink::model::AutoLink;
use autolink::ops::{self, measure};
use autolink::train::Trainer;
use burn::tensor::{Device, Distribution, Tensor};
use serde_json::{Value, json};

/// Inputs, outputs, side in px.
type Shape = [usize; 3];

/// Every 3x3 convolution of detector and decoder, from their layers (`src/model`), at the size that it runs at.
fn model_convolutions(size: usize, width: usize, keypoints: usize) -> Vec<Shape> {
    let w = width;
    let mut shapes = Vec::new();
    for (i, [inputs, outputs]) in [[3, w], [w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> i;
        shapes.extend([[inputs, outputs, side], [inputs, outputs, side]]);
        shapes.push([outputs, outputs, side / 2]);
    }
    shapes.extend([[8 * w, 4 * w, size / 8], [4 * w, 2 * w, size / 4]]);
    shapes.push([2 * w, keypoints, size / 4]);
    shapes.push([4, w, size]);
    for (i, [inputs, outputs]) in [[w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w], [8 * w, 8 * w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> i;
        shapes.extend([[inputs, outputs, side], [outputs, outputs, side]]);
    }
    for (i, [inputs, outputs]) in [[8 * w, 8 * w], [16 * w, 4 * w], [8 * w, 2 * w], [4 * w, w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> (3 - i);
        shapes.extend([[inputs, outputs, side], [outputs, outputs, side]]);
    }
    shapes.push([2 * w, 3, size]);
    shapes
}

/// VGG16's, as far as the loss looks.
fn vgg_convolutions(size: usize, blocks: usize) -> Vec<Shape> {
    let all = [
        vec![[3, 64, size], [64, 64, size]],
        vec![[64, 128, size / 2], [128, 128, size / 2]],
        vec![
            [128, 256, size / 4],
            [256, 256, size / 4],
            [256, 256, size / 4],
        ],
        vec![
            [256, 512, size / 8],
            [512, 512, size / 8],
            [512, 512, size / 8],
        ],
    ];
    all[..blocks].concat()
}

fn operations([inputs, outputs, side]: Shape, batch: usize) -> f64 {
    2.0 * 9.0 * (inputs * outputs * side * side * batch) as f64
}

/// A training step's: the model forward and both gradients, VGG16 on two pictures forward and one gradient.
fn step_operations(config: &Config) -> f64 {
    let sum = |shapes: Vec<Shape>| -> f64 {
        let each = shapes.iter().map(|&shape| operations(shape, config.batch));
        3.0 * each.sum::<f64>()
    };
    let model = sum(model_convolutions(
        config.size,
        config.width,
        config.keypoints,
    ));
    match config.loss {
        LossKind::Pixel => model,
        LossKind::Perceptual => {
            model
                + sum(vgg_convolutions(
                    config.perceptual_size,
                    config.perceptual_blocks,
                ))
        }
    }
}

/// Waits until everything before is done.
fn wait<const D: usize>(tensor: Tensor<D>) {
    let device = tensor.device();
    drop(tensor);
    device.sync().expect("the work is done");
}

/// Seconds of one run, the best of some, each of so many runs that the waiting does not count.
fn best<const D: usize>(quick: bool, mut run: impl FnMut() -> Tensor<D>) -> f64 {
    wait(run());
    let start = Instant::now();
    wait(run());
    let repeats = (0.02 / start.elapsed().as_secs_f64()).clamp(1.0, 200.0) as usize;
    (0..if quick { 2 } else { 5 })
        .map(|_| {
            let start = Instant::now();
            for _ in 1..repeats {
                run();
            }
            wait(run());
            start.elapsed().as_secs_f64() / repeats as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// Per cent of the peak of forward, input and weight gradient, each shape once; burn's beside them.
fn convolutions(
    device: &Device,
    name: &str,
    shapes: &[Shape],
    batch: usize,
    peak: f64,
    quick: bool,
    with_burn: bool,
) -> Value {
    println!(
        "\n{name}, batches of {batch}: per cent of the peak, and how many times faster than burn's"
    );
    println!(
        "{:>16} {:>16} {:>16} {:>16}",
        "shape", "forward", "by input", "by weight"
    );
    let mut percent: [Vec<f64>; 3] = Default::default();
    let mut speedup: [Vec<f64>; 3] = Default::default();
    let mut unique = shapes.to_vec();
    unique.sort_unstable();
    unique.dedup();
    for shape in unique {
        let [inputs, outputs, side] = shape;
        let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Default, device);
        let x = random([batch, inputs, side, side]);
        let dy = random([batch, outputs, side, side]);
        let weight = random([outputs, inputs, 3, 3]);
        let bias = Tensor::<1>::zeros([outputs], device);
        let conv = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>| {
            best(quick, || f(x.clone(), weight.clone(), bias.clone()))
        };
        let ours = [
            conv(ops::conv3x3),
            best(quick, || measure::by_x(weight.clone(), dy.clone())),
            best(quick, || measure::by_weight(x.clone(), dy.clone())),
        ];
        // Burn's own take minutes at paper's sizes.
        let burns = with_burn.then(|| {
            let by_x = || measure::burn_by_x(x.clone(), weight.clone(), dy.clone());
            let by_weight = || measure::burn_by_weight(x.clone(), weight.clone(), dy.clone());
            [
                conv(ops::conv3x3_reference),
                best(true, by_x),
                best(true, by_weight),
            ]
        });
        let mut line = format!("{:>16}", format!("{inputs}>{outputs} {side}px"));
        for i in 0..3 {
            let share = 100.0 * operations(shape, batch) / ours[i] / peak;
            percent[i].push(share);
            line += &format!(" {share:>7.1}%");
            if let Some(burns) = burns {
                speedup[i].push(burns[i] / ours[i]);
                line += &format!(" {:>6.1}x", burns[i] / ours[i]);
            }
        }
        println!("{line}");
    }
    let [forward, by_x, by_weight] = percent.each_ref().map(|values| geometric_mean(values));
    println!("geometric means: {forward:.1}%, {by_x:.1}%, {by_weight:.1}%");
    let mut found = json!({
        "forward_percent": forward, "input_grad_percent": by_x, "weight_grad_percent": by_weight, "batch": batch,
    });
    if with_burn {
        let times = speedup.each_ref().map(|values| geometric_mean(values));
        println!(
            "times faster than burn's: {:.1}, {:.1}, {:.1}",
            times[0], times[1], times[2]
        );
        found["speedup_vs_burn"] = json!(times);
    }
    found
}

/// The first step and the steady ones, in ms.
fn steps(config: &Config, device: &Device, count: usize) -> (f64, f64) {
    let pictures = puppets(64, 0, config.size).dataset;
    let perceptual = (config.loss == LossKind::Perceptual).then(|| {
        let files = WEIGHTS_FILES.map(|name| {
            std::fs::read(format!("{}/weights/{name}", env!("CARGO_MANIFEST_DIR")))
                .expect("the perceptual weights")
        });
        let files = [&files[0][..], &files[1][..]];
        let (blocks, size) = (config.perceptual_blocks, config.perceptual_size);
        Perceptual::from_bytes(&files, blocks, size, device).expect("the weights fit")
    });
    let mut trainer =
        Trainer::new(config, pictures.len(), device, perceptual).expect("a valid preset");
    let mut step = || {
        let start = Instant::now();
        trainer.step(&pictures).loss.into_data();
        start.elapsed().as_secs_f64() * 1e3
    };
    let first = step();
    let times: Vec<f64> = (0..count).map(|_| step()).collect();
    (first, times.iter().copied().fold(f64::INFINITY, f64::min))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let json_file = arguments
        .iter()
        .position(|a| a == "--json")
        .map(|at| arguments[at + 1].clone());
    let device = Device::wgpu_options().init().expect("a graphics adapter");
    let like = Tensor::<1>::zeros([1], &device);

    let peak = [2, 4, 8]
        .into_iter()
        .map(|chains| {
            // As much work as takes some 5 ms.
            let mut groups = 64;
            loop {
                let start = Instant::now();
                let (y, operations) = measure::multiply_adds(&like, chains, groups, 512);
                wait(y);
                if start.elapsed().as_secs_f64() > 5e-3 || groups >= 32_768 {
                    let run = || measure::multiply_adds(&like, chains, groups, 512).0;
                    let s = best(false, run);
                    break operations / s;
                }
                groups *= 2;
            }
        })
        .fold(0.0, f64::max);
    // Slower than that, and the adapter is a processor: fewer pictures then.
    let is_slow = peak < 1e12;
    let data = Tensor::<1>::zeros([if is_slow { 1 << 22 } else { 1 << 28 }], &device);
    let bytes = 8.0 * data.shape().num_elements() as f64;
    let seconds = best(false, || data.clone() + 1.0);
    let bandwidth = bytes / seconds;
    drop(data);
    println!(
        "peak {:.0} GFLOP/s, copying {:.1} GB/s",
        peak / 1e9,
        bandwidth / 1e9
    );

    let small = Config::preset(Preset::Small);
    let paper = Config::preset(Preset::Paper);
    let shapes = |config: &Config| {
        let mut shapes = model_convolutions(config.size, config.width, config.keypoints);
        shapes.extend(vgg_convolutions(
            config.perceptual_size,
            config.perceptual_blocks,
        ));
        shapes
    };
    let batch = if is_slow { 2 } else { 16 };
    let mut conv = convolutions(&device, "small", &shapes(&small), batch, peak, quick, true);
    if !is_slow {
        conv["paper"] = convolutions(&device, "paper", &shapes(&paper), 16, peak, quick, false);
    }

    println!("\nTraining steps");
    let mut found = json!({});
    for (name, preset) in [("small", &small), ("paper", &paper)] {
        if name == "paper" && is_slow {
            continue;
        }
        let batch = if is_slow { 4 } else { 16 };
        let config = Config {
            batch,
            micro_batch: batch,
            loss: if is_slow {
                LossKind::Pixel
            } else {
                preset.loss
            },
            ..preset.clone()
        };
        let (first, ms) = steps(&config, &device, if quick { 3 } else { 10 });
        ops::use_burn_on_gpu(true);
        let (burn_first, burn_ms) = steps(&config, &device, 1);
        ops::use_burn_on_gpu(false);
        let rate = step_operations(&config) / ms * 1e3;
        println!(
            "{name}, {:?}, {batch} pictures: {ms:.0} ms ({first:.0} ms the first), {:.0} GFLOP/s, {:.1}% of the peak; burn's {burn_ms:.0} ms ({burn_first:.0} ms the first): {:.1} times faster",
            config.loss,
            rate / 1e9,
            100.0 * rate / peak,
            burn_ms / ms
        );
        found[name] = json!({
            "ms": ms, "first_ms": first, "gflops": rate / 1e9, "percent_of_peak": 100.0 * rate / peak,
            "speedup_vs_burn": burn_ms / ms, "batch": batch, "loss": config.loss,
        });
    }

    let model = AutoLink::init(&small, &device);
    let picture = Tensor::<4>::zeros([1, 3, small.size, small.size], &device);
    let detect = best(quick, || model.detector.forward(picture.clone()).keypoints) * 1e3;
    println!("detection of one picture, small: {detect:.1} ms");

    // 32 keypoints, 496 edges, 128 px.
    let batch = if is_slow { 2 } else { 16 };
    let keypoints = Tensor::<3>::random([batch, 32, 2], Distribution::Uniform(-0.9, 0.9), &device);
    let weights = Tensor::<2>::random([32, 32], Distribution::Default, &device);
    let draw = |f: fn(Tensor<3>, Tensor<2>, usize, f64) -> Tensor<4>| {
        best(quick, || f(keypoints.clone(), weights.clone(), 128, 2.5e-3))
    };
    let (ours, reference) = (draw(ops::edge_map), draw(ops::edge_map_reference));
    println!(
        "edge map of 496 edges at 128 px, {batch} pictures: {:.2} ms, its reference {:.2} ms: {:.0} times faster",
        ours * 1e3,
        reference * 1e3,
        reference / ours
    );

    if let Some(path) = json_file {
        let run = json!({
            "where": if is_slow { "native-lavapipe" } else { "native-gpu" },
            "peak_gflops": peak / 1e9, "copy_gbytes_per_second": bandwidth / 1e9,
            "conv3x3": conv, "steps": found, "detect_ms": detect,
            "edge_map": { "ms": ours * 1e3, "reference_ms": reference * 1e3, "batch": batch },
        });
        let text =
            serde_json::to_string_pretty(&json!({ "runs": [run] })).expect("numbers are JSON");
        std::fs::write(&path, text).expect("a place to write to");
    }
}
