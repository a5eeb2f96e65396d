//! Masks of pixels, row by row.

/// Returns the threshold that parts a histogram best (Otsu 1979: the largest variance between the two classes): values above it
/// belong to the upper class. A histogram without values gives 0.
pub(super) fn otsu(histogram: &[u64]) -> usize {
    let total: f64 = histogram.iter().map(|&n| n as f64).sum();
    let sum: f64 = histogram
        .iter()
        .enumerate()
        .map(|(v, &n)| v as f64 * n as f64)
        .sum();
    let (mut below, mut sum_below, mut best) = (0.0, 0.0, (0.0, 0));
    for (value, &n) in histogram.iter().enumerate() {
        below += n as f64;
        sum_below += value as f64 * n as f64;
        let above = total - below;
        if below == 0.0 || above <= 0.0 {
            continue;
        }
        let distance = (sum - sum_below) / above - sum_below / below;
        let between = below * above * distance * distance;
        if between > best.0 {
            best = (between, value);
        }
    }
    best.1
}

/// Opens a mask with a square of `2 steps + 1` pixels: what is thinner vanishes. Outside of the image a mask continues.
pub(super) fn opened(mask: &[bool], width: usize, steps: usize) -> Vec<bool> {
    let mut opened = mask.to_vec();
    for erode in [true, false] {
        for along_rows in [true, false] {
            pass(&mut opened, width, steps, along_rows, erode);
        }
    }
    opened
}

/// Takes the least (`erode`) or the largest of `2 steps + 1` neighbours along rows or columns, from running counts.
fn pass(mask: &mut [bool], width: usize, steps: usize, along_rows: bool, erode: bool) {
    let height = mask.len() / width.max(1);
    let (lines, length, line_step, step) = match along_rows {
        true => (height, width, width, 1),
        false => (width, height, 1, width),
    };
    // Number of set pixels before each of a line.
    let mut before = vec![0; length + 1];
    for line in 0..lines {
        let start = line * line_step;
        for i in 0..length {
            before[i + 1] = before[i] + usize::from(mask[start + i * step]);
        }
        for i in 0..length {
            let (from, to) = (i.saturating_sub(steps), (i + steps + 1).min(length));
            let set = before[to] - before[from];
            mask[start + i * step] = match erode {
                true => set == to - from,
                false => set > 0,
            };
        }
    }
}

/// Returns the connected components of a mask (8 neighbours), each as the indices of its pixels, the largest first.
pub(super) fn components(mask: &[bool], width: usize) -> Vec<Vec<usize>> {
    let height = mask.len() / width.max(1);
    let mut seen = vec![false; mask.len()];
    let mut all = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut component = vec![start];
        let mut next = 0;
        while let Some(&at) = component.get(next) {
            next += 1;
            let (x, y) = (at % width, at / width);
            for ny in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let neighbour = ny * width + nx;
                    if mask[neighbour] && !seen[neighbour] {
                        seen[neighbour] = true;
                        component.push(neighbour);
                    }
                }
            }
        }
        all.push(component);
    }
    all.sort_by_key(|component| std::cmp::Reverse(component.len()));
    all
}
