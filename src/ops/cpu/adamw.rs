//! AdamW in one pass.

use crate::ops::AdamWStep;

/// The new m, v and p of one parameter; see [`crate::ops::adamw`].
pub fn step([g, m, v, p]: [&[f32]; 4], step: AdamWStep) -> [Vec<f32>; 3] {
    let [b1, b2] = step.betas.map(|b| b as f32);
    let [new1, new2] = step.betas.map(|b| (1.0 - b) as f32);
    let [left1, left2] = step.left().map(|left| left as f32);
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
        .map(|(p, (m, v))| p * kept - m / left1 / ((v / left2).sqrt() + epsilon) * rate)
        .collect();
    [m, v, p]
}
