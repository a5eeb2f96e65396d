/**
 * The page's state for Svelte components: the same `Store` that the other modules read, as reactive values.
 *
 * @module
 */

import { onDestroy } from "svelte";
import { createSubscriber } from "svelte/reactivity";
import type { PageState, Store } from "./state.js";

/**
 * Returns the state with every property reactive: a component that reads `state.step` is updated in the frame after each change of `step`,
 * and only then. Changes go through `store.set`. Call it while a component is being created: it ends with the component.
 */
export function reactive(store: Store): Readonly<PageState> {
  const subscriptions = new Map<string | symbol, () => void>();
  let isOver = false;
  onDestroy(() => (isOver = true));
  return new Proxy(store.state, {
    get(_, key) {
      let subscribe = subscriptions.get(key);
      if (!subscribe && !isOver) {
        subscribe = createSubscriber((update) => store.watchUntil([key as keyof PageState], update));
        subscriptions.set(key, subscribe);
      }
      subscribe?.();
      return store.state[key as keyof PageState];
    },
  });
}
