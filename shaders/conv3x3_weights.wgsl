{#- Arranges the weights for conv3x3.wgsl and conv3x3_quad.wgsl: with `raw_taps` the taps, else each row of three transformed for
Winograd's F(4, 3).

    u = (w0, w0+w1+w2, w0-w1+w2, w0+2w1+4w2, w0-2w1+4w2, w2), without the factors 1/4, -1/6, -1/6, 1/24, 1/24, 1

With `flipped`, the weights of the input gradient: w'[o,i,a,k] = w[i,o,2-a,2-k].

    w     [O,I,3,3]; with `flipped` [I,O,3,3]
    u     [O / (4 output_vec4s)][I][3 rows, 6 products (3 taps), output_vec4s, 4], each [I] padded to `input_stride` vec4s, then the biases
          [O / (4 output_vec4s)][output_vec4s, 4]; zero beyond O and I
    bias  only with `has_bias`: [O]; else the biases of u are zero

Permutations (`Convolve::weights` and `quad::Convolve::weights` choose): layout as the convolution reads it; `flipped` without `has_bias` for
the input gradient, else forward.
-#}
struct Params {
    /// I
    inputs: u32,
    /// O
    outputs: u32,
    /// The inputs of u, of which those from `inputs` on are zero.
    padded_inputs: u32,
}
@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
{%- if has_bias %}
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
{%- else %}
@group(0) @binding(2) var<uniform> params: Params;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    // Four outputs of one input; outputs vary fastest, so that neighbours write adjacent vec4s.
    let inputs = params.inputs; let outputs = params.outputs; let padded_inputs = params.padded_inputs;
    let blocks = (outputs + {{ 4 * output_vec4s - 1 }}u) / {{ 4 * output_vec4s }}u;
    let four = id.x % (blocks * {{ output_vec4s }}u); let i = id.x / (blocks * {{ output_vec4s }}u);
    if (i >= padded_inputs) { return; }
    let real = min(i, inputs - 1u);
{%- for j in 0..4 %}
    let o{{ j }} = min(4u * four + {{ j }}u, outputs - 1u);
    let at{{ j }} = {% if flipped %}(real * outputs + o{{ j }}){% else %}(o{{ j }} * inputs + real){% endif %} * 9u;
{%- endfor %}
    let wanted = 4u * four + vec4u(0u, 1u, 2u, 3u) < vec4u(outputs);
    let taps_wanted = wanted & vec4<bool>(i < inputs);
    let to = ((four / {{ output_vec4s }}u) * padded_inputs + i) * {{ input_stride }}u + four % {{ output_vec4s }}u;
{%- for a in 0..3 %}
    {
{%- for k in 0..3 %}
{%- let tap = self.tap(*a, *k) %}
        let w{{ k }} = select(vec4f(), vec4f(w[at0 + {{ tap }}u], w[at1 + {{ tap }}u], w[at2 + {{ tap }}u], w[at3 + {{ tap }}u]), taps_wanted);
{%- endfor %}
        let row = to + {{ self.products() * output_vec4s * a }}u;
{%- if raw_taps %}
        u[row] = w0; u[row + {{ output_vec4s }}u] = w1; u[row + {{ 2 * output_vec4s }}u] = w2;
{%- else %}
        let near = w0 + w2; let far = fma(vec4f(4.0), w2, w0);
        u[row] = w0;
        u[row + {{ output_vec4s }}u] = near + w1;
        u[row + {{ 2 * output_vec4s }}u] = near - w1;
        u[row + {{ 3 * output_vec4s }}u] = fma(vec4f(2.0), w1, far);
        u[row + {{ 4 * output_vec4s }}u] = fma(vec4f(-2.0), w1, far);
        u[row + {{ 5 * output_vec4s }}u] = w2;
{%- endif %}
    }
{%- endfor %}
    if (i > 0u) { return; }
    u[blocks * padded_inputs * {{ input_stride }}u + four] = {% if has_bias %}select(vec4f(), vec4f(bias[o0], bias[o1], bias[o2], bias[o3]), wanted){% else %}vec4f(){% endif %};
}
