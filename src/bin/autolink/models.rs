//! What computes, and the model it computes.

use std::fs;
use std::path::Path;

use anyhow::Context;
use autolink::checkpoint::{self, Loaded};
use autolink::device;
use autolink::session::Backend;
use burn::tensor::Device;
use pollster::block_on;

pub fn open(backend: Backend) -> autolink::Result<Device> {
    match backend {
        Backend::Cpu => Ok(Device::flex()),
        Backend::Gpu => block_on(device::open_gpu()),
    }
}

/// Ours, or the authors'.
pub fn load(path: &Path, device: &Device) -> anyhow::Result<Loaded> {
    let cannot = || format!("{} cannot be read", path.display());
    let file = fs::File::open(path).with_context(cannot)?;
    Ok(block_on(checkpoint::open(&file, device))?)
}
