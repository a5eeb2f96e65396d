//! Compares the exported detector, run by onnxruntime, with AutoLink's own.

mod needs;
mod python;

use std::path::Path;
use std::process::Command;

use autolink::checkpoint::onnx;
use autolink::data::synthetic;
use autolink::session::{Backend, Session};
use autolink::{Config, LossKind, Preset};
use burn::tensor::{Device, Tensor, TensorData};
use pollster::block_on;
use safetensors::{Dtype, tensor::TensorView};

#[test]
fn onnxruntime_finds_the_same_keypoints() {
    let Some(python) = python::program() else {
        return;
    };
    let config = Config {
        keypoints: 5,
        size: 48,
        width: 4,
        batch: 4,
        micro_batch: 4,
        loss: LossKind::Pixel,
        start_steps: 20, // the spatial prior is exported, too
        ..Config::preset(Preset::Tiny)
    };
    let (device, size, count) = (Device::flex(), config.size, config.keypoints);
    let dataset = synthetic::puppets(7, 3, size).dataset;
    let mut session = Session::new(device.clone(), Backend::Cpu, config.clone()).expect("opens");
    session
        .begin(config.clone(), dataset.clone())
        .expect("begins");
    for _ in 0..5 {
        block_on(session.step()).expect("steps"); // so that the running statistics differ from their initial values
    }
    let model = session.model();
    let bytes = block_on(onnx::export(&model, &config, None)).expect("exports");

    let n = dataset.len();
    let planar: Vec<f32> = (0..n)
        .flat_map(|i| {
            let pixels = dataset.pixels(i);
            (0..3).flat_map(move |c| {
                pixels
                    .iter()
                    .skip(c)
                    .step_by(3)
                    .map(|&v| f32::from(v) / 255.0)
            })
        })
        .collect();
    let unit: Vec<f32> = planar.iter().map(|v| 2.0 * v - 1.0).collect();
    let images = Tensor::from_data(TensorData::new(unit, [n, 3, size, size]), &device);
    let heatmaps = model.detector.forward(images).heatmaps;
    let heatmaps: Vec<f32> = heatmaps.into_data().try_into_vec().expect("floats");
    let found = block_on(session.detect(&dataset)).expect("detects");
    let keypoints: Vec<f32> = found.iter().flat_map(|f| f.keypoints.concat()).collect();
    let confidence: Vec<f32> = found.iter().flat_map(|f| f.confidence.clone()).collect();

    let tensors = [
        ("image", vec![n, 3, size, size], planar),
        ("keypoints", vec![n, count, 2], keypoints),
        ("confidence", vec![n, count], confidence),
        ("heatmap", vec![n, count, size / 4, size / 4], heatmaps),
    ]
    .map(|(name, shape, values)| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        (name, shape, bytes)
    });
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor");
        (*name, view)
    });
    let expected = safetensors::serialize(views, None).expect("serialises");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (model_path, expected_path) = (
        folder.join("detector.onnx"),
        folder.join("expected.safetensors"),
    );
    std::fs::write(&model_path, bytes).expect("writes");
    std::fs::write(&expected_path, expected).expect("writes");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx_export.py");
    let output = python::succeeds(
        Command::new(python)
            .arg(script)
            .args([model_path, expected_path]),
    );
    assert!(output.contains("onnx.checker: fine") && output.contains("N = 7: keypoints"));
}
