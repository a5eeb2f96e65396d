//! Milliseconds of a training step on the CPU backend: `cargo bench --profile dev --bench step [-- PRESET ...]`.

use std::time::Instant;

use autolink::config::{Config, LossKind, Preset};
use autolink::data::synthetic::puppets;
use autolink::loss::{Perceptual, WEIGHTS_FILES};
use autolink::train::Trainer;
use burn::tensor::Device;

fn main() {
    let device = Device::flex();
    let files = WEIGHTS_FILES.map(|name| {
        std::fs::read(format!("{}/weights/{name}", env!("CARGO_MANIFEST_DIR")))
            .expect("the perceptual weights")
    });
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    for (name, preset) in [("tiny", Preset::Tiny), ("small", Preset::Small)] {
        if !asked.is_empty() && !asked.iter().any(|arg| arg == name) {
            continue;
        }
        let preset = Config::preset(preset);
        let pictures = puppets(64, 0, preset.size).dataset;
        for loss in [LossKind::Pixel, LossKind::Perceptual] {
            let config = Config {
                loss,
                ..preset.clone()
            };
            let perceptual = (loss == LossKind::Perceptual).then(|| {
                let files = [&files[0][..], &files[1][..]];
                Perceptual::from_bytes(
                    &files,
                    config.perceptual_blocks,
                    config.perceptual_size,
                    &device,
                )
                .expect("the weights fit")
            });
            let mut trainer =
                Trainer::new(&config, pictures.len(), &device, perceptual).expect("a valid preset");
            let mut step = || trainer.step(&pictures).loss.into_data();
            step();
            let times: Vec<f64> = (0..8)
                .map(|_| {
                    let start = Instant::now();
                    step();
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            let best = times.iter().copied().fold(f64::INFINITY, f64::min);
            let mean = times.iter().sum::<f64>() / times.len() as f64;
            println!(
                "{name} {loss:?}: best {best:.0} ms, mean {mean:.0} ms a step of {} pictures",
                config.batch
            );
        }
    }
}
