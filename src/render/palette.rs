//! The colours of keypoints, the same on the page, in previews and in exports.

use crate::config::SETTINGS;

/// Bright colours after Okabe and Ito's, changed until any two differ by at least 15 (CIEDE2000), in protanopia and deuteranopia as well.
const FIRST: [[u8; 3]; 12] = [
    [228, 166, 7],
    [73, 194, 246],
    [3, 184, 133],
    [255, 255, 28],
    [0, 133, 255],
    [211, 77, 17],
    [191, 119, 159],
    [255, 255, 255],
    [95, 58, 206],
    [214, 245, 175],
    [143, 8, 38],
    [96, 96, 96],
];

/// Returns `[64]` RGB colours: keypoint k is drawn in the k-th, everywhere.
///
/// ```
/// use autolink::render::palette::{colours, hex};
///
/// assert_eq!(hex(colours()[0]), "#e4a607");
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
    use ::palette::color_difference::Ciede2000;
    use ::palette::white_point::D65;
    use ::palette::{FromColor, Lab, LinSrgb, Srgb};

    use super::*;

    /// Protanopia, deuteranopia (Machado, Oliveira and Fernandes, 2009, severity 1) and normal vision, as maps of linear RGB.
    const VISIONS: [[[f32; 3]; 3]; 3] = [
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ];

    /// Returns a colour in CIELAB as a kind of vision perceives it.
    fn perceived(vision: [[f32; 3]; 3], colour: [u8; 3]) -> Lab<D65, f32> {
        let linear: LinSrgb<f32> = Srgb::from(colour).into_linear();
        let linear = [linear.red, linear.green, linear.blue];
        let row = |row: [f32; 3]| -> f32 { row.iter().zip(linear).map(|(m, v)| m * v).sum() };
        let [red, green, blue] = vision.map(|weights| row(weights).clamp(0.0, 1.0));
        Lab::from_color(LinSrgb::new(red, green, blue))
    }

    #[test]
    fn first_colours_are_distinct_in_colour_blind_vision() {
        for vision in VISIONS {
            for (i, &a) in FIRST.iter().enumerate() {
                for &b in &FIRST[i + 1..] {
                    let difference = perceived(vision, a).difference(perceived(vision, b));
                    assert!(difference > 15.0, "{} and {}: {difference}", hex(a), hex(b));
                }
            }
        }
    }

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
