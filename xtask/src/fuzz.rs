//! `cargo xtask fuzz`: runs libFuzzer on everything that reads files, and fuzzes links to the page under Node.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{command, run};

/// Fuzz targets: those of `fuzz/targets.rs`, and `fuzz/links.js`.
const TARGETS: [&str; 9] = [
    "image",
    "zip",
    "safetensors",
    "torch",
    "landmarks",
    "coco",
    "deeplabcut",
    "project",
    "links",
];

/// Default minutes per target.
const MINUTES: u64 = 10;

/// Fuzzes one target, or all in turn.
///
/// # Errors
/// A target failed, or the fuzzer did not build.
pub fn fuzz(options: &[&str]) -> Result<()> {
    let (mut chosen, mut minutes) = (Vec::new(), MINUTES);
    let mut options = options.iter();
    while let Some(&option) = options.next() {
        if option == "--minutes" {
            let value = options.next().context("--minutes needs a number")?;
            minutes = value.parse().context("--minutes needs a whole number")?;
        } else if TARGETS.contains(&option) {
            chosen.push(option);
        } else {
            bail!(
                "There is no target {option}: choose one of {}.",
                TARGETS.join(", ")
            );
        }
    }
    if chosen.is_empty() {
        chosen = TARGETS.to_vec();
    }
    let program = chosen.iter().any(|target| *target != "links");
    let program = if program { Some(build()?) } else { None };
    let mut failed = Vec::new();
    for target in chosen {
        println!("\n=== {target}, {minutes} min");
        let seconds = 60 * minutes;
        let succeeded = match &program {
            Some(program) if target != "links" => explore(program, target, seconds)?,
            _ => run(command(&["node", "fuzz/links.js"]).arg(seconds.to_string())).is_ok(),
        };
        if !succeeded {
            failed.push(target);
        }
    }
    ensure!(
        failed.is_empty(),
        "These targets failed: {}. Move the input from target/fuzz/found to tests/data/fuzz/<target>/, and fix the bug.",
        failed.join(", ")
    );
    Ok(())
}

/// Builds the fuzzer, in which the library and the decoders count the edges that they take. It shares the target folder with the
/// tests, whose build has all other crates.
fn build() -> Result<PathBuf> {
    ensure!(
        cfg!(unix),
        "Fuzzing needs libFuzzer, which only builds on Linux and macOS."
    );
    let here = env::current_dir()?;
    let mut build = command(&["cargo", "build", "--manifest-path", "fuzz/Cargo.toml"]);
    build.env("RUSTC_WRAPPER", here.join("fuzz/rustc.sh"));
    run(build.env("CARGO_TARGET_DIR", here.join("target")))?;
    Ok(here.join("target/debug/autolink-fuzz"))
}

/// Runs one target, starting from its earlier inputs and those in the repository. Returns whether it succeeded.
fn explore(program: &Path, target: &str, seconds: u64) -> Result<bool> {
    let [found, corpus] = ["found", "corpus"].map(|kind| format!("target/fuzz/{kind}/{target}"));
    for folder in [&found, &corpus] {
        fs::create_dir_all(folder)?;
    }
    let mut explore = Command::new(program);
    explore.env("AUTOLINK_FUZZ", target).arg(&corpus);
    let with = match target {
        "image" => Some("tests/data/pictures"),
        "torch" => Some("tests/data/torch_corpus"),
        _ => None,
    };
    let seeds = format!("tests/data/fuzz/{target}");
    for folder in [Some(seeds.as_str()), with].into_iter().flatten() {
        if Path::new(folder).is_dir() {
            explore.arg(folder);
        }
    }
    // Taking more than 20 s or 2 GB for a file of at most 64 kB is a failure as well.
    explore.args([
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-max_len=65536",
        "-print_final_stats=1",
    ]);
    explore.arg(format!("-max_total_time={seconds}"));
    explore.arg(format!("-artifact_prefix={found}/"));
    Ok(run(&mut explore).is_ok())
}
