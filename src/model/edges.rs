//! Edge weights: how strongly each pair of keypoints is linked, one graph for all pictures.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use rand_chacha::ChaCha8Rng;

use super::normal;

/// The learned graph.
#[derive(Module, Debug)]
pub struct Edges {
    /// `[K,K]`; the upper triangle counts.
    pub raw: Param<Tensor<2>>,
}

impl Edges {
    /// Every pair linked by about `start`: `softplus(N(softplus^-1(start), 0.1))`. The authors start at softplus(-4) = 0.018.
    pub fn init(
        count: usize,
        scale: f64,
        start: f64,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let raw = start.exp_m1().ln(); // softplus^-1
        let values: Vec<f32> = (0..count * count)
            .map(|_| ((raw + 0.1 * normal(rng)) / scale) as f32)
            .collect();
        Self {
            raw: Param::from_tensor(Tensor::from_data(
                TensorData::new(values, [count, count]),
                device,
            )),
        }
    }

    /// `w_ij = softplus(scale raw_ij)` for i < j, symmetric, zero diagonal: `[K,K]`.
    ///
    /// AdamW moves `raw` as fast as any other parameter, so the weights move `scale` (the authors' `sklr`) times faster.
    pub fn weights(&self, scale: f64) -> Tensor<2> {
        let raw = self.raw.val();
        let [count, _] = raw.dims();
        // Not `triu`, which brings all of burn's arithmetic with whole numbers onto the page.
        let above: Vec<f32> = (0..count * count)
            .map(|at| f32::from(u8::from(at / count < at % count)))
            .collect();
        let above = Tensor::from_data(TensorData::new(above, [count, count]), &raw.device());
        let upper = activation::softplus(raw * scale, 1.0) * above;
        upper.clone() + upper.transpose()
    }

    /// The same weights under another scale.
    pub fn rescaled(self, from: f64, to: f64) -> Self {
        Self {
            raw: self
                .raw
                .map(|raw| (raw * (from / to)).detach().require_grad()),
        }
    }
}
