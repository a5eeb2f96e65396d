{#- The gradient of a 3x3 convolution by its weights and its bias as conv3x3_weight_gradient.wgsl does it (which see), where
four invocations work in step and loads are dear.

Each of the four loads and transforms x of `own` inputs, and sums for `kept` outputs and the inputs of all four: its own
(s = 0) and those of the lanes `lane ^ s`, from which it has the transformed pixels by swapping. They go down a strip of `tiles`
runs of four columns, `rows` rows of x at once, which meet as many rows of dy and one more on each side: r0 (above) to
r`rows + 1`. The last two of them are the first two of the next turn. With `whole`, these rows are all that there are.

Where x is a part of the inputs, `before` of `all` come before its own.

    x      [B,I,H,W]
    dy     [B,O,H,W]
    parts  [B strips / each][O all 3 3 + O]: dw, then dbias
    n      I, O, H, W, strips of pictures for each, strips, B, before, all
-#}
{% if browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> dy: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 3>;

{% include "dy4.wgsl" %}
@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = n[0].w;
    let before = n[1].w; let all = n[2].x;
    let each = n[1].x; let strips = n[1].y; let batch = n[1].z;
    let o = group.x * {{ 4 * kept }}u + lane;
    let i = group.y * {{ 4 * own }}u;
    let first = group.z * each;
    let last = min(first + each, batch * strips);
{%- for k in 0..kept %}
    var bias{{ k }} = 0.0;
    let o{{ k }} = min(o + {{ 4 * k }}u, outputs - 1u);
{%- for j in 0..own %}{% for s in 0..4 %}{% for a in 0..3 %}{% for t in 0..6 %}
    var m{{ t }}_{{ a }}_{{ s }}_{{ j }}_{{ k }} = 0.0;
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{%- endfor %}
{%- for j in 0..own %}
    let i{{ j }} = min(i + {{ 4 * j }}u + lane, inputs - 1u);
{%- endfor %}

    for (var unit = first; unit < last; unit++) {
        let picture = unit / strips;
        let start_column = unit % strips * {{ 4 * tiles }}u;
        // Which pixels of x there are, without leaving the row.
{%- for p in 0..(4 * tiles + 2) %}
        let has{{ p }} = start_column + {{ p }}u >= 1u && start_column + {{ p }}u <= width; let c{{ p }} = clamp(start_column + {{ p }}u, 1u, width) - 1u;
{%- endfor %}
{%- if !whole %}
{%- for k in 0..kept %}{% for v in 0..tiles %}
{%- let d = format!("start{k}_{v}") %}
        let {{ d }} = dy4((picture * outputs + o{{ k }}) * height * width, start_column + {{ 4 * v }}u, width, true);
        {{ self.transform_dy(d) }}
{%- for t in 0..6 %}
        var above{{ t }}_{{ v }}_{{ k }} = 0.0; var here{{ t }}_{{ v }}_{{ k }} = {{ d }}e{{ t }};
{%- endfor %}
{%- endfor %}{% endfor %}
        for (var row = 0u; row < height; row += {{ rows }}u) {
{%- for t in 0..6 %}{% for v in 0..tiles %}{% for k in 0..kept %}
            let r0_{{ v }}_{{ k }}e{{ t }} = above{{ t }}_{{ v }}_{{ k }}; let r1_{{ v }}_{{ k }}e{{ t }} = here{{ t }}_{{ v }}_{{ k }};
{%- endfor %}{% endfor %}{% endfor %}
{%- else %}
        { let row = 0u;
{%- endif %}
{%- for q in self.loaded() %}
            let wanted{{ q }} = row + {{ q - 1 }}u < height; let next{{ q }} = min(row + {{ q - 1 }}u, height - 1u);
{%- for k in 0..kept %}{% for v in 0..tiles %}
{%- let d = format!("r{q}_{v}_{k}") %}
            let {{ d }} = dy4(((picture * outputs + o{{ k }}) * height + next{{ q }}) * width, start_column + {{ 4 * v }}u, width, wanted{{ q }});
            {{ self.transform_dy(d) }}
{%- endfor %}{% endfor %}
{%- endfor %}
{%- for u in 0..rows %}
            let inside{{ u }} = row + {{ u }}u < height; let x{{ u }} = min(row + {{ u }}u, height - 1u);
{%- for j in 0..own %}
{%- let s = format!("{u}_{j}") %}
            let x{{ s }} = ((picture * inputs + i{{ j }}) * height + x{{ u }}) * width;
{%- if aligned %}
{%- for v in 0..tiles %}
            let q{{ s }}_{{ v }} = select(vec4f(), x[(x{{ s }} + min(start_column + {{ 4 * v }}u, width - 4u)) / 4u], inside{{ u }} && has{{ 4 * v + 1 }});
{%- for p in 0..4 %}
            let d{{ s }}_{{ 4 * v + p + 1 }} = q{{ s }}_{{ v }}.{{ letters[p] }};
{%- endfor %}
{%- endfor %}
{%- if tiles > 1 %}
            let d{{ s }}_0 = select(0.0, x[(x{{ s }} + c0) / 4u].w, inside{{ u }} && has0);
            let d{{ s }}_{{ 4 * tiles + 1 }} = select(0.0, x[(x{{ s }} + c{{ 4 * tiles + 1 }}) / 4u].x, inside{{ u }} && has{{ 4 * tiles + 1 }});
{%- else %}
            let d{{ s }}_0 = 0.0; let d{{ s }}_{{ 4 * tiles + 1 }} = 0.0;
{%- endif %}
{%- else %}
{%- for p in 0..(4 * tiles + 2) %}
            let d{{ s }}_{{ p }} = select(0.0, x[x{{ s }} + c{{ p }}], inside{{ u }} && has{{ p }});
{%- endfor %}
{%- endif %}
{%- for v in 0..tiles %}
{%- let d = format!("d{s}_") %}{% let name = format!("{u}_{j}_{v}") %}
            {{ self.transform_x(d, 4 * v, name) }}
{%- endfor %}
{%- endfor %}
{%- endfor %}
{%- for t in 0..6 %}{% for j in 0..own %}{% for s in 0..4 %}
{%- for u in 0..rows %}{% for v in 0..tiles %}
            let b{{ t }}_{{ j }}_{{ s }}_{{ u }}_{{ v }} = {{ self.swapped(*s, format!("t{t}_{u}_{j}_{v}")) }};
{%- endfor %}{% endfor %}
{%- for k in 0..kept %}{% for a in 0..3 %}
{%- let m = format!("m{t}_{a}_{s}_{j}_{k}") %}{% let b = format!("b{t}_{j}_{s}_") %}
            {{ m }} = {{ self.summed(m, b, t, a, k) }};
{%- endfor %}{% endfor %}
{%- endfor %}{% endfor %}{% endfor %}
{%- for k in 0..kept %}{% for v in 0..tiles %}
{%- for q in 1..(rows + 1) %}
            bias{{ k }} += r{{ q }}_{{ v }}_{{ k }}e1;
{%- endfor %}
{%- if !whole %}
{%- for t in 0..6 %}
            above{{ t }}_{{ v }}_{{ k }} = r{{ rows }}_{{ v }}_{{ k }}e{{ t }}; here{{ t }}_{{ v }}_{{ k }} = r{{ rows + 1 }}_{{ v }}_{{ k }}e{{ t }};
{%- endfor %}
{%- endif %}
{%- endfor %}{% endfor %}
        }
    }
    let taps = outputs * all * 9u;
    let part = group.z * (taps + outputs);
    var z: array<f32, {{ 36 * own * kept }}>;
{%- for k in 0..kept %}
    if (before + i == 0u && o + {{ 4 * k }}u < outputs) { parts[part + taps + o + {{ 4 * k }}u] = bias{{ k }}; }
{%- for j in 0..own %}{% for s in 0..4 %}{% for a in 0..3 %}
{%- let name = format!("{a}_{s}_{j}_{k}") %}{% let to = ((k * own + j) * 4 + s) * 9 + 3 * a %}
    let p{{ name }} = (m1_{{ name }} + m2_{{ name }}) * (-1.0 / 6.0); let r{{ name }} = (m1_{{ name }} - m2_{{ name }}) * (-1.0 / 6.0);
    let g{{ name }} = (m3_{{ name }} + m4_{{ name }}) * (1.0 / 24.0); let h{{ name }} = (m3_{{ name }} - m4_{{ name }}) * (1.0 / 24.0);
    z[{{ to }}] = 0.25 * m0_{{ name }} + p{{ name }} + g{{ name }};
    z[{{ to + 1 }}] = 2.0 * h{{ name }} + r{{ name }};
    z[{{ to + 2 }}] = 4.0 * g{{ name }} + p{{ name }} + m5_{{ name }};
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}
    for (var e = 0u; e < {{ 4 * own * kept }}u; e++) {
        // Shifts, for it divides lane by lane.
        let to_o = o + 4u * (e >> {{ own + 1 }}u);
        let to_i = i + 4u * ((e >> 2u) & {{ own - 1 }}u) + (lane ^ (e & 3u));
        let to = part + (to_o * all + before + to_i) * 9u;
        if (to_o < outputs && to_i < inputs) {
            for (var tap = 0u; tap < 9u; tap++) { parts[to + tap] = z[9u * e + tap]; }
        }
    }
}
