//! The operations that have kernels of our own on both backends, with their gradients. [`crate::ops`] says what each computes.

use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients as Tape;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, TensorMetadata, backend_extension};

use super::{AdamWStep, NormSettings};

/// What is differentiated.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Kernels: Backend {
    /// 3x3 with stride 1 or, `halving` (the CPU only), 4x4 with stride 2; padding 1. Then LeakyReLU; a slope of 1 is none.
    ///
    /// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]` or `[O,I,4,4]`, `bias` `[O]`.
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f64,
        halving: bool,
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

    /// See [`crate::ops::batch_norm_train`]: the output, and the running mean and variance after this batch.
    fn batch_norm_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        settings: NormSettings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::ops::l1`] and, `squared`, [`crate::ops::mse`].
    fn distance(x: FloatTensor<Self>, y: FloatTensor<Self>, squared: bool) -> FloatTensor<Self>;

    /// See [`crate::ops::softmax`].
    fn softmax_planes(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::expectation`].
    fn expectation(heatmaps: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// What is measured beside them.
#[backend_extension(Cube, Flex)]
pub trait BenchOps: Backend {
    /// See [`crate::ops::measure::multiply_adds`].
    fn multiply_adds(
        like: FloatTensor<Self>,
        chains: usize,
        groups: usize,
        rounds: usize,
    ) -> FloatTensor<Self>;

    /// The gradient of the 3x3 convolution by the input.
    fn input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The gradient of the 3x3 convolution by the weight.
    fn weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Burn's own.
    fn burn_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Burn's own.
    fn burn_weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What the CPU does for each parameter.
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

/// The gradients of [`Kernels`]: of the sum of `dy` times the output, each in the shape of what it is by.
pub trait Gradients: Kernels {
    /// What the edge map was drawn from, and which edge won where.
    type EdgeMapCtx: Clone + Debug + Send + 'static;
    /// Which of four pixels won.
    type PoolIndices: Clone + Debug + Send + 'static;

    /// By the input, of which x is all or the first channels.
    fn convolve_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self>;

    /// By weight and bias, from x, or the two tensors that are the input.
    fn convolve_parameter_grads(
        inputs: Vec<FloatTensor<Self>>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> [FloatTensor<Self>; 2];

    /// The edge map, with what its gradient needs.
    fn draw(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> (FloatTensor<Self>, Self::EdgeMapCtx);

    /// By keypoints and weights.
    fn edge_map_gradients(drawn: Self::EdgeMapCtx, dy: FloatTensor<Self>)
    -> [FloatTensor<Self>; 2];

    /// By x.
    fn avg_pool2x2_gradient(dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The maxima, with what their gradient needs.
    fn max_pool2x2_with_indices(x: FloatTensor<Self>) -> (FloatTensor<Self>, Self::PoolIndices);

    /// By x.
    fn max_pool2x2_gradient(indices: Self::PoolIndices, dy: FloatTensor<Self>)
    -> FloatTensor<Self>;

    /// By x.
    fn upsample2x_gradient(dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// By x, from the output `y`.
    fn leaky_gradient(y: FloatTensor<Self>, dy: FloatTensor<Self>, slope: f64)
    -> FloatTensor<Self>;

    /// So many channels, and those behind them.
    fn split(x: FloatTensor<Self>, channels: usize) -> [FloatTensor<Self>; 2];

    /// As [`Kernels::batch_norm_train`], from weight, bias, running mean and running variance; behind its results what the gradient needs:
    /// mean and variance, biased, of each channel, `[2,C]`.
    fn batch_norm_train_with_moments(
        x: FloatTensor<Self>,
        parameters: [FloatTensor<Self>; 4],
        settings: NormSettings,
    ) -> [FloatTensor<Self>; 4];

    /// By x, weight and bias. The moments, behind weight and bias in `parameters`, are x's own, and so are differentiated.
    fn batch_norm_train_gradients(
        x: FloatTensor<Self>,
        parameters: [FloatTensor<Self>; 3],
        settings: NormSettings,
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];

    /// By x. By y it is that of the two swapped.
    fn distance_gradient(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        squared: bool,
    ) -> FloatTensor<Self>;

    /// By x, from the output `y`.
    fn softmax_gradient(y: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self>;

    /// By the heatmaps, `[B,K,h,w]`, of so many pixels down and across.
    fn expectation_gradient(dy: FloatTensor<Self>, sides: [usize; 2]) -> FloatTensor<Self>;
}

/// Gives each of an operation's parents its gradient, if it wants one.
fn register<B: Backend, const N: usize>(
    tape: &mut Tape,
    parents: [Option<NodeId>; N],
    gradients: [FloatTensor<B>; N],
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let Some(id) = parent {
            tape.register::<B>(id, gradient);
        }
    }
}

#[derive(Debug)]
struct ConvolveBackward {
    slope: f64,
    halving: bool,
}

/// What a convolution's gradients need.
#[derive(Clone, Debug)]
struct ConvSaved<B: Gradients> {
    /// One or two.
    inputs: Vec<FloatTensor<B>>,
    weight: FloatTensor<B>,
    /// The output where a LeakyReLU made it.
    y: Option<FloatTensor<B>>,
}

impl ConvolveBackward {
    /// `by_inputs`: who wants the gradients by one input or two; `by_parameters`, those by weight and bias.
    fn run<B: Gradients>(
        self,
        kept: ConvSaved<B>,
        dy: FloatTensor<B>,
        by_inputs: [Option<NodeId>; 2],
        by_parameters: [Option<NodeId>; 2],
        tape: &mut Tape,
    ) {
        let ConvSaved { inputs, weight, y } = kept;
        let dy = match y {
            Some(y) => B::leaky_gradient(y, dy, self.slope),
            None => dy,
        };
        if by_inputs.iter().any(Option::is_some) {
            let x = inputs[0].clone();
            let [_, channels, ..] = x.shape().dims::<4>();
            let dx = B::convolve_input_grad(x, weight.clone(), dy.clone(), self.halving);
            if inputs.len() == 2 {
                register::<B, _>(tape, by_inputs, B::split(dx, channels));
            } else {
                register::<B, _>(tape, [by_inputs[0]], [dx]);
            }
        }
        if by_parameters.iter().any(Option::is_some) {
            let found = B::convolve_parameter_grads(inputs, weight, dy, self.halving);
            register::<B, _>(tape, by_parameters, found);
        }
    }
}

impl<B: Gradients> Backward<B, 3> for ConvolveBackward {
    type State = ConvSaved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _: &mut Checkpointer) {
        let [x, weight, bias] = ops.parents.map(|node| node.map(|node| node.id));
        let dy = tape.consume::<B>(&ops.node);
        self.run::<B>(ops.state, dy, [x, None], [weight, bias], tape);
    }
}

impl<B: Gradients> Backward<B, 4> for ConvolveBackward {
    type State = ConvSaved<B>;

    fn backward(self, ops: Ops<Self::State, 4>, tape: &mut Tape, _: &mut Checkpointer) {
        let [x, y, weight, bias] = ops.parents.map(|node| node.map(|node| node.id));
        let dy = tape.consume::<B>(&ops.node);
        self.run::<B>(ops.state, dy, [x, y], [weight, bias], tape);
    }
}

#[derive(Debug)]
struct EdgeMapBackward;

impl<B: Gradients> Backward<B, 2> for EdgeMapBackward {
    type State = B::EdgeMapCtx;

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let found = B::edge_map_gradients(ops.state, dy);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, found);
    }
}

#[derive(Debug)]
struct BatchNormBackward {
    settings: NormSettings,
}

impl<B: Gradients> Backward<B, 3> for BatchNormBackward {
    /// x, and weight, bias and moments
    type State = (FloatTensor<B>, [FloatTensor<B>; 3]);

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let (x, parameters) = ops.state;
        let found = B::batch_norm_train_gradients(x, parameters, self.settings, dy);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, found);
    }
}

#[derive(Debug)]
struct AddLeakyReluBackward {
    slope: f64,
}

impl<B: Gradients> Backward<B, 2> for AddLeakyReluBackward {
    /// The output.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let dx = B::leaky_gradient(ops.state, dy, self.slope);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, [dx.clone(), dx]);
    }
}

#[derive(Debug)]
struct Upsample2xConcatBackward;

impl<B: Gradients> Backward<B, 2> for Upsample2xConcatBackward {
    /// Channels of the first.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let found = B::split(B::upsample2x_gradient(dy), ops.state);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, found);
    }
}

#[derive(Debug)]
struct DistanceBackward {
    squared: bool,
}

impl<B: Gradients> Backward<B, 2> for DistanceBackward {
    /// x and y
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let [x, y] = ops.state;
        let pairs = [[&x, &y], [&y, &x]].map(|pair| pair.map(FloatTensor::<B>::clone));
        for (parent, [of, other]) in ops.parents.into_iter().zip(pairs) {
            if let Some(node) = parent {
                let dx = B::distance_gradient(of, other, dy.clone(), self.squared);
                tape.register::<B>(node.id, dx);
            }
        }
    }
}

/// What takes one tensor.
#[derive(Debug)]
enum Unary {
    AvgPool2x2,
    MaxPool2x2,
    Upsample2x,
    Leaky { slope: f64 },
    Softmax,
    Expectation { sides: [usize; 2] },
}

/// What their gradients need.
#[derive(Clone, Debug)]
enum SavedForBackward<B: Gradients> {
    Nothing,
    PoolIndices(B::PoolIndices),
    Output(FloatTensor<B>),
}

impl<B: Gradients> Backward<B, 1> for Unary {
    type State = SavedForBackward<B>;

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let [of_x] = ops.parents;
        let Some(node) = of_x else { return };
        let dx = match (self, ops.state) {
            (Unary::Upsample2x, _) => B::upsample2x_gradient(dy),
            (Unary::MaxPool2x2, SavedForBackward::PoolIndices(indices)) => {
                B::max_pool2x2_gradient(indices, dy)
            }
            (Unary::Leaky { slope }, SavedForBackward::Output(y)) => {
                B::leaky_gradient(y, dy, slope)
            }
            (Unary::Softmax, SavedForBackward::Output(y)) => B::softmax_gradient(y, dy),
            (Unary::Expectation { sides }, _) => B::expectation_gradient(dy, sides),
            (Unary::AvgPool2x2, _) => B::avg_pool2x2_gradient(dy),
            (Unary::MaxPool2x2 | Unary::Leaky { .. } | Unary::Softmax, _) => {
                unreachable!("what the gradient needs was kept")
            }
        };
        tape.register::<B>(node.id, dx);
    }
}

fn unary<B: Gradients, C: CheckpointStrategy>(
    operation: Unary,
    x: FloatTensor<Autodiff<B, C>>,
    forward: impl FnOnce(FloatTensor<B>) -> (FloatTensor<B>, SavedForBackward<B>),
) -> FloatTensor<Autodiff<B, C>> {
    let node = x.node();
    let (y, kept) = forward(x.into_primitive());
    match Backward::<B, 1>::prepare::<C>(operation, [node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(kept, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// The output `y` of a convolution that N tensors may want a gradient of.
fn convolved<B: Gradients, C: CheckpointStrategy, const N: usize>(
    prepared: OpsKind<ConvolveBackward, B, ConvSaved<B>, C, N>,
    slope: f64,
    inputs: Vec<FloatTensor<B>>,
    weight: FloatTensor<B>,
    y: FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>>
where
    ConvolveBackward: Backward<B, N, State = ConvSaved<B>>,
{
    match prepared {
        OpsKind::Tracked(prepared) => {
            let kept = ConvSaved {
                inputs,
                weight,
                y: (slope != 1.0).then(|| y.clone()),
            };
            prepared.finish(kept, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

impl<B: Gradients, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f64,
        halving: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let bias = bias.into_primitive();
        let y = B::convolve(x.clone(), weight.clone(), bias, slope, halving);
        let prepared = Backward::<B, 3>::prepare::<C>(ConvolveBackward { slope, halving }, nodes);
        convolved(
            prepared.compute_bound().stateful(),
            slope,
            vec![x],
            weight,
            y,
        )
    }

    fn convolve_concat(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node(), weight.node(), bias.node()];
        let inputs = [x, y].map(|tensor| tensor.into_primitive());
        let (weight, bias) = (weight.into_primitive(), bias.into_primitive());
        let [x, y] = inputs.clone();
        let y = B::convolve_concat(x, y, weight.clone(), bias, slope);
        let backward = ConvolveBackward {
            slope,
            halving: false,
        };
        let prepared = Backward::<B, 4>::prepare::<C>(backward, nodes);
        convolved(
            prepared.compute_bound().stateful(),
            slope,
            inputs.into(),
            weight,
            y,
        )
    }

    fn edge_map(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> FloatTensor<Self> {
        let nodes = [keypoints.node(), weights.node()];
        let (keypoints, weights) = (keypoints.into_primitive(), weights.into_primitive());
        let (map, drawn) = B::draw(keypoints, weights, size, thickness);
        match Backward::<B, 2>::prepare::<C>(EdgeMapBackward, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(drawn, map),
            OpsKind::UnTracked(prepared) => prepared.finish(map),
        }
    }

    fn avg_pool2x2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<B, C>(Unary::AvgPool2x2, x, |x| {
            (B::avg_pool2x2(x), SavedForBackward::Nothing)
        })
    }

    fn max_pool2x2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<B, C>(Unary::MaxPool2x2, x, |x| {
            let (y, indices) = B::max_pool2x2_with_indices(x);
            (y, SavedForBackward::PoolIndices(indices))
        })
    }

    fn upsample2x(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<B, C>(Unary::Upsample2x, x, |x| {
            (B::upsample2x(x), SavedForBackward::Nothing)
        })
    }

    fn leaky(x: FloatTensor<Self>, slope: f64) -> FloatTensor<Self> {
        unary::<B, C>(Unary::Leaky { slope }, x, |x| {
            let y = B::leaky(x, slope);
            (y.clone(), SavedForBackward::Output(y))
        })
    }

    fn add_leaky_relu(x: FloatTensor<Self>, y: FloatTensor<Self>, slope: f64) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        let sum = B::add_leaky_relu(x.into_primitive(), y.into_primitive(), slope);
        match Backward::<B, 2>::prepare::<C>(AddLeakyReluBackward { slope }, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(sum.clone(), sum),
            OpsKind::UnTracked(prepared) => prepared.finish(sum),
        }
    }

    fn upsample2x_concat(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        let [_, channels, ..] = x.shape().dims::<4>();
        let twice = B::upsample2x_concat(x.into_primitive(), y.into_primitive());
        match Backward::<B, 2>::prepare::<C>(Upsample2xConcatBackward, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(channels, twice),
            OpsKind::UnTracked(prepared) => prepared.finish(twice),
        }
    }

    fn batch_norm_train(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        running_mean: FloatTensor<Self>,
        running_variance: FloatTensor<Self>,
        settings: NormSettings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [x.node(), weight.node(), bias.node()];
        let x = x.into_primitive();
        let [weight, bias, mean, variance] =
            [weight, bias, running_mean, running_variance].map(|tensor| tensor.into_primitive());
        let parameters = [weight.clone(), bias.clone(), mean, variance];
        let [y, mean, variance, moments] =
            B::batch_norm_train_with_moments(x.clone(), parameters, settings);
        let y = match Backward::<B, 3>::prepare::<C>(BatchNormBackward { settings }, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish((x, [weight, bias, moments]), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        };
        (y, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn distance(x: FloatTensor<Self>, y: FloatTensor<Self>, squared: bool) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        let (x, y) = (x.into_primitive(), y.into_primitive());
        let mean = B::distance(x.clone(), y.clone(), squared);
        match Backward::<B, 2>::prepare::<C>(DistanceBackward { squared }, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish([x, y], mean),
            OpsKind::UnTracked(prepared) => prepared.finish(mean),
        }
    }

    fn softmax_planes(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<B, C>(Unary::Softmax, x, |x| {
            let y = B::softmax_planes(x);
            (y.clone(), SavedForBackward::Output(y))
        })
    }

    fn expectation(heatmaps: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, _, height, width] = heatmaps.shape().dims();
        let sides = [height, width];
        unary::<B, C>(Unary::Expectation { sides }, heatmaps, |x| {
            (B::expectation(x), SavedForBackward::Nothing)
        })
    }
}
