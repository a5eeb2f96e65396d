//! The CPU's kernels as burn operations with their gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, DispatchDevice, Flex, backend_extension};
use burn::tensor::{Bytes, DType, Device, Shape};

use super::conv::{Convolution, ConvolutionGradients};
use super::cpu::conv;
use super::cpu::edge_map::Drawing;
use super::cpu::norm::{self, Normalisation};
use super::cpu::resize;

/// Whether tensors of this device are served here.
pub fn serves(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// Operations that the CPU backend has its own kernels for; [`crate::ops`] says what each does.
#[backend_extension(Autodiff, Flex)]
pub trait Kernels: Backend {
    /// See [`crate::ops::edge_map`].
    fn edge_map(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> FloatTensor<Self>;

    /// See [`crate::ops::halve`].
    fn halve(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::max_halve`].
    fn max_halve(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::double`].
    fn double(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::ops::leaky_relu`].
    fn leaky(x: FloatTensor<Self>, slope: f64) -> FloatTensor<Self>;

    /// See [`crate::ops::normalise`]. `moments` `[2,C]` are x's own, and so are differentiated.
    fn normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f64,
        slope: f64,
    ) -> FloatTensor<Self>;
}

/// What needs no gradient.
#[backend_extension(Flex)]
pub trait Statistics: Backend {
    /// Mean and variance, biased, of each channel: `[B,C,H,W]` -> `[2,C]`.
    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A tensor's values, in order. Free where they lie so already.
fn contiguous(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(Shape::new(shape)),
        DType::F32,
    )
}

impl Kernels for Flex {
    fn edge_map(
        keypoints: FlexTensor,
        weights: FlexTensor,
        size: usize,
        thickness: f64,
    ) -> FlexTensor {
        let drawing = drawing(&keypoints, &weights, size, thickness);
        let [batch, ..] = dims::<3>(&keypoints);
        tensor(drawing.forward().0, [batch, 1, size, size])
    }

    fn halve(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = resize::halve(contiguous(&x).storage(), height, width);
        tensor(y, [batch, channels, height / 2, width / 2])
    }

    fn max_halve(x: FlexTensor) -> FlexTensor {
        max_halved(&x).0
    }

    fn double(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = resize::double(contiguous(&x).storage(), height, width);
        tensor(y, [batch, channels, 2 * height, 2 * width])
    }

    fn leaky(x: FlexTensor, slope: f64) -> FlexTensor {
        let y = norm::leaky(contiguous(&x).storage(), slope as f32);
        tensor(y, dims::<4>(&x))
    }

    fn normalise(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        moments: FlexTensor,
        epsilon: f64,
        slope: f64,
    ) -> FlexTensor {
        let normalisation = normalisation(&x, [&weight, &bias, &moments], epsilon, slope);
        let y = normalisation.forward(contiguous(&x).storage());
        tensor(y, normalisation.shape)
    }
}

impl Statistics for Flex {
    fn moments(x: FlexTensor) -> FlexTensor {
        let shape = dims(&x);
        tensor(
            norm::moments(contiguous(&x).storage(), shape),
            [2, shape[1]],
        )
    }
}

/// And which won.
fn max_halved(x: &FlexTensor) -> (FlexTensor, Vec<u8>) {
    let [batch, channels, height, width] = dims(x);
    let (y, winners) = resize::max_halve(contiguous(x).storage(), height, width);
    let y = tensor(y, [batch, channels, height / 2, width / 2]);
    (y, winners)
}

fn normalisation(
    x: &FlexTensor,
    [weight, bias, moments]: [&FlexTensor; 3],
    epsilon: f64,
    slope: f64,
) -> Normalisation {
    let values = |tensor| contiguous(tensor).storage::<f32>().to_vec();
    Normalisation {
        shape: dims(x),
        weight: values(weight),
        bias: values(bias),
        moments: values(moments),
        epsilon: epsilon as f32,
        slope: slope as f32,
    }
}

impl Convolution for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, halving: bool) -> FlexTensor {
        let (x, weight, bias) = (contiguous(&x), contiguous(&weight), contiguous(&bias));
        let shape = dims(&x);
        let [batch, _, height, width] = shape;
        let [outputs] = dims(&bias);
        if halving {
            let y =
                conv::halving_forward(x.storage(), shape, weight.storage(), Some(bias.storage()));
            tensor(y, [batch, outputs, height / 2, width / 2])
        } else {
            let y = conv::forward(x.storage(), shape, weight.storage(), Some(bias.storage()));
            tensor(y, [batch, outputs, height, width])
        }
    }
}

impl ConvolutionGradients for Flex {
    fn by_x(x: FlexTensor, weight: FlexTensor, dy: FlexTensor, halving: bool) -> FlexTensor {
        let (dy, weight) = (contiguous(&dy), contiguous(&weight));
        let gradient = if halving {
            conv::halving_input_gradient
        } else {
            conv::input_gradient
        };
        let dx = gradient(dy.storage(), dims(&dy), weight.storage());
        tensor(dx, dims::<4>(&x))
    }

    fn by_weight(x: FlexTensor, weight: FlexTensor, dy: FlexTensor, halving: bool) -> FlexTensor {
        let (x, dy) = (contiguous(&x), contiguous(&dy));
        let gradient = if halving {
            conv::halving_weight_gradient
        } else {
            conv::weight_gradient
        };
        let dw = gradient(x.storage(), dims(&x), dy.storage());
        tensor(dw, dims::<4>(&weight))
    }

    fn by_bias(dy: FlexTensor) -> FlexTensor {
        let dy = contiguous(&dy);
        let shape = dims(&dy);
        tensor(conv::bias_gradient(dy.storage(), shape), [shape[1]])
    }
}

fn drawing(keypoints: &FlexTensor, weights: &FlexTensor, size: usize, thickness: f64) -> Drawing {
    let [_, count, _] = dims(keypoints);
    Drawing {
        keypoints: contiguous(keypoints).storage::<f32>().to_vec(),
        weights: contiguous(weights).storage::<f32>().to_vec(),
        count,
        size,
        thickness: thickness as f32,
    }
}

#[derive(Debug)]
struct EdgeMapBackward;

impl Backward<Flex, 2> for EdgeMapBackward {
    type State = (Drawing, Vec<u32>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_keypoints, of_weights] = ops.parents;
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let (drawing, winners) = ops.state;
        let [batch, ..] = dims::<4>(&dy);
        let (by_keypoints, by_weights) = drawing.backward(&winners, dy.storage());
        if let Some(node) = of_keypoints {
            grads.register::<Flex>(node.id, tensor(by_keypoints, [batch, drawing.count, 2]));
        }
        if let Some(node) = of_weights {
            grads.register::<Flex>(node.id, tensor(by_weights, [drawing.count, drawing.count]));
        }
    }
}

/// What takes one tensor.
#[derive(Debug)]
enum UnaryBackward {
    Halve,
    Double,
    MaxHalve { winners: Vec<u8> },
    Leaky { y: FlexTensor, slope: f32 },
}

impl Backward<Flex, 1> for UnaryBackward {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x] = ops.parents;
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let [batch, channels, height, width] = dims(&dy);
        let Some(node) = of_x else { return };
        let twice = [batch, channels, 2 * height, 2 * width];
        let dy = dy.storage();
        let dx = match self {
            Self::Halve => tensor(resize::halve_gradient(dy, height, width), twice),
            Self::Double => tensor(
                resize::double_gradient(dy, height, width),
                [batch, channels, height / 2, width / 2],
            ),
            Self::MaxHalve { winners } => tensor(
                resize::max_halve_gradient(&winners, dy, height, width),
                twice,
            ),
            Self::Leaky { y, slope } => tensor(
                norm::leaky_gradient(y.storage(), dy, slope),
                [batch, channels, height, width],
            ),
        };
        grads.register::<Flex>(node.id, dx);
    }
}

#[derive(Debug)]
struct NormalisationBackward;

impl Backward<Flex, 3> for NormalisationBackward {
    /// And x.
    type State = (Normalisation, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let (normalisation, x) = ops.state;
        let [dx, by_weight, by_bias] = normalisation.backward(x.storage(), dy.storage());
        let channels = [by_weight.len()];
        let found = [
            tensor(dx, normalisation.shape),
            tensor(by_weight, channels),
            tensor(by_bias, channels),
        ];
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn edge_map(
        keypoints: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        size: usize,
        thickness: f64,
    ) -> FloatTensor<Self> {
        let drawing = drawing(keypoints.primitive(), weights.primitive(), size, thickness);
        let [batch, ..] = dims::<3>(keypoints.primitive());
        let (map, winners) = drawing.forward();
        let map = tensor(map, [batch, 1, size, size]);
        let nodes = [keypoints.node(), weights.node()];
        match EdgeMapBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish((drawing, winners), map),
            OpsKind::UnTracked(prepared) => prepared.finish(map),
        }
    }

    fn halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<C>(x, |x| (Flex::halve(x), UnaryBackward::Halve))
    }

    fn max_halve(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<C>(x, |x| {
            let (y, winners) = max_halved(&x);
            (y, UnaryBackward::MaxHalve { winners })
        })
    }

    fn double(x: FloatTensor<Self>) -> FloatTensor<Self> {
        unary::<C>(x, |x| (Flex::double(x), UnaryBackward::Double))
    }

    fn leaky(x: FloatTensor<Self>, slope: f64) -> FloatTensor<Self> {
        unary::<C>(x, |x| {
            let y = Flex::leaky(x, slope);
            let slope = slope as f32;
            (y.clone(), UnaryBackward::Leaky { y, slope })
        })
    }

    fn normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f64,
        slope: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (weight, bias) = (weight.primitive(), bias.primitive());
        let parts = [weight, bias, moments.primitive()];
        let normalisation = normalisation(x.primitive(), parts, epsilon, slope);
        let x = contiguous(x.primitive());
        let y = tensor(normalisation.forward(x.storage()), normalisation.shape);
        match NormalisationBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish((normalisation, x), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

fn unary<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    forward: impl FnOnce(FlexTensor) -> (FlexTensor, UnaryBackward),
) -> FloatTensor<Autodiff<Flex, C>> {
    let node = x.node();
    let (y, backward) = forward(x.into_primitive());
    match backward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}
