//! What burn lacks or does slowly. Each operation has its `*_reference` in plain tensor operations: the
//! specification, and what the GPU runs. The CPU backend runs the kernels of [`cpu`].

mod conv;
pub mod cpu;
mod edge_map;
mod flex;
mod norm;
mod resize;

pub use conv::{conv3x3, conv3x3_halve, conv3x3_halve_reference, conv3x3_reference};
pub use edge_map::{edge_map, edge_map_reference};
pub use norm::{Normalised, leaky_relu, leaky_relu_reference, normalise, normalise_reference};
pub use resize::{
    double, double_reference, halve, halve_reference, max_halve, max_halve_reference, resize,
};
