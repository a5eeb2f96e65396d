//! The page's engine, in a dedicated worker.

#[cfg(target_family = "wasm")]
fn main() {
    run_constructors();
    autolink::web::start();
}

/// Runs the static constructors of the crates below, once.
///
/// Where a program does not do so itself, the linker has every call from JavaScript run all of them first: a third of
/// a millisecond for each value that crosses.
#[cfg(target_family = "wasm")]
#[allow(unsafe_code)]
fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function; it takes nothing, and nothing else calls it.
    unsafe { __wasm_call_ctors() }
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!(
        "This program is the engine of the page and runs in a browser; the one for the command line is `autolink`."
    );
}
