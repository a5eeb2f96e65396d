//! AdamW on the GPU: `shaders/adamw.wgsl`.

use askama::Template;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, bits, dims, empty, grad_arena, grid, launch};
use crate::ops::AdamWStep;

/// `shaders/adamw.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "adamw.wgsl", escape = "none")]
struct AdamW;

impl Shader for AdamW {}

/// Of each parameter `g, m, v, p` `[N]` -> the new `m, v, p`, which lie behind one another, so that the next step finds them so.
/// The widest network's are 98 MiB, of the 128 that every adapter binds.
pub fn step(parameters: Vec<[CubeTensor; 4]>, step: AdamWStep) -> Vec<[CubeTensor; 3]> {
    let mut of: [Vec<CubeTensor>; 4] = Default::default();
    for tensors in parameters {
        for (of, tensor) in of.iter_mut().zip(tensors) {
            of.push(into_contiguous(tensor));
        }
    }
    let [g, m, v, p] = of;
    let (starts, size) = grad_arena::starts(&p);
    let (gradients, places) = grad_arena::gradients(&g);
    let before = [&m, &v, &p].map(|tensors| grad_arena::as_contiguous(tensors));
    let after = [(); 3].map(|()| empty(&p[0], [size]));

    // Where the gradient of each run of a parameter begins, in fours.
    let runs: Vec<u8> = (g.iter().zip(places))
        .flat_map(|(g, place)| {
            let [count] = dims(g);
            (place..place + count).step_by(grad_arena::STRIDE)
        })
        .flat_map(|place| (place as u32 / 4).to_le_bytes())
        .collect();
    let count = runs.len() / 4;
    let like = &p[0];
    let runs = CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        Shape::new([count]),
        like.client.create_from_slice(&runs),
        DType::U32,
    );

    let groups = grid(count);
    let [b1, b2] = step.betas;
    let [left1, left2] = step.bias_corrections();
    let constants = [
        b1,
        b2,
        left1,
        left2,
        step.rate,
        step.rate * step.decay,
        step.epsilon,
    ];
    let sizes: Vec<usize> = [count, groups[0]]
        .into_iter()
        .chain(constants.map(bits))
        .collect();
    let [m, v, q] = &before;
    let [new_m, new_v, new_p] = &after;
    let buffers = [&gradients, &runs, m, v, q, new_m, new_v, new_p];
    launch(AdamW, groups, &buffers, &sizes);
    grad_arena::clear(size);
    (p.iter().zip(starts))
        .map(|(p, start)| {
            [new_m, new_v, new_p].map(|all| grad_arena::view(all, start, dims::<1>(p)))
        })
        .collect()
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    found.add(AdamW);
}
