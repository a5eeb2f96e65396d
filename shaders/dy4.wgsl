/// Four pixels of dy's row that starts at `start`, from `column` on; zero outside of it.
fn dy4(start: u32, column: u32, width: u32, wanted: bool) -> vec4f {
{%- if aligned %}
    return select(vec4f(), dy[(start + min(column, width - 4u)) / 4u], wanted && column < width);
{%- else %}
    // Without a variable: SwiftShader did not finish compiling dozens of them.
    let four = vec4f({% for j in 0..4 %}dy[start + min(column + {{ j }}u, width - 1u)]{% if !loop.last %}, {% endif %}{% endfor %});
    return select(vec4f(), four, vec4<bool>(wanted) & (vec4u(column) + vec4u(0u, 1u, 2u, 3u) < vec4u(width)));
{%- endif %}
}
