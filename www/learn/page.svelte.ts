/**
 * The state of the page, as Svelte follows it.
 *
 * @module
 */

import type { PageState, Store } from "../state.js";

/** Follows some keys of the store, for as long as the page lives. */
export function follow<K extends keyof PageState>(store: Store, keys: K[]): { readonly state: Pick<PageState, K> } {
  let state = $state.raw<Pick<PageState, K>>(store.state);
  store.watch(keys, (next) => (state = next));
  return {
    get state() {
      return state;
    },
  };
}
