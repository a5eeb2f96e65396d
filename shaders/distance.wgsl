{#- How far x is from y: the mean of |x - y|, or where `squared` of (x - y)^2; in two passes, and its gradient by x.

    Parts:     the sums of runs, a workgroup each
    Mean:      their sum / n
    Gradient:  dx = dy / n sign(x - y), or where `squared` dy / n 2 (x - y)

    x, y   [N]
    parts  [P]
    dy     [1]
    out    [P], [1], or [N]
    n      N / 4, P; columns of workgroups
-#}
{%- match pass %}
{%- when Pass::Parts %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- when Pass::Mean %}
@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- when Pass::Gradient %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> n: array<vec4u, 1>;
{%- endmatch %}
{%- if pass != Pass::Gradient %}

var<workgroup> sums: array<f32, 64>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let fours = n[0].x;
{%- if pass == Pass::Gradient %}
    let id = (group.y * n[0].z + group.x) * 64u + lane;
    if (id >= fours) { return; }
    let share = dy[0] / f32(4u * fours);
    let d = x[id] - y[id];
    out[id] = share * {% if squared %}2.0 * d{% else %}sign(d){% endif %};
{%- else %}
{%- if pass == Pass::Parts %}
    var sum = vec4f();
    for (var k = group.x * 64u + lane; k < fours; k += 64u * n[0].y) {
        let d = x[k] - y[k];
        sum += {% if squared %}d * d{% else %}abs(d){% endif %};
    }
    sums[lane] = dot(sum, vec4f(1.0));
{%- else %}
    var sum = 0.0;
    for (var k = lane; k < n[0].y; k += 64u) { sum += parts[k]; }
    sums[lane] = sum / f32(4u * fours);
{%- endif %}
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { sums[lane] += sums[lane + half]; }
    }
    if (lane == 0u) { out[group.x] = sums[0]; }
{%- endif %}
}
