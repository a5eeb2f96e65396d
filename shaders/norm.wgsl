{#- Batch normalisation with LeakyReLU, in two passes each way; a workgroup goes through a plane, one channel of one image.

    y = leaky(w (x - mean) / sqrt(variance + epsilon) + bias); a slope of 1 turns LeakyReLU off

    Moments:   the plane's mean and its sum of squared differences from that mean
    Forward:   from those of all planes of the channel its mean and its biased variance (Chan's formula; the planes are of one size), and y;
               and the running statistics after this batch, of which the variance takes the unbiased one
    Sums:      with dz = dy leaky'(z): the plane's sums of dz xn and of dz, xn = (x - mean) / sqrt(variance + epsilon)
    Backward:  from those of all planes weight_grad and bias_grad; dx = w / sqrt(variance + epsilon) (dz - bias_grad / n - xn weight_grad / n),
               n = B H W

    x                       [B,C,HW]
    weight, bias            [C]
    moments                 [2,C]: mean, variance
    planes                  [B,2,C]: what the previous pass wrote for each plane
    running_mean, _variance [C]
    statistics              the moments [2,C], and from numbers `first_at` and `second_at` on the new running mean and variance [C]
    dy                      [B,dy_channels,HW], of which the first C
    parameter_grads         from number `first_at` on weight_grad [C], from `second_at` on bias_grad [C]
    out                     [B,C,HW]; for Moments and Sums the planes [B,2,C]

Permutations: the four passes; `lanes` invocations share a plane: 8 on CPU adapters, 16 or 64 on GPUs (`Adapter::plane_lanes`).
-#}
struct Params {
    /// C
    channels: u32,
    /// HW / 4
    plane_vec4s: u32,
    /// B
    batch: u32,
    epsilon: f32,
    slope: f32,
    momentum: f32,
    first_at: u32,
    second_at: u32,
    dy_channels: u32,
}
{%- let last = pass == Pass::Forward || pass == Pass::Backward %}
@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
{%- match pass %}
{%- when Pass::Moments %}
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
{%- when Pass::Forward %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> planes: array<f32>;
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;
{%- when Pass::Sums %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
{%- when Pass::Backward %}
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;
@group(0) @binding(6) var<storage, read_write> parameter_grads: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;
{%- endmatch %}

{% include "workgroup_sum.wgsl" %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let channels = params.channels; let plane_vec4s = params.plane_vec4s; let batch = params.batch;
    let channel = group.x; let image = group.y;
    let start = (image * channels + channel) * plane_vec4s;
{%- if pass == Pass::Moments %}
    // The moments of each lane (Welford), then of all together (Chan).
    var count = 0.0;
    var means = vec4f();
    var squares = vec4f();
    for (var k = lane; k < plane_vec4s; k += {{ lanes }}u) {
        let values = x[start + k];
        let before = values - means;
        count += 1.0;
        means += before / count;
        squares = fma(before, values - means, squares);
    }
    let mean = workgroup_sum(vec2f(count * dot(means, vec4f(1.0)), 0.0), lane).x / f32(4u * plane_vec4s);
    let from_mean = means - mean;
    let spread = workgroup_sum(vec2f(dot(fma(count * from_mean, from_mean, squares), vec4f(1.0)), 0.0), lane).x;
    let sums = vec2f(mean, spread);
{%- else %}
{%- if pass == Pass::Forward %}
    // Relative to the mean of the first plane, so that one pass suffices.
    let pixels = f32(4u * plane_vec4s);
    let near = planes[channel];
    var lane_sums = vec2f();
    for (var b = lane; b < batch; b += {{ lanes }}u) {
        let at = b * 2u * channels + channel;
        let from_near = planes[at] - near;
        lane_sums += vec2f(from_near, planes[at + channels] + pixels * from_near * from_near);
    }
    let sums = workgroup_sum(lane_sums, lane);
    let mean = near + sums.x / f32(batch);
    let spread = sums.y - pixels * sums.x * sums.x / f32(batch);
    let count = pixels * f32(batch);
    let variance = spread / count;
    if (image == 0u && lane == 0u) {
        let momentum = params.momentum;
        statistics[channel] = mean;
        statistics[channels + channel] = variance;
        statistics[params.first_at + channel] = mix(running_mean[channel], mean, momentum);
        statistics[params.second_at + channel] = mix(running_variance[channel], spread / max(count - 1.0, 1.0), momentum);
    }
{%- else %}
    let mean = moments[channel];
    let variance = moments[channels + channel];
{%- endif %}
    let inverse = inverseSqrt(variance + params.epsilon);
    let slope = params.slope;
    let scale = weight[channel] * inverse;
    let shift = bias[channel];
{%- if pass != Pass::Forward %}
    let start_of_dy = (image * params.dy_channels + channel) * plane_vec4s;
{%- endif %}
{%- if pass == Pass::Backward %}
    var lane_sums = vec2f();
    for (var b = lane; b < batch; b += {{ lanes }}u) {
        let at = b * 2u * channels + channel;
        lane_sums += vec2f(planes[at], planes[at + channels]);
    }
    let sums = workgroup_sum(lane_sums, lane);
    if (image == 0u && lane == 0u) {
        parameter_grads[params.first_at + channel] = sums.x;
        parameter_grads[params.second_at + channel] = sums.y;
    }
    let share = sums / f32(4u * plane_vec4s * batch);
{%- else if pass == Pass::Sums %}
    var weight_grad = vec4f();
    var bias_grad = vec4f();
{%- endif %}
    for (var k = lane; k < plane_vec4s; k += {{ lanes }}u) {
        let from_mean = x[start + k] - mean;
        let z = fma(from_mean, vec4f(scale), vec4f(shift));
{%- if pass == Pass::Forward %}
        out[start + k] = select(slope * z, z, z > vec4f());
{%- else %}
        let through = dy[start_of_dy + k];
        let dz = select(slope * through, through, z > vec4f());
        let xn = from_mean * inverse;
{%- if pass == Pass::Sums %}
        weight_grad = fma(dz, xn, weight_grad);
        bias_grad += dz;
{%- else %}
        out[start + k] = scale * (dz - share.y - xn * share.x);
{%- endif %}
{%- endif %}
    }
{%- if pass == Pass::Sums %}
    let sums = workgroup_sum(vec2f(dot(weight_grad, vec4f(1.0)), dot(bias_grad, vec4f(1.0))), lane);
{%- endif %}
{%- endif %}
{%- if !last %}
    if (lane == 0u) {
        out[image * 2u * channels + channel] = sums.x;
        out[(image * 2u + 1u) * channels + channel] = sums.y;
    }
{%- endif %}
}
