//! Images that are held out of training, so that the loss can be measured on images that the model never saw.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Dataset;

/// Smallest number of images of which some are held out. Smaller sets need every image for training.
const FEWEST_IMAGES: usize = 40;
/// The fewest images that are held out, if any are.
const FEWEST_HELD_OUT: usize = 8;
/// The stream of the run's seed that chooses. The parameters and what training draws have others.
const STREAM: u64 = 4 << 32;

/// The indices of the images of a dataset, ascending, by their use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub training: Vec<usize>,
    /// Images that training never sees.
    pub held_out: Vec<usize>,
}

/// Holds out a share of the images, at least 8 of them; none if the share is 0 or there are fewer than 40 images.
///
/// Each image that was read draws a number from a stream of `seed`, and those with the least are held out. So the choice is the same
/// whenever the same images are read, and hardly changes where images are removed or more are read after them. See `tests/held_out.rs`.
pub fn split(images: &Dataset, share: f64, seed: u64) -> Split {
    let count = images.len();
    let mut training: Vec<usize> = (0..count).collect();
    if share <= 0.0 || count < FEWEST_IMAGES {
        return Split {
            training,
            held_out: Vec::new(),
        };
    }
    let wanted = ((share * count as f64).round() as usize).clamp(FEWEST_HELD_OUT, count / 2);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM);
    let draws: Vec<u64> = (0..images.read_len()).map(|_| rng.next_u64()).collect();
    training.sort_by_key(|&index| draws[images.place(index)]);
    let mut held_out: Vec<usize> = training.drain(..wanted).collect();
    training.sort_unstable();
    held_out.sort_unstable();
    Split { training, held_out }
}
