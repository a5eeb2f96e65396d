//! AdamW on the GPU: `shaders/adamw.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, bits, dims, empty, grid, launch, number};
use crate::ops::AdamWStep;

/// `shaders/adamw.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "adamw.wgsl", escape = "none")]
struct AdamW {
    aligned: bool,
}

impl Shader for AdamW {}

impl AdamW {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
}

/// `g, m, v, p` `[N]` -> the new `m, v, p`.
pub fn step(tensors: [CubeTensor; 4], step: AdamWStep) -> [CubeTensor; 3] {
    let [g, m, v, p] = tensors.map(into_contiguous);
    let [count] = dims(&g);
    let renewed = [(); 3].map(|()| empty(&g, [count]));
    let aligned = count.is_multiple_of(4);
    let numbers = if aligned { count / 4 } else { count };
    let groups = grid(numbers.div_ceil(64));
    let [b1, b2] = step.betas;
    let [left1, left2] = step.left();
    let constants = [
        b1,
        b2,
        left1,
        left2,
        step.rate,
        step.rate * step.decay,
        step.epsilon,
    ];
    let sizes: Vec<usize> = [numbers, groups[0]]
        .into_iter()
        .chain(constants.map(bits))
        .collect();
    let [new_m, new_v, new_p] = &renewed;
    launch(
        AdamW { aligned },
        groups,
        &[&g, &m, &v, &p, new_m, new_v, new_p],
        &sizes,
    );
    renewed
}
