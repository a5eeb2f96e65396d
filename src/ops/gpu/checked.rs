//! The GPU's kernels with every index into a buffer checked. What lies outside is counted and comes back to the last number
//! inside; usually nothing checks, since the kernels stay inside by themselves. For tests: cubecl's own checked mode bounds
//! the loops of a kernel that comes as text, and not its indices.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::server::Handle;

static ON: AtomicBool = AtomicBool::new(false);
/// The device, and how often an index lay outside, `[1]`, u32.
static OUTSIDE: Mutex<Option<(Client, Handle)>> = Mutex::new(None);

/// From now on kernels check their indices, or no longer.
pub fn check_bounds(check: bool) {
    ON.store(check, Ordering::Relaxed);
}

pub fn is_on() -> bool {
    cfg!(not(target_family = "wasm")) && ON.load(Ordering::Relaxed)
}

/// How many indices lay outside of their buffer since the program began; 0 where none was checked.
///
/// # Panics
/// If the device does not answer.
pub fn out_of_bounds() -> u32 {
    let outside = OUTSIDE
        .lock()
        .expect("nothing panics while it is locked")
        .clone();
    outside.map_or(0, |(client, handle)| {
        let bytes = client.read_one(handle).expect("the device answers");
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    })
}

/// The buffer in which kernels count.
pub fn counter(client: &Client) -> Handle {
    let mut outside = OUTSIDE.lock().expect("nothing panics while it is locked");
    let new = || (client.clone(), client.create_from_slice(&[0; 4]));
    outside.get_or_insert_with(new).1.clone()
}

/// The kernel with its indices checked. Its sizes are bound one place further on, behind the [`counter`].
pub fn checked(source: &str) -> String {
    const BUFFER: &str = "var<storage, read_write> ";
    let names: Vec<&str> = (source.lines())
        .filter_map(|line| line.split_once(BUFFER)?.1.split(':').next())
        .collect();
    let count = names.len();
    let [sizes, further] = [count, count + 1].map(|at| format!("@binding({at}) var<uniform>"));
    let source = source.replacen(&sizes, &further, 1);

    let mut checked = String::new();
    // The word that ends here, and of each bracket that is open whether it is an index of ours.
    let (mut word, mut open) = (String::new(), Vec::new());
    for letter in source.chars() {
        if letter == ']' && open.pop() == Some(true) {
            checked.push(')');
        }
        checked.push(letter);
        if letter == '[' {
            let is_ours = names.contains(&word.as_str());
            if is_ours {
                checked += &format!("within_{word}(");
            }
            open.push(is_ours);
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

    #[test]
    fn indices_into_buffers_are_checked_and_no_others() {
        let source = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;\n\
                      @group(0) @binding(1) var<uniform> n: array<vec4u, 1>;\n\
                      fn main() { let y = x[x[n[0].x] + a.x[2]]; }";
        let found = checked(source);
        assert!(
            found.contains("let y = x[within_x(x[within_x(n[0].x)] + a.x[2])];"),
            "{found}"
        );
        assert!(found.contains("@binding(2) var<uniform> n:"), "{found}");
        assert!(
            found.contains("@binding(1) var<storage, read_write> outside_of_buffers"),
            "{found}"
        );
    }

    #[test]
    fn an_index_outside_is_counted() {
        let Some(device) = crate::needs::gpu() else {
            return;
        };
        let some = Tensor::<1>::ones([10], &device).into_dispatch().kind;
        let DispatchTensorKind::Cube(BackendTensor::Float(some)) = some else {
            unreachable!("a GPU's tensor");
        };
        check_bounds(true);
        let before = out_of_bounds();
        super::super::grad_arena::copy_too_many(&some, 3);
        let after = out_of_bounds();
        check_bounds(false);
        assert_eq!(after - before, 6, "three reads and three writes");
    }
}
