//! Jumps of a track of keypoints, and flips of head and tail.

/// Keypoints of one frame, `[K][x, y]`, px of the frame.
type Points = Vec<[f64; 2]>;

/// Computes the mean distance between the keypoints of two frames, px.
fn motion(a: &Points, b: &Points) -> f64 {
    let distances = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
    distances.sum::<f64>() / a.len().min(b.len()).max(1) as f64
}

/// Finds the frames to which the skeleton jumps: those whose keypoints move, on average, by more than a third of `length_px`, the length of
/// the body, and by more than eight times the median of all frames.
///
/// ```
/// let track: Vec<Vec<[f64; 2]>> = [0.0, 1.0, 2.0, 90.0, 91.0].map(|x| vec![[x, 0.0]]).to_vec();
/// assert_eq!(autolink::data::locate::jumps(&track, 50.0), [3]);
/// ```
pub fn jumps(frames: &[Points], length_px: f64) -> Vec<usize> {
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
/// mean motion of the keypoints from frame to frame in lengths of the body (`length_px`).
///
/// `readings` holds the keypoints as detected in the crop and in the reversed crop; `costs` what each costs, such as the error of the
/// reconstruction. Nothing mends a video that is flipped from its first frame to its last but the costs.
///
/// # Panics
/// If there are not as many costs as readings.
pub fn mend_flips(readings: &[[Points; 2]], costs: &[[f64; 2]], length_px: f64) -> Vec<usize> {
    assert_eq!(readings.len(), costs.len(), "two costs for each frame");
    let Some(&first) = costs.first() else {
        return Vec::new();
    };
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
