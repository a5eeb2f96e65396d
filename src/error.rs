//! What can go wrong, each with a sentence that says what is wrong and what to do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The result of anything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What failed. The sentence (`Display`) is for the person in front of the screen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its range, or two settings contradict each other.
    #[error("{}", legible(.0))]
    Setting(String),
    /// The pictures cannot be used: none, one, or not pictures.
    #[error("{}", legible(.0))]
    Pictures(String),
    /// A file that should be a model is not one, or does not fit.
    #[error("{}", legible(.0))]
    Model(String),
    /// Landmarks that cannot be read, or too few of them.
    #[error("{}", legible(.0))]
    Landmarks(String),
    /// The perceptual weights could not be had.
    #[error("{}", legible(.0))]
    Weights(String),
    /// The backend cannot run: no WebGPU, no feature, a lost device.
    #[error("{}", legible(.0))]
    Backend(String),
    /// Training went wrong: the loss is no longer a number.
    #[error("{}", legible(.0))]
    Training(String),
    /// A file could not be read or written.
    #[error("{}", legible(.0))]
    File(String),
    /// A download failed.
    #[error("{}", legible(.0))]
    Network(String),
}

/// The kind of an [`Error`], as the page sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// See [`Error::Setting`].
    Setting,
    /// See [`Error::Pictures`].
    Pictures,
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
    /// A panic: a fault of ours.
    Crash,
}

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Setting(_) => ErrorKind::Setting,
            Error::Pictures(_) => ErrorKind::Pictures,
            Error::Model(_) => ErrorKind::Model,
            Error::Landmarks(_) => ErrorKind::Landmarks,
            Error::Weights(_) => ErrorKind::Weights,
            Error::Backend(_) => ErrorKind::Backend,
            Error::Training(_) => ErrorKind::Training,
            Error::File(_) => ErrorKind::File,
            Error::Network(_) => ErrorKind::Network,
        }
    }
}

/// The longest word and the longest sentence that are shown, in characters.
const LONGEST: [usize; 2] = [160, 900];

/// Keeps a sentence readable whatever it quotes from a file: words of more than 160 characters, and then sentences of more than
/// 900, lose their middle. The end stays, since it says what to do.
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
    fn what_is_quoted_from_a_file_does_not_drown_the_sentence() {
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
            let said = error.to_string();
            assert!(
                said.starts_with("The column \"") && said.ends_with(" is there twice: rename one."),
                "{said}"
            );
            assert!(
                said.chars().count() <= 1000,
                "{} characters",
                said.chars().count()
            );
        }
    }
}
