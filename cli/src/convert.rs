//! `autolink convert`: a model as .safetensors or .onnx.

use anyhow::bail;
use autolink::checkpoint::{self, Loaded, Precision, onnx};
use burn::tensor::Device;
use pollster::block_on;

use crate::args::Convert;
use crate::models::load;
use crate::save::{Outputs, write};

pub fn convert(options: &Convert) -> anyhow::Result<()> {
    let is_onnx = match options.to.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => false,
        Some("onnx") => true,
        _ => bail!(
            "{} must end in .safetensors or .onnx.",
            options.to.display()
        ),
    };
    if is_onnx && options.float16 {
        bail!(
            "An .onnx file stores float32 weights. Remove --float16, or write a .safetensors file."
        );
    }
    let mut outputs = Outputs::new(options.force).input(&options.from);
    outputs.file(&options.to)?;
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
