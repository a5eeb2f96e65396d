{#- Mean and variance, biased, of each channel from those of its planes (Chan's formula; the planes are of one size); and the
running ones after them, of which the variance takes the unbiased one.

    planes                       [B,2,C]: mean, sum of squared differences from it
    running_mean, _variance      [C]
    moments                      [2,C]
    new_mean, new_variance       [C]
    n                            C, HW, B; momentum (f32)
-#}
@group(0) @binding(0) var<storage, read_write> planes: array<f32>;
@group(0) @binding(1) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> new_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> new_variance: array<f32>;
@group(0) @binding(6) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let channels = n[0].x; let pixels = f32(n[0].y); let batch = n[0].z;
    if (id.x >= channels) { return; }
    var mean = 0.0;
    for (var b = 0u; b < batch; b++) { mean += planes[b * 2u * channels + id.x]; }
    mean /= f32(batch);
    var spread = 0.0;
    for (var b = 0u; b < batch; b++) {
        let from_mean = planes[b * 2u * channels + id.x] - mean;
        spread += planes[(b * 2u + 1u) * channels + id.x] + pixels * from_mean * from_mean;
    }
    let count = pixels * f32(batch);
    let momentum = bitcast<f32>(n[0].w);
    moments[id.x] = mean;
    moments[channels + id.x] = spread / count;
    new_mean[id.x] = mix(running_mean[id.x], mean, momentum);
    new_variance[id.x] = mix(running_variance[id.x], spread / max(count - 1.0, 1.0), momentum);
}
