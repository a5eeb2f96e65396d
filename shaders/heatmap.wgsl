{#- Heatmaps and their expectations; a workgroup goes through a plane, one keypoint of one image.

    Softmax:              p = exp(x - max of x) / sum of exp(x - max of x)
    SoftmaxGradient:      dx = p (dy - sum of p dy)
    Expectation:          keypoint = sum of p (row, col), corner pixels at -1 and 1
    ExpectationGradient:  dp = dy . (row, col)

    x    [planes,H,W]: scores (Softmax) or heatmaps; for ExpectationGradient dy, [planes,2]
    dy   only for SoftmaxGradient: [planes,H,W]
    out  [planes,H,W], or [planes,2] for Expectation

Permutations: the four passes; `lanes` invocations share a plane: 8 on CPU adapters, 16 or 64 on GPUs (`Adapter::plane_lanes`).
-#}
struct Params {
    planes: u32,
    /// H
    height: u32,
    /// W / 4
    width_vec4s: u32,
    /// Columns of the grid of workgroups.
    group_columns: u32,
}

{%- let reads_keypoints = pass == Pass::ExpectationGradient %}
{%- let writes_keypoints = pass == Pass::Expectation %}
@group(0) @binding(0) var<storage, read_write> x: array<{% if reads_keypoints %}vec2f{% else %}vec4f{% endif %}>;
{%- if pass == Pass::SoftmaxGradient %}
@group(0) @binding(1) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;
{%- else %}
@group(0) @binding(1) var<storage, read_write> out: array<{% if writes_keypoints %}vec2f{% else %}vec4f{% endif %}>;
@group(0) @binding(2) var<uniform> params: Params;
{%- endif %}

{% include "workgroup_sum.wgsl" %}
{%- if pass == Pass::Softmax %}

/// The maximum over the workgroup, for every lane.
fn largest(value: f32, lane: u32) -> f32 {
    shared_sums[lane] = vec2f(value, 0.0);
    workgroupBarrier();
    var all = value;
    for (var k = 0u; k < {{ lanes }}u; k++) { all = max(all, shared_sums[k].x); }
    return all;
}
{%- endif %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let plane = group.y * params.group_columns + group.x;
    if (plane >= params.planes) { return; }
    let height = params.height; let width_vec4s = params.width_vec4s;
    let vec4_count = height * width_vec4s;
    let start = plane * vec4_count;
{%- if pass == Pass::Softmax %}
    var most = x[start];
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) { most = max(most, x[start + k]); }
    let top = largest(max(max(most.x, most.y), max(most.z, most.w)), lane);
    var sum = vec4f();
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) { sum += exp(x[start + k] - top); }
    let share = 1.0 / workgroup_sum(vec2f(dot(sum, vec4f(1.0)), 0.0), lane).x;
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) { out[start + k] = share * exp(x[start + k] - top); }
{%- else if pass == Pass::SoftmaxGradient %}
    var sum = vec4f();
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) { sum = fma(x[start + k], dy[start + k], sum); }
    let mean = workgroup_sum(vec2f(dot(sum, vec4f(1.0)), 0.0), lane).x;
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) { out[start + k] = x[start + k] * (dy[start + k] - mean); }
{%- else %}
    let step = vec2f(2.0 / f32(height - 1u), 2.0 / f32(4u * width_vec4s - 1u));
{%- if pass == Pass::Expectation %}
    var sum = vec2f();
{%- endif %}
    for (var k = lane; k < vec4_count; k += {{ lanes }}u) {
        let row = fma(f32(k / width_vec4s), step.x, -1.0);
        let columns = fma(f32(4u * (k % width_vec4s)) + vec4f(0.0, 1.0, 2.0, 3.0), vec4f(step.y), vec4f(-1.0));
{%- if pass == Pass::Expectation %}
        let p = x[start + k];
        sum += vec2f(row * dot(p, vec4f(1.0)), dot(p, columns));
{%- else %}
        out[start + k] = x[plane].x * row + x[plane].y * columns;
{%- endif %}
    }
{%- if pass == Pass::Expectation %}
    let keypoint = workgroup_sum(sum, lane);
    if (lane == 0u) { out[plane] = keypoint; }
{%- endif %}
{%- endif %}
}
