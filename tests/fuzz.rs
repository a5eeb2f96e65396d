//! What fuzzing starts from and what it found, `tests/data/fuzz/<target>/`, once more through its target. `cargo xtask fuzz`
//! looks for more.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let listed =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = listed.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn what_fuzzing_found_stays_mended() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let mut folders = files(&corpus);
    for (name, run) in targets::TARGETS {
        let folder = corpus.join(name);
        folders.retain(|other| *other != folder);
        let files = files(&folder);
        assert!(!files.is_empty(), "{name} starts from nothing");
        for file in files {
            println!("{}", file.display()); // told where it panics
            run(&fs::read(&file).expect("a file"));
        }
    }
    // `links` is read by the page: `fuzz/links.js`.
    folders.retain(|folder| !folder.ends_with("links"));
    assert!(folders.is_empty(), "no target reads {folders:?}");
}
