// @ts-check
/**
 * The laboratory: How it works, edits, pose transfer, and what is watched during training.
 *
 * @module
 */

import { openTraining } from "../train/train.js";
import { openPicture } from "./picture.js";
import { openPoseTransfer } from "./pose_transfer.js";

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
  const choose = openPicture(store, { attempt, announce, byId });
  openPoseTransfer(store, /** @type {HTMLDetailsElement} */ (byId("poses")), attempt);
  openTraining(store, { attempt, download, byId });
  previews.onChoose(choose);
  store.watch(["edits", "edge", "point", "minStrength", "ringed"], ({ edits, edge, point, minStrength, ringed }) =>
    previews.mark(edits.preview, { edge, point, minStrength, ringed }),
  );
  matrix.onEdge((edge, isPicked) => store.set(isPicked ? { pickedEdge: edge, edge } : { edge: edge ?? store.state.pickedEdge }));
  store.watch(["edge"], ({ edge }) => matrix.mark(edge));

  const slow = byId("slow-motion");
  slow.addEventListener("click", () => store.set({ slow: !store.state.slow }));
  store.watch(["slow"], (state) => slow.setAttribute("aria-pressed", `${state.slow}`));
}
