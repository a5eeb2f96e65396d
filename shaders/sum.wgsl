{#- Parts added up: y<r>[e] = sum over s of parts[s,r,e].

    parts   [S,R,N]
    y0, y1  [N], as many as `results`: R, 1 or 2
    n       N, S
-#}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> y0: array<f32>;
{%- if results == 2 %}
@group(0) @binding(2) var<storage, read_write> y1: array<f32>;
{%- endif %}
@group(0) @binding({{ results + 1 }}) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = n[0].x; let parts_count = n[0].y;
    let row = {{ results }}u * count;
    if (id.x >= row) { return; }
    var sum = 0.0;
    for (var s = 0u; s < parts_count; s++) { sum += parts[s * row + id.x]; }
{%- if results == 2 %}
    if (id.x >= count) { y1[id.x - count] = sum; return; }
{%- endif %}
    y0[id.x] = sum;
}
