//! The layers of detector and decoder.

use burn::module::{Module, ModuleMapper, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData, module};
use rand_chacha::ChaCha8Rng;

use super::normal;
use crate::ops;

/// The slope of every LeakyReLU for negative values.
pub const LEAKY_SLOPE: f64 = 0.2;

/// LeakyReLU with slope [`LEAKY_SLOPE`], for any `[B,C,H,W]`. See `tests/ops.rs`.
pub fn leaky_relu(x: Tensor<4>) -> Tensor<4> {
    ops::leaky_relu(x, LEAKY_SLOPE)
}

/// The parameters of a 3x3 convolution with padding 1. `tests/parity.rs` compares all layers with the authors'.
#[derive(Module, Debug)]
pub struct Conv3x3 {
    /// `[O,I,3,3]`
    pub weight: Param<Tensor<4>>,
    /// `[O]`
    pub bias: Param<Tensor<1>>,
}

impl Conv3x3 {
    /// Draws Kaiming-normal weights (He et al., 2015) for LeakyReLU: `std = sqrt(2 / ((1 + slope^2) fan_in))` with `fan_in = 9 I`. The
    /// bias is zero.
    pub fn init(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let std = (2.0 / ((1.0 + LEAKY_SLOPE * LEAKY_SLOPE) * 9.0 * inputs as f64)).sqrt();
        let values: Vec<f32> = (0..outputs * inputs * 9)
            .map(|_| (std * normal(rng)) as f32)
            .collect();
        Self {
            weight: Param::from_tensor(Tensor::from_data(
                TensorData::new(values, [outputs, inputs, 3, 3]),
                device,
            )),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// Creates a convolution whose output is zero until it is trained.
    pub fn zero_init(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([outputs, inputs, 3, 3], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// Convolves: `[B,I,H,W]` -> `[B,O,H,W]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3(x, self.weight.val(), self.bias.val())
    }

    /// Convolves, then applies LeakyReLU: `[B,I,H,W]` -> `[B,O,H,W]`.
    pub fn forward_leaky(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3_leaky(x, self.weight.val(), self.bias.val(), LEAKY_SLOPE)
    }

    /// Convolves two tensors concatenated along their channels: `[B,X,H,W]` and `[B,Y,H,W]` -> `[B,O,H,W]`.
    pub fn forward_concat(&self, inputs: [Tensor<4>; 2]) -> Tensor<4> {
        ops::conv3x3_concat(inputs, self.weight.val(), self.bias.val(), 1.0)
    }

    /// Runs [`forward_concat`](Self::forward_concat), then LeakyReLU.
    pub fn forward_concat_leaky(&self, inputs: [Tensor<4>; 2]) -> Tensor<4> {
        ops::conv3x3_concat(inputs, self.weight.val(), self.bias.val(), LEAKY_SLOPE)
    }

    /// Convolves, then averages 2x2 pixels: `[B,I,H,W]` -> `[B,O,H/2,W/2]`.
    pub fn forward_avg_pool(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3_avg_pool(x, self.weight.val(), self.bias.val())
    }
}

/// The parameters and running statistics of a batch normalisation as PyTorch's: the running variance takes the unbiased variance of the
/// batch. `tests/parity.rs` compares it.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[C]`
    pub weight: Param<Tensor<1>>,
    /// `[C]`
    pub bias: Param<Tensor<1>>,
    /// `[C]`
    pub running_mean: RunningState<Tensor<1>>,
    /// `[C]`
    pub running_var: RunningState<Tensor<1>>,
}

impl Norm {
    /// Added to the variance, so that the division stays finite; PyTorch's default.
    pub const EPSILON: f64 = 1e-5;
    /// The weight of a batch in the running statistics; PyTorch's default.
    const MOMENTUM: f64 = 0.1;

    /// Creates the identity, with running mean 0 and running variance 1.
    pub fn init(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
        }
    }

    /// Normalises `[B,C,H,W]`: by the statistics of the batch on an autodiff device, which updates the running ones, by the running
    /// statistics elsewhere.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_with_slope(x, 1.0)
    }

    /// Runs [`forward`](Self::forward), then LeakyReLU.
    pub fn forward_leaky(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_with_slope(x, LEAKY_SLOPE)
    }

    /// Runs [`forward`](Self::forward), then LeakyReLU with a slope; 1 leaves it out.
    fn forward_with_slope(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if !x.device().is_autodiff() {
            let (mean, var) = (self.running_mean.value(), self.running_var.value());
            let x = module::batch_norm(x, weight, bias, mean, var, Self::EPSILON);
            return ops::leaky_relu(x, slope);
        }
        let running = [&self.running_mean, &self.running_var];
        let before = ops::RunningStats {
            values: running.map(RunningState::value),
            momentum: Self::MOMENTUM,
        };
        let (output, after) = ops::batch_norm_train(x, weight, bias, before, Self::EPSILON, slope);
        for (running, after) in running.into_iter().zip(after) {
            // `RunningState::update` averages over threads, which costs one more kernel for each statistic of each norm.
            let _ = running.clone().map(&mut ReplaceValue(after));
        }
        output
    }
}

/// Replaces a module's tensor by a value of as many elements.
struct ReplaceValue(Tensor<1>);

impl ModuleMapper for ReplaceValue {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|before| self.0.clone().reshape(before.shape()))
    }
}
