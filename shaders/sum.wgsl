{#- Parts added up: y0[e] = sum over s of parts[s,e], and y1[e] = sum over s of parts[s,N0+e].

    parts  [S,N0+N1]
    y0     [N0]
    y1     [N1]
    n      N0, N1, S
-#}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> y0: array<f32>;
@group(0) @binding(2) var<storage, read_write> y1: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let first = n[0].x; let row = first + n[0].y; let parts_count = n[0].z;
    if (id.x >= row) { return; }
    var sum = 0.0;
    for (var s = 0u; s < parts_count; s++) { sum += parts[s * row + id.x]; }
    if (id.x < first) { y0[id.x] = sum; } else { y1[id.x - first] = sum; }
}
