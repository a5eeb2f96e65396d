//! Annotation tools read our exports: `annotation/tools.py` loads the files that `annotation/sample.rs` writes.

mod needs;
mod python;

use std::path::Path;
use std::process::Command;

#[test]
fn annotation_tools_read_our_exports() {
    let Some(python) = python::program() else {
        return;
    };
    // Cargo builds examples for tests, too, in a folder beside the tests.
    let sample = std::env::current_exe()
        .ok()
        .and_then(|test| Some(test.parent()?.parent()?.join("examples/annotation_sample")))
        .map(|program| program.with_extension(std::env::consts::EXE_EXTENSION))
        .expect("a place");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("annotations");
    if out.exists() {
        std::fs::remove_dir_all(&out).expect("removes the files of the last run");
    }
    let wrote = Command::new(&sample).arg(&out).output();
    assert!(
        wrote
            .expect(
                "`cargo test` or `cargo build --example annotation_sample` makes the sample program"
            )
            .status
            .success()
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/annotation/tools.py");
    let output = python::succeeds(
        Command::new(python)
            .arg(script)
            .args([&out, &sample])
            .env("ULTRALYTICS", python::alone()),
    );
    assert!(output.contains("pass verify_image_label"), "{output}");
}
