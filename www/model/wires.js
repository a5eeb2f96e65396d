// @ts-check
/**
 * The arrows between stages, drawn over the tiles if these stand in two lanes.
 *
 * @module
 */

const SVG = "http://www.w3.org/2000/svg";
/** Radius of a bend, px. */
const BEND = 8;
/** Gap between the end of an arrow and the tile, px. */
const GAP = 4;

/** @typedef {{ left: number, right: number, top: number, bottom: number, middle: number, centre: number, captionTop: number }} Box */

/** Arrows, which are updated when the tiles move. */
export class Wires {
  #root;
  #svg;
  /** @type {Map<string, SVGPathElement>} By the stage that they lead to, with a letter if there are several. */ #paths = new Map();
  #layout = "";

  /** @param {HTMLElement} root Contains the tiles and `svg.wires`. */
  constructor(root) {
    this.#root = root;
    const svg = root.querySelector("svg");
    if (!svg) throw new Error("The flow has no SVG for arrows.");
    this.#svg = svg;
    const marker = document.createElementNS(SVG, "marker");
    for (const [name, value] of Object.entries({
      id: "wire-end",
      viewBox: "0 0 8 8",
      refX: "6",
      refY: "4",
      markerWidth: "7",
      markerHeight: "7",
      markerUnits: "userSpaceOnUse",
      orient: "auto",
    })) {
      marker.setAttribute(name, value);
    }
    const head = document.createElementNS(SVG, "path");
    head.setAttribute("d", "M0 0 8 4 0 8z");
    marker.append(head);
    svg.append(marker);
  }

  /**
   * @param {string} stage
   * @param {boolean} isLit
   */
  setLit(stage, isLit) {
    for (const [to, path] of this.#paths) if (to.split(" ")[0] === stage) path.classList.toggle("is-lit", isLit);
  }

  draw() {
    const frame = this.#root.getBoundingClientRect();
    /** @param {string} stage @returns {Box} */
    const box = (stage) => {
      const figure = this.#root.querySelector(`[data-stage="${stage}"]`);
      const rect = (figure?.querySelector("canvas, .network") ?? figure)?.getBoundingClientRect() ?? frame;
      const [left, right, top, bottom] = [rect.left - frame.left, rect.right - frame.left, rect.top - frame.top, rect.bottom - frame.top];
      const captionTop = (figure?.getBoundingClientRect().top ?? frame.top) - frame.top;
      return { left, right, top, bottom, middle: (top + bottom) / 2, centre: (left + right) / 2, captionTop };
    };
    const [image, detector, heat, keypoints, map, mask, masked, decoder, reconstruction, difference] = [
      "image",
      "detector",
      "heatmaps",
      "keypoints",
      "edge-map",
      "mask",
      "masked",
      "decoder",
      "reconstruction",
      "difference",
    ].map(box);
    const layout = JSON.stringify([frame.width, frame.height, image, difference]);
    if (layout === this.#layout) return;
    this.#layout = layout;
    // With fewer columns, only the numbers show the order.
    const isWide = Math.abs(image.top - reconstruction.top) < 2 && frame.width > 0;
    this.#svg.classList.toggle("is-wide", isWide);
    if (!isWide) return;
    this.#svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const across = (/** @type {Box} */ a, /** @type {Box} */ b, y = a.middle) => [
      [a.right + GAP, y],
      [b.left - GAP, y],
    ];
    this.#setPath("detector", across(image, detector));
    this.#setPath("heatmaps", across(detector, heat, heat.middle));
    this.#setPath("keypoints", across(heat, keypoints));
    this.#setPath("edge-map", across(keypoints, map));
    this.#setPath("decoder a", across(map, decoder));
    this.#setPath("masked", across(mask, masked));
    this.#setPath("decoder b", across(masked, decoder));
    this.#setPath("reconstruction", across(decoder, reconstruction, reconstruction.middle));
    const outside = frame.width - 2;
    this.#setPath("difference", [
      [reconstruction.right + GAP, reconstruction.middle],
      [outside, reconstruction.middle],
      [outside, difference.middle],
      [difference.right + GAP, difference.middle],
    ]);
    // The image goes to the other lane as well.
    this.#setPath("mask", [
      [(image.right + detector.left) / 2, image.middle],
      [(image.right + detector.left) / 2, mask.middle],
      [mask.left - GAP, mask.middle],
    ]);
  }

  /**
   * @param {string} to
   * @param {number[][]} corners
   */
  #setPath(to, corners) {
    let path = this.#paths.get(to);
    if (!path) {
      path = document.createElementNS(SVG, "path");
      path.setAttribute("marker-end", "url(#wire-end)");
      this.#svg.append(path);
      this.#paths.set(to, path);
    }
    path.setAttribute("d", roundedPath(corners));
  }
}

/** SVG path of straight lines with rounded corners.
 * @param {number[][]} corners
 */
function roundedPath(corners) {
  const [first] = corners;
  let d = `M${first[0]} ${first[1]}`;
  for (let i = 1; i < corners.length; i++) {
    const [x, y] = corners[i];
    const next = corners[i + 1];
    if (!next) return `${d}L${x} ${y}`;
    const towards = (/** @type {number[]} */ [tx, ty]) => {
      const length = Math.hypot(tx - x, ty - y) || 1;
      const bend = Math.min(BEND, length / 2);
      return `${x + ((tx - x) / length) * bend} ${y + ((ty - y) / length) * bend}`;
    };
    d += `L${towards(corners[i - 1])}Q${x} ${y} ${towards(next)}`;
  }
  return d;
}
