//! AutoLink (He, Wandt, Rhodin, NeurIPS 2022, arXiv 2205.10636): keypoints and a skeleton from
//! unlabelled pictures, by hiding most of a picture and rebuilding it from a drawn skeleton.
//!
//! Files -> [`data`] -> batches -> [`train`] (-> [`model`] -> [`ops`], [`loss`]) -> [`session`] -> page or command line.

pub mod annotate; // from discovered keypoints to the files of annotation tools
pub mod checkpoint; // models as safetensors, under the authors' names
pub mod config; // every hyper-parameter: default, range, unit, preset
pub mod data; // bytes -> pictures -> batches
pub mod error; // what can go wrong, each with a sentence for the person in front of it
pub mod eval; // how well keypoints predict landmarks
pub mod io; // reading files by byte ranges
pub mod loss; // pixel and perceptual
pub mod model; // detector, edge weights, edge map, decoder
pub mod ops; // what burn lacks
pub mod render; // the one drawing of a skeleton, and its colours
pub mod session; // the engine: Command in, Event out
pub mod train; // Trainer::step

#[cfg(target_family = "wasm")]
pub mod web; // the browser: worker and fetch

// As the tests in `tests/` see it.
#[cfg(test)]
extern crate self as autolink;
#[cfg(test)]
#[path = "../tests/needs/mod.rs"]
mod needs;

pub use config::{Config, Fit, LossKind, Preset};
pub use error::{Error, Result};
