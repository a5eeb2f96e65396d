/**
 * Puts Explore into its section.
 *
 * @module
 */

import { mount } from "svelte";
import type { Store } from "../state.js";
import Explore from "./Explore.svelte";

/** Shows Explore in its section, in place of what is in there. */
export function showExplore(section: HTMLElement, store: Store): void {
  section.replaceChildren();
  mount(Explore, { target: section, props: { store } });
}
