//! The GPU's peak rate of multiply-adds, for the bench: `shaders/peak.wgsl`.

use askama::Template;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, empty, launch};

/// `shaders/peak.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "peak.wgsl", escape = "none")]
struct Peak {
    chains: usize,
}

/// `Params` of `shaders/peak.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    rounds: u32,
}

impl Shader for Peak {
    type Params = Params;
}

/// Returns the operations of one invocation in one round: a multiply-add of a vec4 is eight.
pub fn operations(chains: usize) -> usize {
    4 * chains * 4 * 2
}

/// Runs `64 groups` invocations of `rounds` rounds on the device of `like`.
pub fn run(like: &CubeTensor, chains: usize, groups: usize, rounds: usize) -> CubeTensor {
    let y = empty(like, [64 * groups * 4]);
    let params = Params {
        rounds: rounds as u32,
    };
    launch(Peak { chains }, [groups, 1, 1], &[&y], params);
    y
}

/// Adds every kernel of this file that an adapter may run.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    for chains in 1..=32 {
        found.add(Peak { chains });
    }
}
