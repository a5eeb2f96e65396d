//! Jumps of a track of keypoints, and flips of head and tail.
//!
//! A crop can be read in two ways, as it was located or turned by half a circle. Reading a frame both ways costs several forward passes,
//! so [`next_step`] asks for a sample of a video first, and for all frames only if the sample casts doubt on where the heads are.

/// Keypoints of one frame, `[K][x, y]`, px of the frame.
type Points = Vec<[f64; 2]>;

/// Frames of a video that are read in both ways first.
const SAMPLE: usize = 64;
/// Share of them that may be reconstructed better in reverse: single frames err.
const USUAL_SHARE: f64 = 0.05;

/// What to do about the flips of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read these frames in reverse as well, then ask again.
    Read(Vec<usize>),
    /// Mend the video with [`mend_flips`].
    Mend,
    /// Leave the video as it is.
    Leave,
}

/// Returns what to do about the flips of a video, from its keypoints as located and the costs of both readings of each frame, none where
/// the frame was not read in reverse: a sample is read first; all frames are read if the skeleton jumps, or if more than one frame of
/// twenty costs less in reverse.
///
/// ```
/// use autolink::data::locate::{Step, next_step};
/// let track: Vec<Vec<[f64; 2]>> = (0..100).map(|i| vec![[f64::from(i), 0.0], [f64::from(i), 30.0]]).collect();
/// let Step::Read(sample) = next_step(&track, &[None; 100]) else { panic!("a sample is to be read") };
/// assert_eq!(sample.len(), 64);
/// let costs = |reversed: f64| (0..100).map(|i| sample.contains(&i).then_some([1.0, reversed])).collect::<Vec<_>>();
/// assert_eq!(next_step(&track, &costs(1.1)), Step::Leave);
/// assert!(matches!(next_step(&track, &costs(0.9)), Step::Read(others) if others.len() == 36));
/// assert_eq!(next_step(&track, &[Some([1.0, 0.9]); 100]), Step::Mend);
/// ```
pub fn next_step(track: &[Points], costs: &[Option<[f64; 2]>]) -> Step {
    let read: Vec<[f64; 2]> = costs.iter().copied().flatten().collect();
    let better = read.iter().filter(|[located, reversed]| reversed < located);
    let is_doubtful =
        better.count() as f64 > USUAL_SHARE * read.len() as f64 || !jumps(track).is_empty();
    let unread = (0..costs.len()).filter(|&i| costs[i].is_none());
    match (is_doubtful, read.is_empty()) {
        (true, _) => match unread.collect::<Vec<_>>() {
            unread if unread.is_empty() => Step::Mend,
            unread => Step::Read(unread),
        },
        (false, true) if !costs.is_empty() => {
            let few = costs.len().min(SAMPLE);
            Step::Read((0..few).map(|i| i * costs.len() / few).collect())
        }
        (false, _) => Step::Leave,
    }
}

/// Computes the mean distance between the keypoints of two frames, px.
fn motion(a: &Points, b: &Points) -> f64 {
    let distances = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
    distances.sum::<f64>() / a.len().min(b.len()).max(1) as f64
}

/// Computes the length of the body, px: the median diagonal of the box around the keypoints.
fn body_length_px<'p>(frames: impl Iterator<Item = &'p Points>) -> f64 {
    let diagonal = |points: &Points| {
        let extent = |axis: usize| {
            let values = points.iter().map(|point| point[axis]);
            let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
            let (low, high) = values.fold((low, high), |(low, high), v| (low.min(v), high.max(v)));
            (high - low).max(0.0)
        };
        extent(0).hypot(extent(1))
    };
    let mut lengths: Vec<f64> = frames.map(diagonal).collect();
    lengths.sort_by(f64::total_cmp);
    lengths.get(lengths.len() / 2).copied().unwrap_or(0.0)
}

/// Finds the frames to which the skeleton jumps: those whose keypoints move, on average, by more than a third of the body's length, and by
/// more than eight times the median of all frames.
///
/// ```
/// let track: Vec<Vec<[f64; 2]>> = [0.0, 1.0, 2.0, 90.0, 91.0].map(|x| vec![[x, 0.0], [x, 30.0]]).to_vec();
/// assert_eq!(autolink::data::locate::jumps(&track), [3]);
/// ```
pub fn jumps(frames: &[Points]) -> Vec<usize> {
    let length_px = body_length_px(frames.iter());
    let motions: Vec<f64> = frames
        .windows(2)
        .map(|pair| motion(&pair[0], &pair[1]))
        .collect();
    let mut sorted = motions.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let is_jump = |i: &usize| motions[*i] > (length_px / 3.0).max(8.0 * usual);
    (0..motions.len()).filter(is_jump).map(|i| i + 1).collect()
}

/// Chooses one of the two readings of each frame, 0 or 1, by the cheapest path (Viterbi): the sum of the costs of the readings, and of the
/// mean motion of the keypoints from frame to frame in lengths of the body.
///
/// `readings` holds the keypoints as detected in the crop and in the reversed crop; `costs` what each costs, such as the error of the
/// reconstruction. Nothing but the costs mends a video that is flipped from its first frame to its last.
///
/// # Panics
/// If there are not as many costs as readings.
pub fn mend_flips(readings: &[[Points; 2]], costs: &[[f64; 2]]) -> Vec<usize> {
    assert_eq!(readings.len(), costs.len(), "two costs for each frame");
    let Some(&first) = costs.first() else {
        return Vec::new();
    };
    let length_px = body_length_px(readings.iter().map(|[located, _]| located));
    let (mut total, mut from) = (first, Vec::with_capacity(readings.len()));
    for i in 1..readings.len() {
        let mut cheapest = [0; 2];
        total = [0, 1].map(|to| {
            let via = |at: usize| {
                total[at] + motion(&readings[i - 1][at], &readings[i][to]) / length_px.max(1.0)
            };
            cheapest[to] = usize::from(via(1) < via(0));
            via(cheapest[to]) + costs[i][to]
        });
        from.push(cheapest);
    }
    let mut path = vec![usize::from(total[1] < total[0])];
    for cheapest in from.iter().rev() {
        path.push(cheapest[path[path.len() - 1]]);
    }
    path.reverse();
    path
}
