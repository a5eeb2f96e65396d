//! Colours, vectors, and a square canvas with coordinates in fractions of its side.

use std::f32::consts::TAU;

use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Transform,
};

use autolink_kernels::rescale::rescale;

/// Colour in OKLCH: lightness `[0, 1]`, chroma (0 grey, 0.2 vivid), hue in turns. Equal lightness looks equally light.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lch {
    pub(super) l: f32,
    pub(super) c: f32,
    pub(super) h: f32,
}

pub(super) fn lch(l: f32, c: f32, h: f32) -> Lch {
    Lch { l, c, h }
}

impl Lch {
    /// Makes the colour lighter by `d`, or darker if `d` is negative.
    pub(super) fn lit(self, d: f32) -> Lch {
        Lch {
            l: (self.l + d).clamp(0.0, 1.0),
            ..self
        }
    }

    /// Converts to sRGB, `[0, 1]`; colours outside of its gamut are clipped.
    fn rgb(self) -> [f32; 3] {
        let (a, b) = (self.c * (TAU * self.h).cos(), self.c * (TAU * self.h).sin());
        let cube = |v: f32| v * v * v;
        let l = cube(self.l + 0.396_337_78 * a + 0.215_803_76 * b);
        let m = cube(self.l - 0.105_561_346 * a - 0.063_854_17 * b);
        let s = cube(self.l - 0.089_484_18 * a - 1.291_485_5 * b);
        [
            4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
            -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
            -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
        ]
        .map(|v| {
            let v = v.clamp(0.0, 1.0);
            if v <= 0.003_130_8 {
                12.92 * v
            } else {
                1.055 * v.powf(1.0 / 2.4) - 0.055
            }
        })
    }

    pub(super) fn paint(self, alpha: f32) -> Color {
        let [r, g, b] = self.rgb();
        // Within [0, 1] by construction.
        Color::from_rgba(r, g, b, alpha).unwrap_or(Color::BLACK)
    }
}

pub(super) type Vec2 = [f32; 2];

pub(super) fn add(a: Vec2, b: Vec2) -> Vec2 {
    [a[0] + b[0], a[1] + b[1]]
}

pub(super) fn sub(a: Vec2, b: Vec2) -> Vec2 {
    [a[0] - b[0], a[1] - b[1]]
}

pub(super) fn mul(a: Vec2, s: f32) -> Vec2 {
    [a[0] * s, a[1] * s]
}

pub(super) fn mix(a: Vec2, b: Vec2, t: f32) -> Vec2 {
    add(mul(a, 1.0 - t), mul(b, t))
}

/// Rotates a vector by `angle` radians, clockwise in the image (y points down).
pub(super) fn turned(v: Vec2, angle: f32) -> Vec2 {
    let (sin, cos) = angle.sin_cos();
    [v[0] * cos - v[1] * sin, v[0] * sin + v[1] * cos]
}

/// Square canvas with coordinates in fractions of its side.
pub(super) struct Canvas {
    pub(super) pixmap: Pixmap,
    pub(super) side: f32,
}

/// Circle: centre and radius, fractions of the canvas.
pub(super) type Circle = (Vec2, f32);

impl Canvas {
    pub(super) fn new(side_px: u32) -> Canvas {
        // None only for zero pixels, or more than memory holds.
        let pixmap =
            Pixmap::new(side_px, side_px).unwrap_or_else(|| panic!("a canvas of {side_px} px"));
        Canvas {
            pixmap,
            side: side_px as f32,
        }
    }

    fn point(&self, v: Vec2) -> Point {
        Point::from_xy(v[0] * self.side, v[1] * self.side)
    }

    pub(super) fn fill(&mut self, path: Option<Path>, shader: Shader<'static>) {
        let paint = Paint {
            shader,
            anti_alias: true,
            ..Paint::default()
        };
        if let Some(path) = path {
            self.pixmap.fill_path(
                &path,
                &paint,
                FillRule::Winding,
                Transform::identity(),
                None,
            );
        }
    }

    /// Builds the convex hull of circles: two make a limb, four a torso.
    pub(super) fn hull(&self, circles: &[Circle]) -> Option<Path> {
        const CORNERS: usize = 28;
        let mut points: Vec<Vec2> = Vec::with_capacity(circles.len() * CORNERS);
        for &(centre, radius) in circles {
            points.extend((0..CORNERS).map(|i| {
                let around = TAU * i as f32 / CORNERS as f32;
                mul(
                    add(centre, [radius * around.cos(), radius * around.sin()]),
                    self.side,
                )
            }));
        }
        // Andrew's monotone chain.
        points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        let left_turn = |a: Vec2, b: Vec2, c: Vec2| {
            let (u, v) = (sub(b, a), sub(c, a));
            u[0] * v[1] - u[1] * v[0] > 0.0
        };
        let chain = |points: &mut dyn Iterator<Item = Vec2>| {
            let mut chain: Vec<Vec2> = Vec::new();
            for point in points {
                while chain.len() > 1
                    && !left_turn(chain[chain.len() - 2], chain[chain.len() - 1], point)
                {
                    chain.pop();
                }
                chain.push(point);
            }
            chain.pop();
            chain
        };
        let mut outline = chain(&mut points.iter().copied());
        outline.extend(chain(&mut points.iter().rev().copied()));

        let mut path = PathBuilder::new();
        for (i, point) in outline.iter().enumerate() {
            if i == 0 {
                path.move_to(point[0], point[1]);
            } else {
                path.line_to(point[0], point[1]);
            }
        }
        path.close();
        path.finish()
    }

    /// Creates a gradient along a line.
    pub(super) fn linear(
        &self,
        from: Vec2,
        to: Vec2,
        stops: &[(f32, Color)],
        mode: SpreadMode,
    ) -> Shader<'static> {
        let fallback = Shader::SolidColor(stops.first().map_or(Color::BLACK, |stop| stop.1));
        let stops = stops
            .iter()
            .map(|&(at, colour)| GradientStop::new(at, colour))
            .collect();
        LinearGradient::new(
            self.point(from),
            self.point(to),
            stops,
            mode,
            Transform::identity(),
        )
        .unwrap_or(fallback)
    }

    /// Draws a soft round spot.
    pub(super) fn glow(
        &mut self,
        centre: Vec2,
        radius: f32,
        squeeze: f32,
        colour: Lch,
        alpha: f32,
    ) {
        let stops = [(0.0, alpha), (0.45, alpha * 0.7), (1.0, 0.0)]
            .map(|(at, alpha)| GradientStop::new(at, colour.paint(alpha)))
            .to_vec();
        let (at, radius) = (self.point(centre), radius * self.side);
        // Squeezed in height around its own centre.
        let transform = Transform::from_row(1.0, 0.0, 0.0, squeeze, 0.0, at.y * (1.0 - squeeze));
        let shader = RadialGradient::new(at, 0.0, at, radius, stops, SpreadMode::Pad, transform);
        let (width, height) = (2.0 * radius, 2.0 * radius * squeeze);
        let rect = Rect::from_xywh(at.x - radius, at.y - radius * squeeze, width, height);
        if let (Some(shader), Some(rect)) = (shader, rect) {
            self.fill(Some(PathBuilder::from_rect(rect)), shader);
        }
    }

    pub(super) fn fill_all(&mut self, shader: Shader<'static>) {
        if let Some(rect) = Rect::from_xywh(0.0, 0.0, self.side, self.side) {
            self.fill(Some(PathBuilder::from_rect(rect)), shader);
        }
    }

    /// Returns the image at its final size, `[S, S, 3]`.
    pub(super) fn reduced(&self, size_px: u32) -> Vec<u8> {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let rgb: Vec<u8> = self
            .pixmap
            .data()
            .chunks_exact(4)
            .flat_map(|rgba| [rgba[0], rgba[1], rgba[2]])
            .collect();
        let whole = [width, height];
        // Never none: the sizes are those of the canvas.
        rescale(&rgb, whole, whole, [size_px; 2])
            .unwrap_or_else(|| vec![0; 3 * size_px as usize * size_px as usize])
    }
}
