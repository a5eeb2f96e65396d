// @ts-check
/**
 * Two crossing edges, drawn as in the edge map: `w exp(-d^2 / thickness)`, and the maximum where they meet.
 *
 * @module
 */

import { illustrations, checkbox, describe, drawOnCanvas, imageCanvas, setReadout, slider } from "./controls.js";

/** @import { Store } from "../state.js" */
/** @import { Ask } from "./controls.js" */

/**
 * @param {HTMLElement} figure
 * @param {Store} store
 * @param {Ask} ask
 */
export function edgesFigure(figure, store, ask) {
  const redraw = drawOnCanvas(figure, (context, side) => {
    const shown = drawn.answer();
    if (!shown) return;
    const rgba = new Uint8ClampedArray(4 * shown.size ** 2);
    shown.pixels.forEach((value, at) => rgba.set([9 + 0.965 * value, 10 + 0.902 * value, 28 + 0.706 * value, 255], 4 * at));
    context.drawImage(imageCanvas(rgba, shown.size), 0, 0, side, side);
    setReadout(figure, shown.caption);
    describe(figure, `Two edges that cross, weights 1 and ${weight().toFixed(2)}. ${shown.caption}`);
  });
  const drawn = illustrations(
    store,
    ask,
    "lines",
    () => ({ kind: "lines", thickness: 10 ** thickness(), weight: weight(), sum: sum() }),
    redraw,
  );
  const thickness = slider(figure, "thickness", (value) => `${Number((10 ** value).toPrecision(2))}`, drawn.request);
  const weight = slider(figure, "weight", (value) => value.toFixed(2), drawn.request);
  const sum = checkbox(figure, "sum", drawn.request);
}
