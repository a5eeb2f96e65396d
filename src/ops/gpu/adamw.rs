//! AdamW on the GPU: `shaders/adamw.wgsl`.

use askama::Template;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, dims, empty, grad_arena, grid, launch};
use crate::ops::AdamWStep;

/// `shaders/adamw.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "adamw.wgsl", escape = "none")]
struct AdamW;

/// `Params` of `shaders/adamw.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    run_count: u32,
    group_columns: u32,
    beta1: f32,
    beta2: f32,
    bias_correction1: f32,
    bias_correction2: f32,
    rate: f32,
    rate_decay: f32,
    epsilon: f32,
}

impl Shader for AdamW {
    type Params = Params;
}

/// Takes `g, m, v, p` `[N]` of each parameter and returns the new `m, v, p`, which are contiguous in one buffer each, so that the
/// next step copies nothing. Those of the widest network take 98 MiB; every adapter binds 128 MiB.
pub fn step(parameters: Vec<[CubeTensor; 4]>, step: AdamWStep) -> Vec<[CubeTensor; 3]> {
    let mut columns: [Vec<CubeTensor>; 4] = Default::default();
    for tensors in parameters {
        for (column, tensor) in columns.iter_mut().zip(tensors) {
            column.push(into_contiguous(tensor));
        }
    }
    let [g, m, v, p] = columns;
    let (starts, size) = grad_arena::layout(&p);
    let (gradients, grad_starts) = grad_arena::gather(&g);
    let before = [&m, &v, &p].map(|tensors| grad_arena::as_contiguous(tensors));
    let after = [(); 3].map(|()| empty(&p[0], [size]));

    // The vec4 at which the gradient of each run of a parameter begins.
    let runs: Vec<u32> = (g.iter().zip(grad_starts))
        .flat_map(|(g, start)| {
            let [count] = dims(g);
            (start..start + count).step_by(grad_arena::STRIDE)
        })
        .map(|start| start as u32 / 4)
        .collect();
    let run_count = runs.len();
    let like = &p[0];
    let runs = CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        Shape::new([run_count]),
        like.client.create_from_slice(bytemuck::cast_slice(&runs)),
        DType::U32,
    );

    let groups = grid(run_count);
    let [beta1, beta2] = step.betas.map(|beta| beta as f32);
    let [bias_correction1, bias_correction2] =
        step.bias_corrections().map(|correction| correction as f32);
    let params = Params {
        run_count: run_count as u32,
        group_columns: groups[0] as u32,
        beta1,
        beta2,
        bias_correction1,
        bias_correction2,
        rate: step.rate as f32,
        rate_decay: (step.rate * step.decay) as f32,
        epsilon: step.epsilon as f32,
    };
    let [m, v, q] = &before;
    let [new_m, new_v, new_p] = &after;
    let buffers = [&gradients, &runs, m, v, q, new_m, new_v, new_p];
    launch(AdamW, groups, &buffers, params);
    grad_arena::clear(&like.device, size);
    (p.iter().zip(starts))
        .map(|(p, start)| {
            [new_m, new_v, new_p].map(|all| grad_arena::view(all, start, dims::<1>(p)))
        })
        .collect()
}

/// Adds every kernel of this file that an adapter may run.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    found.add(AdamW);
}
