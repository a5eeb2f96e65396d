//! Convolution on the CPU, as sums of shifted rows: no im2col, every multiplication in registers.
//!
//! A plane is laid out as one long signal with a zero behind each row, so that a kernel's tap is a constant offset
//! into the signal: `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]`.
//! A 3x3 convolution has 9 taps or, once its rows went through `winograd`, 3, across, but six times on planes of a
//! quarter of the height. The 4x4 convolution with stride 2 has 4, once its input is split into the four planes of even
//! and odd rows and columns. Both gradients have the same form.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::norm::sums;
use super::winograd::{self, TILE, WINDOW};
use super::{for_each_piece, map_indices};

/// Outputs that share a load of the input; weights are packed in such blocks.
pub const OUTPUTS: usize = 4;
/// Outputs that share a load of the input in a weight's gradient: a browser has no fused multiply-add, so that a product
/// needs a register, and V8 keeps one for itself.
const TOGETHER: usize = if cfg!(target_family = "wasm") { 2 } else { 4 };
/// Room behind a signal for a strip that runs past its end, in values.
const SLACK: usize = 64;
/// How much of the input one pass over the outputs should touch, in values (128 KB, half of a small L2).
const CACHED: usize = 32 * 1024;
/// Pixels that a pass should have at least, for its weights to be worth their loads.
const PASS: usize = 96;

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

/// Channels as signals, of one place after those of the other.
struct Planes {
    layout: Layout,
    /// From a place to the next.
    place: usize,
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
        let place = data.len();
        Self {
            layout,
            place,
            data,
        }
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
        let place = data.len();
        Self {
            layout,
            place,
            data,
        }
    }

    /// `x` `[<= P,C,H,W]` -> C signals at each of WINDOW places: rows transformed by `R`, the P pictures below each
    /// other, P H/4 rows high.
    fn transformed<R: Rows>(x: &[f32], [pictures, channels, height, width]: Shape) -> Self {
        let layout = Layout::new(pictures * height.div_ceil(TILE), width);
        let mut data = vec![0.0; WINDOW * channels * layout.len];
        Arch::new().dispatch(Transform::<R> {
            x,
            channels,
            height,
            width,
            layout,
            signals: &mut data,
            rows: PhantomData,
        });
        Self {
            layout,
            place: channels * layout.len,
            data,
        }
    }

    /// Where position 0 of each signal of the first place lies once its taps start at 0, for taps that begin
    /// `shift(channel)` away.
    fn starts(&self, shift: impl Fn(usize) -> isize) -> Vec<usize> {
        (0..self.place / self.layout.len)
            .map(|j| (j * self.layout.len + self.layout.margin).wrapping_add_signed(shift(j)))
            .collect()
    }
}

/// What becomes of rows on their way into signals, six at a time.
trait Rows {
    /// How far above a tile's first row they begin.
    const ABOVE: usize;

    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW];
}

/// `B^T d` of the input.
struct Windows;

impl Rows for Windows {
    const ABOVE: usize = 1;

    #[inline(always)]
    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
        winograd::window(simd, rows)
    }
}

/// `A dy` of the output's gradient.
struct Tiles;

impl Rows for Tiles {
    const ABOVE: usize = 0;

    #[inline(always)]
    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
        let [y0, y1, y2, y3, ..] = rows;
        winograd::tile_gradient(simd, [y0, y1, y2, y3])
    }
}

/// See [`Planes::transformed`].
struct Transform<'a, R> {
    x: &'a [f32],
    channels: usize,
    height: usize,
    width: usize,
    layout: Layout,
    signals: &'a mut [f32],
    rows: PhantomData<R>,
}

impl<R: Rows> WithSimd for Transform<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, height, width) = (self.channels, self.height, self.width);
        let pictures = self.x.len() / (channels * height * width);
        let Layout {
            row, margin, len, ..
        } = self.layout;
        let tiles = height.div_ceil(TILE);
        for channel in 0..channels {
            for (picture, tile) in (0..pictures).flat_map(|p| (0..tiles).map(move |t| (p, t))) {
                let plane = &self.x[(picture * channels + channel) * height * width..];
                let rows: [&[f32]; WINDOW] =
                    std::array::from_fn(|k| match (tile * TILE + k).checked_sub(R::ABOVE) {
                        Some(r) if r < height => &plane[r * width..][..width],
                        _ => &[],
                    });
                let at = margin + (picture * tiles + tile) * row;
                for c in (0..width).step_by(S::F32_LANES) {
                    let columns = c..width.min(c + S::F32_LANES);
                    let mut values = [simd.splat_f32s(0.0); WINDOW];
                    for (value, row) in values.iter_mut().zip(rows) {
                        if !row.is_empty() {
                            *value = load(simd, &row[columns.clone()]);
                        }
                    }
                    let values = R::transform(simd, values);
                    for (k, value) in values.into_iter().enumerate() {
                        let to = &mut self.signals[(k * channels + channel) * len + at..];
                        store(simd, &mut to[columns.clone()], value);
                    }
                }
            }
        }
    }
}

/// At most a vector of values, zero behind them.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [vector] => *vector,
        _ => simd.partial_load_f32s(values),
    }
}

/// As many of a vector's values as there is room for.
#[inline(always)]
fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(to).0 {
        [to] => *to = vector,
        _ => simd.partial_store_f32s(to, vector),
    }
}

/// Offsets of a kernel's taps from its first: three by three, three across, or two by two.
fn taps<const T: usize>(row: usize) -> [usize; T] {
    let side = if T == 4 { 2 } else { 3 };
    std::array::from_fn(|t| t / side * row + t % side)
}

/// Weights by blocks of [`OUTPUTS`]: `[O/4][PLACES][J][T][4]`, zero where O is no multiple of 4.
///
/// `weight(o, j, t)` reads the weights of one tap, one for each place.
fn pack<const PLACES: usize, const T: usize>(
    outputs: usize,
    inputs: usize,
    weight: impl Fn(usize, usize, usize) -> [f32; PLACES],
) -> Vec<f32> {
    let place = inputs * T * OUTPUTS;
    let mut packed = vec![0.0; outputs.div_ceil(OUTPUTS) * PLACES * place];
    for (block, packed) in packed.chunks_exact_mut(PLACES * place).enumerate() {
        for i in 0..place {
            let (o, j, t) = (
                block * OUTPUTS + i % OUTPUTS,
                i / OUTPUTS / T,
                i / OUTPUTS % T,
            );
            if o < outputs {
                for (k, value) in weight(o, j, t).into_iter().enumerate() {
                    packed[k * place + i] = value;
                }
            }
        }
    }
    packed
}

/// What becomes of sums: a row of each place of an output.
trait Store<const PLACES: usize> {
    fn store<S: Simd>(&mut self, simd: S, output: usize, row: usize, sums: [&[f32]; PLACES]);
}

/// One place: whatever is done with (output, row, values).
impl<F: FnMut(usize, usize, &[f32])> Store<1> for F {
    #[inline(always)]
    fn store<S: Simd>(&mut self, _: S, output: usize, row: usize, [values]: [&[f32]; 1]) {
        self(output, row, values);
    }
}

/// Six places: tiles `A^T m`, four rows each, into `y` `[P,O,H,W]`.
struct Untransform<'a> {
    y: &'a mut [f32],
    outputs: usize,
    height: usize,
    width: usize,
}

impl Store<WINDOW> for Untransform<'_> {
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, output: usize, row: usize, sums: [&[f32]; WINDOW]) {
        let tiles = self.height.div_ceil(TILE);
        let (picture, first) = (row / tiles, row % tiles * TILE);
        let rows = TILE.min(self.height - first);
        let plane = (picture * self.outputs + output) * self.height;
        let y = &mut self.y[(plane + first) * self.width..][..rows * self.width];
        for c in (0..self.width).step_by(S::F32_LANES) {
            let columns = c..self.width.min(c + S::F32_LANES);
            let mut values = [simd.splat_f32s(0.0); WINDOW];
            for (value, row) in values.iter_mut().zip(sums) {
                *value = load(simd, &row[columns.clone()]);
            }
            let values = winograd::tile(simd, values);
            for (y, value) in y.chunks_exact_mut(self.width).zip(values) {
                store(simd, &mut y[columns.clone()], value);
            }
        }
    }
}

/// `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]` for all outputs, at each place.
struct ShiftedSum<'a, const PLACES: usize, const T: usize, To> {
    planes: &'a Planes,
    /// Of each input, at the first place.
    starts: &'a [usize],
    /// As [`pack`] lays them out.
    weights: &'a [f32],
    /// `[O]`, or none.
    bias: Option<&'a [f32]>,
    outputs: usize,
    to: To,
}

impl<const PLACES: usize, const T: usize, To: Store<PLACES>> WithSimd
    for ShiftedSum<'_, PLACES, T, To>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let layout = self.planes.layout;
        let taps = taps::<T>(layout.row);
        let inputs = self.starts.len();
        let starts: Vec<usize> = (self.starts.iter())
            .flat_map(|start| taps.map(|tap| start + tap))
            .collect();
        let rows_at_once = (CACHED / (PLACES * inputs * layout.row))
            .max(PASS.div_ceil(layout.row))
            .min(layout.height);
        let stride = rows_at_once * layout.row + SLACK;
        let mut sums = vec![0.0; OUTPUTS * PLACES * stride];
        // Each of a tile's rows has the second place once.
        let place_of_bias = PLACES.min(2) - 1;
        for first_row in (0..layout.height).step_by(rows_at_once) {
            let rows = rows_at_once.min(layout.height - first_row);
            let from = first_row * layout.row;
            let span = rows * layout.row - 1;
            let blocks = self.weights.chunks_exact(PLACES * inputs * T * OUTPUTS);
            for (block, weights) in blocks.enumerate() {
                let first = block * OUTPUTS;
                for (place, weights) in weights.chunks_exact(inputs * T * OUTPUTS).enumerate() {
                    let bias: [f32; OUTPUTS] = std::array::from_fn(|m| {
                        self.bias
                            .filter(|_| place == place_of_bias)
                            .and_then(|bias| bias.get(first + m))
                            .copied()
                            .unwrap_or_default()
                    });
                    let mut p = 0;
                    while p < span {
                        let strip = Strip {
                            x: &self.planes.data[place * self.planes.place + from + p..],
                            starts: &starts,
                            weights,
                            bias,
                            y: &mut sums[place * stride + p..],
                            stride: PLACES * stride,
                        };
                        p += match (span - p).div_ceil(S::F32_LANES) {
                            1 => strip.sum::<S, 1>(simd),
                            // Eight sums; with twelve some would not stay in registers.
                            _ => strip.sum::<S, 2>(simd),
                        };
                    }
                }
                for m in 0..OUTPUTS.min(self.outputs - first) {
                    for r in 0..rows {
                        let sums = std::array::from_fn(|place| {
                            &sums[(m * PLACES + place) * stride + r * layout.row..][..layout.width]
                        });
                        self.to.store(simd, first + m, first_row + r, sums);
                    }
                }
            }
        }
    }
}

/// Some vectors of [`OUTPUTS`] outputs.
struct Strip<'a> {
    x: &'a [f32],
    /// Of each input, its taps.
    starts: &'a [usize],
    /// `[J][T][4]`
    weights: &'a [f32],
    bias: [f32; OUTPUTS],
    y: &'a mut [f32],
    /// From an output to the next in `y`.
    stride: usize,
}

impl Strip<'_> {
    /// `V` vectors, summed over all inputs and taps in registers. Returns how many values they are.
    #[inline(always)]
    fn sum<S: Simd, const V: usize>(self, simd: S) -> usize {
        let values = V * S::F32_LANES;
        let mut sums: [[S::f32s; V]; OUTPUTS] = self.bias.map(|bias| [simd.splat_f32s(bias); V]);
        // One loop over inputs and taps alike: V8 keeps the sums in registers then, not where the taps are written out.
        for (start, weights) in self.starts.iter().zip(self.weights.chunks_exact(OUTPUTS)) {
            let x: &[S::f32s] = S::as_simd_f32s(&self.x[*start..][..values]).0;
            let x: [S::f32s; V] = std::array::from_fn(|v| x[v]);
            for m in 0..OUTPUTS {
                let weight = simd.splat_f32s(weights[m]);
                for v in 0..V {
                    sums[m][v] = simd.mul_add_e_f32s(weight, x[v], sums[m][v]);
                }
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            let y = S::as_mut_simd_f32s(&mut self.y[m * self.stride..][..values]).0;
            y.copy_from_slice(sums);
        }
        values
    }
}

/// `dw[o][j][l][t] = sum over p of dy[o][p + dy_line l] x[j][p + x_line l + t]` for some outputs: of lines l the taps t,
/// across.
struct Correlation<'a, const LINES: usize, const T: usize> {
    x: &'a [Planes],
    /// Of each input.
    x_starts: &'a [usize],
    x_line: usize,
    dy: &'a [Planes],
    /// Of each output.
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
                for (block, starts) in self.dy_starts.chunks(TOGETHER).enumerate() {
                    // Outputs past the last repeat it; their sums are not kept.
                    let dy: [&[S::f32s]; TOGETHER] = std::array::from_fn(|m| {
                        let start = starts[m.min(starts.len() - 1)] + line * self.dy_line;
                        S::as_simd_f32s(&dy.data[start..][..span]).0
                    });
                    for (j, start) in self.x_starts.iter().enumerate() {
                        let x = &x.data[start + line * self.x_line..][..span + T - 1];
                        let sums = correlate_signals::<S, T>(simd, x, dy);
                        for (m, sums) in sums.into_iter().take(starts.len()).enumerate() {
                            let o = block * TOGETHER + m;
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

/// Of each output and tap, by lanes.
#[inline(always)]
fn correlate_signals<S: Simd, const T: usize>(
    simd: S,
    x: &[f32],
    dy: [&[S::f32s]; TOGETHER],
) -> [[S::f32s; T]; TOGETHER] {
    let lanes = S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); T]; TOGETHER];
    let count = (x.len() + 1 - T) / lanes;
    let dy = dy.map(|dy| &dy[..count]);
    let x: [&[S::f32s]; T] = std::array::from_fn(|t| &S::as_simd_f32s(&x[t..]).0[..count]);
    for i in 0..count {
        let x: [S::f32s; T] = std::array::from_fn(|t| x[t][i]);
        for m in 0..TOGETHER {
            let dy = dy[m][i];
            for t in 0..T {
                sums[m][t] = simd.mul_add_e_f32s(dy, x[t], sums[m][t]);
            }
        }
    }
    sums
}

/// [`Correlation`] of all outputs: `dw` `[O,J,LINES,T]`.
fn correlate<const LINES: usize, const T: usize>(
    dw: &mut [f32],
    (x, x_line): (&[Planes], usize),
    x_starts: &[usize],
    (dy, dy_line): (&[Planes], usize),
    dy_starts: &[usize],
) {
    // Some for each of four cores; the fewer, the less often all inputs are read.
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
    convolve(x, shape, outputs, bias, |o, j, row, column| {
        weight[(o * inputs + j) * 9 + row * 3 + column]
    })
}

/// The gradient of [`forward`] by its input: `dy` `[B,O,H,W]` -> `[B,I,H,W]`. The same with the kernel rotated.
pub fn input_gradient(dy: &[f32], shape: Shape, weight: &[f32]) -> Vec<f32> {
    let [_, outputs, _, _] = shape;
    let inputs = weight.len() / (outputs * 9);
    convolve(dy, shape, inputs, None, |i, o, row, column| {
        weight[(o * inputs + i) * 9 + 8 - row * 3 - column]
    })
}

/// How many pictures to lay below each other, so that small ones fill vectors, and four cores have some each.
///
/// The same on every machine: it is also the order in which a weight's gradient is summed.
fn pictures_at_once([batch, _, height, width]: Shape) -> usize {
    let rows = height.div_ceil(TILE);
    (PASS / (rows * (width + 1)) + 1).min(batch.div_ceil(4))
}

/// Up to how many inputs the sum is direct: these layers are a small part of the work, and theirs are the pictures, which
/// are empty in masked blocks, where the direct sum is exact.
const FEW_INPUTS: usize = 4;

/// `weight(o, j, row, column)` reads the weight of one tap.
fn convolve(
    x: &[f32],
    shape: Shape,
    outputs: usize,
    bias: Option<&[f32]>,
    weight: impl Fn(usize, usize, usize, usize) -> f32,
) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    let mut y = vec![0.0; batch * outputs * pixels];
    if inputs <= FEW_INPUTS {
        let weights = &pack::<1, 9>(outputs, inputs, |o, j, t| [weight(o, j, t / 3, t % 3)]);
        for_each_piece(&mut y, outputs * pixels, |b, y| {
            let x = &x[b * inputs * pixels..][..inputs * pixels];
            let planes = &Planes::whole(x, height, width);
            Arch::new().dispatch(ShiftedSum::<1, 9, _> {
                planes,
                starts: &planes.starts(|_| -(planes.layout.row as isize) - 1),
                weights,
                bias,
                outputs,
                to: |o: usize, r: usize, row: &[f32]| {
                    y[(o * height + r) * width..][..width].copy_from_slice(row);
                },
            });
        });
        return y;
    }
    let weights = &pack::<WINDOW, 3>(outputs, inputs, |o, j, column| {
        winograd::kernel(std::array::from_fn(|row| weight(o, j, row, column)))
    });
    let group = pictures_at_once(shape);
    for_each_piece(&mut y, group * outputs * pixels, |g, y| {
        let pictures = y.len() / (outputs * pixels);
        let x = &x[g * group * inputs * pixels..][..pictures * inputs * pixels];
        let planes = &Planes::transformed::<Windows>(x, [pictures, inputs, height, width]);
        Arch::new().dispatch(ShiftedSum::<WINDOW, 3, _> {
            planes,
            starts: &planes.starts(|_| -1),
            weights,
            bias,
            outputs,
            to: Untransform {
                y,
                outputs,
                height,
                width,
            },
        });
    });
    y
}

/// The gradient of [`forward`] by its weight: `x` `[B,I,H,W]`, `dy` `[B,O,H,W]` -> `[O,I,3,3]`.
pub fn weight_gradient(x: &[f32], shape: Shape, dy: &[f32]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    let outputs = dy.len() / (batch * pixels);
    let group = pictures_at_once(shape);
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
        (&x, x[0].place),
        &x[0].starts(|_| -1),
        (&dy, dy[0].place),
        &dy[0].starts(|_| 0),
    );
    let mut weight_grad = vec![0.0; outputs * inputs * 9];
    for (places, kernel) in dw
        .chunks_exact(WINDOW * 3)
        .zip(weight_grad.chunks_exact_mut(9))
    {
        for column in 0..3 {
            let rows = std::array::from_fn(|place| places[place * 3 + column]);
            for (row, value) in winograd::kernel_gradient(rows).into_iter().enumerate() {
                kernel[row * 3 + column] = value;
            }
        }
    }
    weight_grad
}

/// 4x4 convolution with stride 2 and padding 1: `x` `[B,I,H,W]`, `weight` `[O,I,4,4]`, `bias` `[O]` -> `[B,O,H/2,W/2]`.
pub fn halving_forward(x: &[f32], shape: Shape, weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let outputs = weight.len() / (inputs * 16);
    let (pixels, half_pixels) = (height * width, height * width / 4);
    // Input planes are (phase, channel).
    let weights = &pack::<1, 4>(outputs, 4 * inputs, |o, j, t| {
        let (row, column) = place_of_tap(j / inputs, t);
        [weight[((o * inputs + j % inputs) * 4 + row) * 4 + column]]
    });
    let mut y = vec![0.0; batch * outputs * half_pixels];
    for_each_piece(&mut y, outputs * half_pixels, |b, y| {
        let planes = &Planes::phases(&x[b * inputs * pixels..][..inputs * pixels], height, width);
        let (height, width) = (height / 2, width / 2);
        Arch::new().dispatch(ShiftedSum::<1, 4, _> {
            planes,
            starts: &planes.starts(|j| first_tap_of_phase(planes.layout, j / inputs)),
            weights,
            bias,
            outputs,
            to: |o: usize, r: usize, row: &[f32]| {
                y[(o * height + r) * width..][..width].copy_from_slice(row);
            },
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
            pack::<1, 4>(inputs, outputs, |i, o, t| {
                let (row, column) = place_of_tap(phase, 3 - t);
                [weight[((o * inputs + i) * 4 + row) * 4 + column]]
            })
        })
        .collect();
    let mut dx = vec![0.0; batch * inputs * half_pixels * 4];
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
            Arch::new().dispatch(ShiftedSum::<1, 4, _> {
                planes: &planes,
                starts: &planes.starts(|_| shift),
                weights: &packed[phase],
                bias: None,
                outputs: inputs,
                to: |i: usize, r: usize, values: &[f32]| {
                    let to = &mut dx[(i * half_height * 2 + 2 * r + odd_row) * half_width * 2..]
                        [..half_width * 2];
                    for (to, value) in to.iter_mut().skip(odd_column).step_by(2).zip(values) {
                        *to = *value;
                    }
                },
            });
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
    let row = x[0].layout.row;
    let starts = x[0].starts(|j| first_tap_of_phase(x[0].layout, j / inputs));
    let dy_starts = dy[0].starts(|_| 0);
    let mut by_phase = vec![0.0; outputs * 4 * inputs * 4];
    correlate::<2, 2>(&mut by_phase, (&x, row), &starts, (&dy, 0), &dy_starts);
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
    let mut totals = vec![0.0; outputs];
    for (i, plane) in dy.chunks_exact(height * width).enumerate() {
        totals[i % outputs] += sums(plane, plane, |dy, _| [dy])[0];
    }
    totals.into_iter().map(|total| total as f32).collect()
}
