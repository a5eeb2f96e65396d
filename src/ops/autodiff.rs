//! The backward pass of [`Kernels`]: each operation as Burn's autodiff records it.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients as Tape;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, TensorMetadata};

use super::kernels::{Gradients, Kernels};
use super::{ConvKind, ErrorNorm, NormSettings};

/// Registers the gradients of an operation's parents that record one.
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
    kind: ConvKind,
}

/// The tensors that a convolution's gradients need.
#[derive(Clone, Debug)]
struct ConvSaved<B: Gradients> {
    /// The input, or the two tensors that make it up.
    inputs: Vec<FloatTensor<B>>,
    weight: FloatTensor<B>,
    /// The output, if a LeakyReLU made it.
    y: Option<FloatTensor<B>>,
}

impl ConvolveBackward {
    /// Registers the gradients of the inputs and of the parameters (weight, bias) whose nodes are given.
    fn run<B: Gradients>(
        self,
        saved: ConvSaved<B>,
        dy: FloatTensor<B>,
        input_nodes: [Option<NodeId>; 2],
        parameter_nodes: [Option<NodeId>; 2],
        tape: &mut Tape,
    ) {
        let ConvSaved { inputs, weight, y } = saved;
        let dy = match y {
            Some(y) => B::leaky_gradient(y, dy, self.slope),
            None => dy,
        };
        if input_nodes.iter().any(Option::is_some) {
            let x = inputs[0].clone();
            let [_, channels, ..] = x.shape().dims::<4>();
            let dx = B::convolve_input_grad(x, weight.clone(), dy.clone(), self.kind);
            if inputs.len() == 2 {
                register::<B, _>(tape, input_nodes, B::split(dx, channels));
            } else {
                register::<B, _>(tape, [input_nodes[0]], [dx]);
            }
        }
        if parameter_nodes.iter().any(Option::is_some) {
            let grads = B::convolve_parameter_grads(inputs, weight, dy, self.kind);
            register::<B, _>(tape, parameter_nodes, grads);
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
        let grads = B::edge_map_gradients(ops.state, dy);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, grads);
    }
}

#[derive(Debug)]
struct BatchNormBackward {
    settings: NormSettings,
}

impl<B: Gradients> Backward<B, 3> for BatchNormBackward {
    /// x, then weight, bias and moments.
    type State = (FloatTensor<B>, [FloatTensor<B>; 3]);

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let (x, parameters) = ops.state;
        let grads = B::batch_norm_train_gradients(x, parameters, self.settings, dy);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, grads);
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
    /// The number of channels of the first tensor.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let grads = B::split(B::upsample2x_gradient(dy), ops.state);
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        register::<B, _>(tape, parents, grads);
    }
}

#[derive(Debug)]
struct MeanErrorBackward {
    norm: ErrorNorm,
}

impl<B: Gradients> Backward<B, 2> for MeanErrorBackward {
    /// x and y.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _: &mut Checkpointer) {
        let dy = tape.consume::<B>(&ops.node);
        let [x, y] = ops.state;
        let pairs = [[&x, &y], [&y, &x]].map(|pair| pair.map(FloatTensor::<B>::clone));
        for (parent, [x, y]) in ops.parents.into_iter().zip(pairs) {
            if let Some(node) = parent {
                let dx = B::mean_error_gradient(x, y, dy.clone(), self.norm);
                tape.register::<B>(node.id, dx);
            }
        }
    }
}

/// An operation on one tensor.
#[derive(Debug)]
enum Unary {
    AvgPool2x2,
    MaxPool2x2,
    Upsample2x,
    Leaky { slope: f64 },
    Softmax,
    Expectation { sides: [usize; 2] },
}

/// The tensors that the gradient of a [`Unary`] operation needs.
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
        let [Some(node)] = ops.parents else { return };
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
                unreachable!("the forward pass saved the operands of the gradient")
            }
        };
        tape.register::<B>(node.id, dx);
    }
}

/// Runs an operation on one tensor, and records it if the tensor records gradients.
fn unary<B: Gradients, C: CheckpointStrategy>(
    operation: Unary,
    x: FloatTensor<Autodiff<B, C>>,
    forward: impl FnOnce(FloatTensor<B>) -> (FloatTensor<B>, SavedForBackward<B>),
) -> FloatTensor<Autodiff<B, C>> {
    let node = x.node();
    let (y, saved) = forward(x.into_primitive());
    match Backward::<B, 1>::prepare::<C>(operation, [node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// Records the convolution that made `y` for its N differentiable operands, and returns `y`.
fn record_convolution<B: Gradients, C: CheckpointStrategy, const N: usize>(
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
            let saved = ConvSaved {
                inputs,
                weight,
                y: (slope != 1.0).then(|| y.clone()),
            };
            prepared.finish(saved, y)
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
        kind: ConvKind,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let bias = bias.into_primitive();
        let y = B::convolve(x.clone(), weight.clone(), bias, slope, kind);
        let prepared = Backward::<B, 3>::prepare::<C>(ConvolveBackward { slope, kind }, nodes);
        record_convolution(
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
            kind: ConvKind::Same3x3,
        };
        let prepared = Backward::<B, 4>::prepare::<C>(backward, nodes);
        record_convolution(
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

    fn mean_error(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        norm: ErrorNorm,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        let (x, y) = (x.into_primitive(), y.into_primitive());
        let mean = B::mean_error(x.clone(), y.clone(), norm);
        match Backward::<B, 2>::prepare::<C>(MeanErrorBackward { norm }, nodes)
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
