//! Planes as signals: zero-padded rows, phases, and rows that Winograd's algorithm transformed.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::super::winograd::{self, TILE, WINDOW};
use super::SLACK;
use crate::Shape;

/// The layout of a plane in its signal.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub height: usize,
    pub width: usize,
    /// Values from a pixel to the one below it.
    pub row: usize,
    /// Zeros before the first pixel.
    pub margin: usize,
    /// Values from the first pixel to the zero of the last row, included.
    pub span: usize,
    /// Values of a signal.
    pub len: usize,
}

impl Layout {
    pub fn new(height: usize, width: usize) -> Self {
        let row = width + 1;
        let (margin, span) = (row + 1, height * row);
        Self {
            height,
            width,
            row,
            margin,
            span,
            len: margin + span + margin + SLACK,
        }
    }
}

/// (Row, column) parity of the four phases of a plane: its pixels of even or odd rows and columns.
pub(super) const PHASES: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// Channels as signals. Winograd's transform makes several components of each; the signals of one component precede those of the next.
pub(super) struct Planes {
    pub layout: Layout,
    /// Values of the signals of one component.
    pub component: usize,
    pub data: Vec<f32>,
}

impl Planes {
    /// Lays out `x` `[C,H,W]` as C signals.
    pub fn new(x: &[f32], height: usize, width: usize) -> Self {
        let layout = Layout::new(height, width);
        let channels = x.len() / (height * width);
        let mut data = vec![0.0; channels * layout.len];
        for (plane, signal) in x
            .chunks_exact(height * width)
            .zip(data.chunks_exact_mut(layout.len))
        {
            let signal = &mut signal[layout.margin..];
            for (from, to) in plane.chunks_exact(width).zip(signal.chunks_mut(layout.row)) {
                to[..width].copy_from_slice(from);
            }
        }
        let component = data.len();
        Self {
            layout,
            component,
            data,
        }
    }

    /// Lays out `x` `[C,H,W]` as 4 C signals of half the side: all channels of a phase, then those of the next.
    pub fn phases(x: &[f32], height: usize, width: usize) -> Self {
        let layout = Layout::new(height / 2, width / 2);
        let channels = x.len() / (height * width);
        let mut data = vec![0.0; 4 * channels * layout.len];
        let mut signals = data.chunks_exact_mut(layout.len);
        for (odd_row, odd_column) in PHASES {
            for (plane, signal) in x.chunks_exact(height * width).zip(signals.by_ref()) {
                let rows = plane.chunks_exact(width).skip(odd_row).step_by(2);
                for (from, to) in rows.zip(signal[layout.margin..].chunks_mut(layout.row)) {
                    for (from, to) in from.iter().skip(odd_column).step_by(2).zip(to) {
                        *to = *from;
                    }
                }
            }
        }
        let component = data.len();
        Self {
            layout,
            component,
            data,
        }
    }

    /// Lays out `x` `[<= P,C,H,W]` as C signals of each of WINDOW components: rows transformed by `R`, the P images one below the
    /// other, P H/4 rows high.
    pub fn transformed<R: Rows>(x: &[f32], [images, channels, height, width]: Shape) -> Self {
        let layout = Layout::new(images * height.div_ceil(TILE), width);
        let mut data = vec![0.0; WINDOW * channels * layout.len];
        Arch::new().dispatch(Transform::<R> {
            x,
            channels,
            height,
            width,
            layout,
            signals: &mut data,
            rows: PhantomData,
        });
        Self {
            layout,
            component: channels * layout.len,
            data,
        }
    }

    /// Returns the index of the first pixel of each signal of the first component, moved by `shift(channel)`: the offset of a kernel's
    /// first tap.
    pub fn starts(&self, shift: impl Fn(usize) -> isize) -> Vec<usize> {
        (0..self.component / self.layout.len)
            .map(|j| (j * self.layout.len + self.layout.margin).wrapping_add_signed(shift(j)))
            .collect()
    }
}

/// The transform of six rows on their way into signals.
pub(super) trait Rows {
    /// Rows above a tile's first row where the six begin.
    const ABOVE: usize;

    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW];
}

/// `B^T d` of the input.
pub(super) struct Windows;

impl Rows for Windows {
    const ABOVE: usize = 1;

    #[inline(always)]
    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
        winograd::input_transform(simd, rows)
    }
}

/// `A dy` of the output gradient.
pub(super) struct Tiles;

impl Rows for Tiles {
    const ABOVE: usize = 0;

    #[inline(always)]
    fn transform<S: Simd>(simd: S, rows: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
        let [y0, y1, y2, y3, ..] = rows;
        winograd::output_transform_gradient(simd, [y0, y1, y2, y3])
    }
}

/// See [`Planes::transformed`].
struct Transform<'a, R> {
    x: &'a [f32],
    channels: usize,
    height: usize,
    width: usize,
    layout: Layout,
    signals: &'a mut [f32],
    rows: PhantomData<R>,
}

impl<R: Rows> WithSimd for Transform<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, height, width) = (self.channels, self.height, self.width);
        let images = self.x.len() / (channels * height * width);
        let Layout {
            row, margin, len, ..
        } = self.layout;
        let tiles = height.div_ceil(TILE);
        for channel in 0..channels {
            for (image, tile) in (0..images).flat_map(|p| (0..tiles).map(move |t| (p, t))) {
                let plane = &self.x[(image * channels + channel) * height * width..];
                let rows: [&[f32]; WINDOW] =
                    std::array::from_fn(|k| match (tile * TILE + k).checked_sub(R::ABOVE) {
                        Some(r) if r < height => &plane[r * width..][..width],
                        _ => &[],
                    });
                let at = margin + (image * tiles + tile) * row;
                for c in (0..width).step_by(S::F32_LANES) {
                    let columns = c..width.min(c + S::F32_LANES);
                    let mut values = [simd.splat_f32s(0.0); WINDOW];
                    for (value, row) in values.iter_mut().zip(rows) {
                        if !row.is_empty() {
                            *value = load(simd, &row[columns.clone()]);
                        }
                    }
                    let values = R::transform(simd, values);
                    for (k, value) in values.into_iter().enumerate() {
                        let to = &mut self.signals[(k * channels + channel) * len + at..];
                        store(simd, &mut to[columns.clone()], value);
                    }
                }
            }
        }
    }
}

/// Loads up to a vector of values, padded with zeros.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [vector] => *vector,
        _ => simd.partial_load_f32s(values),
    }
}

/// Stores as many of a vector's values as `to` holds.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(to).0 {
        [to] => *to = vector,
        _ => simd.partial_store_f32s(to, vector),
    }
}
