//! The edge map on the GPU: `shaders/edge_map*.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, dims, empty, launch, plane_lanes};

/// `shaders/edge_map.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "edge_map.wgsl", escape = "none")]
struct Draw;

/// `shaders/edge_map_gradient.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "edge_map_gradient.wgsl", escape = "none")]
struct EdgeGradients {
    lanes: usize,
}

/// `shaders/edge_map_gather.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "edge_map_gather.wgsl", escape = "none")]
struct Gather;

/// `Params` of `shaders/edge_map_params.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    keypoint_count: u32,
    size: u32,
    batch: u32,
    thickness: f32,
}

/// `Params` of `shaders/edge_map_gather.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct GatherParams {
    keypoint_count: u32,
    batch: u32,
}

impl Shader for Draw {
    type Params = Params;
}
impl Shader for Gather {
    type Params = GatherParams;
}
impl Shader for EdgeGradients {
    type Params = Params;

    fn group_size(&self) -> u32 {
        self.lanes as u32
    }
}

/// Everything that the gradient of an edge map needs: the arguments of [`draw`], and the edge that won at each pixel.
#[derive(Clone, Debug)]
pub struct EdgeMapCtx {
    /// `[B,K,2]`
    keypoints: CubeTensor,
    /// `[K,K]`
    weights: CubeTensor,
    /// `[B,size,size]`, u32: i K + j of the edge between keypoints i and j.
    winners: CubeTensor,
    params: Params,
}

/// Draws the edge map `[B,1,size,size]` of `keypoints` `[B,K,2]` and `weights` `[K,K]`; `size` is a multiple of four.
pub fn draw(
    keypoints: CubeTensor,
    weights: CubeTensor,
    size: usize,
    thickness: f64,
) -> (CubeTensor, EdgeMapCtx) {
    let (keypoints, weights) = (into_contiguous(keypoints), into_contiguous(weights));
    let [batch, count, _] = dims(&keypoints);
    let map = empty(&keypoints, [batch, 1, size, size]);
    let winners = empty(&keypoints, [batch, size, size]); // u32, which is as large as f32
    let params = Params {
        keypoint_count: count as u32,
        size: size as u32,
        batch: batch as u32,
        thickness: thickness as f32,
    };
    launch(
        Draw,
        [(size * size / 4).div_ceil(64), batch, 1],
        &[&keypoints, &weights, &map, &winners],
        params,
    );
    let ctx = EdgeMapCtx {
        keypoints,
        weights,
        winners,
        params,
    };
    (map, ctx)
}

/// Computes the gradients of [`draw`] by keypoints, `[B,K,2]`, and by weights, `[K,K]`, from `dy` `[B,1,size,size]`.
pub fn gradients(ctx: EdgeMapCtx, dy: CubeTensor) -> [CubeTensor; 2] {
    let dy = into_contiguous(dy);
    let [batch, count, _] = dims(&ctx.keypoints);
    let [_, size, _] = dims(&ctx.winners);
    let partials = empty(&dy, [batch, count, count, 5]);
    let lanes = plane_lanes(&dy, size * size / 4);
    launch(
        EdgeGradients { lanes },
        [count * count, batch, 1],
        &[&ctx.keypoints, &ctx.weights, &ctx.winners, &dy, &partials],
        ctx.params,
    );
    let keypoints_grad = empty(&dy, [batch, count, 2]);
    let weights_grad = empty(&dy, [count, count]);
    launch(
        Gather,
        [(batch * count + count * count).div_ceil(64), 1, 1],
        &[&partials, &keypoints_grad, &weights_grad],
        GatherParams {
            keypoint_count: count as u32,
            batch: batch as u32,
        },
    );
    [keypoints_grad, weights_grad]
}

/// Adds every kernel of this file that `adapter` may run.
#[cfg(test)]
pub(super) fn permutations(
    adapter: super::AdapterProperties,
    found: &mut super::permutations::Found,
) {
    found.add(Draw);
    found.add(Gather);
    for vec4_count in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(vec4_count);
        found.add(EdgeGradients { lanes });
    }
}
