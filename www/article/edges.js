// @ts-check
/**
 * Two lines that cross, drawn as the model draws them: `w exp(-d^2 / thickness)`, the greater one where they meet.
 *
 * @module
 */

import { box, describe, easel, picture, say, slider } from "./easel.js";

/** Pixels along a side. */
const SIZE = 128;
/** The lines' ends, in [-1, 1]. */
const LINES = [
  [-0.7, -0.55, 0.65, 0.6],
  [-0.6, 0.65, 0.7, -0.4],
];

/** @param {HTMLElement} figure */
export function edgesFigure(figure) {
  const redraw = easel(figure, (context, side) => {
    const width = 10 ** thickness();
    const map = edgeMap(width, [1, weight()], sum());
    const rgba = new Uint8ClampedArray(4 * SIZE * SIZE);
    map.forEach((value, at) => rgba.set([9 + 246 * value, 10 + 230 * value, 28 + 180 * value, 255], 4 * at));
    context.drawImage(picture(rgba, SIZE), 0, 0, side, side);
    const brightest = Math.max(...map);
    // exp(-d^2 / width) = 1/2
    const half = Math.sqrt(width * Math.LN2);
    const text = `A line has faded to half at ${((100 * half) / 2).toFixed(1)}% of the side. The brightest spot has ${brightest.toFixed(2)}.`;
    say(figure, text);
    describe(figure, `Two lines that cross, weights 1 and ${weight().toFixed(2)}. ${text}`);
  });
  const changed = () => redraw();
  const thickness = slider(figure, "thickness", (value) => `${Number((10 ** value).toPrecision(2))}`, changed);
  const weight = slider(figure, "weight", (value) => value.toFixed(2), changed);
  const sum = box(figure, "sum", changed);
  redraw();
}

/**
 * @param {number} thickness
 * @param {number[]} weights
 * @param {boolean} isSum Whether brightness adds up.
 */
function edgeMap(thickness, weights, isSum) {
  return Float64Array.from({ length: SIZE * SIZE }, (_, at) => {
    const x = (2 * (at % SIZE)) / (SIZE - 1) - 1;
    const y = (2 * Math.floor(at / SIZE)) / (SIZE - 1) - 1;
    const values = LINES.map((line, k) => weights[k] * Math.exp(-squaredDistance(x, y, line) / thickness));
    return isSum ? values[0] + values[1] : Math.max(...values);
  });
}

/** Of a point to a segment.
 * @param {number} x
 * @param {number} y
 * @param {number[]} segment
 */
function squaredDistance(x, y, [x1, y1, x2, y2]) {
  const [u, v] = [x2 - x1, y2 - y1];
  const along = Math.min(1, Math.max(0, ((x - x1) * u + (y - y1) * v) / (u * u + v * v)));
  return (x - x1 - along * u) ** 2 + (y - y1 - along * v) ** 2;
}
