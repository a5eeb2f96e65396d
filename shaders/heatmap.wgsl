{#- Heatmaps and where they point; a workgroup goes through a plane, one keypoint of one picture.

    Softmax:              p = exp(x - max of x) / sum of exp(x - max of x)
    SoftmaxGradient:      dx = p (dy - sum of p dy)
    Expectation:          keypoint = sum of p (row, col), corner pixels at -1 and 1
    ExpectationGradient:  dp = dy . (row, col)

    x, p    [planes, H, W]
    dy      [planes, H, W], or [planes, 2] of Expectation
    out     [planes, H, W], or [planes, 2] of Expectation
    n       planes, H, W / 4, workgroups of a row
-#}
{%- let reads_keypoints = pass == Pass::ExpectationGradient %}
{%- let writes_keypoints = pass == Pass::Expectation %}
@group(0) @binding(0) var<storage, read_write> x: array<{% if reads_keypoints %}vec2f{% else %}vec4f{% endif %}>;
{%- if pass == Pass::SoftmaxGradient %}
@group(0) @binding(1) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- else %}
@group(0) @binding(1) var<storage, read_write> out: array<{% if writes_keypoints %}vec2f{% else %}vec4f{% endif %}>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- endif %}

var<workgroup> parts: array<vec2f, {{ lanes }}>;

/// The sum over the workgroup, for every lane.
fn total(part: vec2f, lane: u32) -> vec2f {
    workgroupBarrier();
    parts[lane] = part;
    workgroupBarrier();
    var all = vec2f();
    for (var k = 0u; k < {{ lanes }}u; k++) { all += parts[k]; }
    return all;
}
{%- if pass == Pass::Softmax %}

/// The largest of the workgroup, for every lane.
fn largest(part: f32, lane: u32) -> f32 {
    parts[lane] = vec2f(part, 0.0);
    workgroupBarrier();
    var all = part;
    for (var k = 0u; k < {{ lanes }}u; k++) { all = max(all, parts[k].x); }
    return all;
}
{%- endif %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let plane = group.y * n[0].w + group.x;
    if (plane >= n[0].x) { return; }
    let height = n[0].y; let width = n[0].z;
    let fours = height * width;
    let start = plane * fours;
{%- if pass == Pass::Softmax %}
    var most = x[start];
    for (var k = lane; k < fours; k += {{ lanes }}u) { most = max(most, x[start + k]); }
    let top = largest(max(max(most.x, most.y), max(most.z, most.w)), lane);
    var sum = vec4f();
    for (var k = lane; k < fours; k += {{ lanes }}u) { sum += exp(x[start + k] - top); }
    let share = 1.0 / total(vec2f(dot(sum, vec4f(1.0)), 0.0), lane).x;
    for (var k = lane; k < fours; k += {{ lanes }}u) { out[start + k] = share * exp(x[start + k] - top); }
{%- else if pass == Pass::SoftmaxGradient %}
    var sum = vec4f();
    for (var k = lane; k < fours; k += {{ lanes }}u) { sum = fma(x[start + k], dy[start + k], sum); }
    let mean = total(vec2f(dot(sum, vec4f(1.0)), 0.0), lane).x;
    for (var k = lane; k < fours; k += {{ lanes }}u) { out[start + k] = x[start + k] * (dy[start + k] - mean); }
{%- else %}
    let step = vec2f(2.0 / f32(height - 1u), 2.0 / f32(4u * width - 1u));
{%- if pass == Pass::Expectation %}
    var sum = vec2f();
{%- endif %}
    for (var k = lane; k < fours; k += {{ lanes }}u) {
        let row = fma(f32(k / width), step.x, -1.0);
        let columns = fma(f32(4u * (k % width)) + vec4f(0.0, 1.0, 2.0, 3.0), vec4f(step.y), vec4f(-1.0));
{%- if pass == Pass::Expectation %}
        let p = x[start + k];
        sum += vec2f(row * dot(p, vec4f(1.0)), dot(p, columns));
{%- else %}
        out[start + k] = x[plane].x * row + x[plane].y * columns;
{%- endif %}
    }
{%- if pass == Pass::Expectation %}
    let keypoint = total(sum, lane);
    if (lane == 0u) { out[plane] = keypoint; }
{%- endif %}
{%- endif %}
}
