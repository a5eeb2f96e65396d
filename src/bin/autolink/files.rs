//! Reading files: images, folders and zips of them, tables of landmarks.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use autolink::Config;
use autolink::annotate::{Imported, formats};
use autolink::data::inputs::{self, Input, Inputs};
use autolink::data::{SquareImage, decode};
use autolink::session::Rejected;
use glob::{MatchOptions, glob_with};

use crate::output::{Reporter, warn};

/// The images that a person gave: files, folders, zips and patterns, looked at by their first bytes. Nothing is decoded yet.
#[derive(Default)]
pub struct Gathered {
    /// What each image is called; all differ.
    pub names: Vec<String>,
    images: Vec<Input>,
    files: Vec<PathBuf>,
    /// What could not be used so far.
    pub rejected: Vec<Rejected>,
}

impl Gathered {
    /// Looks at everything under these paths.
    ///
    /// # Errors
    /// A sentence where a path is not there, a pattern fits nothing, or nothing is an image.
    pub fn new(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let (mut inputs, mut files, mut seen) = (Inputs::default(), Vec::new(), HashSet::new());
        for path in expanded(paths)? {
            let (given, found) = files_under(&path, &mut inputs.rejected)?;
            for (name, path) in found {
                if !seen.insert(std::path::absolute(&path)?) {
                    continue; // given twice
                }
                match File::open(&path) {
                    Ok(file) => inputs.add(files.len(), &given, &name, &file),
                    Err(error) => inputs.rejected.push((name, unreadable(&error))),
                }
                files.push(path);
            }
        }
        let names = inputs.names(|_| false);
        for labels in &inputs.labels {
            let reason = "It holds labels or settings, no image: labels are given with --landmarks, --against or --eval-landmarks.";
            inputs.rejected.push((labels.path(), reason.into()));
        }
        let rejected = (inputs.rejected.into_iter())
            .map(|(name, reason)| Rejected { name, reason })
            .collect();
        Ok(Self {
            names,
            images: inputs.images,
            files,
            rejected,
        })
    }

    /// The file of an image, unless that is in a zip.
    pub fn file(&self, index: usize) -> Option<&Path> {
        let image = &self.images[index];
        let file = &self.files[image.file];
        image.entry.is_none().then_some(file)
    }

    /// The bytes of an image.
    ///
    /// # Errors
    /// A sentence: it cannot be read, is too large, or damaged in its zip.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, String> {
        let image = &self.images[index];
        let file = File::open(&self.files[image.file]).map_err(|error| unreadable(&error))?;
        inputs::read(&file, image.entry.as_ref())
    }

    /// Reads those images one by one whose numbers are `wanted`, and says which of all files could not be used.
    pub fn read(
        &self,
        wanted: impl ExactSizeIterator<Item = usize>,
        config: &Config,
        voice: &Reporter,
        mut take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        let bar = voice.bar(wanted.len(), "{bar:32} {pos}/{len} files read");
        let mut rejected = self.rejected.clone();
        for index in wanted {
            let name = &self.names[index];
            let read = self.bytes(index);
            match read.and_then(|bytes| decode::decode(name, &bytes, config.size, config.fit)) {
                Ok(picture) => take(picture)?,
                Err(reason) => rejected.push(Rejected {
                    name: self.images[index].path(),
                    reason,
                }),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(rejected)
    }

    /// As [`Gathered::read`], all of them.
    pub fn read_all(
        &self,
        config: &Config,
        voice: &Reporter,
        take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        self.read(0..self.names.len(), config, voice, take)
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("It cannot be read ({error}).")
}

/// The paths, and those that patterns (`new/*.jpg`) stand for, which some shells leave alone. A file that is called like a
/// pattern is that file.
fn expanded(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let options = MatchOptions {
        case_sensitive: !cfg!(windows),
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let mut all = Vec::new();
    for path in paths {
        let pattern = path.to_string_lossy();
        if fs::symlink_metadata(path).is_ok() || !pattern.contains(['*', '?', '[']) {
            all.push(path.clone());
            continue;
        }
        let found = glob_with(&pattern, options)
            .map_err(|error| anyhow!("{pattern} is neither a file nor a pattern: {error}."))?;
        let before = all.len();
        for path in found {
            all.push(path.with_context(|| format!("{pattern} cannot be searched"))?);
        }
        if all.len() == before {
            bail!("No file fits the pattern {pattern}: check its folder and its ending.");
        }
    }
    Ok(all)
}

/// Files with their paths below what was given, `/` between the parts.
type Below = Vec<(String, PathBuf)>;

/// What was given, as a full path, and the files under it, sorted by name: those of a folder, or the one file. What is no
/// file or cannot be opened joins `rejected`.
fn files_under(
    root: &Path,
    rejected: &mut Vec<(String, String)>,
) -> anyhow::Result<(String, Below)> {
    let about = fs::metadata(root).with_context(|| format!("{} cannot be read", root.display()))?;
    let mut whole = std::path::absolute(root)?;
    if whole.components().any(|part| part == Component::ParentDir) {
        whole = whole.canonicalize()?;
    }
    if about.is_file() {
        let given = whole.parent().unwrap_or(Path::new(""));
        return Ok((slashed(given), vec![(name_of(&whole), root.to_path_buf())]));
    }
    if !about.is_dir() {
        bail!("{} is neither a file nor a folder.", root.display());
    }
    let (mut files, mut folders) = (Vec::new(), vec![(String::new(), root.to_path_buf())]);
    while let Some((prefix, folder)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if prefix.is_empty() => {
                return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
            }
            Err(error) => {
                rejected.push((prefix, unreadable(&error)));
                continue;
            }
            Ok(entries) => entries,
        };
        for entry in entries {
            let path = entry?.path();
            let name = name_of(&path);
            if name.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{name}");
            let mut reject = |reason: &str| rejected.push((name.clone(), reason.into()));
            match fs::metadata(&path) {
                Err(error) => reject(&unreadable(&error)),
                // It may lead in a circle.
                Ok(about) if about.is_dir() && path.is_symlink() => {
                    reject(
                        "It is a link to a folder, which is not followed: give that folder, too.",
                    );
                }
                Ok(about) if about.is_dir() => folders.push((name + "/", path)),
                Ok(about) if about.is_file() => files.push((name, path)),
                Ok(_) => reject("It is a device or a pipe, not a file."),
            }
        }
    }
    files.sort();
    rejected.sort();
    Ok((slashed(&whole), files))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A path with `/` between its parts.
fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
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
