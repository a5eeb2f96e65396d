{#- LeakyReLU: y = z > 0 ? z : slope z, with z = x, or x + other for two `terms`. With `gradient`, dx = y > 0 ? dy : slope dy.

    x      [N / 4], the output for the gradient
    other  [N / 4], the second term, or dy for the gradient
    y      [N / 4], what is written
    n      N / 4, columns of workgroups, slope (f32)
-#}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
{%- if gradient || terms == 2 %}
@group(0) @binding(1) var<storage, read_write> other: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- else %}
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * n[0].y + group.x) * 64u + index;
    if (id >= n[0].x) { return; }
    let z = x[id]{% if terms == 2 %} + other[id]{% endif %};
    let through = {% if gradient %}other[id]{% else %}z{% endif %};
    y[id] = select(bitcast<f32>(n[0].z) * through, through, z > vec4f());
}
