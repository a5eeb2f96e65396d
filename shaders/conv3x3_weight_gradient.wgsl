{#- The gradient of a 3x3 convolution by its weights, by Winograd's F(3, 4) along the rows, and by its bias.

    dw[o,i,a,k] = sum over b, r, c of dy[b,o,r,c] x[b,i,r+a-1,c+k-1]
    dbias[o]    = sum over b, r, c of dy[b,o,r,c], which are sums of e1

Four pixels of a row of dy meet six of x: both are transformed (e0 to e5 and t0 to t5), their six products are summed over
everything, and turned into three taps at the end:

    t   as in conv3x3.wgsl
    e = (d0, d0+d1+d2+d3, d0-d1+d2-d3, d0+2d1+4d2+8d3, d0-2d1+4d2-8d3, d3)
    dw0 = m0/4 + p + g    dw1 = r + 2h    dw2 = p + 4g + m5
    p = -(m1 + m2)/6, r = -(m1 - m2)/6, g = (m3 + m4)/24, h = (m3 - m4)/24

A workgroup of `lanes` invocations goes down a strip of `tiles` runs of four columns of some pictures; with `flat`, down some strips,
one beside the other, whose rows a processor's cache still has. An invocation sums, in registers, for `kept` outputs (lane,
lane + lanes, ..) and `quads` runs of four inputs: each row of x meets the rows of dy above, at and below it, which pass through `above`, `here` and `below`.

With `shared`, the lanes are one subgroup, or several of `shared` lanes each: every lane loads and transforms another part of
the row of x and shows it to the rest.

Where x is a part of the inputs, `before` of `all` come before its own.

    x      [B,I,H,W]
    dy     [B,O,H,W]
    parts  [pictures / each * strips, or flat: all their strips / each][O all 3 3 + O]: dw, then dbias
    n      I, O, H, W, pictures (flat: strips) for each, strips, B, before, all
-#}
{% if shared > 0 && browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> dy: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 3>;

{% include "dy4.wgsl" %}
@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
    {%- if shared > 0 %}, @builtin(subgroup_invocation_id) neighbour: u32{% endif %}) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = n[0].w;
    let before = n[1].w; let all = n[2].x;
    let each = n[1].x; let strips = n[1].y; let batch = n[1].z;
    let o = group.x * {{ lanes * kept }}u + lane;
    let i = group.y * {{ 4 * quads }}u;
    let first = {% if flat %}group.z{% else %}(group.z / strips){% endif %} * each;
    let last = min(first + each, batch{% if flat %} * strips{% endif %});
{%- for k in 0..kept %}
    var bias{{ k }} = 0.0;
    let o{{ k }} = min(o + {{ k * lanes }}u, outputs - 1u);
{%- for q in 0..quads %}{% for a in 0..3 %}{% for t in 0..6 %}
    var m{{ t }}_{{ k }}_{{ q }}_{{ a }} = vec4f();
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}
{%- if shared > 1 %}
    let even = neighbour % 2u == 0u;
{%- endif %}
{%- if flat %}
    for (var unit = first; unit < last; unit++) {
    let picture = unit / strips;
    let start_column = unit % strips * {{ 4 * tiles }}u;
{%- else %}
    let start_column = group.z % strips * {{ 4 * tiles }}u;
{%- endif %}
{%- for f in 0..self.loads() %}
    // Which four pixels of which input this lane loads, and whether there are such, one before and one behind them.
    let part{{ f }} = {% if shared > 0 %}min({{ f * shared }}u + neighbour % {{ shared }}u, {{ 4 * quads * tiles - 1 }}u){% else %}{{ f }}u{% endif %};
    let i{{ f }} = min(i + part{{ f }} / {{ tiles }}u, inputs - 1u);
    let column{{ f }} = start_column + 4u * (part{{ f }} % {{ tiles }}u);
{%- for p in 0..6 %}
    let has{{ f }}_{{ p }} = column{{ f }} + {{ p }}u >= 1u && column{{ f }} + {{ p }}u <= width;
{%- endfor %}
{%- if aligned %}
    let c{{ f }} = min(column{{ f }}, width - 4u);
    let before{{ f }} = select(0u, 1u, has{{ f }}_0); let behind{{ f }} = select(0u, 1u, has{{ f }}_5);
{%- else %}
{%- for p in 0..6 %}
    let c{{ f }}_{{ p }} = clamp(column{{ f }} + {{ p }}u, 1u, width) - 1u;
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- if !flat %}
    for (var picture = first; picture < last; picture++) {
{%- endif %}
{%- for k in 0..kept %}{% for v in 0..tiles %}
{%- let d = format!("h{k}_{v}") %}
        let {{ d }} = dy4((picture * outputs + o{{ k }}) * height * width, start_column + {{ 4 * v }}u, width, true);
        {{ self.transform_dy(d) }}
{%- for t in 0..6 %}
        var above{{ k }}_{{ v }}_{{ t }} = 0.0; var here{{ k }}_{{ v }}_{{ t }} = {{ d }}e{{ t }};
{%- endfor %}
{%- endfor %}{% endfor %}
        for (var row = 0u; row < height; row++) {
            let more = row + 1u < height;
            let next = min(row + 1u, height - 1u);
{%- for f in 0..self.loads() %}
            let x{{ f }} = ((picture * inputs + i{{ f }}) * height + row) * width;
{%- if aligned %}
            let q{{ f }} = select(vec4f(), x[(x{{ f }} + c{{ f }}) / 4u], has{{ f }}_1);
{%- if shared > 1 && tiles == 2 %}
            // Of two neighbours the even lane has the left run: each shows the other what it sees across, and loads the outer pixel.
            let across{{ f }} = subgroupShuffleXor(select(q{{ f }}.x, q{{ f }}.w, even), 1u);
            let outer{{ f }} = {% if halo %}select(0.0, x[(x{{ f }} + c{{ f }}) / 4u + select(behind{{ f }}, 0u - before{{ f }}, even)][select(0u, 3u, even)], select(has{{ f }}_5, has{{ f }}_0, even)){% else %}0.0{% endif %};
            let d{{ f }}_0 = select(across{{ f }}, outer{{ f }}, even); let d{{ f }}_5 = select(outer{{ f }}, across{{ f }}, even);
{%- else if !halo && tiles == 1 %}
            let d{{ f }}_0 = 0.0; let d{{ f }}_5 = 0.0;
{%- else %}
            let d{{ f }}_0 = select(0.0, x[(x{{ f }} + c{{ f }}) / 4u - before{{ f }}].w, has{{ f }}_0);
            let d{{ f }}_5 = select(0.0, x[(x{{ f }} + c{{ f }}) / 4u + behind{{ f }}].x, has{{ f }}_5);
{%- endif %}
{%- for j in 0..4 %}
            let d{{ f }}_{{ j + 1 }} = q{{ f }}.{{ letters[j] }};
{%- endfor %}
{%- else %}
{%- for p in 0..6 %}
            let d{{ f }}_{{ p }} = select(0.0, x[x{{ f }} + c{{ f }}_{{ p }}], has{{ f }}_{{ p }});
{%- endfor %}
{%- endif %}
            {{ self.transform_x(f) }}
{%- endfor %}
{%- for k in 0..kept %}{% for v in 0..tiles %}
{%- let d = format!("b{k}_{v}") %}
            let {{ d }} = dy4(((picture * outputs + o{{ k }}) * height + next) * width, start_column + {{ 4 * v }}u, width, more);
            {{ self.transform_dy(d) }}
{%- endfor %}{% endfor %}
{%- for t in 0..6 %}{% for q in 0..quads %}
{%- for v in 0..tiles %}
            let t{{ t }}{{ q }}{{ v }} = vec4f(
{%- for j in 0..4 %}{{ self.shown((4 * q + j) * tiles + v, *t) }}{% if j < 3 %}, {% endif %}{% endfor %});
{%- endfor %}
{%- for k in 0..kept %}{% for a in 0..3 %}{% for v in 0..tiles %}
{%- let m = format!("m{t}_{k}_{q}_{a}") %}
            {{ m }} = fma(vec4f({% if a == 0 %}b{{ k }}_{{ v }}e{{ t }}{% else if a == 1 %}here{{ k }}_{{ v }}_{{ t }}{% else %}above{{ k }}_{{ v }}_{{ t }}{% endif %}), t{{ t }}{{ q }}{{ v }}, {{ m }});
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}{% endfor %}
{%- for k in 0..kept %}{% for v in 0..tiles %}
            bias{{ k }} += here{{ k }}_{{ v }}_1;
{%- for t in 0..6 %}
            above{{ k }}_{{ v }}_{{ t }} = here{{ k }}_{{ v }}_{{ t }}; here{{ k }}_{{ v }}_{{ t }} = b{{ k }}_{{ v }}e{{ t }};
{%- endfor %}{% endfor %}{% endfor %}
        }
    }
    let taps = outputs * all * 9u;
    let part = group.z * (taps + outputs);
{% for k in 0..kept %}
    if (o + {{ k * lanes }}u < outputs) {
        if (before + i == 0u) { parts[part + taps + o + {{ k * lanes }}u] = bias{{ k }}; }
{%- for q in 0..quads %}
        let at{{ q }} = part + ((o + {{ k * lanes }}u) * all + before + i + {{ 4 * q }}u) * 9u;
{%- for a in 0..3 %}
{%- let s = format!("{k}_{q}_{a}") %}
        let p{{ s }} = (m1_{{ s }} + m2_{{ s }}) * (-1.0 / 6.0); let r{{ s }} = (m1_{{ s }} - m2_{{ s }}) * (-1.0 / 6.0);
        let g{{ s }} = (m3_{{ s }} + m4_{{ s }}) * (1.0 / 24.0); let h{{ s }} = (m3_{{ s }} - m4_{{ s }}) * (1.0 / 24.0);
        let w{{ s }}_0 = fma(vec4f(0.25), m0_{{ s }}, p{{ s }} + g{{ s }});
        let w{{ s }}_1 = fma(vec4f(2.0), h{{ s }}, r{{ s }});
        let w{{ s }}_2 = fma(vec4f(4.0), g{{ s }}, p{{ s }}) + m5_{{ s }};
{%- endfor %}
{%- for j in 0..4 %}
        if (i + {{ 4 * q + j }}u < inputs) {
{%- for a in 0..3 %}{% for c in 0..3 %}
            parts[at{{ q }} + {{ 9 * j + 3 * a + c }}u] = w{{ k }}_{{ q }}_{{ a }}_{{ c }}.{{ letters[j] }};
{%- endfor %}{% endfor %}
        }
{%- endfor %}
{%- endfor %}
    }
{%- endfor %}
}
