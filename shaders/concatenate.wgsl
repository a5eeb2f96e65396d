{#- Runs of fours beside one another: z[b] = x[b], y[b].

    x  [B,X]
    y  [B,Y]
    z  [B,X+Y]
    n  B (X + Y), X, Y, columns of workgroups
-#}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> z: array<vec4f>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * n[0].w + group.x) * 64u + index;
    if (id >= n[0].x) { return; }
    let b = id / (n[0].y + n[0].z); let k = id % (n[0].y + n[0].z);
    if (k < n[0].y) {
        z[id] = x[b * n[0].y + k];
    } else {
        z[id] = y[b * n[0].z + k - n[0].y];
    }
}
