// @ts-check
/**
 * The probe pictures: one canvas a row (input, skeleton, edge map, masked input, reconstruction), one column a picture.
 * On a narrow screen each canvas folds into two rows.
 *
 * @module
 */

import { counted, grouped } from "./format.js";
import { drawSkeleton } from "./skeleton.js";

/** @import * as protocol from "./protocol.js" */
/** @import { Highlight } from "./skeleton.js" */

/** The largest number of pictures in a canvas. */
const COLUMNS = 8;
/** Gap between pictures, as a share of their side; `style.css` reserves the same shape. */
const GAP = 0.08;
/** Canvases are described anew at most this often, ms. */
const DESCRIBE_EVERY = 10_000;

/**
 * @typedef {object} Row
 * @property {HTMLCanvasElement} canvas
 * @property {number} channel Which of the four stored pictures lies underneath.
 * @property {boolean} skeleton Whether keypoints and edges are drawn over it.
 * @property {string} title
 */

/** Where each view is among the pixels of all; skeletons are drawn over the input. */
export const CHANNELS = { input: 0, masked: 1, "edge-map": 2, reconstruction: 3, skeleton: 0 };

/** Draws {@link protocol.PreviewViews} into the page's five canvases. */
export class PreviewCanvases {
  /** @type {Row[]} */ #rows;
  /** @type {protocol.PreviewViews | null} */ #views = null;
  /** @type {string[]} */ #palette = [];
  #source = document.createElement("canvas");
  #isDemo = false;
  #described = -Infinity;
  /** @type {Highlight} */ #looks = {};
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

  /** Marks a probe and what is pointed at.
   * @param {number} probe
   * @param {Highlight} looks
   */
  mark(probe, looks) {
    const isSame = probe === this.#chosen && looks.edge === this.#looks.edge && looks.point === this.#looks.point && looks.minStrength === this.#looks.minStrength;
    if (isSame) return;
    this.#chosen = probe;
    this.#looks = looks;
    this.#draw();
  }

  /** Tells which probe was pressed.
   * @param {(probe: number) => void} choose
   */
  onChoose(choose) {
    for (const { canvas } of this.#rows) {
      canvas.classList.add("is-choosable");
      canvas.addEventListener("click", ({ offsetX, offsetY }) => {
        const { columns, side } = this.#layout(canvas.clientWidth, canvas.clientHeight);
        const probe = Math.floor(offsetX / (side * (1 + GAP))) + columns * Math.floor(offsetY / (side * (1 + GAP)));
        if (probe < (this.#views?.count ?? 0)) choose(probe);
      });
    }
  }

  /**
   * @param {protocol.PreviewViews | null} views
   * @param {string[]} palette
   * @param {boolean} isDemo Whether they are of a run that was recorded.
   */
  show(views, palette, isDemo) {
    this.#views = views;
    this.#isDemo = isDemo;
    this.#palette = palette;
    if (views) this.#upload(views);
    this.#draw();
    this.#describe();
  }

  /** Copies the pixels into one tall canvas of `4 * count` squares, from which the rows are drawn scaled.
   * @param {protocol.PreviewViews} views
   */
  #upload({ size, count, pixels }) {
    const height = 4 * count * size;
    if (this.#source.width !== size || this.#source.height !== height) {
      this.#source.width = size;
      this.#source.height = height;
    }
    const shown = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, size * height * 4);
    this.#source.getContext("2d")?.putImageData(new ImageData(shown, size, height), 0, 0);
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
          context.drawImage(this.#source, 0, (row.channel * count + index) * size, size, size, x, y, side, side);
          if (row.skeleton) this.#drawSkeleton(context, views, index, x, y, side);
        }
        context.restore();
        if (views && index === this.#chosen && views.count > 1) {
          context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--accent");
          context.lineWidth = 3 * scale;
          context.beginPath();
          context.roundRect(x + context.lineWidth / 2, y + context.lineWidth / 2, side - context.lineWidth, side - context.lineWidth, 3 * scale);
          context.stroke();
        }
      }
      canvas.classList.toggle("is-empty", !views);
    }
  }

  /** The canvas' shape, which `style.css` sets, says how many columns it has.
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
    drawSkeleton(context, skeleton, { left, top, side }, this.#looks);
  }

  /** The first picture with its skeleton, as a data URL; empty where there is none. */
  thumbnail(side = 128) {
    const views = this.#views;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    if (!views || !context) return "";
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#source, 0, 0, views.size, views.size, 0, 0, side, side);
    this.#drawSkeleton(context, views, 0, 0, 0, side);
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
