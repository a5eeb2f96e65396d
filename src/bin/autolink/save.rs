//! Writing files.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

pub fn create(path: &Path) -> anyhow::Result<fs::File> {
    fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))
}

/// Better to hear that nothing can be saved before the work than after it.
pub fn check_folder_of(path: &Path) -> anyhow::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            bail!(
                "{} cannot be written: there is no folder {}.",
                path.display(),
                folder.display()
            )
        }
        _ => Ok(()),
    }
}

/// Writes beside it first, so that an interruption leaves the old file or the new one.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let cannot = || format!("{} cannot be written", path.display());
    fs::write(&beside, bytes).with_context(cannot)?;
    fs::rename(&beside, path).with_context(cannot)
}
