//! What moved in one frame: its place, its long axis, and its shape along it.

use super::mask::{components, opened};
use super::scene::Scene;

/// Least area of what moves, as a share of the frame.
const MIN_AREA: f64 = 0.0003;
/// A second component counts from this share of the largest on.
const SECOND: f64 = 0.4;

/// How many things moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing differs from the background.
    Nothing,
    /// One thing.
    One,
    /// Two things or more; the sighting is that of the largest.
    Several,
}

/// What moved in one frame. Lengths are px of the frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// How many things moved.
    pub seen: Seen,
    /// Centre of the body, `[x, y]`.
    pub centre_px: [f64; 2],
    /// Box of the body: left, top, right, bottom.
    pub box_px: [f64; 4],
    /// Direction of the long axis, radians clockwise from the x axis, in `[-pi/2, pi/2]`.
    pub axis: f64,
    /// Length of the body along its axis.
    pub length_px: f64,
    /// Length of the body by its width (ratio of standard deviations), at least 1.
    pub elongation: f64,
    /// Skewness along the axis of the body with all that is thin near it: its long, thin end is on this side.
    pub skew: f64,
    /// Skewness along the axis of the body alone: its thick end is on the other side.
    pub taper: f64,
    /// Confidence that this is the animal, 0 to 1: the share of the largest thing in all that moved.
    pub confidence: f64,
}

impl Sighting {
    pub(super) fn nothing() -> Sighting {
        Sighting {
            seen: Seen::Nothing,
            centre_px: [0.0; 2],
            box_px: [0.0; 4],
            axis: 0.0,
            length_px: 0.0,
            elongation: 1.0,
            skew: 0.0,
            taper: 0.0,
            confidence: 0.0,
        }
    }
}

/// Finds the largest thing that differs from the background.
pub(super) fn look(scene: &Scene, differences: &[u8]) -> Sighting {
    let (width, scale) = scene.grid();
    let strong: Vec<bool> = differences.iter().map(|&d| d > scene.threshold()).collect();
    let mut found = components(&opened(&strong, width, 1), width);
    let least = (MIN_AREA * differences.len() as f64).max(9.0);
    found.retain(|component| component.len() as f64 >= least);
    let Some(mut body) = (!found.is_empty()).then(|| found.remove(0)) else {
        return Sighting::nothing();
    };
    // A dark line of the background may cut the animal in two.
    let near = 0.2 * (body.len() as f64).sqrt();
    let mut others = Vec::new();
    for component in found {
        if distance(&bounds(&body, width), &bounds(&component, width)) <= near {
            body.extend(component);
        } else {
            others.push(component.len());
        }
    }
    let second = others.iter().max().copied().unwrap_or(0) as f64;
    let moved = body.len() + others.iter().sum::<usize>();

    let place = |i: usize| [(i % width) as f64 + 0.5, (i / width) as f64 + 0.5];
    let n = body.len() as f64;
    let mut centre = [0.0; 2];
    for &i in &body {
        let [x, y] = place(i);
        centre[0] += x / n;
        centre[1] += y / n;
    }
    // The axis of the covariance [[xx, xy], [xy, yy]], whose eigenvalues are its variances along and across.
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for &i in &body {
        let [x, y] = place(i);
        let (x, y) = (x - centre[0], y - centre[1]);
        xx += x * x / n;
        xy += x * y / n;
        yy += y * y / n;
    }
    let axis = 0.5 * (2.0 * xy).atan2(xx - yy);
    let spread = ((xx - yy) / 2.0).hypot(xy);
    let (along, across) = ((xx + yy) / 2.0 + spread, (xx + yy) / 2.0 - spread);
    let (sin, cos) = axis.sin_cos();
    let project = |i: usize| {
        let [x, y] = place(i);
        let (x, y) = (x - centre[0], y - centre[1]);
        [x * cos + y * sin, y * cos - x * sin]
    };
    let ends = body.iter().map(|&i| project(i)[0]);
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    let length = high - low + 1.0;
    let cubes: f64 = body.iter().map(|&i| project(i)[0].powi(3)).sum();
    let deviation = along.max(1.0).sqrt();
    // A tail is thin, and a reflection or a shadow is not: what an opening with a third of the body's width leaves is not counted.
    let faint: Vec<bool> = differences.iter().map(|&d| d > scene.faint()).collect();
    let steps = ((across.max(1.0).sqrt() * 4.0 / 6.0).round() as usize).max(1);
    let thick = opened(&faint, width, steps);
    let tail: f64 = (0..differences.len())
        .filter(|&i| faint[i] && !thick[i])
        .map(project)
        .filter(|[u, v]| u.hypot(*v) < 1.2 * length)
        .map(|[u, _]| u.powi(3))
        .sum();
    let [left, top, right, bottom] = bounds(&body, width);
    Sighting {
        seen: if second > SECOND * n {
            Seen::Several
        } else {
            Seen::One
        },
        centre_px: centre.map(|v| v * scale),
        box_px: [left, top, right, bottom].map(|v| v * scale),
        axis,
        length_px: length * scale,
        elongation: (along.max(1.0) / across.max(1.0)).sqrt(),
        skew: (cubes + tail) / n / deviation.powi(3),
        taper: cubes / n / deviation.powi(3),
        confidence: n / moved as f64,
    }
}

/// Returns left, top, right and bottom of a component.
fn bounds(component: &[usize], width: usize) -> [f64; 4] {
    let mut bounds = [f64::MAX, f64::MAX, 0.0, 0.0];
    for &i in component {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        bounds[0] = bounds[0].min(x);
        bounds[1] = bounds[1].min(y);
        bounds[2] = bounds[2].max(x + 1.0);
        bounds[3] = bounds[3].max(y + 1.0);
    }
    bounds
}

/// Returns the gap between two boxes, 0 if they touch.
fn distance(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let gap = |axis: usize| (a[axis] - b[axis + 2]).max(b[axis] - a[axis + 2]).max(0.0);
    gap(0).hypot(gap(1))
}
