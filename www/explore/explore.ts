/**
 * Puts Explore into its section.
 *
 * @module
 */

import { mount } from "svelte";
import type { Session } from "../autolink.js";
import type { Store } from "../state/state.js";
import Explore from "./Explore.svelte";

/** Shows Explore in its section, in place of what is in there. */
export function showExplore(section: HTMLElement, store: Store, session: () => Session | null): void {
  section.replaceChildren();
  mount(Explore, { target: section, props: { store, session } });
}
