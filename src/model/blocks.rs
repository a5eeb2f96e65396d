//! What detector and decoder are made of.

use burn::module::{Module, ModuleMapper, Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData, module};
use rand_chacha::ChaCha8Rng;

use super::normal;
use crate::ops;

/// The slope of every LeakyReLU.
pub const LEAK: f64 = 0.2;

/// LeakyReLU 0.2, any shape.
pub fn leaky_relu(x: Tensor<4>) -> Tensor<4> {
    ops::leaky_relu(x, LEAK)
}

/// A 3x3 convolution with padding 1 and its parameters.
#[derive(Module, Debug)]
pub struct Conv3x3 {
    /// `[O,I,3,3]`
    pub weight: Param<Tensor<4>>,
    /// `[O]`
    pub bias: Param<Tensor<1>>,
}

impl Conv3x3 {
    /// Kaiming-normal for LeakyReLU 0.2 (`std = sqrt(2 / ((1 + 0.2^2) fan_in))`, `fan_in = 9 I`), zero bias.
    pub fn init(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let std = (2.0 / ((1.0 + LEAK * LEAK) * 9.0 * inputs as f64)).sqrt();
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

    /// Gives zero until it has learnt.
    pub fn zero(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([outputs, inputs, 3, 3], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// `[B,I,H,W]` -> `[B,O,H,W]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3(x, self.weight.val(), self.bias.val())
    }

    /// Convolution, then LeakyReLU 0.2: `[B,I,H,W]` -> `[B,O,H,W]`
    pub fn forward_leaky(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3_leaky(x, self.weight.val(), self.bias.val(), LEAK)
    }

    /// Convolution of two tensors' channels, one behind the other: `[B,X,H,W]` and `[B,Y,H,W]` -> `[B,O,H,W]`
    pub fn forward_concat(&self, inputs: [Tensor<4>; 2]) -> Tensor<4> {
        ops::conv3x3_concat(inputs, self.weight.val(), self.bias.val(), 1.0)
    }

    /// [`forward_concat`](Self::forward_concat), then LeakyReLU 0.2.
    pub fn forward_concat_leaky(&self, inputs: [Tensor<4>; 2]) -> Tensor<4> {
        ops::conv3x3_concat(inputs, self.weight.val(), self.bias.val(), LEAK)
    }

    /// Convolution, then half the size: `[B,I,H,W]` -> `[B,O,H/2,W/2]`
    pub fn forward_avg_pool(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv3x3_avg_pool(x, self.weight.val(), self.bias.val())
    }
}

/// Batch normalisation as PyTorch's: the running variance takes the unbiased variance of the batch.
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
    const EPSILON: f64 = 1e-5;
    const MOMENTUM: f64 = 0.1;

    /// The identity, before any batch.
    pub fn init(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
        }
    }

    /// `[B,C,H,W]` -> `[B,C,H,W]`. By the batch's own statistics on an autodiff device, by the running ones elsewhere.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.then_leaky(x, 1.0)
    }

    /// [`forward`](Self::forward), then LeakyReLU 0.2.
    pub fn forward_leaky(&self, x: Tensor<4>) -> Tensor<4> {
        self.then_leaky(x, LEAK)
    }

    /// A slope of 1 is no LeakyReLU.
    fn then_leaky(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
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
            // `RunningState::update` averages over threads: another kernel for each statistic of each norm.
            let _ = running.clone().map(&mut ReplaceValue(after));
        }
        output
    }
}

/// Puts a value in the place of another of the same shape.
struct ReplaceValue(Tensor<1>);

impl ModuleMapper for ReplaceValue {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|before| self.0.clone().reshape(before.shape()))
    }
}
