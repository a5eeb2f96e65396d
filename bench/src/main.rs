//! The benchmark, `cargo xtask bench [--quick] [--json FILE]`: measures everything on one machine in one run.
//!
//! The native program measures the CPU and each GPU in a process of its own, and has `bench/browser.mjs` run the wasm build of the
//! same measurements and TensorFlow.js in Chromium. `bench show FILE` prints a saved report again, and `bench recipe`
//! compares settings by what they learn in a time.

#[cfg(not(target_family = "wasm"))]
mod chart;
#[cfg(not(target_family = "wasm"))]
mod conduct;
#[cfg(not(target_family = "wasm"))]
mod curves;
mod findings;
mod layers;
mod measure;
#[cfg(not(target_family = "wasm"))]
mod recipe;
#[cfg(not(target_family = "wasm"))]
mod report;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    conduct::main()
}

/// Prints progress on standard error.
#[cfg(not(target_family = "wasm"))]
fn progress(line: &str) {
    eprintln!("{line}");
}

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
use browser::progress;

#[cfg(target_family = "wasm")]
fn main() {
    browser::main();
}
