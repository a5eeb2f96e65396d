// @ts-check
/**
 * The edge weights as a K x K heat map. Pointer or arrow keys select a cell, whose weight is shown below.
 *
 * @module
 */

import { edgeOf } from "./skeleton.js";

/** @import * as protocol from "../engine/protocol.js" */

/** Smallest upper end of the colour scale, so that an untrained model stays pale. */
const STRONGEST = 0.25;
/** Shortest interval between updates of the summary, ms. */
const SUMMARISE_EVERY = 3_000;
/** A larger difference in steps means another model, steps. */
const JUMP = 50;

/** Shows `PreviewViews.edge_weights`. */
export class EdgeMatrix {
  #canvas;
  #step = 0;
  #readout;
  #strongest;
  /** @type {number[][]} */ #weights = [];
  /** @type {string[]} */ #palette = [];
  /** @type {{ row: number, column: number } | null} */ #picked = null;
  #waiting = 0;
  #summarised = -Infinity;
  /** @type {[number, number] | null} */ #marked = null;
  #onPoint = () => {};

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} readout Text about the selected cell.
   * @param {HTMLElement} strongest Upper end of the colour scale.
   */
  constructor(canvas, readout, strongest) {
    this.#canvas = canvas;
    this.#readout = readout;
    this.#strongest = strongest;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    canvas.addEventListener("pointermove", (event) => this.#pick(this.#cellAt(event)));
    canvas.addEventListener("pointerdown", (event) => this.#pick(this.#cellAt(event)));
    canvas.addEventListener("pointerleave", () => this.#pick(null));
    canvas.addEventListener("blur", () => this.#pick(null));
    canvas.addEventListener("keydown", (event) => this.#moveSelection(event));
  }

  /** Calls back when an edge is pointed at, and when it is picked by a click or Enter.
   * @param {(edge: [number, number] | null, picked: boolean) => void} tell
   */
  onEdge(tell) {
    const edge = () => (this.#picked && this.#picked.row !== this.#picked.column ? edgeOf(this.#picked.row, this.#picked.column) : null);
    this.#onPoint = () => tell(edge(), false);
    this.#canvas.addEventListener("click", () => tell(edge(), true));
    this.#canvas.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      tell(edge(), true);
    });
  }

  /** Outlines the cells of an edge.
   * @param {[number, number] | null} edge
   */
  mark(edge) {
    if (edge?.[0] === this.#marked?.[0] && edge?.[1] === this.#marked?.[1]) return;
    this.#marked = edge;
    this.#draw();
  }

  /**
   * @param {protocol.PreviewViews | null} views
   * @param {string[]} palette
   */
  show(views, palette) {
    this.#weights = views?.edge_weights ?? [];
    this.#palette = palette;
    if (this.#picked && this.#picked.row >= this.#weights.length) this.#picked = null;
    this.#draw();
    this.#strongest.textContent = views ? this.#top().toFixed(2) : "";
    // Another model updates the summary at once.
    const step = views?.step ?? 0;
    this.#showReadout(step < this.#step || step > this.#step + JUMP || step === 0);
    this.#step = step;
  }

  /** @param {KeyboardEvent} event */
  #moveSelection(event) {
    const count = this.#weights.length;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (!move || count === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const from = this.#picked ?? { row: 0, column: 0 };
    this.#pick({
      row: Math.min(count - 1, Math.max(0, from.row + move[0])),
      column: Math.min(count - 1, Math.max(0, from.column + move[1])),
    });
  }

  /** @param {PointerEvent} event */
  #cellAt(event) {
    const { margin, cell } = this.#layout(this.#canvas.clientWidth);
    const row = Math.floor((event.offsetY - margin) / cell);
    const column = Math.floor((event.offsetX - margin) / cell);
    const count = this.#weights.length;
    return row >= 0 && column >= 0 && row < count && column < count ? { row, column } : null;
  }

  /** @param {{ row: number, column: number } | null} cell */
  #pick(cell) {
    if (cell?.row === this.#picked?.row && cell?.column === this.#picked?.column) return;
    this.#picked = cell;
    this.#draw();
    this.#showReadout(true);
    this.#onPoint();
  }

  /** Margin and cell size, px. With many keypoints the margin has room for dots only.
   * @param {number} width
   */
  #layout(width) {
    const count = Math.max(1, this.#weights.length);
    const margin = count > 16 ? 12 : 24;
    return { margin, cell: (width - margin) / count };
  }

  /** The weight at the upper end of the colour scale. */
  #top() {
    return Math.max(STRONGEST, ...this.#weights.map((row) => Math.max(...row)));
  }

  /** @returns {{ row: number, column: number, weight: number }[]} Strongest first. */
  #edges() {
    return this.#weights
      .flatMap((weights, row) => weights.slice(0, row).map((weight, column) => ({ row, column, weight })))
      .sort((a, b) => b.weight - a.weight);
  }

  /** @param {boolean} now */
  #showReadout(now) {
    const rest = this.#summarised + SUMMARISE_EVERY - performance.now();
    if (!now && !this.#picked && rest > 0) {
      // A delayed update, so that the summary ends with the current weights.
      this.#waiting ||= window.setTimeout(() => this.#showReadout(true), rest);
      return;
    }
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    this.#summarised = performance.now();
    const edges = this.#edges();
    if (edges.length === 0) {
      this.#write(["No edges yet."]);
    } else if (this.#picked) {
      const { row, column } = this.#picked;
      this.#write(
        row === column
          ? ["Keypoint ", row, " has no edge to itself."]
          : [row, " \u2013 ", column, `: ${this.#weights[row][column].toFixed(3)}`],
      );
    } else {
      const [{ row, column, weight }] = edges;
      this.#write(["Strongest: ", column, " \u2013 ", row, `: ${weight.toFixed(3)}`]);
      this.#canvas.setAttribute(
        "aria-label",
        `Edge weights between ${this.#weights.length} keypoints, strongest ${edges
          .slice(0, 5)
          .map(({ row, column, weight }) => `${column + 1} to ${row + 1}: ${weight.toFixed(2)}`)
          .join(", ")}. Arrow keys read single cells, Enter picks an edge.`,
      );
    }
  }

  /** Writes text; numbers stand for keypoints, shown as a swatch with their number.
   * @param {(string | number)[]} parts
   */
  #write(parts) {
    this.#readout.replaceChildren(
      ...parts.flatMap((part) => {
        if (typeof part === "string") return [part];
        const swatch = document.createElement("i");
        swatch.className = "swatch";
        swatch.style.background = this.#palette[part] ?? "currentcolor";
        return [swatch, `${part + 1}`];
      }),
    );
  }

  #draw() {
    const canvas = this.#canvas;
    const scale = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale);
    if (width === 0) return;
    if (canvas.width !== width || canvas.height !== width) canvas.width = canvas.height = width;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, width, width);
    context.save();
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const low = style.getPropertyValue("--heat-low");
    const high = style.getPropertyValue("--heat-high");
    const ink = style.color;
    const { margin, cell } = this.#layout(canvas.clientWidth);
    const count = this.#weights.length;
    const strongest = this.#top();
    const gap = cell > 8 ? 1 : 0;

    context.fillStyle = low;
    if (count === 0) {
      context.fillRect(margin, margin, canvas.clientWidth - margin, canvas.clientWidth - margin);
    }
    this.#weights.forEach((weights, row) =>
      weights.forEach((weight, column) => {
        const x = margin + column * cell;
        const y = margin + row * cell;
        context.globalAlpha = row === column ? 0.35 : 1;
        context.fillStyle = low;
        context.fillRect(x, y, cell - gap, cell - gap);
        if (row === column) return;
        context.globalAlpha = weight / strongest;
        context.fillStyle = high;
        context.fillRect(x, y, cell - gap, cell - gap);
      }),
    );
    context.globalAlpha = 1;

    for (let k = 0; k < count; k++) {
      const middle = margin + (k + 0.5) * cell;
      const picked = this.#picked && (this.#picked.row === k || this.#picked.column === k);
      const radius = Math.min(cell * 0.42, count > 16 ? 4 : 9);
      for (const [x, y] of [
        [middle, margin / 2 - 1],
        [margin / 2 - 1, middle],
      ]) {
        context.beginPath();
        context.arc(x, y, radius + (picked && count <= 16 ? 2 : 0), 0, 2 * Math.PI);
        context.fillStyle = this.#palette[k] ?? ink;
        context.fill();
        context.strokeStyle = style.getPropertyValue("--edge");
        context.lineWidth = 1;
        context.stroke();
      }
    }
    if (this.#marked) {
      const [i, j] = this.#marked;
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 3;
      for (const [row, column] of [
        [i, j],
        [j, i],
      ]) {
        context.strokeRect(margin + column * cell, margin + row * cell, cell - gap, cell - gap);
      }
    }
    if (this.#picked) {
      const { row, column } = this.#picked;
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.strokeRect(margin + column * cell, margin + row * cell, cell - gap, cell - gap);
    }
    context.restore();
  }
}
