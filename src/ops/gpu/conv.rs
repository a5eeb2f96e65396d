//! 3x3 convolution with padding 1 on the GPU: `shaders/conv3x3*.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Adapter, Shader, adapter, dims, empty, launch, number, sum};

/// `shaders/conv3x3.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3.wgsl", escape = "none")]
struct Convolve {
    group: usize,
    rows: usize,
    tiles: usize,
    quads: usize,
    lanes: usize,
    padded: usize,
    raw: bool,
    halo: Halo,
    aligned: bool,
    browser: bool,
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
    halo: bool,
    aligned: bool,
    browser: bool,
}

/// `shaders/conv3x3_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_quad.wgsl", escape = "none")]
struct ConvolveInQuads {
    group: usize,
    each: usize,
    rows: usize,
    tiles: usize,
    outer: bool,
    unroll: usize,
    aligned: bool,
    browser: bool,
}

impl Shader for ConvolveInQuads {
    fn group(&self) -> u32 {
        self.group as u32
    }
}

impl ConvolveInQuads {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
    fn some(&self) -> &'static str {
        number(self.each == 4)
    }
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
    }
    fn part(&self, j: &usize) -> &'static str {
        if self.each == 1 { "" } else { [".x", ".y", ".z", ".w"][*j] }
    }
    fn swapped(&self, s: &usize, value: impl std::fmt::Display) -> String {
        swapped(s, value)
    }
    fn results(&self) -> usize {
        self.each * self.rows * self.tiles * 4 / self.step()
    }
    fn chain(&self, b: &str, r: &usize, t: usize, l: &str, m: &str) -> String {
        let r = *r;
        let l = if l.is_empty() { String::new() } else { format!(".{l}") };
        let mut sum = format!("{m}{l}");
        for i in 0..self.unroll {
            for a in 0..3 {
                sum = format!("fma({b}{i}_{}, w{t}_{i}_{a}{l}, {sum})", r + a);
            }
        }
        sum
    }
    fn transform_x(&self, d: &str, first: usize, name: &str) -> String {
        transform_x(d, first, name)
    }
}

/// `shaders/conv3x3_weight_gradient_quad.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weight_gradient_quad.wgsl", escape = "none")]
struct WeightGradientInQuads {
    kept: usize,
    own: usize,
    tiles: usize,
    rows: usize,
    whole: bool,
    halo: bool,
    aligned: bool,
    browser: bool,
}

impl Shader for WeightGradientInQuads {
    fn group(&self) -> u32 {
        4
    }
}

impl WeightGradientInQuads {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
    /// Rows of dy that are loaded each time, from the one above on.
    fn loaded(&self) -> std::ops::Range<usize> {
        if self.whole { 1..self.rows + 1 } else { 2..self.rows + 2 }
    }
    fn chain(&self, m: &str, b: &str, t: &usize, a: &usize, k: &usize) -> String {
        let mut sum = m.to_string();
        for u in 0..self.rows {
            let q = u + 2 - a;
            if self.whole && (q == 0 || q > self.rows) {
                continue;
            }
            for v in 0..self.tiles {
                sum = format!("fma({b}{u}_{v}, r{q}_{v}_{k}e{t}, {sum})");
            }
        }
        sum
    }
    fn swapped(&self, s: &usize, value: impl std::fmt::Display) -> String {
        swapped(s, value)
    }
    fn transform_x(&self, d: &str, first: usize, name: &str) -> String {
        transform_x(d, first, name)
    }
    fn transform_dy(&self, d: &str) -> String {
        transform_dy(d)
    }
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
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Pixels of a `number`.
    fn step(&self) -> usize {
        if self.aligned { 4 } else { 1 }
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

    /// Four pixels `d` of dy as Winograd's F(3, 4) multiplies by them, as the shader writes it.
    fn transform_dy(&self, d: &str) -> String {
        transform_dy(d)
    }
}

/// What lane `lane` of `lanes` has in `register`, as a shader writes it.
fn shown(register: &str, lane: usize, lanes: usize) -> String {
    match lanes {
        1 => register.into(),
        // SwiftShader does it in one instruction, and subgroupBroadcast in eight.
        4 => format!("quadBroadcast({register}, {lane}u)"),
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

fn transform_dy(d: &str) -> String {
        format!(
            "let {d}s = {d}.x + {d}.z; let {d}t = {d}.y + {d}.w; \
             let {d}q = fma(4.0, {d}.z, {d}.x); let {d}r = fma(4.0, {d}.w, {d}.y); \
             let {d}e0 = {d}.x; let {d}e1 = {d}s + {d}t; let {d}e2 = {d}s - {d}t; \
             let {d}e3 = fma(2.0, {d}r, {d}q); let {d}e4 = fma(-2.0, {d}r, {d}q); let {d}e5 = {d}.w;"
        )
}

fn swapped(s: &usize, value: impl std::fmt::Display) -> String {
    match s {
        0 => value.to_string(),
        1 => format!("quadSwapX({value})"),
        2 => format!("quadSwapY({value})"),
        _ => format!("quadSwapDiagonal({value})"),
    }
}

/// Numbers that stand for a row of three taps.
fn products(raw: bool) -> usize {
    if raw { 3 } else { 6 }
}

/// What `y` is of `x` `[B,I,H,W]`: `[B,O,H,W]`. `weight` `[O,I,3,3]`; `turned`, `[I,O,3,3]`, and y is the gradient by the input.
pub fn convolve(
    x: CubeTensor,
    weight: CubeTensor,
    bias: Option<CubeTensor>,
    turned: bool,
) -> CubeTensor {
    let (x, weight) = (into_contiguous(x), into_contiguous(weight));
    let [batch, inputs, height, width] = dims(&x);
    let [first, second, ..] = dims::<4>(&weight);
    let outputs = if turned { second } else { first };
    let Adapter {
        lanes,
        is_processor: processor,
    } = adapter(&x.client);
    if processor && lanes == 4 {
        let each = if outputs <= 8 { 1 } else { 4 };
        let tiles = if width <= 4 { 1 } else { 2 };
        let rows = if each == 1 { 8 } else { 4 };
        let groups = outputs.div_ceil(4 * each);
        let unroll: usize = if inputs < 8 { 1 } else { 4 / tiles };
        let padded_inputs = inputs.next_multiple_of(unroll);
        let bias = bias.map(into_contiguous);
        let padded = 9 * each;
        let u = empty(&x, [groups * (padded_inputs * padded + each) * 4]);
        launch(
            Weights { quads: each, padded, raw: true, turned, biased: bias.is_some() },
            [(groups * each * inputs).div_ceil(64), 1, 1],
            &[&weight, &u].into_iter().chain(&bias).collect::<Vec<_>>(),
            &[inputs, outputs],
        );
        let y = empty(&x, [batch, outputs, height, width]);
        let (strips, bands) = (width.div_ceil(4 * tiles), height.div_ceil(rows));
        let group = 4;
        launch(
            ConvolveInQuads {
                group, each, rows, tiles,
                outer: 4 % strips > 0, unroll,
                aligned: width.is_multiple_of(4),
                browser: cfg!(target_family = "wasm"),
            },
            [(strips * bands * batch).div_ceil(group), groups, 1],
            &[&x, &u, &y],
            &[inputs, outputs, height, width, strips, bands, batch],
        );
        return y;
    }
    // The fastest of those measured on an H200 (rows by rows), lavapipe (8 lanes) and SwiftShader (4).
    let tiles = if width <= 4 { 1 } else { 2 };
    let (quads, rows): (usize, usize) = match outputs {
        ..=4 if processor => (1, 8),
        ..=4 => (1, 1),
        ..=8 if processor => (2, 4),
        32.. if processor && tiles == 1 => (8, 4),
        // 8 lanes compile eight rows in seconds; where those are worth it.
        _ if processor && lanes > 4 && height >= 16 => (4, 8),
        _ if processor => (4, 4),
        _ => (2, 1),
    };
    let raw = processor && (lanes == 4 || tiles == 1);
    let padded = (3 * products(raw) * quads).next_multiple_of(lanes);

    let blocks = outputs.div_ceil(4 * quads);
    let bias = bias.map(into_contiguous);
    let u = empty(&x, [blocks * (inputs * padded + quads) * 4]);
    launch(
        Weights {
            quads,
            padded,
            raw,
            turned,
            biased: bias.is_some(),
        },
        [(blocks * quads * inputs).div_ceil(64), 1, 1],
        &[&weight, &u].into_iter().chain(&bias).collect::<Vec<_>>(),
        &[inputs, outputs],
    );

    let y = empty(&x, [batch, outputs, height, width]);
    let (strips, bands) = (width.div_ceil(4 * tiles), height.div_ceil(rows));
    // A processor works through the invocations that have nothing to do, too.
    let group = if processor { 16 } else { 64 };
    launch(
        Convolve {
            group,
            rows,
            tiles,
            quads,
            lanes,
            padded,
            raw,
            halo: match strips {
                1 => Halo::None,
                _ if lanes > 4 && processor && lanes.is_multiple_of(strips) => Halo::Shown,
                _ => Halo::Loaded,
            },
            aligned: width.is_multiple_of(4),
            browser: cfg!(target_family = "wasm"),
        },
        [(strips * bands * batch).div_ceil(group), blocks, 1],
        &[&x, &u, &y],
        &[inputs, outputs, height, width, strips, bands, batch],
    );
    y
}

/// The gradients by weights, `[O,I,3,3]`, and bias, `[O]`, of `x` `[B,I,H,W]` and `dy` `[B,O,H,W]`.
pub fn gradients_by_parameters(x: CubeTensor, dy: CubeTensor) -> [CubeTensor; 2] {
    let (x, dy) = (into_contiguous(x), into_contiguous(dy));
    let [batch, inputs, height, width] = dims(&x);
    let [_, outputs, ..] = dims::<4>(&dy);
    let Adapter {
        lanes: subgroup,
        is_processor: processor,
    } = adapter(&x.client);
    if processor && subgroup == 4 {
        let kept = outputs.div_ceil(4).min(4);
        let own = inputs.div_ceil(4).min(2);
        let tiles = if width <= 4 { 1 } else { 2 };
        let rows = 4 / tiles;
        let strips = width.div_ceil(4 * tiles);
        let blocks = [outputs.div_ceil(4 * kept), inputs.div_ceil(4 * own)];
        let each = (batch * strips * blocks[0] * blocks[1] / 32).clamp(1, batch);
        let parts = batch.div_ceil(each) * strips;
        let sums = empty(&x, [parts, outputs * (inputs * 9 + 1)]);
        launch(
            WeightGradientInQuads {
                kept, own, tiles, rows,
                whole: height <= rows,
                halo: strips > 1,
                aligned: width.is_multiple_of(4),
                browser: cfg!(target_family = "wasm"),
            },
            [blocks[0], blocks[1], parts],
            &[&x, &dy, &sums],
            &[inputs, outputs, height, width, each, strips, batch],
        );
        return sum(&sums, parts, [outputs, inputs, 3, 3], [outputs]);
    }
    let lanes = if processor { subgroup } else { 32 };
    let kept = match outputs.div_ceil(lanes) {
        4.. if processor && lanes == 4 => 4,
        2.. if processor => 2,
        _ => 1,
    };
    let quads = if processor && inputs > 4 { 2 } else { 1 };
    let tiles = if width <= 4 { 1 } else { 2 };
    let strips = width.div_ceil(4 * tiles);
    let blocks = [outputs.div_ceil(lanes * kept), inputs.div_ceil(4 * quads)];
    // Enough workgroups to fill the machine, as few sums as that allows.
    let wanted = if processor { 32 } else { 4096 };
    let each = (batch * strips * blocks[0] * blocks[1] / wanted).clamp(1, batch);
    let parts = batch.div_ceil(each) * strips;

    let sums = empty(&x, [parts, outputs * (inputs * 9 + 1)]);
    launch(
        WeightGradient {
            lanes,
            shared: if subgroup > 1 { subgroup.min(lanes) } else { 0 },
            kept,
            quads,
            tiles,
            halo: strips > 1,
            aligned: width.is_multiple_of(4),
            browser: cfg!(target_family = "wasm"),
        },
        [blocks[0], blocks[1], parts],
        &[&x, &dy, &sums],
        &[inputs, outputs, height, width, each, strips, batch],
    );
    sum(&sums, parts, [outputs, inputs, 3, 3], [outputs])
}
