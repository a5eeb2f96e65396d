//! Animated GIFs.

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use crate::error::{Error, Result};

/// Factor by which the last frame is shown longer.
const LAST_FRAME: u32 = 6;
/// Speed of the encoder, from 1 (best colours) to 30 (fastest).
const SPEED: i32 = 20;

/// Encodes frames, RGBA `[frames, height, width, 4]`, as an endless animation that shows each for `frame_ms`.
///
/// # Errors
/// [`Error::File`] where the pixels are not a whole number of frames, or cannot be encoded.
pub fn gif(pixels: &[u8], [width, height]: [u32; 2], frame_ms: u32) -> Result<Vec<u8>> {
    let failed =
        |reason: String| Error::File(format!("The animation could not be written ({reason})."));
    let length = width as usize * height as usize * 4;
    if length == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(length) {
        return Err(failed("its frames do not fit".into()));
    }
    let count = pixels.len() / length;
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, SPEED);
    (encoder.set_repeat(Repeat::Infinite)).map_err(|error| failed(error.to_string()))?;
    for (i, frame) in pixels.chunks_exact(length).enumerate() {
        let image = RgbaImage::from_raw(width, height, frame.to_vec())
            .ok_or_else(|| failed("its frames do not fit".into()))?;
        let ms = if i + 1 == count {
            LAST_FRAME * frame_ms
        } else {
            frame_ms
        };
        let frame = Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(ms, 1));
        encoder
            .encode_frame(frame)
            .map_err(|error| failed(error.to_string()))?;
    }
    drop(encoder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;

    #[test]
    fn gif_round_trips_frames_and_delays() {
        let frame = |grey: u8| [grey, grey, grey, 255].repeat(6 * 4);
        let pixels = [frame(0), frame(128), frame(255)].concat();
        let bytes = gif(&pixels, [6, 4], 50).expect("is written");
        let frames = GifDecoder::new(std::io::Cursor::new(bytes))
            .expect("is a GIF")
            .into_frames()
            .collect_frames()
            .expect("has frames");
        let shown: Vec<(u8, u32)> = frames
            .iter()
            .map(|frame| (frame.buffer()[(3, 2)][0], frame.delay().numer_denom_ms().0))
            .collect();
        assert_eq!(shown, [(0, 50), (128, 50), (255, 300)]);
        assert!(gif(&pixels[1..], [6, 4], 50).is_err());
        assert!(gif(&[], [6, 4], 50).is_err());
    }
}
