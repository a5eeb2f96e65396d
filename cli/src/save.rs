//! Writing files so that nothing is lost: what can be known is checked before the work, and an interruption leaves the old file or
//! the new one, whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::{Builder, NamedTempFile};

/// What the names of files begin and end with while they are written.
const PART: [&str; 2] = [".autolink-", ".part"];

/// What a command reads and is going to write.
#[derive(Default)]
pub struct Outputs {
    /// Whether files that are there may be replaced.
    force: bool,
    /// Must not be written to.
    inputs: Vec<PathBuf>,
    planned: Vec<PathBuf>,
}

impl Outputs {
    /// Nothing yet. `force`: files that are there may be replaced, but for inputs.
    pub fn new(force: bool) -> Self {
        Self {
            force,
            ..Self::default()
        }
    }

    /// A file or folder that the command reads, and must not replace.
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// A file that is to be written and is not there yet.
    ///
    /// # Errors
    /// A sentence, where it is there and nobody said that it may be replaced, or where it cannot be written: see
    /// [`Outputs::replace`].
    pub fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        check_new(path, self.force)?;
        self.replace(path)
    }

    /// A file that is to be written whether it is there or not.
    ///
    /// # Errors
    /// A sentence, where it is a folder or an input, another output has its name, its folder is missing, or nothing can be
    /// written there.
    pub fn replace(&mut self, path: &Path) -> anyhow::Result<()> {
        let shown = path.display();
        if path.is_dir() || path.to_string_lossy().ends_with(['/', '\\']) {
            bail!("{shown} is a folder: give the name of a file in it.");
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            bail!(
                "{shown} cannot be written: there is no folder {}.",
                folder.display()
            );
        }
        if self.inputs.iter().any(|input| is_same(input, path)) {
            bail!("{shown} would replace what is read: choose another name.");
        }
        if self.planned.iter().any(|other| is_same(other, path)) {
            bail!("{shown} is to hold two different things: choose another name for one of them.");
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

    /// A folder to write into; it is made where there is none.
    ///
    /// # Errors
    /// A sentence, where it is a file, or cannot be made or written into.
    pub fn folder(&mut self, path: &Path) -> anyhow::Result<()> {
        if path.exists() && !path.is_dir() {
            bail!("{} is a file, and should be a folder.", path.display());
        }
        fs::create_dir_all(path)
            .with_context(|| format!("{} cannot be made a folder", path.display()))?;
        begin(path).with_context(|| format!("nothing can be written into {}", path.display()))?;
        Ok(())
    }
}

/// Refuses a file that is there already, unless it may be replaced.
///
/// # Errors
/// A sentence, with what to do.
pub fn check_new(path: &Path, force: bool) -> anyhow::Result<()> {
    if !force && path.is_file() {
        bail!(
            "{} is there already: choose another name, or replace it with --force.",
            path.display()
        );
    }
    Ok(())
}

/// Whether two names lead to the same file, there already or not.
pub fn is_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = folder_of(path).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    // A pipe must not be opened: that waits for somebody to write into it.
    let opens = |path: &Path| fs::metadata(path).is_ok_and(|it| it.is_file() || it.is_dir());
    (opens(a) && opens(b) && same_file::is_same_file(a, b).unwrap_or(false))
        || place(a).is_some_and(|a| Some(a) == place(b))
}

/// Refuses to begin what there is no room for: bytes to be written below folders.
///
/// # Errors
/// A sentence with what is needed and what is free.
pub fn check_room(needs: &[(PathBuf, u64)]) -> anyhow::Result<()> {
    for (folder, _) in needs {
        let needed = (needs.iter())
            .filter(|(other, _)| disk_of(other) == disk_of(folder))
            .fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        // Where it cannot be asked, writing will tell.
        let free = fs4::available_space(folder).unwrap_or(u64::MAX);
        if needed > free {
            bail!(
                "There is not enough room in {}: {} are needed, {} are free. Free some, or write elsewhere.",
                folder.display(),
                bytes(needed),
                bytes(free)
            );
        }
    }
    Ok(())
}

/// Which disk a folder is on.
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

/// A number of bytes for people.
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

/// Writes a file beside its place, waits until the disk has it, and moves it there.
///
/// # Errors
/// Nothing could be written; then the file is as it was.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_plain(path) {
        write_beside(&followed(path), |part| part.write_all(bytes))
    } else {
        fs::write(path, bytes) // a pipe or a device
    }
    .with_context(|| cannot(path))
}

/// [`write`], whatever makes the bytes.
fn write_beside(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    sweep(&folder);
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

/// A new file for what is written, locked so that nobody sweeps it away; gone when it is dropped.
fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PART[0]).suffix(PART[1]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other file: less what the process's mask takes away.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        let part = builder.tempfile_in(folder)?;
        // Where there are no locks, nothing is swept either.
        let _ = part.as_file().lock();
        // A sweep that came before the lock took it for one that was left.
        if part.path().exists() {
            return Ok(part);
        }
    }
}

/// Removes what a killed process has left in a folder: what is still being written is locked.
fn sweep(folder: &Path) {
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

/// Waits until the disk has the folder's new list of files, where folders can be asked for that.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Whether it is an ordinary file, or none yet: neither a pipe nor a device.
fn is_plain(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |about| about.is_file())
}

/// Where a link leads, so that the link stays.
fn followed(path: &Path) -> PathBuf {
    if path.is_symlink() {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    } else {
        path.to_path_buf()
    }
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
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
    fn a_write_that_fails_leaves_the_old_file_and_no_litter() {
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
    fn what_was_left_is_swept_and_what_is_being_written_stays() {
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
    fn a_link_stays_a_link_and_permissions_stay() {
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
    fn what_can_be_known_is_known_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), b"old").expect("writes");
        fs::create_dir(at("sub")).expect("makes");
        let says = |outputs: &mut Outputs, path: &Path| {
            let refused = outputs.file(path).expect_err("is refused");
            format!("{refused:#}")
        };
        let mut outputs = Outputs::new(false).input(at("old"));
        assert!(says(&mut outputs, &at("old")).contains("--force"));
        assert!(says(&mut outputs, &at("sub")).contains("is a folder"));
        assert!(says(&mut outputs, &at("new/")).contains("is a folder"));
        assert!(says(&mut outputs, &at("no/model")).contains("there is no folder"));
        outputs.file(&at("new")).expect("can be written");
        assert!(says(&mut outputs, &at("sub/../new")).contains("two different things"));
        let mut forced = Outputs::new(true).input(at("sub/../old"));
        assert!(says(&mut forced, &at("old")).contains("what is read"));
        Outputs::new(true).file(&at("old")).expect("replaces");
        let a_file = Outputs::new(true).folder(&at("old"));
        let said = a_file.expect_err("a file").to_string();
        assert!(said.contains("should be a folder"), "{said}");
        assert_eq!(names(folder.path()), ["old", "sub"], "nothing was left");
    }

    #[test]
    fn too_little_room_is_said_with_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().to_path_buf();
        check_room(&[(place.clone(), 1)]).expect("a byte fits");
        // Together too much for one disk.
        let half = u64::MAX / 2;
        let said = check_room(&[(place.clone(), half), (place, half)]).expect_err("too much");
        let said = said.to_string();
        assert!(said.contains("18446744.1 TB are needed"), "{said}");
        assert!(said.contains("are free"), "{said}");
    }

    #[test]
    fn bytes_are_rounded_for_people() {
        let shown = [0, 999, 1_000, 12_345_678, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 bytes", "999 bytes", "1.0 kB", "12.3 MB", "18446744.1 TB"]
        );
    }
}
