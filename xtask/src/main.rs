//! The project's commands: `cargo xtask serve`, `dist`, `test` and `bench`. Each installs what is missing, then does its work.

mod page;
mod process;
mod setup;
mod test;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use process::{command, run};

const USAGE: &str = "\
cargo xtask serve [--release] [--port N]   build the page, serve it on this machine, rebuild on changes
cargo xtask dist                           build the optimised page into dist/, a folder for any static host
cargo xtask test                           run every check and every test
cargo xtask bench [--quick] [--json FILE]  measure the kernels: the GPU's beside its peak and burn's, the CPU's beside its peak, and steps

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

/// The GPU's benchmark takes the options; on a machine with a graphics card it runs there, else on lavapipe.
fn bench(options: &[&str]) -> Result<()> {
    setup::lavapipe();
    let cargo = ["cargo", "bench", "--profile", "release", "--bench"];
    run(&mut command(
        &[&cargo[..], &["gpu", "--"], options].concat(),
    ))?;
    run(&mut command(&[&cargo[..], &["conv"]].concat()))?;
    run(&mut command(&[&cargo[..], &["step"]].concat()))
}
