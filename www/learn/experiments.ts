/**
 * The experiments of the lesson: runs, described as links describe them, and edits of a trained model's images.
 *
 * @module
 */

import type * as protocol from "../engine/protocol.js";
import type { PageState, Store } from "../state/state.js";
import type { Ask } from "./illustration.svelte.js";

/** What the page does for the lesson. */
export interface Actions {
  ask: Ask;
  /** Starts a run as the address `?query` describes it. Returns false if it did not start. */
  startRun: (query: string) => Promise<boolean>;
  /** Opens the trained model of that name on its example images. Returns false if it could not be opened. */
  openModel: (name: string) => Promise<boolean>;
  /** Scrolls to the stages of the chosen image and focuses them. */
  showStages: () => void;
}

/** What a button sets up. */
export interface Experiment {
  label: string;
  /** Sentence for screen readers and for the line below the buttons. */
  done: string;
  /** A run, as the address `?run` describes it. */
  run?: string;
  /** Edits of an image of the trained model *Hands*. */
  edits?: (views: protocol.PreviewViews) => protocol.Edits;
}

const MODEL = "Hands";
/** Cells of its mask. */
const MASK_CELLS = 16 * 16;
/** Preview image with an open hand, and the keypoints of the model *Hands* on thumb and little finger. Numbers from 0. */
const OPEN_HAND = 4;
const THUMB = 5;
const LITTLE_FINGER = 10;
/** Preview images with a closed and with a pointing hand. */
const CLOSED_HAND = 0;
const POINTING_HAND = 1;
/** Keypoint on the tip of the raised finger of the pointing hand. */
const RAISED_TIP = 4;

/** A run on the 200 hands of the page with the preset *quick*, for as many steps as show a skeleton. */
const hands = (settings: string, steps = 300) => `preset=quick&sample=hands${settings && `&${settings}`}&steps=${steps}&start=1`;
const puppets = (settings: string, steps = 300) => `preset=quick&sample=puppets&${settings}&steps=${steps}&start=1`;

/** An image's place among the preview images, of which a person's own set may have few. */
const at = ({ count }: protocol.PreviewViews, preview: number) => Math.min(preview, count - 1);

const noEdits = (preview: number): protocol.Edits => ({ preview, mask: { kind: "usual" }, keypoints: null, edges: [] });

/** The edge with the largest weight, as `[from, to]` with `from < to`. */
export function strongestEdge(weights: number[][]): [number, number] {
  let best: [number, number] = [0, 1];
  weights.forEach((row, to) => {
    for (let from = 0; from < to; from++) if (row[from] > weights[best[0]][best[1]]) best = [from, to];
  });
  return best;
}

/** Hides every cell. */
const ALL_HIDDEN: protocol.MaskEdit = { kind: "painted", cells: Array(MASK_CELLS).fill(0) };

function thumbOnLittleFinger(views: protocol.PreviewViews): protocol.Edits {
  const preview = at(views, OPEN_HAND);
  return { ...noEdits(preview), keypoints: views.keypoints[preview].map((point, k, all) => (k === THUMB ? all[LITTLE_FINGER] : point)) };
}

function withoutRaisedFinger(views: protocol.PreviewViews): protocol.Edits {
  const others = views.edge_weights.map((_, k) => k).filter((k) => k !== RAISED_TIP);
  const edges = others.map((k) => ({ from: Math.min(k, RAISED_TIP), to: Math.max(k, RAISED_TIP), state: "off" as const }));
  return { ...noEdits(at(views, POINTING_HAND)), edges };
}

/** The experiments of each chapter, by the chapter's name. */
export const EXPERIMENTS = {
  "hide-nothing": [
    { label: "Train with a mask ratio of 0", done: "Training hands with nothing hidden, for 300 steps.", run: hands("mask_ratio=0") },
    { label: "Train with 0.8", done: "Training hands with four cells of five hidden, for 300 steps.", run: hands("") },
  ],
  "two-keypoints": [
    { label: "Train with two keypoints", done: "Training hands with two keypoints, for 300 steps.", run: hands("keypoints=2") },
  ],
  "drag-thumb": [
    { label: "Move the thumb’s keypoint", done: "Keypoint 6 now lies on keypoint 11, the little finger.", edits: thumbOnLittleFinger },
    {
      label: "Move it and hide all cells",
      done: "Keypoint 6 lies on keypoint 11, and the decoder sees no cell of the image.",
      edits: (views) => ({ ...thumbOnLittleFinger(views), mask: ALL_HIDDEN }),
    },
  ],
  "strongest-edge": [
    {
      label: "Switch off the strongest edge",
      done: "The strongest edge is switched off.",
      edits: (views) => {
        const [from, to] = strongestEdge(views.edge_weights);
        return { ...noEdits(at(views, POINTING_HAND)), edges: [{ from, to, state: "off" }] };
      },
    },
    {
      label: "Switch off the raised finger",
      done: "All edges of keypoint 5, the tip of the raised finger, are switched off.",
      edits: withoutRaisedFinger,
    },
    {
      label: "Switch it off and hide all cells",
      done: "All edges of keypoint 5 are switched off, and the decoder sees no cell of the image.",
      edits: (views) => ({ ...withoutRaisedFinger(views), mask: ALL_HIDDEN }),
    },
  ],
  "other-edge-map": [
    {
      label: "Give image 1 the edge map of image 2",
      done: "Image 1 now has the keypoints of image 2.",
      edits: (views) => ({ ...noEdits(CLOSED_HAND), keypoints: views.keypoints[at(views, POINTING_HAND)] }),
    },
  ],
  "pixel-loss": [
    { label: "Train with the pixel loss", done: "Training puppets with the pixel loss, for 300 steps.", run: puppets("loss=pixel") },
    {
      label: "Train with the perceptual loss",
      done: "Training puppets with the perceptual loss, for 300 steps.",
      run: puppets("loss=perceptual"),
    },
  ],
  "two-seeds": [
    { label: "Train with seed 0", done: "Training hands with seed 0, for 300 steps.", run: hands("seed=0") },
    { label: "Train with seed 1", done: "Training hands with seed 1, for 300 steps.", run: hands("seed=1") },
  ],
  "ten-images": [{ label: "Train on ten images", done: "Training on ten hands, for 300 steps.", run: hands("count=10") }],
} satisfies Record<string, Experiment[]>;

/** Longest wait for the views of an opened model, ms. */
const PATIENCE = 30_000;

/** The views of the current model on its images: not the recording's, and not those of the run before. */
function currentViews({ demo, views, step, config }: PageState) {
  const isCurrent = !demo && views?.step === step && views.keypoints[0]?.length === config?.keypoints;
  return isCurrent ? views : null;
}

/**
 * Sets up an experiment and shows it.
 * @returns False if the page could not do it; its message says why.
 */
export async function setUp(experiment: Experiment, store: Store, actions: Actions): Promise<boolean> {
  if (experiment.run && !(await actions.startRun(experiment.run))) return false;
  if (experiment.edits) {
    if (!(await actions.openModel(MODEL))) return false;
    const end = performance.now() + PATIENCE;
    while (!currentViews(store.state) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
    // The page drops the edits of the run before in its next frame.
    for (let frame = 0; frame < 2; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
    const views = currentViews(store.state);
    if (!views) return false;
    store.set({ edits: experiment.edits(views), pickedEdge: null, edge: null });
  }
  actions.showStages();
  return true;
}
