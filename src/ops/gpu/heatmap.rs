//! Heatmaps and their expectations on the GPU: `shaders/heatmap.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, dims, empty, grid, launch, plane_lanes};

/// `shaders/heatmap.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "heatmap.wgsl", escape = "none")]
struct Heatmap {
    pass: Pass,
    lanes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Softmax,
    SoftmaxGradient,
    Expectation,
    ExpectationGradient,
}

/// `Params` of `shaders/heatmap.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    planes: u32,
    height: u32,
    width_vec4s: u32,
    group_columns: u32,
}

impl Shader for Heatmap {
    type Params = Params;

    fn group_size(&self) -> u32 {
        self.lanes as u32
    }
}

/// Runs a pass over heatmaps `[B,K,H,W]`, W a multiple of four.
fn run(pass: Pass, buffers: &[&CubeTensor], [batch, count, height, width]: [usize; 4]) {
    let planes = batch * count;
    let lanes = plane_lanes(buffers[0], height * width / 4);
    let groups = grid(planes);
    let params = Params {
        planes: planes as u32,
        height: height as u32,
        width_vec4s: (width / 4) as u32,
        group_columns: groups[0] as u32,
    };
    launch(Heatmap { pass, lanes }, groups, buffers, params);
}

/// Computes heatmaps, the softmax of each plane, of scores `[B,K,H,W]`.
pub fn softmax(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run(Pass::Softmax, &[&x, &y], dims(&x));
    y
}

/// Computes the gradient of [`softmax`] by the scores, `[B,K,H,W]`, from its result and `dy`, of the same shape.
pub fn softmax_gradient(heatmaps: CubeTensor, dy: CubeTensor) -> CubeTensor {
    let (heatmaps, dy) = (into_contiguous(heatmaps), into_contiguous(dy));
    let dx = empty(&dy, dims::<4>(&dy));
    run(Pass::SoftmaxGradient, &[&heatmaps, &dy, &dx], dims(&dy));
    dx
}

/// Computes keypoints `[B,K,2]`, (row, col) in [-1, 1], of heatmaps `[B,K,H,W]`.
pub fn expectation(heatmaps: CubeTensor) -> CubeTensor {
    let heatmaps = into_contiguous(heatmaps);
    let shape = dims::<4>(&heatmaps);
    let keypoints = empty(&heatmaps, [shape[0], shape[1], 2]);
    run(Pass::Expectation, &[&heatmaps, &keypoints], shape);
    keypoints
}

/// Computes the gradient of [`expectation`] by the heatmaps, `[B,K,height,width]`, from `dy` `[B,K,2]`.
pub fn expectation_gradient(dy: CubeTensor, [height, width]: [usize; 2]) -> CubeTensor {
    let dy = into_contiguous(dy);
    let [batch, count, _] = dims(&dy);
    let shape = [batch, count, height, width];
    let dx = empty(&dy, shape);
    run(Pass::ExpectationGradient, &[&dy, &dx], shape);
    dx
}

/// Adds every kernel of this file that `adapter` may run.
#[cfg(test)]
pub(super) fn permutations(
    adapter: super::AdapterProperties,
    found: &mut super::permutations::Found,
) {
    for vec4_count in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(vec4_count);
        let passes = [
            Pass::Softmax,
            Pass::SoftmaxGradient,
            Pass::Expectation,
            Pass::ExpectationGradient,
        ];
        for pass in passes {
            found.add(Heatmap { pass, lanes });
        }
    }
}
