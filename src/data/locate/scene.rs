//! The background of a still camera, and the contrast from which on a pixel belongs to the animal.

use image::RgbImage;

use super::mask::otsu;
use super::sighting::{Seen, Sighting, look};
use crate::error::{Error, Result};

/// Most frames that the background is the median of.
pub(super) const MAX_SAMPLES: usize = 64;
/// Longest side of the reduced frames that are looked at, px.
const MAX_SIDE_PX: u32 = 320;
/// Least difference from the background that counts, grey levels.
const MIN_CONTRAST: u8 = 20;
/// Share of the pixels that may differ from the background before the camera is said to move.
const MAX_CHANGED: f64 = 0.25;

/// Collects at most 64 frames, evenly spread over a video of any length.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    size_px: [u32; 2],
    small: Vec<Small>,
    seen: usize,
    stride: usize,
}

/// A reduced frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Small {
    pub(super) width: usize,
    /// RGB, `[h, w, 3]`.
    pub(super) pixels: Vec<u8>,
}

/// Returns by how much frames of this size are reduced, an integer.
fn factor([width, height]: [u32; 2]) -> u32 {
    width.max(height).div_ceil(MAX_SIDE_PX).max(1)
}

/// Reduces a frame by the mean of squares of `factor` pixels.
fn reduced(frame: &RgbImage, factor: usize) -> Small {
    let full = frame.width() as usize;
    let (width, height) = (full / factor, frame.height() as usize / factor);
    let bytes = frame.as_raw();
    let mut sums = vec![0_u32; width * 3];
    let mut pixels = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        sums.fill(0);
        for y in row * factor..(row + 1) * factor {
            let line = &bytes[y * full * 3..][..width * factor * 3];
            for (sum, square) in sums.chunks_exact_mut(3).zip(line.chunks_exact(factor * 3)) {
                for pixel in square.chunks_exact(3) {
                    for c in 0..3 {
                        sum[c] += u32::from(pixel[c]);
                    }
                }
            }
        }
        pixels.extend(
            sums.iter()
                .map(|&sum| (sum / (factor * factor) as u32) as u8),
        );
    }
    Small { width, pixels }
}

impl Sampler {
    /// Creates a sampler without frames.
    pub fn new() -> Sampler {
        Sampler::default()
    }

    /// Takes the next frame of the video. Where the length of a video is known, 64 frames spread over it suffice.
    ///
    /// # Errors
    /// [`Error::Images`] if the frame has another size than the first.
    pub fn push(&mut self, frame: &RgbImage) -> Result<()> {
        let size_px = [frame.width(), frame.height()];
        if self.seen == 0 {
            self.size_px = size_px;
            self.stride = 1;
        }
        check_size(size_px, self.size_px)?;
        if self.seen.is_multiple_of(self.stride) {
            self.small.push(reduced(frame, factor(size_px) as usize));
            if self.small.len() > MAX_SAMPLES {
                let mut index = 0;
                self.small.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
        Ok(())
    }

    /// Computes the background: the median of each pixel over the frames, after a change of the light is taken out.
    ///
    /// # Errors
    /// [`Error::Images`] if there are fewer than three frames, the camera moves, or nothing moves.
    pub fn scene(&self) -> Result<Scene> {
        if self.small.len() < 3 || self.small[0].pixels.is_empty() {
            return Err(Error::Images(
                "There are too few frames to tell the animal from the background. Add at least three frames of the same still camera."
                    .into(),
            ));
        }
        let mut scene = Scene {
            size_px: self.size_px,
            factor: factor(self.size_px),
            background: background(&self.small),
            threshold: MIN_CONTRAST,
        };
        let differences: Vec<Vec<u8>> = self.small.iter().map(|s| scene.differences(s)).collect();
        let is_changed = |differences: &&Vec<u8>| {
            let changed = differences.iter().filter(|&&d| d > MIN_CONTRAST).count();
            changed as f64 > MAX_CHANGED * differences.len() as f64
        };
        if 2 * differences.iter().filter(is_changed).count() > differences.len() {
            return Err(Error::Images(
                "The camera moves, or most of the image changes. Finding the animal needs a still camera: use whole frames instead."
                    .into(),
            ));
        }
        let mut histogram = [0; 256];
        for &d in differences.iter().flatten() {
            if d > MIN_CONTRAST {
                histogram[usize::from(d)] += 1;
            }
        }
        scene.threshold = (otsu(&histogram) as u8).max(MIN_CONTRAST);
        let is_seen = |d: &Vec<u8>| look(&scene, d).seen != Seen::Nothing;
        if !differences.iter().any(is_seen) {
            return Err(Error::Images(
                "Nothing moves in these frames, so that the animal cannot be told from the background. Use whole frames instead.".into(),
            ));
        }
        Ok(scene)
    }

    /// Looks for what moves in the frames themselves, as far as they are kept.
    pub(super) fn sightings(&self, scene: &Scene) -> Vec<Sighting> {
        let look = |small| look(scene, &scene.differences(small));
        self.small.iter().map(look).collect()
    }
}

fn check_size([width, height]: [u32; 2], [first_width, first_height]: [u32; 2]) -> Result<()> {
    if [width, height] == [first_width, first_height] {
        return Ok(());
    }
    Err(Error::Images(format!(
        "A frame is {width} x {height} px, but the first is {first_width} x {first_height} px. Use frames of one camera."
    )))
}

/// Computes the median of each value over frames whose brightness is made the same.
fn background(frames: &[Small]) -> Small {
    let brightness: Vec<f32> = frames
        .iter()
        .map(|frame| {
            let mut values = frame.pixels.clone();
            let middle = values.len() / 2;
            f32::from(*values.select_nth_unstable(middle).1).max(1.0)
        })
        .collect();
    let mut sorted = brightness.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let mut values = vec![0_u8; frames.len()];
    let pixels = (0..frames[0].pixels.len()).map(|i| {
        for (value, (frame, brightness)) in values.iter_mut().zip(frames.iter().zip(&brightness)) {
            *value = (f32::from(frame.pixels[i]) * usual / brightness).round() as u8;
        }
        let middle = values.len() / 2;
        *values.select_nth_unstable(middle).1
    });
    Small {
        pixels: pixels.collect(),
        width: frames[0].width,
    }
}

/// The background of a still camera, and the threshold of what moves before it.
#[derive(Clone, Debug)]
pub struct Scene {
    size_px: [u32; 2],
    factor: u32,
    background: Small,
    threshold: u8,
}

impl Scene {
    /// Returns width and height of the frames, px.
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
    }

    /// Returns the difference from which on a pixel belongs to the animal, grey levels.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Returns half the threshold, but at least the least contrast: what is thin and faint, like a tail, is above.
    pub(super) fn faint(&self) -> u8 {
        (self.threshold / 2).max(MIN_CONTRAST)
    }

    /// Returns the width of reduced frames, and how many px of a frame one of theirs spans.
    pub(super) fn grid(&self) -> (usize, f64) {
        (self.background.width, f64::from(self.factor))
    }

    /// Looks for what moves in a frame.
    ///
    /// # Errors
    /// [`Error::Images`] if the frame has another size than those of the background.
    pub fn look(&self, frame: &RgbImage) -> Result<Sighting> {
        check_size([frame.width(), frame.height()], self.size_px)?;
        let small = reduced(frame, self.factor as usize);
        Ok(look(self, &self.differences(&small)))
    }

    /// Computes the largest difference of the three channels from the background in the light of this frame, for each pixel.
    fn differences(&self, frame: &Small) -> Vec<u8> {
        let width = self.background.width;
        let [constant, by_x, by_y] = light(frame, &self.background);
        let mut result = Vec::with_capacity(frame.pixels.len() / 3);
        let pairs = frame
            .pixels
            .chunks_exact(3)
            .zip(self.background.pixels.chunks_exact(3));
        for (i, (pixel, behind)) in pairs.enumerate() {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let gain = constant + by_x * x + by_y * y;
            let difference =
                |c: usize| (f32::from(pixel[c]) - (f32::from(behind[c]) * gain).min(255.0)).abs();
            result.push(difference(0).max(difference(1)).max(difference(2)) as u8);
        }
        result
    }
}

/// Fits the light of a frame relative to the background as a plane, `gain = a + b x + c y`, over the medians of 8x8 blocks. Three rounds of
/// weighted least squares leave out blocks that something covers.
fn light(frame: &Small, background: &Small) -> [f32; 3] {
    const BLOCKS: usize = 8;
    let width = frame.width;
    let height = frame.pixels.len() / 3 / width;
    let mut blocks: Vec<([f64; 3], f64)> = Vec::new();
    let mut ratios = Vec::new();
    for block in 0..BLOCKS * BLOCKS {
        let range = |i: usize, side: usize| i * side / BLOCKS..(i + 1) * side / BLOCKS;
        let (xs, ys) = (range(block % BLOCKS, width), range(block / BLOCKS, height));
        ratios.clear();
        for y in ys.clone() {
            for x in xs.clone() {
                let at = (y * width + x) * 3;
                let sum = |pixels: &[u8]| {
                    pixels[at..at + 3]
                        .iter()
                        .map(|&v| f64::from(v))
                        .sum::<f64>()
                };
                ratios.push((sum(&frame.pixels) + 3.0) / (sum(&background.pixels) + 3.0));
            }
        }
        if ratios.is_empty() {
            continue;
        }
        let middle = ratios.len() / 2;
        let ratio = *ratios.select_nth_unstable_by(middle, f64::total_cmp).1;
        let centre = |range: std::ops::Range<usize>| (range.start + range.end) as f64 / 2.0;
        blocks.push(([1.0, centre(xs), centre(ys)], ratio));
    }
    let mut sorted: Vec<f64> = blocks.iter().map(|block| block.1).collect();
    sorted.sort_by(f64::total_cmp);
    let mut plane = [
        sorted.get(sorted.len() / 2).copied().unwrap_or(1.0),
        0.0,
        0.0,
    ];
    for _ in 0..3 {
        let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        for (terms, ratio) in &blocks {
            let error = (ratio - (0..3).map(|i| plane[i] * terms[i]).sum::<f64>()) / 0.05;
            let weight = 1.0 / (1.0 + error * error).powi(2);
            for i in 0..3 {
                right[i] += weight * terms[i] * ratio;
                for j in 0..3 {
                    matrix[i][j] += weight * terms[i] * terms[j];
                }
            }
        }
        match solved(matrix, right) {
            Some(found) => plane = found,
            None => break, // a frame of a few pixels
        }
    }
    plane.map(|v| v as f32)
}

/// Solves three linear equations by Cramer's rule; none if they are dependent.
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
            - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = determinant(matrix);
    (whole.abs() > 1e-9).then(|| {
        [0, 1, 2].map(|column| {
            let mut replaced = matrix;
            for row in 0..3 {
                replaced[row][column] = right[row];
            }
            determinant(replaced) / whole
        })
    })
}
