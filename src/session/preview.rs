//! The views of the preview images as one PNG: one row per image, with the skeleton over the enlarged image in the last column.

use image::ExtendedColorType;
use tiny_skia::{Color, FilterQuality, IntSize, Pixmap, PixmapPaint, Transform};

use super::PreviewViews;
use crate::error::{Error, Result};
use crate::render::{draw_weighted, encode_png};

/// Least side of a view, px.
const MIN_CELL_PX: usize = 160;
/// Space between views, px.
const GAP_PX: usize = 6;
/// Index of the view that each column shows; the skeleton of the last column lies over the input.
const COLUMNS: [usize; 5] = [0, 1, 2, 3, 0];

/// Draws input, masked input, edge map, reconstruction and skeleton of each preview image side by side, as PNG. See `tests/session.rs`.
///
/// # Errors
/// [`Error::File`] if the drawing has no pixels, or more than memory holds.
pub fn png(views: &PreviewViews) -> Result<Vec<u8>> {
    let failed = || Error::File("The preview could not be drawn.".into());
    let scale = MIN_CELL_PX.div_ceil(views.size);
    let cell = views.size * scale;
    let corner = |row: usize, column: usize| {
        [column, row].map(|cells| (GAP_PX + cells * (cell + GAP_PX)) as f32)
    };
    let [width, height] =
        [COLUMNS.len(), views.count].map(|cells| (cells * (cell + GAP_PX) + GAP_PX) as u32);
    let mut canvas = Pixmap::new(width, height).ok_or_else(failed)?;
    canvas.fill(Color::from_rgba8(24, 24, 28, 255));
    let area = views.size * views.size * 4;
    for row in 0..views.count {
        for (column, view) in COLUMNS.into_iter().enumerate() {
            let at = (view * views.count + row) * area;
            let pixels = views.pixels[at..at + area].to_vec();
            let size = IntSize::from_wh(views.size as u32, views.size as u32).ok_or_else(failed)?;
            // Opaque, so the pixels are premultiplied already.
            let image = Pixmap::from_vec(pixels, size).ok_or_else(failed)?;
            let [left, top] = corner(row, column);
            let scale = scale as f32;
            let place = Transform::from_row(scale, 0.0, 0.0, scale, left, top);
            let paint = PixmapPaint {
                quality: FilterQuality::Bicubic,
                ..PixmapPaint::default()
            };
            canvas.draw_pixmap(0, 0, image.as_ref(), &paint, place, None);
        }
        draw_weighted(
            &mut canvas,
            &views.keypoints[row],
            &views.edge_strengths,
            corner(row, COLUMNS.len() - 1),
            cell as f32,
        );
    }
    encode_png(canvas.data(), [width, height], ExtendedColorType::Rgba8)
        .map_err(|error| Error::File(format!("The preview could not be written ({error}).")))
}
