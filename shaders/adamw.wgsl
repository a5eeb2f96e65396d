{#- A step of AdamW for all parameters, which lie behind one another; `src/ops/adamw.rs` has the formula. A workgroup takes a run of 64
    fours of one parameter. Behind a parameter's end are numbers that mean nothing.

    g                    the gradients, in fours
    runs                 [R]: where the gradient of each run begins
    m, v, p              [R,64]: the gradients' running means, the parameters, in fours
    new_m, new_v, new_p  [R,64]
    n                    R, columns of workgroups; then as f32: b1, b2, 1 - b1^t, 1 - b2^t, rate, rate decay, epsilon
-#}
@group(0) @binding(0) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> runs: array<u32>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> new_m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> new_v: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> new_p: array<vec4f>;
@group(0) @binding(8) var<uniform> n: array<vec4u, 3>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let run = group.y * n[0].y + group.x;
    if (run >= n[0].x) { return; }
    let id = run * 64u + index;
    let b1 = bitcast<f32>(n[0].z); let b2 = bitcast<f32>(n[0].w);
    let left1 = bitcast<f32>(n[1].x); let left2 = bitcast<f32>(n[1].y);
    let rate = bitcast<f32>(n[1].z); let decay = bitcast<f32>(n[1].w); let epsilon = bitcast<f32>(n[2].x);
    let gradient = g[runs[run] + index];
    let mean = b1 * m[id] + (1.0 - b1) * gradient;
    let square = b2 * v[id] + (1.0 - b2) * gradient * gradient;
    new_m[id] = mean;
    new_v[id] = square;
    new_p[id] = (1.0 - decay) * p[id] - rate * (mean / left1) / (sqrt(square / left2) + epsilon);
}
