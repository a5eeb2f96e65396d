//! Messages to people and to programs.

use std::io::{IsTerminal, Write};

use autolink::session::{Event, Rejected};
use indicatif::{ProgressBar, ProgressStyle};

/// Reports as JSON lines on standard output, or as sentences and progress bars on standard error.
pub struct Reporter {
    pub json: bool,
}

impl Reporter {
    /// Prints one JSON line.
    pub fn line(&self, value: &serde_json::Value) {
        // A closed pipe must not end a training run.
        let _ = writeln!(std::io::stdout(), "{value}");
    }

    /// Prints an event of the engine as a JSON line; without `--json` it prints nothing.
    pub fn event(&self, event: &Event) {
        if let (true, Ok(value)) = (self.json, serde_json::to_value(event)) {
            self.line(&value);
        }
    }

    /// Prints a sentence above a progress bar; with `--json` it prints nothing.
    pub fn print(&self, bar: &ProgressBar, sentence: &str) {
        if !self.json {
            bar.suspend(|| warn(sentence));
        }
    }

    /// Makes a progress bar, which is hidden with `--json` and where standard error is not a terminal.
    pub fn bar(&self, length: usize, template: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length as u64).with_style(style)
    }

    /// Warns about each file that could not be used.
    pub fn rejected(&self, rejected: &[Rejected]) {
        for Rejected { name, reason } in rejected {
            warn(&format!("Skipped {name}: {reason}"));
        }
    }
}

/// Prints a sentence on standard error. Where the terminal was closed it is lost; `eprintln` would panic.
pub fn warn(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}

/// Returns an error's sentence, followed by its technical source after a colon.
pub fn message(error: &anyhow::Error) -> String {
    let parts: Vec<String> = error.chain().map(ToString::to_string).collect();
    let (last, others) = parts.split_last().expect("an error has a sentence");
    let others = others.iter().map(|part| part.trim_end_matches('.'));
    (others.chain([last.as_str()]))
        .collect::<Vec<_>>()
        .join(": ")
}
