//! Batch normalisation and LeakyReLU on the GPU: `shaders/norm.wgsl`, `norm_moments.wgsl`, `leaky_relu.wgsl`.

use askama::Template;
use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Shape, Slice};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, bits, dims, empty, grid, launch, plane_lanes, sum};

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
    gradient: bool,
}

impl Shader for Moments {}
impl Shader for Leaky {}
impl Shader for Norm {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

fn run(pass: Pass, buffers: &[&CubeTensor], epsilon: f64, slope: f64) {
    let [batch, channels, height, width] = dims(buffers[0]);
    let fours = height * width / 4;
    let lanes = plane_lanes(buffers[0], fours);
    launch(
        Norm { pass, lanes },
        [channels, batch, 1],
        buffers,
        &[channels, fours, batch, bits(epsilon), bits(slope)],
    );
}

/// Mean and variance, biased, of each channel: `x` `[B,C,H,W]`, H W a multiple of four -> `[2,C]`.
pub fn moments(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let [batch, channels, height, width] = dims(&x);
    let planes = empty(&x, [batch, 2, channels]);
    run(Pass::Moments, &[&x, &planes], 0.0, 0.0);
    let moments = empty(&x, [2, channels]);
    launch(
        Moments,
        [channels.div_ceil(64), 1, 1],
        &[&planes, &moments],
        &[channels, height * width, batch],
    );
    moments
}

/// `x` `[B,C,H,W]`; weight, bias `[C]` and moments `[2,C]`.
pub fn forward(x: CubeTensor, parameters: [CubeTensor; 3], epsilon: f64, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let [weight, bias, moments] = parameters.map(into_contiguous);
    let y = empty(&x, dims::<4>(&x));
    let buffers = [&x, &weight, &bias, &moments, &y];
    run(Pass::Forward, &buffers, epsilon, slope);
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
    run(Pass::Sums, &buffers, epsilon, slope);
    let sums = sum(&planes, batch, [2, channels]);
    let dx = empty(&x, dims::<4>(&x));
    let buffers = [&x, &weight, &bias, &moments, &dy, &sums, &dx];
    run(Pass::Backward, &buffers, epsilon, slope);
    let row = |i: isize| {
        let row = Cube::float_slice(sums.clone(), &[Slice::new(i, Some(i + 1), 1)]);
        Cube::float_reshape(row, Shape::new([channels]))
    };
    [dx, row(0), row(1)]
}

/// LeakyReLU of `x`, whose size is a multiple of four.
pub fn leaky(x: CubeTensor, slope: f64) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run_leaky(Leaky { gradient: false }, &[&x, &y], slope);
    y
}

/// Its gradient by the input, from the output `y`.
pub fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
    let (y, dy) = (into_contiguous(y), into_contiguous(dy));
    let dx = empty(&y, dims::<4>(&y));
    run_leaky(Leaky { gradient: true }, &[&y, &dy, &dx], slope);
    dx
}

fn run_leaky(shader: Leaky, buffers: &[&CubeTensor], slope: f64) {
    let fours = dims::<4>(buffers[0]).iter().product::<usize>() / 4;
    let groups = grid(fours.div_ceil(64));
    launch(shader, groups, buffers, &[fours, groups[0], bits(slope)]);
}
