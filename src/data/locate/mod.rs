//! Finds the moving animal in frames of a still camera, crops to it, and turns it upright.
//!
//! [`Sampler`] collects frames of a video -> [`Scene`] is the background and a threshold -> [`Sighting`] is what moved in one frame
//! -> [`Track`] follows it over time -> [`Crop`] maps between a frame and a square around the animal. Nothing here reads files.
//!
//! Angles are in radians, clockwise in the image, whose y axis points down.

mod choose; // frames that differ
mod crop; // the square around the animal
mod heading; // which end of the axis is the head
mod mask; // masks of pixels: threshold, opening, components
mod mend; // jumps and flips of a track of keypoints
mod parts; // spectral clustering of the edge weights
mod scene; // background and threshold
mod search; // the two passes over the frames of a camera
mod sighting; // what moved in one frame
mod summary; // the findings as sentences
#[cfg(test)]
mod tests;
mod track; // sightings over time

pub use choose::{candidates, choose_frames, shares, thumbnail};
pub use crop::Crop;
pub use mend::{Step, jumps, mend_flips, next_step};
pub use parts::parts;
pub use scene::{Sampler, Scene};
pub use search::Search;
pub use sighting::{Seen, Sighting};
pub use summary::{Purpose, Summary};
pub use track::{Order, Place, Track, TrackOptions};
