//! The CPU's kernels, on plain slices: portable SIMD (AVX2, NEON, wasm) by pulp, all cores natively.

pub mod conv;
pub mod edge_map;
pub mod resize;
mod winograd;

/// Each piece of `out`, on all cores natively.
fn for_each_piece(out: &mut [f32], piece: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(piece)
            .enumerate()
            .for_each(|(i, out)| work(i, out));
    }
    #[cfg(target_family = "wasm")]
    out.chunks_mut(piece)
        .enumerate()
        .for_each(|(i, out)| work(i, out));
}

/// `work` of each index, in order, on all cores natively.
fn map_indices<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        (0..count).into_par_iter().map(work).collect()
    }
    #[cfg(target_family = "wasm")]
    (0..count).map(work).collect()
}
