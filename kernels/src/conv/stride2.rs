//! The 4x4 convolution with stride 2, which is a 3x3 convolution with its 2x2 average pooling, and its gradients.
//!
//! Split into the four phases of even and odd rows and columns, the input meets four 2x2 kernels with stride 1.

use pulp::Arch;

use super::super::{for_each_piece, map_indices};
use super::planes::{Layout, PHASES, Planes};
use super::shifted_sum::{ShiftedSum, pack};
use super::weight_grad::correlate;
use crate::Shape;

/// 4x4 convolution with stride 2 and padding 1: `x` `[B,I,H,W]`, `weight` `[O,I,4,4]`, `bias` `[O]` -> `[B,O,H/2,W/2]`.
pub fn forward(x: &[f32], shape: Shape, weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let outputs = weight.len() / (inputs * 16);
    let (pixels, half_pixels) = (height * width, height * width / 4);
    // Input planes are (phase, channel).
    let weights = &pack::<1, 4>(outputs, 4 * inputs, |o, j, t| {
        let (row, column) = kernel_index_of_tap(j / inputs, t);
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

/// Input gradient of [`forward`], one phase at a time: `dy` `[B,O,H/2,W/2]`, `weight` `[O,I,4,4]` -> `[B,I,H,W]`.
pub fn input_grad(dy: &[f32], shape: Shape, weight: &[f32]) -> Vec<f32> {
    let [batch, outputs, half_height, half_width] = shape;
    let inputs = weight.len() / (outputs * 16);
    let half_pixels = half_height * half_width;
    let packed: Vec<Vec<f32>> = (0..4)
        .map(|phase| {
            // The gradient has the taps of the convolution in reverse order.
            pack::<1, 4>(inputs, outputs, |i, o, t| {
                let (row, column) = kernel_index_of_tap(phase, 3 - t);
                [weight[((o * inputs + i) * 4 + row) * 4 + column]]
            })
        })
        .collect();
    let mut dx = vec![0.0; batch * inputs * half_pixels * 4];
    for_each_piece(&mut dx, inputs * half_pixels * 4, |b, dx| {
        let planes = Planes::new(
            &dy[b * outputs * half_pixels..][..outputs * half_pixels],
            half_height,
            half_width,
        );
        for (phase, (odd_row, odd_column)) in PHASES.into_iter().enumerate() {
            // Even rows are read by the outputs r - 1 and r, odd rows by r and r + 1.
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

/// Weight gradient of [`forward`]: `x` `[B,I,H,W]`, `dy` `[B,O,H/2,W/2]` -> `[O,I,4,4]`.
pub fn weight_grad(x: &[f32], shape: Shape, dy: &[f32]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let (pixels, half_pixels) = (height * width, height * width / 4);
    let outputs = dy.len() / (batch * half_pixels);
    let x = map_indices(batch, |b| {
        Planes::phases(&x[b * inputs * pixels..][..inputs * pixels], height, width)
    });
    let dy = map_indices(batch, |b| {
        Planes::new(
            &dy[b * outputs * half_pixels..][..outputs * half_pixels],
            height / 2,
            width / 2,
        )
    });
    let row = x[0].layout.row;
    let starts = x[0].starts(|j| first_tap_of_phase(x[0].layout, j / inputs));
    let dy_starts = dy[0].starts(|_| 0);
    let mut phase_grad = vec![0.0; outputs * 4 * inputs * 4];
    correlate::<2, 2>(&mut phase_grad, (&x, row), &starts, (&dy, 0), &dy_starts);
    let mut dw = vec![0.0; outputs * inputs * 16];
    for (index, value) in phase_grad.into_iter().enumerate() {
        let (o, plane, t) = (index / (16 * inputs), index / 4 % (4 * inputs), index % 4);
        let (row, column) = kernel_index_of_tap(plane / inputs, t);
        dw[((o * inputs + plane % inputs) * 4 + row) * 4 + column] = value;
    }
    dw
}

/// The offset of the first tap that falls on a phase: odd rows and columns begin one before the even ones.
fn first_tap_of_phase(layout: Layout, phase: usize) -> isize {
    let (odd_row, odd_column) = PHASES[phase];
    -((odd_row * layout.row + odd_column) as isize)
}

/// Row and column in the 4x4 kernel of tap t of a phase: even rows meet rows 1 and 3 of the kernel, odd rows 0 and 2.
fn kernel_index_of_tap(phase: usize, t: usize) -> (usize, usize) {
    let (odd_row, odd_column) = PHASES[phase];
    (2 * (t / 2) + 1 - odd_row, 2 * (t % 2) + 1 - odd_column)
}
