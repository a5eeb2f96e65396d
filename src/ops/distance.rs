//! How far one tensor is from another.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::has_kernel_for;
use super::kernels::Kernels;

/// `mean |x - y|`. Both `[B,C,H,W]` -> `[1]`
pub fn l1(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    distance(x, y, false)
}

/// `mean (x - y)^2`. Both `[B,C,H,W]` -> `[1]`
pub fn mse(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    distance(x, y, true)
}

fn distance(x: Tensor<4>, y: Tensor<4>, squared: bool) -> Tensor<1> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return match squared {
            false => l1_reference(x, y),
            true => mse_reference(x, y),
        };
    }
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    Tensor::from_dispatch(Dispatch::distance(x, y, squared))
}

/// [`l1`] by burn.
pub fn l1_reference(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    (x - y).abs().mean()
}

/// [`mse`] by burn.
pub fn mse_reference(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    (x - y).powi_scalar(2).mean()
}
