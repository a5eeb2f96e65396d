//! Convolution where four invocations work in step and loads are expensive, which is SwiftShader: `shaders/conv3x3*_quad.wgsl`.
//!
//! Its time is proportional to the bytes of code that it runs, since an iteration of a loop is hundreds of kilobytes, which the CPU
//! fetches again each time. In its disassembled code a load of a number takes 640 bytes, a number that a loop carries 90 per
//! iteration, a number from another lane 10 by swapping and 50 or more by any other way, and a multiply-add 30 if a sum takes its
//! products one after the other. Hence the lanes share what they load, and an iteration has several products for each sum.

use std::fmt::Display;
use std::ops::Range;

use askama::Template;
use burn_cubecl::tensor::CubeTensor;

use super::super::{AdapterProperties, Shader, adapter, channels, dims, empty, launch, number};
use super::{Params, Source, WeightGradientParams, Weights, blocks, buffers, sum_partials};

/// Invocations of a quad, which is a subgroup and a workgroup.
const LANES: usize = 4;

/// `shaders/conv3x3_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_quad.wgsl", escape = "none")]
pub(super) struct Convolve {
    /// Output channels of an invocation, 1 or 4.
    outputs_per_lane: usize,
    /// Rows of an invocation.
    rows: usize,
    /// Runs of four pixels of an invocation.
    tiles: usize,
    /// Inputs of an iteration of the loop.
    unroll: usize,
    /// There may be two tensors of inputs.
    two_inputs: bool,
    aligned: bool,
    requires_enable: bool,
}

/// `shaders/conv3x3_weight_gradient_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weight_gradient_quad.wgsl", escape = "none")]
pub(super) struct WeightGradient {
    /// Outputs of an invocation.
    outputs_per_lane: usize,
    /// Inputs that an invocation loads, 1 or 2.
    loads_per_lane: usize,
    /// Runs of four pixels of a strip.
    tiles: usize,
    /// Rows of an iteration of the loop.
    rows: usize,
    /// An image has no more rows than an iteration takes.
    all_rows: bool,
    aligned: bool,
    requires_enable: bool,
}

impl Shader for Convolve {
    type Params = Params;

    fn group_size(&self) -> u32 {
        LANES as u32
    }
}
impl Shader for WeightGradient {
    type Params = WeightGradientParams;

    fn group_size(&self) -> u32 {
        LANES as u32
    }
}

impl Convolve {
    /// Chooses the kernel for sizes I, O, W, of one tensor of inputs or two; the first of them has `x_channels` channels.
    pub(super) fn new(
        adapter: AdapterProperties,
        [inputs, outputs, width]: [usize; 3],
        x_channels: usize,
        two_inputs: bool,
    ) -> Convolve {
        // The fastest of those measured that compile in a second.
        let (outputs_per_lane, rows) = if outputs <= 8 { (1, 8) } else { (4, 4) };
        let x_ends_within_iteration = two_inputs && !x_channels.is_multiple_of(2);
        Convolve {
            outputs_per_lane,
            rows,
            tiles: if width <= 4 { 1 } else { 2 },
            unroll: if inputs < 8 || x_ends_within_iteration {
                1
            } else {
                2
            },
            // One pipeline of few outputs, for one tensor of inputs and for two: another takes SwiftShader a second to compile.
            two_inputs: two_inputs || outputs_per_lane == 1,
            aligned: width.is_multiple_of(4),
            requires_enable: adapter.requires_enable,
        }
    }

    /// Returns the kernel that arranges its weights.
    pub(super) fn weights(&self, flipped: bool, has_bias: bool) -> Weights {
        Weights {
            output_vec4s: self.outputs_per_lane,
            input_stride: 9 * self.outputs_per_lane,
            raw_taps: true,
            flipped,
            has_bias,
        }
    }

    /// See [`number`].
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Returns the pixels in a `number`.
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
    }

    /// See [`super::sources`].
    fn sources(&self) -> Vec<Source> {
        super::sources(self.two_inputs)
    }

    /// Returns the WGSL type of the channels of an invocation.
    fn channels(&self) -> &'static str {
        number(self.outputs_per_lane == 4)
    }

    /// Writes the channels of an invocation one by one.
    fn components(&self) -> &'static [&'static str] {
        if self.outputs_per_lane == 1 {
            &[""]
        } else {
            &[".x", ".y", ".z", ".w"]
        }
    }

    /// Returns the `number`s that an invocation computes of a strip.
    fn results(&self) -> usize {
        self.outputs_per_lane * self.rows * self.tiles * 4 / self.step()
    }

    /// Returns by how many bits to shift in order to divide by `count`, a power of two.
    fn log2(&self, count: usize) -> u32 {
        count.ilog2()
    }

    /// Writes the sum of `m` and the products of its three rows for each input of an iteration, in this order.
    fn summed(&self, m: &str, b: &str, t: usize, r: &usize, component: &str) -> String {
        let mut sum = format!("{m}{component}");
        for i in 0..self.unroll {
            for a in 0..3 {
                sum = format!("fma({b}{i}_{}, w{t}_{i}_{a}{component}, {sum})", r + a);
            }
        }
        sum
    }

    /// See [`swapped`].
    fn swapped(&self, s: usize, value: impl Display) -> String {
        swapped(s, value)
    }
}

impl WeightGradient {
    /// Chooses the kernel for sizes I, O, H, W.
    pub(super) fn new(
        adapter: AdapterProperties,
        [inputs, outputs, height, width]: [usize; 4],
    ) -> WeightGradient {
        let tiles = if width <= 4 { 1 } else { 2 };
        let rows = 4 / tiles;
        WeightGradient {
            // The fastest of those measured that compile in a second.
            outputs_per_lane: match outputs.div_ceil(LANES) {
                few @ ..=2 => few,
                _ => 4, // three would need a pipeline of their own, which takes a second to compile
            },
            loads_per_lane: inputs.div_ceil(LANES).min(2),
            tiles,
            rows,
            all_rows: height <= rows,
            aligned: width.is_multiple_of(4),
            requires_enable: adapter.requires_enable,
        }
    }

    /// See [`number`].
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Returns the rows of dy that an iteration loads; 0 is the one above its own.
    fn loaded(&self) -> Range<usize> {
        if self.all_rows {
            1..self.rows + 1
        } else {
            2..self.rows + 2
        }
    }

    /// Writes the sum of `m` and the products of the rows of an iteration, in this order.
    fn summed(&self, m: &str, b: &str, t: &usize, a: &usize, k: &usize) -> String {
        let mut sum = m.to_string();
        for u in 0..self.rows {
            let q = u + 2 - a;
            if self.all_rows && (q == 0 || q > self.rows) {
                continue; // The image has no such rows.
            }
            for v in 0..self.tiles {
                sum = format!("fma({b}{u}_{v}, r{q}_{v}_{k}e{t}, {sum})");
            }
        }
        sum
    }

    /// See [`swapped`].
    fn swapped(&self, s: usize, value: impl Display) -> String {
        swapped(s, value)
    }
}

/// Writes what lane `lane ^ s` has as `value`.
fn swapped(s: usize, value: impl Display) -> String {
    let swap = ["", "quadSwapX", "quadSwapY", "quadSwapDiagonal"][s];
    format!("{swap}({value})")
}

/// See [`super::convolve`]; `sizes` are B, I, O, H, W.
pub fn convolve(
    sources: &[CubeTensor],
    weight: CubeTensor,
    bias: Option<CubeTensor>,
    slope: f64,
    flipped: bool,
    sizes: [usize; 5],
) -> CubeTensor {
    let [batch, inputs, outputs, height, width] = sizes;
    let x = &sources[0];
    let x_channels = channels(x);
    let shader = Convolve::new(
        adapter(x),
        [inputs, outputs, width],
        x_channels,
        sources.len() == 2,
    );
    let Convolve {
        outputs_per_lane,
        rows,
        tiles,
        unroll,
        two_inputs,
        ..
    } = shader;
    let weights = shader.weights(flipped, bias.is_some());
    let padded_inputs = inputs.next_multiple_of(unroll);
    // Browsers do not bind x twice, so an `input_b` that is not read is something else.
    let input_b = sources.get(1).unwrap_or(&weight);
    let u = weights.arrange(weight.clone(), bias, [inputs, outputs], padded_inputs);
    let y = empty(x, [batch, outputs, height, width]);
    let (strips, bands) = (width.div_ceil(4 * tiles), height.div_ceil(rows));
    launch(
        shader,
        [
            (strips * bands * batch).div_ceil(LANES),
            outputs.div_ceil(LANES * outputs_per_lane),
            1,
        ],
        &buffers([x, &u, &y], two_inputs.then_some(input_b)),
        Params::new(sizes, [strips, bands], slope, x_channels),
    );
    y
}

/// See [`super::parameter_grads`].
pub fn parameter_grads(sources: &[CubeTensor], dy: &CubeTensor) -> [CubeTensor; 2] {
    let inputs = channels(&sources[0]);
    let [batch, outputs, height, width] = dims(dy);
    let shader = WeightGradient::new(adapter(dy), [inputs, outputs, height, width]);
    let strips = width.div_ceil(4 * shader.tiles);
    let block = [
        LANES * shader.outputs_per_lane,
        LANES * shader.loads_per_lane,
    ];
    let blocks = blocks(sources, outputs, block);
    // Enough workgroups to fill the machine, as few partial sums as that allows.
    let units = batch * strips;
    let units_per_group = (units * blocks[0] * blocks[1] / 32).clamp(1, units);
    let split = [units.div_ceil(units_per_group), units_per_group, strips];
    sum_partials(shader, sources, dy, block, split)
}
