//! What the decoder does not get to see: whole cells of a grid, chosen anew for every picture of every step.

use rand::{Rng, RngExt};

/// Block masks, `[B, 1, g, g]`: each cell is hidden (0) with probability `ratio`, else kept (1).
///
/// One number is drawn per cell whatever the ratio is, so a change of the ratio does not disturb what is drawn later.
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
    fn the_hidden_share_is_the_ratio() {
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
    fn the_same_seed_gives_the_same_mask_everywhere() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mask = block_mask(&mut rng, 1, 4, 0.5);
        let text: String = mask
            .iter()
            .map(|&cell| if cell == 0.0 { '.' } else { '#' })
            .collect();
        assert_eq!(text, "..###..#.#..#..#");
    }
}
