// @ts-check
/**
 * A figure of the current state for a slide or a report: one column per image, one row per view. Skeletons are vector shapes, so that they
 * stay sharp and editable; the images are embedded.
 *
 * @module
 */

import { counted, grouped } from "./format.js";
import { MIN_STRENGTH } from "./skeleton.js";

/** @import * as protocol from "../engine/protocol.js" */

/** Largest number of columns. */
const COLUMNS = 6;
/** Side of an image in the figure, px. */
const SIDE = 160;
const GAP = 10;
const LABEL = 176;
const MARGIN = 24;
/** Pixels of the PNG per pixel of the figure, in each direction. */
const SCALE = 2;
const FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** Rows of the figure: title, index of the stored image, and whether the skeleton is drawn. */
const ROWS = /** @type {const} */ ([
  { title: "Input", channel: 0, isSkeleton: false },
  { title: "Skeleton", channel: 0, isSkeleton: true },
  { title: "Edge map", channel: 2, isSkeleton: false },
  { title: "Masked input", channel: 1, isSkeleton: false },
  { title: "Reconstruction", channel: 3, isSkeleton: false },
]);

/**
 * @typedef {object} Figure
 * @property {string} svg
 * @property {number} width px
 * @property {number} height px
 * @property {string} about Description for the alt text.
 */

/**
 * @param {protocol.PreviewViews} views
 * @param {string[]} palette
 * @param {{ caption: string, columns?: number }} options `caption` is a line below the figure.
 * @returns {Promise<Figure>}
 */
export async function figureOf(views, palette, { caption, columns = COLUMNS }) {
  const shown = Math.min(columns, views.count);
  const width = 2 * MARGIN + LABEL + shown * SIDE + (shown - 1) * GAP;
  const height = 2 * MARGIN + ROWS.length * (SIDE + GAP) - GAP + 36;
  /** @type {string[]} */ const parts = [];
  for (const [row, { title, channel, isSkeleton }] of ROWS.entries()) {
    const y = MARGIN + row * (SIDE + GAP);
    parts.push(`<text x="${MARGIN}" y="${y + SIDE / 2 + 7}" font-weight="600">${title}</text>`);
    for (let index = 0; index < shown; index++) {
      const x = MARGIN + LABEL + index * (SIDE + GAP);
      const image = await imageOf(views, channel, index);
      parts.push(
        `<svg x="${x}" y="${y}" width="${SIDE}" height="${SIDE}" viewBox="0 0 1 1">`,
        `<image width="1" height="1" preserveAspectRatio="none" href="${image}"/>`,
        isSkeleton ? skeletonOf(views, palette, index) : "",
        "</svg>",
      );
    }
  }
  parts.push(`<text x="${MARGIN}" y="${height - MARGIN}" fill="#555d6b">${escaped(caption)}</text>`);
  const about = `${counted(shown, "image")} at step ${grouped(views.step)}: ${ROWS.map(({ title }) => title.toLowerCase()).join(", ")}`;
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="20" fill="#1b1f27">`,
    `<title>${escaped(about)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
  ].join("\n");
  return { svg, width, height, about };
}

/** Renders a figure as PNG.
 * @param {Figure} figure
 * @returns {Promise<Blob>}
 */
export async function pngOf({ svg, width, height }) {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = SCALE * width;
    canvas.height = SCALE * height;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!png) throw new Error("This browser could not draw the figure.");
    return png;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** SVG of edges and keypoints over an image of size 1 x 1.
 * @param {protocol.PreviewViews} views
 * @param {string[]} palette
 * @param {number} index
 */
export function skeletonOf({ keypoints, edge_strengths }, palette, index) {
  const points = keypoints[index] ?? [];
  const n = (/** @type {number} */ value) => Number(value.toFixed(4));
  const edges = points
    .flatMap((_, i) => points.slice(0, i).map((_, j) => ({ i, j, strength: edge_strengths[i]?.[j] ?? 0 })))
    .filter(({ strength }) => strength >= MIN_STRENGTH)
    .sort((a, b) => a.strength - b.strength);
  const lines = edges.flatMap(({ i, j, strength }) => {
    const [[x1, y1], [x2, y2]] = [points[i], points[j]];
    const line = `data-strength="${n(strength)}" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"`;
    const width = 0.01 + 0.022 * strength;
    return [
      `<line ${line} stroke="#000000" stroke-opacity="${n(0.5 * strength)}" stroke-width="${n(width + 0.02)}"/>`,
      `<line ${line} stroke="#ffffff" stroke-opacity="${n(strength ** 0.6)}" stroke-width="${n(width)}"/>`,
    ];
  });
  const radius = points.length > 24 ? 0.026 : 0.038;
  const circles = points.map(
    ([x, y], k) =>
      `<circle data-k="${k}" cx="${n(x)}" cy="${n(y)}" r="${radius}" fill="${palette[k] ?? "#ffffff"}"><title>Keypoint ${k + 1}</title></circle>`,
  );
  return [
    `<rect width="1" height="1" fill-opacity="0.3"/>`,
    `<g stroke-linecap="round">${lines.join("")}</g>`,
    `<g stroke="#000000" stroke-opacity="0.75" stroke-width="0.014">${circles.join("")}</g>`,
  ].join("");
}

/** Encodes one of the stored images as a data URL.
 * @param {protocol.PreviewViews} views
 * @param {number} channel
 * @param {number} index
 * @returns {Promise<string>}
 */
export async function imageOf({ size, count, pixels }, channel, index) {
  const canvas = new OffscreenCanvas(size, size);
  const area = 4 * size * size;
  const first = pixels.byteOffset + (channel * count + index) * area;
  canvas.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer, first, area), size, size), 0, 0);
  const png = await canvas.convertToBlob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(`${reader.result}`));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(png);
  });
}

/** Escapes a text for SVG and HTML. @param {string} text */
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
