//! Batch normalisation and LeakyReLU.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, activation, module};

use super::has_kernel_for;
use super::kernels::Kernels;

/// `x > 0 ? x : slope x`; a slope of 0 is ReLU, of 1 nothing. Any `[B,C,H,W]`.
pub fn leaky_relu(x: Tensor<4>, slope: f64) -> Tensor<4> {
    if slope == 1.0 || !has_kernel_for(&x.device(), x.dims()[2] * x.dims()[3]) {
        return leaky_relu_reference(x, slope);
    }
    Tensor::from_dispatch(Dispatch::leaky(x.into_dispatch(), slope))
}

/// [`leaky_relu`] of `x + y`. Any `[B,C,H,W]`.
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

/// [`add_leaky_relu`] by burn.
pub fn add_leaky_relu_reference(x: Tensor<4>, y: Tensor<4>, slope: f64) -> Tensor<4> {
    leaky_relu_reference(x + y, slope)
}

/// [`leaky_relu`] by burn.
pub fn leaky_relu_reference(x: Tensor<4>, slope: f64) -> Tensor<4> {
    match slope {
        0.0 => activation::relu(x),
        1.0 => x,
        slope => activation::leaky_relu(x, slope),
    }
}

/// Mean and variance of all batches so far, by which pictures are normalised after training.
#[derive(Clone, Debug)]
pub struct RunningStats {
    /// Mean and variance, `[C]` both.
    pub values: [Tensor<1>; 2],
    /// How far they go towards a batch's own: `running = (1 - momentum) running + momentum now`.
    pub momentum: f64,
}

/// Batch normalisation by the batch's own mean and variance over `[B,H,W]`, then LeakyReLU; a slope of 1 is none:
/// `y = leaky(weight (x - mean) / sqrt(variance + epsilon) + bias)`. With it, what the running statistics are after this batch.
///
/// `x` `[B,C,H,W]` on an autodiff device, `weight` and `bias` `[C]`. The batch is divided by its biased variance (over
/// `n = B H W`); the running one takes `variance n / (n - 1)`, as PyTorch's.
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

/// The numbers of a normalisation.
#[derive(Clone, Copy, Debug)]
pub struct NormSettings {
    /// How far the running statistics go towards the batch's own.
    pub momentum: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// Of the LeakyReLU; 1 is none.
    pub slope: f64,
}

/// [`batch_norm_train`] by burn.
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
