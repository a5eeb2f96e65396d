{#- The sum of each plane: y[p] = sum over k of x[p,k].

    x  [planes, fours] of four
    y  [planes]
    n  planes, fours, columns of workgroups
-#}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;

var<workgroup> sums: array<f32, {{ lanes }}>;

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let plane = group.y * n[0].z + group.x;
    if (plane >= n[0].x) { return; }
    let fours = n[0].y;
    var sum = vec4f();
    for (var k = lane; k < fours; k += {{ lanes }}u) { sum += x[plane * fours + k]; }
    sums[lane] = dot(sum, vec4f(1.0));
    workgroupBarrier();
    if (lane > 0u) { return; }
    var all = 0.0;
    for (var k = 0u; k < {{ lanes }}u; k++) { all += sums[k]; }
    y[plane] = all;
}
