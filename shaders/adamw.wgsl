{#- One step of AdamW for all parameters, which are contiguous in one buffer; `src/ops/adamw.rs` has the formula.

    m' = b1 m + (1 - b1) g    v' = b2 v + (1 - b2) g^2
    p' = (1 - rate_decay) p - rate (m' / bias_correction1) / (sqrt(v' / bias_correction2) + epsilon)

    A workgroup takes one run of 64 vec4s of one parameter, an invocation one vec4. The padding behind the end of a parameter is
    computed too; nothing reads it.

    g                    the gradients, as vec4s
    runs                 [R]: the vec4 of g at which the gradient of each run begins
    m, v, p              [R,64] vec4s: the running means of the gradients and of their squares, and the parameters
    new_m, new_v, new_p  [R,64] vec4s

    One permutation, for every adapter.
-#}
struct Params {
    /// R
    run_count: u32,
    /// Columns of the grid of workgroups.
    group_columns: u32,
    beta1: f32,
    beta2: f32,
    /// 1 - beta1^t
    bias_correction1: f32,
    /// 1 - beta2^t
    bias_correction2: f32,
    rate: f32,
    /// The learning rate times the weight decay.
    rate_decay: f32,
    epsilon: f32,
}
@group(0) @binding(0) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> runs: array<u32>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> new_m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> new_v: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> new_p: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let run = group.y * params.group_columns + group.x;
    if (run >= params.run_count) { return; }
    let id = run * 64u + index;
    let beta1 = params.beta1; let beta2 = params.beta2;
    let bias_correction1 = params.bias_correction1; let bias_correction2 = params.bias_correction2;
    let rate = params.rate; let rate_decay = params.rate_decay; let epsilon = params.epsilon;
    let gradient = g[runs[run] + index];
    let mean = beta1 * m[id] + (1.0 - beta1) * gradient;
    let square = beta2 * v[id] + (1.0 - beta2) * gradient * gradient;
    new_m[id] = mean;
    new_v[id] = square;
    new_p[id] = (1.0 - rate_decay) * p[id] - rate * (mean / bias_correction1) / (sqrt(square / bias_correction2) + epsilon);
}
