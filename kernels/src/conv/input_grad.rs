//! The input gradient of the 3x3 convolution.

use super::forward::convolve;
use crate::Shape;

/// Input gradient of [`forward`](super::forward()): `dy` `[B,O,H,W]`, `weight` `[O,I,3,3]` -> `[B,I,H,W]`.
///
/// `dx[i] = sum over o, dr, dc of weight[o,i,1-dr,1-dc] dy[o]` shifted by (dr, dc): a convolution with the kernel rotated by 180 degrees.
pub fn input_grad(dy: &[f32], shape: Shape, weight: &[f32]) -> Vec<f32> {
    let [_, outputs, _, _] = shape;
    let inputs = weight.len() / (outputs * 9);
    convolve(dy, shape, inputs, None, |i, o, row, column| {
        weight[(o * inputs + i) * 9 + 8 - row * 3 - column]
    })
}
