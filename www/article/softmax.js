// @ts-check
/**
 * From scores to a keypoint: two bumps of scores, their softmax, and the mean place.
 *
 * @module
 */

import { colour, describe, easel, say, slider } from "./easel.js";

/** Cells along a side. */
const CELLS = 16;
/** Where the bumps are, in cells, and how wide. */
const FIRST = [4, 11];
const SECOND = [12, 4];
const WIDTH = 1.6;
/** Closer than this, a keypoint is at a place; in cells. */
const NEAR = 1.5;

/** @param {HTMLElement} figure */
export function softmaxFigure(figure) {
  const redraw = easel(figure, (context, side) => {
    const { shares, x, y, near } = heatmap(sharpness(), second());
    const [low, high] = [colour(figure, "--heat-low"), colour(figure, "--heat-high")];
    const most = Math.max(...shares);
    const cell = side / CELLS;
    shares.forEach((share, at) => {
      const [r, g, b] = low.map((from, c) => from + (high[c] - from) * Math.sqrt(share / most));
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect((at % CELLS) * cell, Math.floor(at / CELLS) * cell, cell - 1, cell - 1);
    });
    context.beginPath();
    context.arc((x + 0.5) * cell, (y + 0.5) * cell, 8, 0, 2 * Math.PI);
    context.fillStyle = "#e69f00";
    context.fill();
    context.lineWidth = 2.5;
    context.strokeStyle = "#000000";
    context.stroke();
    const isAt = ([u, v] = FIRST) => Math.hypot(x - u, y - v) < NEAR;
    const where = isAt(FIRST) ? "at the first place" : isAt(SECOND) ? "at the second place" : "between the places, where nothing is";
    const text = `The keypoint is ${where}. ${Math.round(100 * near)}% of the shares lie near the first.`;
    say(figure, text);
    describe(figure, `A heatmap with two places. ${text}`);
  });
  const second = slider(figure, "second", (value) => `${Math.round(100 * value)}%`, () => redraw());
  const sharpness = slider(figure, "sharpness", (value) => value.toFixed(1), () => redraw());
  redraw();
}

/** Softmax of two bumps, its mean place in cells, and the share around the first bump.
 * @param {number} sharpness Score of the first.
 * @param {number} second Of that, the second one's.
 */
export function heatmap(sharpness, second) {
  const bump = (/** @type {number[]} */ [u, v], /** @type {number} */ x, /** @type {number} */ y) =>
    Math.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * WIDTH ** 2));
  const places = Array.from({ length: CELLS * CELLS }, (_, at) => [at % CELLS, Math.floor(at / CELLS)]);
  const raised = places.map(([x, y]) => Math.exp(sharpness * (bump(FIRST, x, y) + second * bump(SECOND, x, y))));
  const sum = raised.reduce((a, b) => a + b, 0);
  const shares = raised.map((value) => value / sum);
  const mean = (/** @type {(place: number[]) => number} */ of) => shares.reduce((total, share, at) => total + share * of(places[at]), 0);
  return {
    shares,
    x: mean(([x]) => x),
    y: mean(([, y]) => y),
    near: mean(([x, y]) => Number(Math.hypot(x - FIRST[0], y - FIRST[1]) < 2 * WIDTH)),
  };
}
