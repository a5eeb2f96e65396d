//! Which edges are drawn: the skeleton, and how far each of its edges stands out from all pairs of keypoints.

use serde::Serialize;
use ts_rs::TS;

/// Least contrast of the strongest edge, in edge weight: below it, a model that has learned nothing would show a tangle.
pub const MIN_CONTRAST: f32 = 0.1;
/// A keypoint is dead if no edge to it is stronger than this: it is not part of the skeleton.
pub const DEAD: f32 = 0.02;
/// An edge that closes a cycle has at least this strength.
pub const MIN_CLOSING: f32 = 0.5;

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

/// The part of an edge in the skeleton, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeRole {
    /// It belongs to the tree of the strongest edges that connects all keypoints but dead ones.
    Tree,
    /// It belongs to the few strongest edges that close cycles.
    Closing,
    /// It would belong to the tree, but one of its ends is dead: no part of the skeleton.
    Dead,
    /// Stronger edges connect its ends already: no part of the skeleton.
    Spare,
}

/// Computes how far each edge stands out, `[K][K]`: 0 up to the median weight, 1 for the strongest. See [`median_and_contrast`].
fn relative_strengths(weights: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (median, contrast) = median_and_contrast(weights);
    let strength = |w: &f32| ((w - median) / contrast).max(0.0);
    (weights.iter())
        .map(|row| row.iter().map(strength).collect())
        .collect()
}

/// Chooses the edges of the skeleton, `[i, j]` with `i < j`, ascending. `weights` `[K][K]` is symmetric.
///
/// It is the tree of the strongest edges that connects all keypoints but dead ones (Kruskal's maximum spanning tree), and the
/// strongest edges that close cycles: those of half the contrast and more, at most one for four keypoints. A threshold alone draws
/// a web where many edges are about as strong, and loses keypoints whose edges are weak.
///
/// ```
/// let mut weights = vec![vec![0.0; 4]; 4];
/// for (i, j, w) in [(0, 1, 0.9), (1, 2, 0.3), (0, 2, 0.2)] {
///     (weights[i][j], weights[j][i]) = (w, w);
/// }
/// assert_eq!(autolink::render::skeleton(&weights), [[0, 1], [1, 2]], "keypoint 3 is dead");
/// ```
pub fn skeleton(weights: &[Vec<f32>]) -> Vec<[usize; 2]> {
    let mut chosen: Vec<_> = (edge_roles(weights).into_iter())
        .filter(|(_, role)| matches!(role, EdgeRole::Tree | EdgeRole::Closing))
        .map(|(edge, _)| edge)
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Returns the largest number of edges that close cycles, for a tree of `tree_edges` edges.
pub(crate) fn most_closing(tree_edges: usize) -> usize {
    (tree_edges + 1) / 4
}

/// Returns every edge `[i, j]` with `i < j`, the strongest first, with its part in the [`skeleton`].
///
/// ```
/// use autolink::render::{EdgeRole, edge_roles};
/// let mut weights = vec![vec![0.0; 4]; 4];
/// for (i, j, w) in [(0, 1, 0.9), (1, 2, 0.3), (0, 2, 0.2)] {
///     (weights[i][j], weights[j][i]) = (w, w);
/// }
/// let roles = edge_roles(&weights).into_iter().map(|(_, role)| role);
/// let expected = [EdgeRole::Tree, EdgeRole::Tree, EdgeRole::Spare, EdgeRole::Dead];
/// assert!(roles.take(4).eq(expected), "keypoint 3 is dead");
/// ```
pub fn edge_roles(weights: &[Vec<f32>]) -> Vec<([usize; 2], EdgeRole)> {
    let strengths = relative_strengths(weights);
    let strength = |[i, j]: [usize; 2]| strengths[i][j];
    let count = weights.len();
    let mut edges: Vec<[usize; 2]> = (0..count)
        .flat_map(|i| (i + 1..count).map(move |j| [i, j]))
        .collect();
    // By weight: below the median, strengths are all 0.
    edges.sort_by(|&[i, j], &[k, l]| weights[k][l].total_cmp(&weights[i][j]));

    // Keypoints that the tree connects have the same root.
    let mut root: Vec<usize> = (0..count).collect();
    let mut roles: Vec<_> = (edges.into_iter())
        .map(|[i, j]| {
            let (kept, replaced) = (root[i], root[j]);
            if kept == replaced {
                return ([i, j], EdgeRole::Spare);
            }
            for root in root.iter_mut().filter(|root| **root == replaced) {
                *root = kept;
            }
            ([i, j], EdgeRole::Tree)
        })
        .collect();
    // Weak edges in the middle stay, since they hold two parts together.
    loop {
        let is_tree = |role: &EdgeRole| *role == EdgeRole::Tree;
        let degree = |k: usize| {
            let touching =
                |(edge, role): &&([usize; 2], EdgeRole)| is_tree(role) && edge.contains(&k);
            roles.iter().filter(touching).count()
        };
        let is_dead = |(edge, role): &([usize; 2], EdgeRole)| {
            is_tree(role) && strength(*edge) <= DEAD && edge.iter().any(|&end| degree(end) == 1)
        };
        let Some(dead) = roles.iter().rposition(is_dead) else {
            break;
        };
        roles[dead].1 = EdgeRole::Dead;
    }
    let of = |wanted: EdgeRole| move |(_, role): &&mut ([usize; 2], EdgeRole)| *role == wanted;
    let tree_edges = roles.iter_mut().filter(of(EdgeRole::Tree)).count();
    let closing = roles.iter_mut().filter(of(EdgeRole::Spare));
    for (edge, role) in closing.take(most_closing(tree_edges)) {
        if strength(*edge) >= MIN_CLOSING {
            *role = EdgeRole::Closing;
        }
    }
    roles
}

/// Computes how far each edge of the [`skeleton`] stands out, `[K][K]`: 1 for the strongest, 0 for every edge that is not drawn.
/// See `tests/session.rs`.
pub fn skeleton_strengths(weights: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let all = relative_strengths(weights);
    let mut drawn = vec![vec![0.0; weights.len()]; weights.len()];
    for [i, j] in skeleton(weights) {
        (drawn[i][j], drawn[j][i]) = (all[i][j], all[j][i]);
    }
    drawn
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

    /// Weights of `count` keypoints: 0.05 but for `edges`.
    fn weights(count: usize, edges: &[(usize, usize, f32)]) -> Vec<Vec<f32>> {
        let mut weights = vec![vec![0.05; count]; count];
        (0..count).for_each(|k| weights[k][k] = 0.0);
        for &(i, j, w) in edges {
            (weights[i][j], weights[j][i]) = (w, w);
        }
        weights
    }

    #[test]
    fn skeleton_is_a_tree_of_the_strongest_edges() {
        // A web over four keypoints, to which two others hang by weaker edges.
        let web = [
            (0, 1, 1.0),
            (1, 2, 0.9),
            (2, 3, 0.8),
            (0, 2, 0.4),
            (1, 3, 0.4),
        ];
        let arms = [(3, 4, 0.2), (4, 5, 0.1), (0, 4, 0.08)];
        let tree = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]];
        assert_eq!(
            skeleton(&weights(6, &[web.as_slice(), &arms].concat())),
            tree
        );
    }

    #[test]
    fn skeleton_keeps_the_strongest_cycles() {
        let ring: Vec<_> = (0..8)
            .map(|k| (k, (k + 1) % 8, 1.0 - 0.01 * k as f32))
            .collect();
        assert_eq!(skeleton(&weights(8, &ring)).len(), 8);
        let complete: Vec<_> = (0..8)
            .flat_map(|i| (0..i).map(move |j| (i, j, 0.5 + 0.01 * (i * j) as f32)))
            .collect();
        let mut faint = weights(16, &complete);
        (8..16).for_each(|k| (faint[k][k - 8], faint[k - 8][k]) = (0.3, 0.3));
        assert_eq!(
            skeleton(&faint).len(),
            15 + 4,
            "one cycle for four keypoints"
        );
    }

    #[test]
    fn skeleton_leaves_dead_keypoints_out_and_bridges_in() {
        let parts = [
            (0, 1, 1.0),
            (1, 2, 1.0),
            (3, 4, 1.0),
            (2, 3, 0.055),
            (4, 5, 0.052),
        ];
        let edges = [[0, 1], [1, 2], [2, 3], [3, 4]];
        assert_eq!(skeleton(&weights(6, &parts)), edges);
        assert_eq!(
            skeleton(&weights(6, &[])),
            [[0; 2]; 0],
            "nothing stands out"
        );
        assert_eq!(skeleton(&[]), [[0; 2]; 0]);
        // No edge between the two parts is above the median weight: the strongest holds them together, not the first.
        let linked: Vec<_> = (0..4)
            .flat_map(|i| (0..i).map(move |j| (i, j, 1.0)))
            .collect();
        let mut faint = weights(6, &[linked, vec![(4, 5, 1.0)]].concat());
        (0..3).for_each(|k| (faint[k][4], faint[4][k]) = (0.01, 0.01));
        assert!(!skeleton(&faint).contains(&[0, 4]));
    }

    #[test]
    fn skeleton_strengths_are_zero_elsewhere() {
        let drawn = skeleton_strengths(&weights(5, &[(0, 1, 1.05), (1, 2, 0.55), (0, 2, 0.3)]));
        assert_eq!((drawn[0][1], drawn[0][2]), (1.0, 0.0));
        assert!((drawn[2][1] - 0.5).abs() < 1e-6);
    }
}
