//! The mean L1 or L2 distance of two tensors on the GPU: `shaders/distance.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, dims, empty, grid, launch};

/// `shaders/distance.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "distance.wgsl", escape = "none")]
struct Distance {
    pass: Pass,
    squared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Partials,
    Mean,
    Gradient,
}

/// `Params` of `shaders/distance.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    vec4_count: u32,
    partial_count: u32,
    group_columns: u32,
}

impl Shader for Distance {
    type Params = Params;
}

/// The most partial sums, of a workgroup each.
const MAX_PARTIALS: usize = 256;

/// Computes the mean of `|x - y|`, or with `squared` of its square, `[1]`, of two `[B,C,H,W]` whose size is a multiple of four.
pub fn mean(x: CubeTensor, y: CubeTensor, squared: bool) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let vec4_count = dims::<4>(&x).iter().product::<usize>() / 4;
    let partial_count = vec4_count.div_ceil(64).min(MAX_PARTIALS);
    let (partials, mean) = (empty(&x, [partial_count]), empty(&x, [1]));
    let params = Params {
        vec4_count: vec4_count as u32,
        partial_count: partial_count as u32,
        group_columns: 0,
    };
    let run = |pass, groups, buffers: &[&CubeTensor]| {
        launch(Distance { pass, squared }, [groups, 1, 1], buffers, params);
    };
    run(Pass::Partials, partial_count, &[&x, &y, &partials]);
    run(Pass::Mean, 1, &[&partials, &mean]);
    mean
}

/// Computes the gradient of [`mean`] by x, `[B,C,H,W]`, from `dy` `[1]`.
pub fn gradient(x: CubeTensor, y: CubeTensor, dy: CubeTensor, squared: bool) -> CubeTensor {
    let [x, y, dy] = [x, y, dy].map(into_contiguous);
    let shape = dims::<4>(&x);
    let dx = empty(&x, shape);
    let vec4_count = shape.iter().product::<usize>() / 4;
    let groups = grid(vec4_count.div_ceil(64));
    let shader = Distance {
        pass: Pass::Gradient,
        squared,
    };
    let params = Params {
        vec4_count: vec4_count as u32,
        partial_count: 0,
        group_columns: groups[0] as u32,
    };
    launch(shader, groups, &[&x, &y, &dy, &dx], params);
    dx
}

/// Adds every kernel of this file that an adapter may run.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    for pass in [Pass::Partials, Pass::Mean, Pass::Gradient] {
        for squared in [false, true] {
            found.add(Distance { pass, squared });
        }
    }
}
