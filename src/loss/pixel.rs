//! The pixel loss.

use burn::tensor::Tensor;

use crate::ops;

/// Mean squared error over pixels and channels: `[B,3,S,S]` both -> `[1]`. See [`ops::mse`] and `tests/ops.rs`.
pub fn pixel_loss(reconstruction: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
    ops::mse(reconstruction, images)
}
