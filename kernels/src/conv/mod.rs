//! Convolutions on the CPU, as sums of shifted rows: no im2col, every multiplication in registers.
//!
//! A plane is laid out as one long signal with a zero after each row, so that a kernel's tap is a constant offset
//! into the signal: `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]`.
//! A 3x3 convolution has 9 taps. Once Winograd's F(4, 3) transformed its rows (`winograd`) it has 3, for six components of a quarter of
//! the height. The 4x4 convolution with stride 2 has 4 taps, once its input is split into the four phases of even and odd rows and
//! columns. Both gradients have the same form. `tests/ops.rs` compares all of them with Burn's.

mod forward;
mod input_grad;
mod planes;
mod shifted_sum;
pub mod stride2;
mod weight_grad;

pub use forward::forward;
pub use input_grad::input_grad;
pub use weight_grad::weight_grad;

use super::Shape;
use super::norm::sums;
use super::winograd::TILE;

/// Output channels that share a load of the input; weights are packed in such blocks.
pub const OUTPUTS: usize = 4;
/// Values after a signal, for a strip that runs past its end.
const SLACK: usize = 64;
/// Values of the input that one pass over the outputs should read at most (128 KB, half of a small L2).
const CACHE_VALUES: usize = 32 * 1024;
/// Pixels that a pass should have at least, so that loading its weights pays.
const MIN_PASS_PIXELS: usize = 96;

/// The number of images that are laid out one below the other, so that small ones fill vectors, and four cores have some each.
///
/// It is the same on every machine, for it determines the order in which a weight gradient is summed.
fn images_per_group([batch, _, height, width]: Shape) -> usize {
    let rows = height.div_ceil(TILE);
    (MIN_PASS_PIXELS / (rows * (width + 1)) + 1).min(batch.div_ceil(4))
}

/// Bias gradient of both convolutions, the sum of each channel: `dy` `[B,O,H,W]` -> `[O]`.
pub fn bias_grad(dy: &[f32], shape: Shape) -> Vec<f32> {
    let [_, outputs, height, width] = shape;
    let mut totals = vec![0.0; outputs];
    for (i, plane) in dy.chunks_exact(height * width).enumerate() {
        totals[i % outputs] += sums(plane, plane, |dy, _| [dy])[0];
    }
    totals.into_iter().map(|total| total as f32).collect()
}
