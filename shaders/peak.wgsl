{#- What an adapter can do at best: chains of multiply-adds, a = a m + c, independent of each other.

    y  [invocations], so that nothing is left out
    n  rounds
-#}
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> n: array<vec4u, 1>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let start = vec4f(f32(id.x) * 1e-6);
    let m = vec4f(0.999) + start * 1e-3;
    let c = vec4f(0.001) - start * 1e-3;
{%- for k in 0..chains %}
    var a{{ k }} = start + {{ k }}.0;
{%- endfor %}
    for (var round = 0u; round < n[0].x; round++) {
{%- for _ in 0..4 %}{% for k in 0..chains %}
        a{{ k }} = fma(a{{ k }}, m, c);
{%- endfor %}{% endfor %}
    }
    y[id.x] = {% for k in 0..chains %}a{{ k }}{% if !loop.last %} + {% endif %}{% endfor %};
}
