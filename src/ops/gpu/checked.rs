//! The GPU's kernels with every index into a buffer checked. An index outside is counted and replaced by the last one
//! inside; usually nothing checks, since the kernels stay inside on their own. For tests: cubecl's own checked mode bounds
//! the loops of a kernel that comes as text, and not its indices.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::server::Handle;
use burn_cubecl::tensor::CubeTensor;

/// The number of indices that lay outside on each device, `[1]`, u32.
static COUNTERS: LazyLock<Mutex<HashMap<CubeDevice, (Client, Handle)>>> =
    LazyLock::new(Mutex::default);

/// Returns how many indices lay outside of their buffer since the program began, on all devices whose kernels check them
/// ([`crate::device::check_bounds`]); 0 where none does. See `tests/ops.rs`.
///
/// # Panics
/// If a device does not answer.
pub fn out_of_bounds() -> u32 {
    let counters = COUNTERS
        .lock()
        .expect("nothing panics while it is locked")
        .clone();
    let counts = counters.into_values().map(|(client, handle)| {
        let bytes = client.read_one(handle).expect("the device answers");
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    });
    counts.sum()
}

/// Returns the buffer in which the kernels of the device of `like` count.
pub fn counter(like: &CubeTensor) -> Handle {
    let mut counters = COUNTERS.lock().expect("nothing panics while it is locked");
    let new = || {
        let client = like.client.clone();
        let counter = client.create_from_slice(&[0; 4]);
        (client, counter)
    };
    let (_, counter) = counters.entry(like.device.clone()).or_insert_with(new);
    counter.clone()
}

/// Rewrites a kernel so that it checks its indices. Its parameters are bound one place further on, behind the [`counter`].
pub fn checked(source: &str) -> String {
    const BUFFER: &str = "var<storage, read_write> ";
    let names: Vec<&str> = (source.lines())
        .filter_map(|line| line.split_once(BUFFER)?.1.split(':').next())
        .collect();
    let count = names.len();
    let [params, moved] = [count, count + 1].map(|at| format!("@binding({at}) var<uniform>"));
    let source = source.replacen(&params, &moved, 1);

    let mut checked = String::new();
    // The word that ends here, and for each open bracket whether it encloses an index into a buffer.
    let (mut word, mut open) = (String::new(), Vec::new());
    for letter in source.chars() {
        if letter == ']' && open.pop() == Some(true) {
            checked.push(')');
        }
        checked.push(letter);
        if letter == '[' {
            let is_buffer = names.contains(&word.as_str());
            if is_buffer {
                checked += &format!("within_{word}(");
            }
            open.push(is_buffer);
        }
        if letter.is_alphanumeric() || ['_', '.'].contains(&letter) {
            word.push(letter);
        } else {
            word.clear();
        }
    }
    checked += &format!(
        "\n@group(0) @binding({count}) var<storage, read_write> outside_of_buffers: atomic<u32>;\n"
    );
    for name in names {
        checked += &format!(
            "fn within_{name}(at: u32) -> u32 {{\n    let size = arrayLength(&{name});\n    \
             if (at >= size) {{ atomicAdd(&outside_of_buffers, 1u); }}\n    return min(at, size - 1u);\n}}\n"
        );
    }
    checked
}

#[cfg(test)]
mod tests {
    use burn::backend::{BackendTensor, DispatchTensorKind};
    use burn::tensor::Tensor;

    use super::*;
    use crate::device;

    #[test]
    fn checked_wraps_only_indices_into_buffers() {
        let source = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n\
                      @group(0) @binding(1) var<uniform> params: Params;\n\
                      fn main() { let y = x[x[params.x] + a.x[2]]; }";
        let found = checked(source);
        assert!(
            found.contains("let y = x[within_x(x[within_x(params.x)] + a.x[2])];"),
            "{found}"
        );
        assert!(
            found.contains("@binding(2) var<uniform> params:"),
            "{found}"
        );
        assert!(
            found.contains("@binding(1) var<storage, read_write> outside_of_buffers"),
            "{found}"
        );
    }

    #[test]
    fn out_of_bounds_counts_indices_outside() {
        let Some(gpu) = crate::needs::gpu() else {
            return;
        };
        let some = Tensor::<1>::ones([10], &gpu).into_dispatch().kind;
        let DispatchTensorKind::Cube(BackendTensor::Float(some)) = some else {
            unreachable!("a GPU's tensor");
        };
        device::check_bounds(&gpu, true);
        let before = out_of_bounds();
        super::super::grad_arena::copy_too_many(&some, 3);
        let after = out_of_bounds();
        device::check_bounds(&gpu, false);
        assert_eq!(after - before, 6, "three reads and three writes");
    }
}
