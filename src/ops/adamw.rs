//! The update of AdamW.

use burn::backend::{
    BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
};
use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;

use super::cpu::adamw::AdamWStep;
use super::kernels::Optimiser;
use super::{KernelBackend, gpu, kernel_backend};

/// One step of AdamW (Loshchilov and Hutter, 2019, algorithm 2). For each parameter p with its gradient g and the running means m of
/// the gradient and v of its square,
///
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
/// `p = (1 - rate decay) p - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`.
///
/// Takes `g, m, v, p` of each parameter, `[N]` all four and without autodiff, and returns the new `m, v, p`. A GPU needs one launch
/// for all parameters if m, v and p are the tensors that the step before returned. See `tests/ops.rs`.
pub fn adamw(parameters: Vec<[Tensor<1>; 4]>, step: AdamWStep) -> Vec<[Tensor<1>; 3]> {
    let Some([first, ..]) = parameters.first() else {
        return vec![];
    };
    match kernel_backend(&first.device()) {
        KernelBackend::Reference => (parameters.into_iter())
            .map(|tensors| adamw_reference(tensors, step))
            .collect(),
        KernelBackend::Cpu => (parameters.into_iter())
            .map(|tensors| {
                let [g, m, v, p] = tensors.map(Tensor::into_dispatch);
                let (m, v, p) = Dispatch::adamw(g, m, v, p, step);
                [m, v, p].map(Tensor::from_dispatch)
            })
            .collect(),
        KernelBackend::Gpu => {
            let on_device = parameters.into_iter().map(|tensors| tensors.map(on_gpu));
            (gpu::adamw::step(on_device.collect(), step).into_iter())
                .map(|tensors| tensors.map(off_gpu))
                .collect()
        }
    }
}

/// Unwraps a tensor for the GPU's kernels, since Burn's dispatch takes no lists of tensors.
fn on_gpu(tensor: Tensor<1>) -> CubeTensor {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Cube(BackendTensor::Float(tensor)) => tensor,
        other => unreachable!("a tensor of floats on a GPU, not {other:?}"),
    }
}

/// Reverts [`on_gpu`].
fn off_gpu(tensor: CubeTensor) -> Tensor<1> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Cube(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}

/// [`adamw`] of one parameter in Burn's operations; `tests/ops.rs` compares the two.
pub fn adamw_reference([g, m, v, p]: [Tensor<1>; 4], step: AdamWStep) -> [Tensor<1>; 3] {
    let ([b1, b2], [correction1, correction2]) = (step.betas, step.bias_corrections());
    let m = m * b1 + g.clone() * (1.0 - b1);
    let v = v * b2 + g.square() * (1.0 - b2);
    let direction = m.clone() / correction1 / ((v.clone() / correction2).sqrt() + step.epsilon);
    let p = p * (1.0 - step.rate * step.decay) - direction * step.rate;
    [m, v, p]
}
