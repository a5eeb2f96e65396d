{#- The mean of |x - y| (L1), or with `squared` of (x - y)^2 (L2), in two passes, and its gradient by x.

    Partials:  the sum of every P-th block of 64 vec4s, one per workgroup
    Mean:      their sum / N
    Gradient:  dx = dy / N sign(x - y), or with `squared` dy / N 2 (x - y)

    x, y      [N]
    partials  [P]
    dy        [1]
    out       [P] (Partials), [1] (Mean), or [N] (Gradient)

Permutations: the three passes, each with and without `squared`; all for every adapter.
-#}
struct Params {
    /// N / 4
    vec4_count: u32,
    /// P
    partial_count: u32,
    /// Columns of the grid of workgroups, only for Gradient.
    group_columns: u32,
}
{%- match pass %}
{%- when Pass::Partials %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
{%- when Pass::Mean %}
@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
{%- when Pass::Gradient %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;
{%- endmatch %}
{%- if pass != Pass::Gradient %}

var<workgroup> sums: array<f32, 64>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let vec4_count = params.vec4_count;
{%- if pass == Pass::Gradient %}
    let id = (group.y * params.group_columns + group.x) * 64u + lane;
    if (id >= vec4_count) { return; }
    let share = dy[0] / f32(4u * vec4_count);
    let d = x[id] - y[id];
    out[id] = share * {% if squared %}2.0 * d{% else %}sign(d){% endif %};
{%- else %}
{%- if pass == Pass::Partials %}
    var sum = vec4f();
    for (var k = group.x * 64u + lane; k < vec4_count; k += 64u * params.partial_count) {
        let d = x[k] - y[k];
        sum += {% if squared %}d * d{% else %}abs(d){% endif %};
    }
    sums[lane] = dot(sum, vec4f(1.0));
{%- else %}
    var sum = 0.0;
    for (var k = lane; k < params.partial_count; k += 64u) { sum += partials[k]; }
    sums[lane] = sum / f32(4u * vec4_count);
{%- endif %}
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) { sums[lane] += sums[lane + half]; }
    }
    if (lane == 0u) { out[group.x] = sums[0]; }
{%- endif %}
}
