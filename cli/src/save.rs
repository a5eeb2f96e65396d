//! Writing files without losing any: outputs are checked before the work, and an interruption leaves either the old file or the
//! complete new one.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::{Builder, NamedTempFile};

/// Prefix and suffix of the names of unfinished files.
const PART: [&str; 2] = [".autolink-", ".part"];

/// The inputs of a command, and the outputs that it plans.
#[derive(Default)]
pub struct Outputs {
    /// Existing files may be replaced.
    force: bool,
    /// Files and folders that must not be written to.
    inputs: Vec<PathBuf>,
    /// Images and zip files that the command reads, as canonical paths.
    sources: HashSet<PathBuf>,
    planned: Vec<PathBuf>,
}

impl Outputs {
    /// Plans nothing yet. With `force`, existing files may be replaced, except inputs.
    pub fn new(force: bool) -> Self {
        Self {
            force,
            ..Self::default()
        }
    }

    /// Adds a file or folder that the command reads and must not replace.
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// Adds the files that the command reads images from.
    pub fn sources<'a>(mut self, paths: impl Iterator<Item = &'a Path>) -> Self {
        let canonical = paths.filter_map(|path| path.canonicalize().ok());
        self.sources.extend(canonical);
        self
    }

    /// Checks that a path may be written to: it is not an input and, without `--force`, does not exist. Its folder may be missing.
    ///
    /// # Errors
    /// The file exists and there is no `--force`, or it is an input.
    pub fn check(&self, path: &Path) -> anyhow::Result<()> {
        check_new(path, self.force)?;
        self.check_input(path)
    }

    fn check_input(&self, path: &Path) -> anyhow::Result<()> {
        let is_source = || {
            path.canonicalize()
                .is_ok_and(|path| self.sources.contains(&path))
        };
        if self.inputs.iter().any(|input| is_same(input, path)) || is_source() {
            bail!(
                "{} would replace an input. Choose another name.",
                path.display()
            );
        }
        Ok(())
    }

    /// Plans a new file.
    ///
    /// # Errors
    /// The file exists and there is no `--force`, or it cannot be written (see [`Outputs::replace`]).
    pub fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        check_new(path, self.force)?;
        self.replace(path)
    }

    /// Plans a file that may exist.
    ///
    /// # Errors
    /// The path is a folder, an input or another output, its folder is missing, or the file cannot be written.
    pub fn replace(&mut self, path: &Path) -> anyhow::Result<()> {
        let shown = path.display();
        if path.is_dir() || path.to_string_lossy().ends_with(['/', '\\']) {
            bail!("{shown} is a folder. Give the name of a file in it.");
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            bail!(
                "{shown} cannot be written: there is no folder {}.",
                folder.display()
            );
        }
        self.check_input(path)?;
        if self.planned.iter().any(|other| is_same(other, path)) {
            bail!("{shown} is the name of two outputs. Choose another name for one of them.");
        }
        if path.is_file() {
            let permissions = fs::metadata(path).map(|about| about.permissions());
            if permissions.is_ok_and(|permissions| permissions.readonly()) {
                bail!("{shown} cannot be written: it is read-only.");
            }
        }
        if is_plain(path) {
            begin(&folder_of(&followed(path))).with_context(|| cannot(path))?;
        }
        self.planned.push(path.to_path_buf());
        Ok(())
    }

    /// Plans a folder to write into, and creates it if it is missing.
    ///
    /// # Errors
    /// The path is a file, or the folder cannot be created or written into.
    pub fn folder(&mut self, path: &Path) -> anyhow::Result<()> {
        check_folder(path)?;
        if let Some(input) = self.inputs.iter().find(|input| lies_in(path, input)) {
            bail!(
                "{} lies in the input {}, and its files would be read as images the next time. Choose a folder outside.",
                path.display(),
                input.display()
            );
        }
        fs::create_dir_all(path)
            .with_context(|| format!("The folder {} cannot be created", path.display()))?;
        begin(path)
            .with_context(|| format!("The folder {} cannot be written into", path.display()))?;
        Ok(())
    }
}

/// Checks that a path can be a folder.
///
/// # Errors
/// It is a file.
pub fn check_folder(path: &Path) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{} is a file. Give the name of a folder.", path.display());
    }
    Ok(())
}

/// Checks whether a path, which need not exist, is a folder or lies in it.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    let absolute = std::path::absolute(path).unwrap_or_default();
    (absolute.ancestors())
        .find_map(|part| part.canonicalize().ok())
        .is_some_and(|part| part.starts_with(folder))
}

/// Checks that a file is new, unless `force` allows replacing it.
///
/// # Errors
/// The file exists.
pub fn check_new(path: &Path, force: bool) -> anyhow::Result<()> {
    if !force && path.is_file() {
        bail!(
            "{} already exists. Choose another name, or replace it with --force.",
            path.display()
        );
    }
    Ok(())
}

/// Checks whether two paths name the same file, which need not exist.
pub fn is_same(a: &Path, b: &Path) -> bool {
    // A pipe must not be opened: that waits for a writer.
    let opens = |path: &Path| fs::metadata(path).is_ok_and(|it| it.is_file() || it.is_dir());
    (opens(a) && opens(b) && same_file::is_same_file(a, b).unwrap_or(false))
        || place(a).is_some_and(|a| Some(a) == place(b))
}

/// Checks that the disks have room for bytes to be written below folders.
///
/// # Errors
/// A disk has too little room; the message says how much is needed and free.
pub fn check_room(needs: &[(PathBuf, u64)]) -> anyhow::Result<()> {
    for (folder, _) in needs {
        let needed = (needs.iter())
            .filter(|(other, _)| disk_of(other) == disk_of(folder))
            .fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        // If the system does not report it, writing will fail instead.
        let free = fs4::available_space(folder).unwrap_or(u64::MAX);
        if needed > free {
            bail!(
                "There is not enough space in {}: {} are needed, {} are free. Free some space, or write elsewhere.",
                folder.display(),
                bytes(needed),
                bytes(free)
            );
        }
    }
    Ok(())
}

/// Identifies the disk of a folder.
fn disk_of(folder: &Path) -> Option<String> {
    #[cfg(unix)]
    return {
        use std::os::unix::fs::MetadataExt;
        Some(fs::metadata(folder).ok()?.dev().to_string())
    };
    #[cfg(not(unix))]
    return {
        let whole = folder.canonicalize().ok()?;
        let drive = whole.components().next()?;
        Some(drive.as_os_str().to_string_lossy().into_owned())
    };
}

/// Formats a number of bytes: `12.3 MB`.
pub fn bytes(count: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{value:.digits$} {}", units[unit])
}

/// Writes a file under a temporary name, waits until it is on the disk, and renames it.
///
/// # Errors
/// The file could not be written; then the old file is unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_plain(path) {
        write_beside(&followed(path), |part| part.write_all(bytes))
    } else {
        fs::write(path, bytes) // a pipe or a device has no temporary name
    }
    .with_context(|| cannot(path))
}

/// Writes a file that another program fills: `fill` gets the path of an unfinished file, which takes the place of the old one at the
/// end.
///
/// # Errors
/// `fill` failed or the file could not be written; then the old file is unchanged, and nothing is left.
pub fn write_with<T>(
    path: &Path,
    fill: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let path = &followed(path);
    let folder = folder_of(path);
    remove_unfinished(&folder);
    let part = begin(&folder).with_context(|| cannot(path))?;
    #[cfg(windows)]
    let _ = part.as_file().unlock(); // a lock would keep the other program out
    let made = fill(part.path())?;
    let close = || -> io::Result<()> {
        let written = File::options().append(true).open(part.path())?;
        written.sync_all()?;
        drop(written);
        part.persist(path)?;
        sync_folder(&folder);
        Ok(())
    };
    close().with_context(|| cannot(path))?;
    Ok(made)
}

/// Writes like [`write()`] what `fill` produces.
fn write_beside(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    remove_unfinished(&folder);
    let mut part = begin(&folder)?;
    fill(part.as_file_mut())?;
    if let Ok(before) = fs::metadata(path) {
        part.as_file().set_permissions(before.permissions())?;
    }
    part.as_file().sync_all()?;
    part.persist(path)?;
    sync_folder(&folder);
    Ok(())
}

/// Creates an unfinished file, locked so that no other process removes it. Dropping it removes it.
fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PART[0]).suffix(PART[1]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The mode of any new file, less the umask.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        let part = builder.tempfile_in(folder)?;
        // Without locks, no process removes unfinished files.
        let _ = part.as_file().lock();
        // Another process may have removed it before it was locked.
        if part.path().exists() {
            return Ok(part);
        }
    }
}

/// Removes the unfinished files of killed processes from a folder; those of running processes are locked.
fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PART[0])
            && name.ends_with(PART[1])
            && let Ok(file) = File::options().read(true).write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Waits until the new directory entry is on the disk, on systems that can.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Checks that a path is a regular file or does not exist: neither a pipe nor a device.
fn is_plain(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |about| about.is_file())
}

/// Resolves a symbolic link, so that writing keeps the link.
fn followed(path: &Path) -> PathBuf {
    if path.is_symlink() {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    } else {
        path.to_path_buf()
    }
}

/// Returns the folder of a file, `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Returns the one path of a file that several paths may name: `a.png`, `./a.png`, and by a link to its folder; `None` if its folder
/// cannot be found. A link to a file is a file of its own.
pub fn place(path: &Path) -> Option<PathBuf> {
    let folder = folder_of(path).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

fn cannot(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model");
        write(&path, b"first").expect("writes");
        let full = |part: &mut File| {
            part.write_all(b"sec")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        };
        let error = write_beside(&path, full).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).expect("is there"), b"first");
        assert_eq!(names(folder.path()), ["model"]);
        write(&path, b"second").expect("writes");
        assert_eq!(fs::read(&path).expect("is there"), b"second");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[test]
    fn failed_write_with_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("video");
        let fills = |bytes: &'static [u8]| move |part: &Path| Ok(fs::write(part, bytes)?);
        write_with(&path, fills(b"first")).expect("writes");
        let stopped: anyhow::Result<()> = write_with(&path, |part| {
            fs::write(part, b"sec")?;
            bail!("Stopped.")
        });
        assert_eq!(stopped.expect_err("stopped").to_string(), "Stopped.");
        assert_eq!(fs::read(&path).expect("is there"), b"first");
        assert_eq!(names(folder.path()), ["video"]);
    }

    #[test]
    fn write_removes_unfinished_files_of_killed_processes_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join(".autolink-abc.part");
        fs::write(&left, b"half a mod").expect("writes");
        fs::write(folder.path().join("mine.part"), b"").expect("writes");
        let part = begin(folder.path()).expect("begins");
        write(&folder.path().join("model"), b"whole").expect("writes");
        assert!(!left.exists());
        assert!(part.path().exists(), "another process writes it");
        drop(part);
        assert_eq!(names(folder.path()), ["mine.part", "model"]);
    }

    #[test]
    #[cfg(unix)]
    fn write_keeps_links_and_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, b"old").expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("permits");
        symlink(&file, &link).expect("links");
        write(&link, b"new").expect("writes");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).expect("is there"), b"new");
        let mode = fs::metadata(&file).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn outputs_reject_what_cannot_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), b"old").expect("writes");
        fs::create_dir(at("sub")).expect("makes");
        let rejection = |outputs: &mut Outputs, path: &Path| {
            let refused = outputs.file(path).expect_err("is refused");
            format!("{refused:#}")
        };
        let mut outputs = Outputs::new(false).input(at("old"));
        assert!(rejection(&mut outputs, &at("old")).contains("--force"));
        assert!(rejection(&mut outputs, &at("sub")).contains("is a folder"));
        assert!(rejection(&mut outputs, &at("new/")).contains("is a folder"));
        assert!(rejection(&mut outputs, &at("no/model")).contains("there is no folder"));
        outputs.file(&at("new")).expect("can be written");
        assert!(rejection(&mut outputs, &at("sub/../new")).contains("two outputs"));
        let mut forced = Outputs::new(true).input(at("sub/../old"));
        assert!(rejection(&mut forced, &at("old")).contains("an input"));
        Outputs::new(true).file(&at("old")).expect("replaces");
        let a_file = Outputs::new(true).folder(&at("old"));
        let message = a_file.expect_err("a file").to_string();
        assert!(message.contains("is a file"), "{message}");
        assert_eq!(names(folder.path()), ["old", "sub"], "nothing was left");
    }

    #[test]
    fn check_room_reports_needed_and_free_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().to_path_buf();
        check_room(&[(place.clone(), 1)]).expect("a byte fits");
        // Together too much for one disk.
        let half = u64::MAX / 2;
        let error = check_room(&[(place.clone(), half), (place, half)]).expect_err("too much");
        let message = error.to_string();
        assert!(message.contains("18446744.1 TB are needed"), "{message}");
        assert!(message.contains("are free"), "{message}");
    }

    #[test]
    fn bytes_formats_units() {
        let shown = [0, 999, 1_000, 12_345_678, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 bytes", "999 bytes", "1.0 kB", "12.3 MB", "18446744.1 TB"]
        );
    }
}
