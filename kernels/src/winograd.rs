//! Winograd's F(4, 3): four outputs of a kernel with three taps from 6 products, where the direct sum needs 12
//! (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
//!
//! `y = A^T ((G g) * (B^T d))` with the kernel g, a window d of six values and a tile y of four; the elementwise product in the
//! middle is summed over the inputs of a convolution. So the gradient of g is `G^T ((A dy) * (B^T d))`.
//!
//! Only columns of pixels are transformed. Rows as well, F(4x4, 3x3), would need 1/4 of the products, not 1/2, but its rounding
//! changes gradients by up to 1.2e-3 of their norm, where parity with the authors' implementation allows 1e-3.

use pulp::Simd;

/// Rows of a tile.
pub const TILE: usize = 4;
/// Rows of the window that a tile is computed from, and so the number of products.
pub const WINDOW: usize = 6;

/// `factor x + plus`
#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, x: S::f32s, plus: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(factor), x, plus)
}

/// `B^T d`, computed from differences of neighbours where possible: between equal pixels they are exact.
#[inline(always)]
pub fn input_transform<S: Simd>(simd: S, d: [S::f32s; WINDOW]) -> [S::f32s; WINDOW] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let (outer, inner) = (simd.sub_f32s(d4, d2), simd.sub_f32s(d3, d1));
    [
        times(simd, 4.0, simd.sub_f32s(d0, d2), outer),
        times(simd, -4.0, simd.add_f32s(d1, d2), simd.add_f32s(d3, d4)),
        times(simd, 4.0, simd.sub_f32s(d1, d2), simd.sub_f32s(d4, d3)),
        times(simd, 2.0, inner, outer),
        times(simd, -2.0, inner, outer),
        times(simd, -4.0, inner, simd.sub_f32s(d5, d3)),
    ]
}

/// `A^T m`
#[inline(always)]
pub fn output_transform<S: Simd>(simd: S, m: [S::f32s; WINDOW]) -> [S::f32s; TILE] {
    let [m0, m1, m2, m3, m4, m5] = m;
    let (sum, difference) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
    let (far_sum, far_difference) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
    [
        simd.add_f32s(m0, simd.add_f32s(sum, far_sum)),
        times(simd, 2.0, far_difference, difference),
        times(simd, 4.0, far_sum, sum),
        simd.add_f32s(m5, times(simd, 8.0, far_difference, difference)),
    ]
}

/// `A dy`
#[inline(always)]
pub fn output_transform_gradient<S: Simd>(simd: S, dy: [S::f32s; TILE]) -> [S::f32s; WINDOW] {
    let [y0, y1, y2, y3] = dy;
    let (even, odd) = (simd.add_f32s(y0, y2), simd.add_f32s(y1, y3));
    let far_even = times(simd, 4.0, y2, y0);
    let far_odd = times(simd, 4.0, y3, y1); // times 2 below
    [
        y0,
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        times(simd, 2.0, far_odd, far_even),
        times(simd, -2.0, far_odd, far_even),
        y3,
    ]
}

/// `G g`
pub fn kernel_transform(g: [f32; 3]) -> [f32; WINDOW] {
    let [a, b, c] = g.map(f64::from);
    let (even, far) = ((a + c) / -6.0, a / 24.0 + c / 6.0);
    let (odd, far_odd) = (b / 6.0, b / 12.0);
    [
        a / 4.0,
        even - odd,
        even + odd,
        far + far_odd,
        far - far_odd,
        c,
    ]
    .map(|value| value as f32)
}

/// `G^T m`
pub fn kernel_transform_gradient(m: [f32; WINDOW]) -> [f32; 3] {
    let [m0, m1, m2, m3, m4, m5] = m;
    let (near, far) = (m1 + m2, m3 + m4);
    [
        m0 / 4.0 - near / 6.0 + far / 24.0,
        (m2 - m1) / 6.0 + (m3 - m4) / 12.0,
        (far - near) / 6.0 + m5,
    ]
}
