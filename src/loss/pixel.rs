//! The pixel loss.

use burn::tensor::Tensor;

use crate::ops;

/// Mean squared error over pixels and channels. Both `[B,3,S,S]` -> `[1]`.
pub fn pixel_loss(reconstruction: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
    ops::mse(reconstruction, images)
}
