// @ts-check
/**
 * The laboratory: How it works, edits, pose transfer, training history and training health.
 *
 * @module
 */

import { openModel } from "../model/model.js";
import { noEdits } from "../state.js";
import { openHealth } from "./diagnosis.js";
import { openHistory } from "./history.js";
import { openPoseTransfer } from "./pose_transfer.js";
import { enableEdits } from "./edits.js";

/** @import * as protocol from "../protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { EdgeMatrix } from "../matrix.js" */
/** @import { Store } from "../state.js" */
/** @import { PreviewCanvases } from "../views.js" */

/**
 * @param {Store} store
 * @param {{
 *   attempt: (command: (session: Session) => Promise<unknown>) => Promise<void>,
 *   download: (file: File) => void,
 *   announce: (text: string) => void,
 *   byId: (id: string) => HTMLElement,
 *   previews: PreviewCanvases,
 *   matrix: EdgeMatrix,
 * }} page
 */
export function openLab(store, { attempt, download, announce, byId, previews, matrix }) {
  const flow = openModel(store, byId("model"));
  enableEdits(store, flow, byId("flow"), announce);
  openPoseTransfer(store, /** @type {HTMLDetailsElement} */ (byId("poses")), attempt);
  openHistory(store, byId("training-history"), { attempt, download });
  openHealth(store, byId("diagnosis"));
  // Stages arrive right after the views that they belong to.
  store.watch(["stages", "demo", "edits", "palette", "edge", "point", "minStrength", "slow", "withKeypoints"], (state) => flow.show(state));

  // One request at a time; while the engine works, only the last one waits.
  let asking = false;
  let stale = false;
  const ask = async () => {
    stale = true;
    if (asking) return;
    asking = true;
    while (stale) {
      stale = false;
      const { engine, imageCount, edits } = store.state;
      if (engine === "running" && imageCount > 0) await attempt((session) => session.inspect(edits));
    }
    asking = false;
  };
  store.watch(["edits", "engine", "imageCount"], ask);

  // A new run has other keypoints and edges; the mask edit can stay.
  let run = store.state.run.id;
  let count = 0;
  store.watch(["run", "config", "imageCount"], (state) => {
    const isOther = state.run.id !== run || (state.config?.keypoints ?? 0) !== count;
    run = state.run.id;
    count = state.config?.keypoints ?? 0;
    if (!isOther) return;
    const { mask, preview } = state.edits;
    store.set({ edits: { ...noEdits(preview), mask }, pickedEdge: null, edge: null, point: null });
  });

  const choose = (/** @type {number} */ preview) => {
    if (preview !== store.state.edits.preview && !store.state.demo)
      store.set({ edits: { ...noEdits(preview), edges: store.state.edits.edges } });
  };
  previews.onChoose(choose);
  followPreviews(store, byId("flow-previews"), choose);
  store.watch(["edits", "edge", "point", "minStrength"], ({ edits, edge, point, minStrength }) =>
    previews.mark(edits.preview, { edge, point, minStrength }),
  );
  matrix.onEdge((edge, isPicked) => store.set(isPicked ? { pickedEdge: edge, edge } : { edge: edge ?? store.state.pickedEdge }));
  store.watch(["edge"], ({ edge }) => matrix.mark(edge));

  const slow = byId("slow-motion");
  slow.addEventListener("click", () => store.set({ slow: !store.state.slow }));
  store.watch(["slow"], (state) => slow.setAttribute("aria-pressed", `${state.slow}`));
}

/** Returns true if two views show the same images.
 * @param {protocol.PreviewViews} a
 * @param {protocol.PreviewViews | null} b
 */
function isSame(a, b) {
  if (a === b) return true;
  if (!b || a.size !== b.size || a.count !== b.count) return false;
  const length = 4 * a.count * a.size ** 2;
  for (let i = 0; i < length; i++) if (a.pixels[i] !== b.pixels[i]) return false;
  return true;
}

/** The preview images as a group of radio buttons.
 * @param {Store} store
 * @param {HTMLElement} root
 * @param {(preview: number) => void} choose
 */
function followPreviews(store, root, choose) {
  const side = 48;
  /** @type {HTMLInputElement[]} */
  let inputs = [];
  /** @type {HTMLCanvasElement[]} */
  let canvases = [];
  /** @type {protocol.PreviewViews | null} */
  let drawn = null;
  store.watch(["views", "demo", "edits"], ({ views, demo, edits }) => {
    const count = views?.count ?? 0;
    if (inputs.length !== count) {
      canvases = Array.from({ length: count }, () => Object.assign(document.createElement("canvas"), { width: side, height: side }));
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
    }
    const chosen = Math.min(edits.preview, count - 1);
    inputs.forEach((input, i) => {
      input.checked = i === chosen;
      // The recorded run has the stages of one image only.
      input.disabled = demo !== null && i !== chosen;
    });
    if (!views || isSame(views, drawn)) return;
    drawn = views;
    const { size, pixels } = views;
    canvases.forEach((canvas, i) => {
      const shown = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + i * size * size * 4, size * size * 4);
      if (canvas.width !== size) canvas.width = canvas.height = size;
      canvas.getContext("2d")?.putImageData(new ImageData(shown, size, size), 0, 0);
    });
  });
}
