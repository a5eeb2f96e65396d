// @ts-check
/**
 * Shows the state on the page: buttons, numbers, messages, lists and cards.
 *
 * @module
 */

import { oneCoreNote } from "./engine/secure.js";
import { Controls } from "./train/controls.js";
import { counted, grouped } from "./ui/format.js";
import { showRuns } from "./train/run_list.js";
import { openLab } from "./model/lab.js";
import { hidden } from "./state/link.js";
import { EdgeMatrix } from "./ui/matrix.js";
import { cardOf } from "./state/models.js";
import { loadOptional } from "./ui/optional.js";
import { canTrain, isFinished, isPressable } from "./state/state.js";
import { watchedOf } from "./train/watched.ts";
import { PreviewCanvases } from "./ui/views.js";

/** @import * as protocol from "./engine/protocol.js" */
/** @import { Session } from "./autolink.js" */
/** @import { RunAction } from "./train/run_list.js" */
/** @import { TrainedModel } from "./state/models.js" */
/** @import { Saved } from "./state/saves.js" */
/** @import { Watched } from "./train/watched.ts" */
/** @import { Message, PageState, Remedy, Store } from "./state/state.js" */

/**
 * Actions of the page, implemented in `main.js`.
 * @typedef {object} Actions
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt
 * @property {(file: File) => void} download
 * @property {(remedy: Remedy) => unknown} apply
 * @property {(action: RunAction, saved: Saved) => unknown} onStoredRun
 * @property {(model: TrainedModel) => unknown} openTrained
 * @property {(patch: Partial<protocol.Config>) => unknown} change
 * @property {(name: protocol.Preset) => unknown} choosePreset
 */

/** Labels of the buttons next to a message. */
const REMEDIES = {
  "start-again": "Start again",
  retry: "Try again",
  "use-cpu": "Use the CPU",
  "resume-last": "Resume",
  "open-model": "Open it",
  "training-history": "Training history",
  annotate: "Annotate",
  "restore-run": "Restore the previous run",
  reload: "Reload",
  "continue-run": "Continue",
};
/** Progress is announced to screen readers at most this often, ms. */
const ANNOUNCE_EVERY = 20_000;

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}

/** The buttons that save a file. @returns {NodeListOf<HTMLButtonElement>} */
export function saveButtons() {
  return document.querySelectorAll("[data-save]");
}

/**
 * @param {Remedy} remedy
 * @param {string} text
 * @param {(remedy: Remedy) => unknown} apply
 */
function remedyButton(remedy, text, apply) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small";
  button.dataset.testid = remedy;
  button.textContent = text;
  button.addEventListener("click", () => apply(remedy));
  return button;
}

/** Sets a text only if it differs, so that screen readers do not announce it twice.
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.floor(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = `${whole % 60}`.padStart(2, "0");
  return hours ? `${hours}:${`${minutes}`.padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** Returns when a first skeleton can be expected, in steps of ten seconds.
 * @param {PageState} state
 */
function firstSkeleton({ step, stepsPerSecond, firstSkeletonStep, phase, imageCount }) {
  if (imageCount === 0 || firstSkeletonStep === 0 || (step === 0 && phase !== "training")) return "–";
  if (step >= firstSkeletonStep) return `step ${grouped(firstSkeletonStep)}`;
  // The first steps are slower than the others.
  if (step < 3 || !stepsPerSecond) return "…";
  const seconds = Math.ceil((firstSkeletonStep - step) / stepsPerSecond / 10) * 10;
  if (seconds < 90) return `in ${seconds} s`;
  return seconds < 5400 ? `in ${Math.round(seconds / 60)} min` : `in ${Math.round(seconds / 3600)} h`;
}

/** Returns the message to show, with its buttons.
 * @param {PageState} state
 * @returns {Message}
 */
function messageOf(state) {
  const sentence = sentenceOf(state);
  // Play was pressed before training is possible.
  const waits =
    state.isPlaying && !canTrain(state) && sentence.kind === "info"
      ? { text: `${sentence.text.replace(/\.$/, "")}. Training starts after that.` }
      : {};
  const undo =
    state.replacedRun && !state.isPlaying && state.phase !== "loading" && !state.loading
      ? { remedies: [...(sentence.remedies ?? []), /** @type {Remedy} */ ("restore-run")] }
      : {};
  return { ...sentence, ...waits, ...undo };
}

/** @param {PageState} state @returns {Message} */
function sentenceOf(state) {
  const { progress, message } = state;
  if (message) return message;
  if (progress) {
    const { what, done, total, isBytes } = progress;
    const amount = (/** @type {number} */ value) => (isBytes ? (value / 1e6).toFixed(1) : grouped(value));
    const unit = isBytes ? " MB" : "";
    const text = total ? `${what}: ${amount(done)} of ${amount(total)}${unit}` : `${what}${done ? `: ${amount(done)}${unit}` : ""}`;
    return { kind: "info", text };
  }
  if (state.isPausing && !state.isPlaying) return { kind: "info", text: "Pausing after this step." };
  if (state.phase === "training") return { kind: "info", text: state.step ? "Training." : "Taking the first step." };
  if (state.isPlaying && state.imageCount > 0) return { kind: "info", text: "Starting training." };
  if (state.imageCount === 0) return { kind: "info", text: "Drop in images of one kind of object to begin." };
  if (isFinished(state)) {
    const took = state.elapsed > 0 ? ` in ${clock(state.elapsed)}` : "";
    const remedies = /** @type {Remedy[]} */ (["training-history", "annotate"]).filter(
      (part) => !hidden(new URLSearchParams(location.search)).includes(part),
    );
    return { kind: "done", text: `Finished: ${counted(state.step, "step")}${took}.`, remedies };
  }
  return { kind: "info", text: state.step ? "Paused." : "Ready. Press Play to train." };
}

/** Shows the state, and follows its changes.
 * @param {Store} store
 * @param {Actions} actions
 * @returns {{ look: () => { thumbnail: string, watched: Watched } }} Returns what is seen of the run.
 */
export function showPage(store, { attempt, download, apply, onStoredRun, openTrained, change, choosePreset }) {
  const play = /** @type {HTMLButtonElement} */ (byId("play"));
  const stepButton = /** @type {HTMLButtonElement} */ (byId("step"));
  const resetButton = /** @type {HTMLButtonElement} */ (byId("reset"));

  // The card of the sample that is loaded is marked.
  const data = byId("data");
  store.watch(["run", "imageCount"], ({ run, imageCount }) => (data.dataset.source = imageCount ? (run.source?.kind ?? "own") : ""));
  store.watch(["engine", "phase", "imageCount", "loading", "resetting", "isPlaying", "step"], (state) => {
    document.body.dataset.phase = state.engine === "running" ? state.phase : state.engine;
    // The buttons show what was pressed and stay usable, whatever the engine is doing.
    play.disabled = !isPressable(state);
    stepButton.disabled = !isPressable(state) || state.isPlaying;
    resetButton.disabled = !canTrain(state) || (state.step === 0 && state.phase !== "training");
    play.classList.toggle("is-on", state.isPlaying);
    write(byId("play-label"), state.isPlaying ? "Pause" : "Play");
  });

  store.watch(["step", "loss", "stepsPerSecond", "elapsed"], (state) => {
    write(byId("step-count"), grouped(state.step));
    write(byId("loss"), state.loss === null ? "–" : state.loss.toPrecision(4));
    const rate = state.stepsPerSecond;
    // Always three digits.
    byId("steps-per-second").parentElement?.setAttribute("data-rate", rate === null ? "none" : "some");
    write(byId("steps-per-second"), rate === null ? "–" : rate.toFixed(rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0));
    write(byId("elapsed"), clock(state.elapsed));
  });
  store.watch(["step", "stepsPerSecond", "firstSkeletonStep", "phase", "imageCount"], (state) =>
    write(byId("first-skeleton"), firstSkeleton(state)),
  );

  const remedies = byId("remedies");
  const progress = /** @type {HTMLProgressElement} */ (byId("progress"));
  store.watch(
    ["message", "progress", "phase", "isPausing", "isPlaying", "replacedRun", "imageCount", "loading", "step", "stopStep", "engine"],
    (state) => {
      const message = messageOf(state);
      const element = byId("message");
      // Progress is not announced, only its end.
      element.setAttribute("aria-live", state.message || !state.progress ? "polite" : "off");
      write(element, message.text);
      element.classList.toggle("is-error", message.kind === "error");
      element.classList.toggle("is-done", message.kind === "done");
      const wanted = message.remedies ?? [];
      const texts = wanted.map((remedy) => (remedy === "continue-run" ? `Continue from step ${grouped(state.step)}` : REMEDIES[remedy]));
      if (remedies.dataset.shown !== `${texts}`) {
        remedies.dataset.shown = `${texts}`;
        remedies.replaceChildren(...wanted.map((remedy, index) => remedyButton(remedy, texts[index], apply)));
      }
      byId("cancel").hidden = state.engine !== "running" || !(state.loading || state.phase === "loading");
      const busy = state.progress !== null || state.engine === "starting";
      progress.hidden = !busy;
      if (state.progress?.total) {
        progress.max = state.progress.total;
        progress.value = state.progress.done;
      } else {
        progress.removeAttribute("value");
      }
    },
  );

  store.watch(["backend", "reason", "engine"], (state) => {
    const names = { cpu: "CPU", gpu: "GPU" };
    write(byId("backend"), state.backend ? names[state.backend] : state.engine === "ended" ? "stopped" : "starting");
    // The note of an insecure page stands above already.
    const note = globalThis.isSecureContext ? oneCoreNote(state.backend) : "";
    write(
      byId("backend-reason"),
      state.reason ? `${state.reason} ${note}`.trim() : state.engine === "ended" ? "The engine is not running." : "Trying the GPU first.",
    );
  });

  store.watch(["step", "isPlaying"], ({ step, isPlaying }) => {
    document.body.classList.toggle("is-untrained", step === 0 && !isPlaying);
  });
  store.watch(["engine", "step", "resetting", "loading"], (state) => {
    for (const button of saveButtons())
      button.disabled = state.engine !== "running" || state.step === 0 || state.resetting || state.loading;
  });
  store.watch(["saves", "engine", "loading", "resetting", "autosaveError", "persisted"], (state) => {
    byId("stored").hidden = state.saves.length === 0;
    const able = state.engine === "running" && !state.loading && !state.resetting;
    showRuns(byId("stored-runs"), state.saves, able, onStoredRun);
    write(byId("autosave-error"), state.autosaveError);
    write(byId("persisted"), state.persisted);
  });
  store.watch(["models", "engine", "loading", "resetting"], (state) => {
    byId("trained-models").hidden = state.models.length === 0;
    const able = state.engine === "running" && !state.loading && !state.resetting;
    byId("trained-models-list").replaceChildren(
      ...state.models.map((model) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "small";
        button.dataset.testid = "open-trained";
        button.textContent = model.name;
        button.disabled = !able;
        button.addEventListener("click", () => openTrained(model));
        const about = document.createElement("p");
        const card = document.createElement("a");
        card.href = cardOf(model);
        card.textContent = "Model card";
        card.setAttribute("aria-label", `Model card: ${model.name}`);
        about.append(`${model.about} `, card);
        item.append(button, about);
        return item;
      }),
    );
  });
  const about = byId("model-about").textContent ?? "";
  store.watch(["model"], ({ model }) => write(byId("model-about"), model || about));

  store.watch(["imageCount", "about", "removedImages"], ({ imageCount, about, removedImages }) => {
    write(byId("images-count"), grouped(imageCount));
    write(byId("images-removed"), removedImages.length ? `, ${grouped(removedImages.length)} removed` : "");
    write(byId("images-about"), about);
  });

  store.watch(["rejected"], ({ rejected }) => {
    const section = /** @type {HTMLDetailsElement} */ (byId("rejected"));
    section.hidden = rejected.length === 0;
    section.open = rejected.length > 0 && rejected.length <= 3;
    write(
      byId("rejected-summary"),
      rejected.length === 1 ? "1 file could not be used" : `${grouped(rejected.length)} files could not be used`,
    );
    byId("rejected-files").replaceChildren(
      ...rejected.map(({ name, reason }) => {
        const item = document.createElement("li");
        const title = document.createElement("b");
        title.textContent = name;
        item.append(title, ` ${reason}`);
        return item;
      }),
    );
  });

  const previews = new PreviewCanvases(byId("views"));
  const matrix = new EdgeMatrix(/** @type {HTMLCanvasElement} */ (byId("edge-matrix")), byId("matrix-readout"), byId("matrix-strongest"));
  store.watch(["views", "palette"], ({ views, palette, demo }) => {
    previews.show(views, palette, demo !== null);
    matrix.show(views, palette);
  });

  openLab(store, { attempt, download, announce: (text) => write(byId("announcer"), text), byId, previews, matrix });

  const lossCard = byId("loss-card");
  loadOptional(
    () => import("./ui/loss_chart.ts"),
    "The loss chart",
    (text) => write(lossCard, text),
  ).then((chart) => chart?.showLossChart(lossCard, store));

  const controls = new Controls(
    {
      run: byId("settings-run"),
      live: byId("settings-live"),
      advancedRun: byId("settings-run-advanced"),
      advancedLive: byId("settings-live-advanced"),
    },
    { change, preset: choosePreset, stopStep: (stopStep) => store.set({ stopStep }) },
  );
  store.watch(["settings", "presets", "config", "staged", "stopStep"], (state) => controls.show(state));
  store.watch(["staged", "step"], ({ staged, step, settings }) => {
    const names = Object.keys(staged);
    byId("staged").hidden = names.length === 0;
    if (names.length === 0) return;
    const labels = names.map((name) => settings.find((setting) => setting.name === name)?.label ?? name);
    const what = labels.length > 3 ? `${labels.length} changes need` : `Changing ${labels.join(", ")} needs`;
    write(byId("staged-text"), `${what} a new run. The model starts again and loses ${counted(step, "step")} of training.`);
  });

  let announcedAt = performance.now();
  store.watch(["step"], ({ step, loss, phase }) => {
    if (phase !== "training" || loss === null || performance.now() - announcedAt < ANNOUNCE_EVERY) return;
    announcedAt = performance.now();
    write(byId("announcer"), `Step ${grouped(step)}, loss ${loss.toPrecision(3)}`);
  });

  return { look: () => ({ thumbnail: previews.thumbnail(), watched: watchedOf(store.state, previews.thumbnail(96, 4)) }) };
}
