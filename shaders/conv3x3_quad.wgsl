{#- 3x3 convolution with padding 1, the formula of conv3x3.wgsl, where four invocations work in step and loads are expensive.

Each of the four loads and transforms the pixels of a strip of its own, and computes `outputs_per_lane` channels of all four strips: its
own (s = 0) and those of the lanes `lane ^ s`, whose transformed pixels it gets by quad swaps. The pixels beside a strip come
from the neighbouring lanes, too, except that the first and the last lane load them (`outer`). An iteration of the loop takes
`unroll` inputs.

    x        [B,I,H,W]; with `two_inputs` [B,X,H,W], X a multiple of `unroll`
    input_b  only with `two_inputs`: [B,I-X,H,W]
    u        [O / (4 outputs_per_lane)][I][9 taps][4 outputs_per_lane], I padded to a multiple of `unroll`, then the biases
             [O / (4 outputs_per_lane)][4 outputs_per_lane]
    y        [B,O,H,W]

Permutations (`quad::Convolve::new` chooses), all for CPU adapters with subgroups of four, that is SwiftShader:
    `outputs_per_lane`  1 up to 8 outputs, and for two input tensors; else 4
    `aligned`           rows are whole vec4s: W is a multiple of four
    `requires_enable`   browsers, whose compilers want `enable subgroups;`
-#}
{% import "winograd.wgsl" as winograd -%}
{% if requires_enable %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
{% let step = self.step() -%}
{% include "conv3x3_params.wgsl" %}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> u: array<{{ self.channels() }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ number }}>;
{% if two_inputs -%}
@group(0) @binding(3) var<storage, read_write> input_b: array<{{ number }}>;
@group(0) @binding(4) var<uniform> params: Params;
{% else -%}
@group(0) @binding(3) var<uniform> params: Params;
{% endif -%}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let inputs = params.inputs; let outputs = params.outputs; let height = params.height; let width = params.width;
    let padded_inputs = (inputs + {{ unroll - 1 }}u) / {{ unroll }}u * {{ unroll }}u;
    let strips = params.strips; let bands = params.bands; let count = strips * bands * params.batch;
    // Invocations past the end compute the last strip once more, since their neighbours need their channels.
    let strip = min(group.x * 4u + lane, count - 1u);
    let start_column = (strip % strips) * {{ 4 * tiles }}u;
    let row = (strip / strips) % bands * {{ rows }}u;
    let image = strip / (strips * bands);
{% for s in 0..4 %}{% for r in 0..rows %}{% for k in 0..tiles %}{% for t in 0..6 %}
    var m{{ t }}_{{ r }}_{{ k }}_{{ s }} = {{ self.channels() }}();
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{% include "conv3x3_bounds.wgsl" %}
{%- for source in self.sources() %}
{%- let x = source.name %}
    // Inputs {{ source.first }} to {{ source.end }}.
    for (var first_input = {{ source.first }}; first_input < {{ source.end }}; first_input += {{ unroll }}u) {
{%- for i in 0..unroll %}
        let i{{ i }} = min(first_input + {{ i }}u, {{ source.end }} - 1u);
        let plane{{ i }} = (image * ({{ source.end }} - {{ source.first }}) + i{{ i }} - {{ source.first }}) * height;
{%- for a in 0..(rows + 2) %}
{%- let s = format!("{i}_{a}") %}
        let at{{ s }} = (plane{{ i }} + row{{ a }}) * width + start_column;
{%- if aligned %}
{%- for k in 0..tiles %}
        let x{{ s }}_{{ k }} = select(vec4f(), {{ x }}[at{{ s }} / 4u{% if k > 0 %} + to{{ k }}{% endif %}], inside{{ a }}{% if k > 0 %} && has{{ k }}{% endif %});
{%- endfor %}
{%- let before = format!("x{s}_{}.w", self.tiles - 1) %}{% let after = format!("x{s}_0.x") %}
        let before{{ s }} = select(quadSwapX({{ before }}), quadSwapDiagonal({{ before }}), lane == 2u);
        let after{{ s }} = select(quadSwapX({{ after }}), quadSwapDiagonal({{ after }}), lane == 1u);
{%- if tiles > 1 %}
        let outer{{ s }} = select(0.0, {{ x }}[at{{ s }} / 4u + select(to{{ tiles }}, 0u - left, lane == 0u)][select(0u, 3u, lane == 0u)], inside{{ a }});
        let d{{ s }}_0 = select(0.0, select(before{{ s }}, outer{{ s }}, lane == 0u), left > 0u);
        let d{{ s }}_{{ 4 * tiles + 1 }} = select(0.0, select(after{{ s }}, outer{{ s }}, lane == 3u), has{{ tiles }});
{%- else %}
        let d{{ s }}_0 = select(0.0, before{{ s }}, left > 0u);
        let d{{ s }}_{{ 4 * tiles + 1 }} = select(0.0, after{{ s }}, has{{ tiles }});
{%- endif %}
{%- for k in 0..tiles %}{% for j in 0..4 %}
        let d{{ s }}_{{ 4 * k + j + 1 }} = x{{ s }}_{{ k }}.{{ letters[j] }};
{%- endfor %}{% endfor %}
{%- else %}
{% include "conv3x3_load_unaligned.wgsl" %}
{%- endif %}
{%- for k in 0..tiles %}
{%- let d = format!("d{s}_") %}{% let s = format!("{i}_{a}_{k}") %}
        {{ winograd::transform_x(d, 4 * k, s) }}
{%- endfor %}
{%- endfor %}

        let weights{{ i }} = (group.y * padded_inputs + first_input + {{ i }}u) * 36u + lane;
{%- for a in 0..3 %}
{%- let s = format!("{i}_{a}") %}
        let w0_{{ s }} = u[weights{{ i }} + {{ 12 * a }}u]; let k{{ s }} = u[weights{{ i }} + {{ 12 * a + 4 }}u]; let w5_{{ s }} = u[weights{{ i }} + {{ 12 * a + 8 }}u];
        let near{{ s }} = w0_{{ s }} + w5_{{ s }}; let w1_{{ s }} = near{{ s }} + k{{ s }}; let w2_{{ s }} = near{{ s }} - k{{ s }};
        let far{{ s }} = w0_{{ s }} + 4.0 * w5_{{ s }}; let twice{{ s }} = 2.0 * k{{ s }}; let w3_{{ s }} = far{{ s }} + twice{{ s }}; let w4_{{ s }} = far{{ s }} - twice{{ s }};
{%- endfor %}
{%- endfor %}
{%- for t in 0..6 %}{% for s in 0..4 %}{% for k in 0..tiles %}
{%- for a in 0..(rows + 2) %}
{%- for i in 0..unroll %}
        let b{{ t }}_{{ s }}_{{ k }}_{{ i }}_{{ a }} = {{ self.swapped(*s, format!("t{t}_{i}_{a}_{k}")) }};
{%- endfor %}
{%- if a >= 2 %}
{%- let b = format!("b{t}_{s}_{k}_") %}
{%- let r = a - 2 %}
{%- let m = format!("m{t}_{r}_{k}_{s}") %}
        {{ m }} = {{ self.channels() }}({% for component in self.components() %}{{ self.summed(m, b, *t, r, component) }}{% if !loop.last %}, {% endif %}{% endfor %});
{%- endif %}
{%- endfor %}
{%- endfor %}{% endfor %}{% endfor %}
    }
{%- endfor %}

    let slope = params.slope;
    let plane = height * width;
    let rows_left = select(0u, height - row, group.x * 4u + lane < count);
    let columns_left = width - start_column;
    let at = image * outputs * plane + row * width + start_column;
    let first = (group.y * 4u + lane) * {{ outputs_per_lane }}u;
    let bias = u[(outputs + {{ 4 * outputs_per_lane - 1 }}u) / {{ 4 * outputs_per_lane }}u * padded_inputs * 36u + group.y * 4u + lane];
{%- for s in 0..4 %}
    let at{{ s }} = {{ self.swapped(*s, "at") }} + first * plane;
    let rows{{ s }} = {{ self.swapped(*s, "rows_left") }}; let columns{{ s }} = {{ self.swapped(*s, "columns_left") }};
{%- endfor %}
    // The results of a strip, so that a loop can write them: unrolled, that code takes long to compile.
    var z: array<{{ number }}, {{ self.results() }}>;
{%- for s in 0..4 %}
{%- for r in 0..rows %}{% for k in 0..tiles %}
    {
{%- let m = format!("{r}_{k}_{s}") %}
        {{ winograd::combine(m, "") }}
        let y0 = 0.25 * m0_{{ m }} + p + g + bias;
        let y1 = 2.0 * h + r + bias;
        let y2 = 4.0 * g + p + bias;
        let y3 = 8.0 * h + r + m5_{{ m }} + bias;
{%- for l in self.components() %}
{%- let j = loop.index0 %}
{%- if aligned %}
        z[{{ (j * rows + r) * tiles + k }}] = vec4f(y0{{ l }}, y1{{ l }}, y2{{ l }}, y3{{ l }});
{%- else %}
{%- for p in 0..4 %}
        z[{{ ((j * rows + r) * tiles + k) * 4 + p }}] = y{{ p }}{{ l }};
{%- endfor %}
{%- endif %}
{%- endfor %}
    }
{%- endfor %}{% endfor %}
    for (var e = 0u; e < {{ self.results() }}u; e++) {
        // Shifts, since SwiftShader divides lane by lane.
        let column = (e & {{ 4 * tiles / step - 1 }}u) * {{ step }}u;
        let r = (e >> {{ self.log2(4 * tiles / step) }}u) & {{ rows - 1 }}u;
        let j = e >> {{ self.log2(4 * tiles / step * rows) }}u;
        if (r < rows{{ s }} && column < columns{{ s }} && first + j < outputs) {
            let result = z[e];
            y[(at{{ s }} + j * plane + r * width + column){% if aligned %} / 4u{% endif %}] = select(slope * result, result, result > {{ number }}());
        }
    }
{%- endfor %}
}
