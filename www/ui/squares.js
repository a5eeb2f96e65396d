// @ts-check
/**
 * Turns a tensor of square images into pictures; every view uses this.
 *
 * @module
 */

/** Holds one image at a time, in the browser's memory: scaled from a larger canvas, an image would blend with its neighbours at its border. */
const scratch = document.createElement("canvas");

/**
 * Draws one of several square images, scaled.
 * @param {CanvasRenderingContext2D} context
 * @param {Uint8Array<ArrayBuffer>} pixels `[n, size, size, 4]`, RGBA.
 * @param {number} size Side of an image, px.
 * @param {number} index
 * @param {number} left
 * @param {number} top
 * @param {number} side Side to draw it with, in pixels of the context.
 */
export function drawSquare(context, pixels, size, index, left, top, side) {
  const area = 4 * size * size;
  if (scratch.width !== size || scratch.height !== size) scratch.width = scratch.height = size;
  const rgba = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + index * area, area);
  scratch.getContext("2d", { willReadFrequently: true })?.putImageData(new ImageData(rgba, size, size), 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(scratch, left, top, side, side);
}
