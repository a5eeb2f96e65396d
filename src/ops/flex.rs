//! The CPU's kernels as operations of Burn's backend Flex.

use burn::backend::Flex;
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::ops::ModuleOps;
use burn::tensor::{Bytes, DType, Shape};

use super::cpu::edge_map::EdgeMapOperands;
use super::cpu::job::{ConvJob, ConvPass};
use super::cpu::norm::{self, Normalisation};
use super::cpu::{self, adamw, conv, heatmap, mean_error, peak, resize};
use super::kernels::{BenchOps, Gradients, Kernels, Optimiser};
use super::{AdamWStep, ConvKind, ErrorNorm, NormSettings};

/// Returns a tensor with contiguous values; copies nothing if they are contiguous already.
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

/// Concatenates `[B,X,H,W]` and `[B,Y,H,W]` along their channels: `[B,X+Y,H,W]`.
fn concatenate(x: &FlexTensor, y: &FlexTensor) -> FlexTensor {
    let (x, y) = (contiguous(x), contiguous(y));
    let [batch, first, height, width] = dims(&x);
    let [_, second, ..] = dims::<4>(&y);
    let plane = height * width;
    let x_images = x.storage::<f32>().chunks_exact(first * plane);
    let y_images = y.storage::<f32>().chunks_exact(second * plane);
    let both = x_images.zip(y_images).flat_map(|(x, y)| [x, y]);
    let both = both.collect::<Vec<_>>().concat();
    tensor(both, [batch, first + second, height, width])
}

impl Kernels for Flex {
    fn convolve(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        slope: f64,
        kind: ConvKind,
    ) -> FlexTensor {
        let (x, weight, bias) = (contiguous(&x), contiguous(&weight), contiguous(&bias));
        let shape = dims(&x);
        let [batch, _, height, width] = shape;
        let [outputs] = dims(&bias);
        let job = ConvJob {
            pass: ConvPass::Forward,
            kind,
            shape,
            other_channels: outputs,
        };
        let mut y = cpu::convolve(job, x.storage(), weight.storage(), Some(bias.storage()));
        if slope != 1.0 {
            norm::leaky_in_place(&mut y, slope as f32);
        }
        let stride = kind.stride();
        tensor(y, [batch, outputs, height / stride, width / stride])
    }

    fn convolve_concat(
        x: FlexTensor,
        y: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        slope: f64,
    ) -> FlexTensor {
        Self::convolve(concatenate(&x, &y), weight, bias, slope, ConvKind::Same3x3)
    }

    fn edge_map(
        keypoints: FlexTensor,
        weights: FlexTensor,
        size: usize,
        thickness: f64,
    ) -> FlexTensor {
        Self::draw(keypoints, weights, size, thickness).0
    }

    fn avg_pool2x2(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = resize::avg_pool2x2(contiguous(&x).storage(), height, width);
        tensor(y, [batch, channels, height / 2, width / 2])
    }

    fn max_pool2x2(x: FlexTensor) -> FlexTensor {
        Self::max_pool2x2_with_indices(x).0
    }

    fn upsample2x(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&x);
        let y = resize::upsample2x(contiguous(&x).storage(), height, width);
        tensor(y, [batch, channels, 2 * height, 2 * width])
    }

    fn upsample2x_concat(x: FlexTensor, y: FlexTensor) -> FlexTensor {
        Self::upsample2x(concatenate(&x, &y))
    }

    fn leaky(x: FlexTensor, slope: f64) -> FlexTensor {
        let mut y = contiguous(&x).storage().to_vec();
        norm::leaky_in_place(&mut y, slope as f32);
        tensor(y, dims::<4>(&x))
    }

    fn add_leaky_relu(x: FlexTensor, y: FlexTensor, slope: f64) -> FlexTensor {
        let (x, y) = (contiguous(&x), contiguous(&y));
        let sum = norm::add_leaky_relu(x.storage(), y.storage(), slope as f32);
        tensor(sum, dims::<4>(&x))
    }

    fn batch_norm_train(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        running_mean: FlexTensor,
        running_variance: FlexTensor,
        settings: NormSettings,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let parameters = [weight, bias, running_mean, running_variance];
        let [y, mean, variance, _] = Self::batch_norm_train_with_moments(x, parameters, settings);
        (y, mean, variance)
    }

    fn mean_error(x: FlexTensor, y: FlexTensor, norm: ErrorNorm) -> FlexTensor {
        let (x, y) = (contiguous(&x), contiguous(&y));
        tensor(vec![mean_error::mean(x.storage(), y.storage(), norm)], [1])
    }

    fn softmax_planes(x: FlexTensor) -> FlexTensor {
        let shape @ [_, _, height, width] = dims(&x);
        let y = heatmap::softmax(contiguous(&x).storage(), height * width);
        tensor(y, shape)
    }

    fn expectation(heatmaps: FlexTensor) -> FlexTensor {
        let [batch, count, height, width] = dims(&heatmaps);
        let keypoints = heatmap::expectation(contiguous(&heatmaps).storage(), height, width);
        tensor(keypoints, [batch, count, 2])
    }
}

impl Optimiser for Flex {
    fn adamw(
        g: FlexTensor,
        m: FlexTensor,
        v: FlexTensor,
        p: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let count = dims::<1>(&g);
        let [g, m, v, p] = [g, m, v, p].map(|tensor| contiguous(&tensor));
        let values = [g.storage(), m.storage(), v.storage(), p.storage()];
        adamw::step(values, step)
            .map(|values| tensor(values, count))
            .into()
    }
}

impl Gradients for Flex {
    /// The parameters of the edge map, the map itself, and the brightest edge of each pixel.
    type EdgeMapCtx = (EdgeMapOperands, FlexTensor, Vec<u32>);
    type PoolIndices = Vec<u8>;

    fn convolve_input_grad(
        x: FlexTensor,
        weight: FlexTensor,
        dy: FlexTensor,
        kind: ConvKind,
    ) -> FlexTensor {
        let (dy, weight) = (contiguous(&dy), contiguous(&weight));
        let [batch, _, height, width] = dims(&x);
        let [_, inputs, ..] = dims::<4>(&weight);
        let job = ConvJob {
            pass: ConvPass::InputGrad,
            kind,
            shape: dims(&dy),
            other_channels: inputs,
        };
        let dx = cpu::convolve(job, dy.storage(), weight.storage(), None);
        tensor(dx, [batch, inputs, height, width])
    }

    fn convolve_parameter_grads(
        inputs: Vec<FlexTensor>,
        weight: FlexTensor,
        dy: FlexTensor,
        kind: ConvKind,
    ) -> [FlexTensor; 2] {
        let x = match &inputs[..] {
            [x, y] => concatenate(x, y),
            inputs => contiguous(&inputs[0]),
        };
        let dy = contiguous(&dy);
        let shape = dims::<4>(&weight);
        let job = ConvJob {
            pass: ConvPass::WeightGrad,
            kind,
            shape: dims(&x),
            other_channels: shape[0],
        };
        let weight_grad = cpu::convolve(job, x.storage(), dy.storage(), None);
        let bias_grad = conv::bias_grad(dy.storage(), dims(&dy));
        [tensor(weight_grad, shape), tensor(bias_grad, [shape[0]])]
    }

    fn draw(
        keypoints: FlexTensor,
        weights: FlexTensor,
        size: usize,
        thickness: f64,
    ) -> (FlexTensor, Self::EdgeMapCtx) {
        let params = edge_map_operands(&keypoints, &weights, size, thickness);
        let [batch, ..] = dims::<3>(&keypoints);
        let (map, indices) = params.forward();
        let map = tensor(map, [batch, 1, size, size]);
        (map.clone(), (params, map, indices))
    }

    fn edge_map_gradients(
        (params, map, indices): Self::EdgeMapCtx,
        dy: FlexTensor,
    ) -> [FlexTensor; 2] {
        let [batch, ..] = dims::<4>(&dy);
        let (keypoint_grad, weight_grad) =
            params.backward(map.storage(), &indices, contiguous(&dy).storage());
        [
            tensor(keypoint_grad, [batch, params.count, 2]),
            tensor(weight_grad, [params.count, params.count]),
        ]
    }

    fn avg_pool2x2_gradient(dy: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&dy);
        let dx = resize::avg_pool2x2_gradient(contiguous(&dy).storage(), height, width);
        tensor(dx, [batch, channels, 2 * height, 2 * width])
    }

    fn max_pool2x2_with_indices(x: FlexTensor) -> (FlexTensor, Vec<u8>) {
        let [batch, channels, height, width] = dims(&x);
        let (y, indices) = resize::max_pool2x2(contiguous(&x).storage(), height, width);
        (tensor(y, [batch, channels, height / 2, width / 2]), indices)
    }

    fn max_pool2x2_gradient(indices: Vec<u8>, dy: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&dy);
        let dx = resize::max_pool2x2_gradient(&indices, contiguous(&dy).storage(), height, width);
        tensor(dx, [batch, channels, 2 * height, 2 * width])
    }

    fn upsample2x_gradient(dy: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = dims(&dy);
        let dx = resize::upsample2x_gradient(contiguous(&dy).storage(), height, width);
        tensor(dx, [batch, channels, height / 2, width / 2])
    }

    fn leaky_gradient(y: FlexTensor, dy: FlexTensor, slope: f64) -> FlexTensor {
        let dx = norm::leaky_gradient(y.storage(), contiguous(&dy).storage(), slope as f32);
        tensor(dx, dims::<4>(&y))
    }

    fn split(x: FlexTensor, channels: usize) -> [FlexTensor; 2] {
        let x = contiguous(&x);
        let [batch, all, height, width] = dims(&x);
        let plane = height * width;
        let images = x.storage::<f32>().chunks_exact(all * plane);
        let parts = images.map(|image| image.split_at(channels * plane));
        let (first, second): (Vec<_>, Vec<_>) = parts.unzip();
        [
            tensor(first.concat(), [batch, channels, height, width]),
            tensor(second.concat(), [batch, all - channels, height, width]),
        ]
    }

    fn batch_norm_train_with_moments(
        x: FlexTensor,
        [weight, bias, running_mean, running_variance]: [FlexTensor; 4],
        settings: NormSettings,
    ) -> [FlexTensor; 4] {
        let shape @ [batch, channels, height, width] = dims(&x);
        let x = contiguous(&x);
        let moments = norm::moments(x.storage(), shape);
        let n = (batch * height * width) as f64;
        let unbias = (n / (n - 1.0).max(1.0)) as f32;
        let (mean, variance) = moments.split_at(channels);
        let unbiased: Vec<f32> = variance.iter().map(|variance| variance * unbias).collect();
        let follow = |running: FlexTensor, now: &[f32]| {
            let running = contiguous(&running);
            let after = running.storage::<f32>().iter().zip(now);
            let momentum = settings.momentum as f32;
            let after = after.map(|(before, now)| before * (1.0 - momentum) + now * momentum);
            tensor(after.collect(), [channels])
        };
        let mean = follow(running_mean, mean);
        let variance = follow(running_variance, &unbiased);
        let moments = tensor(moments, [2, channels]);
        let normalisation = normalisation(&x, [&weight, &bias, &moments], settings);
        let y = tensor(normalisation.forward(x.storage()), shape);
        [y, mean, variance, moments]
    }

    fn batch_norm_train_gradients(
        x: FlexTensor,
        [weight, bias, moments]: [FlexTensor; 3],
        settings: NormSettings,
        dy: FlexTensor,
    ) -> [FlexTensor; 3] {
        let normalisation = normalisation(&x, [&weight, &bias, &moments], settings);
        let [dx, weight_grad, bias_grad] =
            normalisation.backward(contiguous(&x).storage(), contiguous(&dy).storage());
        let channels = [weight_grad.len()];
        [
            tensor(dx, normalisation.shape),
            tensor(weight_grad, channels),
            tensor(bias_grad, channels),
        ]
    }

    fn mean_error_gradient(
        x: FlexTensor,
        y: FlexTensor,
        dy: FlexTensor,
        norm: ErrorNorm,
    ) -> FlexTensor {
        let shape = dims::<4>(&x);
        let [x, y, dy] = [x, y, dy].map(|tensor| contiguous(&tensor));
        let dy: &[f32] = dy.storage();
        tensor(
            mean_error::gradient(x.storage(), y.storage(), dy[0], norm),
            shape,
        )
    }

    fn softmax_gradient(y: FlexTensor, dy: FlexTensor) -> FlexTensor {
        let shape @ [_, _, height, width] = dims(&dy);
        let (y, dy) = (contiguous(&y), contiguous(&dy));
        let dx = heatmap::softmax_gradient(y.storage(), dy.storage(), height * width);
        tensor(dx, shape)
    }

    fn expectation_gradient(dy: FlexTensor, [height, width]: [usize; 2]) -> FlexTensor {
        let [batch, count, _] = dims(&dy);
        let heatmap_grad = heatmap::expectation_gradient(contiguous(&dy).storage(), height, width);
        tensor(heatmap_grad, [batch, count, height, width])
    }
}

fn edge_map_operands(
    keypoints: &FlexTensor,
    weights: &FlexTensor,
    size: usize,
    thickness: f64,
) -> EdgeMapOperands {
    let [_, count, _] = dims(keypoints);
    EdgeMapOperands {
        keypoints: contiguous(keypoints).storage::<f32>().to_vec(),
        weights: contiguous(weights).storage::<f32>().to_vec(),
        count,
        size,
        thickness: thickness as f32,
    }
}

fn normalisation(
    x: &FlexTensor,
    [weight, bias, moments]: [&FlexTensor; 3],
    settings: NormSettings,
) -> Normalisation {
    let values = |tensor| contiguous(tensor).storage::<f32>().to_vec();
    Normalisation {
        shape: dims(x),
        weight: values(weight),
        bias: values(bias),
        moments: values(moments),
        epsilon: settings.epsilon as f32,
        slope: settings.slope as f32,
    }
}

impl BenchOps for Flex {
    /// Runs as many operations, in as many chains as the CPU needs.
    fn multiply_adds(_: FlexTensor, chains: usize, groups: usize, rounds: usize) -> FlexTensor {
        let sums = peak::multiply_adds(groups, 64 * 16 * chains * rounds);
        tensor(sums, [groups])
    }

    fn input_grad(x: FlexTensor, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Self::convolve_input_grad(x, weight, dy, ConvKind::Same3x3)
    }

    fn weight_grad(x: FlexTensor, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        let [weight_grad, _] =
            Self::convolve_parameter_grads(vec![x], weight, dy, ConvKind::Same3x3);
        weight_grad
    }

    fn burn_input_grad(x: FlexTensor, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Self::conv2d_x_backward(x, weight, dy, super::conv::options())
    }

    fn burn_weight_grad(x: FlexTensor, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Self::conv2d_weight_backward(x, weight, dy, super::conv::options())
    }
}
