//! 3x3 convolution by Winograd's F(4x4, 3x3): 36 multiplications where the direct way needs 144.
//!
//! A 6x6 window d of the input and the kernel g give a 4x4 tile of the output, `A^T [(G g G^T) * (B^T d B)] A`
//! (Lavin and Gray, 2016). The product in the middle is summed over inputs, so that each of its 36 places is a
//! matrix product of its own. Windows lie side by side in the vectors: pixel (r, c) of all windows is one signal.

use pulp::{Arch, Simd, WithSimd};

use super::conv::{OUTPUTS, SLACK, Shape, pack};
use super::for_each_piece;

/// Side of an output tile, and of the window that it sees.
const TILE: usize = 4;
const WINDOW: usize = 6;
const PLACES: usize = WINDOW * WINDOW;
/// How many transformed values to make before using them (640 KB, most of an L2).
const CACHED: usize = 160 * 1024;

/// Whether it is worth it: enough channels to pay for the transforms, and sides that tiles fill.
pub fn pays(inputs: usize, outputs: usize, height: usize, width: usize) -> bool {
    let tiled = |side: usize| side >= 2 * TILE && side.is_multiple_of(TILE);
    inputs >= 16 && outputs >= 16 && inputs * outputs >= 1024 && tiled(height) && tiled(width)
}

/// `G g G^T` of a kernel, [3,3] -> [6,6].
fn transform_kernel(g: [f32; 9]) -> [f32; PLACES] {
    fn along(g: [f32; 3]) -> [f32; WINDOW] {
        let [a, b, c] = g;
        let (even, far) = ((a + c) / -6.0, a / 24.0 + c / 6.0);
        [a / 4.0, even - b / 6.0, even + b / 6.0, far + b / 12.0, far - b / 12.0, c]
    }
    let columns: [[f32; WINDOW]; 3] = std::array::from_fn(|c| along([g[c], g[3 + c], g[6 + c]]));
    let rows: [[f32; WINDOW]; WINDOW] =
        std::array::from_fn(|r| along([columns[0][r], columns[1][r], columns[2][r]]));
    std::array::from_fn(|i| rows[i / WINDOW][i % WINDOW])
}

/// `factor x + plus`
#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, x: S::f32s, plus: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), x, plus)
}

/// `B^T d` along one axis.
#[inline(always)]
fn transform_input<S: Simd>(simd: S, d: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let (near, far) = (times(simd, -4.0, d2, d4), times(simd, -4.0, d1, d3));
    let (outer, inner) = (simd.sub_f32s(d4, d2), simd.sub_f32s(d3, d1));
    [
        times(simd, 4.0, d0, times(simd, -5.0, d2, d4)),
        simd.add_f32s(near, far),
        simd.sub_f32s(near, far),
        times(simd, 2.0, inner, outer),
        times(simd, -2.0, inner, outer),
        times(simd, 4.0, d1, times(simd, -5.0, d3, d5)),
    ]
}

/// `A^T m` along one axis.
#[inline(always)]
fn transform_output<S: Simd>(simd: S, m: [S::f32s; WINDOW]) -> [S::f32s; TILE] {
    let [m0, m1, m2, m3, m4, m5] = m;
    let (sum, difference) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
    let (sum_far, difference_far) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
    [
        simd.add_f32s(m0, simd.add_f32s(sum, sum_far)),
        times(simd, 2.0, difference_far, difference),
        times(simd, 4.0, sum_far, sum),
        times(simd, 8.0, difference_far, simd.add_f32s(difference, m5)),
    ]
}

/// `x` [B,I,H,W] and a kernel per output and input -> [B,O,H,W]; padding 1, `bias` [O] or none.
pub fn convolve(
    x: &[f32],
    shape: Shape,
    outputs: usize,
    kernel: impl Fn(usize, usize) -> [f32; 9],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let kernels: Vec<[f32; PLACES]> =
        (0..outputs * inputs).map(|i| transform_kernel(kernel(i / inputs, i % inputs))).collect();
    let weights: Vec<Vec<f32>> =
        (0..PLACES).map(|place| pack::<1>(outputs, inputs, |o, j, _| kernels[o * inputs + j][place])).collect();
    let pixels = height * width;
    let mut y = vec![0.0; batch * outputs * pixels];
    let arch = Arch::new();
    for_each_piece(&mut y, outputs * pixels, |b, y| {
        let x = &x[b * inputs * pixels..][..inputs * pixels];
        arch.dispatch(Picture { x, height, width, inputs, weights: &weights, bias, y });
    });
    y
}

/// One picture's convolution.
struct Picture<'a> {
    x: &'a [f32],
    height: usize,
    width: usize,
    inputs: usize,
    /// Per place as [`pack`] lays them out.
    weights: &'a [Vec<f32>],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

impl WithSimd for Picture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many vectors as the registers hold beside the loads: 12 sums of 8 lanes, 8 of 4.
        if S::F32_LANES > 4 { self.convolve::<S, 3>(simd) } else { self.convolve::<S, 2>(simd) }
    }
}

impl Picture<'_> {
    /// In strips of `V` vectors of windows.
    #[inline(always)]
    fn convolve<S: Simd, const V: usize>(self, simd: S) {
        let Self { x, height, width, inputs, weights, bias, y } = self;
        let (pixels, lanes, zero) = (height * width, S::F32_LANES, simd.splat_f32s(0.0));
        let strip = V * lanes;
        // A row of tiles in a signal, with room for the two pixels that the last window sees beyond its tile.
        let row = width / TILE + 1;
        let rows_at_once = rows_at_once(height / TILE, row, inputs, strip);
        let strips = (rows_at_once * row).div_ceil(strip);
        let len = strips * strip + row + SLACK;
        let mut phases = vec![0.0; TILE * TILE * len];
        // [36][strips][I][strip]
        let mut windows = vec![0.0; PLACES * strips * inputs * strip];
        // [36][4][len]
        let mut products = vec![0.0; PLACES * OUTPUTS * len];
        for first in (0..height / TILE).step_by(rows_at_once) {
            let rows = rows_at_once.min(height / TILE - first);
            let strips_here = (rows * row).div_ceil(strip);
            let span = strips_here * strip;
            for j in 0..inputs {
                split(&x[j * pixels..][..pixels], width, first, rows, row, len, &mut phases);
                for p in (0..span).step_by(lanes) {
                    // Loops instead of closures: what is not inlined here is compiled without SIMD.
                    let mut rows = [[zero; WINDOW]; WINDOW];
                    for c in 0..WINDOW {
                        let mut column = [zero; WINDOW];
                        for r in 0..WINDOW {
                            // A window begins one pixel above and left of its tile.
                            let signal = (r % TILE * TILE + c % TILE) * len;
                            column[r] = load::<S>(&phases, signal + r / TILE * row + c / TILE + p);
                        }
                        let column = transform_input(simd, column);
                        for r in 0..WINDOW {
                            rows[r][c] = column[r];
                        }
                    }
                    for r in 0..WINDOW {
                        let places = transform_input(simd, rows[r]);
                        for c in 0..WINDOW {
                            let to = ((r * WINDOW + c) * strips + p / strip) * inputs + j;
                            store::<S>(&mut windows, to * strip + p % strip, places[c]);
                        }
                    }
                }
            }
            for (block, y) in y.chunks_mut(OUTPUTS * pixels).enumerate() {
                for (place, weights) in weights.iter().enumerate() {
                    let weights = &weights[block * inputs * OUTPUTS..][..inputs * OUTPUTS];
                    let windows = &windows[place * strips * inputs * strip..][..strips_here * inputs * strip];
                    for (s, windows) in windows.chunks_exact(inputs * strip).enumerate() {
                        let products = &mut products[place * OUTPUTS * len + s * strip..];
                        multiply::<S, V>(simd, windows, weights, products, len);
                    }
                }
                for (m, y) in y.chunks_exact_mut(pixels).enumerate() {
                    let bias = simd.splat_f32s(bias.map_or(0.0, |bias| bias[block * OUTPUTS + m]));
                    for p in (0..span).step_by(lanes) {
                        let mut rows = [[zero; WINDOW]; TILE];
                        for c in 0..WINDOW {
                            let mut column = [zero; WINDOW];
                            for r in 0..WINDOW {
                                column[r] = load::<S>(&products, ((r * WINDOW + c) * OUTPUTS + m) * len + p);
                            }
                            let column = transform_output(simd, column);
                            for r in 0..TILE {
                                rows[r][c] = column[r];
                            }
                        }
                        for r in 0..TILE {
                            let places = transform_output(simd, rows[r]);
                            for c in 0..TILE {
                                store::<S>(&mut phases, (r * TILE + c) * len + p, simd.add_f32s(places[c], bias));
                            }
                        }
                    }
                    join(&phases, width, first, rows, row, len, y);
                }
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(from: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&from[at..][..S::F32_LANES]).0[0]
}

#[inline(always)]
fn store<S: Simd>(to: &mut [f32], at: usize, values: S::f32s) {
    S::as_mut_simd_f32s(&mut to[at..][..S::F32_LANES]).0[0] = values;
}

/// The rows that so many rows of tiles see, split so that pixel (r, c) of every window is one signal.
fn split(x: &[f32], width: usize, first: usize, rows: usize, row: usize, len: usize, phases: &mut [f32]) {
    for i in 0..TILE * (rows + 1) {
        let to = i % TILE * TILE * len + i / TILE * row;
        // The first row seen lies one above the first tile.
        let y = (first * TILE + i).wrapping_sub(1);
        let Some(from) = x.get(y.wrapping_mul(width)..).and_then(|x| x.get(..width)).filter(|_| y < x.len()) else {
            for c in 0..TILE {
                phases[to + c * len..][..row].fill(0.0);
            }
            continue;
        };
        let (one, two, three, zero) = (to + len, to + 2 * len, to + 3 * len, to);
        phases[zero] = 0.0;
        for (t, four) in from.chunks_exact(TILE).enumerate() {
            phases[one + t] = four[0];
            phases[two + t] = four[1];
            phases[three + t] = four[2];
            phases[zero + t + 1] = four[3];
        }
        for c in 1..TILE {
            phases[to + c * len + row - 1] = 0.0;
        }
    }
}

/// The reverse for the tiles themselves.
fn join(phases: &[f32], width: usize, first: usize, rows: usize, row: usize, len: usize, y: &mut [f32]) {
    for i in 0..TILE * rows {
        let from = i % TILE * TILE * len + i / TILE * row;
        let to = &mut y[(first * TILE + i) * width..][..width];
        for (t, four) in to.chunks_exact_mut(TILE).enumerate() {
            for (c, value) in four.iter_mut().enumerate() {
                *value = phases[from + c * len + t];
            }
        }
    }
}

/// `y[m][p] = sum over j of weights[j][m] x[j][p]` for a strip of `V` vectors and [`OUTPUTS`] outputs m.
#[inline(always)]
fn multiply<S: Simd, const V: usize>(simd: S, x: &[f32], weights: &[f32], y: &mut [f32], stride: usize) {
    let lanes = S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); V]; OUTPUTS];
    for (x, weights) in x.chunks_exact(V * lanes).zip(weights.chunks_exact(OUTPUTS)) {
        let x = S::as_simd_f32s(x).0;
        for m in 0..OUTPUTS {
            let weight = simd.splat_f32s(weights[m]);
            for v in 0..V {
                sums[m][v] = simd.mul_add_e_f32s(weight, x[v], sums[m][v]);
            }
        }
    }
    for m in 0..OUTPUTS {
        for v in 0..V {
            store::<S>(y, m * stride + v * lanes, sums[m][v]);
        }
    }
}

/// How many rows of tiles to do at once: what fits the cache, and fills its strips best.
fn rows_at_once(rows: usize, row: usize, inputs: usize, strip: usize) -> usize {
    let most = (CACHED / (PLACES * inputs * row)).clamp(1, rows);
    // Strips for the whole picture; on a tie the more rows.
    let strips = |at_once: usize| {
        let (whole, rest) = (rows / at_once, rows % at_once);
        whole * (at_once * row).div_ceil(strip) + (rest * row).div_ceil(strip)
    };
    (1..=most).rev().min_by_key(|&at_once| strips(at_once)).unwrap_or(1)
}
