//! Shapes of a skeleton: edges are lines, keypoints are dots.

use image::{ExtendedColorType, ImageEncoder, ImageResult, codecs::png::PngEncoder};
use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, Stroke, Transform};

use super::palette;

/// Width of an exported edge, in units of [`Overlay::unit_px`].
pub(crate) const EDGE_WIDTH_UNITS: f64 = 1.0;
/// Radius of an exported dot, in the same units.
pub(crate) const DOT_RADIUS_UNITS: f64 = 1.5;
/// Width of the rim around an exported dot, in the same units.
pub(crate) const RIM_WIDTH_UNITS: f64 = 0.5;
/// Opacity of an exported edge, `[0, 1]`.
pub(crate) const EDGE_OPACITY: f64 = 0.8;

/// Edges of the preview that are weaker than this share of the strongest are not drawn.
const MIN_STRENGTH: f32 = 0.05;

/// A colour of an exported overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink<'a> {
    /// Edges, and the rim of a point that a person placed.
    White,
    /// A keypoint's own colour, `#rrggbb`.
    Keypoint(&'a str),
}

impl<'a> Ink<'a> {
    /// Returns the colour as CSS and SVG write it.
    pub(crate) fn css(self) -> &'a str {
        match self {
            Ink::White => "#fff",
            Ink::Keypoint(hex) => hex,
        }
    }

    fn rgb(self) -> [u8; 3] {
        match self {
            Ink::White => [255; 3],
            Ink::Keypoint(hex) => palette::from_hex(hex),
        }
    }
}

/// The skeleton over one image, as the PNG and the SVG export draw it.
pub(crate) struct Overlay<'a> {
    /// Width and height of the image, px.
    pub(crate) size_px: [u32; 2],
    /// Both ends `[x, y]` of each edge, px.
    pub(crate) edges: Vec<[[f64; 2]; 2]>,
    /// The keypoints that are on the image.
    pub(crate) dots: Vec<Dot<'a>>,
}

/// A keypoint of an [`Overlay`].
pub(crate) struct Dot<'a> {
    /// Its name, which the SVG shows as a title.
    pub(crate) name: &'a str,
    /// `[x, y]`, px.
    pub(crate) at_px: [f64; 2],
    /// None for an occluded point, which is hollow.
    pub(crate) fill: Option<Ink<'a>>,
    /// White for a point that a person placed.
    pub(crate) rim: Ink<'a>,
}

impl Overlay<'_> {
    /// Returns the unit of all sizes, px: 1% of the shorter side, so that a skeleton looks alike on a thumbnail and on a photograph.
    pub(crate) fn unit_px(&self) -> f64 {
        f64::from(self.size_px[0].min(self.size_px[1])) / 100.0
    }

    /// Draws the skeleton into an image.
    pub(crate) fn draw(&self, canvas: &mut Pixmap) {
        let unit_px = self.unit_px();
        let line = Stroke {
            line_cap: LineCap::Round,
            ..stroke((EDGE_WIDTH_UNITS * unit_px) as f32)
        };
        let edge = paint(Ink::White.rgb(), (255.0 * EDGE_OPACITY).round() as u8);
        for ends in &self.edges {
            draw_line(canvas, ends.map(|end| end.map(|v| v as f32)), &line, &edge);
        }
        let radius_px = DOT_RADIUS_UNITS as f32 * unit_px as f32;
        let rim = stroke((RIM_WIDTH_UNITS * unit_px) as f32);
        for dot in &self.dots {
            let [x, y] = dot.at_px.map(|v| v as f32);
            let Some(circle) = PathBuilder::from_circle(x, y, radius_px) else {
                continue;
            };
            if let Some(fill) = dot.fill {
                let paint = paint(fill.rgb(), 255);
                canvas.fill_path(
                    &circle,
                    &paint,
                    FillRule::Winding,
                    Transform::identity(),
                    None,
                );
            }
            let paint = paint(dot.rim.rgb(), 255);
            canvas.stroke_path(&circle, &paint, &rim, Transform::identity(), None);
        }
    }
}

/// Draws the way of a keypoint into an image, from its oldest place, `[T][x, y]` px, to its newest; the older the fainter.
pub(crate) fn draw_trail(canvas: &mut Pixmap, places_px: &[[f64; 2]], ink: Ink<'_>, width_px: f64) {
    let line = Stroke {
        line_cap: LineCap::Round,
        ..stroke(width_px as f32)
    };
    let count = places_px.len().saturating_sub(1) as f64;
    for (i, ends) in places_px.windows(2).enumerate() {
        let opacity = EDGE_OPACITY * (i + 1) as f64 / count;
        let paint = paint(ink.rgb(), (255.0 * opacity).round() as u8);
        let ends = [ends[0], ends[1]].map(|end| end.map(|v| v as f32));
        draw_line(canvas, ends, &line, &paint);
    }
}

/// Draws a skeleton into the square of `side_px` at `corner_px`: edges the more opaque the stronger they are, then keypoints in the
/// colours of the palette. `keypoints` `[K][x, y]` are fractions of the square, `strengths` `[K][K]` lie in `[0, 1]`.
pub(crate) fn draw_weighted(
    canvas: &mut Pixmap,
    keypoints: &[[f32; 2]],
    strengths: &[Vec<f32>],
    corner_px: [f32; 2],
    side_px: f32,
) {
    let points: Vec<[f32; 2]> = keypoints
        .iter()
        .map(|[x, y]| [corner_px[0] + x * side_px, corner_px[1] + y * side_px])
        .collect();
    let line = stroke(side_px / 80.0);
    for (i, row) in strengths.iter().enumerate() {
        for (j, &strength) in row.iter().enumerate().skip(i + 1) {
            if strength >= MIN_STRENGTH {
                let paint = paint(Ink::White.rgb(), (255.0 * strength.powf(0.6)) as u8);
                draw_line(canvas, [points[i], points[j]], &line, &paint);
            }
        }
    }
    for (&[x, y], colour) in points.iter().zip(palette::colours()) {
        for (radius_px, colour) in [(side_px / 36.0, [20, 20, 24]), (side_px / 48.0, colour)] {
            if let Some(circle) = PathBuilder::from_circle(x, y, radius_px) {
                let paint = paint(colour, 255);
                canvas.fill_path(
                    &circle,
                    &paint,
                    FillRule::Winding,
                    Transform::identity(),
                    None,
                );
            }
        }
    }
}

/// Encodes pixels of `size_px` (width, height) as PNG.
pub(crate) fn encode_png(
    pixels: &[u8],
    [width, height]: [u32; 2],
    color: ExtendedColorType,
) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, color)?;
    Ok(bytes)
}

fn draw_line(canvas: &mut Pixmap, [from, to]: [[f32; 2]; 2], stroke: &Stroke, paint: &Paint) {
    let mut line = PathBuilder::new();
    line.move_to(from[0], from[1]);
    line.line_to(to[0], to[1]);
    // None for a line without length.
    if let Some(line) = line.finish() {
        canvas.stroke_path(&line, paint, stroke, Transform::identity(), None);
    }
}

fn stroke(width_px: f32) -> Stroke {
    Stroke {
        width: width_px,
        ..Stroke::default()
    }
}

fn paint([r, g, b]: [u8; 3], alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(r, g, b, alpha));
    paint
}
