//! Finding and running programs.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Makes a command from its words.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Formats a command as a person would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command that shares this terminal.
///
/// # Errors
/// The command did not start, or failed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("`{shown}` did not start"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Returns what a command prints, or `None` if it does not start or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Finds a program on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name).with_extension(env::consts::EXE_EXTENSION))
        .find(|file| file.is_file())
}

/// Makes a command of npm. On Windows these are scripts, which do not start without their extension.
pub fn npm(words: &[&str]) -> Command {
    let program = format!("{}{}", words[0], if cfg!(windows) { ".cmd" } else { "" });
    let mut command = Command::new(program);
    command.args(&words[1..]);
    command
}
