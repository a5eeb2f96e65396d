// @ts-check
/**
 * From scores to a keypoint: scores with two peaks, their softmax, and the mean position.
 *
 * @module
 */

import { illustrations, colour, describe, drawOnCanvas, setReadout, slider } from "./controls.js";

/** @import { Store } from "../state.js" */
/** @import { Ask } from "./controls.js" */

/**
 * @param {HTMLElement} figure
 * @param {Store} store
 * @param {Ask} ask
 */
export function softmaxFigure(figure, store, ask) {
  const redraw = drawOnCanvas(figure, (context, side) => {
    const shown = drawn.answer();
    if (!shown?.keypoint) return;
    const [low, high] = [colour(figure, "--heat-low"), colour(figure, "--heat-high")];
    const cell = side / shown.size;
    shown.pixels.forEach((share, at) => {
      const [r, g, b] = low.map((from, c) => from + (high[c] - from) * Math.sqrt(share / 255));
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect((at % shown.size) * cell, Math.floor(at / shown.size) * cell, cell - 1, cell - 1);
    });
    context.beginPath();
    context.arc(shown.keypoint[0] * side, shown.keypoint[1] * side, 8, 0, 2 * Math.PI);
    context.fillStyle = store.state.palette[0] ?? "#ffffff";
    context.fill();
    context.lineWidth = 2.5;
    context.strokeStyle = "#000000";
    context.stroke();
    setReadout(figure, shown.caption);
    describe(figure, `A heatmap with two peaks. ${shown.caption}`);
  });
  const drawn = illustrations(store, ask, "heatmap", () => ({ kind: "heatmap", highest: sharpness(), second: second() }), redraw);
  const second = slider(figure, "second", (value) => `${Math.round(100 * value)}%`, drawn.request);
  const sharpness = slider(figure, "sharpness", (value) => value.toFixed(1), drawn.request);
}
