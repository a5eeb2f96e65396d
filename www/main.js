// @ts-check
/**
 * Connects engine and page: events of the engine change the state, which `page.js` shows, and input of the user becomes commands.
 *
 * @module
 */

import { openAnnotate } from "./annotate/annotate.js";
import { AnnotationProject } from "./annotate/annotation_project.js";
import { EngineError, Session } from "./autolink.js";
import { openDeleteRuns } from "./train/delete_runs.js";
import { startsNewRun } from "./train/controls.js";
import { acceptDrops, isLabels, isModel, isProject, pickedFiles } from "./ui/files.js";
import { Autosave } from "./state/autosave.js";
import { counted, dateText, grouped } from "./ui/format.js";
import { TEXT_FIELDS, isKeyHandled, listenForHelp } from "./ui/keys.js";
import { PUPPETS, hidden, hide, readLink } from "./state/link.js";
import { fileOf, imagesOf, trainedModels } from "./state/models.js";
import { byId, saveButtons, showPage } from "./page.js";
import { restoreFolds, unfold } from "./ui/folds.js";
import { loadOptional } from "./ui/optional.js";
import { openImages } from "./train/images/panel.js";
import { loadDemoRun } from "./explore/demo.js";
import { Saves } from "./state/saves.js";
import { insecureContextNote } from "./engine/secure.js";
import { Store, truncateToStep, canTrain, appendByStep, initialState, initialWatch, newRun, appendLoss } from "./state/state.js";
import { currentTab, goToTab, openTabs } from "./ui/tabs.js";
import { Transport } from "./train/transport.js";
import { rewatched } from "./train/watched.ts";

/** @import * as protocol from "./engine/protocol.js" */
/** @import { EngineEvent, EventOf, NamedFile } from "./autolink.js" */
/** @import { Dropped } from "./ui/files.js" */
/** @import { ReplacedRun } from "./state/autosave.js" */
/** @import { RunAction } from "./train/run_list.js" */
/** @import { TrainedModel } from "./state/models.js" */
/** @import { DemoRun } from "./explore/demo.js" */
/** @import { Saved } from "./state/saves.js" */
/** @import { Message, PageState, Remedy } from "./state/state.js" */

/** Delay to the next frame, ms. */
const NEXT_FRAME = 17;

const query = new URLSearchParams(location.search);
const store = new Store();
const saves = new Saves();

/** @type {Session | null} */
let session = null;
/** Sources of the loaded images, to load them again in a new engine. @type {(protocol.Source | NamedFile[])[]} */
let currentSources = [PUPPETS];
/** Forced backend, if any. */
let forced = query.get("backend");
/** Images to load as soon as the engine runs, in addition to the others or in place of them. @type {{ source: protocol.Source | NamedFile[], adds: boolean } | null} */
let pendingLoad = null;

// ---------------------------------------------------------------------------------------------- engine

/** Starts an engine in place of the previous one, which may never answer again. Play and Step pressed meanwhile act when the engine can
 * train. */
function start() {
  session?.close();
  return transport.whilePaused(startNow);
}

/** @type {Message} */
const LOADING = { kind: "info", text: "Loading the engine." };

async function startNow() {
  // After a crash the page restores the settings, the images, and the run as far as memory or browser have it.
  const { config: kept, run, saves: list, autosaveError, persisted, models, removedImages, demo, stopStep, replacedRun } = store.state;
  const isRestart = session !== null;
  const resumes = transport.takeResumesAfterRestart();
  store.set({
    ...initialState(),
    saves: list,
    autosaveError,
    persisted,
    models,
    stopStep,
    replacedRun,
    ...demoState(demo),
    message: LOADING,
  });
  const starting = new Session({ backend: forced === "cpu" || forced === "gpu" ? forced : null, onEvent: receive });
  session = starting;
  try {
    await starting.ready;
  } catch (error) {
    if (session === starting) {
      starting.close();
      const { message } = store.state;
      store.set({
        engine: "ended",
        progress: null,
        run,
        message: { remedies: message?.remedies ?? ["start-again"], ...messageFor(error) },
      });
    }
    return;
  }
  if (kept) await configure(kept);
  const startsByItself = !hasFollowedLink && (await followLink());
  const hasNewImages = pendingLoad !== null;
  const all = pendingLoad ? [...(pendingLoad.adds ? currentSources : []), pendingLoad.source] : currentSources;
  const removed = pendingLoad && !pendingLoad.adds ? [] : removedImages;
  pendingLoad = null;
  // Explore opens a trained model with images of its own.
  const isExploring = !isRestart && currentTab() === "explore" && isCurrent([PUPPETS]) && !hasNewImages;
  if (!isExploring) for (const [index, source] of all.entries()) await load(source, index > 0);
  else if (store.state.message === LOADING) store.set({ message: null });
  if (removed.length) await removeImages(removed);
  await annotate.restore();
  const inMemory = autosave.fileInMemory(run.id);
  const saved = run.savedStep > 0 ? store.state.saves.find(({ id }) => id === run.id) : undefined;
  if (inMemory) await restoreRun({ run, ...inMemory, sources: currentSources, removedImages, model: "" });
  else if (saved) await openStored(saved, true);
  else if (!isRestart) await offerLastRun(hasNewImages ? [] : all);
  await entered;
  if (isExploring && store.state.imageCount === 0 && !store.state.loading) {
    const { message } = store.state;
    await load(PUPPETS);
    if (message && !store.state.message) store.set({ message });
  }
  const resumesNow = (inMemory || saved) && resumes && store.state.step > 0;
  if ((resumesNow || startsByItself) && !store.state.isPlaying) transport.toggle();
}

/** True once the settings in the address were applied. */
let hasFollowedLink = false;

/** Applies the settings in the address of the page.
 * @returns {Promise<boolean>} True if training should start.
 */
async function followLink() {
  hasFollowedLink = true;
  const link = readLink(query, store.state, handsSource(), (part) => document.querySelector(`[data-part~="${part}"]`) !== null);
  if (query.has("hands") && !addressOf(query.get("hands")))
    link.notes.push(`“hands=${query.get("hands")}” was ignored: it is not an address.`);
  if (insecureContextNote()) link.notes.push(insecureContextNote());
  if (link.source) currentSources = [link.source];
  store.set({ stopStep: link.stopStep });
  if (link.config) {
    const { config } = link;
    await session?.configure(config).catch((error) => {
      link.notes.push(`${messageFor(error).text} The settings in the address were ignored.`);
    });
  }
  const note = byId("link-note");
  note.querySelector("button")?.addEventListener("click", () => (note.hidden = true));
  note.hidden = link.notes.length === 0;
  note.querySelector("div")?.replaceChildren(
    ...link.notes.map((text) => {
      const line = document.createElement("p");
      line.textContent = text;
      return line;
    }),
  );
  sharing.then((share) => share?.follow(link));
  return link.start;
}

/** Lists the stored runs and the trained models. Offers the run of the last visit, or a trained model on a first visit, unless a person
 * has loaded images meanwhile.
 * @param {(protocol.Source | NamedFile[])[]} sources What the page opened by itself; empty if a person was quicker.
 */
async function offerLastRun(sources) {
  const models = await trainedModels();
  store.set({ models });
  await refresh();
  if (store.state.message || store.state.step > 0 || store.state.loading || !isCurrent(sources)) return;
  if (currentTab() === "explore") entered = enterExplore();
  else offer();
}

/** Settles when Explore has opened the model of a first visit. */
let entered = Promise.resolve();

/** Offers the run of the last visit, or else a trained model. */
function offer() {
  const { saves: list, models } = store.state;
  const [saved] = list;
  if (!saved) {
    const text = "Press Play, or open a trained model.";
    return store.set({ message: models.length ? { kind: "info", text, remedies: ["open-model"] } : null });
  }
  const text = `From your last visit: ${saved.name}, ${counted(saved.step, "step")}, ${dateText(saved.date)}.`;
  store.set({ message: { kind: "info", text, remedies: ["resume-last"] } });
}

/** Name and step of the model that Explore opened by itself, as long as nothing else was opened or trained. */
let exploreModel = "";
/** The settings that a visit begins with, which depend on the device. @type {protocol.Config | null} */
let firstConfig = null;

/** Shows Explore, once. */
async function showExplore() {
  if (isExploreShown) return;
  isExploreShown = true;
  const section = byId("explore");
  const explore = await loadOptional(() => import("./explore/explore.ts"), "Explore");
  explore?.showExplore(section, store, () => session);
  unfold(byId("edits"));
  document.body.dataset.explore = "";
}

let isExploreShown = false;

/** Explore shows a trained model, unless a person is training or has trained one. */
async function enterExplore() {
  const { state } = store;
  const [model] = state.models;
  const isBusy = state.engine !== "running" || state.loading || state.resetting;
  if (!model || isBusy || state.step > 0 || state.isPlaying || currentSources.some(isUserFiles)) return;
  firstConfig = session?.settings ?? null;
  await openTrained(model);
  exploreModel = store.state.model;
  // A person may have left meanwhile.
  if (currentTab() === "train") await enterTrain();
}

/** Train begins with an untrained model on the hands that come with the page, not with the model that Explore has opened. A model that has
 * annotated something stays. */
async function enterTrain() {
  const { model, isPlaying, project } = store.state;
  if (!exploreModel || model !== exploreModel || isPlaying || project?.count) return;
  exploreModel = "";
  const hasStarted = await startRun("sample=hands", firstConfig);
  if (hasStarted && store.state.saves.length) offer();
}

/** @param {EngineEvent} event */
function receive(event) {
  const { state } = store;
  switch (event.type) {
    case "ready":
      store.set({
        engine: "running",
        backend: event.backend,
        reason: event.reason,
        settings: event.settings,
        presets: event.presets,
        palette: event.palette,
        formats: event.formats,
        config: state.config ?? event.presets[0]?.[1] ?? null,
        progress: null,
      });
      break;
    case "cores":
      store.set({ reason: event.reason });
      break;
    case "progress":
      store.set({
        progress: { what: event.what, done: event.done, total: event.total ?? null, isBytes: event.is_bytes },
      });
      break;
    case "loaded":
      store.set({ rejected: event.rejected, progress: null });
      if (event.is_new) store.set({ imageCount: event.images, read: { count: event.read }, about: event.about, ...initialWatch() });
      break;
    case "state": {
      const fresh = event.step === 0 && state.step > 0;
      const wentBack = !fresh && event.step < (state.history.steps.at(-1) ?? 0);
      store.set({
        phase: event.phase,
        config: event.config,
        step: event.step,
        firstSkeletonStep: event.first_skeleton_step,
        runId: event.run_id,
        parameters: event.parameters,
        imageCount: event.images,
        heldOut: event.held_out,
        isPausing: state.isPausing && event.phase === "training",
        ...(event.phase === "loading" ? {} : { progress: null }),
        ...(fresh ? { ...newRunState(), ...initialWatch() } : {}),
        ...(wentBack ? truncateToStep(state, event.step) : {}),
        ...(event.phase === "empty" && !state.demo ? { views: null, stages: null, about: "" } : {}),
      });
      break;
    }
    case "step": {
      const history = appendLoss(state.history, event.step, event.loss);
      store.set({
        step: event.step,
        loss: event.loss,
        stepsPerSecond: event.steps_per_second,
        elapsed: event.elapsed_seconds,
        history,
        historyLength: history.steps.length,
        progress: null,
        message: state.message?.kind === "error" ? state.message : null,
        replacedRun: null,
      });
      autosave.saveIfDue();
      break;
    }
    case "views":
      store.set({ views: event, demo: null });
      break;
    case "inspected":
      // Stages arrive together with views. Two dozen canvases are too many for one frame.
      setTimeout(() => store.state.views && !store.state.demo && store.set({ stages: event }), NEXT_FRAME);
      break;
    case "snapshot":
      store.set({ snapshots: appendByStep(state.snapshots, event) });
      break;
    case "held-out":
      store.set({ heldOutLosses: appendByStep(state.heldOutLosses, event) });
      break;
    case "scored":
      store.set({ scores: appendByStep(state.scores, event) });
      break;
    case "project":
      store.set({ project: new AnnotationProject(event, state.project) });
      break;
    case "resumed":
      resumed(event);
      break;
    case "failed":
      if (event.kind === "crash") crashed(event.message);
      // The sender of a command shows its failure. This one does not answer a command.
      else if (event.id == null) store.set({ progress: null, message: { kind: "error", text: event.message } });
      break;
  }
}

/** The part of the state that a new run resets. @returns {Partial<PageState>} */
function newRunState() {
  const { name, source } = store.state.run;
  return {
    ...autosave.takeReplaced(),
    run: newRun(name, source),
    loss: null,
    stepsPerSecond: null,
    elapsed: 0,
    history: initialState().history,
    historyLength: 0,
    model: "",
  };
}

/** Shows an opened model or run. A run brings its losses, a model does not.
 * @param {EventOf<"resumed">} event
 */
function resumed({ about, losses }) {
  const last = session?.state().step ?? 0;
  const history = { steps: losses.map((_, i) => last - losses.length + i + 1), losses };
  const fresh = newRunState();
  if (fresh.run) fresh.run.savedStep = last;
  store.set({
    ...fresh,
    ...initialWatch(),
    loss: losses.at(-1) ?? null,
    history,
    historyLength: losses.length,
    model: about,
    staged: {},
  });
}

/** @param {string} text */
function crashed(text) {
  const { state } = store;
  transport.fail();
  store.set({
    engine: "ended",
    phase: "empty",
    loading: false,
    isPausing: false,
    resetting: false,
    progress: null,
    // After loading, the GPU is the most likely cause.
    message: {
      kind: "error",
      text: `${text}${runSafety()}`,
      remedies: restartRemedies(Boolean(session?.booted) && state.backend !== "cpu" && forced !== "cpu"),
    },
  });
}

/** Sentence on what remains of the run after a failure of the engine. */
function runSafety() {
  const { step, run } = store.state;
  if (step === 0) return "";
  const safe = autosave.fileInMemory(run.id)?.step ?? run.savedStep;
  return safe > 0 ? ` The run is safe up to step ${grouped(safe)} and can continue from there.` : " The run is lost.";
}

/** Ways to continue after a failure of the engine.
 * @param {boolean} isCard True if the GPU may have caused it.
 * @returns {Remedy[]}
 */
function restartRemedies(isCard) {
  return isCard ? ["use-cpu", "start-again"] : ["start-again"];
}

/**
 * @param {unknown} error
 * @returns {Message}
 */
function messageFor(error) {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof EngineError && error.kind === "build") return { kind: "error", text, remedies: ["reload"] };
  // A run that diverged went back to its last finite step.
  if (error instanceof EngineError && error.kind === "training" && store.state.step > 0)
    return { kind: "error", text, remedies: ["continue-run"] };
  // If the GPU fails, the CPU is offered.
  const isBackend = error instanceof EngineError && error.kind === "backend";
  if (!isBackend || (forced !== "gpu" && store.state.backend !== "gpu")) return { kind: "error", text };
  return { kind: "error", text: `${text}${runSafety()}`, remedies: restartRemedies(true) };
}

/**
 * Runs a command and shows its failure. Crashes are shown elsewhere.
 * @param {(session: Session) => Promise<unknown>} command
 */
async function attempt(command) {
  if (!session || store.state.engine !== "running") return;
  try {
    await command(session);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "crash") return;
    store.set({ progress: null, message: messageFor(error) });
  }
}

// ---------------------------------------------------------------------------------------------- images

/**
 * @param {protocol.Source | NamedFile[]} source
 * @param {boolean} [adds] True to keep the loaded images.
 * @returns {Promise<boolean>} True if the load succeeded.
 */
function load(source, adds = false) {
  if (store.state.engine !== "running" || !session) {
    const before = pendingLoad?.source;
    const isMore = Array.isArray(source) && Array.isArray(before);
    pendingLoad = { source: isMore ? [...before, ...source] : source, adds: isMore ? pendingLoad?.adds === true : adds };
    return (currentLoad = transport.replace(async () => false));
  }
  if (Array.isArray(source) && source.length === 0) {
    store.set({ message: { kind: "error", text: "There are no files to read. Drop images, videos, folders or zips." } });
    return (currentLoad = Promise.resolve(false));
  }
  // From here on, Cancel means this load, and a message that comes stays.
  const isReplacing = store.state.loading;
  store.set({
    loading: true,
    rejected: [],
    progress: { what: "Reading images", done: 0, total: null, isBytes: false },
    message: null,
  });
  const loadId = ++loadCount;
  return (currentLoad = transport.replace(() => loadNow(source, adds, loadId, isReplacing)));
}

/** The last load that was requested. */
let currentLoad = Promise.resolve(false);

/**
 * @param {protocol.Source | NamedFile[]} source
 * @param {boolean} adds
 * @param {number} loadId
 * @param {boolean} isReplacing True if another load was running when this one was requested.
 */
async function loadNow(source, adds, loadId, isReplacing) {
  const loader = session;
  if (!loader || !(await autosave.saveBeforeReplacing())) {
    if (loadId === loadCount) store.set({ loading: false, progress: null });
    return false;
  }
  if (isReplacing) await loader.cancelLoad().catch(() => {});
  /** @type {Message | null} */
  let message = null;
  try {
    const loaded = loadId !== cancelledLoad && (await loader.load(source, { adds }));
    if (loaded) {
      currentSources = adds ? [...currentSources, source] : [source];
      store.set({
        run: { ...store.state.run, ...describeSources(currentSources) },
        files: currentSources.filter(isUserFiles).flat(),
        ...(adds ? {} : { removedImages: [] }),
      });
    } else message = { kind: "info", text: "Loading was cancelled. The previous images are still here." };
  } catch (error) {
    if (error instanceof EngineError && error.kind === "crash") return false;
    const cancelled = loadId === cancelledLoad;
    message = cancelled
      ? { kind: "info", text: "Loading was cancelled. The previous images are still here." }
      : { ...messageFor(error), ...(isRemote(source) ? { remedies: /** @type {Remedy[]} */ (["retry"]) } : {}) };
    retry = { source, adds };
  }
  if (loadId !== loadCount) return false;
  // An opened model stays for the new images.
  const isNew = !message && session?.state().step === 0;
  // A message that came meanwhile stays.
  store.set({ loading: false, progress: null, ...(message ? { message } : {}), ...(isNew ? newRunState() : {}) });
  return !message;
}

let loadCount = 0;
let cancelledLoad = 0;
/** The load that failed, for Try again. @type {{ source: protocol.Source | NamedFile[], adds: boolean }} */
let retry = { source: PUPPETS, adds: false };

/** Removes images from training, which starts a new run.
 * @param {number[]} places
 */
function removeImages(places) {
  store.set({ message: null });
  return transport.replace(async () => {
    // A new list makes the thumbnails show the old state again.
    if (!(await autosave.saveBeforeReplacing())) return store.set({ removedImages: [...store.state.removedImages] });
    await attempt(async (engine) => {
      await engine.removeImages(places);
      store.set({ removedImages: places });
    });
  });
}

/** Names a run after its images.
 * @param {(protocol.Source | NamedFile[])[]} sources
 * @returns {{ name: string, source: protocol.Source | null }}
 */
function describeSources(sources) {
  const samples = sources.flatMap((source) => (Array.isArray(source) ? [] : [source]));
  const files = sources.flatMap((source) => (Array.isArray(source) ? source : []));
  /** @type {string[]} */ const names = samples.map(({ kind }) => (kind === "hands" ? "Hands" : "Puppets"));
  if (files.length) {
    const folders = new Set(files.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
    const [folder] = folders;
    const single = files.length === 1 ? files[0].name : "";
    names.push((folders.size === 1 && folder) || single || `${files.length} files`);
  }
  return { name: names.join(" and "), source: sources.length === 1 ? (samples[0] ?? null) : null };
}

/** Returns true for the user's own files.
 * @param {protocol.Source | NamedFile[]} source
 * @returns {source is NamedFile[]}
 */
const isUserFiles = (source) => Array.isArray(source) && !bundledImages.has(source);

/** @param {protocol.Source | NamedFile[]} source */
function isRemote(source) {
  return !Array.isArray(source) && source.kind === "hands";
}

function cancel() {
  imagePanel.forget();
  cancelledLoad = loadCount;
  attempt((engine) => engine.cancelLoad());
}

/** Where the hands sample is: all of it, and the file with the first of it that comes with the page. */
function handsSource() {
  const configured = document.querySelector('meta[name="autolink-hands"]')?.getAttribute("content") ?? "";
  const base = addressOf(query.get("hands")) ?? addressOf(configured) ?? document.baseURI;
  return {
    base_url: base.endsWith("/") ? base : `${base}/`,
    bundle_url: query.has("hands") ? null : new URL("hands/hands-200.zip", document.baseURI).href,
  };
}

/** Returns an absolute http(s) address, or null if the text is not one.
 * @param {string | null} text
 */
function addressOf(text) {
  if (text === null || !URL.canParse(text, document.baseURI)) return null;
  const { href, protocol } = new URL(text, document.baseURI);
  return protocol === "http:" || protocol === "https:" ? href : null;
}

/** Loads a sample in place of all images, queued ones included.
 * @param {protocol.Source} source
 */
function loadSample(source) {
  imagePanel.forget();
  return load(source);
}

function loadHands() {
  const count = /** @type {HTMLInputElement} */ (byId("hands-count"));
  if (count.reportValidity()) loadSample({ kind: "hands", count: count.valueAsNumber, ...handsSource() });
}

/** @param {File} file */
function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {protocol.FileKind} kind */
function save(kind) {
  return attempt(async (engine) => {
    const file = await engine.save(kind);
    download(file);
    store.set({ message: { kind: "info", text: `Saved ${file.name}.` } });
  });
}

/** @param {NamedFile} chosen */
function openModel({ file }) {
  return transport.replace(async () => {
    if (!(await autosave.saveBeforeReplacing())) return;
    await attempt(async (engine) => {
      store.set({ message: { kind: "info", text: `Opening ${file.name}.` } });
      await engine.resume(file);
      autosave.remember(store.state.run.id, engine.state().step, file);
      const text = `Opened ${store.state.model}${store.state.config?.locate ? LOCATED : ""}`;
      store.set({ message: { kind: "info", text } });
    });
    syncPhase();
  });
}

/** What the page says of a model that was trained on crops. */
const LOCATED = " It was trained on crops around an animal: drop a video of a still camera under Annotate, and it sees such crops.";
/** How the page describes a trained model, and the images that come with it. */
const TRAINED = "a trained model of this page";
const EXAMPLES = "Example images of the model.";

/** Opens a trained model of the page, on the user's images or else on its example images.
 * @param {TrainedModel} model
 */
function openTrained(model) {
  return transport.replace(async () => {
    if (!(await autosave.saveBeforeReplacing())) return;
    await attempt(async (engine) => {
      store.set({ message: { kind: "info", text: `Opening ${model.name}.` } });
      const [file, ownImages] = await Promise.all([fileOf(model), imagesOf(model)]);
      const hasUserFiles = currentSources.some(isUserFiles);
      if (!hasUserFiles) {
        if (Array.isArray(ownImages)) bundledImages.add(ownImages);
        await load(ownImages);
      }
      await engine.resume(file);
      const { step } = engine.state();
      autosave.remember(store.state.run.id, step, file);
      store.set({ model: `${model.name}, ${TRAINED}. ${model.about}` });
      const text = `Opened ${model.name}, trained for ${counted(step, "step")}. Now drop in your own images.`;
      store.set({ message: { kind: "info", text }, ...(hasUserFiles ? {} : { about: EXAMPLES }) });
    });
    syncPhase();
  });
}

/** Opens the trained model of a name on its example images, unless it is open already.
 * @param {string} name
 * @returns {Promise<boolean>} False if it could not be opened; the message says why.
 */
async function openModelNamed(name) {
  const model = (store.state.models.length ? store.state.models : await trainedModels()).find((model) => model.name === name);
  if (!model) {
    store.set({ message: { kind: "error", text: `This page was built without the model ${name}. Train one, or open a file.` } });
    return false;
  }
  const isOpen = () => store.state.model.startsWith(`${name}, ${TRAINED}`);
  if (!isOpen() || !(store.state.about === EXAMPLES || currentSources.some(isUserFiles))) await openTrained(model);
  return isOpen();
}

/** Starts a new run as a link describes it. The run before it is kept, and can be restored.
 * @param {string} address The part of the link after the question mark.
 * @param {protocol.Config | null} [config] The settings, if the link names none.
 * @returns {Promise<boolean>} False if it did not start; the message says why.
 */
async function startRun(address, config = null) {
  const link = readLink(new URLSearchParams(address), store.state, handsSource(), () => true);
  const isReady = await transport.replace(async () => {
    if (!(await autosave.saveBeforeReplacing())) return false;
    imagePanel.forget();
    const { source } = link;
    const isLoaded = JSON.stringify(currentSources) === JSON.stringify([source]) && store.state.removedImages.length === 0;
    if (source && !isLoaded && !(await load(source))) return false;
    // An opened model stays when images are loaded.
    const settings = link.config ?? config;
    if (settings) await configure(settings);
    if (session && session.state().step > 0) await attempt((engine) => engine.reset());
    store.set({ stopStep: link.stopStep });
    return session?.state().step === 0 && store.state.message?.kind !== "error";
  });
  if (isReady && link.start && !store.state.isPlaying) transport.toggle();
  return isReady;
}

/** Lists of example images that came with a trained model. @type {WeakSet<object>} */
const bundledImages = new WeakSet();

// ---------------------------------------------------------------------------------------------- stored runs

/**
 * Opens a stored run from its newest file that the engine accepts.
 * @param {Saved} saved
 * @param {boolean} isResumed True to continue the run with its images, false to use its model on the current images.
 */
function openStored(saved, isResumed) {
  return transport.replace(() => openStoredNow(saved, isResumed));
}

/**
 * @param {Saved} saved
 * @param {boolean} isResumed
 */
async function openStoredNow(saved, isResumed) {
  if (!(await autosave.saveBeforeReplacing())) return;
  if (isResumed && saved.source) {
    const removed = saved.leftOut ?? [];
    const isThere = JSON.stringify(currentSources) === JSON.stringify([saved.source]) || (await load(saved.source));
    if (isThere && JSON.stringify(store.state.removedImages) !== JSON.stringify(removed)) await removeImages(removed);
  }
  await attempt(async (engine) => {
    store.set({ message: { kind: "info", text: `Opening ${saved.name}.` } });
    const files = await saves.files(saved.id);
    let lastError = new Error(`${saved.name} is missing or damaged. Open another run.`);
    for (const file of files) {
      try {
        await engine.resume(file);
        const { step } = engine.state();
        const now = isResumed ? { id: saved.id, name: saved.name, source: saved.source } : store.state.run;
        const { run, note } = await autosave.claimOpened({ ...now, savedStep: step });
        autosave.remember(run.id, step, file);
        const missing = isResumed && !saved.source && !currentSources.some(isUserFiles);
        const more = missing ? " Drop in its images and press Play to continue." : "";
        const text = `Opened ${saved.name}, trained for ${counted(step, "step")}.${more}${note}`;
        store.set({
          run,
          message: { kind: "info", text },
          model: `${saved.name}, trained for ${counted(step, "step")}.`,
          ...(isResumed && saved.watched && step === saved.step ? rewatched(saved.watched) : {}),
        });
        return;
      } catch (error) {
        if (error instanceof EngineError && error.kind === "crash") throw error;
        lastError = /** @type {Error} */ (error);
      }
    }
    throw lastError;
  });
  syncPhase();
}

/** Restores the previous run with its images. The current run becomes the previous one.
 * @param {ReplacedRun} replaced
 */
function restoreReplacedRun(replaced) {
  return transport.replace(async () => {
    if (await autosave.saveBeforeReplacing()) await restoreRun(replaced);
  });
}

/** @param {(protocol.Source | NamedFile[])[]} sources */
function isCurrent(sources) {
  return sources.length === currentSources.length && sources.every((source, index) => source === currentSources[index]);
}

/** Opens a run from memory, with its images.
 * @param {ReplacedRun} replaced
 */
async function restoreRun({ run, step, file, sources, removedImages, model }) {
  if (!isCurrent(sources)) for (const [index, source] of sources.entries()) await load(source, index > 0);
  if (JSON.stringify(store.state.removedImages) !== JSON.stringify(removedImages)) await removeImages(removedImages);
  await attempt(async (engine) => {
    await engine.resume(file);
    const { run: opened, note } = await autosave.claimOpened(run);
    autosave.remember(opened.id, step, file);
    const text = `Restored ${run.name || "the run"} at step ${grouped(step)}.${note}`;
    const isBack = store.state.replacedRun?.file === file;
    store.set({ run: opened, message: { kind: "info", text }, ...(model ? { model } : {}), ...(isBack ? { replacedRun: null } : {}) });
  });
  syncPhase();
}

/**
 * @param {RunAction} action
 * @param {Saved} saved
 */
async function onStoredRun(action, saved) {
  if (action === "delete") {
    if (!confirm(`Delete ${saved.name} (${counted(saved.step, "step")}) from this browser?`)) return;
    await removeStored(saved).catch((error) => store.set({ message: messageFor(error) }));
  } else if (action === "download") {
    const [file] = await saves.files(saved.id);
    if (file) download(file);
  } else {
    await openStored(saved, action === "resume");
  }
}

/** @param {Saved} saved */
async function removeStored(saved) {
  await saves.remove(saved.id);
  // If it is the current run, that run is no longer saved.
  if (store.state.run.id === saved.id) store.set({ run: { ...newRun(saved.name, saved.source) } });
  await refresh();
}

const transport = new Transport(store, { session: () => session, attempt, onRest: () => autosave.save() });
const autosave = new Autosave(store, saves, { session: () => session, sources: () => currentSources, look: () => page.look() });
/** Updates the list of stored runs. */
const refresh = () => autosave.refresh();
const sharing = loadOptional(async () => {
  const { Share } = await import("./ui/share.js");
  return new Share(store, download);
}, "The Share dialog");
openDeleteRuns(store, saves, removeStored, refresh);
/** What a file is known by: ownImages content. @param {File} file @returns {Promise<string>} */
const identify = async (file) => (await session?.identify(file)) ?? `${file.name} ${file.size} ${file.lastModified}`;
const imagePanel = openImages(store, {
  load,
  currentLoad: () => currentLoad,
  removeImages,
  change,
  identify,
  session: () => session,
  thumbnails: async (first, count) => session?.thumbnails(first, count),
});
const annotate = openAnnotate(store, { attempt, download, saves });
const page = showPage(store, { attempt, download, apply, onStoredRun, openTrained, change, choosePreset });

/** @returns {boolean} True if the page shows Annotate. */
const isAnnotating = () => currentTab() === "annotate";

/** Opens dropped or chosen files: a model, a project, labels, images, or images with their labels.
 * @param {Dropped} dropped
 */
function acceptFiles({ files, failed }, toAnnotate = isAnnotating()) {
  if (files.length === 1 && isModel(files[0])) return openModel(files[0]);
  if (files.length === 1 && isProject(files[0])) return annotate.openProject(files[0]);
  if (!toAnnotate) {
    goToTab("train");
    return imagePanel.loadFiles(files, failed);
  }
  const labels = files.filter(isLabels);
  const others = files.filter((file) => !isLabels(file));
  if (others.length) annotate.detect(others, failed, labels);
  else if (labels.length) annotate.importLabels(labels, failed);
  else
    store.set({
      fileNotes: failed,
      message: {
        kind: "error",
        text: failed.length
          ? `${failed[0].name}: ${failed[0].reason}`
          : "There are no files to read. Drop images, videos, folders or zips.",
      },
    });
}

/** Sets the phase of the page to that of the engine. */
function syncPhase() {
  if (session && store.state.engine === "running" && !store.state.loading) {
    store.set({ phase: session.state().phase, isPausing: false, progress: null });
  }
}

async function reset() {
  if (!canTrain(store.state)) return;
  await transport.replace(async () => {
    if (!(await autosave.saveBeforeReplacing())) return;
    store.set({ resetting: true, message: null });
    await attempt((engine) => engine.reset());
    store.set({ resetting: false });
  });
}

/** @param {Partial<protocol.Config>} patch */
async function change(patch) {
  const { config, step, staged } = store.state;
  if (!config) return;
  if (patch.batch !== undefined && config.micro_batch === config.batch && staged.micro_batch === undefined) {
    patch = { ...patch, micro_batch: patch.batch };
  }
  if (startsNewRun(patch, store.state) && step > 0) stage({ ...staged, ...patch });
  else if (Object.keys(staged).some((name) => name in patch)) stage({ ...staged, ...patch });
  else await configure(patch);
}

/** Stages changes that need a new run until the user confirms them. Changes that are back at the current value are dropped.
 * @param {Partial<protocol.Config>} patch
 */
function stage(patch) {
  const { config } = store.state;
  const entries = Object.entries(patch).filter(([name, value]) => config?.[/** @type {keyof protocol.Config} */ (name)] !== value);
  store.set({ staged: Object.fromEntries(entries) });
}

/** @param {Partial<protocol.Config>} patch */
function configure(patch) {
  if (!startsNewRun(patch, store.state) || store.state.step === 0) return configureNow(patch);
  // If the old run was training, so is the new one.
  return transport.whilePaused(async () => {
    if (await autosave.saveBeforeReplacing()) await configureNow(patch);
  });
}

/** @param {Partial<protocol.Config>} patch */
async function configureNow(patch) {
  const before = store.state.config;
  await attempt(async (engine) => {
    await engine.configure(patch);
    if (store.state.message?.kind === "error") store.set({ message: null });
  });
  // If the engine rejects the change, the fields show the old settings. Changes staged meanwhile stay staged.
  const staged = Object.fromEntries(Object.entries(store.state.staged).filter(([name]) => !(name in patch)));
  if (before) store.set({ config: { ...(session?.settings ?? before) }, staged });
}

/** @param {protocol.Preset} name */
function choosePreset(name) {
  const { presets, config } = store.state;
  const chosen = presets.find(([preset]) => preset === name)?.[1];
  if (chosen && config) change({ ...chosen, seed: config.seed });
  if (name === "paper" && store.state.backend === "cpu") {
    const text =
      "The paper’s settings need a large GPU. On this CPU a step takes minutes and a skeleton days; choose Quick to see one soon.";
    store.set({ message: { kind: "info", text } });
  }
}

/** @param {Remedy} remedy */
function apply(remedy) {
  if (remedy === "retry") return load(retry.source, retry.adds);
  if (remedy === "open-model") return openTrained(store.state.models[0]);
  if (remedy === "resume-last") return openStored(store.state.saves[0], true);
  if (remedy === "training-history") return goTo("training-history");
  if (remedy === "annotate") return void (location.hash = "#annotate");
  if (remedy === "restore-run") return store.state.replacedRun && restoreReplacedRun(store.state.replacedRun);
  if (remedy === "reload") return location.reload();
  if (remedy === "continue-run") return transport.toggle();
  if (remedy === "use-cpu") forced = "cpu";
  return start();
}

/** Scrolls to a part of the page and focuses it.
 * @param {string} id
 */
function goTo(id) {
  unfold(byId(id));
  byId(id).scrollIntoView();
  byId(id).focus({ preventScroll: true });
}

// ---------------------------------------------------------------------------------------------- input

function listen() {
  byId("play").addEventListener("click", () => transport.toggle());
  byId("step").addEventListener("click", () => transport.step());
  byId("reset").addEventListener("click", reset);
  byId("cancel").addEventListener("click", cancel);
  // Another tab may have stored or deleted runs.
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? autosave.save() : refresh()));
  byId("sample-puppets").addEventListener("click", () => loadSample(PUPPETS));
  byId("sample-hands").addEventListener("click", loadHands);
  byId("open-tour").addEventListener("click", async () => {
    goToTab("train");
    const tour = await loadOptional(() => import("./ui/tour.js"), "The tour");
    await tour?.startTour();
  });
  openTabs((tab) => {
    if (tab === "explore") showExplore().then(enterExplore);
    else if (tab === "train") enterTrain();
  });
  if (currentTab() === "explore") showExplore();
  // The lesson is loaded when it comes into view, or when the address names one of its chapters.
  const article = byId("article");
  const openLesson = async () => {
    reading.disconnect();
    const lesson = await loadOptional(() => import("./learn/learn.js"), "The lesson");
    if (!lesson) return;
    article.replaceChildren();
    lesson.openLesson(article, store, {
      ask: async (what) => session?.illustrate(what),
      startRun,
      openModel: openModelNamed,
      showStages: () => goTo("flow"),
    });
  };
  const reading = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && openLesson(), {
    rootMargin: "400px",
  });
  if (location.hash.startsWith("#lesson-")) openLesson();
  else reading.observe(article);
  for (const id of ["files", "folder", "annotate-files", "annotate-folder", "annotate-labels", "project-file"]) {
    const input = /** @type {HTMLInputElement} */ (byId(id));
    input.addEventListener("change", () => {
      const picked = input.files?.length ? pickedFiles(input.files) : [];
      if (picked.length && id === "project-file") annotate.openProject(picked[0]);
      else if (picked.length) acceptFiles({ files: picked, failed: [] }, id.startsWith("annotate-"));
      // Choosing the same files again must fire another event.
      input.value = "";
    });
  }
  acceptDrops(
    byId("drop"),
    (dropped) => acceptFiles(dropped),
    (text) => store.set({ message: { kind: "error", text } }),
  );
  for (const button of saveButtons()) {
    button.addEventListener("click", () => save(/** @type {protocol.FileKind} */ (button.dataset.save)));
  }
  const model = /** @type {HTMLInputElement} */ (byId("model-file"));
  model.addEventListener("change", () => {
    const [file] = pickedFiles(model.files ?? new DataTransfer().files);
    if (file) openModel(file);
    model.value = "";
  });
  byId("staged-apply").addEventListener("click", () => configure(store.state.staged));
  byId("staged-undo").addEventListener("click", () => store.set({ staged: {} }));

  addEventListener("keydown", (event) => {
    const { replacedRun } = store.state;
    const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z";
    if (isUndo && replacedRun && currentTab() === "train" && !isKeyHandled(event, TEXT_FIELDS)) {
      event.preventDefault();
      return void restoreReplacedRun(replacedRun);
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (currentTab() !== "train" || isKeyHandled(event)) return;
    // On a focused button, Space presses that button.
    if (event.key === " " && !target.closest("button, summary, a, label")) transport.toggle();
    else if (event.key === "ArrowRight") transport.step();
    else if (event.key === "r" || event.key === "R") reset();
    else return;
    event.preventDefault();
  });
}

/** Shows the recorded run, unless the engine was faster. */
async function showDemo() {
  const recorded = await loadDemoRun();
  if (!store.state.views) store.set(demoState(recorded));
}

/** @param {DemoRun | null} demo @returns {Partial<PageState>} */
function demoState(demo) {
  return demo ? { demo, views: demo.views, stages: demo.stages, palette: demo.palette } : {};
}

/** Keeps the page for visits without a network, once everything else is loaded. */
async function keep() {
  await entered;
  const offline = await loadOptional(() => import("./ui/offline.ts"), "What keeps the page for visits without a network");
  const footer = document.querySelector("footer");
  if (footer)
    await offline?.keepPage(footer, () =>
      transport.replace(async () => {
        await annotate.flush();
        return autosave.saveBeforeReplacing();
      }),
    );
}

hide(hidden(query));
restoreFolds();
listen();
listenForHelp();
start().then(keep);
showDemo();
