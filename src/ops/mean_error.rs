//! Mean absolute and mean squared error.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::cpu::mean_error::ErrorNorm;
use super::has_kernel_for;
use super::kernels::Kernels;

/// `mean |x - y|`: `[B,C,H,W]` both -> `[1]`. See `tests/ops.rs`.
pub fn l1(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    mean_error(x, y, ErrorNorm::L1)
}

/// `mean (x - y)^2`: `[B,C,H,W]` both -> `[1]`. See `tests/ops.rs`.
pub fn mse(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    mean_error(x, y, ErrorNorm::L2)
}

fn mean_error(x: Tensor<4>, y: Tensor<4>, norm: ErrorNorm) -> Tensor<1> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return match norm {
            ErrorNorm::L1 => l1_reference(x, y),
            ErrorNorm::L2 => mse_reference(x, y),
        };
    }
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    Tensor::from_dispatch(Dispatch::mean_error(x, y, norm))
}

/// [`l1`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn l1_reference(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    (x - y).abs().mean()
}

/// [`mse`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn mse_reference(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    (x - y).powi_scalar(2).mean()
}
