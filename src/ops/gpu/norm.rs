//! Batch normalisation and LeakyReLU on the GPU: `shaders/norm.wgsl`, `leaky_relu.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::super::NormSettings;
use super::{Shader, bits, dims, empty, grad_arena, grid, launch, plane_lanes};

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
    /// How many tensors are added up.
    terms: usize,
    gradient: bool,
}

impl Shader for Leaky {}

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
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

/// `dy` has `all` channels, of which x's are the first.
fn run(
    pass: Pass,
    buffers: &[&CubeTensor],
    settings: NormSettings,
    all: usize,
    places: [usize; 2],
) {
    let [batch, channels, height, width] = dims(buffers[0]);
    let fours = height * width / 4;
    let lanes = plane_lanes(buffers[0], fours);
    let constants = [settings.epsilon, settings.slope, settings.momentum].map(bits);
    let sizes = [&[channels, fours, batch][..], &constants, &places, &[all]].concat();
    launch(Norm { pass, lanes }, [channels, batch, 1], buffers, &sizes);
}

/// A tensor `[B,C,H,W]` that may be some channels of a contiguous one, and how many that has; any other is made contiguous.
fn channels_of_more(tensor: CubeTensor) -> (CubeTensor, usize) {
    let [_, channels, height, width] = dims(&tensor);
    let plane = height * width;
    let strides = tensor.meta.strides();
    if strides[1..] == [plane, width, 1] && strides[0].is_multiple_of(plane) {
        let all = strides[0] / plane;
        return (tensor, all);
    }
    (into_contiguous(tensor), channels)
}

/// See [`crate::ops::batch_norm_train`], of `x` `[B,C,H,W]`, H W a multiple of four; weight, bias, and the running mean and variance before
/// this batch, `[C]` each. The output, those after it, and mean and variance, biased, of each channel: `[2,C]`.
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
    // One buffer, for a kernel may have eight: the moments, and from `places` on the running statistics.
    let after = (2 * channels).next_multiple_of(grad_arena::ALIGNED);
    let places = [
        after,
        after + channels.next_multiple_of(grad_arena::ALIGNED),
    ];
    let statistics = empty(&x, [places[1] + channels]);
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
    run(Pass::Forward, &buffers, settings, 0, places);
    let [mean, variance] = places.map(|start| grad_arena::view(&statistics, start, [channels]));
    [
        y,
        mean,
        variance,
        grad_arena::view(&statistics, 0, [2, channels]),
    ]
}

/// The gradients by x, weight and bias.
pub fn backward(
    x: CubeTensor,
    parameters: [CubeTensor; 3],
    settings: NormSettings,
    dy: CubeTensor,
) -> [CubeTensor; 3] {
    let x = into_contiguous(x);
    let (dy, all) = channels_of_more(dy);
    let [weight, bias, moments] = parameters.map(into_contiguous);
    let [batch, channels, ..] = dims::<4>(&x);
    let planes = empty(&x, [batch, 2, channels]);
    let buffers = [&x, &weight, &bias, &moments, &dy, &planes];
    run(Pass::Sums, &buffers, settings, all, [0, 0]);
    let dx = empty(&x, dims::<4>(&x));
    let places = [0, channels.next_multiple_of(grad_arena::ALIGNED)];
    let by_parameters = grad_arena::room(&x, places[1] + channels);
    let buffers = [
        &x,
        &weight,
        &bias,
        &moments,
        &dy,
        &planes,
        &by_parameters,
        &dx,
    ];
    run(Pass::Backward, &buffers, settings, all, places);
    let [weight_grad, by_bias] =
        places.map(|start| grad_arena::view(&by_parameters, start, [channels]));
    [dx, weight_grad, by_bias]
}

/// LeakyReLU of `x`, whose size is a multiple of four.
pub fn leaky(x: CubeTensor, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run_leaky(Leaky::RELU, &[&x, &y], slope);
    y
}

/// LeakyReLU of `x + y`, whose size is a multiple of four.
pub fn add_leaky_relu(x: CubeTensor, y: CubeTensor, slope: f64) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let sum = empty(&x, dims::<4>(&x));
    run_leaky(Leaky::SUM, &[&x, &y, &sum], slope);
    sum
}

/// Its gradient by the input, from the output `y`.
pub fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
    let (y, dy) = (into_contiguous(y), into_contiguous(dy));
    let dx = empty(&y, dims::<4>(&y));
    run_leaky(Leaky::GRADIENT, &[&y, &dy, &dx], slope);
    dx
}

fn run_leaky(shader: Leaky, buffers: &[&CubeTensor], slope: f64) {
    let fours = dims::<4>(buffers[0]).iter().product::<usize>() / 4;
    let groups = grid(fours.div_ceil(64));
    launch(shader, groups, buffers, &[fours, groups[0], bits(slope)]);
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(adapter: super::Adapter, found: &mut super::permutations::Found) {
    for fours in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(fours);
        for pass in [Pass::Moments, Pass::Forward, Pass::Sums, Pass::Backward] {
            found.add(Norm { pass, lanes });
        }
    }
    for leaky in [Leaky::RELU, Leaky::SUM, Leaky::GRADIENT] {
        found.add(leaky);
    }
}
