//! The CPU's 3x3 convolutions, GFLOP/s counted as the direct way's: `RAYON_NUM_THREADS=1 cargo bench --bench conv`.
//! Beside them the processor's peak on as many cores, by chained multiply-adds, which Winograd's halving can pass.

use std::time::Instant;

use autolink::ops::cpu::conv;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Pictures a batch.
const BATCH: usize = 16;
/// Inputs, outputs, size in px: of small's decoder and detector, then of VGG16 at 64 px.
const SHAPES: [[usize; 3]; 12] = [
    [4, 16, 64],
    [16, 32, 32],
    [32, 32, 32],
    [64, 64, 16],
    [128, 128, 8],
    [32, 16, 64],
    [3, 64, 64],
    [64, 64, 64],
    [64, 128, 32],
    [128, 128, 32],
    [128, 256, 16],
    [256, 256, 16],
];

/// Seconds of the fastest of some runs.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    (0..8)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(run());
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Twelve chains of multiply-adds; the sum, so that they are done.
struct Chains(usize);

impl WithSimd for Chains {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (factor, plus) = (simd.splat_f32s(0.999), simd.splat_f32s(1e-3));
        let mut chains = [simd.splat_f32s(1.0); 12];
        for _ in 0..self.0 {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, factor, plus);
            }
        }
        chains.map(|chain| simd.reduce_sum_f32s(chain)).iter().sum()
    }
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

fn main() {
    let (arch, threads) = (Arch::new(), rayon::current_num_threads());
    let turns = 20_000_000;
    let seconds = best(|| {
        (0..threads)
            .into_par_iter()
            .map(|_| arch.dispatch(Chains(turns)))
            .sum::<f32>()
    });
    let flop = 2 * 12 * turns * threads * arch.dispatch(Lanes);
    let peak = flop as f64 * 1e-9 / seconds;
    println!("peak of {threads} cores: {peak:.0} GFLOP/s");
    let percent = |rate: f64| format!("{rate:>4.0} GFLOP/s ({:>3.0} %)", rate / peak * 100.0);
    for [inputs, outputs, side] in SHAPES {
        let pixels = BATCH * side * side;
        let ramp = |count: usize| {
            (0..count)
                .map(|i| (i % 97) as f32 * 0.01 - 0.5)
                .collect::<Vec<f32>>()
        };
        let (x, dy) = (ramp(inputs * pixels), ramp(outputs * pixels));
        let (weight, bias) = (ramp(outputs * inputs * 9), ramp(outputs));
        let (of_x, of_dy) = ([BATCH, inputs, side, side], [BATCH, outputs, side, side]);
        let flop = (2 * 9 * inputs * outputs * pixels) as f64 * 1e-9;
        let forward = flop / best(|| conv::forward(&x, of_x, &weight, Some(&bias)));
        let by_input = flop / best(|| conv::input_gradient(&dy, of_dy, &weight));
        let by_weight = flop / best(|| conv::weight_gradient(&x, of_x, &dy));
        println!(
            "{inputs:>3} -> {outputs:>3}, {side} px: forward {}, by input {}, by weight {}",
            percent(forward),
            percent(by_input),
            percent(by_weight)
        );
    }
}
