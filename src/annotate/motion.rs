//! Motion of keypoints in videos: paths, speeds, distances and angles over time, smoothed or as detected.
//!
//! Smoothing is the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012), a low-pass whose cut-off rises with the speed, so that
//! resting points do not jitter and moving points do not lag: `x^_t = a x_t + (1 - a) x^_(t-1)`, `a = 1 / (1 + 1 / (2 pi f dt))`,
//! `f = cutoff + beta |speed|`, with the speed itself smoothed at 1 Hz. Speeds are in longer sides of the image per second, so
//! that the same settings suit every resolution.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::formats::csv_line;
use super::{Annotations, Image};
use crate::error::{Error, Result};

/// Cut-off of the smoothed speed, Hz.
const SPEED_CUTOFF: f64 = 1.0;

/// Settings of the One-Euro filter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct OneEuro {
    /// Cut-off at rest, Hz.
    pub cutoff: f64,
    /// Rise of the cut-off with speed: Hz for each longer side of the image per second.
    pub beta: f64,
}

impl OneEuro {
    /// Moderate smoothing, 1 Hz at rest; as on the page.
    pub const MODERATE: OneEuro = OneEuro {
        cutoff: 1.0,
        beta: 20.0,
    };
}

/// A quantity over time. Keypoints are indices into those of the annotations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Measure {
    /// Distance of a keypoint from the left border, px.
    X {
        /// Index of the keypoint.
        keypoint: usize,
    },
    /// Distance of a keypoint from the upper border, px.
    Y {
        /// Index of the keypoint.
        keypoint: usize,
    },
    /// Speed of a keypoint, px per second.
    Speed {
        /// Index of the keypoint.
        keypoint: usize,
    },
    /// Distance between two keypoints, px.
    Distance {
        /// Indices of the two keypoints.
        ends: [usize; 2],
    },
    /// Angle at the second of three keypoints, between the lines to the other two, degrees.
    Angle {
        /// Indices of the three keypoints.
        points: [usize; 3],
    },
}

/// A measure over time.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Series {
    /// Title with the unit, for people: "wrist speed, px/s".
    pub title: String,
    /// Values, `[T]`; none where a keypoint is absent.
    pub values: Vec<Option<f64>>,
}

/// The keypoints of a video over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    /// Name of the video's file.
    pub video: String,
    /// Frame numbers, `[T]`.
    pub frames: Vec<u64>,
    /// Times at which the frames are shown, `[T]`, s.
    pub seconds: Vec<f64>,
    names: Vec<String>,
    /// `[K][T]`, px; none where a keypoint is absent.
    paths_px: Vec<Vec<Option<[f64; 2]>>>,
}

impl Motion {
    /// Collects every video among the images, with its frames in order.
    ///
    /// See `series_measure_the_motion` in this file.
    pub fn from_annotations(annotations: &Annotations, smoothing: Option<OneEuro>) -> Vec<Motion> {
        let mut videos: BTreeMap<&str, Vec<(u64, f64, &Image)>> = BTreeMap::new();
        for image in &annotations.images {
            if let (Some(frame), Some(seconds)) = (image.frame, image.seconds) {
                let frames = videos.entry(&image.file_name).or_default();
                frames.push((frame, seconds, image));
            }
        }
        let motion = |(video, mut frames): (&str, Vec<(u64, f64, &Image)>)| {
            frames.sort_by(|a, b| a.1.total_cmp(&b.1));
            let seconds: Vec<f64> = frames.iter().map(|frame| frame.1).collect();
            let path = |k: usize| {
                let found = frames.iter().map(|(_, _, image)| {
                    let point = &image.points[k];
                    point.is_there().then_some([point.x_px, point.y_px])
                });
                let found: Vec<_> = found.collect();
                let side_px = frames.first().map_or(1.0, |(_, _, image)| {
                    f64::from(image.width_px.max(image.height_px))
                });
                match smoothing {
                    Some(filter) => smooth(&found, &seconds, filter, side_px.max(1.0)),
                    None => found,
                }
            };
            Motion {
                video: video.to_string(),
                frames: frames.iter().map(|frame| frame.0).collect(),
                names: annotations
                    .keypoints
                    .iter()
                    .map(|k| k.name.clone())
                    .collect(),
                paths_px: (0..annotations.keypoints.len()).map(path).collect(),
                seconds,
            }
        };
        videos.into_iter().map(motion).collect()
    }

    /// Computes a measure over time.
    ///
    /// # Errors
    /// [`Error::Setting`] if the keypoint does not exist.
    pub fn series(&self, measure: Measure) -> Result<Series> {
        let path = |k: usize| {
            self.paths_px.get(k).ok_or_else(|| {
                Error::Setting(format!(
                    "There is no keypoint {k}: only {} exist.",
                    self.names.len()
                ))
            })
        };
        let name = |k: usize| &self.names[k];
        let (title, values): (String, Vec<Option<f64>>) = match measure {
            Measure::X { keypoint: k } => {
                let values = path(k)?.iter().map(|p| Some((*p)?[0]));
                (format!("{} x, px", name(k)), values.collect())
            }
            Measure::Y { keypoint: k } => {
                let values = path(k)?.iter().map(|p| Some((*p)?[1]));
                (format!("{} y, px", name(k)), values.collect())
            }
            Measure::Speed { keypoint: k } => {
                let path = path(k)?;
                // Over the frames before and after, where both exist.
                let speed = |t: usize| {
                    let (a, b) = (t.saturating_sub(1), (t + 1).min(path.len() - 1));
                    let time = self.seconds[b] - self.seconds[a];
                    (time > 0.0).then_some(distance(path[a]?, path[b]?) / time)
                };
                let values = (0..path.len()).map(speed);
                (format!("{} speed, px/s", name(k)), values.collect())
            }
            Measure::Distance { ends: [a, b] } => {
                let pairs = path(a)?.iter().zip(path(b)?);
                let values = pairs.map(|(a, b)| Some(distance((*a)?, (*b)?)));
                let title = format!("{} to {}, px", name(a), name(b));
                (title, values.collect())
            }
            Measure::Angle { points: [a, b, c] } => {
                let triples = path(a)?.iter().zip(path(b)?).zip(path(c)?);
                let values = triples.map(|((a, b), c)| angle((*a)?, (*b)?, (*c)?));
                let title = format!("{}, {}, {} angle, °", name(a), name(b), name(c));
                (title, values.collect())
            }
        };
        Ok(Series { title, values })
    }
}

/// Writes a table `video,frame,seconds,<measure>,...`, one line per frame.
///
/// # Errors
/// [`Error::Setting`] if a measure uses a keypoint that does not exist, or if there is no video.
pub fn csv(motions: &[Motion], measures: &[Measure]) -> Result<String> {
    let Some(first) = motions.first() else {
        return Err(Error::Setting(
            "The project has no video. Add one first.".into(),
        ));
    };
    let mut header: Vec<String> = ["video", "frame", "seconds"].map(str::to_string).to_vec();
    for measure in measures {
        header.push(first.series(*measure)?.title);
    }
    let mut text = csv_line(&header);
    for motion in motions {
        let series: Vec<Series> = measures
            .iter()
            .map(|measure| motion.series(*measure))
            .collect::<Result<_>>()?;
        for (t, seconds) in motion.seconds.iter().enumerate() {
            let number = |series: &Series| {
                series.values[t].map_or(String::new(), |value| format!("{value:.4}"))
            };
            let mut line = vec![
                motion.video.clone(),
                motion.frames[t].to_string(),
                format!("{seconds:.6}"),
            ];
            line.extend(series.iter().map(number));
            text += &csv_line(&line);
        }
    }
    Ok(text)
}

/// Smooths the keypoints of every video over time. Points that a person placed, and still images, stay.
///
/// See `smoothed_calms_videos_only` in this file.
pub fn smoothed(annotations: &Annotations, filter: OneEuro) -> Annotations {
    let mut smoothed = annotations.clone();
    let images = annotations.images.iter().enumerate();
    let numbers: HashMap<(&str, u64), usize> = images
        .filter_map(|(i, image)| Some(((image.file_name.as_str(), image.frame?), i)))
        .collect();
    for motion in Motion::from_annotations(annotations, Some(filter)) {
        for (t, frame) in motion.frames.iter().enumerate() {
            let image = numbers[&(motion.video.as_str(), *frame)];
            let points = smoothed.images[image].points.iter_mut();
            for (point, path_px) in points.zip(&motion.paths_px) {
                if let (Some([x, y]), false) = (path_px[t], point.corrected) {
                    (point.x_px, point.y_px) = (x, y);
                }
            }
        }
    }
    smoothed
}

/// Lists what a table of a whole skeleton holds: place and speed of each keypoint, the length of each edge, and the angle between
/// edges that meet.
pub fn skeleton_measures(annotations: &Annotations) -> Vec<Measure> {
    let keypoints = 0..annotations.keypoints.len();
    let mut measures: Vec<Measure> = keypoints
        .flat_map(|keypoint| {
            [
                Measure::X { keypoint },
                Measure::Y { keypoint },
                Measure::Speed { keypoint },
            ]
        })
        .collect();
    let edges = &annotations.skeleton;
    measures.extend(edges.iter().map(|&ends| Measure::Distance { ends }));
    for (i, &[a, b]) in edges.iter().enumerate() {
        for &[c, d] in &edges[i + 1..] {
            let points = match () {
                () if a == c => [b, a, d],
                () if a == d => [b, a, c],
                () if b == c => [a, b, d],
                () if b == d => [a, b, c],
                () => continue,
            };
            measures.push(Measure::Angle { points });
        }
    }
    measures
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Returns the angle at `b`, degrees, 0 to 180; none where two points coincide.
fn angle(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> Option<f64> {
    let (u, v) = ([a[0] - b[0], a[1] - b[1]], [c[0] - b[0], c[1] - b[1]]);
    let (cross, dot) = (u[0] * v[1] - u[1] * v[0], u[0] * v[0] + u[1] * v[1]);
    (cross != 0.0 || dot != 0.0).then(|| cross.abs().atan2(dot).to_degrees())
}

/// Filters a path, axis by axis; the filter restarts after a gap.
fn smooth(
    path: &[Option<[f64; 2]>],
    seconds: &[f64],
    filter: OneEuro,
    side_px: f64,
) -> Vec<Option<[f64; 2]>> {
    let share = |cutoff: f64, dt: f64| 1.0 / (1.0 + 1.0 / (TAU * cutoff * dt));
    // Time, smoothed point and smoothed speed of the frame before.
    let mut before: Option<(f64, [f64; 2], [f64; 2])> = None;
    path.iter()
        .zip(seconds)
        .map(|(point, &now)| {
            let Some(point) = *point else {
                before = None;
                return None;
            };
            let state = match before {
                Some((then, last, speed)) if now > then => {
                    let dt = now - then;
                    let mut state = (last, speed);
                    for axis in 0..2 {
                        let a = share(SPEED_CUTOFF, dt);
                        let raw = (point[axis] - last[axis]) / dt / side_px;
                        state.1[axis] = a * raw + (1.0 - a) * speed[axis];
                        let a = share(filter.cutoff + filter.beta * state.1[axis].abs(), dt);
                        state.0[axis] = a * point[axis] + (1.0 - a) * last[axis];
                    }
                    state
                }
                Some((_, last, speed)) => (last, speed),
                None => (point, [0.0; 2]),
            };
            before = Some((now, state.0, state.1));
            Some(state.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::{Keypoint, Point};

    /// Makes a second of video at 50 frames per second: `a` rests, `b` circles around it once at 30 px, `c` moves right at 40 px/s.
    fn video(noise: f64) -> Annotations {
        let keypoint = |name: &str| Keypoint {
            name: name.into(),
            color: "#000000".into(),
        };
        let image = |t: u64| {
            let s = t as f64 / 50.0;
            let jitter = noise * if t.is_multiple_of(2) { 1.0 } else { -1.0 };
            let (sin, cos) = (TAU * s).sin_cos();
            Image {
                file_name: "walk, \"1\".mp4".into(),
                frame: Some(t),
                seconds: Some(s),
                width_px: 200,
                height_px: 100,
                exif_orientation: 1,
                crop: None,
                points: vec![
                    Point::placed([100.0 + jitter, 50.0]),
                    Point::placed([100.0 + 30.0 * cos, 50.0 + 30.0 * sin]),
                    if t == 7 {
                        Point::ABSENT
                    } else {
                        Point::placed([100.0 + 40.0 * s, 50.0])
                    },
                ],
            }
        };
        Annotations {
            keypoints: ["a", "b", "c"].map(keypoint).to_vec(),
            // Out of order, as images may be added.
            images: (0..=50).rev().map(image).collect(),
            ..Annotations::default()
        }
    }

    #[test]
    fn smoothed_calms_videos_only() {
        let mut noisy = video(2.0);
        let mut still = noisy.images[0].clone();
        still.file_name = "a.png".into();
        (still.frame, still.seconds) = (None, None);
        noisy.images.push(still);
        for image in &mut noisy.images {
            image.points[0].corrected = false;
        }
        let smooth = smoothed(&noisy, OneEuro::MODERATE);
        let spread = |annotations: &Annotations, k: usize, center: f64| {
            // The filter needs some frames to settle.
            let late = annotations.images.iter().filter(|i| i.frame > Some(20));
            late.map(|image| (image.points[k].x_px - center).abs())
                .fold(0.0, f64::max)
        };
        assert_eq!(spread(&noisy, 0, 100.0), 2.0);
        assert!(spread(&smooth, 0, 100.0) < 1.0);
        assert_eq!(smooth.images.last(), noisy.images.last());
        let placed = |a: &Annotations| a.images.iter().map(|i| i.points[1]).collect::<Vec<_>>();
        assert_eq!(placed(&smooth), placed(&noisy), "a person's points");
    }

    #[test]
    fn skeleton_measures_lists_edges_and_their_angles() {
        let mut video = video(0.0);
        video.skeleton = vec![[0, 1], [1, 2]];
        let measures = skeleton_measures(&video);
        assert_eq!(measures.len(), 3 * 3 + 2 + 1);
        assert_eq!(measures[9], Measure::Distance { ends: [0, 1] });
        assert_eq!(measures[11], Measure::Angle { points: [0, 1, 2] });
        video.skeleton = vec![[0, 1], [0, 2], [2, 1]];
        let angles = skeleton_measures(&video).split_off(12);
        let at = |points| Measure::Angle { points };
        assert_eq!(angles, [at([1, 0, 2]), at([0, 1, 2]), at([0, 2, 1])]);
    }

    #[test]
    fn series_measure_the_motion() {
        let motions = Motion::from_annotations(&video(0.0), None);
        let [motion] = &motions[..] else {
            panic!("one video")
        };
        assert_eq!(motion.frames, (0..=50).collect::<Vec<_>>());
        let values = |measure| motion.series(measure).expect("a series").values;
        let near = |value: Option<f64>, wanted: f64, within: f64| {
            let value = value.expect("there");
            assert!((value - wanted).abs() < within, "{value}, not {wanted}");
        };
        let speed = values(Measure::Speed { keypoint: 1 });
        (speed.iter()).for_each(|v| near(*v, TAU * 30.0, 1.0));
        near(values(Measure::Speed { keypoint: 2 })[20], 40.0, 1e-6);
        assert_eq!(
            values(Measure::Speed { keypoint: 2 })[6],
            None,
            "beside a gap"
        );
        let distance = values(Measure::Distance { ends: [0, 1] });
        distance.iter().for_each(|v| near(*v, 30.0, 1e-9));
        let angle = values(Measure::Angle { points: [1, 0, 2] });
        near(angle[5], 36.0, 1e-6);
        near(angle[45], 36.0, 1e-6);
        assert_eq!(angle[0], None, "c lies on a");
        near(values(Measure::X { keypoint: 2 })[50], 140.0, 1e-9);
        assert!(motion.series(Measure::Y { keypoint: 3 }).is_err());
        let text = csv(&motions, &[Measure::X { keypoint: 2 }]).expect("a table");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "video,frame,seconds,\"c x, px\"");
        assert_eq!(lines[8], "\"walk, \"\"1\"\".mp4\",7,0.140000,");
        assert_eq!(lines[51], "\"walk, \"\"1\"\".mp4\",50,1.000000,140.0000");
        assert!(csv(&[], &[]).is_err());
    }

    #[test]
    fn smoothing_removes_jitter_without_lag() {
        let filter = OneEuro {
            cutoff: 1.0,
            beta: 20.0,
        };
        let motions = Motion::from_annotations(&video(2.0), Some(filter));
        let path = |k: usize| {
            motions[0]
                .series(Measure::X { keypoint: k })
                .expect("x")
                .values
        };
        let jitter = path(0)[20..]
            .windows(2)
            .map(|w| (w[0].expect("x") - w[1].expect("x")).abs())
            .fold(0.0, f64::max);
        assert!(jitter < 2.0, "of 4 px: {jitter}");
        let lag = 140.0 - path(2)[50].expect("x");
        assert!((0.0..3.0).contains(&lag), "{lag} px at 40 px/s");
        assert_eq!(path(2)[7], None);
    }
}
