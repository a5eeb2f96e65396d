//! The benchmark, `cargo xtask bench [--quick] [--json FILE]`: everything in one run, on one machine.
//!
//! Natively this program measures the CPU and the graphics adapters, each in a process of its own, has
//! `bench/browser.mjs` do the same in Chromium, where its wasm twin and TensorFlow.js run, and puts all of it together.
//! `bench show FILE` shows a report again.

#[cfg(not(target_family = "wasm"))]
mod chart;
#[cfg(not(target_family = "wasm"))]
mod conduct;
mod findings;
mod layers;
mod measure;
#[cfg(not(target_family = "wasm"))]
mod report;

#[cfg(not(target_family = "wasm"))]
fn main() -> anyhow::Result<()> {
    conduct::main()
}

/// How far it has come, for whoever waits.
#[cfg(not(target_family = "wasm"))]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
use browser::say;

#[cfg(target_family = "wasm")]
fn main() {
    browser::main();
}
