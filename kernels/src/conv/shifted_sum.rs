//! Sums of shifted signals, kept in registers: the inner loop of all convolutions and of their input gradients.

use pulp::{Simd, WithSimd};

use super::super::winograd::{self, TILE, WINDOW};
use super::planes::{Planes, load, store};
use super::{CACHE_VALUES, MIN_PASS_PIXELS, OUTPUTS, SLACK};

/// Offsets of a kernel's T taps from its first: 3x3, a row of three, or 2x2.
fn taps<const T: usize>(row: usize) -> [usize; T] {
    let side = if T == 4 { 2 } else { 3 };
    std::array::from_fn(|t| t / side * row + t % side)
}

/// Packs weights in blocks of [`OUTPUTS`] output channels: `[O/4][COMPONENTS][J][T][4]`, with zeros after the last output.
///
/// `weight(o, j, t)` returns the components of the weight of one tap.
pub(super) fn pack<const COMPONENTS: usize, const T: usize>(
    outputs: usize,
    inputs: usize,
    weight: impl Fn(usize, usize, usize) -> [f32; COMPONENTS],
) -> Vec<f32> {
    let component = inputs * T * OUTPUTS;
    let mut packed = vec![0.0; outputs.div_ceil(OUTPUTS) * COMPONENTS * component];
    for (block, packed) in packed.chunks_exact_mut(COMPONENTS * component).enumerate() {
        for i in 0..component {
            let (o, j, t) = (
                block * OUTPUTS + i % OUTPUTS,
                i / OUTPUTS / T,
                i / OUTPUTS % T,
            );
            if o < outputs {
                for (k, value) in weight(o, j, t).into_iter().enumerate() {
                    packed[k * component + i] = value;
                }
            }
        }
    }
    packed
}

/// The destination of finished sums: one row of one output channel, in all its components.
pub(super) trait Store<const COMPONENTS: usize> {
    fn store<S: Simd>(&mut self, simd: S, output: usize, row: usize, sums: [&[f32]; COMPONENTS]);
}

/// One component: a function of output channel, row and values.
impl<F: FnMut(usize, usize, &[f32])> Store<1> for F {
    #[inline(always)]
    fn store<S: Simd>(&mut self, _: S, output: usize, row: usize, [values]: [&[f32]; 1]) {
        self(output, row, values);
    }
}

/// Six components: writes their tiles `A^T m`, four rows each, to `y` `[P,O,H,W]`.
pub(super) struct Untransform<'a> {
    pub y: &'a mut [f32],
    pub outputs: usize,
    pub height: usize,
    pub width: usize,
}

impl Store<WINDOW> for Untransform<'_> {
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, output: usize, row: usize, sums: [&[f32]; WINDOW]) {
        let tiles = self.height.div_ceil(TILE);
        let (image, first) = (row / tiles, row % tiles * TILE);
        let rows = TILE.min(self.height - first);
        let plane = (image * self.outputs + output) * self.height;
        let y = &mut self.y[(plane + first) * self.width..][..rows * self.width];
        for c in (0..self.width).step_by(S::F32_LANES) {
            let columns = c..self.width.min(c + S::F32_LANES);
            let mut values = [simd.splat_f32s(0.0); WINDOW];
            for (value, row) in values.iter_mut().zip(sums) {
                *value = load(simd, &row[columns.clone()]);
            }
            let values = winograd::output_transform(simd, values);
            for (y, value) in y.chunks_exact_mut(self.width).zip(values) {
                store(simd, &mut y[columns.clone()], value);
            }
        }
    }
}

/// `y[o][p] = bias[o] + sum over j, t of weight[o][j][t] x[j][p + tap[t]]` for all outputs, in each component.
pub(super) struct ShiftedSum<'a, const COMPONENTS: usize, const T: usize, To> {
    pub planes: &'a Planes,
    /// The start of each input's signal in the first component.
    pub starts: &'a [usize],
    /// The weights as [`pack`] lays them out.
    pub weights: &'a [f32],
    /// `[O]`
    pub bias: Option<&'a [f32]>,
    pub outputs: usize,
    pub to: To,
}

impl<const COMPONENTS: usize, const T: usize, To: Store<COMPONENTS>> WithSimd
    for ShiftedSum<'_, COMPONENTS, T, To>
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
        let rows_at_once = (CACHE_VALUES / (COMPONENTS * inputs * layout.row))
            .max(MIN_PASS_PIXELS.div_ceil(layout.row))
            .min(layout.height);
        let stride = rows_at_once * layout.row + SLACK;
        let mut sums = vec![0.0; OUTPUTS * COMPONENTS * stride];
        // Each row of a tile has the second component once, with factor 1.
        let bias_component = COMPONENTS.min(2) - 1;
        for first_row in (0..layout.height).step_by(rows_at_once) {
            let rows = rows_at_once.min(layout.height - first_row);
            let from = first_row * layout.row;
            let span = rows * layout.row - 1;
            let blocks = self.weights.chunks_exact(COMPONENTS * inputs * T * OUTPUTS);
            for (block, weights) in blocks.enumerate() {
                let first = block * OUTPUTS;
                for (component, weights) in weights.chunks_exact(inputs * T * OUTPUTS).enumerate() {
                    let bias: [f32; OUTPUTS] = std::array::from_fn(|m| {
                        self.bias
                            .filter(|_| component == bias_component)
                            .and_then(|bias| bias.get(first + m))
                            .copied()
                            .unwrap_or_default()
                    });
                    let mut p = 0;
                    while p < span {
                        let strip = Strip {
                            x: &self.planes.data[component * self.planes.component + from + p..],
                            starts: &starts,
                            weights,
                            bias,
                            y: &mut sums[component * stride + p..],
                            stride: COMPONENTS * stride,
                        };
                        p += match (span - p).div_ceil(S::F32_LANES) {
                            1 => strip.sum::<S, 1>(simd),
                            // Eight sums: twelve do not fit into registers.
                            _ => strip.sum::<S, 2>(simd),
                        };
                    }
                }
                for m in 0..OUTPUTS.min(self.outputs - first) {
                    for r in 0..rows {
                        let sums = std::array::from_fn(|component| {
                            &sums[(m * COMPONENTS + component) * stride + r * layout.row..]
                                [..layout.width]
                        });
                        self.to.store(simd, first + m, first_row + r, sums);
                    }
                }
            }
        }
    }
}

/// A strip of neighbouring pixels of [`OUTPUTS`] output channels.
struct Strip<'a> {
    x: &'a [f32],
    /// The offset of each tap of each input.
    starts: &'a [usize],
    /// `[J][T][4]`
    weights: &'a [f32],
    bias: [f32; OUTPUTS],
    y: &'a mut [f32],
    /// Values from an output channel to the next in `y`.
    stride: usize,
}

impl Strip<'_> {
    /// Sums `V` vectors over all inputs and taps in registers. Returns the number of pixels.
    #[inline(always)]
    fn sum<S: Simd, const V: usize>(self, simd: S) -> usize {
        let values = V * S::F32_LANES;
        let mut sums: [[S::f32s; V]; OUTPUTS] = self.bias.map(|bias| [simd.splat_f32s(bias); V]);
        // One loop over inputs and taps together: V8 keeps the sums in registers then, but not with the taps unrolled.
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
