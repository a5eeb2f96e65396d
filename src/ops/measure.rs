//! What `benches/gpu.rs` measures beside the operations themselves. A GPU's tensors only.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::gpu::peak;
use super::kernels::Measured;

/// Independent chains of multiply-adds, as many as given for each of `64 groups` invocations, on the device of `like`; and
/// how many operations that were.
pub fn multiply_adds(
    like: &Tensor<1>,
    chains: usize,
    groups: usize,
    rounds: usize,
) -> (Tensor<1>, f64) {
    let y = Dispatch::multiply_adds(like.clone().into_dispatch(), chains, groups, rounds);
    let operations = peak::operations(chains) * 64 * groups * rounds;
    (Tensor::from_dispatch(y), operations as f64)
}

/// The gradient of [`super::conv3x3`] by its input: `weight` `[O,I,3,3]`, `dy` `[B,O,H,W]` -> `[B,I,H,W]`.
pub fn by_x(weight: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::by_x(weight.into_dispatch(), dy.into_dispatch()))
}

/// The gradient of [`super::conv3x3`] by its weight: `x` `[B,I,H,W]`, `dy` `[B,O,H,W]` -> `[O,I,3,3]`.
pub fn by_weight(x: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::by_weight(x.into_dispatch(), dy.into_dispatch()))
}

/// [`by_x`] by burn.
pub fn burn_by_x(x: Tensor<4>, weight: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    let (x, weight, dy) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        dy.into_dispatch(),
    );
    Tensor::from_dispatch(Dispatch::burn_by_x(x, weight, dy))
}

/// [`by_weight`] by burn.
pub fn burn_by_weight(x: Tensor<4>, weight: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    let (x, weight, dy) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        dy.into_dispatch(),
    );
    Tensor::from_dispatch(Dispatch::burn_by_weight(x, weight, dy))
}
