//! The article's figures: the method's formulas on made-up inputs, computed by the functions that the model uses.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Session;
use super::detection::{fractions, image_tensor};
use super::views::flat;
use crate::device::read;
use crate::error::{Error, Result};
use crate::loss::pixel::pixel_loss;
use crate::model::Detection;
use crate::ops;

/// Side of the edge map with two crossing edges, px.
const EDGES_PX: usize = 128;
/// Ends of two crossing edges, (row, col).
const EDGES: [[f32; 4]; 2] = [[-0.55, -0.7, 0.6, 0.65], [0.65, -0.6, -0.4, 0.7]];

/// Side of the grid of scores, cells.
const CELLS: usize = 16;
/// Positions of two peaks of the scores, `[x, y]` in cells.
const PEAKS: [[f32; 2]; 2] = [[4.0, 11.0], [12.0, 4.0]];
/// Width of the peaks (standard deviation), cells.
const PEAK_WIDTH: f32 = 1.6;
/// Distance below which a keypoint is at a peak, cells.
const NEAR: f32 = 1.5;

/// The subject of a figure, and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Illustration {
    /// The edge map of two crossing edges, the first of weight 1.
    Lines {
        /// Thickness of the edges, sigma squared.
        thickness: f64,
        /// Weight of the second edge.
        weight: f32,
        /// Adds the brightness of both edges; otherwise takes the maximum, as the model does.
        sum: bool,
    },
    /// The heatmap of two peaks of scores, and its keypoint.
    Heatmap {
        /// Score of the first peak.
        highest: f32,
        /// Score of the second peak, as a fraction of the first.
        second: f32,
    },
    /// The first preview image, the same moved to the right, and the pixel loss between them.
    Shift {
        /// Distance as a fraction of the image's side.
        by: f32,
    },
}

/// A figure of the article.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Illustrated {
    /// Side of an image, S px.
    pub size: usize,
    /// Edges and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: image, moved image, difference.
    #[serde(with = "serde_bytes")]
    #[ts(type = "Uint8Array<ArrayBuffer>")]
    pub pixels: Vec<u8>,
    /// `[x, y]` as fractions of the image, where the figure has a keypoint.
    pub keypoint: Option<[f32; 2]>,
    /// The caption, in sentences.
    pub caption: String,
}

impl Session {
    /// Draws a figure of the article.
    ///
    /// # Errors
    /// No images where they are needed, or a device that does not answer.
    pub async fn illustrate(&self, what: Illustration) -> Result<Illustrated> {
        match what {
            Illustration::Lines {
                thickness,
                weight,
                sum,
            } => self.lines(thickness, weight, sum).await,
            Illustration::Heatmap { highest, second } => self.heatmap(highest, second).await,
            Illustration::Shift { by } => self.shift(by).await,
        }
    }

    async fn lines(&self, thickness: f64, weight: f32, sum: bool) -> Result<Illustrated> {
        let edge = |ends: [f32; 4], weight: f32| {
            let points = TensorData::new(ends.to_vec(), [1, 2, 2]);
            let weights = TensorData::new(vec![0.0, weight, weight, 0.0], [2, 2]);
            ops::edge_map(
                Tensor::from_data(points, &self.device),
                Tensor::from_data(weights, &self.device),
                EDGES_PX,
                thickness,
            )
        };
        let (first, second) = (edge(EDGES[0], 1.0), edge(EDGES[1], weight));
        let both = one(Tensor::cat(vec![flat(first), flat(second)], 0)).await?;
        let (first, second) = both.split_at(EDGES_PX * EDGES_PX);
        let values: Vec<f32> = std::iter::zip(first, second)
            .map(|(a, b)| if sum { a + b } else { a.max(*b) })
            .collect();
        let brightest = values.iter().copied().fold(0.0, f32::max);
        // exp(-d^2 / thickness) = 1/2, of a side that spans 2
        let half = (thickness * std::f64::consts::LN_2).sqrt() / 2.0;
        Ok(Illustrated {
            size: EDGES_PX,
            pixels: values.iter().map(|value| (255.0 * value) as u8).collect(),
            keypoint: None,
            caption: format!(
                "An edge fades to half its brightness at {:.1}% of the side. The brightest pixel is {brightest:.2}.",
                100.0 * half
            ),
        })
    }

    async fn heatmap(&self, highest: f32, second: f32) -> Result<Illustrated> {
        let distance = |[x, y]: [f32; 2], [u, v]: [f32; 2]| (x - u).hypot(y - v);
        let cells = (0..CELLS * CELLS).map(|at| [(at % CELLS) as f32, (at / CELLS) as f32]);
        let scores = cells.clone().map(|cell| {
            let [one, other] = PEAKS.map(|peak| {
                (-distance(cell, peak).powi(2) / (2.0 * PEAK_WIDTH * PEAK_WIDTH)).exp()
            });
            highest * (one + second * other)
        });
        let scores = TensorData::new(scores.collect(), [1, 1, CELLS, CELLS]);
        let detection = Detection::from_scores(Tensor::from_data(scores, &self.device));
        let (shares, keypoint) = (
            one(detection.heatmaps.reshape([CELLS * CELLS])).await?,
            one(detection.keypoints.reshape([2])).await?,
        );
        let [x, y] = fractions(&keypoint, CELLS)[0];
        let cell = [x, y].map(|value| value * CELLS as f32 - 0.5);
        let place = match PEAKS.map(|peak| distance(cell, peak) < NEAR) {
            [true, _] => "at the first peak",
            [_, true] => "at the second peak",
            _ => "between the peaks, where the scores are low",
        };
        let near = cells
            .zip(&shares)
            .filter(|(cell, _)| distance(*cell, PEAKS[0]) < 2.0 * PEAK_WIDTH);
        let near: f32 = near.map(|(_, share)| share).sum();
        let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        Ok(Illustrated {
            size: CELLS,
            pixels: shares
                .iter()
                .map(|share| (255.0 * share / most).round() as u8)
                .collect(),
            keypoint: Some([x, y]),
            caption: format!(
                "The keypoint is {place}. {:.0}% of the heatmap lies near the first peak.",
                100.0 * near
            ),
        })
    }

    async fn shift(&self, by: f32) -> Result<Illustrated> {
        self.images.check()?;
        let (size, previews) = (self.images.size_px(), self.preview_indices());
        let all = image_tensor(&self.images, &previews, &self.device); // [P,3,S,S]
        let count = previews.len();
        let by_px = ((by * size as f32).round() as usize).min(size - 1);
        let image = all.clone().narrow(0, 0, 1);
        // The border pixels fill the gap.
        let border = image.clone().narrow(3, 0, 1).repeat_dim(3, by_px + 1);
        let moved =
            Tensor::cat(vec![border, image.clone().narrow(3, 1, size - 1)], 3).narrow(3, 0, size);
        let mut losses = vec![pixel_loss(moved.clone(), image.clone())];
        for other in 1..count {
            losses.push(pixel_loss(all.clone().narrow(0, other, 1), image.clone()));
        }
        let losses = one(Tensor::cat(losses, 0)).await?;
        let difference = (moved.clone() - image.clone())
            .abs()
            .mul_scalar(2.0)
            .sub_scalar(1.0);
        let shown = Tensor::cat(vec![image, moved, difference], 0).permute([0, 2, 3, 1]);
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
            caption: format!(
                "Pixel loss: {loss:.3}. That is {:.0}% of the loss between different images ({other:.3}, the mean of {}).",
                100.0 * loss / other,
                others.len()
            ),
        })
    }
}

/// Reads one tensor.
async fn one(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let mut values = read(vec![tensor]).await?;
    values
        .pop()
        .ok_or_else(|| Error::Backend("The values cannot be read from the device.".into()))
}
