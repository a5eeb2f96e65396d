{#- The weights of conv3x3.wgsl: each row of three taps as Winograd's F(4, 3) multiplies by it.

    u = (w0/4, -(w0+w1+w2)/6, -(w0-w1+w2)/6, (w0+2w1+4w2)/24, (w0-2w1+4w2)/24, w2)

With `turned`, the weights of the gradient by the input: w'[o,i,a,k] = w[i,o,2-a,2-k].

    w     [O,I,3,3]; turned, [I,O,3,3]
    bias  [O]; without, zeros
    u     [O / 4 quads][I][3 rows, 6 products, quads, 4], each [I] padded to `padded` runs of four, then the biases [O / 4 quads][quads, 4];
          zero where O has ended
    n     I, O
-#}
@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
{%- if biased %}
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- else %}
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    // One row of taps of one pair of channels; outputs are the fastest, so that neighbours write side by side.
    let inputs = n[0].x; let outputs = n[0].y;
    let block = (outputs + {{ 4 * quads - 1 }}u) / {{ 4 * quads }}u * {{ 4 * quads }}u;
    if (id.x >= block * inputs * 3u) { return; }
    let o = id.x % block; let a = (id.x / block) % 3u; let i = id.x / (block * 3u);
    var w0 = 0.0; var w1 = 0.0; var w2 = 0.0;
    if (o < outputs) {
{%- if turned %}
        let at = ((i * outputs + o) * 3u + 2u - a) * 3u;
        w0 = w[at + 2u]; w1 = w[at + 1u]; w2 = w[at];
{%- else %}
        let at = ((o * inputs + i) * 3u + a) * 3u;
        w0 = w[at]; w1 = w[at + 1u]; w2 = w[at + 2u];
{%- endif %}
    }
    let channel = o % {{ 4 * quads }}u;
    let at = ((o / {{ 4 * quads }}u) * inputs + i) * {{ 4 * padded }}u + a * {{ 24 * quads }}u + channel;
    u[at] = w0 / 4.0;
    u[at + {{ 4 * quads }}u] = -(w0 + w1 + w2) / 6.0;
    u[at + {{ 8 * quads }}u] = -(w0 - w1 + w2) / 6.0;
    u[at + {{ 12 * quads }}u] = (w0 + 2.0 * w1 + 4.0 * w2) / 24.0;
    u[at + {{ 16 * quads }}u] = (w0 - 2.0 * w1 + 4.0 * w2) / 24.0;
    u[at + {{ 20 * quads }}u] = w2;
    if (id.x >= block) { return; }
    let b = {% if biased %}select(0.0, bias[min(o, outputs - 1u)], o < outputs){% else %}0.0{% endif %};
    u[block / {{ 4 * quads }}u * inputs * {{ 4 * padded }}u + o] = b;
}
