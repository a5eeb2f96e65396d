// @ts-check
/**
 * What the page knows, in one place. Modules read it, `main.js` changes it, and each change is shown at the next frame.
 *
 * @module
 */

import { MIN_STRENGTH } from "./skeleton.js";

/** @import * as protocol from "./protocol.js" */
/** @import { NamedFile } from "./autolink.js" */
/** @import { AnnotationProject } from "./annotate/annotation_project.js" */
/** @import { DemoRun } from "./demo.js" */
/** @import { TrainedModel } from "./models.js" */
/** @import { Saved } from "./saves.js" */
/** @import { ReplacedRun } from "./autosave.js" */

/**
 * A button that a message offers.
 * @typedef {"start-again" | "retry" | "use-cpu" | "resume-last" | "open-model" | "look-back" | "annotate" | "undo-run" | "reload" | "go-on"} Remedy
 */

/**
 * The run under way, as far as the browser keeps it.
 * @typedef {object} Run
 * @property {string} id
 * @property {string} name What it learns from, for people.
 * @property {protocol.Source | null} source Where its pictures can be had again.
 * @property {number} savedStep Its last step that is safe: kept, or opened from a file.
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
 * @property {string} reason Why that backend.
 * @property {protocol.Setting[]} settings
 * @property {[protocol.Preset, protocol.Config][]} presets
 * @property {string[]} palette
 * @property {protocol.Phase} phase
 * @property {protocol.Config | null} config In force.
 * @property {Partial<protocol.Config>} staged Changes that wait for "Start new run".
 * @property {number} imageCount
 * @property {{ count: number }} read How many were read, those left out included; the object is replaced when there are others, or more.
 * @property {number[]} removedImages The places of those that are left out, among all that were read.
 * @property {NamedFile[]} files A person's own files among what they came from.
 * @property {string} about
 * @property {protocol.Rejected[]} rejected
 * @property {number} step
 * @property {string} runId What the engine knows the run by.
 * @property {number | null} loss
 * @property {number | null} stepsPerSecond
 * @property {number} elapsed Seconds.
 * @property {boolean} isPlaying Play was pressed last, and not Pause; the engine may not have come to it.
 * @property {boolean} isPausing The pause was asked for, and the step under way is not over.
 * @property {boolean} resetting The reset was asked for and not yet answered.
 * @property {{ steps: number[], losses: number[] }} history Of this run; the object is replaced when a run starts.
 * @property {number} historyLength So that a growing history counts as a change.
 * @property {DemoRun | null} demo What views and parts are until the engine's own come; then nothing.
 * @property {protocol.PreviewViews | null} views
 * @property {protocol.Stages | null} stages The chosen probe, taken apart.
 * @property {protocol.Edits} edits Which probe that is, and what is changed on its way.
 * @property {[number, number] | null} edge The edge that is pointed at, or else picked.
 * @property {[number, number] | null} pickedEdge
 * @property {number | null} point The keypoint that is pointed at.
 * @property {number} minStrength Weaker edges stay undrawn.
 * @property {boolean} slow Slow motion.
 * @property {number | null} stopStep The step at which training stops by itself.
 * @property {protocol.SnapshotView[]} snapshots What the run looked like on its way.
 * @property {{ step: number, error: number, baseline: number }[]} scores How well keypoints tell joints, where these are known.
 * @property {{ what: string, done: number, total: number | null, isBytes: boolean } | null} progress
 * @property {string} model What the run goes on from, if a model or a run was opened.
 * @property {Run} run
 * @property {Saved[]} saves Runs that the browser keeps, the newest first.
 * @property {TrainedModel[]} models Those that come with the page.
 * @property {ReplacedRun | null} replacedRun The run before, which can come back.
 * @property {string} persisted What the browser says about how long it keeps them.
 * @property {string} autosaveError Why the browser keeps nothing; empty while it does.
 * @property {protocol.Offer[]} formats What annotations can be exported as.
 * @property {AnnotationProject | null} project What is on the annotation desk.
 * @property {boolean} isDetecting Keypoints are being found.
 * @property {protocol.Rejected[]} fileNotes Files of the desk that could not be used, or need a word.
 * @property {boolean} loading A load was asked for and not yet answered.
 * @property {Message | null} message
 */

/** A probe as it is, before anybody touches it.
 * @param {number} probe
 * @returns {protocol.Edits}
 */
export const noEdits = (probe) => ({ probe, cover: { kind: "usual" }, keypoints: null, edges: [] });

/** A run that begins.
 * @param {string} name
 * @param {protocol.Source | null} source
 * @returns {Run}
 */
export function newRun(name, source) {
  return { id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`, name, source, savedStep: 0 };
}

/** @returns {PageState} */
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
  stopStep: null,
  snapshots: [],
  scores: [],
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
 * Holds the state and tells, once a frame, what has changed.
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
   * Calls `act` after each change of one of `keys`, at once: also in a tab that shows no frames.
   * @param {(keyof PageState)[]} keys
   * @param {(state: PageState) => void} act
   */
  react(keys, act) {
    this.#reactions.push((state, changed) => {
      if (keys.some((key) => changed.has(key))) act(state);
    });
  }

  /**
   * Calls `show` at once, and after each change of one of `keys`.
   * @param {(keyof PageState)[]} keys
   * @param {(state: PageState) => void} show
   */
  watch(keys, show) {
    this.#views.push((state, changed) => {
      if (keys.some((key) => changed.has(key))) show(state);
    });
    notify([show], this.#state, new Set());
  }

  #show() {
    const changed = this.#changed;
    this.#changed = new Set();
    notify(this.#views, this.#state, changed);
  }
}

/** Calls every listener; one that throws is reported, and the others hear all the same.
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

/** Appends what belongs to a step; one that does not follow starts anew.
 * @template {{ step: number }} T
 * @param {T[]} list
 * @param {T} next
 */
export const appendByStep = (list, next) => (next.step > (list.at(-1)?.step ?? -1) ? [...list, next] : [next]);

/** Appends a step to the history; a step that does not follow starts it anew.
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

/** What is left of a run that went back to a step.
 * @param {PageState} state
 * @param {number} step
 */
export function backTo({ history, snapshots, scores }, step) {
  const steps = history.steps.filter((taken) => taken <= step);
  const losses = history.losses.slice(0, steps.length);
  return {
    history: { steps, losses },
    historyLength: steps.length,
    loss: losses.at(-1) ?? null,
    snapshots: snapshots.filter((snapshot) => snapshot.step <= step),
    scores: scores.filter((score) => score.step <= step),
  };
}

/** Whether play, step and reset do something.
 * @param {PageState} state
 */
export function canTrain({ engine, phase, imageCount, loading, resetting }) {
  return engine === "running" && phase !== "loading" && imageCount > 0 && !loading && !resetting;
}

/** Whether play and step mean something now, or soon.
 * @param {PageState} state
 */
export function isPressable({ engine, imageCount, loading, phase }) {
  return engine === "starting" || (engine === "running" && (imageCount > 0 || loading || phase === "loading"));
}

/** Whether the run has come to the step at which it was to stop.
 * @param {PageState} state
 */
export function isFinished({ step, stopStep }) {
  return stopStep !== null && step >= stopStep;
}
