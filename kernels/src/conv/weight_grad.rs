//! Weight gradients: correlations of the input's signals with those of the output gradient.

use pulp::{Arch, Simd, WithSimd};

use super::super::winograd::{self, WINDOW};
use super::super::{for_each_piece, map_indices};
use super::planes::{Planes, Tiles, Windows};
use super::{OUTPUTS, images_per_group};
use crate::Shape;

/// Output channels that share a load of the input. A browser has no fused multiply-add, so that a product needs a register of its own,
/// and V8 reserves one.
const OUTPUTS_AT_ONCE: usize = if cfg!(target_family = "wasm") { 2 } else { 4 };

/// Weight gradient of [`forward`](super::forward()): `x` `[B,I,H,W]`, `dy` `[B,O,H,W]` -> `[O,I,3,3]`.
///
/// `dw = G^T (sum over tiles of (A dy) (B^T d))` for each column of the kernel; see `winograd`.
pub fn weight_grad(x: &[f32], shape: Shape, dy: &[f32]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    let outputs = dy.len() / (batch * pixels);
    let group = images_per_group(shape);
    let groups = batch.div_ceil(group);
    let x = map_indices(groups, |g| {
        let end = batch.min((g + 1) * group);
        let x = &x[g * group * inputs * pixels..end * inputs * pixels];
        Planes::transformed::<Windows>(x, [group, inputs, height, width])
    });
    let dy = map_indices(groups, |g| {
        let end = batch.min((g + 1) * group);
        let dy = &dy[g * group * outputs * pixels..end * outputs * pixels];
        Planes::transformed::<Tiles>(dy, [group, outputs, height, width])
    });
    let mut dw = vec![0.0; outputs * inputs * WINDOW * 3];
    correlate::<WINDOW, 3>(
        &mut dw,
        (&x, x[0].component),
        &x[0].starts(|_| -1),
        (&dy, dy[0].component),
        &dy[0].starts(|_| 0),
    );
    let mut weight_grad = vec![0.0; outputs * inputs * 9];
    for (components, kernel) in dw
        .chunks_exact(WINDOW * 3)
        .zip(weight_grad.chunks_exact_mut(9))
    {
        for column in 0..3 {
            let rows = std::array::from_fn(|k| components[k * 3 + column]);
            for (row, value) in winograd::kernel_transform_gradient(rows)
                .into_iter()
                .enumerate()
            {
                kernel[row * 3 + column] = value;
            }
        }
    }
    weight_grad
}

/// `dw[o][j][l][t] = sum over p of dy[o][p + dy_line l] x[j][p + x_line l + t]` for some outputs: the taps t of each line l of
/// the kernel.
struct Correlation<'a, const LINES: usize, const T: usize> {
    x: &'a [Planes],
    /// The start of each input's signal.
    x_starts: &'a [usize],
    x_line: usize,
    dy: &'a [Planes],
    /// The start of each output's signal.
    dy_starts: &'a [usize],
    dy_line: usize,
    /// `[O][J][LINES][T]`
    dw: &'a mut [f32],
}

impl<const LINES: usize, const T: usize> WithSimd for Correlation<'_, LINES, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let inputs = self.x_starts.len();
        for (x, dy) in self.x.iter().zip(self.dy) {
            let span = x.layout.span.next_multiple_of(lanes);
            for line in 0..LINES {
                for (block, starts) in self.dy_starts.chunks(OUTPUTS_AT_ONCE).enumerate() {
                    // The last output stands in for missing ones, whose sums are dropped.
                    let dy: [&[S::f32s]; OUTPUTS_AT_ONCE] = std::array::from_fn(|m| {
                        let start = starts[m.min(starts.len() - 1)] + line * self.dy_line;
                        S::as_simd_f32s(&dy.data[start..][..span]).0
                    });
                    for (j, start) in self.x_starts.iter().enumerate() {
                        let x = &x.data[start + line * self.x_line..][..span + T - 1];
                        let sums = correlate_signals::<S, T>(simd, x, dy);
                        for (m, sums) in sums.into_iter().take(starts.len()).enumerate() {
                            let o = block * OUTPUTS_AT_ONCE + m;
                            let dw = &mut self.dw[((o * inputs + j) * LINES + line) * T..][..T];
                            for (dw, sum) in dw.iter_mut().zip(sums) {
                                *dw += simd.reduce_sum_f32s(sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The sums of each output and tap, by lanes.
#[inline(always)]
fn correlate_signals<S: Simd, const T: usize>(
    simd: S,
    x: &[f32],
    dy: [&[S::f32s]; OUTPUTS_AT_ONCE],
) -> [[S::f32s; T]; OUTPUTS_AT_ONCE] {
    let lanes = S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); T]; OUTPUTS_AT_ONCE];
    let count = (x.len() + 1 - T) / lanes;
    let dy = dy.map(|dy| &dy[..count]);
    let x: [&[S::f32s]; T] = std::array::from_fn(|t| &S::as_simd_f32s(&x[t..]).0[..count]);
    for i in 0..count {
        let x: [S::f32s; T] = std::array::from_fn(|t| x[t][i]);
        for m in 0..OUTPUTS_AT_ONCE {
            let dy = dy[m][i];
            for t in 0..T {
                sums[m][t] = simd.mul_add_e_f32s(dy, x[t], sums[m][t]);
            }
        }
    }
    sums
}

/// Runs [`Correlation`] for all outputs on all cores: `dw` `[O,J,LINES,T]`.
pub(super) fn correlate<const LINES: usize, const T: usize>(
    dw: &mut [f32],
    (x, x_line): (&[Planes], usize),
    x_starts: &[usize],
    (dy, dy_line): (&[Planes], usize),
    dy_starts: &[usize],
) {
    // A quarter of the outputs for each of four cores: each piece reads all inputs.
    let outputs = dy_starts.len().div_ceil(4).next_multiple_of(OUTPUTS);
    for_each_piece(dw, outputs * x_starts.len() * LINES * T, |piece, dw| {
        let first = piece * outputs;
        Arch::new().dispatch(Correlation::<LINES, T> {
            x,
            x_starts,
            x_line,
            dy,
            dy_starts: &dy_starts[first..dy_starts.len().min(first + outputs)],
            dy_line,
            dw,
        });
    });
}
