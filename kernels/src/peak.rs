//! Peak arithmetic of the CPU: independent chains of multiply-adds, as in `shaders/peak.wgsl`.

use pulp::{Arch, Simd, WithSimd};

use super::map_indices;

/// Chains that keep the multiply-add units of a core busy and fit into its registers.
const CHAINS: usize = 12;

/// Runs at least `count` multiply-adds in each of `tasks`, rounded up to whole iterations over all chains. Returns the sums, so that the
/// compiler cannot remove them.
pub fn multiply_adds(tasks: usize, count: usize) -> Vec<f32> {
    map_indices(tasks, |task| {
        let start = task as f32; // not a constant, so that the compiler cannot compute the sums
        Arch::new().dispatch(Chains { count, start })
    })
}

struct Chains {
    count: usize,
    start: f32,
}

impl WithSimd for Chains {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (factor, plus) = (simd.splat_f32s(0.999), simd.splat_f32s(1e-3));
        let mut chains: [_; CHAINS] =
            std::array::from_fn(|k| simd.splat_f32s(self.start + k as f32));
        for _ in 0..self.count.div_ceil(CHAINS * S::F32_LANES) {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, plus);
            }
        }
        chains.map(|chain| simd.reduce_sum_f32s(chain)).iter().sum()
    }
}
