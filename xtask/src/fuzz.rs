//! `cargo xtask fuzz`: libFuzzer on everything that reads files, and the page's links under Node.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{command, run};

/// What can be fuzzed: `fuzz/targets.rs`, and `fuzz/links.js`.
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

/// Minutes for each, unless told.
const MINUTES: u64 = 10;

/// Fuzzes one target, or each in turn.
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
                "There is no target {option}: choose from {}.",
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
        let went_well = match &program {
            Some(program) if target != "links" => explore(program, target, seconds)?,
            _ => run(command(&["node", "fuzz/links.js"]).arg(seconds.to_string())).is_ok(),
        };
        if !went_well {
            failed.push(target);
        }
    }
    ensure!(
        failed.is_empty(),
        "Something was found in {}: what did it lies in target/fuzz/found; put it into tests/data/fuzz/<target>/ and mend it.",
        failed.join(", ")
    );
    Ok(())
}

/// The program, in which this crate and what decodes files count the edges that they take. It shares the folder of the tests'
/// build, which has all that is not fuzzed.
fn build() -> Result<PathBuf> {
    ensure!(
        cfg!(unix),
        "Fuzzing needs libFuzzer, which builds on Linux and macOS."
    );
    let here = env::current_dir()?;
    let mut build = command(&["cargo", "build", "--manifest-path", "fuzz/Cargo.toml"]);
    build.env("RUSTC_WRAPPER", here.join("fuzz/rustc.sh"));
    run(build.env("CARGO_TARGET_DIR", here.join("target")))?;
    Ok(here.join("target/debug/autolink-fuzz"))
}

/// Runs one target on what it has found before and what comes with the repository. Whether nothing was wrong.
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
    // More than 20 s or 2 GB for a file of at most 64 kB is a finding, too.
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
