// @ts-check
/**
 * The editor of one image: places, corrects and marks points by mouse, touch and keyboard.
 *
 * @module
 */

import { grouped } from "../ui/format.js";
import { drawPoints } from "./annotation_project.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { AnnotationProject, ProjectPoint } from "./annotation_project.js" */
/** @import { Lease, BitmapCache } from "./bitmaps.js" */

/**
 * A point of an image: id of the image row, layer, and index of the point in the layer.
 * @typedef {{ image: number, layer: protocol.Layer, index: number }} Target
 */

/** Radius in which a press selects a point, px of the screen. */
const CLICK_RADIUS = 18;
/** Shortest movement that counts as a drag, px of the screen. */
const DRAG_THRESHOLD = 4;
const MAX_ZOOM = 16;
/** Pause after the last arrow key before the point is placed, ms. */
const NUDGE_PAUSE = 300;

export class Editor {
  #dialog;
  #canvas;
  #list;
  #bitmaps;
  #edit;
  #remove;
  #status;
  /** @type {AnnotationProject | null} */ #project = null;
  /** @type {protocol.Layer} */ #layer = "keypoints";
  /** @type {number[]} */ #order = [];
  #index = 0;
  #selected = 0;
  #zoom = 1;
  /** Centre of the view, as fractions of the image. */
  #center = [0.5, 0.5];
  /** @type {Lease | null} */ #lease = null;
  /** Counts loads, so that an older image that arrives late is not shown. */ #loads = 0;
  /** Last position of the image in the order; labelling may remove it from the filter. */ #position = 0;
  /** The point that is dragged or nudged. @type {(Target & { x: number, y: number }) | null} */ #moving = null;
  /** Edits that the engine has not confirmed yet, oldest first. Three quick presses mean three points.
   * @type {(Target & { to: Partial<ProjectPoint> })[]} */
  #pendingEdits = [];
  /** Places the point that arrow keys have moved. @type {(() => void) | null} */ #finishNudge = null;
  #nudgeTimer = 0;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {BitmapCache} bitmaps
   * @param {(edit: protocol.Edit) => Promise<unknown>} edit Settles when the engine has answered.
   * @param {(image: number) => Promise<unknown>} remove Removes an image.
   */
  constructor(dialog, bitmaps, edit, remove) {
    this.#dialog = dialog;
    this.#bitmaps = bitmaps;
    this.#edit = edit;
    this.#remove = remove;
    this.#status = /** @type {HTMLElement} */ (dialog.querySelector(".editor-status"));
    this.#canvas = /** @type {HTMLCanvasElement} */ (dialog.querySelector("canvas"));
    this.#list = /** @type {HTMLElement} */ (dialog.querySelector(".points"));
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    const on = (/** @type {string} */ id, /** @type {() => void} */ act) =>
      dialog.querySelector(`[data-action="${id}"]`)?.addEventListener("click", act);
    on("close", () => dialog.close());
    on("previous", () => this.#page(-1));
    on("next", () => this.#page(1));
    on("zoom-in", () => this.#zoomTo(this.#zoom * 1.5));
    on("zoom-out", () => this.#zoomTo(this.#zoom / 1.5));
    on("occluded", () => this.#toggleOccluded());
    on("absent", () => this.#setAbsent());
    on("reset-point", () => this.#resetPoint());
    on("remove", () => this.#removeImage());
    on("undo", () => this.#edit({ kind: "undo" }));
    on("redo", () => this.#edit({ kind: "redo" }));
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("close", () => {
      this.#finishNudge?.();
      this.#moving = null;
      this.#releaseImage();
    });
    this.#canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.#canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** Shows a text below the image.
   * @param {string} text
   */
  setStatus(text) {
    if (this.#status.textContent !== text) this.#status.textContent = text;
  }

  /**
   * Opens an image.
   * @param {number} index Id of the image row.
   */
  open(index) {
    this.#finishNudge?.();
    this.#moving = null;
    this.#index = index;
    this.#zoomTo(1);
    this.#center = [0.5, 0.5];
    this.#selected = this.#firstMissing();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#load();
    this.#draw();
    this.#canvas.focus();
  }

  /**
   * @param {AnnotationProject | null} project
   * @param {protocol.Layer} layer
   * @param {number[]} order
   */
  show(project, layer, order) {
    if (layer !== this.#layer) this.#selected = 0;
    const wasHere = this.#isHere;
    this.#project = project;
    this.#layer = layer;
    this.#order = order;
    if (!project?.row(this.#index)) this.#dialog.close();
    // The missing file was dropped in.
    if (this.#dialog.open && !wasHere && this.#isHere) this.#load();
    this.#draw();
  }

  get #isHere() {
    return this.#currentRow?.is_here === true;
  }

  get #currentRow() {
    return this.#row(this.#index);
  }

  /** @param {number} image */
  #row(image) {
    return this.#project?.row(image);
  }

  /** Points of the image, including edits that the engine has not confirmed. */
  get #points() {
    const points = this.#project?.points(this.#index, this.#layer) ?? [];
    for (const { image, layer, index, to } of this.#pendingEdits) {
      if (image === this.#index && layer === this.#layer && points[index]) points[index] = { ...points[index], ...to };
    }
    return points;
  }

  /** The selected point. @returns {Target} */
  get #target() {
    return { image: this.#index, layer: this.#layer, index: this.#selected };
  }

  /** Sends an edit of a point, and shows its expected result until the engine answers.
   * @param {Target} target
   * @param {protocol.Edit} edit
   * @param {Partial<ProjectPoint>} to Expected change of the point.
   */
  async #send(target, edit, to) {
    const change = { ...target, to };
    this.#pendingEdits.push(change);
    this.setStatus("");
    this.#draw();
    await this.#edit(edit);
    // The answer of the engine is shown in the same frame.
    requestAnimationFrame(() => {
      this.#pendingEdits.splice(this.#pendingEdits.indexOf(change), 1);
      this.#draw();
    });
  }

  /** Index of the first point that is not placed. */
  #firstMissing() {
    return Math.max(
      0,
      this.#points.findIndex((point) => !point.placed),
    );
  }

  #releaseImage() {
    this.#loads += 1;
    this.#lease?.release();
    this.#lease = null;
  }

  async #load() {
    this.#releaseImage();
    const load = this.#loads;
    const isWanted = () => load === this.#loads;
    this.setStatus("");
    try {
      const lease = await this.#bitmaps.lease(this.#index, null, isWanted);
      if (!isWanted()) return lease.release();
      this.#lease = lease;
      const { width_px, height_px } = this.#currentRow ?? { width_px: 0, height_px: 0 };
      if (lease.scale < 1)
        this.setStatus(
          `The image (${grouped(width_px)} × ${grouped(height_px)} px) does not fit into memory and is shown at ${Math.round(100 * lease.scale)}% of its size. Points keep their exact positions.`,
        );
      this.#draw();
    } catch (error) {
      if (isWanted()) this.setStatus(error instanceof Error ? error.message : `${error}`);
    }
  }

  /** @param {number} by */
  #page(by) {
    const next = this.#neighbour(by);
    if (next !== undefined) this.open(next);
  }

  /** Returns the id of the previous or next image.
   * @param {number} by
   * @returns {number | undefined}
   */
  #neighbour(by) {
    const position = this.#order.indexOf(this.#index);
    // If the filter no longer includes the image, the next one has its position.
    return this.#order[position >= 0 ? position + by : by > 0 ? this.#position : this.#position - 1];
  }

  /** Scale and position of the image, px of the canvas. */
  #frame() {
    const { width_px, height_px } = this.#currentRow ?? { width_px: 1, height_px: 1 };
    const { width, height } = this.#canvas;
    const fit = Math.min(width / width_px, height / height_px);
    const scale = fit * this.#zoom;
    const start = (/** @type {number} */ room, /** @type {number} */ length, /** @type {number} */ center) =>
      length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, room / 2 - center * length));
    return {
      scale,
      left: start(width, width_px * scale, this.#center[0]),
      top: start(height, height_px * scale, this.#center[1]),
    };
  }

  #draw() {
    const project = this.#project;
    const row = this.#currentRow;
    if (!this.#dialog.open || !project || !row) return;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    const { scale, left, top } = this.#frame();
    context.clearRect(0, 0, width, height);
    // At high zoom, single pixels are shown.
    context.imageSmoothingEnabled = this.#zoom === 1 || scale < 8;
    context.imageSmoothingQuality = "high";
    if (this.#lease) context.drawImage(this.#lease.bitmap, left, top, row.width_px * scale, row.height_px * scale);
    const points = this.#points;
    const moving = this.#moving;
    if (moving?.image === this.#index && moving.layer === this.#layer && points[moving.index]) {
      points[moving.index] = { ...points[moving.index], x: moving.x, y: moving.y, visibility: "visible", placed: true };
    }
    const toCanvas = (/** @type {{x: number, y: number}} */ { x, y }) =>
      /** @type {[number, number]} */ ([left + x * scale, top + y * scale]);
    drawPoints(context, project.labels(this.#layer), project.edges(this.#layer), points, toCanvas, {
      radius: 7 * ratio,
      selected: this.#selected,
    });
    this.#describe(points);
  }

  /** @param {ProjectPoint[]} points */
  #describe(points) {
    const project = /** @type {AnnotationProject} */ (this.#project);
    const position = this.#order.indexOf(this.#index);
    if (position >= 0) this.#position = position;
    const title = /** @type {HTMLElement} */ (this.#dialog.querySelector("h2"));
    title.textContent = `${this.#currentRow?.name} (${position >= 0 ? `${position + 1} of ${this.#order.length}` : "outside the filter"})`;
    const labels = project.labels(this.#layer);
    while (this.#list.children.length > labels.length) this.#list.lastElementChild?.remove();
    labels.forEach((label, k) => {
      const button = /** @type {HTMLButtonElement} */ (this.#list.children[k]?.firstElementChild ?? this.#entry(k));
      const point = points[k];
      const what = this.#layer === "landmarks" ? "predicted" : "detected";
      const state =
        point.visibility === "absent"
          ? point.placed
            ? "absent"
            : "not placed"
          : `${point.placed ? "by hand" : what}${point.visibility === "occluded" ? ", occluded" : ""}`;
      const text = `${label.name} ${state}`;
      if (button.dataset.text !== text + label.color) {
        button.dataset.text = text + label.color;
        const dot = document.createElement("i");
        dot.style.background = label.color;
        const name = document.createElement("b");
        name.textContent = label.name;
        const small = document.createElement("small");
        small.textContent = state;
        button.replaceChildren(dot, name, " ", small);
      }
      button.setAttribute("aria-pressed", `${k === this.#selected}`);
    });
    const selected = points[this.#selected];
    const hide = /** @type {HTMLButtonElement} */ (this.#dialog.querySelector('[data-action="occluded"]'));
    hide.disabled = !selected || selected.visibility === "absent";
    hide.setAttribute("aria-pressed", `${selected?.visibility === "occluded"}`);
    /** @type {HTMLButtonElement} */ (this.#dialog.querySelector('[data-action="reset-point"]')).disabled = !selected?.placed;
    const absent = /** @type {HTMLButtonElement} */ (this.#dialog.querySelector('[data-action="absent"]'));
    absent.disabled = !selected;
    absent.setAttribute("aria-pressed", `${Boolean(selected?.placed && selected.visibility === "absent")}`);
    const isSomewhere = selected && selected.visibility !== "absent";
    const where = isSomewhere ? ` at ${selected.x.toFixed(1)}, ${selected.y.toFixed(1)} px` : selected?.placed ? ", absent" : "";
    const label = labels[this.#selected];
    this.#canvas.setAttribute("aria-label", `${this.#currentRow?.name}. ${label ? `${label.name}${where}` : "No points yet"}`);
    for (const [action, can] of /** @type {[string, boolean][]} */ ([
      ["undo", project.view.can_undo],
      ["redo", project.view.can_redo],
    ])) {
      const button = /** @type {HTMLButtonElement | null} */ (this.#dialog.querySelector(`[data-action="${action}"]`));
      if (button) button.disabled = !can;
    }
    for (const [action, can] of /** @type {[string, boolean][]} */ ([
      ["previous", this.#neighbour(-1) !== undefined],
      ["next", this.#neighbour(1) !== undefined],
    ])) {
      const button = /** @type {HTMLButtonElement | null} */ (this.#dialog.querySelector(`[data-action="${action}"]`));
      if (button) button.disabled = !can;
    }
  }

  /** @param {number} k */
  #entry(k) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.addEventListener("click", () => this.#select(k));
    item.append(button);
    this.#list.append(item);
    return button;
  }

  /** @param {number} k */
  #select(k) {
    this.#finishNudge?.();
    const count = this.#points.length;
    if (count) this.#selected = (k + count) % count;
    this.#draw();
  }

  /** @param {number} zoom */
  #zoomTo(zoom) {
    this.#zoom = Math.min(MAX_ZOOM, Math.max(1, zoom));
    this.#draw();
  }

  /** Position of an event, px of the original image.
   * @param {MouseEvent} event
   */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const ratio = this.#canvas.width / box.width;
    const { scale, left, top } = this.#frame();
    return {
      x: ((event.clientX - box.left) * ratio - left) / scale,
      y: ((event.clientY - box.top) * ratio - top) / scale,
      unit: ratio / scale,
    };
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || !this.#currentRow) return;
    const start = this.#at(event);
    const distances = this.#points.map((point, k) =>
      point.visibility === "absent" || this.#project?.labels(this.#layer)[k].hidden
        ? Infinity
        : Math.hypot(point.x - start.x, point.y - start.y),
    );
    const nearest = distances.indexOf(Math.min(...distances));
    const onPoint = nearest >= 0 && distances[nearest] < CLICK_RADIUS * start.unit;
    // Landmarks are placed one after the other: a press elsewhere, or on the prediction of another landmark, places the selected one. The
    // same holds for an absent point.
    const selected = this.#points[this.#selected];
    const isMissing = selected && (selected.placed ? selected.visibility === "absent" : this.#layer === "landmarks");
    const isPlacing = isMissing && !(onPoint && this.#points[nearest].placed);
    if (onPoint && !isPlacing) this.#select(nearest);
    const target = this.#target;
    const holds = onPoint || isPlacing;
    const [fromX, fromY] = [event.clientX, event.clientY];
    const center = [...this.#center];
    const { scale } = this.#frame();
    let moved = false;
    /** Position to which the point was dragged. @type {{ x: number, y: number } | null} */ let dragged = null;
    this.#canvas.setPointerCapture(event.pointerId);
    const listening = new AbortController();
    const on = (/** @type {"pointermove" | "pointerup" | "pointercancel"} */ name, /** @type {(event: PointerEvent) => void} */ act) =>
      // Events of other pointers are ignored.
      this.#canvas.addEventListener(name, (other) => other.pointerId === event.pointerId && act(other), { signal: listening.signal });
    on("pointermove", (event) => {
      const [dx, dy] = [event.clientX - fromX, event.clientY - fromY];
      if (!moved && Math.hypot(dx, dy) < DRAG_THRESHOLD) return;
      moved = true;
      if (holds) {
        // The image may have changed meanwhile.
        if (target.image !== this.#index) return;
        const { x, y } = this.#at(event);
        dragged = { x, y };
        this.#moving = { ...target, x, y };
      } else if (this.#currentRow) {
        const ratio = devicePixelRatio || 1;
        const { width_px, height_px } = this.#currentRow;
        this.#center = [center[0] - (dx * ratio) / (width_px * scale), center[1] - (dy * ratio) / (height_px * scale)];
      }
      this.#draw();
    });
    on("pointerup", () => {
      listening.abort();
      this.#moving = null;
      if (dragged) this.#placeAt(target, dragged);
      else if (!moved && isPlacing) this.#placeAt(target, start);
    });
    on("pointercancel", () => {
      listening.abort();
      this.#moving = null;
      this.#draw();
    });
  }

  /** Places a point, and selects the next landmark that is not placed.
   * @param {Target} target
   * @param {{ x: number, y: number }} at px of the original image.
   */
  #placeAt(target, { x, y }, occluded = false) {
    const { image, layer, index } = target;
    const { width_px, height_px } = this.#row(image) ?? { width_px: 0, height_px: 0 };
    const clamp = (/** @type {number} */ v, /** @type {number} */ side) => Math.min(side, Math.max(0, v));
    const [atX, atY] = [clamp(x, width_px), clamp(y, height_px)];
    const wasPlaced =
      this.#project?.points(image, layer)[index]?.placed ||
      this.#pendingEdits.some((other) => other.image === image && other.layer === layer && other.index === index);
    this.#send(
      target,
      { kind: "place", image, layer, index, at_px: [atX, atY], occluded },
      { x: atX, y: atY, visibility: occluded ? "occluded" : "visible", placed: true },
    );
    if (!wasPlaced) this.#selectNext(target);
  }

  /** Selects the next landmark that is not placed. @param {Target} target */
  #selectNext({ image, layer, index }) {
    if (layer !== "landmarks" || image !== this.#index) return;
    const next = this.#points.findIndex((point, k) => k > index && !point.placed);
    if (next >= 0) this.#select(next);
  }

  /** Marks the selected point as occluded or visible. */
  #toggleOccluded() {
    const point = this.#points[this.#selected];
    if (point && point.visibility !== "absent") this.#placeAt(this.#target, point, point.visibility !== "occluded");
  }

  /** Marks the selected point as absent, or resets it. */
  #setAbsent() {
    const point = this.#points[this.#selected];
    if (!point) return;
    this.#moving = null;
    this.#finishNudge?.();
    if (point.placed && point.visibility === "absent") return this.#resetPoint();
    const target = this.#target;
    this.#send(target, { kind: "absent", ...target }, { visibility: "absent", placed: true });
    if (!point.placed) this.#selectNext(target);
  }

  /** Removes the image and opens the next one. */
  #removeImage() {
    const [image, name] = [this.#index, this.#currentRow?.name];
    const next = this.#neighbour(1) ?? this.#neighbour(-1);
    if (next === undefined) this.#dialog.close();
    else this.open(next);
    this.setStatus(`Removed ${name}. Undo restores it.`);
    this.#remove(image);
  }

  /** Resets the selected point to its detected or predicted position. */
  #resetPoint() {
    if (!this.#points[this.#selected]?.placed) return;
    this.#send(this.#target, { kind: "unplace", ...this.#target }, { placed: false });
    this.#canvas.focus(); // its button is disabled now
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const row = this.#currentRow;
    if (!row) return;
    const { x, y } = this.#at(event);
    this.#zoom = Math.min(MAX_ZOOM, Math.max(1, this.#zoom * 1.2 ** -Math.sign(event.deltaY)));
    // The position under the pointer stays in place.
    const box = this.#canvas.getBoundingClientRect();
    const ratio = this.#canvas.width / box.width;
    const { scale } = this.#frame();
    this.#center = [
      (x - ((event.clientX - box.left) * ratio - this.#canvas.width / 2) / scale) / row.width_px,
      (y - ((event.clientY - box.top) * ratio - this.#canvas.height / 2) / scale) / row.height_px,
    ];
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation(); // the keys of the page do not act while the editor is open
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      this.#edit({ kind: event.shiftKey ? "redo" : "undo" });
      return;
    }
    const point = this.#points[this.#selected];
    const by = event.shiftKey ? 10 : 1;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.#nudge(-by, 0),
      ArrowRight: () => this.#nudge(by, 0),
      ArrowUp: () => this.#nudge(0, -by),
      ArrowDown: () => this.#nudge(0, by),
      n: () => this.#select(this.#selected + 1),
      p: () => this.#select(this.#selected - 1),
      PageDown: () => this.#page(1),
      PageUp: () => this.#page(-1),
      "+": () => this.#zoomTo(this.#zoom * 1.5),
      "=": () => this.#zoomTo(this.#zoom * 1.5),
      "-": () => this.#zoomTo(this.#zoom / 1.5),
      o: () => this.#toggleOccluded(),
      a: () => this.#setAbsent(),
      Delete: () => (event.shiftKey ? this.#removeImage() : this.#resetPoint()),
      Backspace: () => (event.shiftKey ? this.#removeImage() : this.#resetPoint()),
    };
    // On a focused button, Enter presses it; on the image it confirms the point.
    if (event.key === "Enter" && event.target === this.#canvas && point && point.visibility !== "absent")
      this.#placeAt(this.#target, point, point.visibility === "occluded");
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }

  /** Moves the selected point, px of the original image. An absent point starts in the middle. The point is placed after a pause.
   * @param {number} dx
   * @param {number} dy
   */
  #nudge(dx, dy) {
    const point = this.#points[this.#selected];
    const row = this.#currentRow;
    if (!point || !row) return;
    const target = this.#target;
    const from = this.#moving ?? (point.visibility === "absent" ? { x: row.width_px / 2, y: row.height_px / 2 } : point);
    this.#moving = { ...target, x: Math.min(row.width_px, Math.max(0, from.x + dx)), y: Math.min(row.height_px, Math.max(0, from.y + dy)) };
    this.#draw();
    const occluded = point.visibility === "occluded";
    clearTimeout(this.#nudgeTimer);
    this.#finishNudge = () => {
      const at = this.#moving;
      this.#finishNudge = null;
      this.#moving = null;
      clearTimeout(this.#nudgeTimer);
      if (!at) return;
      const to = /** @type {const} */ ({ x: at.x, y: at.y, visibility: occluded ? "occluded" : "visible", placed: true });
      this.#send(target, { kind: "place", ...target, at_px: [at.x, at.y], occluded }, to);
    };
    this.#nudgeTimer = window.setTimeout(this.#finishNudge, NUDGE_PAUSE);
  }
}
