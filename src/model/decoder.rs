//! The decoder: a U-Net that reconstructs the image from masked input and edge map.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::blocks::{Conv3x3, Norm, leaky_relu};
use crate::ops;

/// Two convolutions, each with its batch normalisation.
#[derive(Module, Debug)]
pub struct ConvBlock {
    /// The first convolution, I -> O channels.
    pub conv1: Conv3x3,
    /// The norm after `conv1`.
    pub norm1: Norm,
    /// The second convolution, O -> O channels.
    pub conv2: Conv3x3,
    /// The norm after `conv2`.
    pub norm2: Norm,
}

impl ConvBlock {
    fn init(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            conv1: Conv3x3::init(inputs, outputs, rng, device),
            norm1: Norm::init(outputs, device),
            conv2: Conv3x3::init(outputs, outputs, rng, device),
            norm2: Norm::init(outputs, device),
        }
    }

    /// Runs the block without its last LeakyReLU: `[B,I,H,W]` -> `[B,O,H,W]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm2.forward(self.convolve_twice(x))
    }

    /// Runs [`forward`](Self::forward), then LeakyReLU.
    fn forward_leaky(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm2.forward_leaky(self.convolve_twice(x))
    }

    /// Runs all but the last norm.
    fn convolve_twice(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.norm1.forward_leaky(self.conv1.forward(x));
        self.conv2.forward(x)
    }
}

/// The U-Net `[alpha masked input, edge map]` -> reconstruction. `tests/parity.rs` compares it with the authors'.
#[derive(Module, Debug)]
pub struct Decoder {
    /// The factor of the masked input, `[1]`; it starts at 1.
    pub alpha: Param<Tensor<1>>,
    /// The convolution to width w at side S.
    pub first: Conv3x3,
    /// Four blocks to widths 2w, 4w, 8w, 8w; pooled after each, to S/2 ... S/16.
    pub down: Vec<ConvBlock>,
    /// Four blocks to widths 8w, 4w, 2w, w at S/8 ... S.
    pub up: Vec<ConvBlock>,
    /// The convolution to RGB.
    pub last: Conv3x3,
}

impl Decoder {
    /// Creates an untrained decoder of width w.
    pub fn init(width: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let w = width;
        let mut blocks = |widths: [(usize, usize); 4]| {
            widths
                .map(|(inputs, outputs)| ConvBlock::init(inputs, outputs, rng, device))
                .into()
        };
        let down = blocks([(w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 8 * w)]);
        let up = blocks([(8 * w, 8 * w), (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)]);
        Self {
            alpha: Param::from_tensor(Tensor::ones([1], device)),
            first: Conv3x3::init(4, w, rng, device),
            down,
            up,
            // The authors initialise this layer randomly, too. Its noise makes the first gradients many times larger than later ones, and
            // AdamW, which divides by their running size, then makes hundreds of tiny steps.
            last: Conv3x3::zero_init(2 * w, 3, device),
        }
    }

    /// Reconstructs images `[B,3,S,S]`, whose values are unbounded, from the masked input `[B,3,S,S]` in `[-1, 1]` and the edge map
    /// `[B,1,S,S]`.
    pub fn forward(&self, masked: Tensor<4>, edge_map: Tensor<4>) -> Tensor<4> {
        self.forward_watched(masked, edge_map, |_| {})
    }

    /// Runs [`forward`](Self::forward). `watch` sees the output of `first`, then of each block, pooled: `down`, then `up`. See
    /// `session::explain`.
    pub(crate) fn forward_watched(
        &self,
        masked: Tensor<4>,
        edge_map: Tensor<4>,
        mut watch: impl FnMut(&Tensor<4>),
    ) -> Tensor<4> {
        // Alpha is expanded to one number per column, so that its gradient is summed by columns in parallel first. Burn sums all elements
        // in one invocation, which took a fifth of a step on an H100.
        let width = masked.dims()[3];
        let alpha = self.alpha.val().reshape([1, 1, 1, 1]);
        let masked = masked * alpha.expand([1, 1, 1, width]);
        let full = self.first.forward_concat_leaky([masked, edge_map]); // at S
        watch(&full);
        let mut x = full.clone();
        let mut skips = Vec::new(); // at S/2, S/4, S/8, S/16
        for block in &self.down {
            x = leaky_relu(ops::avg_pool2x2(block.forward(x)));
            watch(&x);
            skips.push(x.clone());
        }
        skips.pop(); // the last one is x
        x = self.up[0].forward_leaky(ops::upsample2x(x));
        watch(&x);
        for (block, skip) in self.up[1..].iter().zip(skips.into_iter().rev()) {
            x = block.forward_leaky(ops::upsample2x_concat([x, skip]));
            watch(&x);
        }
        self.last.forward_concat([x, full])
    }
}
