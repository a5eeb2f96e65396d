//! Bytes -> pictures -> batches.

pub mod archive; // zips: their directory, then a file at a time
pub mod dataset; // pictures in memory, and the order in which training meets them
pub mod decode; // a file's bytes -> a square picture
pub mod inputs; // files, zips and labels, told apart by their first bytes
mod jpeg; // files without an end
mod legacy; // names in zips of old code pages
pub mod mask; // what the decoder does not get to see
pub mod names; // what an image is called
pub mod nfc; // names in one Unicode form
mod resize; // one filter for all
mod sniff; // what a file is, by its first bytes
pub mod synthetic; // drawn puppets, with known joints
pub mod table; // texts and tables as other programs save them
pub(crate) mod tally; // what could not be used, counted

pub use dataset::{Batches, BatchesPosition, Dataset, Pick, Picture, Placement};
pub use mask::block_mask;
