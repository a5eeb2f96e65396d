//! How far one tensor is from another on the GPU: `shaders/distance.wgsl`.

use askama::Template;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, dims, empty, grid, launch};

/// `shaders/distance.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "distance.wgsl", escape = "none")]
struct Distance {
    pass: Pass,
    squared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Parts,
    Mean,
    Gradient,
}

impl Shader for Distance {}

/// The most workgroups that a sum is shared by.
const PARTS: usize = 256;

/// The mean of `|x - y|` or its square, `[1]`, of `[B,C,H,W]` both, whose size is a multiple of four.
pub fn mean(x: CubeTensor, y: CubeTensor, squared: bool) -> CubeTensor {
    let (x, y) = (into_contiguous(x), into_contiguous(y));
    let fours = dims::<4>(&x).iter().product::<usize>() / 4;
    let count = fours.div_ceil(64).min(PARTS);
    let (parts, mean) = (empty(&x, [count]), empty(&x, [1]));
    let run = |pass, groups, buffers: &[&CubeTensor]| {
        launch(
            Distance { pass, squared },
            [groups, 1, 1],
            buffers,
            &[fours, count],
        );
    };
    run(Pass::Parts, count, &[&x, &y, &parts]);
    run(Pass::Mean, 1, &[&parts, &mean]);
    mean
}

/// Its gradient by x.
pub fn gradient(x: CubeTensor, y: CubeTensor, dy: CubeTensor, squared: bool) -> CubeTensor {
    let [x, y, dy] = [x, y, dy].map(into_contiguous);
    let shape = dims::<4>(&x);
    let dx = empty(&x, shape);
    let fours = shape.iter().product::<usize>() / 4;
    let groups = grid(fours.div_ceil(64));
    let pass = Pass::Gradient;
    let sizes = [fours, 0, groups[0]];
    launch(
        Distance { pass, squared },
        groups,
        &[&x, &y, &dy, &dx],
        &sizes,
    );
    dx
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    for pass in [Pass::Parts, Pass::Mean, Pass::Gradient] {
        for squared in [false, true] {
            found.add(Distance { pass, squared });
        }
    }
}
