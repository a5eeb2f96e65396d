//! A square of the frame, turned by an angle, and its maps from and to the frame.

use image::RgbImage;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A square part of a frame that may be turned and may reach beyond the frame's edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Crop {
    /// Centre, `[x, y]`, px of the frame; the frame's upper left corner is at 0.
    pub centre_px: [f64; 2],
    /// Side, px of the frame.
    pub side_px: f64,
    /// Angle from the frame's upward direction to the crop's, radians clockwise.
    #[serde(rename = "angle_radians")]
    pub angle: f64,
}

/// Rotates `[x, y]` by `angle` radians, clockwise in the image.
fn rotated([x, y]: [f64; 2], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [x * cos - y * sin, x * sin + y * cos]
}

impl Crop {
    /// Maps a point `[x, y]` from fractions of the crop to px of the frame: `centre + R(angle) side (fraction - 1/2)`.
    pub fn to_frame(&self, fraction: [f64; 2]) -> [f64; 2] {
        let [x, y] = rotated(fraction.map(|v| (v - 0.5) * self.side_px), self.angle);
        [self.centre_px[0] + x, self.centre_px[1] + y]
    }

    /// Maps a point `[x, y]` from px of the frame to fractions of the crop; the inverse of [`Crop::to_frame`].
    pub fn to_crop(&self, frame_px: [f64; 2]) -> [f64; 2] {
        let offset = [0, 1].map(|axis| frame_px[axis] - self.centre_px[axis]);
        rotated(offset, -self.angle).map(|v| v / self.side_px + 0.5)
    }

    /// Returns the same square with its upper side down: the other reading of which end is the head.
    #[must_use]
    pub fn reversed(self) -> Crop {
        Crop {
            angle: self.angle + std::f64::consts::PI,
            ..self
        }
    }

    /// Cuts the crop out of a frame: `[S, S, 3]`, RGB. Each pixel is the mean of bilinear samples at most 1 px of the frame apart.
    /// Beyond the frame's edge its border continues.
    pub fn cut(&self, frame: &RgbImage, size_px: usize) -> Vec<u8> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let mut pixels = Vec::with_capacity(size_px * size_px * 3);
        if width == 0 || height == 0 {
            pixels.resize(size_px * size_px * 3, 0);
            return pixels;
        }
        let bytes = frame.as_raw();
        let samples = ((self.side_px / size_px as f64).ceil() as usize).clamp(1, 16);
        let step = 1.0 / (size_px * samples) as f64;
        for row in 0..size_px {
            for column in 0..size_px {
                let mut sum = [0.0_f64; 3];
                for i in 0..samples * samples {
                    let x = (column * samples + i % samples) as f64 + 0.5;
                    let y = (row * samples + i / samples) as f64 + 0.5;
                    let [x, y] = self.to_frame([x * step, y * step]);
                    // The centre of pixel 0 is at half a pixel.
                    let x = (x - 0.5).clamp(0.0, (width - 1) as f64);
                    let y = (y - 0.5).clamp(0.0, (height - 1) as f64);
                    let (left, top) = (x as usize, y as usize);
                    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
                    let (u, v) = (x.fract(), y.fract());
                    for (c, sum) in sum.iter_mut().enumerate() {
                        let at = |x: usize, y: usize| f64::from(bytes[(y * width + x) * 3 + c]);
                        let upper = at(left, top) * (1.0 - u) + at(right, top) * u;
                        let lower = at(left, bottom) * (1.0 - u) + at(right, bottom) * u;
                        *sum += upper * (1.0 - v) + lower * v;
                    }
                }
                pixels.extend(sum.map(|v| (v / (samples * samples) as f64).round() as u8));
            }
        }
        pixels
    }
}
