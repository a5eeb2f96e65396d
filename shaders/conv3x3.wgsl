{#- 3x3 convolution with padding 1, by Winograd's F(4, 3) along the rows; then LeakyReLU, of which a slope of 1 is none.

    y[b,o,r,c] = leaky(bias[o] + sum over i, a, k in 0..3 of w[o,i,a,k] x[b,i,r+a-1,c+k-1], zero outside)

An invocation makes `rows` rows of `tiles` runs of four pixels, in `quads` runs of four channels. Four outputs see six
inputs, which it transforms (t0 to t5); weights come transformed, or with `raw` as taps that it transforms as well
(w0 to w5, see conv3x3_weights.wgsl); their six products are summed over inputs and rows, and turned into four outputs
at the end:

    y0 = m0/4 + p + g    y1 = r + 2h    y2 = p + 4g    y3 = r + 8h + m5
    p = -(m1 + m2)/6, r = -(m1 - m2)/6, g = (m3 + m4)/24, h = (m3 - m4)/24

A sum takes its three rows one after the other: compilers for processors keep the order, and so have it in a register for
three products, not for one. Loads cost those adapters as much as dozens of products, so with `lanes` > 1 each of that many
neighbours in a subgroup loads other weights and shows them to the rest, and where whole rows fit into a subgroup also the
pixels at its ends (`halo`). Every subgroup lies within a workgroup that shares its channels.

Small pictures do not fill a graphics card: with `parts` > 1 as many invocations share a strip, each with every `parts`-th input, and
the first adds up what they made.

With `two`, the inputs are those of x and, behind them, those of `beside`: the loop is there twice.

    x     [B,I,H,W]; with `two`, [B,X,H,W], and beside [B,I-X,H,W]
    u     [O / 4 quads][I][3 rows, 6 products (3 taps), quads, 4], each [I] padded to a multiple of 4 lanes numbers; biases [O / 4 quads][quads, 4]
    y     [B,O,H,W]
    n     I, O, H, W, strips of 4 tiles pixels in a row, bands of `rows` rows in a picture, B; slope (f32), X
-#}
{% if lanes > 1 && browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ number }}>;
{% if two -%}
@group(0) @binding(3) var<storage, read_write> beside: array<{{ number }}>;
@group(0) @binding(4) var<uniform> n: array<vec4u, 3>;
{% else -%}
@group(0) @binding(3) var<uniform> n: array<vec4u, 2>;
{% endif -%}

{% let shared_strips = group / parts -%}
{% let sums_each = 4 * quads * rows * tiles -%}
{% if parts > 1 -%}
var<workgroup> sums: array<vec4f, {{ (parts - 1) * shared_strips * sums_each }}>;
{% endif -%}
{# The four outputs y0 to y3 of sums m0_s to m5_s, without bias. -#}
{% macro turn(s) %}
        let p = (m1_{{ s }} + m2_{{ s }}) * (-1.0 / 6.0); let r = (m1_{{ s }} - m2_{{ s }}) * (-1.0 / 6.0);
        let g = (m3_{{ s }} + m4_{{ s }}) * (1.0 / 24.0); let h = (m3_{{ s }} - m4_{{ s }}) * (1.0 / 24.0);
        var y0 = fma(vec4f(0.25), m0_{{ s }}, p + g); var y1 = fma(vec4f(2.0), h, r);
        var y2 = fma(vec4f(4.0), g, p); var y3 = fma(vec4f(8.0), h, r) + m5_{{ s }};
{% endmacro -%}
@compute @workgroup_size({{ group }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32
    {%- if lanes > 1 %}, @builtin(subgroup_invocation_id) lane: u32{% endif %}) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = n[0].w;
    let strips = n[1].x; let bands = n[1].y; let count = strips * bands * n[1].z;
    // Invocations past the end work along on the last strip, since their neighbours need their weights.
    let own = group.x * {{ shared_strips }}u + index{% if parts > 1 %} % {{ shared_strips }}u{% endif %};
    let strip = min(own, count - 1u);
{%- if parts > 1 %}
    let part = index / {{ shared_strips }}u;
{%- endif %}
    let start_column = (strip % strips) * {{ 4 * tiles }}u;
    let row = (strip / strips) % bands * {{ rows }}u;
    let picture = strip / (strips * bands);
{% for q in 0..quads %}{% for r in 0..rows %}{% for k in 0..tiles %}{% for t in 0..6 %}
    var m{{ t }}_{{ r }}_{{ k }}_{{ q }} = vec4f();
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{% for a in 0..(rows + 2) %}
    let inside{{ a }} = row + {{ a }}u >= 1u && row + {{ a }}u <= height;
    let row{{ a }} = clamp(row + {{ a }}u, 1u, height) - 1u;
{%- endfor %}

    // What lies to the left and to the right, in `number`s, without leaving the row.
    let left = select(0u, 1u, start_column > 0u);
{%- let step = self.step() %}
{%- for p in 1..(4 * tiles / step + 1) %}
    let has{{ p }} = start_column + {{ step * p }}u < width; let to{{ p }} = select(0u, {{ p }}u, has{{ p }});
{%- endfor %}

{%- for source in self.sources() %}
{%- let x = source.name %}
    // Inputs {{ source.first }} to {{ source.end }}.
    for (var i = {{ source.first }}{% if parts > 1 %} + part{% endif %}; i < {{ source.end }}; i += {{ parts }}u) {
        let weights = (group.y * inputs + i) * {{ padded }}u{% if lanes > 1 %} + lane % {{ lanes }}u{% endif %};
{%- for k in 0..(padded / lanes) %}
        let u{{ k }} = u[weights + {{ k * lanes }}u];
{%- endfor %}
        let plane = (picture * ({{ source.end }} - {{ source.first }}) + i - {{ source.first }}) * height;
{%- for a in 0..(rows + 2) %}
        let at{{ a }} = (plane + row{{ a }}) * width + start_column;
{%- if aligned %}
{%- for k in 0..tiles %}
        let x{{ a }}_{{ k }} = select(vec4f(), {{ x }}[at{{ a }} / 4u{% if k > 0 %} + to{{ k }}{% endif %}], inside{{ a }}{% if k > 0 %} && has{{ k }}{% endif %});
{%- endfor %}
{%- match halo %}
{%- when Halo::None %}
        let d{{ a }}_0 = 0.0; let d{{ a }}_{{ 4 * tiles + 1 }} = 0.0;
{%- when Halo::Shown %}
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
        let d{{ a }}_0 = select(0.0, {{ x }}[at{{ a }} - left], inside{{ a }} && left > 0u);
        let d{{ a }}_1 = select(0.0, {{ x }}[at{{ a }}], inside{{ a }});
{%- for p in 1..(4 * tiles + 1) %}
        let d{{ a }}_{{ p + 1 }} = select(0.0, {{ x }}[at{{ a }} + to{{ p }}], inside{{ a }} && has{{ p }});
{%- endfor %}
{%- endif %}
{%- for k in 0..tiles %}
{%- let d = format!("d{a}_") %}{% let s = format!("{a}_{k}") %}
        {{ self.transform_x(d, 4 * k, s) }}
{%- endfor %}
{%- endfor %}
{%- if raw %}
{%- for q in 0..quads %}{% for a in 0..3 %}
{%- let s = format!("{a}_{q}") %}
        let w0_{{ s }} = {{ self.shown((3 * a) * quads + q) }}; let k{{ s }} = {{ self.shown((3 * a + 1) * quads + q) }}; let w5_{{ s }} = {{ self.shown((3 * a + 2) * quads + q) }};
        let f{{ s }} = w0_{{ s }} + w5_{{ s }}; let w1_{{ s }} = f{{ s }} + k{{ s }}; let w2_{{ s }} = f{{ s }} - k{{ s }};
        let h{{ s }} = fma(vec4f(4.0), w5_{{ s }}, w0_{{ s }}); let w3_{{ s }} = fma(vec4f(2.0), k{{ s }}, h{{ s }}); let w4_{{ s }} = fma(vec4f(-2.0), k{{ s }}, h{{ s }});
{%- endfor %}{% endfor %}
{%- endif %}
{%- for t in 0..6 %}{% for q in 0..quads %}
{%- if !raw %}{% for a in 0..3 %}
        let w{{ t }}_{{ a }}_{{ q }} = {{ self.shown((6 * a + t) * quads + q) }};
{%- endfor %}{% endif %}
{%- for r in 0..rows %}{% for k in 0..tiles %}
{%- let m = format!("m{t}_{r}_{k}_{q}") %}
        {{ m }} = fma(w{{ t }}_2_{{ q }}, vec4f(t{{ t }}_{{ r + 2 }}_{{ k }}), fma(w{{ t }}_1_{{ q }}, vec4f(t{{ t }}_{{ r + 1 }}_{{ k }}), fma(w{{ t }}_0_{{ q }}, vec4f(t{{ t }}_{{ r }}_{{ k }}), {{ m }})));
{%- endfor %}{% endfor %}
{%- endfor %}{% endfor %}
    }
{%- endfor %}

{%- if parts > 1 %}
    if (part > 0u) {
        let sums_at = (index - {{ shared_strips }}u) * {{ sums_each }}u;
{%- for q in 0..quads %}{% for r in 0..rows %}{% for k in 0..tiles %}
        {
{%- let s = format!("{r}_{k}_{q}") %}{% let first = 4 * ((q * rows + r) * tiles + k) %}
{%- call turn(s) %}{% endcall %}
            sums[sums_at + {{ first }}u] = y0; sums[sums_at + {{ first + 1 }}u] = y1;
            sums[sums_at + {{ first + 2 }}u] = y2; sums[sums_at + {{ first + 3 }}u] = y3;
        }
{%- endfor %}{% endfor %}{% endfor %}
    }
    workgroupBarrier();
    if (part > 0u) { return; }
{%- endif %}
    if (own >= count) { return; }
{%- if parts > 1 %}
    let sums_of_others = index * {{ sums_each }}u;
{%- endif %}
    let slope = bitcast<f32>(n[1].w);
    let plane = height * width;
    let at = picture * outputs * plane + row * width + start_column;
    let first = group.y * {{ 4 * quads }}u;
    let biases = (outputs + {{ 4 * quads - 1 }}u) / {{ 4 * quads }}u * inputs * {{ padded }}u + group.y * {{ quads }}u;
{% for q in 0..quads %}
    let bias{{ q }} = u[biases + {{ q }}u];
{%- for r in 0..rows %}{% for k in 0..tiles %}
    // Row {{ r }}, pixels {{ 4 * k }} to {{ 4 * k + 3 }}, channels {{ 4 * q }} to {{ 4 * q + 3 }}.
    if (row + {{ r }}u < height && start_column + {{ 4 * k }}u < width) {
{%- let s = format!("{r}_{k}_{q}") %}
{%- call turn(s) %}{% endcall %}
{%- for other in 1..parts %}{% let first = (other - 1) * shared_strips * sums_each + 4 * ((q * rows + r) * tiles + k) %}
        y0 += sums[sums_of_others + {{ first }}u]; y1 += sums[sums_of_others + {{ first + 1 }}u];
        y2 += sums[sums_of_others + {{ first + 2 }}u]; y3 += sums[sums_of_others + {{ first + 3 }}u];
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
