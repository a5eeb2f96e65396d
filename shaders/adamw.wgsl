{#- A step of AdamW; `src/ops/adamw.rs` has the formula.

    g, m, v, p           [N]: the gradient, its running means, the parameter
    new_m, new_v, new_p  [N]
    n                    N, or its fours where `aligned`; columns of workgroups; then as f32: b1, b2, 1 - b1^t, 1 - b2^t,
                         rate, rate decay, epsilon
-#}
{% let number = self.number() -%}
@group(0) @binding(0) var<storage, read_write> g: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> m: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> v: array<{{ number }}>;
@group(0) @binding(3) var<storage, read_write> p: array<{{ number }}>;
@group(0) @binding(4) var<storage, read_write> new_m: array<{{ number }}>;
@group(0) @binding(5) var<storage, read_write> new_v: array<{{ number }}>;
@group(0) @binding(6) var<storage, read_write> new_p: array<{{ number }}>;
@group(0) @binding(7) var<uniform> n: array<vec4u, 3>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * n[0].y + group.x) * 64u + index;
    if (id >= n[0].x) { return; }
    let b1 = bitcast<f32>(n[0].z); let b2 = bitcast<f32>(n[0].w);
    let left1 = bitcast<f32>(n[1].x); let left2 = bitcast<f32>(n[1].y);
    let rate = bitcast<f32>(n[1].z); let decay = bitcast<f32>(n[1].w); let epsilon = bitcast<f32>(n[2].x);
    let gradient = g[id];
    let mean = b1 * m[id] + (1.0 - b1) * gradient;
    let square = b2 * v[id] + (1.0 - b2) * gradient * gradient;
    new_m[id] = mean;
    new_v[id] = square;
    new_p[id] = (1.0 - decay) * p[id] - rate * (mean / left1) / (sqrt(square / left2) + epsilon);
}
