// @ts-check
/**
 * Draws snapshots.
 *
 * @module
 */

import { drawSkeleton } from "../ui/skeleton.js";
import { drawSquare } from "../ui/squares.js";

/** @import * as protocol from "../engine/protocol.js" */

/** Gap between images, as a fraction of their side. */
const GAP = 0.06;

/** Draws a snapshot: skeletons over the preview images, with the reconstructions below. */
export class SnapshotPainter {
  /** @type {protocol.PreviewViews | null} */ #views = null;

  /** Sets the preview images that are drawn under the skeletons.
   * @param {protocol.PreviewViews | null} views
   */
  setViews(views) {
    this.#views = views;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {protocol.SnapshotView} snapshot
   * @param {string[]} palette
   * @param {{ left: number, top: number, side: number, columns: number }} place Position and size of the first image, and images per row.
   */
  draw(context, snapshot, palette, { left, top, side, columns }) {
    const { size, count, keypoints, edge_strengths } = snapshot;
    const views = this.#views?.count === count ? this.#views : null;
    for (let i = 0; i < count; i++) {
      const x = left + (i % columns) * side * (1 + GAP);
      const y = top + Math.floor(i / columns) * 2 * side * (1 + GAP);
      if (views) drawSquare(context, views.pixels, views.size, i, x, y, side);
      context.fillStyle = views ? "rgb(0 0 0 / 0.3)" : "#14161d";
      context.fillRect(x, y, side, side);
      drawSkeleton(context, { points: keypoints[i], strengths: edge_strengths, palette }, { left: x, top: y, side });
      drawSquare(context, snapshot.pixels, size, i, x, y + side * (1 + GAP), side);
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
