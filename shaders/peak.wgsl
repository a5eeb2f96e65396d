{#- Measures an adapter's peak: independent chains of multiply-adds, a = a m + c.

    y  [invocations], so that the compiler cannot drop a chain

Permutations: 1 to 32 `chains`, for the bench on every adapter.
-#}
struct Params {
    rounds: u32,
}
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let start = vec4f(f32(id.x) * 1e-6);
    let m = vec4f(0.999) + start * 1e-3;
    let c = vec4f(0.001) - start * 1e-3;
{%- for k in 0..chains %}
    var a{{ k }} = start + {{ k }}.0;
{%- endfor %}
    for (var round = 0u; round < params.rounds; round++) {
{%- for _ in 0..4 %}{% for k in 0..chains %}
        a{{ k }} = fma(a{{ k }}, m, c);
{%- endfor %}{% endfor %}
    }
    y[id.x] = {% for k in 0..chains %}a{{ k }}{% if !loop.last %} + {% endif %}{% endfor %};
}
