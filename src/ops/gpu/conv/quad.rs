//! Convolution where four invocations work in step and loads are dear, which is SwiftShader: `shaders/conv3x3*_quad.wgsl`.
//!
//! Its time goes with the bytes of the code that it runs, for hundreds of kilobytes pass through the processor once for each
//! turn of a loop. There (measured on its disassembled code, in bytes) a load of a number is 640, a number that a loop carries
//! 90 for each turn, a number from another lane 10 by swapping and 50 or more by any other way, and a multiply-add 30, where a
//! sum takes its products one after the other. Hence: lanes show each other what they load, and a turn has several products for each sum.

use std::fmt::Display;
use std::ops::Range;

use askama::Template;
use burn_cubecl::tensor::CubeTensor;

use super::super::{Adapter, Shader, adapter, bits, channels, dims, empty, launch, number};
use super::{Source, Weights, blocks, buffers, parts_added_up, transform_dy, transform_x};

/// Invocations of a quad, which is a subgroup and a workgroup.
const LANES: usize = 4;

/// `shaders/conv3x3_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_quad.wgsl", escape = "none")]
pub(super) struct Convolve {
    /// Channels of an invocation, 1 or 4.
    each: usize,
    rows: usize,
    tiles: usize,
    /// Inputs of a turn of the loop.
    turn: usize,
    /// There may be two tensors of inputs.
    two: bool,
    aligned: bool,
    browser: bool,
}

/// `shaders/conv3x3_weight_gradient_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weight_gradient_quad.wgsl", escape = "none")]
pub(super) struct WeightGradient {
    /// Outputs of an invocation.
    kept: usize,
    /// Inputs that an invocation loads, 1 or 2.
    own: usize,
    tiles: usize,
    /// Rows of a turn of the loop.
    rows: usize,
    whole: bool,
    aligned: bool,
    browser: bool,
}

impl Shader for Convolve {
    fn group(&self) -> u32 {
        LANES as u32
    }
}
impl Shader for WeightGradient {
    fn group(&self) -> u32 {
        LANES as u32
    }
}

impl Convolve {
    /// The kernel for so many inputs, outputs and columns; the first tensor of inputs, of one or two, has `of_x` of them.
    pub(super) fn of(
        adapter: Adapter,
        [inputs, outputs, width]: [usize; 3],
        of_x: usize,
        two: bool,
    ) -> Convolve {
        // The fastest of those measured that compile in a second.
        let (each, rows) = if outputs <= 8 { (1, 8) } else { (4, 4) };
        let ends_within_turn = two && !of_x.is_multiple_of(2);
        Convolve {
            each,
            rows,
            tiles: if width <= 4 { 1 } else { 2 },
            turn: if inputs < 8 || ends_within_turn { 1 } else { 2 },
            // One pipeline of few outputs, for one tensor of inputs and for two: another takes SwiftShader a second to compile.
            two: two || each == 1,
            aligned: width.is_multiple_of(4),
            browser: adapter.is_browser,
        }
    }

    /// The kernel that arranges its weights.
    pub(super) fn weights(&self, turned: bool, biased: bool) -> Weights {
        Weights {
            quads: self.each,
            padded: 9 * self.each,
            raw: true,
            turned,
            biased,
        }
    }

    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Pixels of a `number`.
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
    }

    /// See [`super::sources`].
    fn sources(&self) -> Vec<Source> {
        super::sources(self.two)
    }

    /// The type of `each` channels.
    fn channels(&self) -> &'static str {
        number(self.each == 4)
    }

    /// How a shader writes them one by one.
    fn parts(&self) -> &'static [&'static str] {
        if self.each == 1 {
            &[""]
        } else {
            &[".x", ".y", ".z", ".w"]
        }
    }

    /// `number`s that an invocation makes of a strip.
    fn results(&self) -> usize {
        self.each * self.rows * self.tiles * 4 / self.step()
    }

    /// By how many bits a number is shifted to divide it by `count`, a power of two.
    fn bits(&self, count: usize) -> u32 {
        count.ilog2()
    }

    /// Sum `m` and the products of its three rows of a turn's inputs, in this order.
    fn summed(&self, m: &str, b: &str, t: usize, r: &usize, part: &str) -> String {
        let mut sum = format!("{m}{part}");
        for i in 0..self.turn {
            for a in 0..3 {
                sum = format!("fma({b}{i}_{}, w{t}_{i}_{a}{part}, {sum})", r + a);
            }
        }
        sum
    }

    /// See [`swapped`].
    fn swapped(&self, s: usize, value: impl Display) -> String {
        swapped(s, value)
    }

    /// See [`transform_x`].
    fn transform_x(&self, d: &str, first: usize, name: &str) -> String {
        transform_x(d, first, name)
    }
}

impl WeightGradient {
    /// The kernel for so many inputs, outputs, rows and columns.
    pub(super) fn of(
        adapter: Adapter,
        [inputs, outputs, height, width]: [usize; 4],
    ) -> WeightGradient {
        let tiles = if width <= 4 { 1 } else { 2 };
        let rows = 4 / tiles;
        WeightGradient {
            // The fastest of those measured that compile in a second.
            kept: match outputs.div_ceil(LANES) {
                few @ ..=2 => few,
                _ => 4, // three would be a pipeline, and a second, of their own
            },
            own: inputs.div_ceil(LANES).min(2),
            tiles,
            rows,
            whole: height <= rows,
            aligned: width.is_multiple_of(4),
            browser: adapter.is_browser,
        }
    }

    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Which rows of dy a turn loads; 0 is the one above its own.
    fn loaded(&self) -> Range<usize> {
        if self.whole {
            1..self.rows + 1
        } else {
            2..self.rows + 2
        }
    }

    /// Sum `m` and the products of a turn's rows, in this order.
    fn summed(&self, m: &str, b: &str, t: &usize, a: &usize, k: &usize) -> String {
        let mut sum = m.to_string();
        for u in 0..self.rows {
            let q = u + 2 - a;
            if self.whole && (q == 0 || q > self.rows) {
                continue; // There are no such rows.
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

    /// See [`transform_x`].
    fn transform_x(&self, d: &str, first: usize, name: &str) -> String {
        transform_x(d, first, name)
    }

    /// See [`transform_dy`].
    fn transform_dy(&self, d: &str) -> String {
        transform_dy(d)
    }
}

/// What the lane `s` steps away has as `value`, that is lane `lane ^ s`, as a shader writes it.
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
    turned: bool,
    [batch, inputs, outputs, height, width]: [usize; 5],
) -> CubeTensor {
    let x = &sources[0];
    let of_x = channels(x);
    let adapter = adapter(&x.client);
    let shader = Convolve::of(adapter, [inputs, outputs, width], of_x, sources.len() == 2);
    let Convolve {
        each,
        rows,
        tiles,
        turn,
        two,
        ..
    } = shader;
    let weights = shader.weights(turned, bias.is_some());
    let sizes = [inputs, outputs];
    // Browsers do not bind x twice, so what is not read is something else.
    let beside = sources.get(1).unwrap_or(&weight);
    let u = weights.arrange(weight.clone(), bias, sizes, inputs.next_multiple_of(turn));
    let y = empty(x, [batch, outputs, height, width]);
    let (strips, bands) = (width.div_ceil(4 * tiles), height.div_ceil(rows));
    launch(
        shader,
        [
            (strips * bands * batch).div_ceil(LANES),
            outputs.div_ceil(LANES * each),
            1,
        ],
        &buffers([x, &u, &y], two.then_some(beside)),
        &[
            inputs,
            outputs,
            height,
            width,
            strips,
            bands,
            batch,
            bits(slope),
            of_x,
        ],
    );
    y
}

/// See [`super::gradients_by_parameters`].
pub fn gradients_by_parameters(sources: &[CubeTensor], dy: &CubeTensor) -> [CubeTensor; 2] {
    let inputs = channels(&sources[0]);
    let [batch, outputs, height, width] = dims(dy);
    let adapter = adapter(&dy.client);
    let shader = WeightGradient::of(adapter, [inputs, outputs, height, width]);
    let strips = width.div_ceil(4 * shader.tiles);
    let block = [LANES * shader.kept, LANES * shader.own];
    let blocks = blocks(sources, outputs, block);
    // Enough workgroups to fill the machine, as few sums as that allows.
    let units = batch * strips;
    let each = (units * blocks[0] * blocks[1] / 32).clamp(1, units);
    let parts = units.div_ceil(each);
    parts_added_up(shader, sources, dy, block, parts, [each, strips, batch])
}
