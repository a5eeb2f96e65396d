//! The method: detect, draw, reconstruct.
