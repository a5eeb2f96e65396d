{#- Twice and half the size, and their gradients; an invocation takes four neighbouring columns of the smaller picture for
`double`, two for the rest.

    double:  along each axis y[2i] = (x[i-1] + 3 x[i]) / 4 and y[2i+1] = (3 x[i] + x[i+1]) / 4, indices clamped
    halve:   y[r,c] = the mean of x[2r,2c], x[2r,2c+1], x[2r+1,2c], x[2r+1,2c+1]
    max:     their maximum; its gradient goes to the first that has it

    small  [planes,H,W]    large  [planes,2H,2W]; what is read comes first, what is written last
    seen   [planes,2H,2W], only for the gradient of max: its input
    n      planes, H, W, columns of workgroups
-#}
@group(0) @binding(0) var<storage, read_write> source: array<{{ self.reads() }}>;
{%- if kind == Resize::MaxGradient %}
@group(0) @binding(1) var<storage, read_write> seen: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<uniform> n: array<vec4u, 1>;
{%- else %}
@group(0) @binding(1) var<storage, read_write> result: array<{{ self.writes() }}>;
@group(0) @binding(2) var<uniform> n: array<vec4u, 1>;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let height = n[0].y; let width = n[0].z;
{%- let columns = self.columns() %}
    let runs = width / {{ columns }}u;
    let id = (group.y * n[0].w + group.x) * 64u + index;
    if (id >= n[0].x * height * runs) { return; }
    let run = id % runs;
    let row = (id / runs) % height;
    let plane = id / (runs * height);
{%- match kind %}
{%- when Resize::Double %}
    let left = select(0u, 1u, run > 0u); let right = select(0u, 1u, run + 1u < runs);
    let rows = array<u32, 3>(max(row, 1u) - 1u, row, min(row + 1u, height - 1u));
    // Each row of x, twice as wide: eight columns.
{%- for r in 0..3 %}
    let at{{ r }} = (plane * height + rows[{{ r }}]) * runs + run;
    let x{{ r }} = source[at{{ r }}];
    let l{{ r }} = select(x{{ r }}.x, source[at{{ r }} - left].w, left > 0u);
    let r{{ r }} = select(x{{ r }}.w, source[at{{ r }} + right].x, right > 0u);
    let low{{ r }} = 0.75 * x{{ r }} + 0.25 * vec4f(l{{ r }}, x{{ r }}.xyz);
    let high{{ r }} = 0.75 * x{{ r }} + 0.25 * vec4f(x{{ r }}.yzw, r{{ r }});
{%- endfor %}
    let to0 = ((plane * height + row) * 2u * runs + run) * 2u;
    let to1 = to0 + 2u * runs;
{%- for (y, beside) in [(0, 0), (1, 2)] %}
    let low_{{ y }} = 0.75 * low1 + 0.25 * low{{ beside }};
    let high_{{ y }} = 0.75 * high1 + 0.25 * high{{ beside }};
    result[to{{ y }}] = vec4f(low_{{ y }}.x, high_{{ y }}.x, low_{{ y }}.y, high_{{ y }}.y);
    result[to{{ y }} + 1u] = vec4f(low_{{ y }}.z, high_{{ y }}.z, low_{{ y }}.w, high_{{ y }}.w);
{%- endfor %}
{%- when Resize::DoubleGradient %}
    // dx[i] = (dy[2i-1] + 3 dy[2i] + 3 dy[2i+1] + dy[2i+2]) / 4 along each axis, indices clamped.
    let left = select(0u, 1u, run > 0u); let right = select(0u, 1u, run + 1u < runs);
    let tall = 2u * height;
    let rows = array<u32, 4>(max(2u * row, 1u) - 1u, 2u * row, 2u * row + 1u, min(2u * row + 2u, tall - 1u));
{%- for r in 0..4 %}
    let at{{ r }} = (plane * tall + rows[{{ r }}]) * 2u * runs + 2u * run;
    let a{{ r }} = source[at{{ r }}]; let b{{ r }} = source[at{{ r }} + 1u];
    let l{{ r }} = select(a{{ r }}.x, source[at{{ r }} - left].w, left > 0u);
    let r{{ r }} = select(b{{ r }}.w, source[at{{ r }} + 1u + right].x, right > 0u);
    let even{{ r }} = vec4f(a{{ r }}.xz, b{{ r }}.xz); let odd{{ r }} = vec4f(a{{ r }}.yw, b{{ r }}.yw);
    let s{{ r }} = 0.75 * (even{{ r }} + odd{{ r }}) + 0.25 * (vec4f(l{{ r }}, odd{{ r }}.xyz) + vec4f(even{{ r }}.yzw, r{{ r }}));
{%- endfor %}
    result[(plane * height + row) * runs + run] = 0.75 * (s1 + s2) + 0.25 * (s0 + s3);
{%- when Resize::Halve %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let s = source[at] + source[at + runs];
    result[id] = 0.25 * vec2f(s.x + s.y, s.z + s.w);
{%- when Resize::Max %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let s = max(source[at], source[at + runs]);
    result[id] = vec2f(max(s.x, s.y), max(s.z, s.w));
{%- when Resize::HalveGradient %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let dy = 0.25 * source[id];
    result[at] = dy.xxyy;
    result[at + runs] = dy.xxyy;
{%- when Resize::MaxGradient %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let dy = source[id].xxyy;
    let a = seen[at]; let b = seen[at + runs];
    let s = max(a, b);
    let most = max(s.xz, s.yw).xxyy;
    // The first in reading order: a before b, the left before the right.
    let a_has = a == most; let b_has = b == most;
    let a_first = vec4<bool>(a_has.x, a_has.y && !a_has.x, a_has.z, a_has.w && !a_has.z);
    let none = vec4<bool>(!(a_has.x || a_has.y), !(a_has.x || a_has.y), !(a_has.z || a_has.w), !(a_has.z || a_has.w));
    let b_first = vec4<bool>(none.x && b_has.x, none.y && b_has.y && !b_has.x, none.z && b_has.z, none.w && b_has.w && !b_has.z);
    result[at] = select(vec4f(), dy, a_first);
    result[at + runs] = select(vec4f(), dy, b_first);
{%- endmatch %}
}
