//! `autolink convert` and `autolink export`.

use anyhow::bail;
use autolink::checkpoint::{self, Loaded, Precision, onnx};
use burn::tensor::Device;
use pollster::block_on;

use crate::args::{Convert, Export};
use crate::models::load;
use crate::save::{check_folder_of, write};

pub fn convert(options: &Convert) -> anyhow::Result<()> {
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

pub fn export(options: &Export) -> anyhow::Result<()> {
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
