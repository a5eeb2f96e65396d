/**
 * What a stored run keeps of its training, so that runs can be compared without being opened.
 *
 * @module
 */

import type { PageState } from "../state/state.js";

/** Points of each curve that are kept. */
const POINTS = 120;

/** Values by step. */
export type Curve = [step: number, value: number][];

export interface Watched {
  /** Losses, each the mean of the steps since the one before. */
  losses: Curve;
  /** Losses of the held-out images. */
  heldOut: Curve;
  /** Landmark errors, as fractions of the image's side. */
  scores: [step: number, error: number, baseline: number][];
  /** The first preview images with their skeletons, as a data URL; empty without them. */
  skeletons: string;
}

/** Returns what a run keeps: at most {@link POINTS} points of each curve. */
export function watchedOf({ history, heldOutLosses, scores }: PageState, skeletons: string): Watched {
  const every = Math.max(1, Math.ceil(history.steps.length / POINTS));
  const losses: Curve = [];
  for (let i = 0; i < history.steps.length; i += every) {
    const part = history.losses.slice(i, i + every);
    losses.push([history.steps[Math.min(i + every, history.steps.length) - 1], short(part.reduce((a, b) => a + b) / part.length)]);
  }
  return {
    losses,
    heldOut: thinned(heldOutLosses.map(({ step, loss }) => [step, short(loss)])),
    scores: thinned(scores.map(({ step, error, baseline }) => [step, short(error), short(baseline)])),
    skeletons,
  };
}

/** Returns the state that shows the held-out losses and landmark errors of a stored run again. */
export function rewatched({ heldOut, scores }: Watched): Pick<PageState, "heldOutLosses" | "scores"> {
  return {
    heldOutLosses: heldOut.map(([step, loss]) => ({ step, loss })),
    scores: scores.map(([step, error, baseline]) => ({ step, error, baseline })),
  };
}

const short = (value: number) => Number(value.toPrecision(4));

/** Keeps the last point, and as many before it as there is room for. */
function thinned<T>(points: T[]): T[] {
  const every = Math.max(1, Math.ceil(points.length / POINTS));
  return points.filter((_, i) => (points.length - 1 - i) % every === 0);
}
