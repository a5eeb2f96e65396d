{#- Runs of fours (of numbers, where not `aligned`) from one place to another: y[b, to + k] = x[b, from + k] for k < run.

    x  [B, of_x]
    y  [B, of_y]
    n  B run, run, from, of_x, to, of_y, columns of workgroups
-#}
@group(0) @binding(0) var<storage, read_write> x: array<{{ self.number() }}>;
@group(0) @binding(1) var<storage, read_write> y: array<{{ self.number() }}>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 2>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let id = (group.y * n[1].z + group.x) * 64u + index;
    if (id >= n[0].x) { return; }
    let b = id / n[0].y; let k = id % n[0].y;
    y[b * n[1].y + n[1].x + k] = x[b * n[0].w + n[0].z + k];
}
