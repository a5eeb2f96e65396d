// @ts-check
/**
 * The state of the page, in one place. Modules read it, `main.js` changes it, and each change is shown at the next frame.
 *
 * @module
 */

import { MIN_STRENGTH } from "../ui/skeleton.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { NamedFile } from "../autolink.js" */
/** @import { AnnotationProject } from "../annotate/annotation_project.js" */
/** @import { DemoRun } from "../explore/demo.js" */
/** @import { TrainedModel } from "./models.js" */
/** @import { Saved } from "./saves.js" */
/** @import { ReplacedRun } from "./autosave.js" */

/**
 * A button next to a message.
 * @typedef {"start-again" | "retry" | "use-cpu" | "resume-last" | "open-model" | "training-history" | "annotate" | "restore-run" | "reload" | "continue-run"} Remedy
 */

/**
 * The current run, as far as the browser stores it.
 * @typedef {object} Run
 * @property {string} id
 * @property {string} name Name to show: the images that it learns from.
 * @property {protocol.Source | null} source Sample that its images come from; null for files.
 * @property {number} savedStep Its last step that is safe: stored by the browser, or opened from a file.
 */

/**
 * @typedef {object} Message
 * @property {"info" | "error" | "done"} kind
 * @property {string} text
 * @property {Remedy[]} [remedies]
 */

/**
 * @typedef {object} PageState
 * @property {"starting" | "running" | "ended"} engine
 * @property {protocol.Backend | null} backend
 * @property {string} reason Sentence that says why this backend is in use.
 * @property {protocol.Setting[]} settings
 * @property {[protocol.Preset, protocol.Config][]} presets
 * @property {string[]} palette
 * @property {protocol.Phase} phase
 * @property {protocol.Config | null} config Settings in effect.
 * @property {Partial<protocol.Config>} staged Changes that wait for "Start new run".
 * @property {number} imageCount Number of images in training.
 * @property {{ count: number }} read Number of loaded images, removed ones included. A new object means other or more images.
 * @property {number[]} removedImages Indices of the removed images among all that were loaded.
 * @property {NamedFile[]} files The user's own files among the loaded ones.
 * @property {string} about Sentence that describes the images.
 * @property {protocol.Rejected[]} rejected
 * @property {number} step
 * @property {number} firstSkeletonStep Step at which a first skeleton can usually be recognised.
 * @property {string} runId Id of the run in the engine.
 * @property {number | null} loss
 * @property {number | null} stepsPerSecond
 * @property {number} elapsed Training time, s.
 * @property {boolean} isPlaying True if Play was pressed after Pause; the engine may not have reacted yet.
 * @property {boolean} isPausing True from the request to pause until the current step ends.
 * @property {boolean} resetting True until the engine has answered a reset.
 * @property {{ steps: number[], losses: number[] }} history Losses of this run. A new run gets a new object.
 * @property {number} historyLength Length of the history; makes its growth a change of state.
 * @property {DemoRun | null} demo The recorded run shown until the engine sends its own views; then null.
 * @property {protocol.PreviewViews | null} views
 * @property {protocol.Stages | null} stages All stages of the selected preview image.
 * @property {protocol.Edits} edits Index of the selected preview image, and its edits.
 * @property {[number, number] | null} edge The edge under the pointer, else the picked one.
 * @property {[number, number] | null} pickedEdge The edge that was clicked.
 * @property {number | null} point The keypoint under the pointer.
 * @property {number} minStrength Edges below this relative strength are not drawn.
 * @property {boolean} slow True in slow motion.
 * @property {protocol.ParameterCounts | null} parameters Numbers of parameters of the model; null before the engine is there.
 * @property {boolean} withKeypoints False while the model's picture shows the reconstruction without keypoints.
 * @property {number | null} stopStep Step at which training stops by itself; null for no limit.
 * @property {protocol.SnapshotView[]} snapshots Snapshots of the training history.
 * @property {{ a: number | null, b: number | null }} marks Steps of the two snapshots to compare; null for the newest.
 * @property {number[]} ringed Keypoints that training health speaks of, while it is open.
 * @property {number} heldOut Number of images that are held out of training.
 * @property {{ step: number, loss: number }[]} heldOutLosses Losses of the held-out images.
 * @property {{ step: number, error: number, baseline: number }[]} scores Landmark errors, for samples with known landmarks.
 * @property {{ what: string, done: number, total: number | null, isBytes: boolean } | null} progress
 * @property {string} model Description of the model or run that was opened.
 * @property {Run} run
 * @property {Saved[]} saves Runs stored in the browser, newest first.
 * @property {TrainedModel[]} models Trained models that come with the page.
 * @property {ReplacedRun | null} replacedRun The previous run, which can be restored.
 * @property {string} persisted Sentence on how long the browser keeps stored runs.
 * @property {string} autosaveError Sentence that says why the browser cannot store the run; empty if it can.
 * @property {protocol.FormatInfo[]} formats Export formats of annotations.
 * @property {AnnotationProject | null} project The annotation project.
 * @property {boolean} isDetecting True while keypoints of the project are detected.
 * @property {protocol.Rejected[]} fileNotes Notes on files added to the project.
 * @property {boolean} loading True until the engine has answered a load.
 * @property {Message | null} message
 */

/** A preview image without edits.
 * @param {number} preview Index.
 * @returns {protocol.Edits}
 */
export const noEdits = (preview) => ({ preview, mask: { kind: "usual" }, keypoints: null, edges: [] });

/** A new run with an id of its own.
 * @param {string} name
 * @param {protocol.Source | null} source
 * @returns {Run}
 */
export function newRun(name, source) {
  return { id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`, name, source, savedStep: 0 };
}

/** What is watched of a run that has not begun. @returns {Pick<PageState, "snapshots" | "marks" | "scores" | "heldOutLosses">} */
export const initialWatch = () => ({ snapshots: [], marks: { a: 0, b: null }, scores: [], heldOutLosses: [] });

/** The state before the engine has started. @returns {PageState} */
export const initialState = () => ({
  engine: "starting",
  backend: null,
  reason: "",
  settings: [],
  presets: [],
  palette: [],
  phase: "empty",
  config: null,
  staged: {},
  imageCount: 0,
  read: { count: 0 },
  removedImages: [],
  files: [],
  about: "",
  rejected: [],
  step: 0,
  firstSkeletonStep: 0,
  runId: "",
  loss: null,
  stepsPerSecond: null,
  elapsed: 0,
  isPlaying: false,
  isPausing: false,
  resetting: false,
  history: { steps: [], losses: [] },
  historyLength: 0,
  demo: null,
  views: null,
  stages: null,
  edits: noEdits(0),
  edge: null,
  pickedEdge: null,
  point: null,
  minStrength: MIN_STRENGTH,
  slow: false,
  parameters: null,
  withKeypoints: true,
  stopStep: null,
  ...initialWatch(),
  ringed: [],
  heldOut: 0,
  model: "",
  run: newRun("", null),
  saves: [],
  models: [],
  formats: [],
  project: null,
  isDetecting: false,
  fileNotes: [],
  replacedRun: null,
  persisted: "",
  autosaveError: "",
  progress: null,
  loading: false,
  message: null,
});

/**
 * Holds the state and notifies its watchers once per frame.
 */
export class Store {
  /** @type {PageState} */ #state = initialState();
  /** @type {Set<keyof PageState>} */ #changed = new Set();
  /** @type {((state: PageState, changed: Set<keyof PageState>) => void)[]} */ #views = [];
  /** @type {((state: PageState, changed: Set<keyof PageState>) => void)[]} */ #reactions = [];

  get state() {
    return this.#state;
  }

  /** @param {Partial<PageState>} patch */
  set(patch) {
    const first = this.#changed.size === 0;
    const keys = /** @type {(keyof PageState)[]} */ (Object.keys(patch)).filter((key) => !Object.is(this.#state[key], patch[key]));
    for (const key of keys) this.#changed.add(key);
    this.#state = { ...this.#state, ...patch };
    if (first && this.#changed.size > 0) requestAnimationFrame(() => this.#show());
    if (keys.length) notify(this.#reactions, this.#state, new Set(keys));
  }

  /**
   * Calls `act` immediately after each change of one of `keys`, also in a hidden tab.
   * @param {(keyof PageState)[]} keys
   * @param {(state: PageState) => void} act
   */
  react(keys, act) {
    this.#reactions.push((state, changed) => {
      if (keys.some((key) => changed.has(key))) act(state);
    });
  }

  /**
   * Calls `show` now, and in the frame after each change of one of `keys`.
   * @param {(keyof PageState)[]} keys
   * @param {(state: PageState) => void} show
   */
  watch(keys, show) {
    this.#views.push((state, changed) => {
      if (keys.some((key) => changed.has(key))) show(state);
    });
    notify([show], this.#state, new Set());
  }

  /**
   * Calls `show` in the frame after each change of one of `keys`, until the returned function is called. Svelte components use it through
   * `state/reactive.svelte.ts`.
   * @param {(keyof PageState)[]} keys
   * @param {(state: PageState) => void} show
   * @returns {() => void}
   */
  watchUntil(keys, show) {
    /** @param {PageState} state @param {Set<keyof PageState>} changed */
    const view = (state, changed) => {
      if (keys.some((key) => changed.has(key))) show(state);
    };
    this.#views.push(view);
    return () => {
      this.#views = this.#views.filter((other) => other !== view);
    };
  }

  #show() {
    const changed = this.#changed;
    this.#changed = new Set();
    notify(this.#views, this.#state, changed);
  }
}

/** Calls every listener. A listener that throws is reported and does not block the others.
 * @param {((state: PageState, changed: Set<keyof PageState>) => void)[]} listeners
 * @param {PageState} state
 * @param {Set<keyof PageState>} changed
 */
function notify(listeners, state, changed) {
  for (const listener of [...listeners]) {
    try {
      listener(state, changed);
    } catch (error) {
      reportError(error);
    }
  }
}

/** Appends an entry to a list in order of steps. An entry that does not follow the last one starts a new list.
 * @template {{ step: number }} T
 * @param {T[]} list
 * @param {T} next
 */
export const appendByStep = (list, next) => (next.step > (list.at(-1)?.step ?? -1) ? [...list, next] : [next]);

/** Appends the loss of a step to the history. A step that does not follow the last one starts a new history.
 * @param {PageState["history"]} history
 * @param {number} step
 * @param {number} loss
 */
export function appendLoss(history, step, loss) {
  const last = history.steps.at(-1) ?? 0;
  if (step <= last) return { steps: [step], losses: [loss] };
  history.steps.push(step);
  history.losses.push(loss);
  return history;
}

/** Truncates what is known of a run that went back to a step.
 * @param {PageState} state
 * @param {number} step
 */
export function truncateToStep({ history, snapshots, scores, heldOutLosses }, step) {
  const steps = history.steps.filter((taken) => taken <= step);
  const losses = history.losses.slice(0, steps.length);
  return {
    history: { steps, losses },
    historyLength: steps.length,
    loss: losses.at(-1) ?? null,
    snapshots: snapshots.filter((snapshot) => snapshot.step <= step),
    scores: scores.filter((score) => score.step <= step),
    heldOutLosses: heldOutLosses.filter((loss) => loss.step <= step),
  };
}

/** Returns true if the engine can train now.
 * @param {PageState} state
 */
export function canTrain({ engine, phase, imageCount, loading, resetting }) {
  return engine === "running" && phase !== "loading" && imageCount > 0 && !loading && !resetting;
}

/** Returns true if Play and Step can be pressed: training is possible, or will be soon.
 * @param {PageState} state
 */
export function isPressable({ engine, imageCount, loading, phase }) {
  return engine === "starting" || (engine === "running" && (imageCount > 0 || loading || phase === "loading"));
}

/** Returns true if the run has reached its last step.
 * @param {PageState} state
 */
export function isFinished({ step, stopStep }) {
  return stopStep !== null && step >= stopStep;
}
