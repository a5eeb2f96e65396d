//! Reading files: images, folders and zip files of images, and tables of landmarks.

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
use crate::save::place;

/// Images that were named as files, folders, zip files and patterns. Their first bytes say what they are; nothing is decoded yet.
#[derive(Default)]
pub struct Gathered {
    /// The name of each image; names are unique.
    pub names: Vec<String>,
    images: Vec<Input>,
    files: Vec<PathBuf>,
    /// Files that cannot be used.
    pub rejected: Vec<Rejected>,
}

impl Gathered {
    /// Lists the images under these paths.
    ///
    /// # Errors
    /// A path does not exist, or a pattern matches nothing.
    pub fn new(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let (mut inputs, mut files, mut seen) = (Inputs::default(), Vec::new(), HashSet::new());
        for path in expanded(paths)? {
            let (given, found) = files_under(&path, &mut inputs.rejected)?;
            for (name, path) in found {
                let place = place(&path).map_or_else(|| std::path::absolute(&path), Ok)?;
                if !seen.insert(place) {
                    continue; // the same file was named twice
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
            let reason = "It holds labels or settings, not an image. Pass labels with --landmarks, --against or --eval-landmarks.";
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

    /// Returns the files that images are read from: the images themselves, and zip files.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.images
            .iter()
            .map(|image| self.files[image.file].as_path())
    }

    /// Returns the file of an image, or `None` if the image is in a zip file.
    pub fn file(&self, index: usize) -> Option<&Path> {
        let image = &self.images[index];
        let file = &self.files[image.file];
        image.entry.is_none().then_some(file)
    }

    /// Reads the bytes of an image.
    ///
    /// # Errors
    /// The image cannot be read, is too large, or is damaged in its zip file.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, String> {
        let image = &self.images[index];
        let file = File::open(&self.files[image.file]).map_err(|error| unreadable(&error))?;
        inputs::read(&file, image.entry.as_ref())
    }

    /// Decodes the images with the numbers `wanted`, one by one, and returns all files that could not be used.
    pub fn read(
        &self,
        wanted: impl ExactSizeIterator<Item = usize>,
        config: &Config,
        reporter: &Reporter,
        mut take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        let bar = reporter.bar(wanted.len(), "{bar:32} {pos}/{len} files read");
        let mut rejected = self.rejected.clone();
        for index in wanted {
            let name = &self.names[index];
            let read = self.bytes(index);
            match read.and_then(|bytes| decode::decode(name, &bytes, config.size, config.fit)) {
                Ok(image) => take(image)?,
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

    /// Decodes all images, see [`Gathered::read`].
    pub fn read_all(
        &self,
        config: &Config,
        reporter: &Reporter,
        take: impl FnMut(SquareImage) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Rejected>> {
        self.read(0..self.names.len(), config, reporter, take)
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("It cannot be read ({error}).")
}

/// Expands patterns (`new/*.jpg`), which some shells leave alone. An existing file whose name looks like a pattern stays as it is.
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
        let found = glob_with(&pattern, options).map_err(|error| {
            anyhow!("{pattern} is neither a file nor a valid pattern: {error}.")
        })?;
        let before = all.len();
        for path in found {
            all.push(path.with_context(|| format!("{pattern} cannot be searched"))?);
        }
        if all.len() == before {
            bail!("No file matches the pattern {pattern}. Check its folder and its ending.");
        }
    }
    Ok(all)
}

/// Files with their paths relative to the path that was given, `/` between the parts.
type Relative = Vec<(String, PathBuf)>;

/// Returns a path as an absolute one, and the files under it, sorted by name: those of a folder, or the one file. Whatever is not
/// a file or cannot be opened is added to `rejected`.
fn files_under(
    root: &Path,
    rejected: &mut Vec<(String, String)>,
) -> anyhow::Result<(String, Relative)> {
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
    // By hand: walkdir has sentences of its own for errors, and the code would be no shorter.
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
                // The link may lead to a folder above it.
                Ok(about) if about.is_dir() && path.is_symlink() => {
                    reject(
                        "It is a link to a folder, which is not followed. Name that folder as well.",
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

/// Formats a path with `/` between its parts.
fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Reads a file.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Reads labels in any supported format, and warns about what could not be used.
pub fn read_landmarks(path: &Path) -> anyhow::Result<Imported> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let imported = formats::import(&name, &read(path)?)?;
    imported.notes.iter().for_each(|note| warn(note));
    Ok(imported)
}
