//! Runs each fuzz target over its seeds and over the inputs that once failed, `tests/data/fuzz/<target>/`. `cargo xtask fuzz`
//! searches for more.

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
fn targets_accept_their_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let mut folders = files(&corpus);
    for (name, run) in targets::TARGETS {
        let folder = corpus.join(name);
        folders.retain(|other| *other != folder);
        let files = files(&folder);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            println!("{}", file.display()); // shown if it panics
            run(&fs::read(&file).expect("a file"));
        }
    }
    // `fuzz/links.js` reads `links`.
    folders.retain(|folder| !folder.ends_with("links"));
    assert!(folders.is_empty(), "no target reads {folders:?}");
}
