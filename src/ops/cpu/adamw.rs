//! AdamW on the CPU; `crate::ops::adamw` has the formula.

use crate::ops::AdamWStep;

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
