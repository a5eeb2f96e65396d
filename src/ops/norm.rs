//! Batch normalisation and LeakyReLU.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, activation, module};

use super::has_kernel_for;
use super::kernels::Kernels;

/// `x > 0 ? x : slope x` for any `[B,C,H,W]`. A slope of 0 is ReLU, a slope of 1 the identity. See `tests/ops.rs`.
pub fn leaky_relu(x: Tensor<4>, slope: f64) -> Tensor<4> {
    if slope == 1.0 || !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return leaky_relu_reference(x, slope);
    }
    Tensor::from_dispatch(Dispatch::leaky(x.into_dispatch(), slope))
}

/// [`leaky_relu`] of `x + y`, both `[B,C,H,W]`. See `tests/ops.rs`.
pub fn add_leaky_relu(x: Tensor<4>, y: Tensor<4>, slope: f64) -> Tensor<4> {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return add_leaky_relu_reference(x, y, slope);
    }
    Tensor::from_dispatch(Dispatch::add_leaky_relu(
        x.into_dispatch(),
        y.into_dispatch(),
        slope,
    ))
}

/// [`add_leaky_relu`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn add_leaky_relu_reference(x: Tensor<4>, y: Tensor<4>, slope: f64) -> Tensor<4> {
    leaky_relu_reference(x + y, slope)
}

/// [`leaky_relu`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn leaky_relu_reference(x: Tensor<4>, slope: f64) -> Tensor<4> {
    match slope {
        0.0 => activation::relu(x),
        1.0 => x,
        slope => activation::leaky_relu(x, slope),
    }
}

/// Running mean and variance of the batches of a training run, which normalise images in evaluation.
#[derive(Clone, Debug)]
pub struct RunningStats {
    /// Mean and variance, `[C]` both.
    pub values: [Tensor<1>; 2],
    /// The weight of a batch in `[0, 1]`: `running = (1 - momentum) running + momentum batch`.
    pub momentum: f64,
}

/// Batch normalisation (Ioffe and Szegedy, 2015) by the mean and variance of the batch over `[B,H,W]`, then LeakyReLU:
/// `y = leaky(weight (x - mean) / sqrt(variance + epsilon) + bias)`. A slope of 1 leaves the LeakyReLU out.
///
/// `x` `[B,C,H,W]` on an autodiff device, `weight` and `bias` `[C]`. Returns y, and the running mean and variance after this batch.
/// The batch is divided by its biased variance (over `n = B H W`); the running variance takes the unbiased `variance n / (n - 1)`,
/// as PyTorch's. See `tests/ops.rs`.
pub fn batch_norm_train(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    running: RunningStats,
    epsilon: f64,
    slope: f64,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    if !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return batch_norm_train_reference(x, weight, bias, running, epsilon, slope);
    }
    let RunningStats { values, momentum } = running;
    let is_autodiff = values[0].device().is_autodiff();
    let [mean, variance] = values.map(Tensor::into_dispatch);
    let settings = NormSettings {
        momentum,
        epsilon,
        slope,
    };
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    let (output, mean, variance) =
        Dispatch::batch_norm_train(x.into_dispatch(), weight, bias, mean, variance, settings);
    let after = [mean, variance].map(|value| {
        let value = Tensor::from_dispatch(value).without_autodiff();
        if is_autodiff { value.autodiff() } else { value }
    });
    (Tensor::from_dispatch(output), after)
}

/// The scalars of [`batch_norm_train`].
#[derive(Clone, Copy, Debug)]
pub struct NormSettings {
    /// See [`RunningStats::momentum`].
    pub momentum: f64,
    /// Added to the variance, so that the division stays finite.
    pub epsilon: f64,
    /// Slope of the LeakyReLU for negative values; 1 leaves it out.
    pub slope: f64,
}

/// [`batch_norm_train`] in Burn's operations; `tests/ops.rs` compares the two.
pub fn batch_norm_train_reference(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    running: RunningStats,
    epsilon: f64,
    slope: f64,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let [batch, _, height, width] = x.dims();
    let n = (batch * height * width) as f64;
    let result = module::batch_norm_train(x, weight, bias, epsilon);
    let [mean, variance] = running.values;
    let follow = |before: Tensor<1>, now: Tensor<1>| {
        let now = now.without_autodiff();
        let now = if before.device().is_autodiff() {
            now.autodiff()
        } else {
            now
        };
        before * (1.0 - running.momentum) + now * running.momentum
    };
    let after = [
        follow(mean, result.mean),
        follow(variance, result.variance * (n / (n - 1.0).max(1.0))),
    ];
    (leaky_relu_reference(result.output, slope), after)
}
