{#- The gradient of edge_map.wgsl, gathered edge by edge.

Where edge ij won, S = w exp(-|d|^2 / thickness) with d = p - (a + t (b - a)). Moving an end moves the nearest point, a
share 1 - t of a's way and t of b's, so that (the change of t itself is at a right angle to d, or t is clamped)

    dS/dw = exp(-|d|^2 / thickness), dS/da = S 2 d (1 - t) / thickness, dS/db = S 2 d t / thickness

A workgroup gathers one edge of one picture.

    keypoints  [B,K] (row, col)
    weights    [K,K]
    winners    [B,size,size]: i K + j
    dy         [B,size,size]
    parts      [B,K,K]: by a and b (row, col), by w; only of i < j
    n          K, size, B, thickness (f32)
-#}
@group(0) @binding(0) var<storage, read_write> keypoints: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> winners: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<f32>;
@group(0) @binding(5) var<uniform> n: array<vec4u, 1>;

var<workgroup> sums: array<vec4f, {{ lanes }}>;
var<workgroup> by_weight: array<f32, {{ lanes }}>;

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let count = n[0].x; let size = n[0].y; let thickness = bitcast<f32>(n[0].w);
    // group.x: i K + j for i < j; the rest of the square has nothing to do.
    let i = group.x / count; let j = group.x % count; let picture = group.y;
    if (i >= j) { return; }
    let a = keypoints[picture * count + i];
    let ab = keypoints[picture * count + j] - a;
    let scale = 1.0 / (dot(ab, ab) + 1e-8);
    let weight = weights[group.x];
    let pixel = 2.0 / f32(size - 1u);
    var by_ends = vec4f();
    var w = 0.0;
    let start = picture * size * size;
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
            by_ends += vec4f((1.0 - t) * pull, t * pull);
            w += e;
        }
    }
    sums[lane] = by_ends;
    by_weight[lane] = w;
    workgroupBarrier();
    if (lane > 0u) { return; }
    for (var k = 1u; k < {{ lanes }}u; k++) {
        by_ends += sums[k];
        w += by_weight[k];
    }
    let to = (picture * count * count + group.x) * 5u;
    parts[to] = by_ends.x; parts[to + 1u] = by_ends.y; parts[to + 2u] = by_ends.z; parts[to + 3u] = by_ends.w;
    parts[to + 4u] = w;
}
