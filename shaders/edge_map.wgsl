{#- The edge map (AutoLink, eq. 2 and 3).

    S(p) = max over edges i < j of w_ij exp(-d_ij(p)^2 / thickness), d_ij = distance of p to the segment from i to j

An invocation draws a pixel. An edge whose weight is no more than what is drawn already cannot win.

    keypoints  [B,K] (row, col) in [-1, 1]
    weights    [K,K], the upper triangle
    map        [B,size,size], whose corner pixels lie at -1 and 1
    winners    [B,size,size]: i K + j
    n          K, size, B, thickness (f32)
-#}
@group(0) @binding(0) var<storage, read_write> keypoints: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> map: array<f32>;
@group(0) @binding(3) var<storage, read_write> winners: array<u32>;
@group(0) @binding(4) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = n[0].x; let size = n[0].y; let thickness = bitcast<f32>(n[0].w);
    if (id.x >= size * size) { return; }
    let picture = id.y;
    let p = vec2f(f32(id.x / size), f32(id.x % size)) * (2.0 / f32(size - 1u)) - 1.0;
    var best = 0.0;
    var winner = 1u;
    for (var i = 0u; i + 1u < count; i++) {
        let a = keypoints[picture * count + i];
        let from_a = p - a;
        for (var j = i + 1u; j < count; j++) {
            let weight = weights[i * count + j];
            if (weight <= best) { continue; }
            let ab = keypoints[picture * count + j] - a;
            // How far along the segment the nearest point lies, in [0, 1].
            let t = clamp(dot(from_a, ab) / (dot(ab, ab) + 1e-8), 0.0, 1.0);
            let d = from_a - t * ab;
            let drawn = weight * exp(-dot(d, d) / thickness);
            if (drawn > best) {
                best = drawn;
                winner = i * count + j;
            }
        }
    }
    map[picture * size * size + id.x] = best;
    winners[picture * size * size + id.x] = winner;
}
