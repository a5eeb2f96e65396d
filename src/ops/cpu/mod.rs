//! The CPU's kernels, on plain slices: portable SIMD (AVX2, NEON, wasm) by pulp, all cores natively; in a browser
//! `helpers` share the convolutions.

pub mod adamw;
pub mod conv;
pub mod distance;
pub mod edge_map;
mod exp;
pub mod heatmap;
#[cfg(target_family = "wasm")]
pub mod helpers;
pub mod norm;
pub mod peak;
pub mod plan;
pub mod resize;
mod winograd;

use pulp::Arch;
#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;

/// [`ConvJob::run`](plan::ConvJob::run) on all cores.
pub fn convolve(plan: plan::ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    #[cfg(not(target_family = "wasm"))]
    return plan.run(a, b, bias);
    #[cfg(target_family = "wasm")]
    helpers::run(plan, a, b, bias)
}

/// Each piece of `out`, on all cores natively, with the widest vectors that there are.
fn for_each_piece(out: &mut [f32], piece: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let arch = Arch::new();
    let work = |(i, out): (usize, &mut [f32])| {
        arch.dispatch(
            #[inline(always)]
            || work(i, out),
        );
    };
    #[cfg(not(target_family = "wasm"))]
    out.par_chunks_mut(piece).enumerate().for_each(work);
    #[cfg(target_family = "wasm")]
    out.chunks_mut(piece).enumerate().for_each(work);
}

/// `work` of each index, in order, on all cores natively, with the widest vectors that there are.
fn map_indices<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let arch = Arch::new();
    let work = |i| {
        arch.dispatch(
            #[inline(always)]
            || work(i),
        )
    };
    #[cfg(not(target_family = "wasm"))]
    {
        (0..count).into_par_iter().map(work).collect()
    }
    #[cfg(target_family = "wasm")]
    (0..count).map(work).collect()
}
