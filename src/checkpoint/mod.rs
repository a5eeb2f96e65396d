//! Models and runs as safetensors, under the names and layouts of the authors' `state_dict`.
//!
//! A model is its parameters and running statistics. A run is a model and what else it takes to go on as if it had never
//! stopped: `adamw.first/<name>`, `adamw.second/<name>` (the optimiser's moments), `losses` `[n]`, and the state of the random
//! streams in the metadata; to look back on, `snapshots/<step>/keypoints` `[P,K,2]`, `.../edge_weights` `[K,K]` and
//! `.../reconstruction` `[P,S,S,3]`, bytes. Whoever reads models reads runs, too.

mod header;
mod load;
mod names;
pub mod onnx; // the detector for others
mod open;
mod save;
mod sound;
mod tensors;
pub mod torch; // the authors' checkpoints

pub use header::{new_run_id, steps_of};
pub use load::{Loaded, load};
pub use open::open;
pub use save::{Precision, save, save_run};
pub use sound::unsound;
pub use tensors::{State, state, with_state};

/// What the names of a run's further tensors begin with.
const FIRST: &str = "adamw.first/";
const SECOND: &str = "adamw.second/";
/// The losses of a run.
const LOSSES: &str = "losses";
/// What the names of its snapshots begin with, before step and kind.
const SNAPSHOTS: &str = "snapshots/";

#[cfg(test)]
fn small() -> crate::Config {
    crate::Config {
        keypoints: 3,
        size: 32,
        width: 4,
        ..crate::Config::preset(crate::Preset::Tiny)
    }
}
