//! The browser: a dedicated worker that drives a [`Session`](crate::session::Session), with its downloads and files.

mod console; // tracing
pub mod cores;
mod fetch;
pub mod gpu;
mod slices; // files, read by ranges
mod worker;

pub use fetch::sleep;
pub use worker::start;

/// Runs the static constructors of all linked crates. Call it once, before anything else.
///
/// Without this call, the linker makes every call from JavaScript run all of them first, which takes a third of a millisecond for
/// each value that crosses.
#[allow(unsafe_code)]
pub fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function; it takes nothing, and nothing else calls it.
    unsafe { __wasm_call_ctors() }
}
