//! The project's commands: `cargo xtask serve`, `dist`, `test`, `faults`, `fuzz` and `bench`. Each installs what is missing, then does its work.

mod faults;
mod fuzz;
mod page;
mod page_faults;
mod process;
mod setup;
mod test;

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use process::{command, run};

const USAGE: &str = "\
cargo xtask serve [--release] [--port N]   build the page, serve it on this machine, rebuild on changes
cargo xtask dist                           build the optimised page into dist/, a folder for any static host
cargo xtask test                           run every check and every test
cargo xtask fuzz [TARGET] [--minutes N]    look for files that harm: libFuzzer on each target, or on one, for ten minutes or N; see docs/reliability.md
cargo xtask faults page [--count N]        the page's: kill its worker and tabs, fill its disk, lose its GPU; count what is lost
cargo xtask faults [--saves N] [--seed N]  kill the program while it saves, stop it, fill its disk; count what is lost
cargo xtask bench [--quick] [--json FILE]  measure everything on this machine: kernels beside the peak and Burn's, whole steps; natively, in
                                           Chromium, and beside TensorFlow.js and PyTorch. The chart goes beside FILE

What is missing (the wasm target, trunk, wasm-bindgen, npm's packages, for the tests a browser) is installed first,
what belongs to the project into .tools/ and node_modules/. Needed beforehand: rustup and Node 20 or newer.";

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A sentence, not a backtrace.
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<()> {
    // Everything below names its files from the project's folder, wherever the command was given.
    let here = env::var_os("CARGO_MANIFEST_DIR").context("start this with `cargo xtask`")?;
    let root = Path::new(&here)
        .parent()
        .context("xtask has no parent folder")?;
    env::set_current_dir(root)?;

    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", ref options @ ..] => page::serve(options),
        ["dist"] => page::dist(),
        ["test"] => test::all(),
        ["fuzz", ref options @ ..] => fuzz::fuzz(options),
        ["faults", "page", ref options @ ..] => page_faults::faults(options),
        ["faults", ref options @ ..] => faults::faults(options),
        ["bench", ref options @ ..] => bench(options),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!(
            "`{}` is no command of this project.\n\n{USAGE}",
            arguments.join(" ")
        ),
    }
}

/// The library as it is released, on top of the tests' profile: that has its dependencies built already, and optimises
/// those that compute. With the tests' checks a step on the CPU takes twice as long.
const FAST: [&str; 3] = [
    "opt-level=3",
    "overflow-checks=false",
    "debug-assertions=false",
];

/// Everything in one run, see `bench/src/main.rs`.
fn bench(options: &[&str]) -> Result<()> {
    setup::page()?;
    let chromium = setup::chromium()?;
    setup::lavapipe();
    run(&mut command(&[
        "cargo",
        "build",
        "--profile",
        "page",
        "--target",
        setup::WASM,
        "--package",
        "autolink-bench",
    ]))?;
    let wasm = format!("target/{}/page/bench.wasm", setup::WASM);
    let bindgen = ["wasm-bindgen", "--target", "web", "--no-typescript"];
    let place = ["--out-dir", "target/bench", "--out-name", "worker"];
    run(setup::tool(&bindgen)?.args(place).arg(&wasm))?;
    fs::copy("www/worker_loader.js", "target/bench/worker_loader.js")?;

    let mut bench = command(&["cargo", "run"]);
    for setting in FAST {
        for package in ["autolink", "autolink-bench"] {
            bench.args([
                "--config",
                &format!("profile.dev.package.{package}.{setting}"),
            ]);
        }
    }
    bench.args(["--package", "autolink-bench", "--"]);
    if let Some(chromium) = chromium {
        bench.env("CHROME", chromium);
    }
    run(bench.args(options))
}
