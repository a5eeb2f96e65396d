{#- y = x, to make tensors contiguous.

    x, y  [N]

Permutations: `aligned` copies vec4s, where N is a multiple of four; both for every adapter.
-#}
struct Params {
    /// N, or N / 4 with `aligned`.
    count: u32,
    /// Columns of the grid of workgroups.
    group_columns: u32,
}
{% let number = self.number() -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> y: array<{{ number }}>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * params.group_columns + group.x) * 64u + index;
    if (id < params.count) { y[id] = x[id]; }
}
