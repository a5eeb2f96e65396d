//! Python with the packages of `tests/requirements.txt`, which `cargo xtask test` installs where there is a Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs::{Needed, skip};

/// Python, or none and a sentence.
pub fn program() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python");
    if !folder.join("done.txt").exists() {
        skip(
            Needed::Python,
            "`cargo xtask test` sets up Python where there is one",
        );
        return None;
    }
    Some(folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    }))
}

/// Where packages lie that were installed without what they ask for.
#[allow(dead_code)] // not every test needs them
pub fn alone() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python/alone")
}

/// Runs a script, which must go well; what it said. What it skipped counts as skipped here, too.
pub fn succeeds(command: &mut Command) -> String {
    let run = command.output().expect("python starts");
    let said =
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    println!("{said}");
    assert!(run.status.success(), "{said}");
    if let Some(skipped) = said.lines().find(|line| line.contains("skipped: ")) {
        skip(Needed::Other, &skipped.replace("skipped: ", ""));
    }
    said
}
