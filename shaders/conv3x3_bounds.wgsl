{#- Included by conv3x3.wgsl and conv3x3_quad.wgsl. Finds out which of the rows `row - 1` to `row + rows` are inside the image, and where the strip's neighbours
are. -#}
{% for a in 0..(rows + 2) %}
    let inside{{ a }} = row + {{ a }}u >= 1u && row + {{ a }}u <= height;
    let row{{ a }} = clamp(row + {{ a }}u, 1u, height) - 1u;
{%- endfor %}

    // Offsets of the neighbours to the left and to the right, in `number`s, without leaving the row.
    let left = select(0u, 1u, start_column > 0u);
{%- for p in 1..(4 * tiles / step + 1) %}
    let has{{ p }} = start_column + {{ step * p }}u < width; let to{{ p }} = select(0u, {{ p }}u, has{{ p }});
{%- endfor %}
