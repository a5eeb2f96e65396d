//! What computes, and the model it computes.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use autolink::checkpoint::{self, Loaded, torch};
use autolink::session::{self, Backend};
use burn::tensor::Device;
use pollster::block_on;

use crate::files::read;

pub fn open(backend: Backend) -> autolink::Result<Device> {
    match backend {
        Backend::Cpu => Ok(Device::flex()),
        Backend::Gpu => block_on(session::open_gpu()),
    }
}

/// Ours, or the authors'.
pub fn load(path: &Path, device: &Device) -> anyhow::Result<Loaded> {
    let unreadable = || format!("{} cannot be read", path.display());
    let file = fs::File::open(path).with_context(unreadable)?;
    let mut magic = [0; 2];
    let is_zip = (&file).read_exact(&mut magic).is_ok() && magic == *b"PK";
    Ok(if is_zip {
        block_on(torch::read(&file))?.into_model(device)?
    } else {
        checkpoint::load(&read(path)?, device)?
    })
}
