//! The commands of the project: `cargo xtask serve`, `engine`, `dist`, `package`, `test`, `sentences`, `faults`, `fuzz`, `bench`, `scale`, `skeleton` and `recipe`. Each installs what is missing first.

mod faults;
mod fuzz;
mod page;
mod page_faults;
mod process;
mod scale;
mod sentences;
mod setup;
mod test;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use process::{command, run};

const USAGE: &str = "\
cargo xtask serve [--release] [--port N]   Build the page, serve it on this machine, and rebuild it on changes.
cargo xtask engine [--release]             Build the engine alone; `npx vite build` then builds the page into dist/.
cargo xtask dist                           Build the optimised page into dist/, a folder for any static host.
cargo xtask package                        Build the npm package for other people's pages: a tarball in target/package/.
cargo xtask test                           Run every check and every test.
cargo xtask sentences [--check]            List every sentence that people read, with its place, or check their words against docs/glossary.md.
cargo xtask fuzz [TARGET] [--minutes N]    Fuzz everything that reads files: one target or all, ten minutes each or N. See docs/reliability.md.
cargo xtask faults [--saves N] [--seed N]  Kill the command line while it saves, send it signals, fill its disk; count what is lost.
cargo xtask faults page [--count N]        Kill the worker and tabs of the page, fill its disk, lose its GPU; count what is lost.
cargo xtask bench [--quick] [--json FILE]  Measure kernels and training steps on this machine, natively and in Chromium, beside Burn's kernels,
                                           TensorFlow.js and PyTorch. The chart is written beside FILE.
cargo xtask scale                          Test scale/ray and scale/torch, for many machines; installs gigabytes of Python packages first.
cargo xtask skeleton [RUNS]                Measure how long a visitor without a GPU waits for a skeleton of the hands that come with the page.
cargo xtask recipe [--data FOLDER] [--seconds S] [--every S] [--seeds 0,1,2] [--json FILE] [--svg FILE] [NAME=JSON]...
                                           Compare settings with those of tiny: the landmark error after equal times of training on the CPU.
                                           FOLDER has images and a landmarks.csv; without it, puppets are drawn. JSON holds settings.

These commands first install what is missing: the wasm target, the packages of npm and, for the tests, a browser and packages of Python.
They are kept in node_modules/ and .tools/. You need rustup and Node 20.19 or newer.";

fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Only the sentence, no backtrace.
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> Result<()> {
    // All paths below are relative to the folder of the project.
    let here = env::var_os("CARGO_MANIFEST_DIR").context("start this with `cargo xtask`")?;
    let root = Path::new(&here)
        .parent()
        .context("xtask has no parent folder")?;
    env::set_current_dir(root)?;

    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", ref options @ ..] => page::serve(options),
        ["engine", ref options @ ..] => page::engine_only(options),
        ["dist"] => page::dist(),
        ["package"] => page::package(),
        ["test"] => test::all(),
        ["sentences", ref options @ ..] => sentences::sentences(options),
        ["fuzz", ref options @ ..] => fuzz::fuzz(options),
        ["faults", "page", ref options @ ..] => page_faults::faults(options),
        ["faults", ref options @ ..] => faults::faults(options),
        ["scale"] => scale::scale(),
        ["bench", ref options @ ..] => bench(options),
        ["recipe", ref options @ ..] => run(native_bench().arg("recipe").args(options)),
        ["skeleton", ref options @ ..] => skeleton(options),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!(
            "`{}` is not a command of this project.\n\n{USAGE}",
            arguments.join(" ")
        ),
    }
}

/// Makes the command that runs the native program of the benchmark, built as the product is.
fn native_bench() -> Command {
    let package = ["--release", "--package", "autolink-bench", "--"];
    command(&[&["cargo", "run"][..], &package].concat())
}

/// Runs `bench/skeleton.mjs` on the page as `cargo xtask serve --release` builds it.
fn skeleton(options: &[&str]) -> Result<()> {
    page::build(page::Profile::Serve)?;
    let mut visits = command(&[&["node", "bench/skeleton.mjs"], options].concat());
    if let Some(chromium) = setup::chromium()? {
        visits.env("CHROME", chromium);
    }
    run(&mut visits)
}

/// Runs the benchmark, see `bench/src/main.rs`.
fn bench(options: &[&str]) -> Result<()> {
    let wasm = || {
        let profile = ["cargo", "build", "--profile", "page"];
        let package = ["--target", setup::WASM, "--package", "autolink-bench"];
        command(&[profile, package].concat())
    };
    setup::page()?;
    let chromium = setup::chromium()?;
    setup::lavapipe();
    run(&mut wasm())?;
    let wasm = format!("target/{}/page/bench.wasm", setup::WASM);
    page::bind(&wasm, "target/bench")?;
    fs::copy(
        "www/engine/worker_loader.js",
        "target/bench/worker_loader.js",
    )?;

    let mut bench = native_bench();
    if let Some(chromium) = chromium {
        bench.env("CHROME", chromium);
    }
    run(bench.args(options))
}
