{#- Winograd's transforms for rows of 3x3 convolutions, F(4, 3), and their weight gradients, F(3, 4) (Lavin and Gray, arXiv 1509.09308),
as macros.

    t = (4 d0 - 5 d2 + d4, -4 (d1 + d2) + d3 + d4, 4 (d1 - d2) - d3 + d4, 2 (d3 - d1) + d4 - d2, 2 (d1 - d3) + d4 - d2, 4 d1 - 5 d3 + d5)
    e = (d0, d0+d1+d2+d3, d0-d1+d2-d3, d0+2d1+4d2+8d3, d0-2d1+4d2-8d3, d3)
    p = -(m1 + m2)/6, r = -(m1 - m2)/6, g = (m3 + m4)/24, h = (m3 - m4)/24
    y0 = m0/4 + p + g    y1 = r + 2h    y2 = p + 4g    y3 = r + 8h + m5
-#}
{# t0 to t5 of six pixels of x, `<d><first>` and those after it, as `t0_<name>` to `t5_<name>`. -#}
{% macro transform_x(d, first, name) -%}
        let far_even{{ name }} = fma(-4.0, {{ d }}{{ first + 2 }}, {{ d }}{{ first + 4 }});
        let far_odd{{ name }} = fma(-4.0, {{ d }}{{ first + 1 }}, {{ d }}{{ first + 3 }});
        let near_even{{ name }} = {{ d }}{{ first + 4 }} - {{ d }}{{ first + 2 }};
        let near_odd{{ name }} = 2.0 * ({{ d }}{{ first + 3 }} - {{ d }}{{ first + 1 }});
        let t0_{{ name }} = fma(4.0, {{ d }}{{ first }}, fma(-5.0, {{ d }}{{ first + 2 }}, {{ d }}{{ first + 4 }}));
        let t1_{{ name }} = far_even{{ name }} + far_odd{{ name }}; let t2_{{ name }} = far_even{{ name }} - far_odd{{ name }};
        let t3_{{ name }} = near_even{{ name }} + near_odd{{ name }}; let t4_{{ name }} = near_even{{ name }} - near_odd{{ name }};
        let t5_{{ name }} = fma(4.0, {{ d }}{{ first + 1 }}, fma(-5.0, {{ d }}{{ first + 3 }}, {{ d }}{{ first + 5 }}));
{%- endmacro %}
{# e0 to e5 of four pixels `d` of dy, as `<d>e0` to `<d>e5`. -#}
{% macro transform_dy(d) -%}
        let {{ d }}s = {{ d }}.x + {{ d }}.z; let {{ d }}t = {{ d }}.y + {{ d }}.w;
        let {{ d }}q = fma(4.0, {{ d }}.z, {{ d }}.x); let {{ d }}r = fma(4.0, {{ d }}.w, {{ d }}.y);
        let {{ d }}e0 = {{ d }}.x; let {{ d }}e1 = {{ d }}s + {{ d }}t; let {{ d }}e2 = {{ d }}s - {{ d }}t;
        let {{ d }}e3 = fma(2.0, {{ d }}r, {{ d }}q); let {{ d }}e4 = fma(-2.0, {{ d }}r, {{ d }}q); let {{ d }}e5 = {{ d }}.w;
{%- endmacro %}
{# p, r, g and h of the sums m1_`s` to m4_`s`, as `p<name>` and so on. -#}
{% macro combine(s, name) -%}
        let p{{ name }} = (m1_{{ s }} + m2_{{ s }}) * (-1.0 / 6.0); let r{{ name }} = (m1_{{ s }} - m2_{{ s }}) * (-1.0 / 6.0);
        let g{{ name }} = (m3_{{ s }} + m4_{{ s }}) * (1.0 / 24.0); let h{{ name }} = (m3_{{ s }} - m4_{{ s }}) * (1.0 / 24.0);
{%- endmacro %}
