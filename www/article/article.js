// @ts-check
/**
 * The figures of the article. Some show the formulas of the method on made-up inputs, others the preview images.
 *
 * @module
 */

import { grouped } from "../format.js";
import { edgesFigure } from "./edges.js";
import { maskFigure } from "./mask.js";
import { shiftFigure } from "./shift.js";
import { softmaxFigure } from "./softmax.js";

/** @import { Store } from "../state.js" */
/** @import { Ask } from "./controls.js" */

/** Shortest interval between updates of the sentence about edges, ms. */
const UPDATE_EVERY = 5_000;

/**
 * @param {HTMLElement} article
 * @param {Store} store
 * @param {Ask} ask
 */
export function showFigures(article, store, ask) {
  const figure = (/** @type {string} */ name) => /** @type {HTMLElement} */ (article.querySelector(`[data-figure="${name}"]`));
  maskFigure(figure("mask"), store);
  softmaxFigure(figure("softmax"), store, ask);
  edgesFigure(figure("edges"), store, ask);
  shiftFigure(figure("shift"), store, ask);

  const sentence = /** @type {HTMLElement} */ (article.querySelector('[data-live="edges"]'));
  let updatedAt = -Infinity;
  store.watch(["views", "demo", "phase"], ({ views, demo, phase }) => {
    const now = performance.now();
    if (phase === "training" && now - updatedAt < UPDATE_EVERY) return;
    updatedAt = now;
    sentence.textContent = views
      ? aboutEdges(
          views.edge_weights,
          demo ? `In the recorded run, at step ${grouped(views.step)},` : `On this page, at step ${grouped(views.step)},`,
        )
      : "";
  });
}

/** @param {number[][]} weights @param {string} where */
function aboutEdges(weights, where) {
  const edges = weights.flatMap((row, i) => row.slice(0, i).map((weight, j) => ({ weight, i, j }))).sort((a, b) => b.weight - a.weight);
  if (edges.length === 0) return "";
  const [{ weight, i, j }] = edges;
  const middle = edges[Math.floor(edges.length / 2)].weight;
  return `${where} the strongest edge joins keypoints ${j + 1} and ${i + 1} with weight ${weight.toFixed(3)}. Half of all edges are below ${middle.toFixed(3)}.`;
}
