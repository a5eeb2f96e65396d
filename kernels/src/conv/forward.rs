//! The 3x3 convolution: Winograd's F(4, 3) down the rows, or a direct sum for few input channels.

use pulp::Arch;

use super::super::for_each_piece;
use super::super::winograd::{self, WINDOW};
use super::images_per_group;
use super::planes::{Planes, Windows};
use super::shifted_sum::{ShiftedSum, Untransform, pack};
use crate::Shape;

/// 3x3 convolution with padding 1: `x` `[B,I,H,W]`, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H,W]`.
pub fn forward(x: &[f32], shape: Shape, weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [_, inputs, _, _] = shape;
    let outputs = weight.len() / (inputs * 9);
    convolve(x, shape, outputs, bias, |o, j, row, column| {
        weight[(o * inputs + j) * 9 + row * 3 + column]
    })
}

/// The most input channels of a direct sum. Such layers are a small part of the work, and read images, whose masked cells are zero:
/// there the direct sum is exact.
const MAX_DIRECT_INPUTS: usize = 4;

/// Convolves with the kernel whose weights `weight(output, input, row, column)` returns: `x` `[B,I,H,W]` -> `[B,O,H,W]`.
pub(super) fn convolve(
    x: &[f32],
    shape: Shape,
    outputs: usize,
    bias: Option<&[f32]>,
    weight: impl Fn(usize, usize, usize, usize) -> f32,
) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    let mut y = vec![0.0; batch * outputs * pixels];
    if inputs <= MAX_DIRECT_INPUTS {
        let weights = &pack::<1, 9>(outputs, inputs, |o, j, t| [weight(o, j, t / 3, t % 3)]);
        for_each_piece(&mut y, outputs * pixels, |b, y| {
            let x = &x[b * inputs * pixels..][..inputs * pixels];
            let planes = &Planes::new(x, height, width);
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
        winograd::kernel_transform(std::array::from_fn(|row| weight(o, j, row, column)))
    });
    let group = images_per_group(shape);
    for_each_piece(&mut y, group * outputs * pixels, |g, y| {
        let images = y.len() / (outputs * pixels);
        let x = &x[g * group * inputs * pixels..][..images * inputs * pixels];
        let planes = &Planes::transformed::<Windows>(x, [images, inputs, height, width]);
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
