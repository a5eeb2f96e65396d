//! The article's figures: the method's formulas at work on inputs that are made up, by the functions that the model uses.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::views::flat;
use super::{Session, fractions, images, read};
use crate::error::{Error, Result};
use crate::loss::pixel::pixel_loss;
use crate::model::Detection;
use crate::ops;

/// Side of the lines' picture, px.
const LINES_PX: usize = 128;
/// Ends of two lines that cross, (row, col).
const LINES: [[f32; 4]; 2] = [[-0.55, -0.7, 0.6, 0.65], [0.65, -0.6, -0.4, 0.7]];

/// Side of the scores' grid, cells.
const CELLS: usize = 16;
/// Where two bumps of scores are, `[x, y]` in cells, and how wide.
const BUMPS: [[f32; 2]; 2] = [[4.0, 11.0], [12.0, 4.0]];
const BUMP_WIDTH: f32 = 1.6;
/// Closer than this, a keypoint is at a place; in cells.
const NEAR: f32 = 1.5;

/// What a figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Illustration {
    /// The edge map of two lines that cross, the first of weight 1.
    Lines {
        /// Of the lines, sigma squared.
        thickness: f64,
        /// Of the second line.
        weight: f32,
        /// Whether brightness adds up; otherwise the greater one counts, as in the model.
        adds: bool,
    },
    /// The heatmap of two places with high scores, and its keypoint.
    Heatmap {
        /// Score of the first.
        highest: f32,
        /// Of that, the second one's.
        second: f32,
    },
    /// The first of the probes beside itself moved to the right, and the pixel loss between them.
    Shift {
        /// As a share of its side.
        by: f32,
    },
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Illustrated {
    /// Side of a picture, S px.
    pub size: usize,
    /// Lines and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: picture, moved, how they differ.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[x, y]` as fractions of the picture, where there is one.
    pub keypoint: Option<[f32; 2]>,
    /// What there is to say about it.
    pub says: String,
}

impl Session {
    /// Draws a figure of the article.
    ///
    /// # Errors
    /// No pictures where they are needed, or a device that does not answer.
    pub async fn illustrate(&self, what: Illustration) -> Result<Illustrated> {
        match what {
            Illustration::Lines {
                thickness,
                weight,
                adds,
            } => self.lines(thickness, weight, adds).await,
            Illustration::Heatmap { highest, second } => self.heatmap(highest, second).await,
            Illustration::Shift { by } => self.shift(by).await,
        }
    }

    async fn lines(&self, thickness: f64, weight: f32, adds: bool) -> Result<Illustrated> {
        let line = |ends: [f32; 4], weight: f32| {
            let points = TensorData::new(ends.to_vec(), [1, 2, 2]);
            let weights = TensorData::new(vec![0.0, weight, weight, 0.0], [2, 2]);
            ops::edge_map(
                Tensor::from_data(points, &self.device),
                Tensor::from_data(weights, &self.device),
                LINES_PX,
                thickness,
            )
        };
        let (first, second) = (line(LINES[0], 1.0), line(LINES[1], weight));
        let both = one(Tensor::cat(vec![flat(first), flat(second)], 0)).await?;
        let (first, second) = both.split_at(LINES_PX * LINES_PX);
        let values: Vec<f32> = std::iter::zip(first, second)
            .map(|(a, b)| if adds { a + b } else { a.max(*b) })
            .collect();
        let brightest = values.iter().copied().fold(0.0, f32::max);
        // exp(-d^2 / thickness) = 1/2, of a side that spans 2
        let half = (thickness * std::f64::consts::LN_2).sqrt() / 2.0;
        Ok(Illustrated {
            size: LINES_PX,
            pixels: values.iter().map(|value| (255.0 * value) as u8).collect(),
            keypoint: None,
            says: format!(
                "A line has faded to half at {:.1}% of the side. The brightest spot has {brightest:.2}.",
                100.0 * half
            ),
        })
    }

    async fn heatmap(&self, highest: f32, second: f32) -> Result<Illustrated> {
        let distance = |[x, y]: [f32; 2], [u, v]: [f32; 2]| (x - u).hypot(y - v);
        let cells = (0..CELLS * CELLS).map(|at| [(at % CELLS) as f32, (at / CELLS) as f32]);
        let scores = cells.clone().map(|cell| {
            let [one, other] = BUMPS.map(|bump| {
                (-distance(cell, bump).powi(2) / (2.0 * BUMP_WIDTH * BUMP_WIDTH)).exp()
            });
            highest * (one + second * other)
        });
        let scores = TensorData::new(scores.collect(), [1, 1, CELLS, CELLS]);
        let seen = Detection::from_scores(Tensor::from_data(scores, &self.device));
        let (shares, keypoint) = (
            one(seen.heatmaps.reshape([CELLS * CELLS])).await?,
            one(seen.keypoints.reshape([2])).await?,
        );
        let [x, y] = fractions(&keypoint, CELLS)[0];
        let cell = [x, y].map(|value| value * CELLS as f32 - 0.5);
        let place = match BUMPS.map(|bump| distance(cell, bump) < NEAR) {
            [true, _] => "at the first place",
            [_, true] => "at the second place",
            _ => "between the places, where nothing is",
        };
        let near = cells
            .zip(&shares)
            .filter(|(cell, _)| distance(*cell, BUMPS[0]) < 2.0 * BUMP_WIDTH);
        let near: f32 = near.map(|(_, share)| share).sum();
        let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        Ok(Illustrated {
            size: CELLS,
            pixels: shares
                .iter()
                .map(|share| (255.0 * share / most).round() as u8)
                .collect(),
            keypoint: Some([x, y]),
            says: format!(
                "The keypoint is {place}. {:.0}% of the shares lie near the first.",
                100.0 * near
            ),
        })
    }

    async fn shift(&self, by: f32) -> Result<Illustrated> {
        self.pictures.check()?;
        let (size, probes) = (self.pictures.size_px(), self.probes());
        let all = images(&self.pictures, &probes, &self.device); // [P,3,S,S]
        let count = probes.len();
        let by_px = ((by * size as f32).round() as usize).min(size - 1);
        let picture = all.clone().narrow(0, 0, 1);
        // Its border is drawn out.
        let border = picture.clone().narrow(3, 0, 1).repeat_dim(3, by_px + 1);
        let moved =
            Tensor::cat(vec![border, picture.clone().narrow(3, 1, size - 1)], 3).narrow(3, 0, size);
        let mut losses = vec![pixel_loss(moved.clone(), picture.clone())];
        for other in 1..count {
            losses.push(pixel_loss(all.clone().narrow(0, other, 1), picture.clone()));
        }
        let losses = one(Tensor::cat(losses, 0)).await?;
        let differing = (moved.clone() - picture.clone())
            .abs()
            .mul_scalar(2.0)
            .sub_scalar(1.0);
        let shown = Tensor::cat(vec![picture, moved, differing], 0).permute([0, 2, 3, 1]);
        let values = one(shown.reshape([3 * size * size * 3])).await?;
        let (loss, others) = (losses[0], &losses[1..]);
        let other = others.iter().sum::<f32>() / others.len() as f32;
        Ok(Illustrated {
            size,
            pixels: (values.chunks_exact(3))
                .flat_map(|rgb| {
                    let [r, g, b] = [0, 1, 2].map(|c| ((rgb[c] + 1.0) * 127.5).round() as u8);
                    [r, g, b, 255]
                })
                .collect(),
            keypoint: None,
            says: format!(
                "Pixel loss: {loss:.3}. That is {:.0}% of what another picture costs ({other:.3}, the mean of {}).",
                100.0 * loss / other,
                others.len()
            ),
        })
    }
}

async fn one(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let mut values = read(vec![tensor]).await?;
    values
        .pop()
        .ok_or_else(|| Error::Backend("The device lost a reading.".into()))
}
