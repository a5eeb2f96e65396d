{#- What edge_map_gradient.wgsl found, gathered by keypoint and by edge weight. An invocation each: first B K keypoints, then
K K weights.

    parts         [B,K,K]: by a and b (row, col), by w; only of i < j
    by_keypoints  [B,K] (row, col)
    by_weights    [K,K], zero but for i < j
    n             K, B
-#}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> by_keypoints: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> by_weights: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = n[0].x; let batch = n[0].y;
    if (id.x < batch * count) {
        let k = id.x % count;
        let start = (id.x / count) * count * count;
        var sum = vec2f();
        for (var j = k + 1u; j < count; j++) {
            let at = (start + k * count + j) * 5u;
            sum += vec2f(parts[at], parts[at + 1u]);
        }
        for (var i = 0u; i < k; i++) {
            let at = (start + i * count + k) * 5u;
            sum += vec2f(parts[at + 2u], parts[at + 3u]);
        }
        by_keypoints[id.x] = sum;
    } else if (id.x < batch * count + count * count) {
        let edge = id.x - batch * count;
        var sum = 0.0;
        if (edge / count < edge % count) {
            for (var b = 0u; b < batch; b++) { sum += parts[(b * count * count + edge) * 5u + 4u]; }
        }
        by_weights[edge] = sum;
    }
}
