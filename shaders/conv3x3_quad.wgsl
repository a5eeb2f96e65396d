{#- 3x3 convolution with padding 1 as conv3x3.wgsl does it (which see), where four invocations work in step and loads are dear.

Each of the four loads and transforms the pixels of a strip of its own, and makes `each` channels of all four strips: its own
(s = 0) and those of the lanes `lane ^ s`, from which it has the transformed pixels by swapping. The pixels beside a strip come
from the lanes beside it, too, but for the first and the last lane, which load them (`outer`).

    x  [B,I,H,W]; with `two`, [B,X,H,W], X a multiple of `turn`, and beside [B,I-X,H,W]
    u  [O / (4 each)][I][9 taps][4 each], I a multiple of `turn`, then biases [O / (4 each)][4 each]
    y  [B,O,H,W]
    n  I, O, H, W, strips of 4 tiles pixels in a row, bands of `rows` rows in a picture, B; slope (f32), X
-#}
{% if browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
{% let letters = ["x", "y", "z", "w"] -%}
{% let step = self.step() -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> u: array<{{ self.channels() }}>;
@group(0) @binding(2) var<storage, read_write> y: array<{{ number }}>;
{% if two -%}
@group(0) @binding(3) var<storage, read_write> beside: array<{{ number }}>;
@group(0) @binding(4) var<uniform> n: array<vec4u, 3>;
{% else -%}
@group(0) @binding(3) var<uniform> n: array<vec4u, 2>;
{% endif -%}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = n[0].w;
    let all = (inputs + {{ turn - 1 }}u) / {{ turn }}u * {{ turn }}u;
    let strips = n[1].x; let bands = n[1].y; let count = strips * bands * n[1].z;
    // Invocations past the end work along on the last strip, since their neighbours need their channels.
    let strip = min(group.x * 4u + lane, count - 1u);
    let start_column = (strip % strips) * {{ 4 * tiles }}u;
    let row = (strip / strips) % bands * {{ rows }}u;
    let picture = strip / (strips * bands);
{% for s in 0..4 %}{% for r in 0..rows %}{% for k in 0..tiles %}{% for t in 0..6 %}
    var m{{ t }}_{{ r }}_{{ k }}_{{ s }} = {{ self.channels() }}();
{%- endfor %}{% endfor %}{% endfor %}{% endfor %}
{% for a in 0..(rows + 2) %}
    let inside{{ a }} = row + {{ a }}u >= 1u && row + {{ a }}u <= height;
    let row{{ a }} = clamp(row + {{ a }}u, 1u, height) - 1u;
{%- endfor %}

    // What lies to the left and to the right, in `number`s, without leaving the row.
    let left = select(0u, 1u, start_column > 0u);
{%- for p in 1..(4 * tiles / step + 1) %}
    let has{{ p }} = start_column + {{ step * p }}u < width; let to{{ p }} = select(0u, {{ p }}u, has{{ p }});
{%- endfor %}

{%- for source in self.sources() %}
{%- let x = source.name %}
    // Inputs {{ source.first }} to {{ source.end }}.
    for (var first_input = {{ source.first }}; first_input < {{ source.end }}; first_input += {{ turn }}u) {
{%- for i in 0..turn %}
        let i{{ i }} = min(first_input + {{ i }}u, {{ source.end }} - 1u);
        let plane{{ i }} = (picture * ({{ source.end }} - {{ source.first }}) + i{{ i }} - {{ source.first }}) * height;
{%- for a in 0..(rows + 2) %}
{%- let s = format!("{i}_{a}") %}
        let at{{ s }} = (plane{{ i }} + row{{ a }}) * width + start_column;
{%- if aligned %}
{%- for k in 0..tiles %}
        let x{{ s }}_{{ k }} = select(vec4f(), {{ x }}[at{{ s }} / 4u{% if k > 0 %} + to{{ k }}{% endif %}], inside{{ a }}{% if k > 0 %} && has{{ k }}{% endif %});
{%- endfor %}
{%- let before = format!("x{s}_{}.w", self.tiles - 1) %}{% let behind = format!("x{s}_0.x") %}
        let before{{ s }} = select(quadSwapX({{ before }}), quadSwapDiagonal({{ before }}), lane == 2u);
        let behind{{ s }} = select(quadSwapX({{ behind }}), quadSwapDiagonal({{ behind }}), lane == 1u);
{%- if tiles > 1 %}
        let outer{{ s }} = select(0.0, {{ x }}[at{{ s }} / 4u + select(to{{ tiles }}, 0u - left, lane == 0u)][select(0u, 3u, lane == 0u)], inside{{ a }});
        let d{{ s }}_0 = select(0.0, select(before{{ s }}, outer{{ s }}, lane == 0u), left > 0u);
        let d{{ s }}_{{ 4 * tiles + 1 }} = select(0.0, select(behind{{ s }}, outer{{ s }}, lane == 3u), has{{ tiles }});
{%- else %}
        let d{{ s }}_0 = select(0.0, before{{ s }}, left > 0u);
        let d{{ s }}_{{ 4 * tiles + 1 }} = select(0.0, behind{{ s }}, has{{ tiles }});
{%- endif %}
{%- for k in 0..tiles %}{% for j in 0..4 %}
        let d{{ s }}_{{ 4 * k + j + 1 }} = x{{ s }}_{{ k }}.{{ letters[j] }};
{%- endfor %}{% endfor %}
{%- else %}
        let d{{ s }}_0 = select(0.0, {{ x }}[at{{ s }} - left], inside{{ a }} && left > 0u);
        let d{{ s }}_1 = select(0.0, {{ x }}[at{{ s }}], inside{{ a }});
{%- for p in 1..(4 * tiles + 1) %}
        let d{{ s }}_{{ p + 1 }} = select(0.0, {{ x }}[at{{ s }} + to{{ p }}], inside{{ a }} && has{{ p }});
{%- endfor %}
{%- endif %}
{%- for k in 0..tiles %}
{%- let d = format!("d{s}_") %}{% let s = format!("{i}_{a}_{k}") %}
        {{ self.transform_x(d, 4 * k, s) }}
{%- endfor %}
{%- endfor %}

        let weights{{ i }} = (group.y * all + first_input + {{ i }}u) * 36u + lane;
{%- for a in 0..3 %}
{%- let s = format!("{i}_{a}") %}
        let w0_{{ s }} = u[weights{{ i }} + {{ 12 * a }}u]; let k{{ s }} = u[weights{{ i }} + {{ 12 * a + 4 }}u]; let w5_{{ s }} = u[weights{{ i }} + {{ 12 * a + 8 }}u];
        let near{{ s }} = w0_{{ s }} + w5_{{ s }}; let w1_{{ s }} = near{{ s }} + k{{ s }}; let w2_{{ s }} = near{{ s }} - k{{ s }};
        let far{{ s }} = w0_{{ s }} + 4.0 * w5_{{ s }}; let twice{{ s }} = 2.0 * k{{ s }}; let w3_{{ s }} = far{{ s }} + twice{{ s }}; let w4_{{ s }} = far{{ s }} - twice{{ s }};
{%- endfor %}
{%- endfor %}
{%- for t in 0..6 %}{% for s in 0..4 %}{% for k in 0..tiles %}
{%- for a in 0..(rows + 2) %}
{%- for i in 0..turn %}
        let b{{ t }}_{{ s }}_{{ k }}_{{ i }}_{{ a }} = {{ self.swapped(*s, format!("t{t}_{i}_{a}_{k}")) }};
{%- endfor %}
{%- if a >= 2 %}
{%- let b = format!("b{t}_{s}_{k}_") %}
{%- let r = a - 2 %}
{%- let m = format!("m{t}_{r}_{k}_{s}") %}
        {{ m }} = {{ self.channels() }}({% for part in self.parts() %}{{ self.summed(m, b, *t, r, part) }}{% if !loop.last %}, {% endif %}{% endfor %});
{%- endif %}
{%- endfor %}
{%- endfor %}{% endfor %}{% endfor %}
    }
{%- endfor %}

    let slope = bitcast<f32>(n[1].w);
    let plane = height * width;
    let rows_left = select(0u, height - row, group.x * 4u + lane < count);
    let columns_left = width - start_column;
    let at = picture * outputs * plane + row * width + start_column;
    let first = (group.y * 4u + lane) * {{ each }}u;
    let bias = u[(outputs + {{ 4 * each - 1 }}u) / {{ 4 * each }}u * all * 36u + group.y * 4u + lane];
{%- for s in 0..4 %}
    let at{{ s }} = {{ self.swapped(*s, "at") }} + first * plane;
    let rows{{ s }} = {{ self.swapped(*s, "rows_left") }}; let columns{{ s }} = {{ self.swapped(*s, "columns_left") }};
{%- endfor %}
    // The results of a strip, so that a loop can write them: that code once for each would take long to compile.
    var z: array<{{ number }}, {{ self.results() }}>;
{%- for s in 0..4 %}
{%- for r in 0..rows %}{% for k in 0..tiles %}
    {
{%- let m = format!("{r}_{k}_{s}") %}
        let p = (m1_{{ m }} + m2_{{ m }}) * (-1.0 / 6.0); let r = (m1_{{ m }} - m2_{{ m }}) * (-1.0 / 6.0);
        let g = (m3_{{ m }} + m4_{{ m }}) * (1.0 / 24.0); let h = (m3_{{ m }} - m4_{{ m }}) * (1.0 / 24.0);
        let y0 = 0.25 * m0_{{ m }} + p + g + bias;
        let y1 = 2.0 * h + r + bias;
        let y2 = 4.0 * g + p + bias;
        let y3 = 8.0 * h + r + m5_{{ m }} + bias;
{%- for l in self.parts() %}
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
        // Shifts, for it divides lane by lane.
        let column = (e & {{ 4 * tiles / step - 1 }}u) * {{ step }}u;
        let r = (e >> {{ self.bits(4 * tiles / step) }}u) & {{ rows - 1 }}u;
        let j = e >> {{ self.bits(4 * tiles / step * rows) }}u;
        if (r < rows{{ s }} && column < columns{{ s }} && first + j < outputs) {
            let result = z[e];
            y[(at{{ s }} + j * plane + r * width + column){% if aligned %} / 4u{% endif %}] = select(slope * result, result, result > {{ number }}());
        }
    }
{%- endfor %}
}
