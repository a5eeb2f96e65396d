//! Convolution on the CPU, as sums of shifted rows: no im2col, every multiplication in registers.
//!
//! A picture's channel is laid out as one long signal with a zero behind each row, so that a kernel's tap is a
//! constant offset into the signal: `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]`.
//! A 3x3 convolution has 9 taps. The 4x4 convolution with stride 2 has 4, once its input is split into the four
//! planes of even and odd rows and columns. Both gradients have the same form.

use pulp::{Arch, Simd, WithSimd};

use super::{for_each_piece, map_indices};

/// Outputs that share a load of the input; weights are packed in such blocks.
const OUTPUTS: usize = 4;
/// Room behind a signal for a strip that runs past its end, in values.
const SLACK: usize = 64;
/// How much of the input one pass over the outputs should touch, in values (128 KB, half of a small L2).
const CACHED: usize = 32 * 1024;

/// `[batch, channels, height, width]`
pub type Shape = [usize; 4];

/// How a plane lies in its signal.
#[derive(Clone, Copy)]
struct Layout {
    height: usize,
    width: usize,
    /// From a pixel to the one below it.
    row: usize,
    /// Zeros before the first pixel.
    margin: usize,
    /// From the first pixel to behind the last row's zero.
    span: usize,
    /// Length of a signal.
    len: usize,
}

impl Layout {
    fn new(height: usize, width: usize) -> Self {
        let row = width + 1;
        let (margin, span) = (row + 1, height * row);
        Self {
            height,
            width,
            row,
            margin,
            span,
            len: margin + span + margin + SLACK,
        }
    }
}

/// Which of the planes of even and odd rows and columns: (row, column) parity.
const PHASES: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// One picture's channels, each as a signal.
struct Planes {
    layout: Layout,
    data: Vec<f32>,
}

impl Planes {
    /// `x` `[C,H,W]` -> C signals.
    fn whole(x: &[f32], height: usize, width: usize) -> Self {
        let layout = Layout::new(height, width);
        let channels = x.len() / (height * width);
        let mut data = vec![0.0; channels * layout.len];
        for (plane, signal) in x
            .chunks_exact(height * width)
            .zip(data.chunks_exact_mut(layout.len))
        {
            let signal = &mut signal[layout.margin..];
            for (from, to) in plane.chunks_exact(width).zip(signal.chunks_mut(layout.row)) {
                to[..width].copy_from_slice(from);
            }
        }
        Self { layout, data }
    }

    /// `x` `[C,H,W]` -> 4 C signals of half the size, all channels of a phase before the next.
    fn phases(x: &[f32], height: usize, width: usize) -> Self {
        let layout = Layout::new(height / 2, width / 2);
        let channels = x.len() / (height * width);
        let mut data = vec![0.0; 4 * channels * layout.len];
        let mut signals = data.chunks_exact_mut(layout.len);
        for (odd_row, odd_column) in PHASES {
            for (plane, signal) in x.chunks_exact(height * width).zip(signals.by_ref()) {
                let rows = plane.chunks_exact(width).skip(odd_row).step_by(2);
                for (from, to) in rows.zip(signal[layout.margin..].chunks_mut(layout.row)) {
                    for (from, to) in from.iter().skip(odd_column).step_by(2).zip(to) {
                        *to = *from;
                    }
                }
            }
        }
        Self { layout, data }
    }

    /// Where position 0 of each signal lies once its taps start at 0, for taps that begin `shift(plane)` away.
    fn starts(&self, shift: impl Fn(usize) -> isize) -> Vec<usize> {
        let count = self.data.len() / self.layout.len;
        (0..count)
            .map(|j| (j * self.layout.len + self.layout.margin).wrapping_add_signed(shift(j)))
            .collect()
    }
}

/// Offsets of a kernel's taps, row by row, from its first.
fn taps<const T: usize>(row: usize) -> [usize; T] {
    let side = if T == 9 { 3 } else { 2 };
    std::array::from_fn(|t| t / side * row + t % side)
}

/// Weights by blocks of [`OUTPUTS`]: `[O/4][J][T][4]`, zero where O is no multiple of 4.
///
/// `weight(o, j, t)` reads the weight of one tap.
fn pack<const T: usize>(
    outputs: usize,
    inputs: usize,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Vec<f32> {
    let mut packed = vec![0.0; outputs.div_ceil(OUTPUTS) * inputs * T * OUTPUTS];
    for (block, packed) in packed.chunks_exact_mut(inputs * T * OUTPUTS).enumerate() {
        for (i, value) in packed.iter_mut().enumerate() {
            let (o, j, t) = (
                block * OUTPUTS + i % OUTPUTS,
                i / OUTPUTS / T,
                i / OUTPUTS % T,
            );
            if o < outputs {
                *value = weight(o, j, t);
            }
        }
    }
    packed
}

/// `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]` for all outputs of one picture.
struct ShiftedSum<'a, const T: usize> {
    planes: &'a Planes,
    starts: &'a [usize],
    /// As [`pack`] lays them out.
    weights: &'a [f32],
    /// `[O]`, or none.
    bias: Option<&'a [f32]>,
    outputs: usize,
    /// Takes (output, row, values of that row).
    store: &'a mut dyn FnMut(usize, usize, &[f32]),
}

impl<const T: usize> WithSimd for ShiftedSum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let layout = self.planes.layout;
        let taps = taps::<T>(layout.row);
        let inputs = self.starts.len();
        let rows_at_once = (CACHED / (inputs * layout.row)).clamp(1, layout.height);
        let mut signal = vec![0.0; OUTPUTS * (rows_at_once * layout.row + SLACK)];
        let stride = signal.len() / OUTPUTS;
        for first_row in (0..layout.height).step_by(rows_at_once) {
            let rows = rows_at_once.min(layout.height - first_row);
            let from = first_row * layout.row;
            let span = rows * layout.row;
            for (block, weights) in self.weights.chunks_exact(inputs * T * OUTPUTS).enumerate() {
                let first = block * OUTPUTS;
                let bias: [f32; OUTPUTS] = std::array::from_fn(|m| {
                    self.bias
                        .and_then(|bias| bias.get(first + m))
                        .copied()
                        .unwrap_or_default()
                });
                let mut p = 0;
                while p < span {
                    let vectors = (span - p).div_ceil(S::F32_LANES);
                    let x = &self.planes.data[from + p..];
                    let y = &mut signal[p..];
                    // As many vectors as the registers hold beside the loads: 12 sums of 8 lanes, 8 of 4.
                    p += S::F32_LANES
                        * match vectors {
                            1 => strip::<S, 1, T>(
                                simd,
                                x,
                                self.starts,
                                &taps,
                                weights,
                                bias,
                                y,
                                stride,
                            ),
                            3.. if S::F32_LANES > 4 => strip::<S, 3, T>(
                                simd,
                                x,
                                self.starts,
                                &taps,
                                weights,
                                bias,
                                y,
                                stride,
                            ),
                            _ => strip::<S, 2, T>(
                                simd,
                                x,
                                self.starts,
                                &taps,
                                weights,
                                bias,
                                y,
                                stride,
                            ),
                        };
                }
                for m in 0..OUTPUTS.min(self.outputs - first) {
                    for r in 0..rows {
                        let row = &signal[m * stride + r * layout.row..][..layout.width];
                        (self.store)(first + m, first_row + r, row);
                    }
                }
            }
        }
    }
}

/// `V` vectors of [`OUTPUTS`] outputs, summed over all inputs and taps in registers. Returns `V`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn strip<S: Simd, const V: usize, const T: usize>(
    simd: S,
    x: &[f32],
    starts: &[usize],
    taps: &[usize; T],
    weights: &[f32],
    bias: [f32; OUTPUTS],
    y: &mut [f32],
    stride: usize,
) -> usize {
    let lanes = S::F32_LANES;
    let mut sums: [[S::f32s; V]; OUTPUTS] = std::array::from_fn(|m| [simd.splat_f32s(bias[m]); V]);
    for (start, weights) in starts.iter().zip(weights.chunks_exact(T * OUTPUTS)) {
        let x = &x[*start..][..taps[T - 1] + V * lanes];
        for t in 0..T {
            let x: &[S::f32s] = S::as_simd_f32s(&x[taps[t]..][..V * lanes]).0;
            let weights = &weights[t * OUTPUTS..][..OUTPUTS];
            for m in 0..OUTPUTS {
                let weight = simd.splat_f32s(weights[m]);
                for v in 0..V {
                    sums[m][v] = simd.mul_add_e_f32s(weight, x[v], sums[m][v]);
                }
            }
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let y = S::as_mut_simd_f32s(&mut y[m * stride..][..V * lanes]).0;
        y.copy_from_slice(sums);
    }
    V
}

/// `dw[o][j][t] = sum over pictures and p of dy[o][p] x[j][p + tap[t]]` for [`OUTPUTS`] outputs.
struct Correlation<'a, const T: usize> {
    x: &'a [Planes],
    dy: &'a [Planes],
    starts: &'a [usize],
    /// First of the outputs.
    first: usize,
    /// `[<= 4][J][T]`
    dw: &'a mut [f32],
}

impl<const T: usize> WithSimd for Correlation<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A row of taps at a time: 12 sums of a 3x3 kernel, 8 of a 2x2.
        if T == 9 {
            self.rows_of_taps::<S, 3>(simd)
        } else {
            self.rows_of_taps::<S, 2>(simd)
        }
    }
}

impl<const T: usize> Correlation<'_, T> {
    #[inline(always)]
    fn rows_of_taps<S: Simd, const SIDE: usize>(self, simd: S) {
        let Some(layout) = self.x.first().map(|planes| planes.layout) else {
            return;
        };
        let lanes = S::F32_LANES;
        let inputs = self.starts.len();
        let outputs = self.dw.len() / (inputs * T);
        let span = layout.span.next_multiple_of(lanes);
        let pictures_at_once = (CACHED * 2 / (OUTPUTS * span)).max(1);
        for (x, dy) in self
            .x
            .chunks(pictures_at_once)
            .zip(self.dy.chunks(pictures_at_once))
        {
            for (j, start) in self.starts.iter().enumerate() {
                for tap_row in 0..SIDE {
                    let mut sums = [[simd.splat_f32s(0.0); SIDE]; OUTPUTS];
                    for (x, dy) in x.iter().zip(dy) {
                        let x = &x.data[start + tap_row * layout.row..][..span + SIDE - 1];
                        // Outputs past the last repeat it; their sums are not kept.
                        let dy: [&[S::f32s]; OUTPUTS] = std::array::from_fn(|m| {
                            let o = self.first + m.min(outputs - 1);
                            S::as_simd_f32s(&dy.data[o * layout.len + layout.margin..][..span]).0
                        });
                        for i in 0..span / lanes {
                            for column in 0..SIDE {
                                let x = S::as_simd_f32s(&x[i * lanes + column..][..lanes]).0[0];
                                for m in 0..OUTPUTS {
                                    sums[m][column] =
                                        simd.mul_add_e_f32s(dy[m][i], x, sums[m][column]);
                                }
                            }
                        }
                    }
                    for (m, sums) in sums.into_iter().take(outputs).enumerate() {
                        let dw = &mut self.dw[(m * inputs + j) * T + tap_row * SIDE..][..SIDE];
                        for (dw, sum) in dw.iter_mut().zip(sums) {
                            *dw += simd.reduce_sum_f32s(sum);
                        }
                    }
                }
            }
        }
    }
}

/// The shift to a 3x3 kernel's first tap: one row up, one column left.
fn first_tap(layout: Layout) -> isize {
    -(layout.row as isize) - 1
}

/// The shift to the first tap that falls on a phase: odd rows and columns begin one before the even ones.
fn first_tap_of_phase(layout: Layout, phase: usize) -> isize {
    let (odd_row, odd_column) = PHASES[phase];
    -((odd_row * layout.row + odd_column) as isize)
}

/// Row and column in the 4x4 kernel of a phase's tap t: even rows meet rows 1 and 3 of the kernel, odd ones 0 and 2.
fn place_of_tap(phase: usize, t: usize) -> (usize, usize) {
    let (odd_row, odd_column) = PHASES[phase];
    (2 * (t / 2) + 1 - odd_row, 2 * (t % 2) + 1 - odd_column)
}

/// 3x3 convolution with padding 1: `x` `[B,I,H,W]`, `weight` `[O,I,3,3]`, `bias` `[O]` or none -> `[B,O,H,W]`.
pub fn forward(x: &[f32], shape: Shape, weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [_, inputs, _, _] = shape;
    let outputs = weight.len() / (inputs * 9);
    convolve(x, shape, outputs, bias, |o, j, t| {
        weight[(o * inputs + j) * 9 + t]
    })
}

/// The gradient of [`forward`] by its input: `dy` `[B,O,H,W]` -> `[B,I,H,W]`. The same with the kernel rotated.
pub fn input_gradient(dy: &[f32], shape: Shape, weight: &[f32]) -> Vec<f32> {
    let [_, outputs, _, _] = shape;
    let inputs = weight.len() / (outputs * 9);
    convolve(dy, shape, inputs, None, |i, o, t| {
        weight[(o * inputs + i) * 9 + 8 - t]
    })
}

/// `weight(o, j, t)` reads the weight of one tap.
fn convolve(
    x: &[f32],
    shape: Shape,
    outputs: usize,
    bias: Option<&[f32]>,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let packed = &pack::<9>(outputs, inputs, weight);
    let pixels = height * width;
    let mut y = vec![0.0; batch * outputs * pixels];
    let arch = Arch::new();
    for_each_piece(&mut y, outputs * pixels, |b, y| {
        let planes = Planes::whole(&x[b * inputs * pixels..][..inputs * pixels], height, width);
        let starts = planes.starts(|_| first_tap(planes.layout));
        let store = &mut |o: usize, r: usize, row: &[f32]| {
            y[(o * height + r) * width..][..width].copy_from_slice(row);
        };
        arch.dispatch(ShiftedSum::<9> {
            planes: &planes,
            starts: &starts,
            weights: packed,
            bias,
            outputs,
            store,
        });
    });
    y
}

/// The gradient of [`forward`] by its weight: `x` `[B,I,H,W]`, `dy` `[B,O,H,W]` -> `[O,I,3,3]`.
pub fn weight_gradient(x: &[f32], shape: Shape, dy: &[f32]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    let outputs = dy.len() / (batch * pixels);
    let x = map_indices(batch, |b| {
        Planes::whole(&x[b * inputs * pixels..][..inputs * pixels], height, width)
    });
    let dy = map_indices(batch, |b| {
        Planes::whole(
            &dy[b * outputs * pixels..][..outputs * pixels],
            height,
            width,
        )
    });
    let starts = x
        .first()
        .map(|planes| planes.starts(|_| first_tap(planes.layout)))
        .unwrap_or_default();
    let mut dw = vec![0.0; outputs * inputs * 9];
    let arch = Arch::new();
    for_each_piece(&mut dw, OUTPUTS * inputs * 9, |block, dw| {
        arch.dispatch(Correlation::<9> {
            x: &x,
            dy: &dy,
            starts: &starts,
            first: block * OUTPUTS,
            dw,
        });
    });
    dw
}

/// 4x4 convolution with stride 2 and padding 1: `x` `[B,I,H,W]`, `weight` `[O,I,4,4]`, `bias` `[O]` -> `[B,O,H/2,W/2]`.
pub fn halving_forward(x: &[f32], shape: Shape, weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let outputs = weight.len() / (inputs * 16);
    let (pixels, half_pixels) = (height * width, height * width / 4);
    // Input planes are (phase, channel).
    let packed = pack::<4>(outputs, 4 * inputs, |o, j, t| {
        let (row, column) = place_of_tap(j / inputs, t);
        weight[((o * inputs + j % inputs) * 4 + row) * 4 + column]
    });
    let mut y = vec![0.0; batch * outputs * half_pixels];
    let arch = Arch::new();
    for_each_piece(&mut y, outputs * half_pixels, |b, y| {
        let planes = Planes::phases(&x[b * inputs * pixels..][..inputs * pixels], height, width);
        let starts = planes.starts(|j| first_tap_of_phase(planes.layout, j / inputs));
        let (height, width) = (height / 2, width / 2);
        let store = &mut |o: usize, r: usize, row: &[f32]| {
            y[(o * height + r) * width..][..width].copy_from_slice(row);
        };
        arch.dispatch(ShiftedSum::<4> {
            planes: &planes,
            starts: &starts,
            weights: &packed,
            bias,
            outputs,
            store,
        });
    });
    y
}

/// The gradient of [`halving_forward`] by its input: `dy` `[B,O,H/2,W/2]` -> `[B,I,H,W]`, a phase of it at a time.
pub fn halving_input_gradient(dy: &[f32], shape: Shape, weight: &[f32]) -> Vec<f32> {
    let [batch, outputs, half_height, half_width] = shape;
    let inputs = weight.len() / (outputs * 16);
    let half_pixels = half_height * half_width;
    let packed: Vec<Vec<f32>> = (0..4)
        .map(|phase| {
            // The taps of the gradient are those of the convolution, backwards.
            pack::<4>(inputs, outputs, |i, o, t| {
                let (row, column) = place_of_tap(phase, 3 - t);
                weight[((o * inputs + i) * 4 + row) * 4 + column]
            })
        })
        .collect();
    let mut dx = vec![0.0; batch * inputs * half_pixels * 4];
    let arch = Arch::new();
    for_each_piece(&mut dx, inputs * half_pixels * 4, |b, dx| {
        let planes = Planes::whole(
            &dy[b * outputs * half_pixels..][..outputs * half_pixels],
            half_height,
            half_width,
        );
        for (phase, (odd_row, odd_column)) in PHASES.into_iter().enumerate() {
            // Even rows are met by outputs r - 1 and r, odd ones by r and r + 1.
            let row = planes.layout.row as isize;
            let shift = (odd_row as isize - 1) * row + (odd_column as isize - 1);
            let starts = planes.starts(|_| shift);
            let store = &mut |i: usize, r: usize, values: &[f32]| {
                let to = &mut dx[(i * half_height * 2 + 2 * r + odd_row) * half_width * 2..]
                    [..half_width * 2];
                for (to, value) in to.iter_mut().skip(odd_column).step_by(2).zip(values) {
                    *to = *value;
                }
            };
            let weights = &packed[phase];
            let sum = ShiftedSum::<4> {
                planes: &planes,
                starts: &starts,
                weights,
                bias: None,
                outputs: inputs,
                store,
            };
            arch.dispatch(sum);
        }
    });
    dx
}

/// The gradient of [`halving_forward`] by its weight: `x` `[B,I,H,W]`, `dy` `[B,O,H/2,W/2]` -> `[O,I,4,4]`.
pub fn halving_weight_gradient(x: &[f32], shape: Shape, dy: &[f32]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let (pixels, half_pixels) = (height * width, height * width / 4);
    let outputs = dy.len() / (batch * half_pixels);
    let x = map_indices(batch, |b| {
        Planes::phases(&x[b * inputs * pixels..][..inputs * pixels], height, width)
    });
    let dy = map_indices(batch, |b| {
        Planes::whole(
            &dy[b * outputs * half_pixels..][..outputs * half_pixels],
            height / 2,
            width / 2,
        )
    });
    let starts = x
        .first()
        .map(|planes| planes.starts(|j| first_tap_of_phase(planes.layout, j / inputs)))
        .unwrap_or_default();
    let mut by_phase = vec![0.0; outputs * 4 * inputs * 4];
    let arch = Arch::new();
    for_each_piece(&mut by_phase, OUTPUTS * 4 * inputs * 4, |block, dw| {
        arch.dispatch(Correlation::<4> {
            x: &x,
            dy: &dy,
            starts: &starts,
            first: block * OUTPUTS,
            dw,
        });
    });
    let mut dw = vec![0.0; outputs * inputs * 16];
    for (index, value) in by_phase.into_iter().enumerate() {
        let (o, plane, t) = (index / (16 * inputs), index / 4 % (4 * inputs), index % 4);
        let (row, column) = place_of_tap(plane / inputs, t);
        dw[((o * inputs + plane % inputs) * 4 + row) * 4 + column] = value;
    }
    dw
}

/// The gradient of either by its bias: `dy` `[B,O,H,W]` -> `[O]`.
pub fn bias_gradient(dy: &[f32], shape: Shape) -> Vec<f32> {
    let [_, outputs, height, width] = shape;
    let mut sums = vec![0.0; outputs];
    for (i, plane) in dy.chunks_exact(height * width).enumerate() {
        sums[i % outputs] += plane.iter().sum::<f32>();
    }
    sums
}
