//! Why it fails, in plain words: what is measured while a run goes on, and what to try.

use serde::Serialize;
use ts_rs::TS;

/// What was seen of the probes after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewStats {
    /// Steps taken.
    pub step: usize,
    /// `[P][K][x, y]` as fractions of the view.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[P][K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
    pub confidence: Vec<Vec<f32>>,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Finding {
    /// What kind.
    pub trouble: Issue,
    /// Whose fault it is, if some keypoints'.
    pub keypoints: Vec<usize>,
    /// What was measured, in a sentence.
    pub says: String,
    /// What to try, in a sentence.
    pub remedy: String,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// The loss rises.
    Exploding,
    /// The loss does not fall.
    Stuck,
    /// Keypoints lie on one another.
    Collapsed,
    /// Keypoints are in one place whatever the picture shows.
    Dead,
    /// Keypoints jump to and fro.
    Jitter,
    /// Heatmaps stay wide: objects may not be centred, or there are several.
    Unsure,
    /// A few pictures are learned by heart.
    Overfitting,
}

/// Before this step nothing is said of keypoints: they have hardly left the middle.
pub const FIRST_STEP: usize = 100;
/// How many looks jitter is measured over.
pub const LOOKS: usize = 8;

/// Steps over which a loss is averaged: single ones scatter.
const WINDOW: usize = 10;
/// The loss rises if it is so many times the lowest that it was, both as geometric means ...
const RISE: f32 = 1.5;
/// ... and higher by so many times the scatter of single losses' logarithms, of which 200 such means are the more apart the more
/// it is. (So no more than three of 100 simulated runs that go well are called rising within 2000 steps, see the tests.)
const RISE_SCATTERS: f32 = 2.1;
/// The loss is stuck if the last third of [`STUCK_STEPS`] is more than this share of the first steps, as many.
const FALL: f32 = 0.9;
const STUCK_STEPS: usize = 150;
/// A keypoint is dead if it moves less than this from picture to picture, in sides of the picture ...
const DEAD: f32 = 0.012;
/// ... while the median one moves this many times as much.
const DEAD_RATIO: f32 = 5.0;
/// Keypoints are one if they are nearer than this in every picture.
const COLLAPSED: f32 = 0.03;
/// A keypoint jitters if it moves so far from look to look, ...
const JITTER: f32 = 0.03;
/// ... and its way is so many times as long as what it gained.
const JITTER_RATIO: f32 = 3.0;
/// From here on heatmaps should have become narrow.
const SURE_STEP: usize = 400;
/// They are wide if this share or less lies near the keypoint.
const UNSURE: f32 = 0.3;
/// Pictures that are fewer, and were each shown more often, may be known by heart.
const FEW_PICTURES: usize = 64;
const OFTEN_SHOWN: usize = 50;
/// They are if their mirror images are rebuilt so many times worse. (Of 4 puppets at 32 px it is 1.5 after 100 steps and 4 after
/// 900, of 10 it is 1.4 by then, of 60 it stays 1.0.)
const MIRRORED: f32 = 1.3;

/// What it learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExposureStats {
    /// So many pictures.
    pub pictures: usize,
    /// Each was shown so many times.
    pub shown: usize,
    /// How many times as far off the rebuilt mirror images are, which it never saw, as the rebuilt pictures; where that was measured.
    pub mirrored: Option<f32>,
}

impl ExposureStats {
    /// Whether so few pictures were shown so often that mirror images should be looked at.
    pub fn is_suspect(&self) -> bool {
        self.pictures <= FEW_PICTURES && self.shown >= OFTEN_SHOWN
    }
}

/// What goes wrong, the worst first. `losses` of every step that is known, the last one last; `looks` in order.
pub fn diagnose(losses: &[f32], looks: &[PreviewStats], lesson: ExposureStats) -> Vec<Finding> {
    let mut findings = Vec::new();
    let step = looks.last().map_or(0, |look| look.step);
    findings.extend(loss(losses, step));
    if let Some(last) = looks.last().filter(|last| last.step >= FIRST_STEP) {
        let collapsed = collapsed(&last.keypoints);
        let doubled = collapsed.iter().flat_map(|f| f.keypoints.clone());
        let doubled: Vec<usize> = doubled.collect();
        findings.extend(collapsed);
        findings.extend(dead(&last.keypoints, &doubled));
        findings.extend(jitter(looks));
        findings.extend(unsure(last));
    }
    if let Some(ratio) = lesson
        .mirrored
        .filter(|&r| lesson.is_suspect() && r > MIRRORED)
    {
        findings.push(Finding {
            trouble: Issue::Overfitting,
            keypoints: Vec::new(),
            says: format!(
                "It learns these {} pictures by heart: each was shown {} times, and their mirror images, which it never saw, are rebuilt {ratio:.1} times worse.",
                lesson.pictures, lesson.shown
            ),
            remedy: "Add more pictures, switch mirroring on, or stop here.".into(),
        });
    }
    findings
}

/// The standard deviation of `values` from one to the next, by the median, which single jumps and slow drifts leave alone.
fn scatter(values: &[f32]) -> f32 {
    let mut steps: Vec<f32> = values
        .windows(2)
        .map(|two| (two[1] - two[0]).abs())
        .collect();
    if steps.is_empty() {
        return 0.0;
    }
    let middle = steps.len() / 2;
    let (_, median, _) = steps.select_nth_unstable_by(middle, f32::total_cmp);
    *median / (0.6745 * 2f32.sqrt())
}

fn loss(losses: &[f32], step: usize) -> Option<Finding> {
    let logs: Vec<f32> = losses.iter().map(|loss| loss.max(1e-9).ln()).collect();
    let means: Vec<f32> = logs.chunks_exact(WINDOW).map(mean).collect();
    let &now = means.last()?;
    let lowest = means.iter().copied().fold(f32::MAX, f32::min);
    let finding = |trouble, says: String, remedy: &str| Finding {
        trouble,
        keypoints: Vec::new(),
        says,
        remedy: remedy.into(),
    };
    if now - lowest > RISE.ln().max(RISE_SCATTERS * scatter(&logs)) {
        let [lowest, now] = [lowest, now].map(f32::exp);
        return Some(finding(
            Issue::Exploding,
            format!("The loss is rising: it was {lowest:.3} and is {now:.3} now."),
            "Halve the learning rate; if it does not come back, reset.",
        ));
    }
    // Only a run that is known from its start.
    let is_whole = losses.len() + WINDOW > step;
    if !is_whole || losses.len() < STUCK_STEPS {
        return None;
    }
    let few = STUCK_STEPS / 3;
    let (first, now) = (mean(&losses[..few]), mean(&losses[losses.len() - few..]));
    (now > FALL * first).then(|| {
        finding(
            Issue::Stuck,
            format!("The loss has hardly fallen: it began at {first:.3} and is {now:.3} now."),
            "Raise the learning rate, or take pictures that show one kind of object.",
        )
    })
}

/// `poses` `[P][K][x, y]`
fn collapsed(poses: &[Vec<[f32; 2]>]) -> Option<Finding> {
    let count = poses.first()?.len();
    let is_one = |i: usize, j: usize| {
        poses
            .iter()
            .all(|pose| distance(pose[i], pose[j]) < COLLAPSED)
    };
    let keypoints: Vec<usize> = (0..count)
        .filter(|&i| (0..count).any(|j| j != i && is_one(i, j)))
        .collect();
    if keypoints.is_empty() {
        return None;
    }
    let (says, remedy) = if keypoints.len() == count {
        (
            "No keypoint stands apart: each lies on another one in every picture.".to_string(),
            "Train longer; if they stay, reset with another seed or thicker edges.",
        )
    } else {
        (
            format!("{} lie on one another in every picture.", named(&keypoints)),
            "Nothing is lost, but fewer keypoints would do; or try thinner edges.",
        )
    };
    Some(Finding {
        trouble: Issue::Collapsed,
        keypoints,
        says,
        remedy: remedy.into(),
    })
}

/// `poses` `[P][K][x, y]`; those that lie on one another were told of already.
fn dead(poses: &[Vec<[f32; 2]>], doubled: &[usize]) -> Option<Finding> {
    if poses.len() < 4 {
        return None; // too few to compare
    }
    let count = poses[0].len();
    // The root mean square distance of a keypoint from its mean place.
    let spread = |k: usize| {
        let axis = |axis: usize| {
            let values: Vec<f32> = poses.iter().map(|pose| pose[k][axis]).collect();
            let middle = mean(&values);
            values.iter().map(|v| (v - middle).powi(2)).sum::<f32>() / values.len() as f32
        };
        (axis(0) + axis(1)).sqrt()
    };
    let spreads: Vec<f32> = (0..count).map(spread).collect();
    let median = median(&spreads);
    let keypoints: Vec<usize> = (0..count)
        .filter(|k| spreads[*k] < DEAD && DEAD_RATIO * spreads[*k] < median)
        .filter(|k| !doubled.contains(k))
        .collect();
    (!keypoints.is_empty()).then(|| Finding {
        trouble: Issue::Dead,
        says: match keypoints.len() {
            1 => format!("{} stays in one place, whatever the picture shows.", named(&keypoints)),
            _ => format!("{} stay in one place each, whatever the picture shows.", named(&keypoints)),
        },
        keypoints,
        remedy: "What never moves is marked there, such as the background. Try fewer keypoints, another seed, or thicker edges.".into(),
    })
}

fn jitter(looks: &[PreviewStats]) -> Option<Finding> {
    let looks = &looks[looks.len().saturating_sub(LOOKS)..];
    let (first, last) = (looks.first()?, looks.last()?);
    let is_one_run = looks
        .iter()
        .all(|look| look.step >= FIRST_STEP && look.keypoints.len() == last.keypoints.len());
    if looks.len() < LOOKS || !is_one_run {
        return None;
    }
    let count = last.keypoints.first()?.len();
    // Mean over pictures of how far keypoint k moved from one look to another.
    let moved = |a: &PreviewStats, b: &PreviewStats, k: usize| {
        let pairs = a.keypoints.iter().zip(&b.keypoints);
        mean(&pairs.map(|(a, b)| distance(a[k], b[k])).collect::<Vec<_>>())
    };
    let keypoints: Vec<usize> = (0..count)
        .filter(|&k| {
            let way: f32 = looks
                .windows(2)
                .map(|pair| moved(&pair[0], &pair[1], k))
                .sum();
            way / (LOOKS - 1) as f32 > JITTER && way > JITTER_RATIO * moved(first, last, k)
        })
        .collect();
    (!keypoints.is_empty()).then(|| Finding {
        trouble: Issue::Jitter,
        says: match keypoints.len() {
            1 => format!("{} jumps to and fro while it trains.", named(&keypoints)),
            _ => format!("{} jump to and fro while it trains.", named(&keypoints)),
        },
        keypoints,
        remedy: "Lower the learning rate; a wider network is steadier, too.".into(),
    })
}

fn unsure(look: &PreviewStats) -> Option<Finding> {
    let all: Vec<f32> = look.confidence.iter().flatten().copied().collect();
    let sure = median(&all);
    (look.step >= SURE_STEP && sure <= UNSURE).then(|| Finding {
        trouble: Issue::Unsure,
        keypoints: Vec::new(),
        says: format!(
            "The heatmaps are still wide: of a typical one only about {:.0} % lies near its keypoint.",
            5.0 * (20.0 * sure).round().max(1.0)
        ),
        remedy: "Train longer. If they stay wide, a guess: pictures may show several objects, or objects off the middle. Then take pictures of one kind of object, one in each, in the middle and about as large.".into(),
    })
}

/// "Keypoint 3", "Keypoints 3, 5 and 8".
fn named(keypoints: &[usize]) -> String {
    let numbers: Vec<String> = keypoints.iter().map(|k| (k + 1).to_string()).collect();
    match numbers.split_last() {
        Some((last, [])) => format!("Keypoint {last}"),
        Some((last, others)) => format!("Keypoints {} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PICTURES: usize = 8;

    /// Four keypoints at the corners of a square that stands elsewhere in every picture; `change` alters them.
    fn look(step: usize, change: impl Fn(usize, &mut Vec<[f32; 2]>)) -> PreviewStats {
        let pose = |picture: usize| {
            let [x, y] = [0.1 + 0.05 * picture as f32, 0.5 - 0.04 * picture as f32];
            let mut pose = vec![[x, y], [x + 0.2, y], [x, y + 0.2], [x + 0.2, y + 0.2]];
            change(picture, &mut pose);
            pose
        };
        PreviewStats {
            step,
            keypoints: (0..PICTURES).map(pose).collect(),
            confidence: vec![vec![0.9; 4]; PICTURES],
        }
    }

    fn troubles(losses: &[f32], looks: &[PreviewStats]) -> Vec<(Issue, Vec<usize>)> {
        let findings = diagnose(losses, looks, ExposureStats::default());
        for Finding { says, remedy, .. } in &findings {
            assert!(
                says.ends_with('.') && remedy.ends_with('.'),
                "{says} {remedy}"
            );
        }
        findings
            .into_iter()
            .map(|f| (f.trouble, f.keypoints))
            .collect()
    }

    #[test]
    fn a_run_that_goes_well_has_no_findings() {
        let losses: Vec<f32> = (0..1000)
            .map(|i| 0.2 + 1.0 / (1.0 + i as f32 / 50.0))
            .collect();
        let looks: Vec<PreviewStats> = (0..LOOKS).map(|i| look(900 + 10 * i, |_, _| {})).collect();
        assert_eq!(troubles(&losses, &looks), []);
        assert_eq!(troubles(&[], &[]), []);
        assert_eq!(
            troubles(&losses[..20], &[look(20, |_, pose| pose.fill([0.5; 2]))]),
            [],
            "too early to tell"
        );
    }

    #[test]
    fn losses_that_rise_or_stay() {
        let at = [look(300, |_, _| {})];
        let rising: Vec<f32> = (0..300).map(|i| if i < 200 { 0.4 } else { 0.8 }).collect();
        assert_eq!(troubles(&rising, &at), [(Issue::Exploding, vec![])]);
        // One bad batch is none.
        let mut once = vec![0.4; 300];
        once[0..20].fill(1.0);
        once[295] = 1.5;
        assert_eq!(troubles(&once, &at), []);
        // Nor are small batches, whose losses scatter.
        for deviation in [0.1, 0.3, 0.5] {
            let alarms = (0..100).filter(|seed| {
                let rng = &mut ChaCha8Rng::seed_from_u64(*seed);
                // Twelve random numbers add up to one that is distributed almost normally.
                let mut normal = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
                let losses: Vec<f32> = (0..2000)
                    .map(|i| (0.2 + (-i as f32 / 150.0).exp()) * (deviation * normal()).exp())
                    .collect();
                (WINDOW..=losses.len()).step_by(WINDOW).any(|known| {
                    loss(&losses[..known], known)
                        .is_some_and(|finding| finding.trouble == Issue::Exploding)
                })
            });
            assert!(alarms.count() <= 3, "of 100, at {deviation}");
        }
        let flat: Vec<f32> = (0..300).map(|i| 0.5 + 0.02 * (i % 7) as f32).collect();
        assert_eq!(troubles(&flat, &at), [(Issue::Stuck, vec![])]);
        // The end of a long run is flat, too.
        assert_eq!(troubles(&flat, &[look(5000, |_, _| {})]), []);
    }

    #[test]
    fn keypoints_that_are_dead_or_one() {
        let dead = look(200, |_, pose| pose[2] = [0.05, 0.9]);
        assert_eq!(troubles(&[], &[dead]), [(Issue::Dead, vec![2])]);
        let one = look(200, |_, pose| pose[3] = [pose[1][0] + 0.01, pose[1][1]]);
        assert_eq!(troubles(&[], &[one]), [(Issue::Collapsed, vec![1, 3])]);
        let all = look(200, |_, pose| pose.fill([0.5; 2]));
        assert_eq!(
            troubles(&[], &[all]),
            [(Issue::Collapsed, vec![0, 1, 2, 3])]
        );
        // Near each other in some pictures is no trouble.
        let crossing = look(200, |picture, pose| {
            if picture < 3 {
                pose[3] = pose[1]
            }
        });
        assert_eq!(troubles(&[], &[crossing]), []);
    }

    #[test]
    fn keypoints_that_jump_but_not_those_that_travel() {
        let looks = |place: fn(usize) -> f32| -> Vec<PreviewStats> {
            (0..LOOKS)
                .map(|i| look(200 + i, |_, pose| pose[0][0] += place(i)))
                .collect()
        };
        let jumping = looks(|i| 0.08 * (i % 2) as f32);
        assert_eq!(troubles(&[], &jumping), [(Issue::Jitter, vec![0])]);
        assert_eq!(troubles(&[], &looks(|i| 0.05 * i as f32)), []);
        assert_eq!(troubles(&[], &jumping[1..]), [], "too few looks");
    }

    #[test]
    fn wide_heatmaps_and_few_pictures() {
        let mut wide = look(SURE_STEP, |_, _| {});
        wide.confidence = vec![vec![0.2; 4]; PICTURES];
        assert_eq!(troubles(&[], &[wide]), [(Issue::Unsure, vec![])]);
        let lesson = |pictures, mirrored| {
            let shown = 400 * 16 / pictures;
            let lesson = ExposureStats {
                pictures,
                shown,
                mirrored,
            };
            diagnose(&[], &[look(400, |_, _| {})], lesson).len()
        };
        assert_eq!(lesson(10, Some(2.0)), 1);
        assert_eq!(
            lesson(10, Some(1.1)),
            0,
            "mirror images are rebuilt as well"
        );
        assert_eq!(lesson(10, None), 0);
        assert_eq!(lesson(400, Some(2.0)), 0, "there are enough");
    }

    #[test]
    fn names_are_a_list() {
        assert_eq!(named(&[2]), "Keypoint 3");
        assert_eq!(named(&[0, 4, 7]), "Keypoints 1, 5 and 8");
    }
}
