{#- The gradient of edge_map.wgsl, edge by edge.

Where edge ij won, S = w exp(-|d|^2 / thickness) with d = p - (a + t (b - a)). Moving an end moves the nearest point by
1 - t of a's way and by t of b's, so that (the change of t itself is at a right angle to d, or t is clamped)

    dS/dw = exp(-|d|^2 / thickness), dS/da = S 2 d (1 - t) / thickness, dS/db = S 2 d t / thickness

A workgroup sums one edge of one image.

    keypoints  [B,K] (row, col)
    weights    [K,K]
    winners    [B,size,size]: i K + j of the edge that won
    dy         [B,size,size]
    partials   [B,K,K,5]: the gradients by a and by b (row, col), and by w; only of i < j. edge_map_gather.wgsl adds them up

Permutations: `lanes` invocations share an image: 8 on CPU adapters, 16 or 64 on GPUs (`Adapter::plane_lanes`).
-#}
{% include "edge_map_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> keypoints: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> winners: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> end_sums: array<vec4f, {{ lanes }}>;
var<workgroup> weight_sums: array<f32, {{ lanes }}>;

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let count = params.keypoint_count; let size = params.size; let thickness = params.thickness;
    // group.x: i K + j for i < j; the rest of the square has nothing to do.
    let i = group.x / count; let j = group.x % count; let image = group.y;
    if (i >= j) { return; }
    let a = keypoints[image * count + i];
    let ab = keypoints[image * count + j] - a;
    let scale = 1.0 / (dot(ab, ab) + 1e-8);
    let weight = weights[group.x];
    let pixel = 2.0 / f32(size - 1u);
    var ends_grad = vec4f();
    var w = 0.0;
    let start = image * size * size;
    for (var four = lane; four < size * size / 4u; four += {{ lanes }}u) {
        let won = winners[start / 4u + four] == vec4u(group.x);
        if (!any(won)) { continue; }
        for (var k = 0u; k < 4u; k++) {
            if (!won[k]) { continue; }
            let at = 4u * four + k;
            let from_a = vec2f(f32(at / size), f32(at % size)) * pixel - 1.0 - a;
            let t = clamp(dot(from_a, ab) * scale, 0.0, 1.0);
            let d = from_a - t * ab;
            let e = dy[start + at] * exp(-dot(d, d) / thickness);
            let pull = e * weight * 2.0 / thickness * d;
            ends_grad += vec4f((1.0 - t) * pull, t * pull);
            w += e;
        }
    }
    end_sums[lane] = ends_grad;
    weight_sums[lane] = w;
    workgroupBarrier();
    if (lane > 0u) { return; }
    for (var k = 1u; k < {{ lanes }}u; k++) {
        ends_grad += end_sums[k];
        w += weight_sums[k];
    }
    let to = (image * count * count + group.x) * 5u;
    partials[to] = ends_grad.x; partials[to + 1u] = ends_grad.y; partials[to + 2u] = ends_grad.z; partials[to + 3u] = ends_grad.w;
    partials[to + 4u] = w;
}
