//! Pixel and perceptual loss.
