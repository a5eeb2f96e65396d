//! Errors: a kind, a message that says what happened and what to do, and the technical source where there is one.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Result of all functions of this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate. `Display` is the message for people; [`std::error::Error::source`] is the technical cause, for
/// "Details" on the page and after a colon on the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its range, or two settings contradict each other.
    #[error("{}", legible(.0))]
    Setting(String),
    /// The images cannot be used: there are none, only one, or they are not images.
    #[error("{}", legible(.0))]
    Images(String),
    /// A file is not a model, is damaged, or does not fit.
    #[error("{}", legible(.0))]
    Model(String),
    /// Landmarks cannot be read, or there are too few of them.
    #[error("{}", legible(.0))]
    Landmarks(String),
    /// The weights of the perceptual loss are not available.
    #[error("{}", legible(.0))]
    Weights(String),
    /// The backend cannot run: WebGPU or a feature is missing, or the device was lost.
    #[error("{}", legible(.0))]
    Backend(String),
    /// Training failed: the loss is not a number.
    #[error("{}", legible(.0))]
    Training(String),
    /// A file could not be read or written.
    #[error("{}", legible(.0))]
    File(String),
    /// A download failed.
    #[error("{}", legible(.0))]
    Network(String),
    /// One of the others with its technical source; made by [`Error::with_source`].
    #[error("{error}")]
    Sourced {
        /// The error with its message.
        error: Box<Error>,
        /// The technical source.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The kind of an [`Error`], as the page sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// See [`Error::Setting`].
    Setting,
    /// See [`Error::Images`].
    Images,
    /// See [`Error::Model`].
    Model,
    /// See [`Error::Landmarks`].
    Landmarks,
    /// See [`Error::Weights`].
    Weights,
    /// See [`Error::Backend`].
    Backend,
    /// See [`Error::Training`].
    Training,
    /// See [`Error::File`].
    File,
    /// See [`Error::Network`].
    Network,
    /// A panic, which is a bug of AutoLink.
    Crash,
}

impl Error {
    /// Attaches the technical source: an error of another library, or a string.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Sourced {
            error: Box::new(self),
            source: source.into(),
        }
    }

    /// Returns the message followed by the technical source in brackets, if there is one.
    pub fn message_with_source(&self) -> String {
        let message = self.to_string();
        match std::error::Error::source(self) {
            None => message,
            Some(source) => format!("{message} ({})", legible(&source.to_string())),
        }
    }

    /// Returns the kind, the same with and without a source.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Setting(_) => ErrorKind::Setting,
            Error::Images(_) => ErrorKind::Images,
            Error::Model(_) => ErrorKind::Model,
            Error::Landmarks(_) => ErrorKind::Landmarks,
            Error::Weights(_) => ErrorKind::Weights,
            Error::Backend(_) => ErrorKind::Backend,
            Error::Training(_) => ErrorKind::Training,
            Error::File(_) => ErrorKind::File,
            Error::Network(_) => ErrorKind::Network,
            Error::Sourced { error, .. } => error.kind(),
        }
    }
}

/// Maximum length of a word and of a whole message, characters.
const LONGEST: [usize; 2] = [160, 900];

/// Keeps a message readable that quotes long text from a file: removes the middle of words of more than 160 characters, then the
/// middle of messages of more than 900. The end stays because it says what to do.
pub(crate) fn legible(sentence: &str) -> String {
    let [word, all] = LONGEST;
    let words = sentence.split(' ').map(|part| without_middle(part, word));
    without_middle(&words.collect::<Vec<_>>().join(" "), all)
}

/// Shortens `text` to at most `longest` characters: two thirds of them from its start, an ellipsis, and the rest from its end.
fn without_middle(text: &str, longest: usize) -> String {
    let count = text.chars().count();
    if count <= longest {
        return text.into();
    }
    let start: String = text.chars().take(longest * 2 / 3).collect();
    let end: String = text.chars().skip(count - longest / 3 + 1).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_source_keeps_kind_and_message() {
        let error = Error::File("The checkpoint cannot be read.".into())
            .with_source(std::io::Error::other("no such device"));
        assert_eq!(error.kind(), ErrorKind::File);
        assert_eq!(error.to_string(), "The checkpoint cannot be read.");
        assert_eq!(
            error.message_with_source(),
            "The checkpoint cannot be read. (no such device)"
        );
        let plain = Error::File("The file is empty.".into());
        assert_eq!(plain.message_with_source(), "The file is empty.");
    }

    #[test]
    fn legible_shortens_quoted_text() {
        let plain = "The column \"tip_x\" is there twice: rename one.";
        assert_eq!(legible(plain), plain);
        for quoted in [
            "x".repeat(5_000),
            "x y ".repeat(5_000),
            "é\u{93}\n".repeat(5_000),
        ] {
            let error = Error::Landmarks(format!(
                "The column \"{quoted}\" is there twice: rename one."
            ));
            let message = error.to_string();
            assert!(
                message.starts_with("The column \"")
                    && message.ends_with(" is there twice: rename one."),
                "{message}"
            );
            assert!(
                message.chars().count() <= 1000,
                "{} characters",
                message.chars().count()
            );
        }
    }
}
