// @ts-check
/**
 * What the pixel loss makes of a picture that is only moved aside.
 *
 * @module
 */

import { describe, easel, picture, pixelsOf, say, slider } from "./easel.js";

/** @import { Store } from "../state.js" */

/** Between the three pictures, as a share of their side. */
const GAP = 0.06;

/**
 * @param {HTMLElement} figure
 * @param {Store} store
 */
export function shiftFigure(figure, store) {
  const redraw = easel(figure, (context, width) => {
    const { views } = store.state;
    if (!views || views.count === 0) return;
    const { size } = views;
    const original = pixelsOf(views, 0);
    const moved = shifted(original, size, Math.round(shift() * size));
    const differing = new Uint8ClampedArray(original.length);
    for (let i = 0; i < original.length; i++) differing[i] = i % 4 === 3 ? 255 : Math.min(255, 2 * Math.abs(original[i] - moved[i]));
    const side = width / (3 + 2 * GAP);
    [original, moved, differing].forEach((rgba, at) => context.drawImage(picture(new Uint8ClampedArray(rgba), size), at * side * (1 + GAP), 0, side, side));

    const loss = meanSquare(original, moved);
    const others = Array.from({ length: views.count - 1 }, (_, i) => meanSquare(original, pixelsOf(views, i + 1)));
    const other = others.reduce((a, b) => a + b, 0) / others.length;
    const compared = others.length ? ` That is ${Math.round((100 * loss) / other)}% of what another picture costs (${other.toFixed(3)}, the mean of ${others.length}).` : "";
    say(figure, `Pixel loss: ${loss.toFixed(3)}.${compared}`);
    describe(figure, `A picture, the same picture moved aside by ${Math.round(shift() * size)} px, and their difference`);
  });
  const shift = slider(
    figure,
    "shift",
    (value) => `${Math.round(value * (store.state.views?.size ?? 64))} of ${store.state.views?.size ?? 64} px`,
    () => redraw(),
  );
  // Pictures change when others are loaded, not at each step.
  let known = "";
  store.watch(["views", "about"], ({ views, about }) => {
    const now = `${about} ${views?.size} ${views?.count}`;
    if (now === known) return;
    known = now;
    redraw();
  });
}

/** A picture moved to the right; its border is drawn out.
 * @param {Uint8ClampedArray} rgba
 * @param {number} size
 * @param {number} by px
 */
function shifted(rgba, size, by) {
  const moved = new Uint8ClampedArray(rgba.length);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = 4 * (y * size + Math.max(0, x - by));
      moved.set(rgba.subarray(from, from + 4), 4 * (y * size + x));
    }
  }
  return moved;
}

/** Of colours in [-1, 1].
 * @param {Uint8ClampedArray} a
 * @param {Uint8ClampedArray} b
 */
function meanSquare(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) sum += ((a[i] - b[i]) / 127.5) ** 2;
  return sum / (0.75 * a.length);
}
