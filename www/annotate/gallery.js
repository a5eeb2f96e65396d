// @ts-check
/**
 * The images of the project with their points. Only visible cards exist as elements, so that ten thousand images scroll smoothly.
 *
 * @module
 */

import { drawPoints } from "./annotation_project.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { AnnotationProject } from "./annotation_project.js" */
/** @import { BitmapCache } from "./bitmaps.js" */

/** Smallest width of a card, height of its caption, and gap between cards, px. */
const CARD = 130;
const CAPTION = 44;
const GAP = 12;
/** Width of a bitmap, px. */
const THUMBNAIL = 256;
/** Number of rows that are drawn beyond the visible ones. */
const EXTRA_ROWS = 1;

export class Gallery {
  #root;
  #bitmaps;
  #onOpen;
  #onRemove;
  #list = document.createElement("ul");
  /** @type {AnnotationProject | null} */ #project = null;
  /** @type {protocol.Layer} */ #layer = "keypoints";
  /** @type {number[]} */ #order = [];
  /** @type {Map<number, { item: HTMLElement, drawn: string }>} By position. */ #cards = new Map();
  #version = 0;

  /**
   * @param {HTMLElement} root Element that scrolls.
   * @param {BitmapCache} bitmaps
   * @param {(image: number) => void} onOpen
   * @param {(image: number) => void} onRemove
   */
  constructor(root, bitmaps, onOpen, onRemove) {
    this.#root = root;
    this.#bitmaps = bitmaps;
    this.#onOpen = onOpen;
    this.#onRemove = onRemove;
    this.#list.className = "gallery-list";
    root.append(this.#list);
    root.addEventListener("scroll", () => requestAnimationFrame(() => this.#draw()), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(root);
  }

  /**
   * @param {AnnotationProject | null} project
   * @param {protocol.Layer} layer
   * @param {number[]} order
   */
  show(project, layer, order) {
    this.#project = project;
    this.#layer = layer;
    this.#order = order;
    this.#version += 1;
    this.#draw();
  }

  #shape() {
    const inside = this.#root.clientWidth;
    const columns = Math.max(1, Math.floor((inside + GAP) / (CARD + GAP)));
    const width = (inside - (columns - 1) * GAP) / columns;
    return { columns, width, height: width + CAPTION + GAP };
  }

  #draw() {
    const { columns, width, height } = this.#shape();
    const count = this.#project ? this.#order.length : 0;
    this.#list.style.height = `${Math.max(0, Math.ceil(count / columns) * height - GAP)}px`;
    const first = Math.max(0, Math.floor(this.#root.scrollTop / height) - EXTRA_ROWS) * columns;
    const last = Math.min(count, (Math.ceil((this.#root.scrollTop + this.#root.clientHeight) / height) + EXTRA_ROWS) * columns);
    for (const [position, { item }] of this.#cards) {
      if (position >= first && position < last) continue;
      // The focused card stays.
      if (item.contains(document.activeElement) && position < count) continue;
      item.remove();
      this.#cards.delete(position);
    }
    for (let position = first; position < last; position++) {
      const card = this.#cards.get(position) ?? this.#card(position);
      const { style } = card.item;
      style.width = `${width}px`;
      style.transform = `translate(${(position % columns) * (width + GAP)}px, ${Math.floor(position / columns) * height}px)`;
      const drawn = `${this.#version} ${width}`;
      if (card.drawn !== drawn) {
        card.drawn = drawn;
        this.#fill(card.item, position, width);
      }
    }
  }

  /** @param {number} position */
  #card(position) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.testid = "gallery-image";
    button.append(document.createElement("canvas"), document.createElement("span"), " ", document.createElement("small"));
    button.addEventListener("click", () => this.#onOpen(this.#order[position]));
    button.addEventListener("keydown", (event) => this.#move(event, position));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "small icon";
    remove.textContent = "×";
    remove.dataset.testid = "gallery-remove";
    remove.addEventListener("click", () => this.#onRemove(this.#order[position]));
    item.append(button, remove);
    // In order of their positions, for Tab.
    const after = [...this.#cards.keys()].filter((other) => other > position).sort((a, b) => a - b)[0];
    this.#list.insertBefore(item, after === undefined ? null : (this.#cards.get(after)?.item ?? null));
    const card = { item, drawn: "" };
    this.#cards.set(position, card);
    return card;
  }

  /** Arrow keys move the focus between cards; Delete removes the image.
   * @param {KeyboardEvent} event
   * @param {number} position
   */
  #move(event, position) {
    if (event.key === "Delete") return this.#onRemove(this.#order[position]);
    const { columns, height } = this.#shape();
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const to = position + (step ?? 0);
    if (!step || to < 0 || to >= this.#order.length) return;
    event.preventDefault();
    event.stopPropagation();
    const top = Math.floor(to / columns) * height;
    if (top < this.#root.scrollTop) this.#root.scrollTop = top;
    if (top + height > this.#root.scrollTop + this.#root.clientHeight) this.#root.scrollTop = top + height - this.#root.clientHeight;
    this.#draw();
    this.#cards.get(to)?.item.querySelector("button")?.focus();
  }

  /**
   * @param {HTMLElement} item
   * @param {number} position
   * @param {number} width px
   */
  async #fill(item, position, width) {
    const project = this.#project;
    const index = this.#order[position];
    const row = project?.row(index);
    const canvas = item.querySelector("canvas");
    const [name, note] = item.querySelectorAll("span, small");
    const button = item.querySelector("button");
    if (!project || !row || !canvas || !button) return;
    const placed = project.points(index, this.#layer).filter((point) => point.placed).length;
    name.textContent = row.name;
    const found = row.step === null ? "keypoints not detected yet" : `${row.confidence.toFixed(2)} confidence`;
    const hand = placed ? `${placed} by hand` : "";
    note.textContent = row.is_here ? hand || found : ["file missing: drop it in", hand].filter(Boolean).join(", ");
    button.title = row.name;
    item.classList.toggle("is-missing", !row.is_here);
    const remove = item.querySelector("button.icon");
    remove?.setAttribute("aria-label", `Remove ${row.name}`);
    remove?.setAttribute("title", `Remove ${row.name}`);
    const version = this.#version;
    const pixels = Math.round(width * (devicePixelRatio || 1));
    // The card may show another image meanwhile.
    const isWanted = () => version === this.#version && this.#order[position] === index && this.#cards.get(position)?.item === item;
    const lease = await this.#bitmaps.lease(index, THUMBNAIL, isWanted).catch(() => null);
    if (isWanted()) this.#paint(canvas, lease?.bitmap ?? null, index, pixels);
    lease?.release();
  }

  /** Draws an image and its points.
   * @param {HTMLCanvasElement} canvas
   * @param {ImageBitmap | null} bitmap
   * @param {number} index
   * @param {number} pixels Side of the canvas.
   */
  #paint(canvas, bitmap, index, pixels) {
    const project = this.#project;
    const row = project?.row(index);
    if (!project || !row) return;
    if (canvas.width !== pixels || canvas.height !== pixels) canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, pixels, pixels);
    const scale = pixels / Math.max(row.width_px, row.height_px);
    const left = (pixels - row.width_px * scale) / 2;
    const top = (pixels - row.height_px * scale) / 2;
    if (bitmap) context.drawImage(bitmap, left, top, row.width_px * scale, row.height_px * scale);
    const toCanvas = (/** @type {{x: number, y: number}} */ { x, y }) =>
      /** @type {[number, number]} */ ([left + x * scale, top + y * scale]);
    drawPoints(context, project.labels(this.#layer), project.edges(this.#layer), project.points(index, this.#layer), toCanvas, {
      radius: pixels * 0.026,
    });
  }
}
