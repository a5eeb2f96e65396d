//! What the GPU can do at best: `shaders/peak.wgsl`.

use askama::Template;
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, empty, launch};

/// `shaders/peak.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "peak.wgsl", escape = "none")]
struct Peak {
    chains: usize,
}

impl Shader for Peak {}

/// Operations of one invocation and round.
pub fn operations(chains: usize) -> usize {
    4 * chains * 4 * 2
}

/// Runs `64 groups` invocations of so many rounds on the device of `like`.
pub fn run(like: &CubeTensor, chains: usize, groups: usize, rounds: usize) -> CubeTensor {
    let y = empty(like, [64 * groups * 4]);
    launch(Peak { chains }, [groups, 1, 1], &[&y], &[rounds]);
    y
}

/// Every kernel of this file that an adapter may be given.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    for chains in 1..=32 {
        found.add(Peak { chains });
    }
}
