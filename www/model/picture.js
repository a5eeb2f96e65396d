// @ts-check
/**
 * The picture of the model with its chooser of images and its edits: on the page and in the pages of others.
 *
 * @module
 */

import { mount } from "svelte";
import { noEdits } from "../state/state.js";
import { openChooser } from "./chooser.js";
import Edits from "./Edits.svelte";
import { enableEdits } from "./edits.js";
import { openModel } from "./model.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { Store } from "../state/state.js" */

/**
 * @param {Store} store
 * @param {{
 *   attempt: (command: (session: Session) => Promise<unknown>) => Promise<void>,
 *   announce: (text: string) => void,
 *   byId: (id: string) => HTMLElement,
 * }} place `byId` finds `model`, `edits` and `flow-previews`, into which the parts go.
 * @returns {(preview: number) => void} Chooses the image that is followed.
 */
export function openPicture(store, { attempt, announce, byId }) {
  const flow = openModel(store, byId("model"), async (stage) => {
    /** @type {protocol.StageDetail | null} */ let detail = null;
    if (store.state.engine === "running")
      await attempt(async (session) => {
        detail = await session.explain(store.state.edits, stage);
      });
    return detail;
  });
  mount(Edits, { target: byId("edits") });
  enableEdits(store, flow, byId("edits"), announce);
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
  openChooser(store, byId("flow-previews"), choose);
  return choose;
}
