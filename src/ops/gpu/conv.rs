//! 3x3 convolution with padding 1 on the GPU: `shaders/conv3x3*.wgsl`. [`quad`] has the kernels of SwiftShader.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Adapter, Shader, adapter, bits, channels, dims, empty, launch, number, parts_of, sum};

mod quad;

/// Fewer runs of eight pixels and four channels leave most of a graphics card idle.
const FEW: usize = 16_384;

/// `shaders/conv3x3.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3.wgsl", escape = "none")]
struct Convolve {
    group: usize,
    rows: usize,
    tiles: usize,
    quads: usize,
    lanes: usize,
    parts: usize,
    padded: usize,
    raw: bool,
    /// There are two tensors of inputs.
    two: bool,
    halo: Halo,
    aligned: bool,
    browser: bool,
}

/// What a shader calls a tensor of inputs, the first of them, and the one behind its last.
struct Source {
    name: &'static str,
    first: &'static str,
    end: &'static str,
}

/// The tensors of inputs: x or, `two`, x and `beside`. The ninth of a shader's sizes is x's channels.
fn sources(two: bool) -> Vec<Source> {
    let source = |name, first, end| Source { name, first, end };
    if two {
        let of_x = "n[2].x";
        vec![source("x", "0u", of_x), source("beside", of_x, "inputs")]
    } else {
        vec![source("x", "0u", "inputs")]
    }
}

/// How an invocation comes by the pixels on both sides of its strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Halo {
    /// There are none: the strip is as wide as the picture.
    None,
    /// Its neighbours in the subgroup show them.
    Shown,
    Loaded,
}

/// `shaders/conv3x3_weights.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weights.wgsl", escape = "none")]
struct Weights {
    quads: usize,
    padded: usize,
    raw: bool,
    turned: bool,
    biased: bool,
}

/// `shaders/conv3x3_weight_gradient.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weight_gradient.wgsl", escape = "none")]
struct WeightGradient {
    lanes: usize,
    shared: usize,
    kept: usize,
    quads: usize,
    tiles: usize,
    flat: bool,
    halo: bool,
    aligned: bool,
    browser: bool,
}

impl Shader for Convolve {
    fn group(&self) -> u32 {
        self.group as u32
    }
}
impl Shader for Weights {}
impl Shader for WeightGradient {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

impl Convolve {
    /// The kernel for sizes B, I, O, H, W, of one tensor of inputs or two.
    fn of(
        adapter: Adapter,
        [batch, inputs, outputs, height, width]: [usize; 5],
        two: bool,
    ) -> Convolve {
        let Adapter {
            lanes,
            is_processor: processor,
            is_browser: browser,
        } = adapter;
        // The fastest of those measured on lavapipe, a processor of 8 lanes, and on an H100.
        let (tiles, quads, rows, parts) = if processor {
            let tiles = if width <= 4 { 1 } else { 2 };
            let (quads, rows) = match outputs {
                ..=4 if two => (1, 4),
                ..=4 => (1, 8),
                5..=8 => (2, 4),
                32.. if tiles == 1 => (8, 4),
                // 8 lanes compile eight rows in seconds; where those are worth it, which twice as long is not.
                _ if lanes > 4 && height >= 16 && !two => (4, 8),
                _ => (4, 4),
            };
            (tiles, quads, rows, 1)
        } else {
            let runs = batch * height * width.div_ceil(8) * outputs.div_ceil(4);
            match outputs {
                _ if runs < FEW && inputs >= 16 => (width.div_ceil(4).min(2), 1, 1, 4),
                _ if width <= 4 => (1, 1, 1, 1),
                ..=4 => (2, 1, 1, 1),
                _ if height >= 32 => (1, 1, 4, 1),
                _ => (2, 2, 1, 1),
            }
        };
        // Those that share a strip see other inputs, and so other weights.
        let lanes = if parts > 1 { 1 } else { lanes };
        let raw = processor && tiles == 1;
        Convolve {
            // A processor works through the invocations that have nothing to do, too.
            group: match processor {
                true => lanes.max(8),
                false if parts > 1 => 32 * parts,
                false => 64,
            },
            rows,
            tiles,
            quads,
            lanes,
            parts,
            padded: (3 * products(raw) * quads).next_multiple_of(lanes),
            raw,
            two,
            halo: match width.div_ceil(4 * tiles) {
                1 => Halo::None,
                strips if lanes > 4 && processor && lanes.is_multiple_of(strips) => Halo::Shown,
                _ => Halo::Loaded,
            },
            aligned: width.is_multiple_of(4),
            browser,
        }
    }

    /// The kernel that arranges its weights.
    fn weights(&self, turned: bool, biased: bool) -> Weights {
        Weights {
            quads: self.quads,
            padded: self.padded,
            raw: self.raw,
            turned,
            biased,
        }
    }

    /// Strips in a row, bands in a picture.
    fn strips_and_bands(&self, height: usize, width: usize) -> [usize; 2] {
        [width.div_ceil(4 * self.tiles), height.div_ceil(self.rows)]
    }

    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Pixels of a `number`.
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
    }

    /// See [`sources`].
    fn sources(&self) -> Vec<Source> {
        sources(self.two)
    }

    /// Number `at` of the weights of an input, as the shader writes it.
    fn shown(&self, at: usize) -> String {
        shown(
            &format!("u{}", at / self.lanes),
            at % self.lanes,
            self.lanes,
        )
    }

    /// See [`transform_x`].
    fn transform_x(&self, d: &str, first: usize, name: &str) -> String {
        transform_x(d, first, name)
    }
}

impl Weights {
    /// u of `weight` and `bias`, with zeros for inputs between `inputs` and `all`.
    fn arrange(
        self,
        weight: CubeTensor,
        bias: Option<CubeTensor>,
        [inputs, outputs]: [usize; 2],
        all: usize,
    ) -> CubeTensor {
        let bias = bias.map(into_contiguous);
        let blocks = outputs.div_ceil(4 * self.quads);
        let u = empty(&weight, [blocks * (all * self.padded + self.quads) * 4]);
        launch(
            self.clone(),
            [(blocks * self.quads * all).div_ceil(64), 1, 1],
            &[&weight, &u].into_iter().chain(&bias).collect::<Vec<_>>(),
            &[inputs, outputs, all],
        );
        u
    }

    /// Numbers of a row of taps.
    fn products(&self) -> usize {
        products(self.raw)
    }

    /// Where the tap of row `a` and column `k` is among the nine.
    fn tap(&self, a: usize, k: usize) -> usize {
        let tap = 3 * a + k;
        if self.turned { 8 - tap } else { tap }
    }
}

impl WeightGradient {
    /// The kernel for so many inputs, outputs and columns.
    fn of(adapter: Adapter, [inputs, outputs, width]: [usize; 3]) -> WeightGradient {
        let Adapter {
            lanes: subgroup,
            is_processor: processor,
            is_browser: browser,
        } = adapter;
        let lanes = if processor { subgroup } else { 32 };
        // SwiftShader, where lanes are alone, does not finish compiling that.
        let flat = processor && subgroup > 1;
        let kept = match outputs.div_ceil(lanes) {
            2.. if processor => 2,
            _ => 1,
        };
        let quads = if flat && kept == 1 && inputs > 12 {
            4
        } else if processor && inputs > 4 {
            2
        } else {
            1
        };
        let tiles = if width <= 4 { 1 } else { 2 };
        WeightGradient {
            lanes,
            shared: if subgroup > 1 { subgroup.min(lanes) } else { 0 },
            kept,
            quads,
            tiles,
            flat,
            halo: width > 4 * tiles,
            aligned: width.is_multiple_of(4),
            browser,
        }
    }

    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// How many fours of pixels a lane loads.
    fn loads(&self) -> usize {
        (4 * self.quads * self.tiles).div_ceil(self.shared.max(1))
    }

    /// Transformed number `t` of part `part` of the row of x, as the shader writes it.
    fn shown(&self, part: usize, t: usize) -> String {
        let lanes = self.shared.max(1);
        shown(&format!("t{t}_{}", part / lanes), part % lanes, lanes)
    }

    /// See [`transform_x`].
    fn transform_x(&self, load: &usize) -> String {
        transform_x(&format!("d{load}_"), 0, &load.to_string())
    }

    /// See [`transform_dy`].
    fn transform_dy(&self, d: &str) -> String {
        transform_dy(d)
    }
}

/// What lane `lane` of `lanes` has in `register`, as a shader writes it.
fn shown(register: &str, lane: usize, lanes: usize) -> String {
    match lanes {
        1 => register.into(),
        _ => format!("subgroupBroadcast({register}, {lane}u)"),
    }
}

/// Six pixels of x, `<d><first>` and those after it, as Winograd multiplies by them, `t0_<name>` to `t5_<name>`, as a shader writes
/// it.
fn transform_x(d: &str, first: usize, name: &str) -> String {
    let [d0, d1, d2, d3, d4, d5] = std::array::from_fn(|p| format!("{d}{}", first + p));
    format!(
        "let far_even{name} = fma(-4.0, {d2}, {d4}); let far_odd{name} = fma(-4.0, {d1}, {d3}); \
         let near_even{name} = {d4} - {d2}; let near_odd{name} = 2.0 * ({d3} - {d1}); \
         let t0_{name} = fma(4.0, {d0}, fma(-5.0, {d2}, {d4})); \
         let t1_{name} = far_even{name} + far_odd{name}; let t2_{name} = far_even{name} - far_odd{name}; \
         let t3_{name} = near_even{name} + near_odd{name}; let t4_{name} = near_even{name} - near_odd{name}; \
         let t5_{name} = fma(4.0, {d1}, fma(-5.0, {d3}, {d5}));"
    )
}

/// Four pixels `d` of dy as Winograd's F(3, 4) multiplies by them, `<d>e0` to `<d>e5`, as a shader writes it.
fn transform_dy(d: &str) -> String {
    format!(
        "let {d}s = {d}.x + {d}.z; let {d}t = {d}.y + {d}.w; \
         let {d}q = fma(4.0, {d}.z, {d}.x); let {d}r = fma(4.0, {d}.w, {d}.y); \
         let {d}e0 = {d}.x; let {d}e1 = {d}s + {d}t; let {d}e2 = {d}s - {d}t; \
         let {d}e3 = fma(2.0, {d}r, {d}q); let {d}e4 = fma(-2.0, {d}r, {d}q); let {d}e5 = {d}.w;"
    )
}

/// Numbers that stand for a row of three taps.
fn products(raw: bool) -> usize {
    if raw { 3 } else { 6 }
}

/// What `y` `[B,O,H,W]` is of an input `[B,I,H,W]` or of two, which have I channels together. `weight` `[O,I,3,3]`; `turned`, `[I,O,3,3]`,
/// and y is the gradient by the input. `then`: a bias `[O]` and a LeakyReLU, of which a slope of 1 is none.
pub fn convolve(
    inputs: Vec<CubeTensor>,
    weight: CubeTensor,
    then: Option<(CubeTensor, f64)>,
    turned: bool,
) -> CubeTensor {
    let (bias, slope) = then.map_or((None, 1.0), |(bias, slope)| (Some(bias), slope));
    let sources: Vec<_> = inputs.into_iter().map(into_contiguous).collect();
    let weight = into_contiguous(weight);
    let [batch, of_x, height, width] = dims(&sources[0]);
    let inputs = sources.iter().map(channels).sum();
    let [first, second, ..] = dims::<4>(&weight);
    let outputs = if turned { second } else { first };
    let adapter = adapter(&weight.client);
    let sizes = [batch, inputs, outputs, height, width];
    if adapter.has_quads() {
        return quad::convolve(&sources, weight, bias, slope, turned, sizes);
    }
    let two = sources.len() == 2;
    let shader = Convolve::of(adapter, sizes, two);
    let blocks = outputs.div_ceil(4 * shader.quads);
    let weights = shader.weights(turned, bias.is_some());
    let u = weights.arrange(weight, bias, [inputs, outputs], inputs);

    let y = empty(&u, [batch, outputs, height, width]);
    let [strips, bands] = shader.strips_and_bands(height, width);
    let groups = (strips * bands * batch).div_ceil(shader.group / shader.parts);
    launch(
        shader,
        [groups, blocks, 1],
        &buffers([&sources[0], &u, &y], sources.get(1)),
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

/// `more` behind `some`.
fn buffers<'a>(some: [&'a CubeTensor; 3], more: Option<&'a CubeTensor>) -> Vec<&'a CubeTensor> {
    some.into_iter().chain(more).collect()
}

/// The gradients by weights, `[O,I,3,3]`, and bias, `[O]`, of an input `[B,I,H,W]`, or of two, and `dy` `[B,O,H,W]`.
pub fn gradients_by_parameters(inputs: Vec<CubeTensor>, dy: CubeTensor) -> [CubeTensor; 2] {
    let dy = into_contiguous(dy);
    let sources: Vec<_> = inputs.into_iter().map(into_contiguous).collect();
    let inputs = channels(&sources[0]);
    let [batch, outputs, _, width] = dims(&dy);
    let adapter = adapter(&dy.client);
    if adapter.has_quads() {
        return quad::gradients_by_parameters(&sources, &dy);
    }
    let shader = WeightGradient::of(adapter, [inputs, outputs, width]);
    let strips = width.div_ceil(4 * shader.tiles);
    let block = [shader.lanes * shader.kept, 4 * shader.quads];
    let blocks = blocks(&sources, outputs, block);
    // Enough workgroups to fill the machine, as few sums as that allows.
    let wanted = if adapter.is_processor { 32 } else { 4096 };
    let (units, times) = if shader.flat {
        (batch * strips, 1)
    } else {
        (batch, strips)
    };
    let each = (batch * strips * blocks[0] * blocks[1] / wanted).clamp(1, units);
    let parts = units.div_ceil(each) * times;
    parts_added_up(shader, &sources, &dy, block, parts, [each, strips, batch])
}

/// Workgroups of a gradient by the weights, of so many outputs and inputs each.
fn blocks(
    sources: &[CubeTensor],
    outputs: usize,
    [of_outputs, of_inputs]: [usize; 2],
) -> [usize; 2] {
    let across = sources.iter().map(|x| channels(x).div_ceil(of_inputs));
    [outputs.div_ceil(of_outputs), across.sum()]
}

/// The gradients by the parameters: parts, which a launch for each of `sources` makes, added up. A workgroup has so many outputs and inputs;
/// each, strips and batch are the shader's.
fn parts_added_up(
    shader: impl Shader,
    sources: &[CubeTensor],
    dy: &CubeTensor,
    [of_outputs, of_inputs]: [usize; 2],
    parts: usize,
    [each, strips, batch]: [usize; 3],
) -> [CubeTensor; 2] {
    let [_, outputs, height, width] = dims(dy);
    let all = sources.iter().map(channels).sum();
    let sums = parts_of(dy, parts, [outputs * all * 9, outputs]);
    let mut before = 0;
    for x in sources {
        let inputs = channels(x);
        launch(
            shader.clone(),
            [
                outputs.div_ceil(of_outputs),
                inputs.div_ceil(of_inputs),
                parts,
            ],
            &[x, dy, &sums],
            &[
                inputs, outputs, height, width, each, strips, batch, before, all,
            ],
        );
        before += inputs;
    }
    sum(&sums, parts, [outputs, all, 3, 3], [outputs])
}

/// Every kernel of this file and of [`quad`] that an adapter may be given, whatever the sizes.
#[cfg(test)]
pub(super) fn permutations(adapter: Adapter, found: &mut super::permutations::Found) {
    // Both sides of every size at which `of` chooses otherwise; rows of as many strips as there may be lanes, and more.
    let channels = || (1..=18).chain([24, 31, 32, 33, 64, 256, 512]);
    let widths = || {
        (1..=36)
            .chain((40..=264).step_by(4))
            .chain([63, 66, 130, 258, 512, 516, 1024, 1030])
    };
    let kinds = [[false, false], [false, true], [true, false], [true, true]];
    for (inputs, outputs) in channels().flat_map(|i| channels().map(move |o| (i, o))) {
        for width in widths() {
            if adapter.has_quads() {
                for (of_x, two) in [(inputs, false), (1, true), (2, true)] {
                    let shader = quad::Convolve::of(adapter, [inputs, outputs, width], of_x, two);
                    if found.add(shader.clone()) {
                        for [turned, biased] in kinds {
                            found.add(shader.weights(turned, biased));
                        }
                    }
                }
                for height in 1..=8 {
                    let sizes = [inputs, outputs, height, width];
                    found.add(quad::WeightGradient::of(adapter, sizes));
                }
                continue;
            }
            found.add(WeightGradient::of(adapter, [inputs, outputs, width]));
            for (batch, height) in [
                (1, 2),
                (1, 15),
                (1, 16),
                (1, 32),
                (512, 2),
                (512, 16),
                (512, 32),
            ] {
                for two in [false, true] {
                    let sizes = [batch, inputs, outputs, height, width];
                    let shader = Convolve::of(adapter, sizes, two);
                    if found.add(shader.clone()) {
                        for [turned, biased] in kinds {
                            found.add(shader.weights(turned, biased));
                        }
                    }
                }
            }
        }
    }
}
