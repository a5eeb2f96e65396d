//! One program for all targets: AUTOLINK_FUZZ names the one that it fuzzes. `cargo xtask fuzz` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod targets;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("AUTOLINK_FUZZ").unwrap_or_default();
    targets::named(&name).expect("AUTOLINK_FUZZ names a target")
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
