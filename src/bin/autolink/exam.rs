//! Scores against landmarks.

use std::collections::BTreeMap;

use anyhow::bail;
use autolink::annotate::{self, Imported, Point};
use autolink::data::{Dataset, SquareImage};
use autolink::eval::{self, Score};
use autolink::session::Keypoints;

use crate::output::warn;

/// Pictures with landmarks, to be scored again and again.
pub struct LabelledSet {
    pub pictures: Dataset,
    pub landmarks: Vec<Vec<eval::Position>>,
    pub n_fit: usize,
    pub seed: u64,
}

impl LabelledSet {
    /// Those of the pictures that have landmarks; three quarters to fit on unless told. Tells of which images that are
    /// not here there are landmarks, too.
    pub fn new(
        landmarks: &Imported,
        pictures: &Dataset,
        n_fit: Option<usize>,
    ) -> anyhow::Result<Self> {
        let here: Vec<annotate::Image> = (0..pictures.len())
            .map(|i| annotate::Image::blank(pictures.name(i).to_string(), pictures.placement(i)))
            .collect();
        let placed = landmarks.onto(&here);
        if placed.missing > 0 {
            warn(&placed.summary);
        }
        placed.notes.iter().for_each(|note| warn(note));
        let mut exam = Self {
            pictures: Dataset::new(pictures.size_px()),
            landmarks: Vec::new(),
            n_fit: 0,
            seed: 0,
        };
        let points: BTreeMap<usize, Vec<Point>> = placed.images.into_iter().collect();
        for (i, points) in points {
            exam.pictures.push(SquareImage {
                name: pictures.name(i).to_string(),
                pixels: pictures.pixels(i).to_vec(),
                placement: pictures.placement(i).clone(),
            });
            let [width, height] = pictures.placement(i).original_px.map(f64::from);
            let place = |p: &Point| p.is_there().then(|| [p.x_px / width, p.y_px / height]);
            exam.landmarks.push(points.iter().map(place).collect());
        }
        if exam.landmarks.is_empty() {
            bail!("None of the files in the table of landmarks is among the pictures.");
        }
        exam.n_fit = eval::fit_count(exam.landmarks.len(), n_fit)?;
        // Whatever is wrong with the landmarks shows with any keypoints.
        let anywhere = vec![vec![[0.5; 2]]; exam.landmarks.len()];
        eval::score(&anywhere, &exam.landmarks, exam.n_fit, exam.seed)?;
        Ok(exam)
    }

    pub fn score(&self, found: &[Keypoints]) -> autolink::Result<Score> {
        eval::score(&places(found), &self.landmarks, self.n_fit, self.seed)
    }

    /// Whether the pictures of low confidence are those of large error: -1 would be exactly. A keypoint's error is its distance
    /// from where the landmarks say that it should be, by the same regression the other way round.
    pub fn confidence_rank(&self, found: &[Keypoints]) -> autolink::Result<f64> {
        // Images that lack a landmark do not tell where their keypoints should be.
        let whole: Vec<usize> = (0..self.landmarks.len())
            .filter(|&i| self.landmarks[i].iter().all(Option::is_some))
            .collect();
        let landmarks: Vec<Vec<[f64; 2]>> = (whole.iter())
            .map(|&i| self.landmarks[i].iter().flatten().copied().collect())
            .collect();
        let places = places(found);
        let places: Vec<Vec<eval::Position>> = (whole.iter())
            .map(|&i| places[i].iter().copied().map(Some).collect())
            .collect();
        if whole.len() < 2 {
            return Ok(f64::NAN); // null: too few to fit on one and test on another
        }
        let n_fit = self.n_fit * whole.len() / self.landmarks.len();
        let n_fit = n_fit.clamp(1, whole.len() - 1);
        let expected = eval::score(&landmarks, &places, n_fit, self.seed)?;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (confidence, errors): (Vec<f64>, Vec<f64>) = (expected.errors.iter())
            .map(|(row, distances)| {
                let confidence = found[whole[*row]].confidence.iter().map(|c| f64::from(*c));
                (mean(&confidence.collect::<Vec<_>>()), mean(distances))
            })
            .unzip();
        Ok(eval::rank_correlation(&confidence, &errors))
    }
}

fn places(found: &[Keypoints]) -> Vec<Vec<[f64; 2]>> {
    let places = |found: &Keypoints| found.keypoints.iter().map(|p| p.map(f64::from)).collect();
    found.iter().map(places).collect()
}
