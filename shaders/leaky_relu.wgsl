{#- LeakyReLU: y = z > 0 ? z : slope z, with z = x, or x + other for two `terms`. With `gradient`, dx = y > 0 ? dy : slope dy.

    x      [N / 4] vec4s; with `gradient` the output y
    other  [N / 4] vec4s: the second of two `terms`, or with `gradient` dy
    y      [N / 4] vec4s: the result

Permutations: ReLU (one term), the sum's (two terms), and `gradient`; all for every adapter.
-#}
struct Params {
    /// N / 4
    vec4_count: u32,
    /// Columns of the grid of workgroups.
    group_columns: u32,
    slope: f32,
}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
{%- if gradient || terms == 2 %}
@group(0) @binding(1) var<storage, read_write> other: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;
{%- else %}
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * params.group_columns + group.x) * 64u + index;
    if (id >= params.vec4_count) { return; }
    let z = x[id]{% if terms == 2 %} + other[id]{% endif %};
    let through = {% if gradient %}other[id]{% else %}z{% endif %};
    y[id] = select(params.slope * through, through, z > vec4f());
}
