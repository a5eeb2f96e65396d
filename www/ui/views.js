// @ts-check
/**
 * The preview images: one canvas per view (input, skeleton, edge map, masked input, reconstruction), one column per image. On a narrow
 * screen each canvas has two rows.
 *
 * @module
 */

import { counted, grouped } from "./format.js";
import { drawSkeleton } from "./skeleton.js";
import { drawSquare } from "./squares.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Highlight } from "./skeleton.js" */

/** Largest number of images in a canvas. */
const COLUMNS = 8;
/** Gap between images as a fraction of their side; `train.css` assumes the same. */
const GAP = 0.08;
/** Shortest interval between updates of the descriptions, ms. */
const DESCRIBE_EVERY = 10_000;

/**
 * @typedef {object} Row
 * @property {HTMLCanvasElement} canvas
 * @property {number} channel Index of the stored image that is drawn.
 * @property {boolean} skeleton True to draw keypoints and edges over it.
 * @property {string} title
 */

/** Index of each view in the pixels of {@link protocol.PreviewViews}; the skeleton is drawn over the input. */
export const CHANNELS = { input: 0, masked: 1, "edge-map": 2, reconstruction: 3, skeleton: 0 };

/** Draws {@link protocol.PreviewViews} into the page's five canvases. */
export class PreviewCanvases {
  /** @type {Row[]} */ #rows;
  /** @type {protocol.PreviewViews | null} */ #views = null;
  /** @type {string[]} */ #palette = [];
  #isDemo = false;
  #described = -Infinity;
  /** @type {Highlight} */ #highlight = {};
  #chosen = -1;

  /** @param {HTMLElement} root Holds the canvases, each with `data-view`. */
  constructor(root) {
    this.#rows = Array.from(root.querySelectorAll("canvas[data-view]"), (element) => {
      const canvas = /** @type {HTMLCanvasElement} */ (element);
      const view = /** @type {keyof typeof CHANNELS} */ (canvas.dataset.view);
      return {
        canvas,
        channel: CHANNELS[view],
        skeleton: view === "skeleton",
        title: canvas.dataset.title ?? view,
      };
    });
    new ResizeObserver(() => this.#draw()).observe(root);
  }

  /** Marks the selected preview image and the highlighted edge and keypoint.
   * @param {number} preview
   * @param {Highlight} highlight
   */
  mark(preview, highlight) {
    const isSame =
      preview === this.#chosen &&
      highlight.edge === this.#highlight.edge &&
      highlight.point === this.#highlight.point &&
      highlight.minStrength === this.#highlight.minStrength &&
      highlight.ringed === this.#highlight.ringed;
    if (isSame) return;
    this.#chosen = preview;
    this.#highlight = highlight;
    this.#draw();
  }

  /** Calls back when a preview image is clicked.
   * @param {(preview: number) => void} choose
   */
  onChoose(choose) {
    for (const { canvas } of this.#rows) {
      canvas.classList.add("is-choosable");
      canvas.addEventListener("click", ({ offsetX, offsetY }) => {
        const { columns, side } = this.#layout(canvas.clientWidth, canvas.clientHeight);
        const preview = Math.floor(offsetX / (side * (1 + GAP))) + columns * Math.floor(offsetY / (side * (1 + GAP)));
        if (preview < (this.#views?.count ?? 0)) choose(preview);
      });
    }
  }

  /**
   * @param {protocol.PreviewViews | null} views
   * @param {string[]} palette
   * @param {boolean} isDemo True if the views come from the recorded run.
   */
  show(views, palette, isDemo) {
    this.#views = views;
    this.#isDemo = isDemo;
    this.#palette = palette;
    this.#draw();
    this.#describe();
  }

  #draw() {
    const views = this.#views;
    for (const row of this.#rows) {
      const { canvas } = row;
      const scale = devicePixelRatio || 1;
      const width = Math.round(canvas.clientWidth * scale);
      const height = Math.round(canvas.clientHeight * scale);
      if (width === 0 || height === 0) continue;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      const context = canvas.getContext("2d");
      if (!context) continue;
      context.clearRect(0, 0, width, height);
      context.imageSmoothingQuality = "high";
      const { columns, side } = this.#layout(width, height);
      for (let index = 0; index < COLUMNS; index++) {
        const x = (index % columns) * side * (1 + GAP);
        const y = Math.floor(index / columns) * side * (1 + GAP);
        context.save();
        context.beginPath();
        context.roundRect(x, y, side, side, 4 * scale);
        context.clip();
        if (views && index < views.count) {
          const { size, count } = views;
          drawSquare(context, views.pixels, size, row.channel * count + index, x, y, side);
          if (row.skeleton) this.#drawSkeleton(context, views, index, x, y, side);
        }
        context.restore();
        if (views && index === this.#chosen && views.count > 1) {
          context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--accent");
          context.lineWidth = 3 * scale;
          context.beginPath();
          context.roundRect(
            x + context.lineWidth / 2,
            y + context.lineWidth / 2,
            side - context.lineWidth,
            side - context.lineWidth,
            3 * scale,
          );
          context.stroke();
        }
      }
      canvas.classList.toggle("is-empty", !views);
    }
  }

  /** Columns and size of the images, from the aspect ratio of the canvas, which `train.css` sets.
   * @param {number} width
   * @param {number} height
   */
  #layout(width, height) {
    const columns = width > 4 * height ? COLUMNS : COLUMNS / 2;
    return { columns, side: width / (columns + (columns - 1) * GAP) };
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {protocol.PreviewViews} views
   * @param {number} index
   * @param {number} left
   * @param {number} top
   * @param {number} side
   */
  #drawSkeleton(context, { keypoints, edge_strengths }, index, left, top, side) {
    context.fillStyle = "rgb(0 0 0 / 0.3)";
    context.fillRect(left, top, side, side);
    const skeleton = { points: keypoints[index] ?? [], strengths: edge_strengths, palette: this.#palette };
    drawSkeleton(context, skeleton, { left, top, side }, this.#highlight);
  }

  /** Returns the first images with their skeletons in a row as a data URL; empty if there are no views.
   * @param {number} side Side of an image, px.
   * @param {number} most Largest number of images.
   */
  thumbnail(side = 128, most = 1) {
    const views = this.#views;
    const count = Math.min(most, views?.count ?? 0);
    const canvas = Object.assign(document.createElement("canvas"), { width: count * side, height: side });
    const context = canvas.getContext("2d");
    if (!views || !context) return "";
    context.imageSmoothingQuality = "high";
    for (let i = 0; i < count; i++) {
      context.save();
      context.beginPath();
      context.rect(i * side, 0, side, side);
      context.clip();
      drawSquare(context, views.pixels, views.size, i, i * side, 0, side);
      this.#drawSkeleton(context, views, i, i * side, 0, side);
      context.restore();
    }
    return canvas.toDataURL("image/webp", 0.8);
  }

  #describe() {
    const now = performance.now();
    const views = this.#views;
    if (views && views.step > 0 && now - this.#described < DESCRIBE_EVERY) return;
    if (views && !this.#isDemo) this.#described = now;
    for (const { canvas, title } of this.#rows) {
      const label = views
        ? `${title} of ${counted(views.count, "image")} at step ${grouped(views.step)}${this.#isDemo ? " of a recorded run" : ""}`
        : `${title}: no images yet`;
      if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
    }
  }
}
