{#- The weight and bias gradients of a 3x3 convolution, by Winograd's F(3, 4) along the rows.

    dw[o,i,a,k] = sum over b, r, c of dy[b,o,r,c] x[b,i,r+a-1,c+k-1]
    dbias[o]    = sum over b, r, c of dy[b,o,r,c], which are sums of e1

Four pixels of a row of dy meet six of x: both are transformed (e0 to e5 and t0 to t5, see winograd.wgsl), their six products are summed
over everything (m0 to m5), and transformed into three taps at the end:

    dw0 = m0/4 + p + g    dw1 = r + 2h    dw2 = p + 4g + m5, with p, r, g, h of winograd.wgsl

A workgroup of `lanes` invocations goes down a strip of `tiles` runs of four columns in several images; with `flat`, down several strips,
adjacent ones first, whose rows are still in a CPU's cache. An invocation keeps in registers the sums of `outputs_per_lane` outputs (lane,
lane + lanes, ..) and `input_vec4s` vec4s of inputs: each row of x meets the rows of dy above, at and below it, which pass through
`above`, `here` and `below`.

With `broadcast_lanes`, the workgroup is one subgroup, or several of `broadcast_lanes` lanes each: every lane loads and transforms another
part of the row of x and broadcasts it to the rest.

Where x holds only some of the inputs, `first_input` of `all_inputs` come before its own.

    x         [B,I,H,W]
    dy        [B,O,H,W]
    partials  [images / units_per_group * strips, or with `flat` all their strips / units_per_group][O all_inputs 3 3 + O]: dw, then dbias;
              sum.wgsl adds them up

Permutations (`WeightGradient::new` chooses):
    CPU adapters                          `lanes` of the subgroup; `flat` where there are subgroups
    GPUs                                  32 lanes, one output and one vec4 of inputs per invocation
    `broadcast_lanes` = 0                 adapters without subgroups
    `has_halo`                            images wider than one strip
    `aligned`                             rows are whole vec4s: W is a multiple of four
    `requires_enable`                     browsers, whose compilers want `enable subgroups;`
SwiftShader with subgroups runs conv3x3_weight_gradient_quad.wgsl.
-#}
{% import "winograd.wgsl" as winograd -%}
{% if broadcast_lanes > 0 && requires_enable %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
{% include "conv3x3_weight_gradient_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> dy: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

{% include "dy4.wgsl" %}
@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
    {%- if broadcast_lanes > 0 %}, @builtin(subgroup_invocation_id) lane_in_subgroup: u32{% endif %}) {
    let inputs = params.inputs; let outputs = params.outputs; let height = params.height; let width = params.width;
    let first_input = params.first_input; let all_inputs = params.all_inputs;
    let units_per_group = params.units_per_group; let strips = params.strips; let batch = params.batch;
    let o = group.x * {{ lanes * outputs_per_lane }}u + lane;
    let i = group.y * {{ 4 * input_vec4s }}u;
    let first = {% if flat %}group.z{% else %}(group.z / strips){% endif %} * units_per_group;
    let last = min(first + units_per_group, batch{% if flat %} * strips{% endif %});
{%- for k in 0..outputs_per_lane %}
    var bias{{ k }} = 0.0;
    let o{{ k }} = min(o + {{ k * lanes }}u, outputs - 1u);
{%- for q in 0..input_vec4s %}{% for a in 0..3 %}{% for t in 0..6 %}
    var m{{ t }}_{{ k }}_{{ q }}_{{ a }} = vec4f();
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}
{%- if broadcast_lanes > 1 %}
    let even = lane_in_subgroup % 2u == 0u;
{%- endif %}
{%- if flat %}
    for (var unit = first; unit < last; unit++) {
    let image = unit / strips;
    let start_column = unit % strips * {{ 4 * tiles }}u;
{%- else %}
    let start_column = group.z % strips * {{ 4 * tiles }}u;
{%- endif %}
{%- for f in 0..self.loads_per_lane() %}
    // The four pixels of an input that this lane loads, and which of them, of the one before and of the one after exist.
    let part{{ f }} = {% if broadcast_lanes > 0 %}min({{ f * broadcast_lanes }}u + lane_in_subgroup % {{ broadcast_lanes }}u, {{ 4 * input_vec4s * tiles - 1 }}u){% else %}{{ f }}u{% endif %};
    let i{{ f }} = min(i + part{{ f }} / {{ tiles }}u, inputs - 1u);
    let column{{ f }} = start_column + 4u * (part{{ f }} % {{ tiles }}u);
{%- for p in 0..6 %}
    let has{{ f }}_{{ p }} = column{{ f }} + {{ p }}u >= 1u && column{{ f }} + {{ p }}u <= width;
{%- endfor %}
{%- if aligned %}
    let c{{ f }} = min(column{{ f }}, width - 4u);
    let before{{ f }} = select(0u, 1u, has{{ f }}_0); let after{{ f }} = select(0u, 1u, has{{ f }}_5);
{%- else %}
{%- for p in 0..6 %}
    let c{{ f }}_{{ p }} = clamp(column{{ f }} + {{ p }}u, 1u, width) - 1u;
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- if !flat %}
    for (var image = first; image < last; image++) {
{%- endif %}
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
{%- let d = format!("h{k}_{v}") %}
        let {{ d }} = dy4((image * outputs + o{{ k }}) * height * width, start_column + {{ 4 * v }}u, width, true);
        {{ winograd::transform_dy(d) }}
{%- for t in 0..6 %}
        var above{{ k }}_{{ v }}_{{ t }} = 0.0; var here{{ k }}_{{ v }}_{{ t }} = {{ d }}e{{ t }};
{%- endfor %}
{%- endfor %}{% endfor %}
        for (var row = 0u; row < height; row++) {
            let more = row + 1u < height;
            let next = min(row + 1u, height - 1u);
{%- for f in 0..self.loads_per_lane() %}
            let x{{ f }} = ((image * inputs + i{{ f }}) * height + row) * width;
{%- if aligned %}
            let q{{ f }} = select(vec4f(), x[(x{{ f }} + c{{ f }}) / 4u], has{{ f }}_1);
{%- if broadcast_lanes > 1 && tiles == 2 %}
            // The even lane of a pair has the left run, the odd lane the right: they exchange the pixels between them, and load the outer ones.
            let across{{ f }} = subgroupShuffleXor(select(q{{ f }}.x, q{{ f }}.w, even), 1u);
            let outer{{ f }} = {% if has_halo %}select(0.0, x[(x{{ f }} + c{{ f }}) / 4u + select(after{{ f }}, 0u - before{{ f }}, even)][select(0u, 3u, even)], select(has{{ f }}_5, has{{ f }}_0, even)){% else %}0.0{% endif %};
            let d{{ f }}_0 = select(across{{ f }}, outer{{ f }}, even); let d{{ f }}_5 = select(outer{{ f }}, across{{ f }}, even);
{%- else if !has_halo && tiles == 1 %}
            let d{{ f }}_0 = 0.0; let d{{ f }}_5 = 0.0;
{%- else %}
            let d{{ f }}_0 = select(0.0, x[(x{{ f }} + c{{ f }}) / 4u - before{{ f }}].w, has{{ f }}_0);
            let d{{ f }}_5 = select(0.0, x[(x{{ f }} + c{{ f }}) / 4u + after{{ f }}].x, has{{ f }}_5);
{%- endif %}
{%- for j in 0..4 %}
            let d{{ f }}_{{ j + 1 }} = q{{ f }}.{{ letters[j] }};
{%- endfor %}
{%- else %}
{%- for p in 0..6 %}
            let d{{ f }}_{{ p }} = select(0.0, x[x{{ f }} + c{{ f }}_{{ p }}], has{{ f }}_{{ p }});
{%- endfor %}
{%- endif %}
{%- let d = format!("d{f}_") %}
        {{ winograd::transform_x(d, 0, f) }}
{%- endfor %}
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
{%- let d = format!("b{k}_{v}") %}
            let {{ d }} = dy4(((image * outputs + o{{ k }}) * height + next) * width, start_column + {{ 4 * v }}u, width, more);
            {{ winograd::transform_dy(d) }}
{%- endfor %}{% endfor %}
{%- for t in 0..6 %}{% for q in 0..input_vec4s %}
{%- for v in 0..tiles %}
            let t{{ t }}{{ q }}{{ v }} = vec4f(
{%- for j in 0..4 %}{{ self.broadcast((4 * q + j) * tiles + v, *t) }}{% if j < 3 %}, {% endif %}{% endfor %});
{%- endfor %}
{%- for k in 0..outputs_per_lane %}{% for a in 0..3 %}{% for v in 0..tiles %}
{%- let m = format!("m{t}_{k}_{q}_{a}") %}
            {{ m }} = fma(vec4f({% if a == 0 %}b{{ k }}_{{ v }}e{{ t }}{% else if a == 1 %}here{{ k }}_{{ v }}_{{ t }}{% else %}above{{ k }}_{{ v }}_{{ t }}{% endif %}), t{{ t }}{{ q }}{{ v }}, {{ m }});
{%- endfor %}{% endfor %}{% endfor %}
{%- endfor %}{% endfor %}
{%- for k in 0..outputs_per_lane %}{% for v in 0..tiles %}
            bias{{ k }} += here{{ k }}_{{ v }}_1;
{%- for t in 0..6 %}
            above{{ k }}_{{ v }}_{{ t }} = here{{ k }}_{{ v }}_{{ t }}; here{{ k }}_{{ v }}_{{ t }} = b{{ k }}_{{ v }}e{{ t }};
{%- endfor %}{% endfor %}{% endfor %}
        }
    }
    let taps = outputs * all_inputs * 9u;
    let partial_at = group.z * (taps + outputs);
{% for k in 0..outputs_per_lane %}
    if (o + {{ k * lanes }}u < outputs) {
        if (first_input + i == 0u) { partials[partial_at + taps + o + {{ k * lanes }}u] = bias{{ k }}; }
{%- for q in 0..input_vec4s %}
        let at{{ q }} = partial_at + ((o + {{ k * lanes }}u) * all_inputs + first_input + i + {{ 4 * q }}u) * 9u;
{%- for a in 0..3 %}
{%- let s = format!("{k}_{q}_{a}") %}
        {{ winograd::combine(s, s) }}
        let w{{ s }}_0 = fma(vec4f(0.25), m0_{{ s }}, p{{ s }} + g{{ s }});
        let w{{ s }}_1 = fma(vec4f(2.0), h{{ s }}, r{{ s }});
        let w{{ s }}_2 = fma(vec4f(4.0), g{{ s }}, p{{ s }}) + m5_{{ s }};
{%- endfor %}
{%- for j in 0..4 %}
        if (i + {{ 4 * q + j }}u < inputs) {
{%- for a in 0..3 %}{% for c in 0..3 %}
            partials[at{{ q }} + {{ 9 * j + 3 * a + c }}u] = w{{ k }}_{{ q }}_{{ a }}_{{ c }}.{{ letters[j] }};
{%- endfor %}{% endfor %}
        }
{%- endfor %}
{%- endfor %}
    }
{%- endfor %}
}
