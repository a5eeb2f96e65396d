//! Channels beside one another.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::kernels::Kernels;
use super::serves;

/// `x` `[B,X,H,W]` and `y` `[B,Y,H,W]` -> `[B,X+Y,H,W]`
pub fn concatenate(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    if !serves(&x.device(), x.dims()[2] * x.dims()[3]) {
        return concatenate_reference(x, y);
    }
    Tensor::from_dispatch(Dispatch::concatenate(x.into_dispatch(), y.into_dispatch()))
}

/// [`concatenate`] by burn.
pub fn concatenate_reference(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    Tensor::cat(vec![x, y], 1)
}
