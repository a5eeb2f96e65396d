//! `autolink convert` and `autolink export`.

use anyhow::bail;
use autolink::checkpoint::{self, Loaded, Precision, onnx};
use burn::tensor::Device;
use pollster::block_on;

use crate::args::{Convert, Export};
use crate::models::load;
use crate::save::{Outputs, write};

pub fn convert(options: &Convert) -> anyhow::Result<()> {
    let is_onnx = match options.to.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => false,
        Some("onnx") => true,
        _ => bail!(
            "{} should end in .safetensors or .onnx.",
            options.to.display()
        ),
    };
    if is_onnx && options.float16 {
        bail!("An .onnx file keeps float32 numbers: leave out --float16, or write a .safetensors.");
    }
    Outputs::new(options.force).file(&options.to)?;
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
    let bytes = if is_onnx {
        block_on(onnx::export(&model, &config, names))?
    } else {
        block_on(checkpoint::save(
            &model, &config, step, names, &run_id, precision,
        ))?
    };
    write(&options.to, &bytes)
}

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
