// @ts-check
/**
 * What is on the annotation desk, in a form that is easy to draw from.
 *
 * @module
 */

/** @import * as protocol from "../protocol.js" */

/** Names with numbers, as people count. */
const byName = new Intl.Collator("en", { numeric: true });
/** Of each point: x, y, confidence, state. */
const FIELDS = 4;

/**
 * @typedef {object} DeskPoint
 * @property {number} x px of the original picture.
 * @property {number} y
 * @property {number} confidence
 * @property {"absent" | "occluded" | "visible"} visibility
 * @property {boolean} placed By a person.
 */

/** A view of the desk and its points. */
export class Desk {
  #numbers;

  /** @param {protocol.DeskView} view */
  constructor(view) {
    this.view = view;
    const { buffer, byteOffset, byteLength } = view.points;
    this.#numbers = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }

  get count() {
    return this.view.sheets.length;
  }

  /** The names of a layer.
   * @param {protocol.Layer} layer
   * @returns {protocol.Label[]}
   */
  labels(layer) {
    return layer === "keypoints" ? this.view.keypoints : this.view.landmarks;
  }

  /** The points of a layer on a picture.
   * @param {number} image
   * @param {protocol.Layer} layer
   * @returns {DeskPoint[]}
   */
  points(image, layer) {
    const { keypoints, landmarks } = this.view;
    const first = layer === "keypoints" ? 0 : keypoints.length;
    const columns = keypoints.length + landmarks.length;
    return this.labels(layer).map((_, index) => {
      const at = FIELDS * (image * columns + first + index);
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

  /** Pictures in the order in which they are looked at.
   * @param {"name" | "unsure" | "sure" | "next"} order
   */
  order(order) {
    const { sheets, next } = this.view;
    const all = sheets.map((_, index) => index);
    if (order === "unsure") return all.sort((a, b) => sheets[a].confidence - sheets[b].confidence);
    if (order === "sure") return all.sort((a, b) => sheets[b].confidence - sheets[a].confidence);
    if (order === "next") return [...next, ...all.filter((index) => !next.includes(index))];
    return all.sort((a, b) => byName.compare(sheets[a].name, sheets[b].name));
  }
}

/**
 * Draws the points of a picture.
 * @param {CanvasRenderingContext2D} context
 * @param {protocol.Label[]} labels
 * @param {[number, number][]} edges
 * @param {DeskPoint[]} points
 * @param {(point: DeskPoint) => [number, number]} place Where a point lies on the canvas.
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
