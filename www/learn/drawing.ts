/**
 * Pixels and colours for the figures of the lesson.
 *
 * @module
 */

import type * as protocol from "../engine/protocol.js";

/** One of the preview images: RGBA, `[size, size, 4]`. */
export function pixelsOf({ size, pixels }: protocol.PreviewViews, index: number) {
  const area = 4 * size * size;
  return new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + index * area, area);
}

/** A small RGBA image of `size` x `size` px on a canvas, to be drawn enlarged. */
export function imageCanvas(rgba: Uint8ClampedArray<ArrayBuffer>, size: number) {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, size, size), 0, 0);
  return canvas;
}

/** A colour variable of the page (`#rrggbb`) as `[r, g, b]`. */
export function colour(name: string) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => Number.parseInt(value.slice(at, at + 2), 16));
}
