//! How the program speaks.

use std::io::{IsTerminal, Write};

use autolink::session::{Event, Rejected};
use indicatif::{ProgressBar, ProgressStyle};

/// How the program speaks: JSON lines on standard output, or sentences and bars on standard error.
pub struct Reporter {
    pub json: bool,
}

impl Reporter {
    pub fn line(&self, value: &serde_json::Value) {
        // A closed pipe is no reason to lose a training run.
        let _ = writeln!(std::io::stdout(), "{value}");
    }

    pub fn event(&self, event: &Event) {
        if let (true, Ok(mut value)) = (self.json, serde_json::to_value(event)) {
            // Scripts written for earlier versions read the number of images under this name.
            if let Some(images) = value.get("images").cloned() {
                value["pictures"] = images;
            }
            self.line(&value);
        }
    }

    pub fn say(&self, bar: &ProgressBar, sentence: &str) {
        if !self.json {
            bar.suspend(|| warn(sentence));
        }
    }

    pub fn bar(&self, length: usize, template: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length as u64).with_style(style)
    }

    /// Files that could not be used.
    pub fn rejected(&self, rejected: &[Rejected]) {
        for Rejected { name, reason } in rejected {
            warn(&format!("left out {name}: {reason}"));
        }
    }
}

/// A sentence on standard error, if somebody still listens: where a terminal was closed, `eprintln` would panic.
pub fn warn(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}
