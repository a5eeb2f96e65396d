//! The engine: [`Command`] in, [`Event`] out. The page's worker and the command line both drive it.

pub mod protocol;

pub use protocol::{Backend, Command, Event, Keypoints, Phase, Rejected, Source, Views};
