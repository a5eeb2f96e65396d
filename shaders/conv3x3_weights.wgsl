{#- The weights of conv3x3.wgsl: with `raw` the taps, else each row of three as Winograd's F(4, 3) multiplies by it.

    u = (w0, w0+w1+w2, w0-w1+w2, w0+2w1+4w2, w0-2w1+4w2, w2), without its factors 1/4, -1/6, -1/6, 1/24, 1/24, 1

With `turned`, the weights of the gradient by the input: w'[o,i,a,k] = w[i,o,2-a,2-k].

    w     [O,I,3,3]; turned, [I,O,3,3]
    bias  [O]; without, zeros
    u     [O / 4 quads][I][3 rows, 6 products (3 taps), quads, 4], each [I] padded to `padded` runs of four, then the biases [O / 4 quads][quads, 4];
          zero where O has ended, and I
    n     I, O, the I of u
-#}
@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
{%- if biased %}
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- else %}
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    // Four outputs of one input; outputs are the fastest, so that neighbours write side by side.
    let inputs = n[0].x; let outputs = n[0].y; let all = n[0].z;
    let blocks = (outputs + {{ 4 * quads - 1 }}u) / {{ 4 * quads }}u;
    let four = id.x % (blocks * {{ quads }}u); let i = id.x / (blocks * {{ quads }}u);
    if (i >= all) { return; }
    let real = min(i, inputs - 1u);
{%- for j in 0..4 %}
    let o{{ j }} = min(4u * four + {{ j }}u, outputs - 1u);
    let at{{ j }} = {% if turned %}(real * outputs + o{{ j }}){% else %}(o{{ j }} * inputs + real){% endif %} * 9u;
{%- endfor %}
    let wanted = 4u * four + vec4u(0u, 1u, 2u, 3u) < vec4u(outputs);
    let taps_wanted = wanted & vec4<bool>(i < inputs);
    let to = ((four / {{ quads }}u) * all + i) * {{ padded }}u + four % {{ quads }}u;
{%- for a in 0..3 %}
    {
{%- for k in 0..3 %}
{%- let tap = self.tap(*a, *k) %}
        let w{{ k }} = select(vec4f(), vec4f(w[at0 + {{ tap }}u], w[at1 + {{ tap }}u], w[at2 + {{ tap }}u], w[at3 + {{ tap }}u]), taps_wanted);
{%- endfor %}
        let row = to + {{ self.products() * quads * a }}u;
{%- if raw %}
        u[row] = w0; u[row + {{ quads }}u] = w1; u[row + {{ 2 * quads }}u] = w2;
{%- else %}
        let near = w0 + w2; let far = fma(vec4f(4.0), w2, w0);
        u[row] = w0;
        u[row + {{ quads }}u] = near + w1;
        u[row + {{ 2 * quads }}u] = near - w1;
        u[row + {{ 3 * quads }}u] = fma(vec4f(2.0), w1, far);
        u[row + {{ 4 * quads }}u] = fma(vec4f(-2.0), w1, far);
        u[row + {{ 5 * quads }}u] = w2;
{%- endif %}
    }
{%- endfor %}
    if (i > 0u) { return; }
    u[blocks * all * {{ padded }}u + four] = {% if biased %}select(vec4f(), vec4f(bias[o0], bias[o1], bias[o2], bias[o3]), wanted){% else %}vec4f(){% endif %};
}
