{#- Batch normalisation with LeakyReLU, in two passes each way; a workgroup goes through a plane, one channel of one picture.

    y = leaky(w (x - mean) / sqrt(variance + epsilon) + bias); a slope of 1 is no LeakyReLU

    Moments:   the plane's mean and sum of squared differences from it
    Forward:   from those of all planes of the channel its mean and its variance, biased (Chan's formula; the planes are of one size), and y;
               and the running statistics after this batch, of which the variance takes the unbiased one
    Sums:      with dz = dy leaky'(z): the plane's sums of dz xn and of dz, xn = (x - mean) / sqrt(variance + epsilon)
    Backward:  from those of all planes by_weight and by_bias; dx = w / sqrt(variance + epsilon) (dz - by_bias / n - xn by_weight / n),
               n = B H W

    x                            [B,C,HW]
    weight, bias                 [C]
    moments                      [2,C]: mean, variance
    planes                       [B,2,C]: what the pass before left of each plane
    running_mean, _variance      [C]
    statistics                   the moments, and from numbers `first` and `second` on the new running mean and variance [C]
    dy                           [B,all,HW], of which the first C
    by_parameters                from number `first` on by_weight [C], from `second` on by_bias
    out                          [B,C,HW]; of the first passes the planes
    n                            C, HW / 4, B; epsilon, slope, momentum (f32); first, second; all
-#}
{%- let last = pass == Pass::Forward || pass == Pass::Backward %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
{%- match pass %}
{%- when Pass::Moments %}
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 3>;
{%- when Pass::Forward %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> planes: array<f32>;
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> n: array<vec4u, 3>;
{%- when Pass::Sums %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> n: array<vec4u, 3>;
{%- when Pass::Backward %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;
@group(0) @binding(6) var<storage, read_write> by_parameters: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> n: array<vec4u, 3>;
{%- endmatch %}

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

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let channels = n[0].x; let fours = n[0].y; let batch = n[0].z;
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
    let sums = vec2f(mean, spread);
{%- else %}
{%- if pass == Pass::Forward %}
    // As seen from the first plane's mean, so that one sum does.
    let pixels = f32(4u * fours);
    let near = planes[channel];
    var some = vec2f();
    for (var b = lane; b < batch; b += {{ lanes }}u) {
        let at = b * 2u * channels + channel;
        let from_near = planes[at] - near;
        some += vec2f(from_near, planes[at + channels] + pixels * from_near * from_near);
    }
    let sums = total(some, lane);
    let mean = near + sums.x / f32(batch);
    let spread = sums.y - pixels * sums.x * sums.x / f32(batch);
    let count = pixels * f32(batch);
    let variance = spread / count;
    if (picture == 0u && lane == 0u) {
        let momentum = bitcast<f32>(n[1].y);
        statistics[channel] = mean;
        statistics[channels + channel] = variance;
        statistics[n[1].z + channel] = mix(running_mean[channel], mean, momentum);
        statistics[n[1].w + channel] = mix(running_variance[channel], spread / max(count - 1.0, 1.0), momentum);
    }
{%- else %}
    let mean = moments[channel];
    let variance = moments[channels + channel];
{%- endif %}
    let inverse = inverseSqrt(variance + bitcast<f32>(n[0].w));
    let slope = bitcast<f32>(n[1].x);
    let scale = weight[channel] * inverse;
    let shift = bias[channel];
{%- if pass != Pass::Forward %}
    let start_of_dy = (picture * n[2].x + channel) * fours;
{%- endif %}
{%- if pass == Pass::Backward %}
    var some = vec2f();
    for (var b = lane; b < batch; b += {{ lanes }}u) {
        let at = b * 2u * channels + channel;
        some += vec2f(planes[at], planes[at + channels]);
    }
    let sums = total(some, lane);
    if (picture == 0u && lane == 0u) {
        by_parameters[n[1].z + channel] = sums.x;
        by_parameters[n[1].w + channel] = sums.y;
    }
    let share = sums / f32(4u * fours * batch);
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
        let through = dy[start_of_dy + k];
        let dz = select(slope * through, through, z > vec4f());
        let xn = from_mean * inverse;
{%- if pass == Pass::Sums %}
        by_weight = fma(dz, xn, by_weight);
        by_bias += dz;
{%- else %}
        out[start + k] = scale * (dz - share.y - xn * share.x);
{%- endif %}
{%- endif %}
    }
{%- if pass == Pass::Sums %}
    let sums = total(vec2f(dot(by_weight, vec4f(1.0)), dot(by_bias, vec4f(1.0))), lane);
{%- endif %}
{%- endif %}
{%- if !last %}
    if (lane == 0u) {
        out[picture * 2u * channels + channel] = sums.x;
        out[(picture * 2u + 1u) * channels + channel] = sums.y;
    }
{%- endif %}
}
