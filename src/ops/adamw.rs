//! The optimiser's arithmetic.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::kernels::Statistics;
use super::{Served, served};

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

/// One step for one parameter: with gradient g and means m, v of the parameter p, all `[N]`, without autodiff,
///
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
/// `p = (1 - rate decay) p - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`. Returns the new `m, v, p`.
pub fn adamw(tensors: [Tensor<1>; 4], step: AdamWStep) -> [Tensor<1>; 3] {
    if served(&tensors[0].device()) == Served::Not {
        return adamw_reference(tensors, step);
    }
    let [g, m, v, p] = tensors.map(Tensor::into_dispatch);
    let (m, v, p) = Dispatch::adamw(g, m, v, p, step);
    [m, v, p].map(Tensor::from_dispatch)
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
