/**
 * Which snapshots of the training history are looked at: those at the two marks on the loss chart.
 *
 * @module
 */

import type * as protocol from "../engine/protocol.js";
import type { PageState } from "../state/state.js";
import { CHANNELS } from "../ui/views.js";

/** Returns the stored snapshots and the current state. */
export function upToNow({ snapshots, views, demo }: Pick<PageState, "snapshots" | "views" | "demo">): protocol.SnapshotView[] {
  const last = snapshots.at(-1);
  if (!last || !views || demo || views.step <= last.step) return snapshots;
  const { step, size, count, keypoints, edge_strengths } = views;
  const pixels = views.pixels.subarray(CHANNELS.reconstruction * count * size * size * 4);
  return [...snapshots, { step, size, count, pixels, keypoints, edge_strengths }];
}

/** Returns the place of the last snapshot that is not later than a step; of the newest one where there is no step. */
export function placeOf(snapshots: protocol.SnapshotView[], step: number | null): number {
  if (step === null) return snapshots.length - 1;
  const later = snapshots.findIndex((snapshot) => snapshot.step > step);
  return later === -1 ? snapshots.length - 1 : Math.max(0, later - 1);
}

/** Returns the step to mark for the snapshot at a place; none for the newest, so that the mark follows the run. */
export function stepAt(snapshots: protocol.SnapshotView[], place: number): number | null {
  return place >= snapshots.length - 1 ? null : snapshots[Math.max(0, place)].step;
}
