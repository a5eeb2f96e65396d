//! What lies behind a puppet.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tiny_skia::{PathBuilder, Rect, Shader, SpreadMode};

use super::appearance::Appearance;
use super::canvas::{Canvas, add, lch, mul, sub};

/// Draws a wall: a gradient, soft spots, maybe stripes, dots or a floor, and grain over all of it.
pub(super) fn background(canvas: &mut Canvas, appearance: &Appearance, rng: &mut ChaCha8Rng) {
    let wall = appearance.wall;
    let other = lch(
        (wall.l + rng.random_range(-0.18..0.12)).clamp(0.5, 0.95),
        wall.c + 0.02,
        wall.h + rng.random_range(-0.15..0.15),
    );
    let angle = rng.random_range(0.0..TAU);
    let along = mul([angle.cos(), angle.sin()], 0.6);
    let gradient = canvas.linear(
        sub([0.5; 2], along),
        add([0.5; 2], along),
        &[(0.0, wall.paint(1.0)), (1.0, other.paint(1.0))],
        SpreadMode::Pad,
    );
    canvas.fill_all(gradient);

    match rng.random_range(0..5) {
        0 => {
            let width = rng.random_range(0.05..0.14_f32);
            let to = mul([angle.sin(), angle.cos()], width);
            let (clear, stripe) = (other.lit(0.08).paint(0.0), other.lit(0.08).paint(0.55));
            let stops = [
                (0.0, clear),
                (0.48, clear),
                (0.52, stripe),
                (0.98, stripe),
                (1.0, clear),
            ];
            let stripes = canvas.linear([0.0; 2], to, &stops, SpreadMode::Repeat);
            canvas.fill_all(stripes);
        }
        1 => {
            let pitch = rng.random_range(0.11..0.2_f32);
            let dot = other.lit(rng.random_range(-0.1..0.1));
            for row in 0..=(1.0 / pitch) as usize {
                for column in 0..=(1.0 / pitch) as usize + 1 {
                    let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
                    let centre = [(column as f32 - shift) * pitch, (row as f32 + 0.5) * pitch];
                    let path = canvas.hull(&[(centre, 0.24 * pitch)]);
                    canvas.fill(path, Shader::SolidColor(dot.paint(0.7)));
                }
            }
        }
        2 => {
            let level = rng.random_range(0.62..0.8_f32);
            let floor = lch(wall.l - 0.14, 0.05, wall.h + rng.random_range(0.1..0.4));
            if let Some(rect) = Rect::from_ltrb(0.0, level * canvas.side, canvas.side, canvas.side)
            {
                let stops = [(0.0, floor.paint(1.0)), (1.0, floor.lit(0.1).paint(1.0))];
                let shader = canvas.linear([0.0, level], [0.0, 1.0], &stops, SpreadMode::Pad);
                canvas.fill(Some(PathBuilder::from_rect(rect)), shader);
            }
        }
        _ => {}
    }
    for _ in 0..rng.random_range(2..6) {
        let centre = [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)];
        let colour = lch(
            rng.random_range(0.45..0.95),
            rng.random_range(0.03..0.10),
            wall.h + rng.random_range(-0.3..0.3),
        );
        let (radius, squeeze, alpha) = (
            rng.random_range(0.12..0.4),
            rng.random_range(0.6..1.4),
            rng.random_range(0.15..0.5),
        );
        canvas.glow(centre, radius, squeeze, colour, alpha);
    }
    grain(canvas, rng);
}

/// Adds value noise on two scales, smooth and fine.
fn grain(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    const LATTICE: usize = 65; // 64 cells per side, whatever the size of the image, so that the stream stays the same
    let strength = rng.random_range(2.0..9.0_f32);
    let cells = [rng.random_range(5.0..12.0_f32), 63.0];
    let noise: Vec<f32> = (0..LATTICE * LATTICE)
        .map(|_| rng.random_range(-1.0..1.0_f32))
        .collect();
    let at = |x: usize, y: usize| noise[y.min(LATTICE - 1) * LATTICE + x.min(LATTICE - 1)];
    let smooth = |x: f32, y: f32| {
        let (i, j) = (x as usize, y as usize);
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (ease(x.fract()), ease(y.fract()));
        let upper = at(i, j) * (1.0 - u) + at(i + 1, j) * u;
        let lower = at(i, j + 1) * (1.0 - u) + at(i + 1, j + 1) * u;
        upper * (1.0 - v) + lower * v
    };
    let side = canvas.pixmap.width() as usize;
    for (i, pixel) in canvas.pixmap.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (
            (i % side) as f32 / side as f32,
            (i / side) as f32 / side as f32,
        );
        let value = strength
            * (smooth(x * cells[0], y * cells[0]) + 0.5 * smooth(x * cells[1], y * cells[1]));
        // The background is opaque, so premultiplied values are plain ones.
        for channel in &mut pixel[..3] {
            *channel = (f32::from(*channel) + value).round().clamp(0.0, 255.0) as u8;
        }
    }
}
