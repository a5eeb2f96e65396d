//! How far edges stand out from all others: what decides which edges are drawn.

/// Least contrast of the strongest edge, in edge weight: below it, a model that has learned nothing would show a tangle.
pub const MIN_CONTRAST: f32 = 0.1;

/// Computes the median edge weight, and how far the strongest rises above it, at least [`MIN_CONTRAST`]. `weights` `[K][K]` is
/// symmetric.
///
/// Most pairs of keypoints are not an edge of the skeleton; those that are stand out: `strength = (w - median) / contrast`.
///
/// ```
/// let weights = [vec![0.0, 0.125, 0.625], vec![0.125, 0.0, 0.0625], vec![0.625, 0.0625, 0.0]];
/// assert_eq!(autolink::render::median_and_contrast(&weights), (0.125, 0.5));
/// ```
pub fn median_and_contrast(weights: &[Vec<f32>]) -> (f32, f32) {
    let mut edges: Vec<f32> = (weights.iter().enumerate())
        .flat_map(|(i, row)| row.iter().skip(i + 1).copied())
        .collect();
    edges.sort_by(f32::total_cmp);
    let median = edges.get(edges.len() / 2).copied().unwrap_or_default();
    let strongest = edges.last().copied().unwrap_or_default();
    (median, (strongest - median).max(MIN_CONTRAST))
}

/// Computes how far each edge stands out, `[K][K]`: 0 up to the median weight, 1 for the strongest. See [`median_and_contrast`] and
/// `tests/session.rs`.
pub fn relative_strengths(weights: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (median, contrast) = median_and_contrast(weights);
    let strength = |w: &f32| ((w - median) / contrast).max(0.0);
    (weights.iter())
        .map(|row| row.iter().map(strength).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_the_rise_above_the_median_weight() {
        let weights = |[a, b, c]: [f32; 3]| vec![vec![0.0, a, b], vec![a, 0.0, c], vec![b, c, 0.0]];
        assert_eq!(
            median_and_contrast(&weights([0.125, 0.625, 0.0625])),
            (0.125, 0.5)
        );
        assert_eq!(
            median_and_contrast(&weights([0.125, 0.1875, 0.125])),
            (0.125, MIN_CONTRAST)
        );
        assert_eq!(median_and_contrast(&[]), (0.0, MIN_CONTRAST));
    }
}
