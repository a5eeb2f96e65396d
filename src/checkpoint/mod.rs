//! Models and runs as safetensors, under the names and layouts of the authors' `state_dict`.
//!
//! A model is its parameters and running statistics. A run is a model with everything that continuing it exactly takes:
//! `adamw.first/<name>` and `adamw.second/<name>` (the optimiser's moments), `losses` `[n]`, and the state of the random
//! streams in the metadata. It also has the training history: `snapshots/<step>/keypoints` `[P,K,2]`, `.../edge_weights`
//! `[K,K]` and `.../reconstruction` `[P,S,S,3]`, bytes. A program that reads models can read runs as well.

mod finite;
mod header;
mod load;
mod names;
pub mod onnx; // the detector for other programs
mod open;
mod save;
mod tensors;
pub mod torch; // the authors' checkpoints

pub use finite::first_non_finite;
pub use header::{new_run_id, steps_of};
pub use load::{Loaded, load};
pub use open::open;
pub use save::{Precision, save, save_run};
pub use tensors::{State, state, with_state};

/// Prefixes of the names of the optimiser's moments.
const FIRST: &str = "adamw.first/";
const SECOND: &str = "adamw.second/";
/// Name of a run's losses.
const LOSSES: &str = "losses";
/// Prefix of the names of a run's snapshots, followed by step and kind.
const SNAPSHOTS: &str = "snapshots/";

/// Returns the settings of a small model for tests.
#[cfg(test)]
fn small() -> crate::Config {
    crate::Config {
        keypoints: 3,
        size: 32,
        width: 4,
        ..crate::Config::preset(crate::Preset::Tiny)
    }
}
