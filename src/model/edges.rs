//! Edge weights: how strongly each pair of keypoints is linked, one graph for all images.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use rand_chacha::ChaCha8Rng;

use super::normal;

/// The learned graph. `tests/model.rs` shows its use.
#[derive(Module, Debug)]
pub struct Edges {
    /// Weights before scale and softplus, `[K,K]`; only the upper triangle is read.
    pub raw: Param<Tensor<2>>,
}

impl Edges {
    /// Links every pair of `count` keypoints by about `start`, with the noise of `softplus(N(softplus^-1(start), 0.1))`. The authors start
    /// at softplus(-4) = 0.018.
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

    /// Returns the edge weights `w_ij = softplus(scale raw_ij)` for i < j, `[K,K]`, symmetric with a zero diagonal.
    ///
    /// AdamW moves `raw` as fast as any other parameter, so edge weights move `scale` (the authors' `sklr`) times faster.
    pub fn weights(&self, scale: f64) -> Tensor<2> {
        let raw = self.raw.val();
        let [count, _] = raw.dims();
        // Not `triu`, which adds all of Burn's integer arithmetic to the page's wasm.
        let above: Vec<f32> = (0..count * count)
            .map(|at| f32::from(u8::from(at / count < at % count)))
            .collect();
        let above = Tensor::from_data(TensorData::new(above, [count, count]), &raw.device());
        let upper = activation::softplus(raw * scale, 1.0) * above;
        upper.clone() + upper.transpose()
    }

    /// Keeps the edge weights while their scale changes.
    pub fn rescaled(self, from: f64, to: f64) -> Self {
        Self {
            raw: self
                .raw
                .map(|raw| (raw * (from / to)).detach().require_grad()),
        }
    }
}
