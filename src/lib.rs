//! AutoLink (He, Wandt, Rhodin, NeurIPS 2022, arXiv 2205.10636): keypoints and a skeleton from
//! unlabelled images. A detector finds keypoints, and a decoder reconstructs a mostly hidden image from their edge map.
//!
//! Files -> [`data`] -> batches -> [`train`] (-> [`model`] -> [`ops`], [`loss`]) -> [`session`] -> page or command line.

pub mod annotate; // annotation projects, and the files of annotation tools
pub mod checkpoint; // models and runs as files
pub mod config; // all hyper-parameters: range, unit, meaning, preset
pub mod data; // bytes -> images -> batches
pub mod device; // opening a GPU, what its adapter can do, which kernels run on it
pub mod error; // all errors: kind, message, source
pub mod eval; // how well keypoints predict landmarks
pub mod io; // reading files by byte ranges
pub mod loss; // pixel and perceptual
pub mod model; // detector, edge weights, edge map, decoder
pub mod ops; // operations that Burn lacks, and their kernels
pub mod render; // the one drawing of a skeleton, and its colours
pub mod session; // the engine: Command in, Event out
pub mod train; // Trainer::step
pub mod words; // counts in sentences

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
