//! The log of a run: one JSON line per step.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// More bytes than a line of a log has.
const MAX_LINE: u64 = 4096;

/// A file of JSON lines, created or emptied when its first line is written.
pub struct Log {
    path: PathBuf,
    /// Existing lines stay.
    appends: bool,
    file: Option<File>,
    /// The last line may lack its end.
    is_torn: bool,
}

impl Log {
    /// Names the file; nothing is opened yet.
    pub fn new(path: &Path, appends: bool) -> Self {
        Self {
            path: path.to_path_buf(),
            appends,
            file: None,
            is_torn: false,
        }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// The file cannot be written. The next call tries again.
    pub fn line(&mut self, line: &serde_json::Value) -> anyhow::Result<()> {
        self.write(line)
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn write(&mut self, line: &serde_json::Value) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let (file, is_torn) = open(&self.path, self.appends)?;
                self.is_torn = is_torn;
                none.insert(file)
            }
        };
        let start = if self.is_torn { "\n" } else { "" };
        self.is_torn = true; // unless all of it is written
        file.write_all(format!("{start}{line}\n").as_bytes())?;
        self.is_torn = false;
        Ok(())
    }
}

/// Checks that a file may be continued as a log: it is missing or empty, not a plain file, or begins with a line of a log.
///
/// # Errors
/// The file holds something else.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let Some(start) = start_of(path) else {
        return Ok(());
    };
    let is_log = match start.split_once('\n') {
        Some((line, _)) => serde_json::from_str::<serde_json::Value>(line)
            .is_ok_and(|line| line["step"].is_u64() && line["loss"].is_number()),
        // The first line is torn.
        None => [r#"{"loss":"#, r#"{"baseline":"#]
            .iter()
            .any(|begin| start.starts_with(begin) || begin.starts_with(&start)),
    };
    if !is_log {
        bail!(
            "{} is not a log of a run, and is not changed. Choose another name for --log.",
            path.display()
        );
    }
    Ok(())
}

/// Reads the first bytes of a plain file as text; `None` if there is none.
fn start_of(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    file.take(MAX_LINE).read_to_end(&mut start).ok()?;
    Some(String::from_utf8_lossy(&start).into_owned())
}

/// Opens the file. The flag says that its last line lacks its end, because the process that wrote it was killed.
fn open(path: &Path, appends: bool) -> std::io::Result<(File, bool)> {
    if !appends {
        return Ok((File::create(path)?, false));
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, last != *b"\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn log_appends_after_a_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut first = Log::new(&path, false);
        assert!(!path.exists(), "nothing to write yet");
        first.line(&json!(1)).expect("writes");
        std::fs::write(&path, "1\n{\"st").expect("writes");
        let mut second = Log::new(&path, true);
        second.line(&json!(2)).expect("writes");
        second.line(&json!(3)).expect("writes");
        let text = std::fs::read_to_string(&path).expect("is there");
        assert_eq!(text, "1\n{\"st\n2\n3\n");
        Log::new(&path, false).line(&json!(4)).expect("writes");
        let text = std::fs::read_to_string(&path).expect("is there");
        assert_eq!(text, "4\n");
    }
}
