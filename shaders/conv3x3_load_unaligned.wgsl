{#- Included by conv3x3.wgsl and conv3x3_quad.wgsl. Loads the pixels of a strip and one on each side, d`s`_0 to d`s`_`4 tiles + 1`, one by one. -#}
        let d{{ s }}_0 = select(0.0, {{ x }}[at{{ s }} - left], inside{{ a }} && left > 0u);
        let d{{ s }}_1 = select(0.0, {{ x }}[at{{ s }}], inside{{ a }});
{%- for p in 1..(4 * tiles + 1) %}
        let d{{ s }}_{{ p + 1 }} = select(0.0, {{ x }}[at{{ s }} + to{{ p }}], inside{{ a }} && has{{ p }});
{%- endfor %}
