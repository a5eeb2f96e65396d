//! The edge map on the GPU: `shaders/edge_map*.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, bits, dims, empty, launch, plane_lanes};

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

impl Shader for Draw {}
impl Shader for Gather {}
impl Shader for EdgeGradients {
    fn group(&self) -> u32 {
        self.lanes as u32
    }
}

/// What an edge map was drawn from, and which edge won where.
#[derive(Clone, Debug)]
pub struct EdgeMapCtx {
    keypoints: CubeTensor,
    weights: CubeTensor,
    indices: CubeTensor,
    thickness: f64,
}

/// `keypoints` `[B,K,2]` and `weights` `[K,K]` -> `[B,1,size,size]`.
pub fn draw(
    keypoints: CubeTensor,
    weights: CubeTensor,
    size: usize,
    thickness: f64,
) -> (CubeTensor, EdgeMapCtx) {
    let (keypoints, weights) = (into_contiguous(keypoints), into_contiguous(weights));
    let [batch, count, _] = dims(&keypoints);
    let map = empty(&keypoints, [batch, 1, size, size]);
    let indices = empty(&keypoints, [batch, size, size]); // whole numbers in the same room
    launch(
        Draw,
        [(size * size / 4).div_ceil(64), batch, 1],
        &[&keypoints, &weights, &map, &indices],
        &[count, size, batch, bits(thickness)],
    );
    let drawn = EdgeMapCtx {
        keypoints,
        weights,
        indices,
        thickness,
    };
    (map, drawn)
}

/// By keypoints and weights.
pub fn gradients(drawn: EdgeMapCtx, dy: CubeTensor) -> [CubeTensor; 2] {
    let dy = into_contiguous(dy);
    let [batch, count, _] = dims(&drawn.keypoints);
    let [_, size, _] = dims(&drawn.indices);
    let parts = empty(&dy, [batch, count, count, 5]);
    let lanes = plane_lanes(&dy, size * size / 4);
    launch(
        EdgeGradients { lanes },
        [count * count, batch, 1],
        &[
            &drawn.keypoints,
            &drawn.weights,
            &drawn.indices,
            &dy,
            &parts,
        ],
        &[count, size, batch, bits(drawn.thickness)],
    );
    let by_keypoints = empty(&dy, [batch, count, 2]);
    let by_weights = empty(&dy, [count, count]);
    launch(
        Gather,
        [(batch * count + count * count).div_ceil(64), 1, 1],
        &[&parts, &by_keypoints, &by_weights],
        &[count, batch],
    );
    [by_keypoints, by_weights]
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(adapter: super::Adapter, found: &mut super::permutations::Found) {
    found.add(Draw);
    found.add(Gather);
    for fours in super::permutations::PLANES {
        let lanes = adapter.plane_lanes(fours);
        found.add(EdgeGradients { lanes });
    }
}
