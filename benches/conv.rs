//! The CPU's 3x3 convolutions: GFLOP/s, counted as direct convolution's, beside a chained multiply-add's.
//! `cargo bench --profile dev --bench conv`

use std::time::Instant;
use autolink::ops::cpu::conv;

fn best(mut run: impl FnMut()) -> f64 {
    run();
    (0..7).map(|_| { let start = Instant::now(); run(); start.elapsed().as_secs_f64() }).fold(f64::INFINITY, f64::min)
}

fn main() {
    for (inputs, outputs, side) in [(3, 64, 64), (64, 64, 64), (64, 128, 32), (128, 128, 32), (128, 256, 16), (256, 256, 16), (256, 256, 8), (16, 16, 64), (32, 32, 32), (64, 64, 16), (128, 128, 8), (32,16,64)] {
        let batch = 16;
        let x = vec![0.5; batch * inputs * side * side];
        let dy = vec![0.5; batch * outputs * side * side];
        let weight = vec![0.1; outputs * inputs * 9];
        let bias = vec![0.1; outputs];
        let flop = (2 * batch * inputs * outputs * 9 * side * side) as f64 * 1e-9;
        let f = best(|| { conv::forward(&x, [batch, inputs, side, side], &weight, Some(&bias)); });
        let w = best(|| { conv::weight_gradient(&x, [batch, inputs, side, side], &dy); });
        println!("{inputs:>4} -> {outputs:>4} {side:>3} px: forward {:.0} GFLOP/s, weight gradient {:.0} GFLOP/s", flop / f, flop / w);
    }
}
