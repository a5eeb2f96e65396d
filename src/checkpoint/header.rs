//! The header of a file: settings, step, names, random streams and the run's id.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::annotate::content::ContentHasher;
use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::RngState;

/// Key of the header in the file's metadata. There is only one key, so the same model always makes the same bytes.
pub(super) const KEY: &str = "autolink";

/// Maximum length of a header, bytes: the limit of safetensors.
const MAX_HEADER: u64 = 100_000_000;

/// Version of [`Header`].
pub(super) const FORMAT: u32 = 1;

/// The part of a [`Header`] that every version has.
#[derive(Deserialize)]
pub(super) struct Format {
    pub(super) format: u32,
}

/// Everything in a file except tensors, as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) config: Config,
    pub(super) step: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunHeader>,
    /// Names that a person gave the keypoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) names: Option<Table>,
    /// Id of the run, which it keeps from its first step on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run_id: Option<String>,
}

/// The part of a [`Header`] that only runs have.
#[derive(Serialize, Deserialize)]
pub(super) struct RunHeader {
    /// Number of the optimiser's steps.
    pub(super) steps: usize,
    /// State of the random streams; `None` if they are at their start, as in a model that was opened and not trained since.
    pub(super) streams: Option<RngState>,
}

/// Returns the id of a new run: 32 random hexadecimal digits. See `tests/session.rs`.
pub fn new_run_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without the system's random numbers, use the time.
        let now = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH);
        bytes = now.map_or(0, |now| now.as_nanos()).to_le_bytes();
    }
    format!("{:032x}", u128::from_le_bytes(bytes))
}

pub(super) fn is_run_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Returns the id of a model that was saved without one: a hash of its tensors and their names.
pub(super) fn id_of(state: &HashMap<String, (Vec<usize>, Vec<f32>)>) -> String {
    let mut names: Vec<&String> = state.keys().collect();
    names.sort();
    let mut content = ContentHasher::new(names.len() as u64);
    for name in names {
        content.add(name.as_bytes());
        let values = state[name].1.iter().flat_map(|v| v.to_le_bytes());
        content.add(&values.collect::<Vec<u8>>());
    }
    content.digits()
}

/// Returns the number of training steps of the model or run in a file. Only the header is read. See `cli/tests/lost.rs`.
///
/// # Errors
/// [`Error::Model`] if the file is not a model of AutoLink.
pub fn steps_of(mut file: impl std::io::Read) -> Result<usize> {
    let wrong = || Error::Model("This is not an AutoLink model.".into());
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| wrong())?;
    let limit = u64::from_le_bytes(length).min(MAX_HEADER);
    // The library reads headers of whole files only.
    let start: serde_json::Value =
        serde_json::from_reader(file.take(limit)).map_err(|_| wrong())?;
    let header = start["__metadata__"][KEY].as_str();
    let header = header.and_then(|header| serde_json::from_str::<Header>(header).ok());
    header.map(|header| header.step).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::checkpoint::load;

    #[test]
    fn load_derives_ids_from_tensors() {
        let device = Device::flex();
        let id = |name: &str| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/");
            let bytes = std::fs::read(format!("{path}{name}")).expect("comes with the page");
            load(&bytes, &device).expect("loads").run_id
        };
        let (hands, puppets) = (id("hands.safetensors"), id("puppets.safetensors"));
        assert_eq!((hands.len(), &hands), (32, &id("hands.safetensors")));
        assert_ne!(hands, puppets);
        assert_ne!(new_run_id(), new_run_id());
        for damaged in ["", "a/b", &"x".repeat(65)] {
            assert!(!is_run_id(damaged));
        }
    }
}
