//! Twice and half the size on the GPU: `shaders/resize.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, channels, dims, empty, grid, launch};

/// `shaders/resize.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "resize.wgsl", escape = "none")]
struct Resizing {
    kind: Resize,
    rows: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resize {
    Double,
    /// Of two tensors, whose channels come beside one another.
    DoubleTwo,
    DoubleGradient,
    Halve,
    HalveGradient,
    Max,
    /// Its input is needed, too.
    MaxGradient,
}

impl Shader for Resizing {}

impl Resizing {
    fn of(kind: Resize) -> Resizing {
        // Neighbouring rows of the larger picture depend on the same ones of the smaller, and the other way round.
        let rows = match kind {
            Resize::Double | Resize::DoubleTwo | Resize::DoubleGradient => 4,
            _ => 1,
        };
        Resizing { kind, rows }
    }

    /// Columns of the smaller picture that an invocation takes.
    fn columns(&self) -> usize {
        match self.kind {
            Resize::Double | Resize::DoubleTwo | Resize::DoubleGradient => 4,
            _ => 2,
        }
    }

    fn reads(&self) -> &'static str {
        match self.kind {
            Resize::HalveGradient | Resize::MaxGradient => "vec2f",
            _ => "vec4f",
        }
    }

    fn writes(&self) -> &'static str {
        match self.kind {
            Resize::Halve | Resize::Max => "vec2f",
            _ => "vec4f",
        }
    }
}

/// `x` `[B,C,H,W]` to twice or half its size. W a multiple of four, or of two for the gradients of halving. `seen` is the input of the
/// maxima or `[B,D,H,W]` beside x, and then `[B,C+D,2H,2W]` comes of it.
pub fn resize(kind: Resize, x: CubeTensor, seen: Option<CubeTensor>) -> CubeTensor {
    let (x, seen) = (into_contiguous(x), seen.map(into_contiguous));
    let [batch, own, height, width] = dims(&x);
    let all = match (kind, &seen) {
        (Resize::DoubleTwo, Some(beside)) => own + channels(beside),
        _ => own,
    };
    let twice = [2 * height, 2 * width];
    let half = [height / 2, width / 2];
    let (to, small) = match kind {
        Resize::Double | Resize::DoubleTwo => (twice, [height, width]),
        Resize::HalveGradient | Resize::MaxGradient => (twice, [height, width]),
        Resize::DoubleGradient | Resize::Halve | Resize::Max => (half, half),
    };
    let y = empty(&x, [batch, all, to[0], to[1]]);
    let planes = batch * all;
    let shader = Resizing::of(kind);
    let runs = planes * small[0].div_ceil(shader.rows) * small[1] / shader.columns();
    let groups = grid(runs.div_ceil(64));
    let buffers: Vec<&CubeTensor> = [&x].into_iter().chain(&seen).chain([&y]).collect();
    launch(
        shader,
        groups,
        &buffers,
        &[planes, small[0], small[1], groups[0], own, all],
    );
    y
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    let kinds = [
        Resize::Double,
        Resize::DoubleTwo,
        Resize::DoubleGradient,
        Resize::Halve,
        Resize::HalveGradient,
        Resize::Max,
        Resize::MaxGradient,
    ];
    for kind in kinds {
        found.add(Resizing::of(kind));
    }
}
