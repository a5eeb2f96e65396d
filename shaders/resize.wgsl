{#- Upsampling and pooling by 2, and their gradients; an invocation takes `rows` rows of the smaller image: four neighbouring columns
for upsampling, two for pooling.

    Upsample:  along each axis y[2i] = (x[i-1] + 3 x[i]) / 4 and y[2i+1] = (3 x[i] + x[i+1]) / 4, indices clamped
    AvgPool:   y[r,c] = the mean of x[2r,2c], x[2r,2c+1], x[2r+1,2c], x[2r+1,2c+1]
    MaxPool:   their maximum; its gradient goes to the first that has it

    source   the smaller image [planes,H,W] for Upsample and the gradients of pooling, else the larger one [planes,2H,2W]; for
             UpsampleConcat [B,C,H,W]
    input_b  for MaxPoolGradient the input of the pooling, [planes,2H,2W]; for UpsampleConcat [B,D,H,W], whose planes follow those of source
    result   the other size; for UpsampleConcat [B,C+D,2H,2W]

Permutations: the seven kinds (`Resizing::new` chooses the rows); all for every adapter.
-#}
struct Params {
    /// Planes of the result.
    planes: u32,
    /// H
    height: u32,
    /// W
    width: u32,
    /// Columns of the grid of workgroups.
    group_columns: u32,
    /// C
    x_channels: u32,
    /// C + D
    output_channels: u32,
}
@group(0) @binding(0) var<storage, read_write> source: array<{{ self.reads() }}>;
{%- if kind == Resize::MaxPoolGradient || kind == Resize::UpsampleConcat %}
@group(0) @binding(1) var<storage, read_write> input_b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;
{%- else %}
@group(0) @binding(1) var<storage, read_write> result: array<{{ self.writes() }}>;
@group(0) @binding(2) var<uniform> params: Params;
{%- endif %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    let height = params.height; let width = params.width;
{%- let columns = self.columns() %}
    let runs = width / {{ columns }}u;
    let id = (group.y * params.group_columns + group.x) * 64u + index;
    let bands = (height + {{ rows - 1 }}u) / {{ rows }}u;
    if (id >= params.planes * bands * runs) { return; }
    let run = id % runs;
    let row = (id / runs) % bands * {{ rows }}u;
    let plane = id / (runs * bands);
{%- match kind %}
{%- when Resize::Upsample | Resize::UpsampleConcat %}
    let left = select(0u, 1u, run > 0u); let right = select(0u, 1u, run + 1u < runs);
{%- if kind == Resize::UpsampleConcat %}
    let x_channels = params.x_channels; let output_channels = params.output_channels;
    let image = plane / output_channels; let channel = plane % output_channels;
    let is_input_b = channel >= x_channels;
    let origin = select(image * x_channels + channel, image * (output_channels - x_channels) + channel - x_channels, is_input_b);
{%- else %}
    let origin = plane;
{%- endif %}
    // Each row of x, upsampled along the row: eight columns.
{%- for r in 0..(rows + 2) %}
    let at{{ r }} = (origin * height + clamp(row + {{ r }}u, 1u, height) - 1u) * runs + run;
{%- if kind == Resize::UpsampleConcat %}
    var x{{ r }}: vec4f; var before{{ r }}: f32; var after{{ r }}: f32;
    if (is_input_b) {
        x{{ r }} = input_b[at{{ r }}]; before{{ r }} = input_b[at{{ r }} - left].w; after{{ r }} = input_b[at{{ r }} + right].x;
    } else {
        x{{ r }} = source[at{{ r }}]; before{{ r }} = source[at{{ r }} - left].w; after{{ r }} = source[at{{ r }} + right].x;
    }
{%- else %}
    let x{{ r }} = source[at{{ r }}]; let before{{ r }} = source[at{{ r }} - left].w; let after{{ r }} = source[at{{ r }} + right].x;
{%- endif %}
    let l{{ r }} = select(x{{ r }}.x, before{{ r }}, left > 0u);
    let r{{ r }} = select(x{{ r }}.w, after{{ r }}, right > 0u);
    let low{{ r }} = 0.75 * x{{ r }} + 0.25 * vec4f(l{{ r }}, x{{ r }}.xyz);
    let high{{ r }} = 0.75 * x{{ r }} + 0.25 * vec4f(x{{ r }}.yzw, r{{ r }});
{%- endfor %}
{%- for r in 0..rows %}
    if (row + {{ r }}u < height) {
        let to = ((plane * height + row + {{ r }}u) * 2u * runs + run) * 2u;
{%- for below in 0..2 %}
{%- let neighbour = r + 2 * below %}
        let low_{{ neighbour }} = 0.75 * low{{ r + 1 }} + 0.25 * low{{ neighbour }};
        let high_{{ neighbour }} = 0.75 * high{{ r + 1 }} + 0.25 * high{{ neighbour }};
        result[to + {{ 2 * below }}u * runs] = vec4f(low_{{ neighbour }}.x, high_{{ neighbour }}.x, low_{{ neighbour }}.y, high_{{ neighbour }}.y);
        result[to + {{ 2 * below }}u * runs + 1u] = vec4f(low_{{ neighbour }}.z, high_{{ neighbour }}.z, low_{{ neighbour }}.w, high_{{ neighbour }}.w);
{%- endfor %}
    }
{%- endfor %}
{%- when Resize::UpsampleGradient %}
    // dx[i] = (dy[2i-1] + 3 dy[2i] + 3 dy[2i+1] + dy[2i+2]) / 4 along each axis, indices clamped.
    let left = select(0u, 1u, run > 0u); let right = select(0u, 1u, run + 1u < runs);
    // Each row of dy from 2 row - 1 on, half as wide: four columns.
{%- for r in 0..(2 * rows + 2) %}
    let at{{ r }} = (plane * 2u * height + clamp(2u * row + {{ r }}u, 1u, 2u * height) - 1u) * 2u * runs + 2u * run;
    let a{{ r }} = source[at{{ r }}]; let b{{ r }} = source[at{{ r }} + 1u];
    let l{{ r }} = select(a{{ r }}.x, source[at{{ r }} - left].w, left > 0u);
    let r{{ r }} = select(b{{ r }}.w, source[at{{ r }} + 1u + right].x, right > 0u);
    let even{{ r }} = vec4f(a{{ r }}.xz, b{{ r }}.xz); let odd{{ r }} = vec4f(a{{ r }}.yw, b{{ r }}.yw);
    let s{{ r }} = 0.75 * (even{{ r }} + odd{{ r }}) + 0.25 * (vec4f(l{{ r }}, odd{{ r }}.xyz) + vec4f(even{{ r }}.yzw, r{{ r }}));
{%- endfor %}
{%- for r in 0..rows %}
    if (row + {{ r }}u < height) {
        result[(plane * height + row + {{ r }}u) * runs + run] = 0.75 * (s{{ 2 * r + 1 }} + s{{ 2 * r + 2 }}) + 0.25 * (s{{ 2 * r }} + s{{ 2 * r + 3 }});
    }
{%- endfor %}
{%- when Resize::AvgPool %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let s = source[at] + source[at + runs];
    result[id] = 0.25 * vec2f(s.x + s.y, s.z + s.w);
{%- when Resize::MaxPool %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let s = max(source[at], source[at + runs]);
    result[id] = vec2f(max(s.x, s.y), max(s.z, s.w));
{%- when Resize::AvgPoolGradient %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let dy = 0.25 * source[id];
    result[at] = dy.xxyy;
    result[at + runs] = dy.xxyy;
{%- when Resize::MaxPoolGradient %}
    let at = (plane * 2u * height + 2u * row) * runs + run;
    let dy = source[id].xxyy;
    let a = input_b[at]; let b = input_b[at + runs];
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
