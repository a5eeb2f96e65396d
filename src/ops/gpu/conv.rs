//! 3x3 convolution with padding 1 on the GPU: `shaders/conv3x3*.wgsl`.

use askama::Template;
use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Adapter, Shader, adapter, dims, empty, grid, launch, number, plane_lanes, sum};

/// `shaders/conv3x3.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3.wgsl", escape = "none")]
struct Convolve {
    group: usize,
    tiles: usize,
    quads: usize,
    lanes: usize,
    padded: usize,
    aligned: bool,
    browser: bool,
}

/// `shaders/conv3x3_weights.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "conv3x3_weights.wgsl", escape = "none")]
struct Weights {
    quads: usize,
    padded: usize,
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
    pixels: usize,
    halo: bool,
    aligned: bool,
    browser: bool,
}

/// `shaders/plane_sums.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "plane_sums.wgsl", escape = "none")]
struct PlaneSums {
    lanes: usize,
}

impl Shader for Convolve {
    fn group(&self) -> u32 {
        self.group as u32
    }
}
impl Shader for Weights {}
impl Shader for PlaneSums {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}
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
}

impl WeightGradient {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }

    /// Fours of pixels that the strip sees of a row of one input.
    fn window(&self) -> usize {
        self.pixels / 4 + 2 * usize::from(self.halo)
    }

    /// How many of them a lane loads, of four inputs.
    fn loads(&self) -> usize {
        (4 * self.window()).div_ceil(self.shared)
    }

    /// Pixel `p` of the strip's window in input `j`, as the shader writes it.
    fn column(&self, j: usize, p: usize) -> String {
        let beside = p == 0 || p == self.pixels + 1;
        if beside && !self.halo {
            return "0.0".into(); // The strip is as wide as the picture.
        }
        let at = if self.halo { p + 3 } else { p - 1 };
        let (part, l) = (j * self.window() + at / 4, ["x", "y", "z", "w"][at % 4]);
        match self.shared {
            0 => format!("q{part}.{l}"),
            lanes => format!(
                "subgroupBroadcast(q{}.{l}, {}u)",
                part / lanes,
                part % lanes
            ),
        }
    }
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
    // The fastest of those measured on an H200, lavapipe and SwiftShader.
    let tiles = match width {
        ..=4 => 1,
        9.. if processor => 4,
        _ => 2,
    };
    let quads: usize = match outputs {
        ..=4 => 1,
        17.. if processor && lanes == 4 => 8,
        9.. if processor => 4,
        _ => 2,
    };
    let padded = (18 * quads).next_multiple_of(lanes);

    let blocks = outputs.div_ceil(4 * quads);
    let bias = bias.map(into_contiguous);
    let u = empty(&x, [blocks * (inputs * padded + quads) * 4]);
    let rows = blocks * 4 * quads * inputs * 3;
    launch(
        Weights {
            quads,
            padded,
            turned,
            biased: bias.is_some(),
        },
        [rows.div_ceil(64), 1, 1],
        &[&weight, &u].into_iter().chain(&bias).collect::<Vec<_>>(),
        &[inputs, outputs],
    );

    let y = empty(&x, [batch, outputs, height, width]);
    let strips = width.div_ceil(4 * tiles);
    // A processor works through the invocations that have nothing to do, too.
    let group = if processor { 16 } else { 64 };
    launch(
        Convolve {
            group,
            tiles,
            quads,
            lanes,
            padded,
            aligned: width.is_multiple_of(4),
            browser: cfg!(target_family = "wasm"),
        },
        [(strips * height * batch).div_ceil(group), blocks, 1],
        &[&x, &u, &y],
        &[inputs, outputs, height, width, strips, batch],
    );
    y
}

/// The gradient by the weights, `[O,I,3,3]`, of `x` `[B,I,H,W]` and `dy` `[B,O,H,W]`.
pub fn weight_gradient(x: CubeTensor, dy: CubeTensor) -> CubeTensor {
    let (x, dy) = (into_contiguous(x), into_contiguous(dy));
    let [batch, inputs, height, width] = dims(&x);
    let [_, outputs, ..] = dims::<4>(&dy);
    let Adapter {
        lanes: subgroup,
        is_processor: processor,
    } = adapter(&x.client);
    let lanes = if processor { subgroup } else { 32 };
    let kept = if processor && outputs > lanes { 2 } else { 1 };
    let pixels = width.next_multiple_of(4).min(8);
    let strips = width.div_ceil(pixels);
    let blocks = [outputs.div_ceil(lanes * kept), inputs.div_ceil(4)];
    // Enough workgroups to fill the machine, as few sums as that allows.
    let wanted = if processor { 32 } else { 4096 };
    let each = (batch * strips * blocks[0] * blocks[1] / wanted).clamp(1, batch);
    let parts = batch.div_ceil(each) * strips;

    let sums = empty(&x, [parts, outputs, inputs, 3, 3]);
    launch(
        WeightGradient {
            lanes,
            shared: if subgroup > 1 { subgroup.min(lanes) } else { 0 },
            kept,
            pixels,
            halo: width > pixels,
            aligned: width.is_multiple_of(4),
            browser: cfg!(target_family = "wasm"),
        },
        [blocks[0], blocks[1], parts],
        &[&x, &dy, &sums],
        &[inputs, outputs, height, width, each, strips, batch],
    );
    sum(&sums, parts, [outputs, inputs, 3, 3])
}

/// The gradient by the bias, `[O]`, of `dy` `[B,O,H,W]`.
pub fn bias_gradient(dy: CubeTensor) -> CubeTensor {
    let dy = into_contiguous(dy);
    let [batch, outputs, height, width] = dims(&dy);
    if !(height * width).is_multiple_of(4) {
        let sums = Cube::float_sum_dims(dy, &[0, 2, 3]);
        return Cube::float_reshape(sums, Shape::new([outputs]));
    }
    let (planes, fours) = (batch * outputs, height * width / 4);
    let sums = empty(&dy, [batch, outputs]);
    let groups = grid(planes);
    let lanes = plane_lanes(&dy, fours);
    launch(
        PlaneSums { lanes },
        groups,
        &[&dy, &sums],
        &[planes, fours, groups[0]],
    );
    sum(&sums, batch, [outputs])
}
