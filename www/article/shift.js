// @ts-check
/**
 * The pixel loss between an image and the same image shifted.
 *
 * @module
 */

import { illustrations, describe, drawOnCanvas, imageCanvas, setReadout, slider } from "./controls.js";

/** @import { Store } from "../state.js" */
/** @import { Ask } from "./controls.js" */

/** Gap between the three images, as a fraction of their side. */
const GAP = 0.06;

/**
 * @param {HTMLElement} figure
 * @param {Store} store
 * @param {Ask} ask
 */
export function shiftFigure(figure, store, ask) {
  const redraw = drawOnCanvas(figure, (context, width) => {
    const shown = drawn.answer();
    if (!shown) return;
    const side = width / (3 + 2 * GAP);
    const area = 4 * shown.size ** 2;
    for (let at = 0; at < 3; at++) {
      const rgba = new Uint8ClampedArray(shown.pixels.slice(at * area, (at + 1) * area));
      context.drawImage(imageCanvas(rgba, shown.size), at * side * (1 + GAP), 0, side, side);
    }
    setReadout(figure, shown.caption);
    describe(figure, "An image, the same image shifted, and their difference");
  });
  const drawn = illustrations(
    store,
    ask,
    "shift",
    () => (store.state.views && !store.state.demo ? { kind: "shift", by: shift() } : null),
    redraw,
  );
  const size = () => store.state.views?.size ?? 64;
  const shift = slider(figure, "shift", (value) => `${Math.round(value * size())} of ${size()} px`, drawn.request);
  // The illustration changes with the images, not at each step.
  /** @type {unknown[]} */ let known = [];
  store.watch(["views"], ({ views, read, removedImages, config }) => {
    const now = [read, removedImages, views?.count, views?.size, config?.fit];
    if (now.every((part, at) => part === known[at])) return;
    known = now;
    drawn.request();
  });
}
