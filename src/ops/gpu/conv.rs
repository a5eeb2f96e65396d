//! 3x3 convolution with padding 1 on the GPU: `shaders/conv3x3*.wgsl`. [`quad`] has the kernels for SwiftShader.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{
    AdapterProperties, Shader, adapter, alloc_partials, channels, dims, empty, launch, number, sum,
};

mod quad;

/// Fewer runs of eight pixels and four channels than this leave most of a GPU idle.
const FEW_RUNS: usize = 16_384;

/// `shaders/conv3x3.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3.wgsl", escape = "none")]
struct Convolve {
    /// Invocations of a workgroup.
    group: usize,
    /// Rows of an invocation.
    rows: usize,
    /// Runs of four pixels of an invocation.
    tiles: usize,
    /// Vec4s of output channels of an invocation.
    output_vec4s: usize,
    /// Neighbours in a subgroup that broadcast weights to each other; 1 where each loads all of them.
    lanes: usize,
    /// Invocations that share a strip, each with some of the inputs.
    split_k: usize,
    /// Vec4s from the weights of one input to those of the next.
    input_stride: usize,
    /// The shader transforms the weights.
    raw_taps: bool,
    two_inputs: bool,
    halo: Halo,
    aligned: bool,
    requires_enable: bool,
}

/// `Params` of `shaders/conv3x3_params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    inputs: u32,
    outputs: u32,
    height: u32,
    width: u32,
    strips: u32,
    bands: u32,
    batch: u32,
    slope: f32,
    x_channels: u32,
}

/// A tensor of inputs in a shader: its name there, its first input, and the one behind its last.
struct Source {
    name: &'static str,
    first: &'static str,
    end: &'static str,
}

/// Returns the tensors of inputs in a shader: x, or x and `input_b`.
fn sources(two_inputs: bool) -> Vec<Source> {
    let source = |name, first, end| Source { name, first, end };
    if two_inputs {
        let x_channels = "params.x_channels";
        vec![
            source("x", "0u", x_channels),
            source("input_b", x_channels, "inputs"),
        ]
    } else {
        vec![source("x", "0u", "inputs")]
    }
}

/// The origin of the pixels on both sides of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Halo {
    /// There are none: the strip is as wide as the image.
    None,
    /// The neighbours in the subgroup.
    Shuffled,
    Loaded,
}

/// `shaders/conv3x3_weights.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weights.wgsl", escape = "none")]
struct Weights {
    /// See [`Convolve`].
    output_vec4s: usize,
    /// See [`Convolve`].
    input_stride: usize,
    /// See [`Convolve`].
    raw_taps: bool,
    /// For the input gradient.
    flipped: bool,
    has_bias: bool,
}

/// `Params` of `shaders/conv3x3_weights.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct WeightsParams {
    inputs: u32,
    outputs: u32,
    padded_inputs: u32,
}

/// `shaders/conv3x3_weight_gradient.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weight_gradient.wgsl", escape = "none")]
struct WeightGradient {
    /// Invocations of a workgroup.
    lanes: usize,
    /// Neighbours in a subgroup that broadcast x to each other; 0 where each loads all of it.
    broadcast_lanes: usize,
    /// Outputs of an invocation.
    outputs_per_lane: usize,
    /// Vec4s of inputs of an invocation.
    input_vec4s: usize,
    /// Runs of four pixels of a strip.
    tiles: usize,
    /// A workgroup goes through several strips of an image.
    flat: bool,
    /// There are pixels beside a strip.
    has_halo: bool,
    aligned: bool,
    requires_enable: bool,
}

/// `Params` of `shaders/conv3x3_weight_gradient_params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct WeightGradientParams {
    inputs: u32,
    outputs: u32,
    height: u32,
    width: u32,
    units_per_group: u32,
    strips: u32,
    batch: u32,
    first_input: u32,
    all_inputs: u32,
}

impl Shader for Convolve {
    type Params = Params;

    fn group_size(&self) -> u32 {
        self.group as u32
    }
}
impl Shader for Weights {
    type Params = WeightsParams;
}
impl Shader for WeightGradient {
    type Params = WeightGradientParams;

    fn group_size(&self) -> u32 {
        self.lanes as u32
    }
}

impl Convolve {
    /// Chooses the kernel for sizes B, I, O, H, W, of one tensor of inputs or two.
    fn new(
        adapter: AdapterProperties,
        [batch, inputs, outputs, height, width]: [usize; 5],
        two_inputs: bool,
    ) -> Convolve {
        let AdapterProperties {
            lanes,
            is_software,
            requires_enable,
        } = adapter;
        // The fastest of those measured on lavapipe with 8 lanes, and on an H100.
        let (tiles, output_vec4s, rows, split_k) = if is_software {
            let tiles = if width <= 4 { 1 } else { 2 };
            let (output_vec4s, rows) = match outputs {
                ..=4 if two_inputs => (1, 4),
                ..=4 => (1, 8),
                5..=8 => (2, 4),
                32.. if tiles == 1 => (8, 4),
                // With 8 lanes eight rows compile in seconds, which is worth it; twice as long, for two inputs, is not.
                _ if lanes > 4 && height >= 16 && !two_inputs => (4, 8),
                _ => (4, 4),
            };
            (tiles, output_vec4s, rows, 1)
        } else {
            let runs = batch * height * width.div_ceil(8) * outputs.div_ceil(4);
            match outputs {
                _ if runs < FEW_RUNS && inputs >= 16 => (width.div_ceil(4).min(2), 1, 1, 4),
                _ if width <= 4 => (1, 1, 1, 1),
                ..=4 => (2, 1, 1, 1),
                _ if height >= 32 => (1, 1, 4, 1),
                _ => (2, 2, 1, 1),
            }
        };
        // Invocations that share a strip take other inputs, and so other weights.
        let lanes = if split_k > 1 { 1 } else { lanes };
        let raw_taps = is_software && tiles == 1;
        Convolve {
            // A CPU works through the invocations that have nothing to do, too.
            group: match is_software {
                true => lanes.max(8),
                false if split_k > 1 => 32 * split_k,
                false => 64,
            },
            rows,
            tiles,
            output_vec4s,
            lanes,
            split_k,
            input_stride: (3 * products(raw_taps) * output_vec4s).next_multiple_of(lanes),
            raw_taps,
            two_inputs,
            halo: match width.div_ceil(4 * tiles) {
                1 => Halo::None,
                strips if lanes > 4 && is_software && lanes.is_multiple_of(strips) => {
                    Halo::Shuffled
                }
                _ => Halo::Loaded,
            },
            aligned: width.is_multiple_of(4),
            requires_enable,
        }
    }

    /// Returns the kernel that arranges its weights.
    fn weights(&self, flipped: bool, has_bias: bool) -> Weights {
        Weights {
            output_vec4s: self.output_vec4s,
            input_stride: self.input_stride,
            raw_taps: self.raw_taps,
            flipped,
            has_bias,
        }
    }

    /// Returns the strips in a row and the bands in an image.
    fn strips_and_bands(&self, height: usize, width: usize) -> [usize; 2] {
        [width.div_ceil(4 * self.tiles), height.div_ceil(self.rows)]
    }

    /// See [`number`].
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Returns the pixels in a `number`.
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
    }

    /// See [`sources`].
    fn sources(&self) -> Vec<Source> {
        sources(self.two_inputs)
    }

    /// Writes vec4 `at` of the weights of an input.
    fn broadcast(&self, at: usize) -> String {
        let register = format!("u{}", at / self.lanes);
        broadcast(&register, at % self.lanes, self.lanes)
    }
}

impl Weights {
    /// Arranges `weight` and `bias` as u of the convolution, with zeros for inputs between `inputs` and `padded_inputs`.
    fn arrange(
        self,
        weight: CubeTensor,
        bias: Option<CubeTensor>,
        [inputs, outputs]: [usize; 2],
        padded_inputs: usize,
    ) -> CubeTensor {
        let bias = bias.map(into_contiguous);
        let blocks = outputs.div_ceil(4 * self.output_vec4s);
        let size = blocks * (padded_inputs * self.input_stride + self.output_vec4s) * 4;
        let u = empty(&weight, [size]);
        launch(
            self.clone(),
            [
                (blocks * self.output_vec4s * padded_inputs).div_ceil(64),
                1,
                1,
            ],
            &[&weight, &u].into_iter().chain(&bias).collect::<Vec<_>>(),
            WeightsParams {
                inputs: inputs as u32,
                outputs: outputs as u32,
                padded_inputs: padded_inputs as u32,
            },
        );
        u
    }

    /// See [`products`].
    fn products(&self) -> usize {
        products(self.raw_taps)
    }

    /// Returns the index among the nine taps of the one of row `a` and column `k`.
    fn tap(&self, a: usize, k: usize) -> usize {
        let tap = 3 * a + k;
        if self.flipped { 8 - tap } else { tap }
    }
}

impl WeightGradient {
    /// Chooses the kernel for sizes I, O, W.
    fn new(adapter: AdapterProperties, [inputs, outputs, width]: [usize; 3]) -> WeightGradient {
        let AdapterProperties {
            lanes: subgroup,
            is_software,
            requires_enable,
        } = adapter;
        let lanes = if is_software { subgroup } else { 32 };
        // SwiftShader without subgroups does not finish compiling that.
        let flat = is_software && subgroup > 1;
        let outputs_per_lane = match outputs.div_ceil(lanes) {
            2.. if is_software => 2,
            _ => 1,
        };
        let input_vec4s = if flat && outputs_per_lane == 1 && inputs > 12 {
            4
        } else if is_software && inputs > 4 {
            2
        } else {
            1
        };
        let tiles = if width <= 4 { 1 } else { 2 };
        WeightGradient {
            lanes,
            broadcast_lanes: if subgroup > 1 { subgroup.min(lanes) } else { 0 },
            outputs_per_lane,
            input_vec4s,
            tiles,
            flat,
            has_halo: width > 4 * tiles,
            aligned: width.is_multiple_of(4),
            requires_enable,
        }
    }

    /// See [`number`].
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Returns the vec4s of pixels that a lane loads per row.
    fn loads_per_lane(&self) -> usize {
        (4 * self.input_vec4s * self.tiles).div_ceil(self.broadcast_lanes.max(1))
    }

    /// Writes transformed number `t` of run `run` of the row of x.
    fn broadcast(&self, run: usize, t: usize) -> String {
        let lanes = self.broadcast_lanes.max(1);
        broadcast(&format!("t{t}_{}", run / lanes), run % lanes, lanes)
    }
}

/// Writes the value of `register` in lane `lane` of `lanes`.
fn broadcast(register: &str, lane: usize, lanes: usize) -> String {
    match lanes {
        1 => register.into(),
        _ => format!("subgroupBroadcast({register}, {lane}u)"),
    }
}

/// Returns the numbers of a row of three taps: the taps, or their transform.
fn products(raw_taps: bool) -> usize {
    if raw_taps { 3 } else { 6 }
}

/// Computes `y` `[B,O,H,W]` of one input `[B,I,H,W]`, or of two that have I channels together. `weight` is `[O,I,3,3]`; with `flipped` it is
/// `[I,O,3,3]`, and y the input gradient. `then` is a bias `[O]` and the slope of a LeakyReLU, which 1 turns off.
pub fn convolve(
    inputs: Vec<CubeTensor>,
    weight: CubeTensor,
    then: Option<(CubeTensor, f64)>,
    flipped: bool,
) -> CubeTensor {
    let (bias, slope) = then.map_or((None, 1.0), |(bias, slope)| (Some(bias), slope));
    let sources: Vec<_> = inputs.into_iter().map(into_contiguous).collect();
    let weight = into_contiguous(weight);
    let [batch, x_channels, height, width] = dims(&sources[0]);
    let inputs = sources.iter().map(channels).sum();
    let [first, second, ..] = dims::<4>(&weight);
    let outputs = if flipped { second } else { first };
    let adapter = adapter(&weight);
    let sizes = [batch, inputs, outputs, height, width];
    if adapter.runs_quad_kernels() {
        return quad::convolve(&sources, weight, bias, slope, flipped, sizes);
    }
    let shader = Convolve::new(adapter, sizes, sources.len() == 2);
    let blocks = outputs.div_ceil(4 * shader.output_vec4s);
    let weights = shader.weights(flipped, bias.is_some());
    let u = weights.arrange(weight, bias, [inputs, outputs], inputs);

    let y = empty(&u, [batch, outputs, height, width]);
    let [strips, bands] = shader.strips_and_bands(height, width);
    let groups = (strips * bands * batch).div_ceil(shader.group / shader.split_k);
    launch(
        shader,
        [groups, blocks, 1],
        &buffers([&sources[0], &u, &y], sources.get(1)),
        Params::new(sizes, [strips, bands], slope, x_channels),
    );
    y
}

impl Params {
    /// Takes B, I, O, H, W, the strips in a row and the bands in an image, the slope and the channels of x.
    fn new(
        sizes: [usize; 5],
        [strips, bands]: [usize; 2],
        slope: f64,
        x_channels: usize,
    ) -> Params {
        let [batch, inputs, outputs, height, width] = sizes.map(|size| size as u32);
        Params {
            inputs,
            outputs,
            height,
            width,
            strips: strips as u32,
            bands: bands as u32,
            batch,
            slope: slope as f32,
            x_channels: x_channels as u32,
        }
    }
}

/// Appends the second tensor of inputs, if there is one.
fn buffers<'a>(
    buffers: [&'a CubeTensor; 3],
    input_b: Option<&'a CubeTensor>,
) -> Vec<&'a CubeTensor> {
    buffers.into_iter().chain(input_b).collect()
}

/// Computes the weight gradient, `[O,I,3,3]`, and the bias gradient, `[O]`, of one input `[B,I,H,W]`, or of two that have I channels
/// together, from `dy` `[B,O,H,W]`.
pub fn parameter_grads(inputs: Vec<CubeTensor>, dy: CubeTensor) -> [CubeTensor; 2] {
    let dy = into_contiguous(dy);
    let sources: Vec<_> = inputs.into_iter().map(into_contiguous).collect();
    let inputs = channels(&sources[0]);
    let [batch, outputs, _, width] = dims(&dy);
    let adapter = adapter(&dy);
    if adapter.runs_quad_kernels() {
        return quad::parameter_grads(&sources, &dy);
    }
    let shader = WeightGradient::new(adapter, [inputs, outputs, width]);
    let strips = width.div_ceil(4 * shader.tiles);
    let block = [
        shader.lanes * shader.outputs_per_lane,
        4 * shader.input_vec4s,
    ];
    let blocks = blocks(&sources, outputs, block);
    // Enough workgroups to fill the machine, as few partial sums as that allows.
    let wanted = if adapter.is_software { 32 } else { 4096 };
    let (units, times) = if shader.flat {
        (batch * strips, 1)
    } else {
        (batch, strips)
    };
    let units_per_group = (batch * strips * blocks[0] * blocks[1] / wanted).clamp(1, units);
    let partial_count = units.div_ceil(units_per_group) * times;
    let split = [partial_count, units_per_group, strips];
    sum_partials(shader, &sources, &dy, block, split)
}

/// Returns the workgroups of a weight gradient along outputs and inputs; each takes `outputs_per_group` and `inputs_per_group` of them.
fn blocks(
    sources: &[CubeTensor],
    outputs: usize,
    [outputs_per_group, inputs_per_group]: [usize; 2],
) -> [usize; 2] {
    let input_blocks = sources
        .iter()
        .map(|x| channels(x).div_ceil(inputs_per_group));
    [outputs.div_ceil(outputs_per_group), input_blocks.sum()]
}

/// Computes the parameter gradients as `partial_count` partial sums, with one launch for each of `sources`, and adds those up. A workgroup
/// takes `outputs_per_group` outputs and `inputs_per_group` inputs.
fn sum_partials(
    shader: impl Shader<Params = WeightGradientParams>,
    sources: &[CubeTensor],
    dy: &CubeTensor,
    [outputs_per_group, inputs_per_group]: [usize; 2],
    [partial_count, units_per_group, strips]: [usize; 3],
) -> [CubeTensor; 2] {
    let [batch, outputs, height, width] = dims(dy);
    let all_inputs = sources.iter().map(channels).sum();
    let partials = alloc_partials(dy, partial_count, [outputs * all_inputs * 9, outputs]);
    let mut first_input = 0;
    for x in sources {
        let inputs = channels(x);
        launch(
            shader.clone(),
            [
                outputs.div_ceil(outputs_per_group),
                inputs.div_ceil(inputs_per_group),
                partial_count,
            ],
            &[x, dy, &partials],
            WeightGradientParams {
                inputs: inputs as u32,
                outputs: outputs as u32,
                height: height as u32,
                width: width as u32,
                units_per_group: units_per_group as u32,
                strips: strips as u32,
                batch: batch as u32,
                first_input: first_input as u32,
                all_inputs: all_inputs as u32,
            },
        );
        first_input += inputs;
    }
    sum(
        &partials,
        partial_count,
        [outputs, all_inputs, 3, 3],
        [outputs],
    )
}

/// Adds every kernel of this file and of [`quad`] that `adapter` may run, whatever the sizes.
#[cfg(test)]
pub(super) fn permutations(adapter: AdapterProperties, found: &mut super::permutations::Found) {
    // Both sides of every size at which `new` chooses otherwise; rows of as many strips as there may be lanes, and more.
    let channels = || (1..=18).chain([24, 31, 32, 33, 64, 256, 512]);
    let widths = || {
        (1..=36)
            .chain((40..=264).step_by(4))
            .chain([63, 66, 130, 258, 512, 516, 1024, 1030])
    };
    let kinds = [[false, false], [false, true], [true, false], [true, true]];
    for (inputs, outputs) in channels().flat_map(|i| channels().map(move |o| (i, o))) {
        for width in widths() {
            if adapter.runs_quad_kernels() {
                for (x_channels, two_inputs) in [(inputs, false), (1, true), (2, true)] {
                    let shader = quad::Convolve::new(
                        adapter,
                        [inputs, outputs, width],
                        x_channels,
                        two_inputs,
                    );
                    if found.add(shader.clone()) {
                        for [flipped, has_bias] in kinds {
                            found.add(shader.weights(flipped, has_bias));
                        }
                    }
                }
                for height in 1..=8 {
                    let sizes = [inputs, outputs, height, width];
                    found.add(quad::WeightGradient::new(adapter, sizes));
                }
                continue;
            }
            found.add(WeightGradient::new(adapter, [inputs, outputs, width]));
            for (batch, height) in [
                (1, 2),
                (1, 15),
                (1, 16),
                (1, 32),
                (512, 2),
                (512, 16),
                (512, 32),
            ] {
                for two_inputs in [false, true] {
                    let sizes = [batch, inputs, outputs, height, width];
                    let shader = Convolve::new(adapter, sizes, two_inputs);
                    if found.add(shader.clone()) {
                        for [flipped, has_bias] in kinds {
                            found.add(shader.weights(flipped, has_bias));
                        }
                    }
                }
            }
        }
    }
}
