//! Images with landmarks, and scores against them.

use std::collections::BTreeMap;

use anyhow::bail;
use autolink::annotate::{self, Imported, Point};
use autolink::data::{Dataset, SquareImage};
use autolink::eval::{self, Score};
use autolink::session::Keypoints;

use crate::output::warn;

/// Images with landmarks, which keypoints are scored on.
pub struct LabelledSet {
    pub images: Dataset,
    /// Fractions of the image or, where it was located, of the crop around the animal.
    pub landmarks: Vec<Vec<eval::Position>>,
    pub n_fit: usize,
    pub seed: u64,
}

impl LabelledSet {
    /// Selects the images that have landmarks; `n_fit` of them are fitted on, three quarters by default. Warns about landmarks
    /// whose images are missing.
    ///
    /// # Errors
    /// No image has landmarks, or the landmarks cannot be scored.
    pub fn new(
        landmarks: &Imported,
        images: &Dataset,
        n_fit: Option<usize>,
    ) -> anyhow::Result<Self> {
        let here: Vec<annotate::Image> = (0..images.len())
            .map(|i| annotate::Image::blank(images.name(i).to_string(), images.placement(i)))
            .collect();
        let placed = landmarks.onto(&here);
        if placed.missing > 0 {
            warn(&placed.summary);
        }
        placed.notes.iter().for_each(|note| warn(note));
        let mut labelled = Self {
            images: Dataset::new(images.size_px()),
            landmarks: Vec::new(),
            n_fit: 0,
            seed: 0,
        };
        let points: BTreeMap<usize, Vec<Point>> = placed.images.into_iter().collect();
        for (i, points) in points {
            labelled.images.push(SquareImage {
                name: images.name(i).to_string(),
                pixels: images.pixels(i).to_vec(),
                placement: images.placement(i).clone(),
            });
            let placement = images.placement(i);
            let [width, height] = placement.original_px.map(f64::from);
            let place = |p: &Point| {
                let at = || match &placement.crop {
                    Some(crop) => crop.to_crop([p.x_px, p.y_px]),
                    None => [p.x_px / width, p.y_px / height],
                };
                p.is_there().then(at)
            };
            labelled.landmarks.push(points.iter().map(place).collect());
        }
        if labelled.landmarks.is_empty() {
            bail!("The table of landmarks names none of these images. Check its file names.");
        }
        labelled.n_fit = eval::fit_count(labelled.landmarks.len(), n_fit)?;
        // Any keypoints reveal what is wrong with the landmarks.
        let anywhere = vec![vec![[0.5; 2]]; labelled.landmarks.len()];
        eval::score(
            &anywhere,
            &labelled.landmarks,
            labelled.n_fit,
            labelled.seed,
        )?;
        Ok(labelled)
    }

    /// Scores keypoints, one [`Keypoints`] per image.
    pub fn score(&self, found: &[Keypoints]) -> autolink::Result<Score> {
        eval::score(&self.places(found), &self.landmarks, self.n_fit, self.seed)
    }

    /// Converts the error of a score to px of the original images; none unless all of them were located.
    pub fn error_px(&self, score: &Score) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for (row, distances) in &score.errors {
            let side_px = self.images.placement(*row).crop?.side_px;
            sum += side_px * distances.iter().sum::<f64>();
            count += distances.len();
        }
        Some(sum / count.max(1) as f64)
    }

    /// Computes the rank correlation of confidence and error over images, from -1 (the least confident images have the largest
    /// errors) to 1. The error of a keypoint is its distance from the position that the same regression, fitted from landmarks to
    /// keypoints, predicts.
    pub fn confidence_rank(&self, found: &[Keypoints]) -> autolink::Result<f64> {
        // Without all landmarks of an image, the positions of its keypoints cannot be predicted.
        let complete: Vec<usize> = (0..self.landmarks.len())
            .filter(|&i| self.landmarks[i].iter().all(Option::is_some))
            .collect();
        let landmarks: Vec<Vec<[f64; 2]>> = (complete.iter())
            .map(|&i| self.landmarks[i].iter().flatten().copied().collect())
            .collect();
        let places = self.places(found);
        let places: Vec<Vec<eval::Position>> = (complete.iter())
            .map(|&i| places[i].iter().copied().map(Some).collect())
            .collect();
        if complete.len() < 2 {
            return Ok(f64::NAN); // null: too few images to fit on one and test on another
        }
        let n_fit = self.n_fit * complete.len() / self.landmarks.len();
        let n_fit = n_fit.clamp(1, complete.len() - 1);
        let expected = eval::score(&landmarks, &places, n_fit, self.seed)?;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (confidence, errors): (Vec<f64>, Vec<f64>) = (expected.errors.iter())
            .map(|(row, distances)| {
                let confidence = found[complete[*row]]
                    .confidence
                    .iter()
                    .map(|c| f64::from(*c));
                (mean(&confidence.collect::<Vec<_>>()), mean(distances))
            })
            .unzip();
        Ok(eval::rank_correlation(&confidence, &errors))
    }

    /// Returns keypoints as fractions of the image or of its crop, as landmarks are.
    fn places(&self, found: &[Keypoints]) -> Vec<Vec<[f64; 2]>> {
        let places = |(i, found): (usize, &Keypoints)| {
            let placement = self.images.placement(i);
            let place = |p: &[f32; 2]| match placement.crop {
                Some(_) => placement.to_view(*p).map(f64::from),
                None => p.map(f64::from),
            };
            found.keypoints.iter().map(place).collect()
        };
        found.iter().enumerate().map(places).collect()
    }
}
