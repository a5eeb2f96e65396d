//! Batch normalisation and LeakyReLU on the GPU: `shaders/norm.wgsl`, `leaky_relu.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::super::NormSettings;
use super::{Shader, dims, empty, grad_arena, grid, launch, plane_lanes};

/// `shaders/norm.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "norm.wgsl", escape = "none")]
struct Norm {
    pass: Pass,
    lanes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Moments,
    Forward,
    Sums,
    Backward,
}

/// `shaders/leaky_relu.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "leaky_relu.wgsl", escape = "none")]
struct Leaky {
    /// The number of tensors that are added, 1 or 2.
    terms: usize,
    gradient: bool,
}

/// `Params` of `shaders/norm.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    channels: u32,
    plane_vec4s: u32,
    batch: u32,
    epsilon: f32,
    slope: f32,
    momentum: f32,
    first_at: u32,
    second_at: u32,
    dy_channels: u32,
}

/// `Params` of `shaders/leaky_relu.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct LeakyParams {
    vec4_count: u32,
    group_columns: u32,
    slope: f32,
}

impl Shader for Leaky {
    type Params = LeakyParams;
}

impl Leaky {
    const RELU: Leaky = Leaky {
        terms: 1,
        gradient: false,
    };
    const SUM: Leaky = Leaky {
        terms: 2,
        gradient: false,
    };
    const GRADIENT: Leaky = Leaky {
        terms: 1,
        gradient: true,
    };
}

impl Shader for Norm {
    type Params = Params;

    fn group_size(&self) -> u32 {
        self.lanes as u32
    }
}

/// Runs a pass. `dy_channels` are the channels of dy, of which x's are the first; `starts` are `first_at` and `second_at`.
fn run(
    pass: Pass,
    buffers: &[&CubeTensor],
    settings: NormSettings,
    dy_channels: usize,
    starts: [usize; 2],
) {
    let [batch, channels, height, width] = dims(buffers[0]);
    let plane_vec4s = height * width / 4;
    let lanes = plane_lanes(buffers[0], plane_vec4s);
    let [first_at, second_at] = starts.map(|start| start as u32);
    let params = Params {
        channels: channels as u32,
        plane_vec4s: plane_vec4s as u32,
        batch: batch as u32,
        epsilon: settings.epsilon as f32,
        slope: settings.slope as f32,
        momentum: settings.momentum as f32,
        first_at,
        second_at,
        dy_channels: dy_channels as u32,
    };
    launch(Norm { pass, lanes }, [channels, batch, 1], buffers, params);
}

/// Returns `tensor` `[B,C,H,W]` as it is if it is the first channels of a contiguous tensor, and the channels of that; else copies it.
fn as_first_channels(tensor: CubeTensor) -> (CubeTensor, usize) {
    let [_, channels, height, width] = dims(&tensor);
    let plane = height * width;
    let strides = tensor.meta.strides();
    if strides[1..] == [plane, width, 1] && strides[0].is_multiple_of(plane) {
        let all = strides[0] / plane;
        return (tensor, all);
    }
    (into_contiguous(tensor), channels)
}

/// Computes [`crate::ops::batch_norm_train`] of `x` `[B,C,H,W]`, H W a multiple of four. `parameters` are weight, bias, and the running mean
/// and variance before this batch, `[C]` each. Returns the output, the running mean and variance after this batch, and the mean and
/// biased variance of each channel, `[2,C]`.
pub fn forward(
    x: CubeTensor,
    parameters: [CubeTensor; 4],
    settings: NormSettings,
) -> [CubeTensor; 4] {
    let x = into_contiguous(x);
    let [weight, bias, mean, variance] = parameters.map(into_contiguous);
    let [batch, channels, ..] = dims::<4>(&x);
    let planes = empty(&x, [batch, 2, channels]);
    run(Pass::Moments, &[&x, &planes], settings, 0, [0, 0]);
    let y = empty(&x, dims::<4>(&x));
    // One buffer, since a kernel may bind eight: the moments, and from `starts` on the running statistics.
    let after = (2 * channels).next_multiple_of(grad_arena::ALIGNED);
    let starts = [
        after,
        after + channels.next_multiple_of(grad_arena::ALIGNED),
    ];
    let statistics = empty(&x, [starts[1] + channels]);
    let buffers = [
        &x,
        &weight,
        &bias,
        &planes,
        &mean,
        &variance,
        &statistics,
        &y,
    ];
    run(Pass::Forward, &buffers, settings, 0, starts);
    let [mean, variance] = starts.map(|start| grad_arena::view(&statistics, start, [channels]));
    [
        y,
        mean,
        variance,
        grad_arena::view(&statistics, 0, [2, channels]),
    ]
}

/// Computes the gradients of [`forward`] by x, weight and bias; `parameters` are weight, bias and moments.
pub fn backward(
    x: CubeTensor,
    parameters: [CubeTensor; 3],
    settings: NormSettings,
    dy: CubeTensor,
) -> [CubeTensor; 3] {
    let x = into_contiguous(x);
    let (dy, dy_channels) = as_first_channels(dy);
    let [weight, bias, moments] = parameters.map(into_contiguous);
    let [batch, channels, ..] = dims::<4>(&x);
    let planes = empty(&x, [batch, 2, channels]);
    let buffers = [&x, &weight, &bias, &moments, &dy, &planes];
    run(Pass::Sums, &buffers, settings, dy_channels, [0, 0]);
    let dx = empty(&x, dims::<4>(&x));
    let starts = [0, channels.next_multiple_of(grad_arena::ALIGNED)];
    let parameter_grads = grad_arena::alloc(&x, starts[1] + channels);
    let buffers = [
        &x,
        &weight,
        &bias,
        &moments,
        &dy,
        &planes,
        &parameter_grads,
        &dx,
    ];
    run(Pass::Backward, &buffers, settings, dy_channels, starts);
    let [weight_grad, bias_grad] =
        starts.map(|start| grad_arena::view(&parameter_grads, start, [channels]));
    [dx, weight_grad, bias_grad]
}

/// Computes LeakyReLU of `x` `[B,C,H,W]`, whose size is a multiple of four.
pub fn leaky(x: CubeTensor, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run_leaky(Leaky::RELU, &[&x, &y], slope);
    y
}

/// Computes LeakyReLU of `x + y`, `[B,C,H,W]` both, whose size is a multiple of four.
pub fn add_leaky_relu(x: CubeTensor, y: CubeTensor, slope: f64) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let sum = empty(&x, dims::<4>(&x));
    run_leaky(Leaky::SUM, &[&x, &y, &sum], slope);
    sum
}

/// Computes the gradient of [`leaky`] by its input, from the output `y`.
pub fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
    let (y, dy) = (into_contiguous(y), into_contiguous(dy));
    let dx = empty(&y, dims::<4>(&y));
    run_leaky(Leaky::GRADIENT, &[&y, &dy, &dx], slope);
    dx
}

fn run_leaky(shader: Leaky, buffers: &[&CubeTensor], slope: f64) {
    let vec4_count = dims::<4>(buffers[0]).iter().product::<usize>() / 4;
    let groups = grid(vec4_count.div_ceil(64));
    let params = LeakyParams {
        vec4_count: vec4_count as u32,
        group_columns: groups[0] as u32,
        slope: slope as f32,
    };
    launch(shader, groups, buffers, params);
}

/// Adds every kernel of this file that `adapter` may run.
#[cfg(test)]
pub(super) fn permutations(
    adapter: super::AdapterProperties,
    found: &mut super::permutations::Found,
) {
    for vec4_count in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(vec4_count);
        for pass in [Pass::Moments, Pass::Forward, Pass::Sums, Pass::Backward] {
            found.add(Norm { pass, lanes });
        }
    }
    for leaky in [Leaky::RELU, Leaky::SUM, Leaky::GRADIENT] {
        found.add(leaky);
    }
}
