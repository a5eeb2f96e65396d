{#- Adds up partial sums: y0[e] = sum over s of partials[s,e], and y1[e] = sum over s of partials[s,N0+e].

    partials  [S,N0+N1]
    y0        [N0]
    y1        [N1]

One permutation, for every adapter.
-#}
struct Params {
    /// N0
    first_size: u32,
    /// N1
    second_size: u32,
    /// S
    partial_count: u32,
}
@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> y0: array<f32>;
@group(0) @binding(2) var<storage, read_write> y1: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let first_size = params.first_size; let row = first_size + params.second_size; let partial_count = params.partial_count;
    if (id.x >= row) { return; }
    var sum = 0.0;
    for (var s = 0u; s < partial_count; s++) { sum += partials[s * row + id.x]; }
    if (id.x < first_size) { y0[id.x] = sum; } else { y1[id.x - first_size] = sum; }
}
