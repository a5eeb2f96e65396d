//! The traits of the operations with kernels of our own on both backends. [`crate::ops`] has their formulas, `autodiff` records
//! them for the backward pass.

use std::fmt::Debug;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use super::{AdamWStep, ConvKind, ErrorNorm, NormSettings};

/// Operations with a gradient.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Kernels: Backend {
    /// Convolution with padding 1, then LeakyReLU; a slope of 1 leaves the LeakyReLU out.
    ///
    /// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]` or `[O,I,4,4]`, `bias` `[O]` -> `[B,O,H,W]` or `[B,O,H/2,W/2]`, as `kind` has it. A
    /// GPU runs [`ConvKind::Same3x3`] alone.
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f64,
        kind: ConvKind,
    ) -> FloatTensor<Self>;

    /// See [`crate::ops::conv3x3_concat`].
    fn convolve_concat(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f64,
    ) -> FloatTensor<Self>;

    /// See [`crate::ops::edge_map`].
    fn edge_map(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> FloatTensor<Self>;

    /// See [`crate::ops::avg_pool2x2`].
    fn avg_pool2x2(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::max_pool2x2`].
    fn max_pool2x2(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::upsample2x`].
    fn upsample2x(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::upsample2x_concat`].
    fn upsample2x_concat(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::leaky_relu`].
    fn leaky(x: FloatTensor<Self>, slope: f64) -> FloatTensor<Self>;

    /// See [`crate::ops::add_leaky_relu`].
    fn add_leaky_relu(x: FloatTensor<Self>, y: FloatTensor<Self>, slope: f64) -> FloatTensor<Self>;

    /// See [`crate::ops::batch_norm_train`]. Returns the output, and the running mean and variance after this batch.
    fn batch_norm_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        settings: NormSettings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::ops::l1`] and [`crate::ops::mse`].
    fn mean_error(x: FloatTensor<Self>, y: FloatTensor<Self>, norm: ErrorNorm)
    -> FloatTensor<Self>;

    /// See [`crate::ops::softmax`].
    fn softmax_planes(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::expectation`].
    fn expectation(heatmaps: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Operations that only the benchmark calls. The gradients are those of [`crate::ops::conv3x3`], for `x` `[B,I,H,W]`,
/// `weight` `[O,I,3,3]` and `dy` `[B,O,H,W]`.
#[backend_extension(Cube, Flex)]
pub trait BenchOps: Backend {
    /// See [`crate::ops::measure::multiply_adds`].
    fn multiply_adds(
        like: FloatTensor<Self>,
        chains: usize,
        groups: usize,
        rounds: usize,
    ) -> FloatTensor<Self>;

    /// Input gradient by our kernels, `[B,I,H,W]`.
    fn input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Weight gradient by our kernels, `[O,I,3,3]`.
    fn weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Input gradient by Burn's kernels.
    fn burn_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Weight gradient by Burn's kernels.
    fn burn_weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The optimiser on the CPU, one parameter at a time. A GPU updates all parameters in one launch (`gpu::adamw`).
#[backend_extension(Flex)]
pub trait Optimiser: Backend {
    /// See [`crate::ops::adamw`].
    fn adamw(
        g: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        p: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Gradients of [`Kernels`]. Each is the gradient of `sum(dy y)` for the output `y`, in the shape of the tensor that it belongs to.
pub trait Gradients: Kernels {
    /// Saved by [`draw`](Self::draw): keypoints, edge weights, and the brightest edge of each pixel.
    type EdgeMapCtx: Clone + Debug + Send + 'static;
    /// Saved by [`max_pool2x2_with_indices`](Self::max_pool2x2_with_indices): which of four pixels was the maximum.
    type PoolIndices: Clone + Debug + Send + 'static;

    /// Input gradient of a convolution, `[B,I,H,W]`. `x` is the input, or the first of the two tensors that make it up; its height
    /// and width are read, no values.
    fn convolve_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kind: ConvKind,
    ) -> FloatTensor<Self>;

    /// Weight and bias gradients of a convolution. `inputs` has the input, or the two tensors that make it up.
    fn convolve_parameter_grads(
        inputs: Vec<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kind: ConvKind,
    ) -> [FloatTensor<Self>; 2];

    /// Returns the edge map with the context of its gradient.
    fn draw(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> (FloatTensor<Self>, Self::EdgeMapCtx);

    /// Keypoint gradient `[B,K,2]` and edge weight gradient `[K,K]` of the edge map.
    fn edge_map_gradients(drawn: Self::EdgeMapCtx, dy: FloatTensor<Self>)
    -> [FloatTensor<Self>; 2];

    /// Input gradient of [`Kernels::avg_pool2x2`].
    fn avg_pool2x2_gradient(dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Returns the maxima with the indices that their gradient needs.
    fn max_pool2x2_with_indices(x: FloatTensor<Self>) -> (FloatTensor<Self>, Self::PoolIndices);

    /// Input gradient of [`Kernels::max_pool2x2`].
    fn max_pool2x2_gradient(indices: Self::PoolIndices, dy: FloatTensor<Self>)
    -> FloatTensor<Self>;

    /// Input gradient of [`Kernels::upsample2x`].
    fn upsample2x_gradient(dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Input gradient of [`Kernels::leaky`], from its output `y`.
    fn leaky_gradient(y: FloatTensor<Self>, dy: FloatTensor<Self>, slope: f64)
    -> FloatTensor<Self>;

    /// Splits `[B,C,H,W]` into the first `channels` channels and the others.
    fn split(x: FloatTensor<Self>, channels: usize) -> [FloatTensor<Self>; 2];

    /// [`Kernels::batch_norm_train`] of weight, bias, running mean and running variance. Returns output, running mean, running
    /// variance and the batch's moments `[2,C]`: the mean and the biased variance of each channel, which the gradient needs.
    fn batch_norm_train_with_moments(
        x: FloatTensor<Self>,
        parameters: [FloatTensor<Self>; 4],
        settings: NormSettings,
    ) -> [FloatTensor<Self>; 4];

    /// Gradients of x, weight and bias. `parameters` are weight, bias and moments; the moments depend on x, which the gradient takes
    /// into account.
    fn batch_norm_train_gradients(
        x: FloatTensor<Self>,
        parameters: [FloatTensor<Self>; 3],
        settings: NormSettings,
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];

    /// Gradient of [`Kernels::mean_error`] for x. The one for y is that of the two swapped.
    fn mean_error_gradient(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        norm: ErrorNorm,
    ) -> FloatTensor<Self>;

    /// Input gradient of [`Kernels::softmax_planes`], from its output `y`.
    fn softmax_gradient(y: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Heatmap gradient `[B,K,h,w]` of [`Kernels::expectation`]; `sides` is `[h, w]`.
    fn expectation_gradient(dy: FloatTensor<Self>, sides: [usize; 2]) -> FloatTensor<Self>;
}
