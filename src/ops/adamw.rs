//! The optimiser's arithmetic.

use burn::backend::{
    BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
};
use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;

use super::kernels::Optimiser;
use super::{KernelBackend, gpu, kernel_backend};

/// The numbers of a step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// b1 and b2: how much of the running means stays.
    pub betas: [f64; 2],
    /// Learning rate.
    pub rate: f64,
    /// Weight decay.
    pub decay: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// Steps taken, this one included: t.
    pub steps: usize,
}

impl AdamWStep {
    /// `1 - b^t`: what the means' start at zero has left of them.
    pub fn left(&self) -> [f64; 2] {
        self.betas.map(|b| 1.0 - b.powf(self.steps as f64))
    }
}

/// One step. For each parameter p, with its gradient g and the means m, v of that, all `[N]`, without autodiff,
///
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
/// `p = (1 - rate decay) p - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`.
///
/// Takes `g, m, v, p` of each, and returns the new `m, v, p`. A GPU does it in one launch, if it is given what it returned.
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
            let there = parameters.into_iter().map(|tensors| tensors.map(on_gpu));
            (gpu::adamw::step(there.collect(), step).into_iter())
                .map(|tensors| tensors.map(off_gpu))
                .collect()
        }
    }
}

/// What a GPU's kernels take: burn hands them no lists.
fn on_gpu(tensor: Tensor<1>) -> CubeTensor {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Cube(BackendTensor::Float(tensor)) => tensor,
        other => unreachable!("a tensor of floats on a GPU, not {other:?}"),
    }
}

fn off_gpu(tensor: CubeTensor) -> Tensor<1> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Cube(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}

/// [`adamw`] by burn.
pub fn adamw_reference([g, m, v, p]: [Tensor<1>; 4], step: AdamWStep) -> [Tensor<1>; 3] {
    let ([b1, b2], [left1, left2]) = (step.betas, step.left());
    let m = m * b1 + g.clone() * (1.0 - b1);
    let v = v * b2 + g.square() * (1.0 - b2);
    let direction = m.clone() / left1 / ((v.clone() / left2).sqrt() + step.epsilon);
    let p = p * (1.0 - step.rate * step.decay) - direction * step.rate;
    [m, v, p]
}
