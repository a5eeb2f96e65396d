/**
 * Figures that the engine computes for the values of sliders.
 *
 * @module
 */

import type * as protocol from "../engine/protocol.js";
import type { Store } from "../state/state.js";

/** Requests a figure from the engine; undefined while there is no engine. */
export type Ask = (what: protocol.Illustration) => Promise<protocol.Illustrated | undefined>;

/**
 * Asks for a figure whenever its parameters change, one request at a time. Until the first answer, the figure of the recorded run is shown.
 * @param wanted Returns the figure's parameters; null without images for it.
 */
export function illustration(store: Store, ask: Ask, kind: protocol.Illustration["kind"], wanted: () => protocol.Illustration | null) {
  let answer = $state.raw<protocol.Illustrated | null>(null);
  let recorded = $state.raw<protocol.Illustrated | null>(null);
  let isAsking = false;
  let isStale = false;

  async function refresh() {
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale) {
      isStale = false;
      const what = wanted();
      const next = what ? await ask(what).catch(() => undefined) : undefined;
      if (next) answer = next;
    }
    isAsking = false;
  }

  store.watch(["demo"], ({ demo }) => (recorded = demo?.illustrated[kind] ?? recorded));
  store.watch(["engine"], ({ engine }) => engine === "running" && requestAnimationFrame(refresh));
  $effect(() => {
    wanted();
    refresh();
  });
  return {
    /** The figure; null if neither engine nor recording has sent it yet. */
    get shown() {
      return answer ?? recorded;
    },
  };
}
