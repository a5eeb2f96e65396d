//! Masks that hide cells of an image from the decoder, drawn anew for every image of every step.

use rand::{Rng, RngExt};

/// Draws block masks, `[B, 1, g, g]`: each cell is hidden (0) with probability `ratio`, else visible (1).
///
/// It draws one number per cell whatever the ratio, so that a change of the ratio does not change later draws.
///
/// ```
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mut rng = ChaCha8Rng::seed_from_u64(7);
/// assert_eq!(autolink::data::block_mask(&mut rng, 1, 2, 1.0), [0.0; 4]);
/// ```
pub fn block_mask(rng: &mut impl Rng, batch: usize, grid: usize, ratio: f64) -> Vec<f32> {
    // A draw lies in [0, 1): ratio 0 hides nothing, ratio 1 everything.
    (0..batch * grid * grid)
        .map(|_| {
            if rng.random::<f64>() < ratio {
                0.0
            } else {
                1.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn block_mask_hides_the_ratio_of_cells() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for ratio in [0.0, 0.3, 0.8, 1.0] {
            let mask = block_mask(&mut rng, 40, 16, ratio);
            assert_eq!(mask.len(), 40 * 16 * 16);
            assert!(mask.iter().all(|&cell| cell == 0.0 || cell == 1.0));
            let hidden = mask.iter().filter(|&&cell| cell == 0.0).count() as f64;
            // Three standard deviations of a binomial share of 10,240 cells.
            assert!((hidden / 10_240.0 - ratio).abs() <= 0.015, "{ratio}");
        }
    }

    #[test]
    fn seed_determines_the_mask_on_every_platform() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mask = block_mask(&mut rng, 1, 4, 0.5);
        let text: String = mask
            .iter()
            .map(|&cell| if cell == 0.0 { '.' } else { '#' })
            .collect();
        assert_eq!(text, "..###..#.#..#..#");
    }
}
