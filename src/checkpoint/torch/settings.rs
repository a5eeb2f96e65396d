//! The authors' settings as ours.

use burn::tensor::Device;

use super::{TorchCheckpoint, wrong};
use crate::checkpoint::header::id_of;
use crate::checkpoint::{Loaded, with_state};
use crate::config::{Config, LossKind, Preset, SETTINGS};
use crate::error::Result;
use crate::model::AutoLink;
use crate::train::Snapshots;

impl TorchCheckpoint {
    /// The model under the authors' settings, as far as the file has them; the rest are the paper's. Keypoints and width are what
    /// the tensors say.
    ///
    /// # Errors
    /// [`Error::Model`] where tensors are missing or have other shapes, [`Error::Setting`] where it is too large for this program.
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
    fn settings_may_be_a_namespace() {
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
