//! From bytes to images to batches.

pub mod archive; // zips: their directory, then a file at a time
mod code_pages; // file names in zips that are not UTF-8
pub mod dataset; // images in memory, and the order in which training visits them
pub mod decode; // from a file's bytes to a square image
pub mod hands; // the sample of photographs
mod held_out; // images that training never sees
pub mod inputs; // files, zips and labels, told apart by their first bytes
mod jpeg; // incomplete JPEG files
pub mod locate; // finds the moving animal, and crops to it
pub mod mask; // which cells are hidden from the decoder
pub mod names; // names of images
pub mod nfc; // Unicode normalisation of names
mod sniff; // recognises files by their first bytes
pub mod synthetic; // drawn puppets with known joints
pub mod table; // reads texts and tables as other programs save them
pub(crate) mod tally; // counts what could not be used

pub use dataset::{Batches, BatchesPosition, Dataset, Pick, Placement, SquareImage};
pub use held_out::{Split, split};
pub use mask::block_mask;
