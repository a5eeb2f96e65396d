//! `cargo xtask scale`: the tests of `scale/ray` and `scale/torch`, which need gigabytes of Python packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{command, output, run};

/// Installs both packages, each into an environment of its own, and runs their tests beside the command line.
///
/// # Errors
/// Python is missing, a package cannot be installed, or a test fails.
pub fn scale() -> Result<()> {
    run(&mut command(&[
        "cargo",
        "build",
        "--release",
        "--package",
        "autolink-cli",
    ]))?;
    let mut failed = None;
    for (name, packages) in [
        ("ray", &["scale/ray[job,test]"][..]),
        ("torch", &["scale/ray", "scale/torch[test]"]),
    ] {
        let python = environment(name, packages)?;
        let mut tests = Command::new(python);
        tests.args(["-m", "pytest", "-q", "-s", &format!("scale/{name}")]);
        // Both are run, so that one failure does not hide another.
        failed = failed.or(run(&mut tests).err());
    }
    failed.map_or(Ok(()), Err)
}

/// Installs packages of this repository into an environment, unless that was done, and returns its Python.
fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = Path::new(".tools/scale").join(name);
    let program = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let program = std::path::absolute(program)?;
    let done = folder.join("done.txt");
    let wanted = ["ray", "torch"]
        .map(|package| fs::read_to_string(format!("scale/{package}/pyproject.toml")))
        .into_iter()
        .collect::<std::io::Result<String>>()?;
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return Ok(program);
    }
    println!(
        "Installing the packages of scale/{name} into {}",
        folder.display()
    );
    let python = ["python3", "python"]
        .into_iter()
        .find(|name| output(&mut command(&[name, "--version"])).is_some())
        .context("python3 is missing")?;
    run(command(&[python, "-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&program);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    for package in packages {
        install.args(["-e", package]);
    }
    run(&mut install)?;
    fs::write(done, wanted)?;
    Ok(program)
}
