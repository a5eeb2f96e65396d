//! What a test needs that not every machine has. A test that goes without says so, and counts as skipped in the totals of
//! `cargo xtask test`; where that has set up what is missing (AUTOLINK_REQUIRE names it) the test fails.

#![allow(dead_code)] // not every file of tests needs everything

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use autolink::device::open_gpu;
use burn::tensor::Device;

/// What a test may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A graphics adapter, if only one in software.
    Gpu,
    /// Python with the packages of `tests/requirements.txt`.
    Python,
    /// The folder `shared` beside the repository.
    Shared,
    /// Something that no command sets up.
    Other,
}

impl Needed {
    fn name(self) -> &'static str {
        match self {
            Needed::Gpu => "gpu",
            Needed::Python => "python",
            Needed::Shared => "shared",
            Needed::Other => "other",
        }
    }
}

/// The test that calls this leaves something out, which the totals show.
///
/// # Panics
/// If `cargo xtask test` has set up what is missing.
#[track_caller]
pub fn skip(needed: Needed, why: &str) {
    static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let required = std::env::var("AUTOLINK_REQUIRE").unwrap_or_default();
    let test = std::thread::current()
        .name()
        .unwrap_or("a test")
        .to_string();
    let line = line(&required, needed, &test, why);
    let mut said = SAID.lock().expect("no test panics here");
    if said.get_or_insert_default().insert(test) {
        // Not `println!`, of which a passing test shows nothing.
        io::stdout().write_all(line.as_bytes()).expect("a terminal");
    }
}

/// What a skipped test says.
///
/// # Panics
/// If what it needs is among the `required`.
#[track_caller]
pub fn line(required: &str, needed: Needed, test: &str, why: &str) -> String {
    let mut required = required.split(',').map(str::trim);
    assert!(
        !required.any(|name| name == needed.name()),
        "{test} needs what should be here: {why}"
    );
    format!("skipped: {test}: {why}\n")
}

/// The GPU, as the product opens it; opened once.
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

/// Something in the folder `shared` beside the repository.
pub fn shared(path: &str) -> Option<PathBuf> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    if whole.exists() {
        return Some(whole);
    }
    skip(Needed::Shared, &format!("../shared/{path} is not there"));
    None
}
