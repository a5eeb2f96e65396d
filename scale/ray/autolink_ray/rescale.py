"""Rescaling of photographs as `kernels/src/rescale.rs` does it: Catmull-Rom in fixed point, first along the columns, then along the rows.

Pillow's own BICUBIC is the same filter, but rounds in the other order, and keypoints move with the last bit of a pixel.
"""

import math
from functools import lru_cache

import numpy as np

# Outputs that are computed at once: they share most of their inputs.
BLOCK = 8


def catmull_rom(x: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel with a = -1/2 (Keys, 1981)."""
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


@lru_cache(maxsize=256)
def weights(side_px: int, start_px: float, part_px: float, to_px: int) -> list[tuple[int, np.ndarray]]:
    """Returns the weights from `part_px` pixels at `start_px` to `to_px` pixels, in blocks: first input, and `f32 [outputs, inputs]`.

    The filter is widened with the reduction. Weights are multiples of the finest power of two with which the largest fits into 16 bits.
    """
    scale = part_px / to_px
    wide = max(scale, 1.0)
    rows = np.zeros((to_px, side_px))
    bounds = []
    for out in range(to_px):
        centre = start_px + (out + 0.5) * scale
        low, high = max(0, math.floor(centre - 2 * wide)), min(side_px, math.ceil(centre + 2 * wide))
        row = catmull_rom((np.arange(low, high) + 0.5 - centre) / wide)
        rows[out, low:high] = row / row.sum()
        bounds.append((low, high))
    precision = min(21, max(0, math.ceil(math.log2((2**15 - 0.5) / rows.max())) - 1))
    rows = (np.floor(np.abs(rows) * 2**precision + 0.5) * np.sign(rows) / 2**precision).astype(np.float32)
    blocks = []
    for out in range(0, to_px, BLOCK):
        low, high = bounds[out][0], max(high for _, high in bounds[out : out + BLOCK])
        blocks.append((low, rows[out : out + BLOCK, low:high].copy()))
    return blocks


def rounded(values: np.ndarray) -> np.ndarray:
    """Rounds to bytes, halves upwards."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def rescale(image: np.ndarray, part_px: tuple[int, int], to_px: tuple[int, int]) -> np.ndarray:
    """Rescales the centred part of an image `u8 [H,W,3]`; all sizes are width, height. Returns `u8 [height, width, 3]`."""
    height, width, _ = image.shape
    (left, top) = (width - part_px[0]) / 2, (height - part_px[1]) / 2
    if to_px[1] != part_px[1] or top != round(top):
        flat = image.reshape(height, width * 3)
        blocks = weights(height, top, part_px[1], to_px[1])
        image = np.concatenate([rounded(w @ flat[at : at + w.shape[1]].astype(np.float32)) for at, w in blocks])
        image = image.reshape(to_px[1], width, 3)
    else:
        image = image[int(top) : int(top) + to_px[1]]
    if to_px[0] != part_px[0] or left != round(left):
        columns = image.transpose(1, 0, 2).reshape(width, -1).astype(np.float32)  # [W, height' x 3]
        blocks = weights(width, left, part_px[0], to_px[0])
        image = np.concatenate([rounded(w @ columns[at : at + w.shape[1]]) for at, w in blocks])
        return image.reshape(to_px[0], to_px[1], 3).transpose(1, 0, 2)
    return image[:, int(left) : int(left) + to_px[0]]
