// @ts-check
/**
 * The laboratory: How it works, edits, pose transfer, and what is watched during training.
 *
 * @module
 */

import { openModel } from "./model.js";
import { noEdits } from "../state/state.js";
import { openTraining } from "../train/train.js";
import { openChooser } from "./chooser.js";
import { openPoseTransfer } from "./pose_transfer.js";
import { enableEdits } from "./edits.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { EdgeMatrix } from "../ui/matrix.js" */
/** @import { Store } from "../state/state.js" */
/** @import { PreviewCanvases } from "../ui/views.js" */

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
  const flow = openModel(store, byId("model"), async (stage) => {
    /** @type {protocol.StageDetail | null} */ let detail = null;
    if (store.state.engine === "running")
      await attempt(async (session) => {
        detail = await session.explain(store.state.edits, stage);
      });
    return detail;
  });
  enableEdits(store, flow, byId("flow"), announce);
  openPoseTransfer(store, /** @type {HTMLDetailsElement} */ (byId("poses")), attempt);
  openTraining(store, { attempt, download, byId });
  // Stages arrive right after the views that they belong to.
  store.watch(["stages", "demo", "edits", "palette", "edge", "point", "minStrength", "ringed", "slow", "withKeypoints"], (state) =>
    flow.show(state),
  );

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
  openChooser(store, byId("flow-previews"), choose);
  store.watch(["edits", "edge", "point", "minStrength", "ringed"], ({ edits, edge, point, minStrength, ringed }) =>
    previews.mark(edits.preview, { edge, point, minStrength, ringed }),
  );
  matrix.onEdge((edge, isPicked) => store.set(isPicked ? { pickedEdge: edge, edge } : { edge: edge ?? store.state.pickedEdge }));
  store.watch(["edge"], ({ edge }) => matrix.mark(edge));

  const slow = byId("slow-motion");
  slow.addEventListener("click", () => store.set({ slow: !store.state.slow }));
  store.watch(["slow"], (state) => slow.setAttribute("aria-pressed", `${state.slow}`));
}
