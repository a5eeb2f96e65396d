//! Training health: finds issues from the losses and the preview images of a run, and suggests what to try.

use serde::Serialize;
use ts_rs::TS;

/// Keypoints of the P preview images after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewStats {
    /// Steps taken.
    pub step: usize,
    /// `[P][K][x, y]` as fractions of the image's sides.
    pub keypoints: Vec<Vec<[f32; 2]>>,
    /// `[P][K]` in `[0, 1]`: see `Detection::confidence`.
    pub confidence: Vec<Vec<f32>>,
}

/// An issue of a run, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Finding {
    /// The kind of issue.
    pub issue: Issue,
    /// The keypoints concerned, by number from 0; empty if the issue concerns the whole run.
    pub keypoints: Vec<usize>,
    /// The measurement, as a sentence.
    pub message: String,
    /// A suggestion, in sentences.
    pub remedy: String,
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// The loss rises.
    Exploding,
    /// The loss does not fall.
    Stuck,
    /// Keypoints lie on one another.
    Collapsed,
    /// Keypoints stay in one place whatever the image shows.
    Dead,
    /// Keypoints jump to and fro.
    Jitter,
    /// Heatmaps stay wide: objects may be off the middle, or there are several in an image.
    Unsure,
    /// The model memorises a few images.
    Overfitting,
}

/// The first step at which keypoints are judged: before it they have hardly left the middle.
pub const FIRST_STEP: usize = 100;
/// Previews that jitter is measured over.
pub const JITTER_PREVIEWS: usize = 8;

/// Steps over which losses are averaged, since single ones scatter.
const WINDOW: usize = 10;
/// The loss rises if it is this many times its lowest, both as geometric means of [`WINDOW`] losses, ...
const RISE: f32 = 1.5;
/// ... and if their logarithms differ by this many times the scatter of single losses' logarithms, since the means of noisy losses
/// scatter, too. (At most three of 100 simulated healthy runs are called rising within 2000 steps, see the tests.)
const RISE_SCATTERS: f32 = 2.1;
/// The loss is stuck if the mean of its last `STUCK_STEPS / 3` steps is more than this share of the mean of its first.
const FALL: f32 = 0.9;
const STUCK_STEPS: usize = 150;
/// A keypoint is dead if it moves less than this from image to image, in sides of the image, ...
const DEAD: f32 = 0.012;
/// ... while the median one moves this many times as much.
const DEAD_RATIO: f32 = 5.0;
/// Keypoints have collapsed if they are nearer than this in every image, in sides of the image.
const COLLAPSED: f32 = 0.03;
/// A keypoint jitters if it moves this far from preview to preview, in sides of the image, ...
const JITTER: f32 = 0.03;
/// ... and its path is this many times as long as the distance between its ends.
const JITTER_RATIO: f32 = 3.0;
/// The step from which on heatmaps should be narrow.
const SURE_STEP: usize = 400;
/// Heatmaps are wide if the median confidence is this or less.
const UNSURE: f32 = 0.3;
/// The model may memorise images if there are at most this many, ...
const FEW_IMAGES: usize = 64;
/// ... and it saw each at least this often.
const OFTEN_SHOWN: usize = 50;
/// The model memorises images if the reconstructions of their mirror images are this many times worse. (For 4 puppets at 32 px the ratio
/// is 1.5 after 100 steps and 4 after 900; for 10 puppets it is 1.4 by then, for 60 it stays 1.0.)
const MIRROR_RATIO: f32 = 1.3;

/// The number of images of a run, and how often the model saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExposureStats {
    /// The number of images.
    pub images: usize,
    /// Times that each was shown.
    pub times_shown: usize,
    /// The error of reconstructed mirror images, which the model never saw, over that of reconstructed images; `None` if not measured.
    pub mirror_ratio: Option<f32>,
}

impl ExposureStats {
    /// Returns true if so few images were shown so often that the mirror ratio should be measured. See `tests/edits.rs`.
    pub fn is_suspect(&self) -> bool {
        self.images <= FEW_IMAGES && self.times_shown >= OFTEN_SHOWN
    }
}

/// Returns the issues of a run, the worst first. `losses` are those of all known steps in order, `previews` are in order, too. See this
/// file's tests.
pub fn diagnose(
    losses: &[f32],
    previews: &[PreviewStats],
    exposure: ExposureStats,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let step = previews.last().map_or(0, |preview| preview.step);
    findings.extend(loss(losses, step));
    if let Some(last) = previews.last().filter(|last| last.step >= FIRST_STEP) {
        let collapsed = collapsed(&last.keypoints);
        let doubled = collapsed.iter().flat_map(|f| f.keypoints.clone());
        let doubled: Vec<usize> = doubled.collect();
        findings.extend(collapsed);
        findings.extend(dead(&last.keypoints, &doubled));
        findings.extend(jitter(previews));
        findings.extend(unsure(last));
    }
    if let Some(ratio) = exposure
        .mirror_ratio
        .filter(|&ratio| exposure.is_suspect() && ratio > MIRROR_RATIO)
    {
        findings.push(Finding {
            issue: Issue::Overfitting,
            keypoints: Vec::new(),
            message: format!(
                "The model is memorising these {} images: it saw each of them {} times, and reconstructs their mirror images, which it never saw, {ratio:.1} times worse.",
                exposure.images, exposure.times_shown
            ),
            remedy: "Add more images, switch mirroring on, or stop here.".into(),
        });
    }
    findings
}

/// Estimates the standard deviation of `values` from the median of the differences of neighbours, which single jumps and slow drifts do
/// not change: `median / (0.6745 sqrt(2))` for normal values.
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

/// Finds a loss that rises or does not fall. `step` is the number of steps taken.
fn loss(losses: &[f32], step: usize) -> Option<Finding> {
    let logs: Vec<f32> = losses.iter().map(|loss| loss.max(1e-9).ln()).collect();
    let means: Vec<f32> = logs.chunks_exact(WINDOW).map(mean).collect();
    let &now = means.last()?;
    let lowest = means.iter().copied().fold(f32::MAX, f32::min);
    let finding = |issue, message: String, remedy: &str| Finding {
        issue,
        keypoints: Vec::new(),
        message,
        remedy: remedy.into(),
    };
    if now - lowest > RISE.ln().max(RISE_SCATTERS * scatter(&logs)) {
        let [lowest, now] = [lowest, now].map(f32::exp);
        return Some(finding(
            Issue::Exploding,
            format!("The loss is rising: it was {lowest:.3} and is {now:.3} now."),
            "Halve the learning rate. If the loss does not fall again, reset.",
        ));
    }
    // Only a run whose first losses are known.
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
            "Raise the learning rate, or use images that show one kind of object.",
        )
    })
}

/// Finds keypoints that lie on one another. `poses` is `[P][K][x, y]`.
fn collapsed(poses: &[Vec<[f32; 2]>]) -> Option<Finding> {
    let count = poses.first()?.len();
    let coincide = |i: usize, j: usize| {
        poses
            .iter()
            .all(|pose| distance(pose[i], pose[j]) < COLLAPSED)
    };
    let keypoints: Vec<usize> = (0..count)
        .filter(|&i| (0..count).any(|j| j != i && coincide(i, j)))
        .collect();
    if keypoints.is_empty() {
        return None;
    }
    let (message, remedy) = if keypoints.len() == count {
        (
            "All keypoints coincide with others in every image.".to_string(),
            "Train longer. If this does not change, reset with another seed or thicker edges.",
        )
    } else {
        (
            format!("{} coincide in every image.", named(&keypoints)),
            "This does no harm, but fewer keypoints would do. Or try thinner edges.",
        )
    };
    Some(Finding {
        issue: Issue::Collapsed,
        keypoints,
        message,
        remedy: remedy.into(),
    })
}

/// Finds keypoints that never move. `poses` is `[P][K][x, y]`; `doubled` keypoints are reported already.
fn dead(poses: &[Vec<[f32; 2]>], doubled: &[usize]) -> Option<Finding> {
    if poses.len() < 4 {
        return None; // too few to compare
    }
    let count = poses[0].len();
    // Root mean square distance of a keypoint from its mean position.
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
        issue: Issue::Dead,
        message: match keypoints.len() {
            1 => format!("{} stays in one place, whatever the image shows.", named(&keypoints)),
            _ => format!("{} each stay in one place, whatever the image shows.", named(&keypoints)),
        },
        keypoints,
        remedy: "Dead keypoints mark something that never moves, such as the background. Try fewer keypoints, another seed, or thicker edges.".into(),
    })
}

/// Finds keypoints that jump to and fro.
fn jitter(previews: &[PreviewStats]) -> Option<Finding> {
    let previews = &previews[previews.len().saturating_sub(JITTER_PREVIEWS)..];
    let (first, last) = (previews.first()?, previews.last()?);
    let are_comparable = previews.iter().all(|preview| {
        preview.step >= FIRST_STEP && preview.keypoints.len() == last.keypoints.len()
    });
    if previews.len() < JITTER_PREVIEWS || !are_comparable {
        return None;
    }
    let count = last.keypoints.first()?.len();
    // Mean distance over images that keypoint k moved between two previews.
    let moved = |a: &PreviewStats, b: &PreviewStats, k: usize| {
        let pairs = a.keypoints.iter().zip(&b.keypoints);
        mean(&pairs.map(|(a, b)| distance(a[k], b[k])).collect::<Vec<_>>())
    };
    let keypoints: Vec<usize> = (0..count)
        .filter(|&k| {
            let path: f32 = previews
                .windows(2)
                .map(|pair| moved(&pair[0], &pair[1], k))
                .sum();
            path / (JITTER_PREVIEWS - 1) as f32 > JITTER
                && path > JITTER_RATIO * moved(first, last, k)
        })
        .collect();
    (!keypoints.is_empty()).then(|| Finding {
        issue: Issue::Jitter,
        message: match keypoints.len() {
            1 => format!(
                "{} jumps back and forth during training.",
                named(&keypoints)
            ),
            _ => format!("{} jump back and forth during training.", named(&keypoints)),
        },
        keypoints,
        remedy: "Lower the learning rate, or use a wider network, which is steadier.".into(),
    })
}

/// Finds heatmaps that are still wide.
fn unsure(preview: &PreviewStats) -> Option<Finding> {
    let all: Vec<f32> = preview.confidence.iter().flatten().copied().collect();
    let sure = median(&all);
    (preview.step >= SURE_STEP && sure <= UNSURE).then(|| Finding {
        issue: Issue::Unsure,
        keypoints: Vec::new(),
        message: format!(
            "The heatmaps are still wide: only about {:.0}% of a typical one lies near its keypoint.",
            5.0 * (20.0 * sure).round().max(1.0)
        ),
        remedy: "Train longer. If they stay wide, images may show several objects, or objects that are not centred. Then use images of one kind of object: one per image, centred and of about the same size.".into(),
    })
}

/// Lists keypoints by number from 1: "Keypoint 3", "Keypoints 3, 5 and 8".
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

    const IMAGES: usize = 8;

    /// A preview of four keypoints at the corners of a square that moves from image to image; `change` alters them.
    fn preview(step: usize, change: impl Fn(usize, &mut Vec<[f32; 2]>)) -> PreviewStats {
        let pose = |image: usize| {
            let [x, y] = [0.1 + 0.05 * image as f32, 0.5 - 0.04 * image as f32];
            let mut pose = vec![[x, y], [x + 0.2, y], [x, y + 0.2], [x + 0.2, y + 0.2]];
            change(image, &mut pose);
            pose
        };
        PreviewStats {
            step,
            keypoints: (0..IMAGES).map(pose).collect(),
            confidence: vec![vec![0.9; 4]; IMAGES],
        }
    }

    fn issues(losses: &[f32], previews: &[PreviewStats]) -> Vec<(Issue, Vec<usize>)> {
        let findings = diagnose(losses, previews, ExposureStats::default());
        for Finding {
            message, remedy, ..
        } in &findings
        {
            assert!(
                message.ends_with('.') && remedy.ends_with('.'),
                "{message} {remedy}"
            );
        }
        findings
            .into_iter()
            .map(|f| (f.issue, f.keypoints))
            .collect()
    }

    #[test]
    fn diagnose_finds_nothing_in_a_healthy_run() {
        let losses: Vec<f32> = (0..1000)
            .map(|i| 0.2 + 1.0 / (1.0 + i as f32 / 50.0))
            .collect();
        let previews: Vec<PreviewStats> = (0..JITTER_PREVIEWS)
            .map(|i| preview(900 + 10 * i, |_, _| {}))
            .collect();
        assert_eq!(issues(&losses, &previews), []);
        assert_eq!(issues(&[], &[]), []);
        assert_eq!(
            issues(&losses[..20], &[preview(20, |_, pose| pose.fill([0.5; 2]))]),
            [],
            "too early to tell"
        );
    }

    #[test]
    fn diagnose_finds_losses_that_rise_or_stay() {
        let at = [preview(300, |_, _| {})];
        let rising: Vec<f32> = (0..300).map(|i| if i < 200 { 0.4 } else { 0.8 }).collect();
        assert_eq!(issues(&rising, &at), [(Issue::Exploding, vec![])]);
        // A single bad batch is not an issue.
        let mut once = vec![0.4; 300];
        once[0..20].fill(1.0);
        once[295] = 1.5;
        assert_eq!(issues(&once, &at), []);
        // Small batches are not an issue either, although their losses scatter.
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
                        .is_some_and(|finding| finding.issue == Issue::Exploding)
                })
            });
            assert!(alarms.count() <= 3, "of 100, at {deviation}");
        }
        let flat: Vec<f32> = (0..300).map(|i| 0.5 + 0.02 * (i % 7) as f32).collect();
        assert_eq!(issues(&flat, &at), [(Issue::Stuck, vec![])]);
        // The end of a long run is flat as well.
        assert_eq!(issues(&flat, &[preview(5000, |_, _| {})]), []);
    }

    #[test]
    fn diagnose_finds_dead_and_collapsed_keypoints() {
        let dead = preview(200, |_, pose| pose[2] = [0.05, 0.9]);
        assert_eq!(issues(&[], &[dead]), [(Issue::Dead, vec![2])]);
        let one = preview(200, |_, pose| pose[3] = [pose[1][0] + 0.01, pose[1][1]]);
        assert_eq!(issues(&[], &[one]), [(Issue::Collapsed, vec![1, 3])]);
        let all = preview(200, |_, pose| pose.fill([0.5; 2]));
        assert_eq!(issues(&[], &[all]), [(Issue::Collapsed, vec![0, 1, 2, 3])]);
        // Being close in some images is not an issue.
        let crossing = preview(200, |image, pose| {
            if image < 3 {
                pose[3] = pose[1]
            }
        });
        assert_eq!(issues(&[], &[crossing]), []);
    }

    #[test]
    fn diagnose_finds_keypoints_that_jump_but_not_those_that_travel() {
        let previews = |offset: fn(usize) -> f32| -> Vec<PreviewStats> {
            (0..JITTER_PREVIEWS)
                .map(|i| preview(200 + i, |_, pose| pose[0][0] += offset(i)))
                .collect()
        };
        let jumping = previews(|i| 0.08 * (i % 2) as f32);
        assert_eq!(issues(&[], &jumping), [(Issue::Jitter, vec![0])]);
        assert_eq!(issues(&[], &previews(|i| 0.05 * i as f32)), []);
        assert_eq!(issues(&[], &jumping[1..]), [], "too few previews");
    }

    #[test]
    fn diagnose_finds_wide_heatmaps_and_memorised_images() {
        let mut wide = preview(SURE_STEP, |_, _| {});
        wide.confidence = vec![vec![0.2; 4]; IMAGES];
        assert_eq!(issues(&[], &[wide]), [(Issue::Unsure, vec![])]);
        let count = |images, mirror_ratio| {
            let exposure = ExposureStats {
                images,
                times_shown: 400 * 16 / images,
                mirror_ratio,
            };
            diagnose(&[], &[preview(400, |_, _| {})], exposure).len()
        };
        assert_eq!(count(10, Some(2.0)), 1);
        assert_eq!(
            count(10, Some(1.1)),
            0,
            "mirror images are reconstructed as well"
        );
        assert_eq!(count(10, None), 0);
        assert_eq!(count(400, Some(2.0)), 0, "there are enough images");
    }

    #[test]
    fn named_lists_keypoints_from_1() {
        assert_eq!(named(&[2]), "Keypoint 3");
        assert_eq!(named(&[0, 4, 7]), "Keypoints 1, 5 and 8");
    }
}
