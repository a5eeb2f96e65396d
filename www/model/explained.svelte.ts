/**
 * The numbers of an open stage, which the engine computes.
 *
 * @module
 */

import type { StageDetail, StageQuery } from "../engine/protocol.js";
import type { PageState } from "../state/state.js";

/** Asks the engine for the numbers of a stage of the shown image; null if it cannot tell. */
export type Explain = (stage: StageQuery) => Promise<StageDetail | null>;

/** Shortest time between two questions during training, ms. */
const EVERY = 1_000;

/**
 * Asks for the numbers of a stage whenever the shown image, its edits or the model change, one question at a time. Call it while a component
 * is being created.
 * @param wanted Returns the stage.
 */
export function explained<K extends StageDetail["kind"]>(page: Readonly<PageState>, explain: Explain, kind: K, wanted: () => StageQuery) {
  let detail = $state.raw<Extract<StageDetail, { kind: K }> | null>(null);
  let isAsking = false;
  let isStale = false;
  let isOver = false;

  async function refresh() {
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale && !isOver) {
      isStale = false;
      const start = performance.now();
      const answer = await explain(wanted());
      if (answer?.kind === kind) detail = answer as Extract<StageDetail, { kind: K }>;
      const rest = page.phase === "training" ? EVERY - (performance.now() - start) : 0;
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    }
    isAsking = false;
  }

  $effect(() => {
    void [page.stages, wanted()];
    refresh();
  });
  $effect(() => () => {
    isOver = true;
  });
  return {
    /** The numbers; null until the first answer. */
    get detail() {
      return detail;
    },
  };
}
