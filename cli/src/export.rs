//! `autolink export`: the detector of a model as ONNX.

use autolink::checkpoint::{Loaded, onnx};
use burn::tensor::Device;
use pollster::block_on;

use crate::args::Export;
use crate::models::load;
use crate::save::{Outputs, write};

pub fn export(options: &Export) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(options.force).input(&options.model);
    outputs.file(&options.onnx)?;
    let Loaded {
        model,
        config,
        names,
        ..
    } = load(&options.model, &Device::flex())?;
    let detector = block_on(onnx::export(&model, &config, names.as_ref()))?;
    write(&options.onnx, &detector)
}
