//! Channels beside one another on the GPU: `shaders/concatenate.wgsl`.

use askama::Template;
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, dims, empty, grid, launch};

/// `shaders/concatenate.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "concatenate.wgsl", escape = "none")]
struct Concatenate;

impl Shader for Concatenate {}

/// `x` `[B,X,H,W]` and `y` `[B,Y,H,W]` -> `[B,X+Y,H,W]`, H W a multiple of four.
pub fn concatenate(x: CubeTensor, y: CubeTensor) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let [batch, first, height, width] = dims(&x);
    let [_, second, ..] = dims::<4>(&y);
    let both = empty(&x, [batch, first + second, height, width]);
    let fours = [first, second].map(|channels| channels * height * width / 4);
    let all = batch * (fours[0] + fours[1]);
    let groups = grid(all.div_ceil(64));
    let sizes = [all, fours[0], fours[1], groups[0]];
    launch(Concatenate, groups, &[&x, &y, &both], &sizes);
    both
}

/// What `dy` is of x, of so many channels, and of y: nothing is copied, where a part begins at an address that one may.
pub fn gradients(dy: CubeTensor, channels: usize) -> [CubeTensor; 2] {
    let [batch, all, height, width] = dims(&dy);
    [0..channels, channels..all]
        .map(|channels| slice(dy.clone(), &[0..batch, channels, 0..height, 0..width]))
}
