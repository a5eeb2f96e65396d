// @ts-check
/**
 * Draws snapshots.
 *
 * @module
 */

import { drawSkeleton } from "../ui/skeleton.js";

/** @import * as protocol from "../engine/protocol.js" */

/** Gap between images, as a fraction of their side. */
const GAP = 0.06;

/** Draws a snapshot: skeletons over the preview images, with the reconstructions below. */
export class SnapshotPainter {
  #inputs = document.createElement("canvas");
  #source = document.createElement("canvas");
  /** @type {protocol.PreviewViews | null} */ #views = null;
  /** @type {protocol.SnapshotView | null} */ #snapshot = null;

  /** Sets the preview images that are drawn under the skeletons.
   * @param {protocol.PreviewViews | null} views
   */
  setViews(views) {
    if (views === this.#views) return;
    this.#views = views;
    if (views) fill(this.#inputs, views.size, views.count * views.size, views.pixels);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {protocol.SnapshotView} snapshot
   * @param {string[]} palette
   * @param {{ left: number, top: number, side: number, columns: number }} place Position and size of the first image, and images per row.
   */
  draw(context, snapshot, palette, { left, top, side, columns }) {
    const { size, count, keypoints, edge_strengths } = snapshot;
    if (snapshot !== this.#snapshot) {
      fill(this.#source, size, count * size, snapshot.pixels);
      this.#snapshot = snapshot;
    }
    context.imageSmoothingQuality = "high";
    const views = this.#views?.count === count ? this.#views : null;
    for (let i = 0; i < count; i++) {
      const x = left + (i % columns) * side * (1 + GAP);
      const y = top + Math.floor(i / columns) * 2 * side * (1 + GAP);
      if (views) context.drawImage(this.#inputs, 0, i * views.size, views.size, views.size, x, y, side, side);
      context.fillStyle = views ? "rgb(0 0 0 / 0.3)" : "#14161d";
      context.fillRect(x, y, side, side);
      drawSkeleton(context, { points: keypoints[i], strengths: edge_strengths, palette }, { left: x, top: y, side });
      context.drawImage(this.#source, 0, i * size, size, size, x, y + side * (1 + GAP), side, side);
    }
  }

  /** Height of images with their reconstructions, in sides of an image.
   * @param {number} count
   * @param {number} columns
   */
  static rows(count, columns) {
    const rows = 2 * Math.ceil(count / columns);
    return rows + (rows - 1) * GAP;
  }

  /** Width of a row, in sides of an image. @param {number} columns */
  static width(columns) {
    return columns + (columns - 1) * GAP;
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array<ArrayBuffer>} pixels RGBA; the first `width * height` pixels are used.
 */
function fill(canvas, width, height, pixels) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const shown = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, width * height * 4);
  canvas.getContext("2d")?.putImageData(new ImageData(shown, width, height), 0, 0);
}
