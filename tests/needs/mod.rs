//! Requirements of tests that not every machine meets. A test without them prints that it is skipped, and `cargo xtask test` counts it as
//! skipped in its totals; if AUTOLINK_REQUIRE names the requirement, because `cargo xtask test` has installed it, the test fails.

#![allow(dead_code)] // not every test file needs all of this

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use autolink::device::open_gpu;
use burn::tensor::Device;

/// Requirement of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A GPU adapter, possibly a software one.
    Gpu,
    /// Python with the packages of `tests/requirements.txt`.
    Python,
    /// `ffmpeg` and `ffprobe` on the PATH.
    Ffmpeg,
    /// The folder `shared` beside the repository.
    Shared,
    /// Something that no command installs.
    Other,
}

impl Needed {
    fn name(self) -> &'static str {
        match self {
            Needed::Gpu => "gpu",
            Needed::Python => "python",
            Needed::Ffmpeg => "ffmpeg",
            Needed::Shared => "shared",
            Needed::Other => "other",
        }
    }
}

/// Reports that the calling test skips something, once per test.
///
/// # Panics
/// If AUTOLINK_REQUIRE names the requirement.
#[track_caller]
pub fn skip(needed: Needed, why: &str) {
    static REPORTED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let required = std::env::var("AUTOLINK_REQUIRE").unwrap_or_default();
    let test = std::thread::current()
        .name()
        .unwrap_or("a test")
        .to_string();
    let line = line(&required, needed, &test, why);
    let mut reported = REPORTED.lock().expect("no test panics here");
    if reported.get_or_insert_default().insert(test) {
        // Not `println!`, which a passing test does not show.
        io::stdout().write_all(line.as_bytes()).expect("a terminal");
    }
}

/// Returns the line that a skipped test prints.
///
/// # Panics
/// If the requirement is among the `required`.
#[track_caller]
pub fn line(required: &str, needed: Needed, test: &str, why: &str) -> String {
    let mut required = required.split(',').map(str::trim);
    assert!(
        !required.any(|name| name == needed.name()),
        "{test} requires {}, which should be installed: {why}",
        needed.name()
    );
    format!("skipped: {test}: {why}\n")
}

/// Opens the GPU as the product does, once per process; returns none where there is none.
pub fn gpu() -> Option<Device> {
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    let open = || pollster::block_on(open_gpu()).map_err(|error| error.to_string());
    match DEVICE.get_or_init(open) {
        Ok(device) => Some(device.clone()),
        Err(error) => {
            skip(Needed::Gpu, error);
            None
        }
    }
}

/// Returns a path in the folder `shared` beside the repository; none if it does not exist.
pub fn shared(path: &str) -> Option<PathBuf> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    if full.exists() {
        return Some(full);
    }
    skip(Needed::Shared, &format!("../shared/{path} does not exist"));
    None
}
