// @ts-check
/**
 * The annotation project as the engine reports it, with points per image, and the drawing of points.
 *
 * @module
 */

/** @import * as protocol from "../engine/protocol.js" */

/** Natural order of names with numbers. */
const byName = new Intl.Collator("en", { numeric: true });
/** Numbers per point: x, y, confidence, state. */
const FIELDS = 4;

/**
 * @typedef {object} ProjectPoint
 * @property {number} x px of the original image.
 * @property {number} y px of the original image.
 * @property {number} confidence
 * @property {"absent" | "occluded" | "visible"} visibility
 * @property {boolean} placed True if a person placed it or marked it absent.
 */

/** A project and its points. Images are identified by the ids of their rows, which do not change when images are added or removed. */
export class AnnotationProject {
  #numbers;
  /** @type {Map<number, number>} Indices by id. */ #indices;

  /**
   * @param {protocol.ProjectView} view
   * @param {AnnotationProject | null} [before] Previous project, whose rows stay valid if the view has none.
   */
  constructor(view, before = null) {
    this.view = view;
    this.rows = view.rows ?? before?.rows ?? [];
    this.#indices = !view.rows && before ? before.#indices : new Map(this.rows.map(({ id }, place) => [id, place]));
    const { buffer, byteOffset, byteLength } = view.points;
    this.#numbers = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }

  get count() {
    return this.rows.length;
  }

  /** Returns the row of an image.
   * @param {number} image Id.
   */
  row(image) {
    return this.rows[this.#indices.get(image) ?? -1];
  }

  /** Returns the labels of a layer.
   * @param {protocol.Layer} layer
   * @returns {protocol.Label[]}
   */
  labels(layer) {
    return layer === "keypoints" ? this.view.keypoints : this.view.landmarks;
  }

  /** Returns the points of a layer in an image; empty if the image is not in the project.
   * @param {number} image
   * @param {protocol.Layer} layer
   * @returns {ProjectPoint[]}
   */
  points(image, layer) {
    const place = this.#indices.get(image);
    if (place === undefined) return [];
    const { keypoints, landmarks } = this.view;
    const first = layer === "keypoints" ? 0 : keypoints.length;
    const columns = keypoints.length + landmarks.length;
    return this.labels(layer).map((_, index) => {
      const at = FIELDS * (place * columns + first + index);
      const [x, y, confidence, state] = this.#numbers.subarray(at, at + FIELDS);
      const visibility = state % 4 === 0 ? "absent" : state % 4 === 1 ? "occluded" : "visible";
      return { x, y, confidence, visibility, placed: state >= 4 };
    });
  }

  /** Returns the edges between the points of a layer.
   * @param {protocol.Layer} layer
   */
  edges(layer) {
    return layer === "keypoints" ? this.view.skeleton : [];
  }

  /** Counts the points of a layer that a person placed in an image.
   * @param {number} image
   * @param {protocol.Layer} layer
   */
  placed(image, layer) {
    return this.points(image, layer).filter(({ placed }) => placed).length;
  }

  /** Returns the images that match a filter.
   * @param {number[]} images
   * @param {import("./annotate.js").Filter} filter
   * @param {protocol.Layer} layer
   */
  filtered(images, filter, layer) {
    if (filter === "unlabelled") return images.filter((id) => this.placed(id, layer) === 0);
    if (filter === "corrected") return images.filter((id) => this.placed(id, layer) > 0);
    if (filter === "jumps") return images.filter((id) => this.view.jumps.includes(id));
    if (filter === "all") return images;
    // "unsure": the quarter with the lowest confidence.
    const found = this.rows
      .filter(({ step }) => step !== null)
      .map(({ confidence }) => confidence)
      .sort((a, b) => a - b);
    const limit = found[Math.floor(found.length / 4)] ?? 0;
    return images.filter((id) => this.row(id).step !== null && this.row(id).confidence <= limit);
  }

  /** Returns the ids of all images in an order.
   * @param {"name" | "unsure" | "sure" | "next"} order
   */
  order(order) {
    const confidence = (/** @type {number} */ id) => this.row(id).confidence;
    const all = this.rows.map(({ id }) => id);
    if (order === "unsure") return all.sort((a, b) => confidence(a) - confidence(b));
    if (order === "sure") return all.sort((a, b) => confidence(b) - confidence(a));
    if (order === "next") {
      const next = new Set(this.view.next);
      return [...next, ...all.filter((id) => !next.has(id))];
    }
    return all.sort((a, b) => byName.compare(this.row(a).name, this.row(b).name));
  }
}

/**
 * Draws the points of an image.
 * @param {CanvasRenderingContext2D} context
 * @param {protocol.Label[]} labels
 * @param {[number, number][]} edges
 * @param {ProjectPoint[]} points
 * @param {(point: ProjectPoint) => [number, number]} place Returns the position of a point on the canvas.
 * @param {{ radius: number, selected?: number }} how `radius`: radius of a point, px of the canvas.
 */
export function drawPoints(context, labels, edges, points, place, { radius, selected = -1 }) {
  const isShown = (/** @type {number} */ k) => !labels[k]?.hidden && points[k] && points[k].visibility !== "absent";
  context.lineCap = "round";
  for (const pass of [0, 1]) {
    for (const [a, b] of edges) {
      if (!isShown(a) || !isShown(b)) continue;
      context.beginPath();
      context.moveTo(...place(points[a]));
      context.lineTo(...place(points[b]));
      context.strokeStyle = pass ? "rgb(255 255 255 / 0.9)" : "rgb(0 0 0 / 0.5)";
      context.lineWidth = pass ? radius * 0.5 : radius;
      context.stroke();
    }
  }
  points.forEach((point, k) => {
    if (!isShown(k)) return;
    const [x, y] = place(point);
    const size = k === selected ? radius * 1.5 : radius;
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    // Placed points have a white centre; occluded points are rings.
    context.fillStyle = point.visibility === "occluded" ? "rgb(0 0 0 / 0.25)" : labels[k].color;
    context.fill();
    context.lineWidth = Math.max(1, radius * 0.3);
    context.strokeStyle = point.visibility === "occluded" ? labels[k].color : "rgb(0 0 0 / 0.8)";
    context.stroke();
    if (point.placed) {
      context.beginPath();
      context.arc(x, y, size * 0.4, 0, 2 * Math.PI);
      context.fillStyle = "#ffffff";
      context.fill();
    }
    if (k === selected) {
      context.beginPath();
      context.arc(x, y, size * 1.5, 0, 2 * Math.PI);
      context.strokeStyle = "#ffffff";
      context.lineWidth = Math.max(1.5, radius * 0.35);
      context.stroke();
    }
  });
}
