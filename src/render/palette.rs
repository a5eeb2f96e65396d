//! The colours of keypoints, the same on the page, in previews and in exports.

use crate::config::SETTINGS;

/// Bright colours that are far apart and, as far as twelve can be, distinct to colour-blind eyes: Okabe and Ito's, lightened for
/// photographs.
const FIRST: [[u8; 3]; 12] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 190, 130],
    [240, 228, 66],
    [0, 114, 218],
    [225, 80, 20],
    [214, 110, 178],
    [255, 255, 255],
    [120, 60, 200],
    [150, 230, 60],
    [160, 20, 60],
    [96, 96, 96],
];

/// Returns `[64]` RGB colours: keypoint k is drawn in the k-th, everywhere.
///
/// ```
/// use autolink::render::palette::{colours, hex};
///
/// assert_eq!(hex(colours()[0]), "#e69f00");
/// ```
pub fn colours() -> Vec<[u8; 3]> {
    let most = SETTINGS
        .iter()
        .find(|setting| setting.name == "keypoints")
        .map_or(64, |setting| setting.max as usize);
    // Hues a golden angle apart, in three lightnesses.
    let further = (FIRST.len()..most)
        .map(|k| hsl(k as f32 * 137.508 + 144.0, 0.85, [0.34, 0.52, 0.72][k % 3]));
    FIRST.into_iter().chain(further).collect()
}

/// Writes a colour as `#rrggbb`.
pub fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Reads a colour of the form `#rrggbb`; returns white for any other text.
pub(crate) fn from_hex(hex: &str) -> [u8; 3] {
    let digits = hex.strip_prefix('#').unwrap_or_default();
    let value = u32::from_str_radix(digits, 16).unwrap_or(0xff_ffff);
    [value >> 16, value >> 8, value].map(|byte| (byte & 0xff) as u8)
}

/// Converts HSL to RGB. Hue is in degrees, saturation and lightness are in `[0, 1]`.
fn hsl(hue: f32, saturation: f32, lightness: f32) -> [u8; 3] {
    let reach = saturation * lightness.min(1.0 - lightness);
    let channel = |n: f32| {
        let k = (n + hue / 30.0).rem_euclid(12.0);
        (255.0 * (lightness - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0))).round() as u8
    };
    [channel(0.0), channel(8.0), channel(4.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_distinct() {
        let colours = colours();
        assert_eq!(colours.len(), 64);
        let distance = |a: [u8; 3], b: [u8; 3]| -> f32 {
            a.iter()
                .zip(b)
                .map(|(&a, b)| (f32::from(a) - f32::from(b)).powi(2))
                .sum::<f32>()
                .sqrt()
        };
        for (i, &a) in colours.iter().enumerate() {
            for (j, &b) in colours.iter().enumerate().skip(i + 1) {
                let least = if j < 12 { 80.0 } else { 10.0 };
                assert!(distance(a, b) > least, "{i} {} and {j} {}", hex(a), hex(b));
            }
            assert_eq!(from_hex(&hex(a)), a);
        }
    }
}
