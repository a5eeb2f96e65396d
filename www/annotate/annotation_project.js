// @ts-check
/**
 * The annotation project, in a form that is easy to draw from.
 *
 * @module
 */

/** @import * as protocol from "../protocol.js" */

/** Names with numbers, as people count. */
const byName = new Intl.Collator("en", { numeric: true });
/** Of each point: x, y, confidence, state. */
const FIELDS = 4;

/**
 * @typedef {object} ProjectPoint
 * @property {number} x px of the original picture.
 * @property {number} y
 * @property {number} confidence
 * @property {"absent" | "occluded" | "visible"} visibility
 * @property {boolean} placed By a person, or marked absent by one.
 */

/** The project as it is shown, and its points. Images are told apart by the ids of their rows, which stay when others come or go. */
export class AnnotationProject {
  #numbers;
  /** @type {Map<number, number>} Places by id. */ #places;

  /**
   * @param {protocol.ProjectView} view
   * @param {AnnotationProject | null} [before] Whose rows hold on where the view has none.
   */
  constructor(view, before = null) {
    this.view = view;
    this.rows = view.rows ?? before?.rows ?? [];
    this.#places = !view.rows && before ? before.#places : new Map(this.rows.map(({ id }, place) => [id, place]));
    const { buffer, byteOffset, byteLength } = view.points;
    this.#numbers = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }

  get count() {
    return this.rows.length;
  }

  /** @param {number} image */
  row(image) {
    return this.rows[this.#places.get(image) ?? -1];
  }

  /** The names of a layer.
   * @param {protocol.Layer} layer
   * @returns {protocol.Label[]}
   */
  labels(layer) {
    return layer === "keypoints" ? this.view.keypoints : this.view.landmarks;
  }

  /** The points of a layer on an image; none where it is gone.
   * @param {number} image
   * @param {protocol.Layer} layer
   * @returns {ProjectPoint[]}
   */
  points(image, layer) {
    const place = this.#places.get(image);
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

  /** The edges between the points of a layer.
   * @param {protocol.Layer} layer
   */
  edges(layer) {
    return layer === "keypoints" ? this.view.skeleton : [];
  }

  /** How many points of a layer a person placed on an image.
   * @param {number} image
   * @param {protocol.Layer} layer
   */
  placed(image, layer) {
    return this.points(image, layer).filter(({ placed }) => placed).length;
  }

  /** Those of some images that a person looks for.
   * @param {number[]} images
   * @param {"all" | "unlabelled" | "unsure" | "corrected"} filter
   * @param {protocol.Layer} layer
   */
  filtered(images, filter, layer) {
    if (filter === "unlabelled") return images.filter((id) => this.placed(id, layer) === 0);
    if (filter === "corrected") return images.filter((id) => this.placed(id, layer) > 0);
    if (filter === "all") return images;
    // The lowest quarter of all.
    const found = this.rows.filter(({ step }) => step !== null).map(({ confidence }) => confidence).sort((a, b) => a - b);
    const limit = found[Math.floor(found.length / 4)] ?? 0;
    return images.filter((id) => this.row(id).step !== null && this.row(id).confidence <= limit);
  }

  /** Images in the order in which they are looked at, by id.
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
 * Draws the points of a picture.
 * @param {CanvasRenderingContext2D} context
 * @param {protocol.Label[]} labels
 * @param {[number, number][]} edges
 * @param {ProjectPoint[]} points
 * @param {(point: ProjectPoint) => [number, number]} place Where a point lies on the canvas.
 * @param {{ radius: number, selected?: number }} how Radius of a point, px of the canvas.
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
    // What a person placed has a white heart; what is occluded is a ring.
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
