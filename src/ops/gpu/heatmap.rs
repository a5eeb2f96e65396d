//! Heatmaps and where they point on the GPU: `shaders/heatmap.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

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

impl Shader for Heatmap {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

/// Over heatmaps `[B,K,H,W]`, W a multiple of four.
fn run(pass: Pass, buffers: &[&CubeTensor], [batch, count, height, width]: [usize; 4]) {
    let planes = batch * count;
    let lanes = plane_lanes(buffers[0], height * width / 4);
    let groups = grid(planes);
    let sizes = [planes, height, width / 4, groups[0]];
    launch(Heatmap { pass, lanes }, groups, buffers, &sizes);
}

/// Scores `[B,K,H,W]` to heatmaps.
pub fn softmax(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let y = empty(&x, dims::<4>(&x));
    run(Pass::Softmax, &[&x, &y], dims(&x));
    y
}

/// Its gradient by the scores, from the heatmaps.
pub fn softmax_gradient(heatmaps: CubeTensor, dy: CubeTensor) -> CubeTensor {
    let (heatmaps, dy) = (into_contiguous(heatmaps), into_contiguous(dy));
    let dx = empty(&dy, dims::<4>(&dy));
    run(Pass::SoftmaxGradient, &[&heatmaps, &dy, &dx], dims(&dy));
    dx
}

/// Heatmaps `[B,K,H,W]` to keypoints `[B,K,2]`.
pub fn expectation(heatmaps: CubeTensor) -> CubeTensor {
    let heatmaps = into_contiguous(heatmaps);
    let shape = dims::<4>(&heatmaps);
    let keypoints = empty(&heatmaps, [shape[0], shape[1], 2]);
    run(Pass::Expectation, &[&heatmaps, &keypoints], shape);
    keypoints
}

/// Its gradient by the heatmaps, from `dy` `[B,K,2]`.
pub fn expectation_gradient(dy: CubeTensor, [height, width]: [usize; 2]) -> CubeTensor {
    let dy = into_contiguous(dy);
    let [batch, count, _] = dims(&dy);
    let shape = [batch, count, height, width];
    let by_heatmaps = empty(&dy, shape);
    run(Pass::ExpectationGradient, &[&dy, &by_heatmaps], shape);
    by_heatmaps
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(adapter: super::Adapter, found: &mut super::permutations::Found) {
    for fours in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(fours);
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
