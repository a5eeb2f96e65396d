// @ts-check
/**
 * The mask: one of the preview images with a mask over it.
 *
 * @module
 */

import { grouped } from "../format.js";
import { drawSkeleton } from "../skeleton.js";
import { checkbox, describe, drawOnCanvas, imageCanvas, pixelsOf, slider } from "./controls.js";

/** @import { Store } from "../state.js" */

/** Largest mask grid. */
const MOST = 32;

/**
 * @param {HTMLElement} figure
 * @param {Store} store
 */
export function maskFigure(figure, store) {
  // One random number per cell: a higher mask ratio hides the same cells and more.
  const chances = Float64Array.from({ length: MOST * MOST }, () => Math.random());
  let index = 0;

  const redraw = drawOnCanvas(figure, (context, side) => {
    const { views, palette } = store.state;
    if (!views || views.count === 0) {
      context.fillStyle = "#808080";
      context.fillRect(0, 0, side, side);
      return;
    }
    const shown = index % views.count;
    context.drawImage(imageCanvas(pixelsOf(views, shown), views.size), 0, 0, side, side);
    const cells = grid();
    context.fillStyle = "#808080";
    let hidden = 0;
    for (let cell = 0; cell < cells * cells; cell++) {
      if (chances[cell] >= ratio()) continue;
      hidden += 1;
      const [x, y] = [cell % cells, Math.floor(cell / cells)];
      const [left, top] = [Math.floor((x * side) / cells), Math.floor((y * side) / cells)];
      context.fillRect(left, top, Math.ceil(((x + 1) * side) / cells) - left, Math.ceil(((y + 1) * side) / cells) - top);
    }
    if (hint())
      drawSkeleton(context, { points: views.keypoints[shown] ?? [], strengths: views.edge_strengths, palette }, { left: 0, top: 0, side });
    describe(
      figure,
      `Image ${shown + 1} of ${views.count}: ${hidden} of ${grouped(cells * cells)} cells are hidden${hint() ? ", and the skeleton is drawn over them" : ""}`,
    );
  });
  const ratio = slider(figure, "ratio", (value) => `${Math.round(100 * value)}%`, redraw);
  const grid = slider(figure, "grid", (value) => `${value}`, redraw);
  const hint = checkbox(figure, "hint", redraw);
  figure.querySelector("button")?.addEventListener("click", () => {
    index += 1;
    redraw();
  });
  store.watch(["views", "palette"], redraw);
}
