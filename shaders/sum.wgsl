{#- Parts added up: y[e] = sum over s of parts[s,e].

    parts  [S,N]
    y      [N]
    n      N, S
-#}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let count = n[0].x; let parts_count = n[0].y;
    if (id.x >= count) { return; }
    var sum = 0.0;
    for (var s = 0u; s < parts_count; s++) { sum += parts[s * count + id.x]; }
    y[id.x] = sum;
}
