//! Reads the settings of a checkpoint, and makes a model with them.

use std::collections::HashMap;

use burn::tensor::Device;

use super::pickle::{Pickle, Value};
use super::{TorchCheckpoint, wrong};
use crate::checkpoint::header::id_of;
use crate::checkpoint::{Loaded, with_state};
use crate::config::{Config, LossKind, Preset, SETTINGS};
use crate::error::Result;
use crate::model::AutoLink;
use crate::train::Snapshots;

/// Returns the numbers among the `hyper_parameters`; booleans are 0 or 1.
pub(super) fn numbers<'a>(pickle: &Pickle<'a>, root: Value<'a>) -> HashMap<String, f64> {
    let mut settings = HashMap::new();
    if let Some(found) = pickle.get(root, "hyper_parameters") {
        for (name, value) in pickle.named(found) {
            let number = match value {
                Value::Bool(value) => f64::from(u8::from(value)),
                Value::Int(value) => value as f64,
                Value::Float(value) => value,
                _ => continue,
            };
            settings.insert(name.to_string(), number);
        }
    }
    settings
}

impl TorchCheckpoint {
    /// Makes the model with the file's settings, and the paper's where the file has none. The numbers of keypoints and
    /// channels come from the shapes of tensors. See `tests/parity.rs`.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if tensors are missing or have other shapes, [`crate::Error::Setting`] if the model is too large.
    pub fn into_model(self, device: &Device) -> Result<Loaded> {
        let first = |name: &str| match self.tensors.get(name) {
            Some((shape, _)) => Ok(shape.first().copied().unwrap_or_default()),
            None => Err(wrong(format!("it has no {name}"))),
        };
        let setting = |field: &str, theirs: &str, otherwise: f64| {
            let ours = SETTINGS.iter().find(|setting| setting.name == field);
            let usable = |value: &f64| ours.is_some_and(|s| (s.min..=s.max).contains(value));
            let found = self.settings.get(theirs).copied();
            found.filter(usable).unwrap_or(otherwise)
        };
        let paper = Config::preset(Preset::Paper);
        let batch = setting("batch", "batch_size", paper.batch as f64) as usize;
        let config = Config {
            keypoints: first("decoder.skeleton_scalar")?,
            width: first("encoder.detector.conv.0.net.0.weight")?,
            size: setting("size", "image_size", paper.size as f64) as usize,
            thickness: setting("thickness", "thick", paper.thickness),
            edge_scale: setting("edge_scale", "sklr", paper.edge_scale),
            mask_ratio: setting("mask_ratio", "missing", paper.mask_ratio),
            mask_grid: setting("mask_grid", "block", paper.mask_grid as f64) as usize,
            learning_rate: setting("learning_rate", "lr", paper.learning_rate),
            batch,
            micro_batch: if batch.is_multiple_of(16) { 16 } else { batch },
            loss: LossKind::Perceptual,
            ..paper
        };
        config.validate()?;
        Ok(Loaded {
            run_id: id_of(&self.tensors),
            model: with_state(AutoLink::init(&config, device), self.tensors)?,
            config,
            step: usize::try_from(self.step).unwrap_or(usize::MAX),
            run: None,
            losses: Vec::new(),
            snapshots: Snapshots::default(),
            names: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::*;

    #[test]
    fn read_accepts_a_namespace_of_settings() {
        let mut settings = global("argparse", "Namespace");
        settings.extend(b")\x81");
        settings.extend(dict(&[("sklr", int(512))]));
        settings.push(b'b');
        let state = dict(&[("decoder.x", tensor(NUMBERS, 0, &[1], &[1]))]);
        let pickle = dict(&[("hyper_parameters", settings), ("state_dict", state)]);
        let read = quickly(&file_of(&program(&pickle))).expect("reads");
        assert_eq!(read.settings["sklr"], 512.0);
    }
}
