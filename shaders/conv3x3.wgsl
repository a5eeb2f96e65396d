{#- 3x3 convolution with padding 1, by Winograd's F(4, 3) along the rows.

    y[b,o,r,c] = bias[o] + sum over i, a, k in 0..3 of w[o,i,a,k] x[b,i,r+a-1,c+k-1], zero outside.

An invocation makes 4 tiles x 4 quads outputs: `tiles` runs of four pixels of a row, in `quads` runs of four channels.
Four outputs see six inputs, which it transforms (t0 to t5); the weights come transformed (conv3x3_weights.wgsl); their six
products are summed over inputs and rows in registers, and turned into four outputs at the end.

Loads cost a software adapter as much as dozens of products, so with `lanes` > 1 each of that many neighbours in a subgroup
loads other weights and shows them to the rest. Every subgroup lies within a workgroup that shares its channels.

    x     [B,I,H,W]
    u     [O / 4 quads][I][3 rows, 6 products, quads, 4], each [I] padded to a multiple of 4 lanes numbers; biases [O / 4 quads][quads, 4]
    y     [B,O,H,W]
    n     I, O, H, W, strips of 4 tiles pixels in a row, B
-#}
{% if lanes > 1 && browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ number }}>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 2>;

@compute @workgroup_size({{ group }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32
    {%- if lanes > 1 %}, @builtin(subgroup_invocation_id) lane: u32{% endif %}) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = n[0].w;
    let strips = n[1].x; let count = strips * height * n[1].y;
    // Invocations past the end work along on the last strip, since their neighbours need their weights.
    let strip = min(group.x * {{ group }}u + index, count - 1u);
    let start_column = (strip % strips) * {{ 4 * tiles }}u;
    let row = (strip / strips) % height;
    let picture = strip / (strips * height);
{% for t in 0..6 %}{% for k in 0..tiles %}{% for q in 0..quads %}
    var m{{ t }}_{{ k }}_{{ q }} = vec4f();
{%- endfor %}{% endfor %}{% endfor %}
{% for a in 0..3 %}
    let inside{{ a }} = row + {{ a }}u >= 1u && row + {{ a }}u <= height;
    let row{{ a }} = clamp(row + {{ a }}u, 1u, height) - 1u;
{%- endfor %}

    // What lies to the left and to the right, in `number`s, without leaving the row.
    let left = select(0u, 1u, start_column > 0u);
{%- let step = self.step() %}
{%- for p in 1..(4 * tiles / step + 1) %}
    let has{{ p }} = start_column + {{ step * p }}u < width; let to{{ p }} = select(0u, {{ p }}u, has{{ p }});
{%- endfor %}

    for (var i = 0u; i < inputs; i++) {
        let weights = (group.y * inputs + i) * {{ padded }}u{% if lanes > 1 %} + lane % {{ lanes }}u{% endif %};
{%- for k in 0..(padded / lanes) %}
        let u{{ k }} = u[weights + {{ k * lanes }}u];
{%- endfor %}
        let plane = (picture * inputs + i) * height;
{%- for a in 0..3 %}
        {
            let at = (plane + row{{ a }}) * width + start_column;
{%- if aligned %}
            let x0 = select(vec4f(), x[at / 4u], inside{{ a }});
{%- for k in 1..tiles %}
            let x{{ k }} = select(vec4f(), x[at / 4u + to{{ k }}], inside{{ a }} && has{{ k }});
{%- endfor %}
            let d0 = select(0.0, x[at / 4u - left].w, inside{{ a }} && left > 0u);
            let d{{ 4 * tiles + 1 }} = select(0.0, x[at / 4u + to{{ tiles }}].x, inside{{ a }} && has{{ tiles }});
{%- for k in 0..tiles %}
            let d{{ 4 * k + 1 }} = x{{ k }}.x; let d{{ 4 * k + 2 }} = x{{ k }}.y; let d{{ 4 * k + 3 }} = x{{ k }}.z; let d{{ 4 * k + 4 }} = x{{ k }}.w;
{%- endfor %}
{%- else %}
            let d0 = select(0.0, x[at - left], inside{{ a }} && left > 0u);
            let d1 = select(0.0, x[at], inside{{ a }});
{%- for p in 1..(4 * tiles + 1) %}
            let d{{ p + 1 }} = select(0.0, x[at + to{{ p }}], inside{{ a }} && has{{ p }});
{%- endfor %}
{%- endif %}
{%- for k in 0..tiles %}
{%- let d = 4 * k %}
            let a{{ k }} = fma(-4.0, d{{ d + 2 }}, d{{ d + 4 }}); let b{{ k }} = fma(-4.0, d{{ d + 1 }}, d{{ d + 3 }});
            let c{{ k }} = d{{ d + 4 }} - d{{ d + 2 }}; let e{{ k }} = 2.0 * (d{{ d + 3 }} - d{{ d + 1 }});
            let t0_{{ k }} = fma(4.0, d{{ d }}, fma(-5.0, d{{ d + 2 }}, d{{ d + 4 }}));
            let t1_{{ k }} = a{{ k }} + b{{ k }}; let t2_{{ k }} = a{{ k }} - b{{ k }};
            let t3_{{ k }} = c{{ k }} + e{{ k }}; let t4_{{ k }} = c{{ k }} - e{{ k }};
            let t5_{{ k }} = fma(4.0, d{{ d + 1 }}, fma(-5.0, d{{ d + 3 }}, d{{ d + 5 }}));
{%- endfor %}
{%- for t in 0..6 %}{% for q in 0..quads %}
{%- let at = (a * 6 + t) * quads + q %}
            let w{{ t }}_{{ q }} = {% if lanes > 1 %}subgroupBroadcast(u{{ at / lanes }}, {{ at % lanes }}u){% else %}u{{ at }}{% endif %};
{%- for k in 0..tiles %}
            m{{ t }}_{{ k }}_{{ q }} = fma(w{{ t }}_{{ q }}, vec4f(t{{ t }}_{{ k }}), m{{ t }}_{{ k }}_{{ q }});
{%- endfor %}
{%- endfor %}{% endfor %}
        }
{%- endfor %}
    }

    if (group.x * {{ group }}u + index >= count) { return; }
    let plane = height * width;
    let at = picture * outputs * plane + row * width + start_column;
    let biases = (outputs + {{ 4 * quads - 1 }}u) / {{ 4 * quads }}u * inputs * {{ padded }}u + group.y * {{ quads }}u;
{% for q in 0..quads %}
    let bias{{ q }} = u[biases + {{ q }}u];
{%- for k in 0..tiles %}
    // Pixels {{ 4 * k }} to {{ 4 * k + 3 }} of channels {{ 4 * q }} to {{ 4 * q + 3 }}.
{%- let s = format!("{k}_{q}") %}
    let p{{ s }} = m1_{{ s }} + m2_{{ s }}; let r{{ s }} = m1_{{ s }} - m2_{{ s }};
    let g{{ s }} = m3_{{ s }} + m4_{{ s }}; let h{{ s }} = m3_{{ s }} - m4_{{ s }};
    let y{{ 4 * k }}_{{ q }} = m0_{{ s }} + p{{ s }} + g{{ s }};
    let y{{ 4 * k + 1 }}_{{ q }} = fma(vec4f(2.0), h{{ s }}, r{{ s }});
    let y{{ 4 * k + 2 }}_{{ q }} = fma(vec4f(4.0), g{{ s }}, p{{ s }});
    let y{{ 4 * k + 3 }}_{{ q }} = fma(vec4f(8.0), h{{ s }}, r{{ s }}) + m5_{{ s }};
{%- endfor %}
{%- for j in 0..4 %}
{%- let l = ["x", "y", "z", "w"][j] %}
    let o{{ q }}{{ l }} = group.y * {{ 4 * quads }}u + {{ 4 * q + j }}u;
    if (o{{ q }}{{ l }} < outputs) {
        let to = at + o{{ q }}{{ l }} * plane;
        let b = bias{{ q }}.{{ l }};
{%- if aligned %}
{%- for k in 0..tiles %}
        if (start_column + {{ 4 * k }}u < width) {
            y[to / 4u + {{ k }}u] = vec4f(y{{ 4 * k }}_{{ q }}.{{ l }}, y{{ 4 * k + 1 }}_{{ q }}.{{ l }}, y{{ 4 * k + 2 }}_{{ q }}.{{ l }}, y{{ 4 * k + 3 }}_{{ q }}.{{ l }}) + b;
        }
{%- endfor %}
{%- else %}
{%- for p in 0..(4 * tiles) %}
        if (start_column + {{ p }}u < width) { y[to + {{ p }}u] = y{{ p }}_{{ q }}.{{ l }} + b; }
{%- endfor %}
{%- endif %}
    }
{%- endfor %}
{% endfor %}
}
