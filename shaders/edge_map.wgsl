{#- The edge map (AutoLink, eq. 2 and 3).

    S(p) = max over edges i < j of w_ij exp(-d_ij(p)^2 / thickness), d_ij = distance of p to the segment from i to j

An invocation draws four pixels of a row in logarithms, ln(w) - d^2 / thickness, so that an edge needs no exponential.
An edge whose weight does not exceed what is drawn already cannot win.

    keypoints  [B,K] (row, col) in [-1, 1]
    weights    [K,K], the upper triangle
    map        [B,size,size], whose corner pixels lie at -1 and 1; size a multiple of four
    winners    [B,size,size]: i K + j of the edge that won

One permutation, for every adapter.
-#}
{% include "edge_map_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> keypoints: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> map: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> winners: array<vec4u>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = params.keypoint_count; let size = params.size; let sharpness = 1.0 / params.thickness;
    let vec4_count = size * size / 4u;
    if (id.x >= vec4_count) { return; }
    let image = id.y;
    let pixel = 2.0 / f32(size - 1u);
    let row = f32(4u * id.x / size) * pixel - 1.0;
    let columns = (f32(4u * id.x % size) + vec4f(0.0, 1.0, 2.0, 3.0)) * pixel - 1.0;
    var best = vec4f(-87.0); // the faintest that float32 holds
    var winner = vec4u(1u);
    for (var i = 0u; i + 1u < count; i++) {
        let a = keypoints[image * count + i];
        let from_row = row - a.x;
        let from_columns = columns - a.y;
        for (var j = i + 1u; j < count; j++) {
            let brightest = log(max(weights[i * count + j], 1e-37));
            if (all(vec4f(brightest) <= best)) { continue; }
            let ab = keypoints[image * count + j] - a;
            // The position of the nearest point along the segment, in [0, 1].
            let along = (from_row * ab.x + from_columns * ab.y) / (dot(ab, ab) + 1e-8);
            let t = clamp(along, vec4f(), vec4f(1.0));
            let d_row = from_row - t * ab.x;
            let d_column = from_columns - t * ab.y;
            let drawn = brightest - (d_row * d_row + d_column * d_column) * sharpness;
            let wins = drawn > best;
            best = select(best, drawn, wins);
            winner = select(winner, vec4u(i * count + j), wins);
        }
    }
    map[image * vec4_count + id.x] = exp(best);
    winners[image * vec4_count + id.x] = winner;
}
