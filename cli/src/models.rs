//! Opening a device and a model.

use std::fs;
use std::path::Path;

use anyhow::Context;
use autolink::checkpoint::{self, Loaded};
use autolink::device;
use autolink::session::Backend;
use burn::tensor::Device;
use pollster::block_on;

use crate::output::warn;

/// Opens the device of a backend.
///
/// # Errors
/// There is no GPU.
pub fn open(backend: Backend) -> autolink::Result<Device> {
    match backend {
        Backend::Cpu => Ok(Device::flex()),
        Backend::Gpu => block_on(device::open_gpu()),
    }
}

/// Loads a model or run, or a checkpoint of the authors.
pub fn load(path: &Path, device: &Device) -> anyhow::Result<Loaded> {
    let cannot = || format!("{} cannot be read", path.display());
    let file = fs::File::open(path).with_context(cannot)?;
    block_on(checkpoint::open(&file, device)).with_context(cannot)
}

/// Warns if a model sees other images than it was trained on.
pub fn check_located(loaded: &Loaded, locate: bool) {
    match (loaded.config.locate, locate) {
        (true, false) => warn(
            "This model was trained on crops around the animal, but sees whole images here. Give --locate, so that it sees such crops.",
        ),
        (false, true) => warn(
            "This model was trained on whole images, but sees crops around the animal here. Train it with --locate, or leave --locate out.",
        ),
        _ => {}
    }
}
