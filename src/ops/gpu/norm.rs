//! Batch normalisation and LeakyReLU on the GPU: `shaders/norm.wgsl`, `norm_moments.wgsl`, `leaky_relu.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, bits, dims, empty, grid, launch, plane_lanes, shelf};

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

/// `shaders/norm_moments.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "norm_moments.wgsl", escape = "none")]
struct Moments;

/// `shaders/leaky_relu.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "leaky_relu.wgsl", escape = "none")]
struct Leaky {
    /// How many tensors are added up.
    terms: usize,
    gradient: bool,
}

impl Shader for Moments {}
impl Shader for Leaky {}
impl Shader for Norm {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

fn run(pass: Pass, buffers: &[&CubeTensor], [epsilon, slope]: [f64; 2], second: usize) {
    let [batch, channels, height, width] = dims(buffers[0]);
    let fours = height * width / 4;
    let lanes = plane_lanes(buffers[0], fours);
    launch(
        Norm { pass, lanes },
        [channels, batch, 1],
        buffers,
        &[channels, fours, batch, bits(epsilon), bits(slope), second],
    );
}

/// Mean and variance, biased, of each channel: `x` `[B,C,H,W]`, H W a multiple of four -> `[2,C]`. With them the running mean and
/// variance, `[C]`, after this batch.
pub fn moments(x: CubeTensor, running: [CubeTensor; 2], momentum: f64) -> [CubeTensor; 3] {
    let x = into_contiguous(x);
    let [mean, variance] = running.map(into_contiguous);
    let [batch, channels, height, width] = dims(&x);
    let planes = empty(&x, [batch, 2, channels]);
    run(Pass::Moments, &[&x, &planes], [0.0, 0.0], 0);
    let moments = empty(&x, [2, channels]);
    let [new_mean, new_variance] = [(); 2].map(|()| empty(&x, [channels]));
    launch(
        Moments,
        [channels.div_ceil(64), 1, 1],
        &[
            &planes,
            &mean,
            &variance,
            &moments,
            &new_mean,
            &new_variance,
        ],
        &[channels, height * width, batch, bits(momentum)],
    );
    [moments, new_mean, new_variance]
}

/// `x` `[B,C,H,W]`; weight, bias `[C]` and moments `[2,C]`.
pub fn forward(x: CubeTensor, parameters: [CubeTensor; 3], epsilon: f64, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let [weight, bias, moments] = parameters.map(into_contiguous);
    let y = empty(&x, dims::<4>(&x));
    let buffers = [&x, &weight, &bias, &moments, &y];
    run(Pass::Forward, &buffers, [epsilon, slope], 0);
    y
}

/// The gradients by x, weight and bias.
pub fn backward(
    x: CubeTensor,
    parameters: [CubeTensor; 3],
    epsilon: f64,
    slope: f64,
    dy: CubeTensor,
) -> [CubeTensor; 3] {
    let (x, dy) = (into_contiguous(x), into_contiguous(dy));
    let [weight, bias, moments] = parameters.map(into_contiguous);
    let [batch, channels, ..] = dims::<4>(&x);
    let planes = empty(&x, [batch, 2, channels]);
    let buffers = [&x, &weight, &bias, &moments, &dy, &planes];
    run(Pass::Sums, &buffers, [epsilon, slope], 0);
    let dx = empty(&x, dims::<4>(&x));
    let second = channels.next_multiple_of(shelf::ALIGNED);
    let by_parameters = shelf::room(&x, second + channels);
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
    run(Pass::Backward, &buffers, [epsilon, slope], second);
    let [by_weight, by_bias] =
        [0, second].map(|start| shelf::view(&by_parameters, start, [channels]));
    [dx, by_weight, by_bias]
}

/// LeakyReLU of `x`, whose size is a multiple of four.
pub fn leaky(x: CubeTensor, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run_leaky(
        Leaky {
            terms: 1,
            gradient: false,
        },
        &[&x, &y],
        slope,
    );
    y
}

/// LeakyReLU of `x + y`, whose size is a multiple of four.
pub fn leaky_sum(x: CubeTensor, y: CubeTensor, slope: f64) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let sum = empty(&x, dims::<4>(&x));
    run_leaky(
        Leaky {
            terms: 2,
            gradient: false,
        },
        &[&x, &y, &sum],
        slope,
    );
    sum
}

/// Its gradient by the input, from the output `y`.
pub fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
    let (y, dy) = (into_contiguous(y), into_contiguous(dy));
    let dx = empty(&y, dims::<4>(&y));
    run_leaky(
        Leaky {
            terms: 1,
            gradient: true,
        },
        &[&y, &dy, &dx],
        slope,
    );
    dx
}

fn run_leaky(shader: Leaky, buffers: &[&CubeTensor], slope: f64) {
    let fours = dims::<4>(buffers[0]).iter().product::<usize>() / 4;
    let groups = grid(fours.div_ceil(64));
    launch(shader, groups, buffers, &[fours, groups[0], bits(slope)]);
}
