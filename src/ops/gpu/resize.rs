//! Upsampling and pooling by 2 on the GPU: `shaders/resize.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, channels, dims, empty, grid, launch};

/// `shaders/resize.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "resize.wgsl", escape = "none")]
struct Resizing {
    kind: Resize,
    rows: usize,
}

/// An operation of `shaders/resize.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resize {
    Upsample,
    /// Upsamples two tensors and concatenates their channels.
    UpsampleConcat,
    UpsampleGradient,
    AvgPool,
    AvgPoolGradient,
    MaxPool,
    /// Needs the input of the pooling, too.
    MaxPoolGradient,
}

/// `Params` of `shaders/resize.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    planes: u32,
    height: u32,
    width: u32,
    group_columns: u32,
    x_channels: u32,
    output_channels: u32,
}

impl Shader for Resizing {
    type Params = Params;
}

impl Resizing {
    /// Chooses the rows of an invocation.
    fn new(kind: Resize) -> Resizing {
        // Neighbouring rows of the larger image depend on the same rows of the smaller, and the other way round.
        let rows = match kind {
            Resize::Upsample | Resize::UpsampleConcat | Resize::UpsampleGradient => 4,
            _ => 1,
        };
        Resizing { kind, rows }
    }

    /// Returns the columns of the smaller image that an invocation takes.
    fn columns(&self) -> usize {
        match self.kind {
            Resize::Upsample | Resize::UpsampleConcat | Resize::UpsampleGradient => 4,
            _ => 2,
        }
    }

    /// Returns the WGSL type of `source`.
    fn reads(&self) -> &'static str {
        match self.kind {
            Resize::AvgPoolGradient | Resize::MaxPoolGradient => "vec2f",
            _ => "vec4f",
        }
    }

    /// Returns the WGSL type of `result`.
    fn writes(&self) -> &'static str {
        match self.kind {
            Resize::AvgPool | Resize::MaxPool => "vec2f",
            _ => "vec4f",
        }
    }
}

/// Resizes `x` `[B,C,H,W]` to twice or half its size. W is a multiple of four, or of two for the gradients of pooling. `input_b` is the
/// input of the pooling for [`Resize::MaxPoolGradient`]; for [`Resize::UpsampleConcat`] it is `[B,D,H,W]`, and the result
/// `[B,C+D,2H,2W]`.
pub fn resize(kind: Resize, x: CubeTensor, input_b: Option<CubeTensor>) -> CubeTensor {
    let (x, input_b) = (into_contiguous(x), input_b.map(into_contiguous));
    let [batch, x_channels, height, width] = dims(&x);
    let output_channels = match (kind, &input_b) {
        (Resize::UpsampleConcat, Some(input_b)) => x_channels + channels(input_b),
        _ => x_channels,
    };
    let twice = [2 * height, 2 * width];
    let half = [height / 2, width / 2];
    let (output, small) = match kind {
        Resize::Upsample | Resize::UpsampleConcat => (twice, [height, width]),
        Resize::AvgPoolGradient | Resize::MaxPoolGradient => (twice, [height, width]),
        Resize::UpsampleGradient | Resize::AvgPool | Resize::MaxPool => (half, half),
    };
    let y = empty(&x, [batch, output_channels, output[0], output[1]]);
    let planes = batch * output_channels;
    let shader = Resizing::new(kind);
    let runs = planes * small[0].div_ceil(shader.rows) * small[1] / shader.columns();
    let groups = grid(runs.div_ceil(64));
    let buffers: Vec<&CubeTensor> = [&x].into_iter().chain(&input_b).chain([&y]).collect();
    let params = Params {
        planes: planes as u32,
        height: small[0] as u32,
        width: small[1] as u32,
        group_columns: groups[0] as u32,
        x_channels: x_channels as u32,
        output_channels: output_channels as u32,
    };
    launch(shader, groups, &buffers, params);
    y
}

/// Adds every kernel of this file that an adapter may run.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    let kinds = [
        Resize::Upsample,
        Resize::UpsampleConcat,
        Resize::UpsampleGradient,
        Resize::AvgPool,
        Resize::AvgPoolGradient,
        Resize::MaxPool,
        Resize::MaxPoolGradient,
    ];
    for kind in kinds {
        found.add(Resizing::new(kind));
    }
}
