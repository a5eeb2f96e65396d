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

    /// See [`crate::ops::double`].
    fn double(x: FloatTensor<Self>) -> FloatTensor<Self>;
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

    fn double(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = resize::double(contiguous(&x).storage(), height, width);
        tensor(y, [batch, channels, 2 * height, 2 * width])
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

#[derive(Debug)]
enum ResizeBackward {
    Halve,
    Double,
}

impl Backward<Flex, 1> for ResizeBackward {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x] = ops.parents;
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let [batch, channels, height, width] = dims(&dy);
        let Some(node) = of_x else { return };
        let dx = match self {
            Self::Halve => tensor(
                resize::halve_gradient(dy.storage(), height, width),
                [batch, channels, 2 * height, 2 * width],
            ),
            Self::Double => tensor(
                resize::double_gradient(dy.storage(), height, width),
                [batch, channels, height / 2, width / 2],
            ),
        };
        grads.register::<Flex>(node.id, dx);
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
        resized::<C>(x, ResizeBackward::Halve, Flex::halve)
    }

    fn double(x: FloatTensor<Self>) -> FloatTensor<Self> {
        resized::<C>(x, ResizeBackward::Double, Flex::double)
    }
}

fn resized<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    backward: ResizeBackward,
    forward: fn(FlexTensor) -> FlexTensor,
) -> FloatTensor<Autodiff<Flex, C>> {
    let node = x.node();
    let y = forward(x.into_primitive());
    match backward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}
