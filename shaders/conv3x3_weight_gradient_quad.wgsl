{#- The weight and bias gradients of a 3x3 convolution, the formula of conv3x3_weight_gradient.wgsl, where four invocations work
in step and loads are expensive.

Each of the four loads and transforms x of `loads_per_lane` inputs, and sums for `outputs_per_lane` outputs and the inputs of all four:
its own (s = 0) and those of the lanes `lane ^ s`, whose transformed pixels it gets by quad swaps. They go down a strip of `tiles`
runs of four columns, `rows` rows of x per iteration, which meet as many rows of dy and one more on each side: r0 (above) to
r`rows + 1`. The last two of them are the first two of the next iteration. With `all_rows`, the image has no more rows than that.

Where x holds only some of the inputs, `first_input` of `all_inputs` come before its own.

    x         [B,I,H,W]
    dy        [B,O,H,W]
    partials  [B strips / units_per_group][O all_inputs 3 3 + O]: dw, then dbias; sum.wgsl adds them up

Permutations (`quad::WeightGradient::new` chooses), all for CPU adapters with subgroups of four, that is SwiftShader:
    `outputs_per_lane`, `loads_per_lane`  by the number of outputs and inputs
    `aligned`                             rows are whole vec4s: W is a multiple of four
    `requires_enable`                     browsers, whose compilers want `enable subgroups;`
-#}
{% import "winograd.wgsl" as winograd -%}
{% if requires_enable %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
{% include "conv3x3_weight_gradient_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> dy: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

{% include "dy4.wgsl" %}
@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let inputs = params.inputs; let outputs = params.outputs; let height = params.height; let width = params.width;
    let first_input = params.first_input; let all_inputs = params.all_inputs;
    let units_per_group = params.units_per_group; let strips = params.strips; let batch = params.batch;
    let o = group.x * {{ 4 * outputs_per_lane }}u + lane;
    let i = group.y * {{ 4 * loads_per_lane }}u;
    let first = group.z * units_per_group;
    let last = min(first + units_per_group, batch * strips);
{%- for k in 0..outputs_per_lane %}
    var bias{{ k }} = 0.0;
    let o{{ k }} = min(o + {{ 4 * k }}u, outputs - 1u);
{%- for j in 0..loads_per_lane %}{% for s in 0..4 %}{% for a in 0..3 %}{% for t in 0..6 %}
    var m{{ t }}_{{ a }}_{{ s }}_{{ j }}_{{ k }} = 0.0;
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{%- endfor %}
{%- for j in 0..loads_per_lane %}
    let i{{ j }} = min(i + {{ 4 * j }}u + lane, inputs - 1u);
{%- endfor %}

    for (var unit = first; unit < last; unit++) {
        let image = unit / strips;
        let start_column = unit % strips * {{ 4 * tiles }}u;
        // Which pixels of x exist, and their columns without leaving the row.
{%- for p in 0..(4 * tiles + 2) %}
        let has{{ p }} = start_column + {{ p }}u >= 1u && start_column + {{ p }}u <= width; let c{{ p }} = clamp(start_column + {{ p }}u, 1u, width) - 1u;
{%- endfor %}
{%- if !all_rows %}
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
{%- let d = format!("start{k}_{v}") %}
        let {{ d }} = dy4((image * outputs + o{{ k }}) * height * width, start_column + {{ 4 * v }}u, width, true);
        {{ winograd::transform_dy(d) }}
{%- for t in 0..6 %}
        var above{{ t }}_{{ v }}_{{ k }} = 0.0; var here{{ t }}_{{ v }}_{{ k }} = {{ d }}e{{ t }};
{%- endfor %}
{%- endfor %}{% endfor %}
        for (var row = 0u; row < height; row += {{ rows }}u) {
{%- for t in 0..6 %}{% for v in 0..tiles %}{% for k in 0..outputs_per_lane %}
            let r0_{{ v }}_{{ k }}e{{ t }} = above{{ t }}_{{ v }}_{{ k }}; let r1_{{ v }}_{{ k }}e{{ t }} = here{{ t }}_{{ v }}_{{ k }};
{%- endfor %}{% endfor %}{% endfor %}
{%- else %}
        { let row = 0u;
{%- endif %}
{%- for q in self.loaded() %}
            let wanted{{ q }} = row + {{ q - 1 }}u < height; let next{{ q }} = min(row + {{ q - 1 }}u, height - 1u);
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
{%- let d = format!("r{q}_{v}_{k}") %}
            let {{ d }} = dy4(((image * outputs + o{{ k }}) * height + next{{ q }}) * width, start_column + {{ 4 * v }}u, width, wanted{{ q }});
            {{ winograd::transform_dy(d) }}
{%- endfor %}{% endfor %}
{%- endfor %}
{%- for u in 0..rows %}
            let inside{{ u }} = row + {{ u }}u < height; let x{{ u }} = min(row + {{ u }}u, height - 1u);
{%- for j in 0..loads_per_lane %}
{%- let s = format!("{u}_{j}") %}
            let x{{ s }} = ((image * inputs + i{{ j }}) * height + x{{ u }}) * width;
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
            {{ winograd::transform_x(d, 4 * v, name) }}
{%- endfor %}
{%- endfor %}
{%- endfor %}
{%- for t in 0..6 %}{% for j in 0..loads_per_lane %}{% for s in 0..4 %}
{%- for u in 0..rows %}{% for v in 0..tiles %}
            let b{{ t }}_{{ j }}_{{ s }}_{{ u }}_{{ v }} = {{ self.swapped(*s, format!("t{t}_{u}_{j}_{v}")) }};
{%- endfor %}{% endfor %}
{%- for k in 0..outputs_per_lane %}{% for a in 0..3 %}
{%- let m = format!("m{t}_{a}_{s}_{j}_{k}") %}{% let b = format!("b{t}_{j}_{s}_") %}
            {{ m }} = {{ self.summed(m, b, t, a, k) }};
{%- endfor %}{% endfor %}
{%- endfor %}{% endfor %}{% endfor %}
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
{%- for q in 1..(rows + 1) %}
            bias{{ k }} += r{{ q }}_{{ v }}_{{ k }}e1;
{%- endfor %}
{%- if !all_rows %}
{%- for t in 0..6 %}
            above{{ t }}_{{ v }}_{{ k }} = r{{ rows }}_{{ v }}_{{ k }}e{{ t }}; here{{ t }}_{{ v }}_{{ k }} = r{{ rows + 1 }}_{{ v }}_{{ k }}e{{ t }};
{%- endfor %}
{%- endif %}
{%- endfor %}{% endfor %}
        }
    }
    let taps = outputs * all_inputs * 9u;
    let partial_at = group.z * (taps + outputs);
    var z: array<f32, {{ 36 * loads_per_lane * outputs_per_lane }}>;
{%- for k in 0..outputs_per_lane %}
    if (first_input + i == 0u && o + {{ 4 * k }}u < outputs) { partials[partial_at + taps + o + {{ 4 * k }}u] = bias{{ k }}; }
{%- for j in 0..loads_per_lane %}{% for s in 0..4 %}{% for a in 0..3 %}
{%- let name = format!("{a}_{s}_{j}_{k}") %}{% let to = ((k * loads_per_lane + j) * 4 + s) * 9 + 3 * a %}
    {{ winograd::combine(name, name) }}
    z[{{ to }}] = 0.25 * m0_{{ name }} + p{{ name }} + g{{ name }};
    z[{{ to + 1 }}] = 2.0 * h{{ name }} + r{{ name }};
    z[{{ to + 2 }}] = 4.0 * g{{ name }} + p{{ name }} + m5_{{ name }};
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}
    for (var e = 0u; e < {{ 4 * loads_per_lane * outputs_per_lane }}u; e++) {
        // Shifts, since SwiftShader divides lane by lane.
        let to_o = o + 4u * (e >> {{ loads_per_lane + 1 }}u);
        let to_i = i + 4u * ((e >> 2u) & {{ loads_per_lane - 1 }}u) + (lane ^ (e & 3u));
        let to = partial_at + (to_o * all_inputs + first_input + to_i) * 9u;
        if (to_o < outputs && to_i < inputs) {
            for (var tap = 0u; tap < 9u; tap++) { partials[to + tap] = z[9u * e + tap]; }
        }
    }
}
