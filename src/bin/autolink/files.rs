//! Reading files: images, folders and zips of them, tables of landmarks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use autolink::Config;
use autolink::annotate::{Imported, formats};
use autolink::data::{Picture, archive, decode};
use autolink::session::Rejected;

use crate::output::{Voice, warn};

/// The files under a folder, or the one file, sorted by name; the names are relative to the folder, with `/`.
pub fn files_under(root: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let file_name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    if !root.is_dir() {
        fs::metadata(root).with_context(|| format!("{} cannot be read", root.display()))?;
        return Ok(vec![(file_name(root), root.to_path_buf())]);
    }
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root.to_path_buf())];
    while let Some((prefix, folder)) = folders.pop() {
        let unreadable = || format!("{} cannot be read", folder.display());
        for entry in fs::read_dir(&folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = file_name(&path);
            if name.starts_with('.') {
                continue;
            }
            // Links to folders may lead in a circle.
            match path.is_dir() {
                true if path.is_symlink() => {}
                true => folders.push((format!("{prefix}{name}/"), path)),
                false => files.push((format!("{prefix}{name}"), path)),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads pictures one by one, out of zips too, and says which could not be used.
pub fn read_pictures(
    files: &[(String, PathBuf)],
    config: &Config,
    voice: &Voice,
    mut take: impl FnMut(Picture) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Rejected>> {
    let bar = voice.bar(files.len(), "{bar:32} {pos}/{len} files read");
    let mut rejected = Vec::new();
    for (name, path) in files {
        bar.inc(1);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                rejected.push(Rejected {
                    name: name.clone(),
                    reason: format!("It cannot be read ({error})."),
                });
                continue;
            }
        };
        for (name, bytes) in archive::entries(name.clone(), bytes) {
            match bytes.and_then(|bytes| decode::decode(&name, &bytes, config.size, config.fit)) {
                Ok(picture) => take(picture)?,
                Err(reason) => rejected.push(Rejected { name, reason }),
            }
        }
    }
    bar.finish_and_clear();
    Ok(rejected)
}

pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Labels in any form that is read; tells what of them could not be used.
pub fn read_landmarks(path: &Path) -> anyhow::Result<Imported> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let imported = formats::import(&name, &read(path)?)?;
    imported.notes.iter().for_each(|note| warn(note));
    Ok(imported)
}
