{#- Sums the partials of edge_map_gradient.wgsl by keypoint and by edge weight. One invocation each: first B K keypoints, then
K K weights.

    partials        [B,K,K,5]: the gradients by a and by b (row, col), and by w; only of i < j
    keypoints_grad  [B,K] (row, col)
    weights_grad    [K,K], zero except for i < j

One permutation, for every adapter.
-#}
struct Params {
    /// K
    keypoint_count: u32,
    /// B
    batch: u32,
}
@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> keypoints_grad: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> weights_grad: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = params.keypoint_count; let batch = params.batch;
    if (id.x < batch * count) {
        let k = id.x % count;
        let start = (id.x / count) * count * count;
        var sum = vec2f();
        for (var j = k + 1u; j < count; j++) {
            let at = (start + k * count + j) * 5u;
            sum += vec2f(partials[at], partials[at + 1u]);
        }
        for (var i = 0u; i < k; i++) {
            let at = (start + i * count + k) * 5u;
            sum += vec2f(partials[at + 2u], partials[at + 3u]);
        }
        keypoints_grad[id.x] = sum;
    } else if (id.x < batch * count + count * count) {
        let edge = id.x - batch * count;
        var sum = 0.0;
        if (edge / count < edge % count) {
            for (var b = 0u; b < batch; b++) { sum += partials[(b * count * count + edge) * 5u + 4u]; }
        }
        weights_grad[edge] = sum;
    }
}
