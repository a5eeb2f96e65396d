//! Channels beside one another on the GPU: `shaders/copy.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, dims, empty, grid, launch, number};

/// `shaders/copy.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "copy.wgsl", escape = "none")]
struct Copy {
    aligned: bool,
}

impl Shader for Copy {}

impl Copy {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
}

/// Copies all of `x` to `y`, `[N]` both.
pub fn copy_all(x: &CubeTensor, y: &CubeTensor) {
    let [count] = dims(x);
    let aligned = count.is_multiple_of(4);
    let run = if aligned { count / 4 } else { count };
    let groups = grid(run.div_ceil(64));
    let sizes = [run, run, 0, 0, 0, 0, groups[0]];
    launch(Copy { aligned }, groups, &[x, y], &sizes);
}

/// Copies channels of `x` `[B,X,H,W]` from `from` on to `y` `[B,Y,H,W]` from `to` on, as many as both have there.
fn copy(x: &CubeTensor, from: usize, y: &CubeTensor, to: usize) {
    let [batch, of_x, height, width] = dims(x);
    let [_, of_y, ..] = dims::<4>(y);
    let fours = height * width / 4;
    let run = (of_x - from).min(of_y - to) * fours;
    let groups = grid((batch * run).div_ceil(64));
    let places = [from, of_x, to, of_y].map(|channels| channels * fours);
    let sizes: Vec<usize> = [batch * run, run].into_iter().chain(places).collect();
    let shader = Copy { aligned: true };
    launch(
        shader,
        groups,
        &[x, y],
        &[&sizes[..], &groups[..1]].concat(),
    );
}

/// `x` `[B,X,H,W]` and `y` `[B,Y,H,W]` -> `[B,X+Y,H,W]`, H W a multiple of four.
pub fn concatenate(x: CubeTensor, y: CubeTensor) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let [batch, first, height, width] = dims(&x);
    let [_, second, ..] = dims::<4>(&y);
    let both = empty(&x, [batch, first + second, height, width]);
    copy(&x, 0, &both, 0);
    copy(&y, 0, &both, first);
    both
}

/// What `dy` is of x, of so many channels, and of y.
pub fn gradients(dy: CubeTensor, channels: usize) -> [CubeTensor; 2] {
    let dy = into_contiguous(dy);
    let [batch, all, height, width] = dims(&dy);
    let parts = [channels, all - channels].map(|some| empty(&dy, [batch, some, height, width]));
    copy(&dy, 0, &parts[0], 0);
    copy(&dy, channels, &parts[1], 0);
    parts
}
