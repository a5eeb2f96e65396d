{#- Batch normalisation with LeakyReLU, in four passes; a workgroup goes through a plane, one channel of one picture.

    y = leaky(w (x - mean) / sqrt(variance + epsilon) + bias); a slope of 1 is no LeakyReLU

    Moments:   the plane's mean and sum of squared differences from it
    Forward:   y
    Sums:      with dz = dy leaky'(z): the plane's sums of dz and of dz (x - mean) / sqrt(variance + epsilon)
    Backward:  by_weight and by_bias from those of the planes; dx = w / sqrt(variance + epsilon) (dz - by_bias / n - xn by_weight / n), n = B H W

    x              [B,C,HW]
    weight, bias   [C]
    moments        [2,C]: mean, variance
    dy             [B,C,HW]
    planes         [B,2,C]: their sums
    by_parameters  by_weight [C], and from number `second` on by_bias [C]
    out            [B,C,HW], or of a plane [B,2,C]
    n              C, HW / 4, B; epsilon (f32), slope (f32); second
-#}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
{%- let backward = pass == Pass::Sums || pass == Pass::Backward %}
{%- let reduces = pass != Pass::Forward %}
{%- if pass == Pass::Moments %}
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 2>;
{%- else %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
{%- if backward %}
@group(0) @binding(4) var<storage, read_write> dy: array<vec4f>;
{%- endif %}
{%- if pass == Pass::Backward %}
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;
@group(0) @binding(6) var<storage, read_write> by_parameters: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> n: array<vec4u, 2>;
{%- else if pass == Pass::Sums %}
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> n: array<vec4u, 2>;
{%- else %}
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<uniform> n: array<vec4u, 2>;
{%- endif %}
{%- endif %}
{%- if reduces %}

var<workgroup> shared_sums: array<vec2f, {{ lanes }}>;

/// The sum over the workgroup, for every lane.
fn total(sum: vec2f, lane: u32) -> vec2f {
    workgroupBarrier();
    shared_sums[lane] = sum;
    workgroupBarrier();
    var all = vec2f();
    for (var k = 0u; k < {{ lanes }}u; k++) { all += shared_sums[k]; }
    return all;
}
{%- endif %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let channels = n[0].x; let fours = n[0].y;
    let channel = group.x; let picture = group.y;
    let start = (picture * channels + channel) * fours;
{%- if pass == Pass::Moments %}
    // Each lane's own (Welford), then all together (Chan).
    var count = 0.0;
    var means = vec4f();
    var squares = vec4f();
    for (var k = lane; k < fours; k += {{ lanes }}u) {
        let four = x[start + k];
        let before = four - means;
        count += 1.0;
        means += before / count;
        squares = fma(before, four - means, squares);
    }
    let mean = total(vec2f(count * dot(means, vec4f(1.0)), 0.0), lane).x / f32(4u * fours);
    let from_mean = means - mean;
    let spread = total(vec2f(dot(fma(count * from_mean, from_mean, squares), vec4f(1.0)), 0.0), lane).x;
    if (lane == 0u) {
        out[picture * 2u * channels + channel] = mean;
        out[(picture * 2u + 1u) * channels + channel] = spread;
    }
{%- else %}
    let mean = moments[channel];
    let inverse = inverseSqrt(moments[channels + channel] + bitcast<f32>(n[0].w));
    let slope = bitcast<f32>(n[1].x);
    let scale = weight[channel] * inverse;
    let shift = bias[channel];
{%- if pass == Pass::Backward %}
    // What the planes of the channel give together.
    var sums = vec2f();
    for (var b = lane; b < n[0].z; b += {{ lanes }}u) {
        let at = b * 2u * channels + channel;
        sums += vec2f(planes[at], planes[at + channels]);
    }
    sums = total(sums, lane);
    if (picture == 0u && lane == 0u) {
        by_parameters[channel] = sums.x;
        by_parameters[n[1].y + channel] = sums.y;
    }
    let count = f32(4u * fours * n[0].z);
    let by_weight = sums.x / count;
    let by_bias = sums.y / count;
{%- else if pass == Pass::Sums %}
    var by_weight = vec4f();
    var by_bias = vec4f();
{%- endif %}
    for (var k = lane; k < fours; k += {{ lanes }}u) {
        let from_mean = x[start + k] - mean;
        let z = fma(from_mean, vec4f(scale), vec4f(shift));
{%- if pass == Pass::Forward %}
        out[start + k] = select(slope * z, z, z > vec4f());
{%- else %}
        let through = dy[start + k];
        let dz = select(slope * through, through, z > vec4f());
        let xn = from_mean * inverse;
{%- if pass == Pass::Sums %}
        by_weight = fma(dz, xn, by_weight);
        by_bias += dz;
{%- else %}
        out[start + k] = scale * (dz - by_bias - xn * by_weight);
{%- endif %}
{%- endif %}
    }
{%- if pass == Pass::Sums %}
    let sums = total(vec2f(dot(by_weight, vec4f(1.0)), dot(by_bias, vec4f(1.0))), lane);
    if (lane == 0u) {
        out[picture * 2u * channels + channel] = sums.x;
        out[(picture * 2u + 1u) * channels + channel] = sums.y;
    }
{%- endif %}
{%- endif %}
}
