//! Batch normalisation and LeakyReLU.

use burn::backend::Dispatch;
use burn::tensor::{Tensor, activation, module};

use super::kernels::{Kernels, Statistics};
use super::serves;

/// `x > 0 ? x : slope x`; a slope of 0 is ReLU, of 1 nothing. Any `[B,C,H,W]`.
pub fn leaky_relu(x: Tensor<4>, slope: f64) -> Tensor<4> {
    if slope == 1.0 || !serves(&x.device(), x.dims()[2] * x.dims()[3]) {
        return leaky_relu_reference(x, slope);
    }
    Tensor::from_dispatch(Dispatch::leaky(x.into_dispatch(), slope))
}

/// [`leaky_relu`] by burn.
pub fn leaky_relu_reference(x: Tensor<4>, slope: f64) -> Tensor<4> {
    match slope {
        0.0 => activation::relu(x),
        1.0 => x,
        slope => activation::leaky_relu(x, slope),
    }
}

/// What a batch was normalised to, and by what.
pub struct Normalised {
    /// `[B,C,H,W]`
    pub output: Tensor<4>,
    /// Of the batch, `[C]`.
    pub mean: Tensor<1>,
    /// Of the batch, biased, `[C]`.
    pub variance: Tensor<1>,
}

/// Batch normalisation by the batch's own mean and variance over `[B,H,W]`, then LeakyReLU; a slope of 1 is none:
/// `y = leaky(weight (x - mean) / sqrt(variance + epsilon) + bias)`.
///
/// `x` `[B,C,H,W]` on an autodiff device, `weight` and `bias` `[C]`.
pub fn normalise(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    slope: f64,
) -> Normalised {
    if !serves(&x.device(), x.dims()[2] * x.dims()[3]) {
        return normalise_reference(x, weight, bias, epsilon, slope);
    }
    let moments = Dispatch::moments(x.clone().without_autodiff().into_dispatch());
    let moments = Tensor::<2>::from_dispatch(moments); // [2,C]
    let row = |i| moments.clone().narrow(0, i, 1).squeeze_dim::<1>(0);
    let (mean, variance) = (row(0), row(1));
    let output = Tensor::from_dispatch(Dispatch::normalise(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        moments.autodiff().into_dispatch(),
        epsilon,
        slope,
    ));
    Normalised {
        output,
        mean,
        variance,
    }
}

/// [`normalise`] by burn.
pub fn normalise_reference(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    slope: f64,
) -> Normalised {
    let result = module::batch_norm_train(x, weight, bias, epsilon);
    Normalised {
        output: leaky_relu_reference(result.output, slope),
        mean: result.mean.without_autodiff(),
        variance: result.variance.without_autodiff(),
    }
}
