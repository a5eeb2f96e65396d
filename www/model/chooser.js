// @ts-check
/**
 * The preview images with their skeletons, as a group of radio buttons: what the model has learned, and the chooser of the image that How it
 * works follows.
 *
 * @module
 */

import { drawSkeleton } from "../ui/skeleton.js";
import { drawSquare } from "../ui/squares.js";

/** @import { Highlight } from "../ui/skeleton.js" */
/** @import { Store } from "../state/state.js" */
/** @import * as protocol from "../engine/protocol.js" */

/** Side of a drawn image, in pixels of the canvas; `model.css` shows at most 6rem. */
const SIDE = Math.min(192, Math.round(96 * (devicePixelRatio || 1)));

/**
 * @param {Store} store
 * @param {HTMLElement} root
 * @param {(preview: number) => void} choose
 */
export function openChooser(store, root, choose) {
  /** @type {HTMLInputElement[]} */ let inputs = [];
  /** @type {HTMLCanvasElement[]} */ let canvases = [];

  const build = (/** @type {number} */ count) => {
    canvases = Array.from({ length: count }, () => Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE }));
    inputs = canvases.map((canvas, i) => {
      const input = Object.assign(document.createElement("input"), {
        type: "radio",
        name: "preview",
        value: `${i}`,
        className: "visually-hidden",
      });
      input.setAttribute("aria-label", `Image ${i + 1}`);
      input.addEventListener("change", () => choose(i));
      canvas.setAttribute("aria-hidden", "true");
      return input;
    });
    root.replaceChildren(
      ...inputs.map((input, i) => {
        const label = document.createElement("label");
        label.append(input, canvases[i]);
        return label;
      }),
    );
  };

  store.watch(["views", "demo", "edits"], ({ views, demo, edits }) => {
    const count = views?.count ?? 0;
    if (inputs.length !== count) build(count);
    const chosen = Math.min(edits.preview, count - 1);
    inputs.forEach((input, i) => {
      input.checked = i === chosen;
      // The recorded run has the stages of one image only.
      input.disabled = demo !== null && i !== chosen;
    });
  });
  store.watch(["views", "palette", "edge", "point", "minStrength", "ringed"], ({ views, palette, edge, point, minStrength, ringed }) => {
    if (!views) return;
    canvases.forEach((canvas, i) => draw(canvas, i, views, palette, { edge, point, minStrength, ringed }));
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} i
 * @param {protocol.PreviewViews} views
 * @param {string[]} palette
 * @param {Highlight} highlight
 */
function draw(canvas, i, { size, pixels, keypoints, edge_strengths }, palette, highlight) {
  const context = canvas.getContext("2d");
  if (!context) return;
  drawSquare(context, pixels, size, i, 0, 0, SIDE);
  context.fillStyle = "rgb(0 0 0 / 0.3)";
  context.fillRect(0, 0, SIDE, SIDE);
  const skeleton = { points: keypoints[i] ?? [], strengths: edge_strengths, palette };
  drawSkeleton(context, skeleton, { left: 0, top: 0, side: SIDE }, highlight);
}
