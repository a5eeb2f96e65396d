//! What the reconstruction is compared by.

pub mod perceptual;
pub mod pixel;

pub use perceptual::{Perceptual, WEIGHTS_FILES};
