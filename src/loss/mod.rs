//! The losses between reconstruction and image. `tests/parity.rs` compares both with the authors'.

pub mod perceptual;
pub mod pixel;

pub use perceptual::{Perceptual, WEIGHTS_FILES};
