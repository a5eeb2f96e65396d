//! The CPU's kernels, on plain slices: portable SIMD (AVX2, NEON, wasm) by pulp, on all cores natively. Where a program has no
//! threads, as in a browser, [`Workers`] share the convolutions. [`rescale`] is for photographs. `tests/ops.rs` compares all kernels with their references.

pub mod adamw;
pub mod conv;
pub mod edge_map;
mod exp;
pub mod heatmap;
pub mod job;
pub mod mean_error;
pub mod norm;
pub mod peak;
pub mod rescale;
pub mod resize;
mod winograd;

use std::cell::Cell;

use pulp::Arch;
#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;

use job::ConvJob;

/// `[batch, channels, height, width]`
pub type Shape = [usize; 4];

/// Runs convolutions on other cores that share no memory with this thread. A browser's are in `src/web/cores.rs`.
pub trait Workers {
    /// Runs a convolution, with the result of [`ConvJob::run`] bit for bit. Returns `None` to have it run on this thread: if no worker
    /// is ready, or the convolution is too small or too large to share.
    fn run(&self, job: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Option<Vec<f32>>;
}

thread_local! {
    static WORKERS: Cell<Option<&'static dyn Workers>> = const { Cell::new(None) };
}

/// Shares the convolutions of this thread with `workers` from now on. See this module's tests.
pub fn set_workers(workers: &'static dyn Workers) {
    WORKERS.set(Some(workers));
}

/// Runs a convolution on the [`Workers`] of this thread, or else by [`ConvJob::run`].
pub fn convolve(job: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    (WORKERS.get())
        .and_then(|workers| workers.run(job, a, b, bias))
        .unwrap_or_else(|| job.run(a, b, bias))
}

/// Runs `work` on each piece of `out` with its index, on all cores natively, with the widest vectors of this CPU.
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

/// Returns `work(i)` for each index in order, on all cores natively, with the widest vectors of this CPU.
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

#[cfg(test)]
mod tests {
    use super::job::ConvKind;
    use super::job::ConvPass;
    use super::*;

    /// Takes convolutions of more than one image, and returns nothing but ones.
    struct Ones;

    impl Workers for Ones {
        fn run(&self, job: ConvJob, _: &[f32], _: &[f32], _: Option<&[f32]>) -> Option<Vec<f32>> {
            let [_, _, y] = job.lengths();
            (job.shape[0] > 1).then(|| vec![1.0; y])
        }
    }

    #[test]
    fn convolve_asks_the_workers_of_its_thread_first() {
        let zeros = |batch: usize| {
            let job = ConvJob {
                pass: ConvPass::Forward,
                kind: ConvKind::Same3x3,
                shape: [batch, 1, 2, 2],
                other_channels: 1,
            };
            convolve(job, &vec![0.0; batch * 4], &[0.0; 9], None)
        };
        assert_eq!(zeros(2), [0.0; 8]);
        set_workers(&Ones);
        let (taken, refused) = (zeros(2), zeros(1));
        WORKERS.set(None); // other tests may run on this thread
        assert_eq!(taken, [1.0; 8]);
        assert_eq!(refused, [0.0; 4]);
    }
}
