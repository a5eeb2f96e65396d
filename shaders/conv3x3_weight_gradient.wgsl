{#- The gradient of a 3x3 convolution by its weights.

    dw[o,i,a,k] = sum over b, r, c of dy[b,o,r,c] x[b,i,r+a-1,c+k-1]

A workgroup of `lanes` invocations goes down a strip of `pixels` columns of some pictures. An invocation sums, in registers,
for `kept` outputs (lane, lane + lanes, ..) and four inputs, all nine taps: each row of x meets the rows of dy above, at and
below it, which pass through `above`, `here` and `below`. The sums of strips and pictures are added up by sum.wgsl.

With `shared`, the lanes are one subgroup, or several of `shared` lanes each: every lane loads another part of the row of x
and shows it to the rest.

    x      [B,I,H,W]
    dy     [B,O,H,W]
    parts  [pictures / each * strips][O,I,3,3]
    n      I, O, H, W, pictures for each, strips, B
-#}
{% if shared > 0 && browser %}enable subgroups;{% endif %}
{% let number = self.number() -%}
@group(0) @binding(0) var<storage, read_write> x: array<{{ number }}>;
@group(0) @binding(1) var<storage, read_write> dy: array<{{ number }}>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 2>;

{%- let vectors = pixels / 4 %}
{%- let window = self.window() %}
{%- for (name, source) in [("x4", "x"), ("dy4", "dy")] %}

/// Four pixels of a row from column `column`, zero outside of it.
fn {{ name }}(start: u32, column: i32, width: i32, wanted: bool) -> vec4f {
{%- if aligned %}
    return select(vec4f(), {{ source }}[(start + u32(clamp(column, 0, width - 4))) / 4u], wanted && column >= 0 && column < width);
{%- else %}
    var four = vec4f();
{%- for (j, l) in [(0, "x"), (1, "y"), (2, "z"), (3, "w")] %}
    four.{{ l }} = select(0.0, {{ source }}[start + u32(clamp(column + {{ j }}, 0, width - 1))], wanted && column + {{ j }} >= 0 && column + {{ j }} < width);
{%- endfor %}
    return four;
{%- endif %}
}
{%- endfor %}

@compute @workgroup_size({{ lanes }})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
    {%- if shared > 0 %}, @builtin(subgroup_invocation_id) neighbour: u32{% endif %}) {
    let inputs = n[0].x; let outputs = n[0].y; let height = n[0].z; let width = i32(n[0].w);
    let each = n[1].x; let strips = n[1].y; let batch = n[1].z;
    let o = group.x * {{ lanes * kept }}u + lane;
    let i = group.y * 4u;
    let start_column = i32(group.z % strips) * {{ pixels }};
    let first = (group.z / strips) * each;
    let last = min(first + each, batch);
{%- for k in 0..kept %}
    let o{{ k }} = min(o + {{ k * lanes }}u, outputs - 1u);
{%- for a in 0..9 %}
    var s{{ k }}_{{ a }} = vec4f();
{%- endfor %}
{%- endfor %}
{%- if shared > 0 %}
{%- for f in 0..self.loads() %}
    // Which four pixels of which input this lane loads.
    let part{{ f }} = min({{ f * shared }}u + neighbour % {{ shared }}u, {{ 4 * window - 1 }}u);
    let i{{ f }} = min(i + part{{ f }} / {{ window }}u, inputs - 1u);
    let c{{ f }} = start_column + 4 * (i32(part{{ f }} % {{ window }}u){% if halo %} - 1{% endif %});
{%- endfor %}
{%- endif %}

    for (var picture = first; picture < last; picture++) {
{%- for k in 0..kept %}{% for v in 0..vectors %}
        var above{{ k }}_{{ v }} = vec4f();
        var here{{ k }}_{{ v }} = dy4((picture * outputs + o{{ k }}) * height * u32(width), start_column + {{ 4 * v }}, width, true);
{%- endfor %}{% endfor %}
        for (var row = 0u; row < height; row++) {
            let more = row + 1u < height;
            let next = min(row + 1u, height - 1u);
{%- for k in 0..kept %}{% for v in 0..vectors %}
            let below{{ k }}_{{ v }} = dy4(((picture * outputs + o{{ k }}) * height + next) * u32(width), start_column + {{ 4 * v }}, width, more);
{%- endfor %}{% endfor %}
{%- if shared > 0 %}
{%- for f in 0..self.loads() %}
            let q{{ f }} = x4(((picture * inputs + i{{ f }}) * height + row) * u32(width), c{{ f }}, width, true);
{%- endfor %}
{%- else %}
{%- for j in 0..4 %}
            let start{{ j }} = ((picture * inputs + min(i + {{ j }}u, inputs - 1u)) * height + row) * u32(width);
{%- for v in 0..window %}
            let q{{ j * window + v }} = x4(start{{ j }}, start_column + {{ 4 * v }}{% if halo %} - 4{% endif %}, width, true);
{%- endfor %}
{%- endfor %}
{%- endif %}
            // One column of the four inputs: from the one before the strip to the one behind it.
{%- for p in 0..(pixels + 2) %}
            let d{{ p }} = vec4f(
{%- for j in 0..4 %}{{ self.column(*j, *p) }}{% if j < 3 %}, {% endif %}{% endfor %});
{%- endfor %}
{%- for k in 0..kept %}
{%- for (a, rows) in [(0, "below"), (1, "here"), (2, "above")] %}
{%- for t in 0..3 %}
{%- for p in 0..pixels %}
            s{{ k }}_{{ 3 * a + t }} = fma(vec4f({{ rows }}{{ k }}_{{ p / 4 }}.{{ ["x", "y", "z", "w"][p % 4] }}), d{{ p + t }}, s{{ k }}_{{ 3 * a + t }});
{%- endfor %}
{%- endfor %}
{%- endfor %}
{%- for v in 0..vectors %}
            above{{ k }}_{{ v }} = here{{ k }}_{{ v }}; here{{ k }}_{{ v }} = below{{ k }}_{{ v }};
{%- endfor %}
{%- endfor %}
        }
    }
{% for k in 0..kept %}
    if (o + {{ k * lanes }}u < outputs) {
        let at = ((group.z * outputs + o + {{ k * lanes }}u) * inputs + i) * 9u;
{%- for (j, l) in [(0, "x"), (1, "y"), (2, "z"), (3, "w")] %}
        if (i + {{ j }}u < inputs) {
{%- for a in 0..9 %}
            parts[at + {{ 9 * j + a }}u] = s{{ k }}_{{ a }}.{{ l }};
{%- endfor %}
        }
{%- endfor %}
    }
{%- endfor %}
}
