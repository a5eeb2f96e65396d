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

/// The strongest edge counts as at least this much above the median: a model that knows nothing yet shows no tangle.
pub const MIN_CONTRAST: f32 = 0.1;

/// The median weight of an edge, and how far the strongest rises above it, at least [`MIN_CONTRAST`]. `weights` `[K][K]`, symmetric.
///
/// Most pairs are no edge of the skeleton, so an edge is one by how far it stands out: `strength = (w - median) / rise`.
pub fn median_and_contrast(weights: &[Vec<f32>]) -> (f32, f32) {
    let mut edges: Vec<f32> = (weights.iter().enumerate())
        .flat_map(|(i, row)| row.iter().skip(i + 1).copied())
        .collect();
    edges.sort_by(f32::total_cmp);
    let median = edges.get(edges.len() / 2).copied().unwrap_or_default();
    let strongest = edges.last().copied().unwrap_or_default();
    (median, (strongest - median).max(MIN_CONTRAST))
}

/// `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest. See [`median_and_contrast`].
pub fn relative_strengths(weights: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (median, rise) = median_and_contrast(weights);
    let strength = |w: &f32| ((w - median) / rise).max(0.0);
    (weights.iter())
        .map(|row| row.iter().map(strength).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_what_stands_out() {
        let weights = |[a, b, c]: [f32; 3]| vec![vec![0.0, a, b], vec![a, 0.0, c], vec![b, c, 0.0]];
        assert_eq!(
            median_and_contrast(&weights([0.125, 0.625, 0.0625])),
            (0.125, 0.5)
        );
        assert_eq!(
            median_and_contrast(&weights([0.125, 0.1875, 0.125])),
            (0.125, MIN_CONTRAST)
        );
        assert_eq!(median_and_contrast(&[]), (0.0, MIN_CONTRAST));
    }
}
