//! The browser: a dedicated worker that drives a [`Session`](crate::session::Session), and how it fetches things.

mod console; // tracing
pub mod cores;
mod fetch;
pub mod gpu;
mod hands;
mod slices; // files, piece by piece
mod worker;

pub use fetch::sleep;
pub use slices::converted;
pub use worker::start;

/// Runs the static constructors of the crates below; once, before anything else.
///
/// Where a program does not do so itself, the linker has every call from JavaScript run all of them first: a third of
/// a millisecond for each value that crosses.
#[allow(unsafe_code)]
pub fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function; it takes nothing, and nothing else calls it.
    unsafe { __wasm_call_ctors() }
}
