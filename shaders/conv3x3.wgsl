{#- 3x3 convolution with padding 1 and stride 1, by Winograd's F(4, 3) along the rows; then LeakyReLU, which a slope of 1 turns off.

    y[b,o,r,c] = leaky(bias[o] + sum over i, a, k in 0..3 of w[o,i,a,k] x[b,i,r+a-1,c+k-1], zero outside)

An invocation computes `rows` rows of `tiles` runs of four pixels, in `output_vec4s` vec4s of output channels. Four outputs depend on six
inputs, which it transforms (t0 to t5); weights arrive transformed, or with `raw_taps` as taps that it transforms as well
(w0 to w5, see conv3x3_weights.wgsl). The six products are summed over inputs and rows (m0 to m5), and transformed into four outputs
at the end (see winograd.wgsl).

A sum adds the products of its three rows one after the other: compilers for CPUs keep the order of the source, and so hold the sum in
a register for three products instead of one. On those adapters a load costs as much as dozens of products, so with `lanes` > 1 each of
`lanes` neighbours in a subgroup loads other weights and broadcasts them to the rest. Where whole rows fit into a subgroup, the pixels
at both ends of a strip come from the neighbours, too (`halo`). Every subgroup lies within one workgroup, all of whose invocations
compute the same channels.

Small images do not fill a GPU: with `split_k` > 1 that many invocations share a strip, each with every `split_k`-th input, and
the first adds up the partial sums.

With `two_inputs`, the input channels are those of x followed by those of input_b: the loop is there twice.

    x        [B,I,H,W]; with `two_inputs` [B,X,H,W]
    input_b  only with `two_inputs`: [B,I-X,H,W]
    u        [O / (4 output_vec4s)][I][3 rows, 6 products (3 taps), output_vec4s, 4], each [I] padded to `input_stride` vec4s, a multiple of
             `lanes`; then the biases [O / (4 output_vec4s)][output_vec4s, 4]
    y        [B,O,H,W]

Permutations (`Convolve::new` chooses):
    CPU adapters (lavapipe; SwiftShader without subgroups)  tall tiles, `lanes` of the subgroup, `raw_taps` where images are at most 4 wide
    GPUs                                                    tiles by size, `split_k` = 4 where few invocations would run
    `aligned`                                               rows are whole vec4s: W is a multiple of four
    `requires_enable`                                       browsers, whose compilers want `enable subgroups;`
SwiftShader with subgroups runs conv3x3_quad.wgsl.
-#}
{% import "winograd.wgsl" as winograd -%}
{% if lanes > 1 && requires_enable %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
{% let step = self.step() -%}
{% include "conv3x3_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ number }}>;
{% if two_inputs -%}
@group(0) @binding(3) var<storage, read_write> input_b: array<{{ number }}>;
@group(0) @binding(4) var<uniform> params: Params;
{% else -%}
@group(0) @binding(3) var<uniform> params: Params;
{% endif -%}

{% let shared_strips = group / split_k -%}
{% let sums_per_lane = 4 * output_vec4s * rows * tiles -%}
{% if split_k > 1 -%}
var<workgroup> sums: array<vec4f, {{ (split_k - 1) * shared_strips * sums_per_lane }}>;
{% endif -%}
{# The four outputs y0 to y3 of the sums m0_s to m5_s, without the bias. -#}
{% macro four_outputs(s) %}
        {{ winograd::combine(s, "") }}
        var y0 = fma(vec4f(0.25), m0_{{ s }}, p + g); var y1 = fma(vec4f(2.0), h, r);
        var y2 = fma(vec4f(4.0), g, p); var y3 = fma(vec4f(8.0), h, r) + m5_{{ s }};
{% endmacro -%}
@compute @workgroup_size({{ group }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32
    {%- if lanes > 1 %}, @builtin(subgroup_invocation_id) lane: u32{% endif %}) {
    let inputs = params.inputs; let outputs = params.outputs; let height = params.height; let width = params.width;
    let strips = params.strips; let bands = params.bands; let count = strips * bands * params.batch;
    // Invocations past the end compute the last strip once more, since their neighbours need their weights.
    let unclamped_strip = group.x * {{ shared_strips }}u + index{% if split_k > 1 %} % {{ shared_strips }}u{% endif %};
    let strip = min(unclamped_strip, count - 1u);
{%- if split_k > 1 %}
    let slice = index / {{ shared_strips }}u;
{%- endif %}
    let start_column = (strip % strips) * {{ 4 * tiles }}u;
    let row = (strip / strips) % bands * {{ rows }}u;
    let image = strip / (strips * bands);
{% for q in 0..output_vec4s %}{% for r in 0..rows %}{% for k in 0..tiles %}{% for t in 0..6 %}
    var m{{ t }}_{{ r }}_{{ k }}_{{ q }} = vec4f();
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{% include "conv3x3_bounds.wgsl" %}
{%- for source in self.sources() %}
{%- let x = source.name %}
    // Inputs {{ source.first }} to {{ source.end }}.
    for (var i = {{ source.first }}{% if split_k > 1 %} + slice{% endif %}; i < {{ source.end }}; i += {{ split_k }}u) {
        let weights = (group.y * inputs + i) * {{ input_stride }}u{% if lanes > 1 %} + lane % {{ lanes }}u{% endif %};
{%- for k in 0..(input_stride / lanes) %}
        let u{{ k }} = u[weights + {{ k * lanes }}u];
{%- endfor %}
        let plane = (image * ({{ source.end }} - {{ source.first }}) + i - {{ source.first }}) * height;
{%- for a in 0..(rows + 2) %}
        let at{{ a }} = (plane + row{{ a }}) * width + start_column;
{%- if aligned %}
{%- for k in 0..tiles %}
        let x{{ a }}_{{ k }} = select(vec4f(), {{ x }}[at{{ a }} / 4u{% if k > 0 %} + to{{ k }}{% endif %}], inside{{ a }}{% if k > 0 %} && has{{ k }}{% endif %});
{%- endfor %}
{%- match halo %}
{%- when Halo::None %}
        let d{{ a }}_0 = 0.0; let d{{ a }}_{{ 4 * tiles + 1 }} = 0.0;
{%- when Halo::Shuffled %}
        let d{{ a }}_0 = select(0.0, subgroupShuffleUp(x{{ a }}_{{ tiles - 1 }}.w, 1u), left > 0u);
        let d{{ a }}_{{ 4 * tiles + 1 }} = select(0.0, subgroupShuffleDown(x{{ a }}_0.x, 1u), has{{ tiles }});
{%- when Halo::Loaded %}
        let d{{ a }}_0 = select(0.0, {{ x }}[at{{ a }} / 4u - left].w, inside{{ a }} && left > 0u);
        let d{{ a }}_{{ 4 * tiles + 1 }} = select(0.0, {{ x }}[at{{ a }} / 4u + to{{ tiles }}].x, inside{{ a }} && has{{ tiles }});
{%- endmatch %}
{%- for k in 0..tiles %}{% for j in 0..4 %}
        let d{{ a }}_{{ 4 * k + j + 1 }} = x{{ a }}_{{ k }}.{{ letters[j] }};
{%- endfor %}{% endfor %}
{%- else %}
{%- let s = format!("{a}") %}
{% include "conv3x3_load_unaligned.wgsl" %}
{%- endif %}
{%- for k in 0..tiles %}
{%- let d = format!("d{a}_") %}{% let s = format!("{a}_{k}") %}
        {{ winograd::transform_x(d, 4 * k, s) }}
{%- endfor %}
{%- endfor %}
{%- if raw_taps %}
{%- for q in 0..output_vec4s %}{% for a in 0..3 %}
{%- let s = format!("{a}_{q}") %}
        let w0_{{ s }} = {{ self.broadcast((3 * a) * output_vec4s + q) }}; let k{{ s }} = {{ self.broadcast((3 * a + 1) * output_vec4s + q) }}; let w5_{{ s }} = {{ self.broadcast((3 * a + 2) * output_vec4s + q) }};
        let f{{ s }} = w0_{{ s }} + w5_{{ s }}; let w1_{{ s }} = f{{ s }} + k{{ s }}; let w2_{{ s }} = f{{ s }} - k{{ s }};
        let h{{ s }} = fma(vec4f(4.0), w5_{{ s }}, w0_{{ s }}); let w3_{{ s }} = fma(vec4f(2.0), k{{ s }}, h{{ s }}); let w4_{{ s }} = fma(vec4f(-2.0), k{{ s }}, h{{ s }});
{%- endfor %}{% endfor %}
{%- endif %}
{%- for t in 0..6 %}{% for q in 0..output_vec4s %}
{%- if !raw_taps %}{% for a in 0..3 %}
        let w{{ t }}_{{ a }}_{{ q }} = {{ self.broadcast((6 * a + t) * output_vec4s + q) }};
{%- endfor %}{% endif %}
{%- for r in 0..rows %}{% for k in 0..tiles %}
{%- let m = format!("m{t}_{r}_{k}_{q}") %}
        {{ m }} = fma(w{{ t }}_2_{{ q }}, vec4f(t{{ t }}_{{ r + 2 }}_{{ k }}), fma(w{{ t }}_1_{{ q }}, vec4f(t{{ t }}_{{ r + 1 }}_{{ k }}), fma(w{{ t }}_0_{{ q }}, vec4f(t{{ t }}_{{ r }}_{{ k }}), {{ m }})));
{%- endfor %}{% endfor %}
{%- endfor %}{% endfor %}
    }
{%- endfor %}

{%- if split_k > 1 %}
    if (slice > 0u) {
        let sums_at = (index - {{ shared_strips }}u) * {{ sums_per_lane }}u;
{%- for q in 0..output_vec4s %}{% for r in 0..rows %}{% for k in 0..tiles %}
        {
{%- let s = format!("{r}_{k}_{q}") %}{% let first = 4 * ((q * rows + r) * tiles + k) %}
{{- four_outputs(s) }}
            sums[sums_at + {{ first }}u] = y0; sums[sums_at + {{ first + 1 }}u] = y1;
            sums[sums_at + {{ first + 2 }}u] = y2; sums[sums_at + {{ first + 3 }}u] = y3;
        }
{%- endfor %}{% endfor %}{% endfor %}
    }
    workgroupBarrier();
    if (slice > 0u) { return; }
{%- endif %}
    if (unclamped_strip >= count) { return; }
{%- if split_k > 1 %}
    let other_sums_at = index * {{ sums_per_lane }}u;
{%- endif %}
    let slope = params.slope;
    let plane = height * width;
    let at = image * outputs * plane + row * width + start_column;
    let first = group.y * {{ 4 * output_vec4s }}u;
    let biases = (outputs + {{ 4 * output_vec4s - 1 }}u) / {{ 4 * output_vec4s }}u * inputs * {{ input_stride }}u + group.y * {{ output_vec4s }}u;
{% for q in 0..output_vec4s %}
    let bias{{ q }} = u[biases + {{ q }}u];
{%- for r in 0..rows %}{% for k in 0..tiles %}
    // Row {{ r }}, pixels {{ 4 * k }} to {{ 4 * k + 3 }}, channels {{ 4 * q }} to {{ 4 * q + 3 }}.
    if (row + {{ r }}u < height && start_column + {{ 4 * k }}u < width) {
{%- let s = format!("{r}_{k}_{q}") %}
{{- four_outputs(s) }}
{%- for other in 1..split_k %}{% let first = (other - 1) * shared_strips * sums_per_lane + 4 * ((q * rows + r) * tiles + k) %}
        y0 += sums[other_sums_at + {{ first }}u]; y1 += sums[other_sums_at + {{ first + 1 }}u];
        y2 += sums[other_sums_at + {{ first + 2 }}u]; y3 += sums[other_sums_at + {{ first + 3 }}u];
{%- endfor %}
{%- for p in 0..4 %}
        y{{ p }} += bias{{ q }}; y{{ p }} = select(slope * y{{ p }}, y{{ p }}, y{{ p }} > vec4f());
{%- endfor %}
{%- for j in 0..4 %}
{%- let l = letters[j] %}
        if (first + {{ 4 * q + j }}u < outputs) {
            let to = at + (first + {{ 4 * q + j }}u) * plane + {{ r }}u * width;
{%- if aligned %}
            y[to / 4u + {{ k }}u] = vec4f(y0.{{ l }}, y1.{{ l }}, y2.{{ l }}, y3.{{ l }});
{%- else %}
{%- for p in 0..4 %}
            {% if p > 0 %}if (start_column + {{ 4 * k + p }}u < width) { {% endif %}y[to + {{ 4 * k + p }}u] = y{{ p }}.{{ l }};{% if p > 0 %} }{% endif %}
{%- endfor %}
{%- endif %}
        }
{%- endfor %}
    }
{%- endfor %}{% endfor %}
{%- endfor %}
}
