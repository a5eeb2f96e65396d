//! The views of the probe pictures as one PNG: a row a picture, and the skeleton over the picture enlarged.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use tiny_skia::{
    Color, FillRule, FilterQuality, Paint, PathBuilder, Pixmap, PixmapPaint, Stroke, Transform,
};

use super::PreviewViews;
use crate::error::{Error, Result};
use crate::palette;

/// Least side of a view in the sheet, px.
const CELL_PX: usize = 160;
/// Between views, px.
const GAP_PX: usize = 6;
/// Edges weaker than this are not drawn.
const FAINTEST: f32 = 0.05;

/// Input, masked input, edge map, reconstruction and skeleton side by side, as PNG.
///
/// # Errors
/// [`Error::File`] where the sheet cannot be drawn.
pub fn png(views: &PreviewViews) -> Result<Vec<u8>> {
    let failed = || Error::File("The preview could not be drawn.".into());
    let scale = CELL_PX.div_ceil(views.size);
    let cell = views.size * scale;
    let (width, height) = (
        5 * (cell + GAP_PX) + GAP_PX,
        views.count * (cell + GAP_PX) + GAP_PX,
    );
    let mut sheet = Pixmap::new(width as u32, height as u32).ok_or_else(failed)?;
    sheet.fill(Color::from_rgba8(24, 24, 28, 255));
    let area = views.size * views.size * 4;
    for row in 0..views.count {
        for column in 0..5 {
            let view = [0, 1, 2, 3, 0][column] * views.count + row; // the skeleton lies over the input
            let pixels = views.pixels[view * area..(view + 1) * area].to_vec();
            let size = tiny_skia::IntSize::from_wh(views.size as u32, views.size as u32)
                .ok_or_else(failed)?;
            let picture = Pixmap::from_vec(pixels, size).ok_or_else(failed)?; // opaque, so premultiplied already
            let (left, top) = (
                GAP_PX + column * (cell + GAP_PX),
                GAP_PX + row * (cell + GAP_PX),
            );
            let place = Transform::from_row(
                scale as f32,
                0.0,
                0.0,
                scale as f32,
                left as f32,
                top as f32,
            );
            let paint = PixmapPaint {
                quality: FilterQuality::Bicubic,
                ..PixmapPaint::default()
            };
            sheet.draw_pixmap(0, 0, picture.as_ref(), &paint, place, None);
        }
        let corner = [
            (GAP_PX + 4 * (cell + GAP_PX)) as f32,
            (GAP_PX + row * (cell + GAP_PX)) as f32,
        ];
        skeleton(
            &mut sheet,
            &views.keypoints[row],
            &views.edge_strengths,
            corner,
            cell as f32,
        );
    }
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            sheet.data(),
            width as u32,
            height as u32,
            ExtendedColorType::Rgba8,
        )
        .map_err(|error| Error::File(format!("The preview could not be written ({error}).")))?;
    Ok(bytes)
}

/// Edges by strength, then keypoints in their colours.
fn skeleton(
    sheet: &mut Pixmap,
    keypoints: &[[f32; 2]],
    strengths: &[Vec<f32>],
    corner: [f32; 2],
    side: f32,
) {
    let points: Vec<[f32; 2]> = keypoints
        .iter()
        .map(|[x, y]| [corner[0] + x * side, corner[1] + y * side])
        .collect();
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    for (i, row) in strengths.iter().enumerate() {
        for (j, &strength) in row.iter().enumerate().skip(i + 1) {
            if strength < FAINTEST {
                continue;
            }
            let mut line = PathBuilder::new();
            line.move_to(points[i][0], points[i][1]);
            line.line_to(points[j][0], points[j][1]);
            let Some(line) = line.finish() else { continue };
            paint.set_color_rgba8(255, 255, 255, (255.0 * strength.powf(0.6)) as u8);
            let stroke = Stroke {
                width: side / 80.0,
                ..Stroke::default()
            };
            sheet.stroke_path(&line, &paint, &stroke, Transform::identity(), None);
        }
    }
    for (&[x, y], [r, g, b]) in points.iter().zip(palette::colours()) {
        for (radius, colour) in [(side / 36.0, [20, 20, 24]), (side / 48.0, [r, g, b])] {
            let Some(dot) = PathBuilder::from_circle(x, y, radius) else {
                continue;
            };
            paint.set_color_rgba8(colour[0], colour[1], colour[2], 255);
            sheet.fill_path(&dot, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}
