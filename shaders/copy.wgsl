{#- y = x

    x, y  [N]
    n     N, or its fours where `aligned`; columns of workgroups
-#}
{% let number = self.number() -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> y: array<{{ number }}>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * n[0].y + group.x) * 64u + index;
    if (id < n[0].x) { y[id] = x[id]; }
}
