//! A person's edits of the discovered keypoints: names, colours, order, merging, hiding, and the edges of the skeleton.
//!
//! A [`Table`] never changes detected points: it lists the discovered keypoints that each named one is made of, and
//! [`Table::apply`] makes annotations from both. So every edit can be undone, and the table is saved with the model and fits
//! images that are added later.

use serde::{Deserialize, Serialize};

use crate::annotate::{Annotations, EdgeWeight, Image, Keypoint, Point, Visibility, check_name};
use crate::data::locate;
use crate::error::{Error, Result};
use crate::render::palette;

/// The named keypoints and their skeleton.
///
/// See the tests in this file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Keypoints, in the order of exports.
    pub keypoints: Vec<NamedKeypoint>,
    /// Edges, as pairs of indices into `keypoints`, hidden ones too; the smaller index first, each pair once.
    pub edges: Vec<[usize; 2]>,
    /// Number of parts that the skeleton is cut into ([`Table::cut`]); 0 if it is whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A named keypoint, and the discovered keypoints that it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedKeypoint {
    /// Its name: not empty, on one line, unlike all others.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: String,
    /// True if exports leave it out.
    pub hidden: bool,
    /// Indices of discovered keypoints; several if they were merged.
    pub sources: Vec<usize>,
}

impl Table {
    /// Makes the table before any edit: each discovered keypoint by itself, and the skeleton of `discovered`.
    pub fn new(discovered: &Annotations) -> Table {
        let named = |(i, keypoint): (usize, &Keypoint)| NamedKeypoint {
            name: keypoint.name.clone(),
            color: keypoint.color.clone(),
            hidden: false,
            sources: vec![i],
        };
        Table {
            keypoints: discovered.keypoints.iter().enumerate().map(named).collect(),
            edges: unique_edges(discovered.skeleton.iter().copied()),
            parts: 0,
        }
    }

    /// Returns the table with keypoint `index` called `name`; spaces around the name are dropped.
    ///
    /// # Errors
    /// [`Error::Setting`] for a name that is empty, broken over lines, or another keypoint's.
    pub fn rename(&self, index: usize, name: &str) -> Result<Table> {
        self.check(&[index])?;
        let name = name.trim();
        check_name(name)?;
        let mut others = self.keypoints.iter().enumerate();
        if others.any(|(i, other)| i != index && other.name == name) {
            return Err(Error::Setting(format!(
                "Another keypoint is already called \"{name}\". Choose another name, or merge the two."
            )));
        }
        let mut table = self.clone();
        table.keypoints[index].name = name.to_string();
        Ok(table)
    }

    /// Returns the table with keypoint `index` hidden, or shown again.
    ///
    /// # Errors
    /// [`Error::Setting`] if the keypoint does not exist.
    pub fn hide(&self, index: usize, hidden: bool) -> Result<Table> {
        self.check(&[index])?;
        let mut table = self.clone();
        table.keypoints[index].hidden = hidden;
        Ok(table)
    }

    /// Returns the table with keypoint `index` in another colour, `#rrggbb`.
    ///
    /// # Errors
    /// [`Error::Setting`] if the keypoint does not exist, or if `color` is not of this form.
    pub fn recolor(&self, index: usize, color: &str) -> Result<Table> {
        self.check(&[index])?;
        let digits = color.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Error::Setting(format!(
                "\"{color}\" is not a colour. Write it as #rrggbb, for example #3366ff."
            )));
        }
        let mut table = self.clone();
        table.keypoints[index].color = color.to_ascii_lowercase();
        Ok(table)
    }

    /// Returns the table with keypoint `other` merged into keypoint `into`, which keeps its name, colour and index. Edges of both
    /// become its edges.
    ///
    /// # Errors
    /// [`Error::Setting`] if one of the keypoints does not exist.
    pub fn merge(&self, into: usize, other: usize) -> Result<Table> {
        self.check(&[into, other])?;
        if into == other {
            return Err(Error::Setting(
                "A keypoint cannot be merged with itself. Choose two.".into(),
            ));
        }
        let mut table = self.clone();
        let removed = table.keypoints.remove(other);
        let shift = |i: usize| if i > other { i - 1 } else { i };
        let into_now = shift(into);
        table.keypoints[into_now].sources.extend(removed.sources);
        table.edges = unique_edges(
            self.edges
                .iter()
                .map(|edge| edge.map(|end| if end == other { into_now } else { shift(end) })),
        );
        Ok(table)
    }

    /// Returns the table in another order: keypoint `order[i]` moves to index `i`.
    ///
    /// # Errors
    /// [`Error::Setting`] if `order` does not name each keypoint once.
    pub fn reorder(&self, order: &[usize]) -> Result<Table> {
        let mut place = vec![usize::MAX; self.keypoints.len()];
        for (to, &from) in order.iter().enumerate() {
            self.check(&[from])?;
            place[from] = to;
        }
        if order.len() != place.len() || place.contains(&usize::MAX) {
            return Err(Error::Setting(
                "The order must name each keypoint once.".into(),
            ));
        }
        Ok(Table {
            keypoints: order
                .iter()
                .map(|&from| self.keypoints[from].clone())
                .collect(),
            edges: unique_edges(self.edges.iter().map(|edge| edge.map(|end| place[end]))),
            parts: self.parts,
        })
    }

    /// Returns the table with the edge between two keypoints added, or removed if it exists.
    ///
    /// # Errors
    /// [`Error::Setting`] if one of the keypoints does not exist.
    pub fn toggle_edge(&self, edge: [usize; 2]) -> Result<Table> {
        self.check(&edge)?;
        let Some(&edge) = unique_edges([edge]).first() else {
            return Err(Error::Setting(
                "An edge needs two different keypoints. Choose another one.".into(),
            ));
        };
        let mut table = self.clone();
        match table.edges.iter().position(|&e| e == edge) {
            Some(at) => {
                table.edges.remove(at);
            }
            None => table.edges.push(edge),
        }
        Ok(table)
    }

    /// Returns the table with the edges whose learned weight is at least `threshold`. Weights belong to discovered keypoints; the
    /// edge of a merged keypoint has the greatest weight of its sources.
    pub fn choose_edges(&self, weights: &[EdgeWeight], threshold: f64) -> Table {
        Table {
            edges: self
                .edge_weights(weights)
                .into_iter()
                .filter(|edge| edge.weight >= threshold)
                .map(|edge| edge.ends)
                .collect(),
            ..self.clone()
        }
    }

    /// Returns the table with the skeleton cut into `parts` parts ([`locate::parts`]), whose keypoints share a colour; with 0, each keypoint
    /// has a colour of its own again. `weights` are those of [`Table::choose_edges`].
    pub fn cut(&self, weights: &[EdgeWeight], parts: usize) -> Table {
        let mut table = Table {
            parts,
            ..self.clone()
        };
        let colours = palette::colours();
        let part_of = table.part_of_each(weights);
        for (i, keypoint) in table.keypoints.iter_mut().enumerate() {
            let colour = part_of.get(i).copied().unwrap_or(i);
            keypoint.color = palette::hex(colours[colour % colours.len()]);
        }
        table
    }

    /// Computes the part of each keypoint, hidden ones too; nothing if the skeleton is whole.
    fn part_of_each(&self, weights: &[EdgeWeight]) -> Vec<usize> {
        if self.parts == 0 {
            return Vec::new();
        }
        let count = self.keypoints.len();
        let mut matrix = vec![vec![0.0; count]; count];
        for EdgeWeight {
            ends: [a, b],
            weight,
        } in self.edge_weights(weights)
        {
            (matrix[a][b], matrix[b][a]) = (weight as f32, weight as f32);
        }
        locate::parts(&matrix, self.parts)
    }

    /// Turns annotations of discovered keypoints into annotations of named ones, without hidden keypoints.
    ///
    /// A merged point is the mean of its sources that are not absent, weighted by their confidence, with the greatest of their
    /// confidences; sources that a person corrected override the others. It is visible if one of its sources is.
    ///
    /// # Errors
    /// [`Error::Setting`] if the table belongs to another model, with other keypoints.
    pub fn apply(&self, discovered: &Annotations) -> Result<Annotations> {
        let count = discovered.keypoints.len();
        let fits = |image: &Image| image.points.len() == count;
        if !self.fits(count) || !discovered.images.iter().all(fits) {
            return Err(Error::Setting(format!(
                "These names belong to another model's keypoints, but this model has {count}. Name its keypoints again."
            )));
        }
        let shown: Vec<&NamedKeypoint> = self.keypoints.iter().filter(|k| !k.hidden).collect();
        let mut place = Vec::with_capacity(self.keypoints.len());
        let mut next = 0;
        for keypoint in &self.keypoints {
            place.push((!keypoint.hidden).then_some(next));
            next += usize::from(!keypoint.hidden);
        }
        let move_ends = |[a, b]: [usize; 2]| Some([place[a]?, place[b]?]);
        let parts = self.part_of_each(&discovered.edge_weights);
        let shown_parts = parts.into_iter().zip(&self.keypoints);
        Ok(Annotations {
            category: discovered.category.clone(),
            keypoints: shown
                .iter()
                .map(|named| Keypoint {
                    name: named.name.clone(),
                    color: named.color.clone(),
                })
                .collect(),
            skeleton: self.edges.iter().filter_map(|&e| move_ends(e)).collect(),
            edge_weights: self
                .edge_weights(&discovered.edge_weights)
                .into_iter()
                .filter_map(|edge| {
                    Some(EdgeWeight {
                        ends: move_ends(edge.ends)?,
                        weight: edge.weight,
                    })
                })
                .collect(),
            edge_threshold: discovered.edge_threshold,
            parts: shown_parts
                .filter(|(_, k)| !k.hidden)
                .map(|(part, _)| part)
                .collect(),
            images: discovered
                .images
                .iter()
                .map(|image| Image {
                    points: shown
                        .iter()
                        .map(|named| merge_points(named.sources.iter().map(|&s| image.points[s])))
                        .collect(),
                    ..image.clone()
                })
                .collect(),
        })
    }

    /// Moves keypoint `index` of the table on one image, as a person does: all its sources move to `point`, so that [`Table::apply`]
    /// gives it back.
    ///
    /// # Errors
    /// [`Error::Setting`] if the keypoint does not exist.
    pub fn correct(&self, image: &mut Image, index: usize, point: Point) -> Result<()> {
        self.check(&[index])?;
        for &source in &self.keypoints[index].sources {
            if let Some(part) = image.points.get_mut(source) {
                *part = Point {
                    corrected: true,
                    ..point
                };
            }
        }
        Ok(())
    }

    /// Converts weights of pairs of discovered keypoints to weights of pairs of this table's keypoints, hidden ones too.
    fn edge_weights(&self, weights: &[EdgeWeight]) -> Vec<EdgeWeight> {
        let index_of = |source: usize| {
            self.keypoints
                .iter()
                .position(|k| k.sources.contains(&source))
        };
        let mut merged: Vec<EdgeWeight> = Vec::new();
        for edge in weights {
            let [Some(a), Some(b)] = edge.ends.map(index_of) else {
                continue;
            };
            let ends = [a.min(b), a.max(b)];
            if a == b {
                continue;
            }
            match merged.iter_mut().find(|other| other.ends == ends) {
                Some(other) => other.weight = other.weight.max(edge.weight),
                None => merged.push(EdgeWeight {
                    ends,
                    weight: edge.weight,
                }),
            }
        }
        merged
    }

    /// Returns true if the table's sources are among `count` discovered keypoints, and its edges among its keypoints.
    pub fn fits(&self, count: usize) -> bool {
        let mut sources = self.keypoints.iter().flat_map(|k| &k.sources);
        let mut ends = self.edges.iter().flatten();
        sources.all(|&s| s < count) && ends.all(|&end| end < self.keypoints.len())
    }

    /// Returns true if each of `count` discovered keypoints is a source of exactly one of the table's keypoints.
    pub fn covers_each_once(&self, count: usize) -> bool {
        let mut sources: Vec<usize> = (self.keypoints.iter())
            .flat_map(|keypoint| keypoint.sources.iter().copied())
            .collect();
        sources.sort_unstable();
        self.fits(count) && sources.into_iter().eq(0..count)
    }

    /// Names each of `count` discovered keypoints: merged ones share a name, and one that is in no keypoint has its number.
    pub fn names(&self, count: usize) -> Vec<String> {
        let name = |source: usize| {
            let named = self.keypoints.iter().find(|k| k.sources.contains(&source));
            named.map_or_else(|| format!("kp{source}"), |named| named.name.clone())
        };
        (0..count).map(name).collect()
    }

    fn check(&self, indices: &[usize]) -> Result<()> {
        match indices.iter().find(|&&i| i >= self.keypoints.len()) {
            Some(i) => Err(Error::Setting(format!(
                "There is no keypoint {i}: only {} exist.",
                self.keypoints.len()
            ))),
            None => Ok(()),
        }
    }
}

/// Returns edges with the smaller index first, each once, and none from a keypoint to itself.
fn unique_edges(edges: impl IntoIterator<Item = [usize; 2]>) -> Vec<[usize; 2]> {
    let mut kept = Vec::new();
    for [a, b] in edges {
        let edge = [a.min(b), a.max(b)];
        if a != b && !kept.contains(&edge) {
            kept.push(edge);
        }
    }
    kept
}

/// Merges several points into one; see [`Table::apply`].
fn merge_points(parts: impl Iterator<Item = Point>) -> Point {
    let mut parts: Vec<Point> = parts.filter(Point::is_labelled).collect();
    let corrected = parts.iter().any(|p| p.corrected);
    if corrected {
        parts.retain(|p| p.corrected);
    }
    parts.retain(Point::is_there);
    let Some(&first) = parts.first() else {
        return Point {
            corrected,
            ..Point::ABSENT
        };
    };
    if parts.len() == 1 {
        return first;
    }
    // Sources without any confidence count equally.
    let total: f64 = parts.iter().map(|p| p.confidence).sum();
    let weight = |p: &Point| {
        if total > 0.0 {
            p.confidence / total
        } else {
            1.0 / parts.len() as f64
        }
    };
    let visible = parts.iter().any(|p| p.visibility == Visibility::Visible);
    Point {
        x_px: parts.iter().map(|p| weight(p) * p.x_px).sum(),
        y_px: parts.iter().map(|p| weight(p) * p.y_px).sum(),
        confidence: parts.iter().map(|p| p.confidence).fold(0.0, f64::max),
        visibility: if visible {
            Visibility::Visible
        } else {
            Visibility::Occluded
        },
        corrected: first.corrected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    fn names(annotations: &Annotations) -> Vec<&str> {
        annotations
            .keypoints
            .iter()
            .map(|k| k.name.as_str())
            .collect()
    }

    fn table() -> Table {
        let mut table = Table::new(&sample());
        for (keypoint, name) in table.keypoints.iter_mut().zip(["a", "b", "c", "d"]) {
            keypoint.name = name.into();
        }
        table
    }

    #[test]
    fn new_table_changes_only_the_order_of_ends() {
        let sample = sample();
        let mut applied = Table::new(&sample).apply(&sample).expect("applies");
        assert_eq!(applied.skeleton, [[0, 1], [1, 2], [1, 3]]);
        applied.skeleton = sample.skeleton.clone();
        assert_eq!(applied, sample);
    }

    #[test]
    fn merging_joins_points_and_edges() {
        let sample = sample();
        let merged = table().merge(1, 0).expect("merges");
        assert_eq!(merged.keypoints[0].sources, [1, 0]);
        assert_eq!(merged.edges, [[0, 1], [0, 2]]);
        let applied = merged.apply(&sample).expect("applies");
        assert_eq!(names(&applied), ["b", "c", "d"]);
        // Confidence 0.5 at (10.5, 20), 1.0 at (30, 40.25).
        let point = applied.images[0].points[0];
        assert!((point.x_px - 23.5).abs() < 1e-12 && (point.y_px - 33.5).abs() < 1e-12);
        assert_eq!(point.confidence, 1.0);
        // Absent and present: the present one.
        assert_eq!(applied.images[1].points[0], sample.images[1].points[0]);
        assert_eq!(applied.images[2].points[0], Point::ABSENT);
        // A correction overrides the others.
        let applied = table()
            .merge(0, 3)
            .and_then(|t| t.apply(&sample))
            .expect("applies");
        assert_eq!(applied.images[0].points[0], sample.images[0].points[3]);
        assert_eq!(
            applied.edge_weights,
            [EdgeWeight {
                ends: [0, 1],
                weight: 0.75
            }]
        );
    }

    #[test]
    fn cutting_groups_keypoints_that_strong_edges_join() {
        let mut sample = sample();
        let weight = |a: usize, b: usize| if a % 2 == b % 2 { 1.0 } else { 0.01 };
        let pairs = (0..4).flat_map(|b| (0..b).map(move |a| [a, b]));
        sample.edge_weights = pairs
            .map(|ends| EdgeWeight {
                ends,
                weight: weight(ends[0], ends[1]),
            })
            .collect();
        let cut = table().cut(&sample.edge_weights, 2);
        let colors: Vec<&str> = cut.keypoints.iter().map(|k| k.color.as_str()).collect();
        assert_eq!((colors[0], colors[1]), (colors[2], colors[3]));
        assert_ne!(colors[0], colors[1]);
        assert_eq!(cut.apply(&sample).expect("applies").parts, [0, 1, 0, 1]);
        // Parts are those of keypoints, not of places in the table.
        let hidden = cut
            .reorder(&[3, 2, 1, 0])
            .and_then(|table| table.hide(0, true));
        let applied = hidden
            .and_then(|table| table.apply(&sample))
            .expect("applies");
        assert_eq!(
            (names(&applied), applied.parts.clone()),
            (vec!["c", "b", "a"], vec![1, 0, 1])
        );
        let whole = cut.cut(&sample.edge_weights, 0);
        assert!(whole.apply(&sample).expect("applies").parts.is_empty());
        let mut colors: Vec<&str> = whole.keypoints.iter().map(|k| k.color.as_str()).collect();
        colors.sort_unstable();
        colors.dedup();
        assert_eq!(colors.len(), 4);
    }

    #[test]
    fn hiding_removes_keypoints_and_reordering_moves_edges() {
        let sample = sample();
        let table = table()
            .reorder(&[3, 2, 1, 0])
            .and_then(|t| t.hide(1, true))
            .expect("a table");
        assert_eq!(table.edges, [[2, 3], [1, 2], [0, 2]]);
        let applied = table.apply(&sample).expect("applies");
        assert_eq!(names(&applied), ["d", "b", "a"]);
        assert_eq!(applied.skeleton, [[1, 2], [0, 1]]);
        assert_eq!(applied.edge_weights.len(), 2);
        assert_eq!(applied.edge_weights[0].ends, [1, 2]);
        assert_eq!(applied.images[0].points[0], sample.images[0].points[3]);
        assert!(applied.validate().is_ok());
    }

    #[test]
    fn edges_are_chosen_by_weight_then_by_hand() {
        let weights = sample().edge_weights;
        let chosen = table().choose_edges(&weights, 0.1);
        assert_eq!(chosen.edges, [[0, 1], [0, 3]]);
        let chosen = chosen.toggle_edge([3, 0]).expect("toggles");
        assert_eq!(chosen.edges, [[0, 1]]);
        let chosen = chosen.toggle_edge([2, 1]).expect("toggles");
        assert_eq!(chosen.edges, [[0, 1], [1, 2]]);
    }

    #[test]
    fn corrected_keypoints_keep_their_place() {
        let mut sample = sample();
        let table = table().merge(0, 1).expect("merges");
        let place = Point::placed([7.0, 8.0]);
        table
            .correct(&mut sample.images[1], 0, place)
            .expect("corrects");
        let applied = table.apply(&sample).expect("applies");
        let point = applied.images[1].points[0];
        assert_eq!((point.x_px, point.y_px, point.corrected), (7.0, 8.0, true));
    }

    #[test]
    fn invalid_edits_are_rejected() {
        let table = table();
        let fails = |result: Result<Table>, part: &str| {
            let message = result.expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        };
        fails(table.rename(0, "b "), "Another keypoint");
        fails(table.rename(0, "  "), "empty");
        fails(table.rename(0, "x\ty"), "control character");
        fails(table.rename(9, "x"), "no keypoint 9");
        fails(table.merge(1, 1), "itself");
        fails(table.reorder(&[0, 1, 2]), "each keypoint once");
        fails(table.reorder(&[0, 1, 2, 2]), "each keypoint once");
        fails(table.recolor(0, "red"), "#rrggbb");
        fails(table.toggle_edge([2, 2]), "two different keypoints");
        assert_eq!(
            table.rename(0, " 鼻 ").expect("a name").keypoints[0].name,
            "鼻"
        );
        assert_eq!(
            table.recolor(0, "#AABBCC").expect("a colour").keypoints[0].color,
            "#aabbcc"
        );
        let mut other = sample();
        other.keypoints.pop();
        let mut damaged = table.clone();
        damaged.edges.push([0, 9]);
        assert!(damaged.apply(&sample()).is_err());
        assert!(
            table
                .apply(&other)
                .expect_err("another model")
                .to_string()
                .contains("another model")
        );
    }
}
