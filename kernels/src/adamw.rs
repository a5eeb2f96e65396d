//! AdamW on the CPU; `autolink::ops::adamw` has the formula.

/// The scalars of a step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Decay rates b1 and b2 of the running means of gradient and squared gradient, in `[0, 1)`.
    pub betas: [f64; 2],
    /// The learning rate.
    pub rate: f64,
    /// The weight decay.
    pub decay: f64,
    /// Added to the root of the squared gradient's mean, so that the division stays finite.
    pub epsilon: f64,
    /// Steps taken, this one included: t, from 1.
    pub steps: usize,
}

impl AdamWStep {
    /// Bias corrections `1 - b1^t` and `1 - b2^t`, by which the running means are divided because they start at zero.
    pub fn bias_corrections(&self) -> [f64; 2] {
        self.betas.map(|b| 1.0 - b.powf(self.steps as f64))
    }
}

/// Returns the new m, v and p of one parameter from its g, m, v and p, `[N]` all.
pub fn step([g, m, v, p]: [&[f32]; 4], step: AdamWStep) -> [Vec<f32>; 3] {
    let [b1, b2] = step.betas.map(|b| b as f32);
    let [new1, new2] = step.betas.map(|b| (1.0 - b) as f32);
    let [correction1, correction2] = (step.bias_corrections()).map(|correction| correction as f32);
    let (rate, epsilon) = (step.rate as f32, step.epsilon as f32);
    let kept = (1.0 - step.rate * step.decay) as f32;
    let m: Vec<f32> = m.iter().zip(g).map(|(m, g)| m * b1 + g * new1).collect();
    let v: Vec<f32> = v
        .iter()
        .zip(g)
        .map(|(v, g)| v * b2 + g * g * new2)
        .collect();
    let p = p
        .iter()
        .zip(m.iter().zip(&v))
        .map(|(p, (m, v))| p * kept - m / correction1 / ((v / correction2).sqrt() + epsilon) * rate)
        .collect();
    [m, v, p]
}
