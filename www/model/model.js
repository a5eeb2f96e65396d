// @ts-check
/**
 * Mounts the picture of the model.
 *
 * @module
 */

import { flushSync, mount } from "svelte";
import { Flow } from "./flow.js";
import Model from "./Model.svelte";

/** @import { Store } from "../state/state.js" */
/** @import { Explain } from "./explained.svelte.js" */

/**
 * @param {Store} store
 * @param {HTMLElement} target
 * @param {Explain} explain
 */
export function openModel(store, target, explain) {
  mount(Model, { target, props: { store, explain } });
  flushSync();
  const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (target.querySelector(`#${id}`));
  return new Flow(find("flow-tiles"), find("flow-caption"), {
    with: find("flow-error"),
    without: find("flow-error-without-keypoints"),
  });
}
