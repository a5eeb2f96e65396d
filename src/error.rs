//! What can go wrong, each with a sentence that says what is wrong and what to do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The result of anything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What failed. The sentence (`Display`) is for the person in front of the screen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its range, or two settings contradict each other.
    #[error("{0}")]
    Setting(String),
    /// The pictures cannot be used: none, one, or not pictures.
    #[error("{0}")]
    Pictures(String),
    /// A file that should be a model is not one, or does not fit.
    #[error("{0}")]
    Model(String),
    /// Landmarks that cannot be read, or too few of them.
    #[error("{0}")]
    Landmarks(String),
    /// The perceptual weights could not be had.
    #[error("{0}")]
    Weights(String),
    /// The backend cannot run: no WebGPU, no feature, a lost device.
    #[error("{0}")]
    Backend(String),
    /// Training went wrong: the loss is no longer a number.
    #[error("{0}")]
    Training(String),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String),
    /// A download failed.
    #[error("{0}")]
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
