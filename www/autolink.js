// @ts-check
/**
 * AutoLink for programs: the module that the page itself uses, for automation and for embedding.
 *
 * ```js
 * import { createSession } from "./autolink.js";
 *
 * const session = await createSession({ backend: "cpu" });
 * await session.configure({ keypoints: 8, loss: "pixel" });
 * await session.load({ kind: "puppets", count: 100, seed: 0 });   // or: session.load(fileInput.files)
 * session.on("step", ({ step, loss }) => console.log(step, loss));
 * await session.train({ steps: 20 });
 * const { keypoints, confidence } = await session.detect(file);
 * const model = await session.save();                              // a File; session.resume(model) takes it up again
 * session.close();
 * ```
 *
 * The engine lives in a Web Worker that each session starts for itself. Pictures never leave the device.
 *
 * @module
 */

/** Of this file; put in when the page is built. */
const BUILD = "unstamped";

/** @import * as protocol from "./protocol.js" */
/** @typedef {protocol.Event} EngineEvent */
/** @typedef {EngineEvent["type"]} EventType */

/**
 * @template {EventType} T
 * @typedef {Extract<EngineEvent, { type: T }>} EventOf
 */

/**
 * @typedef {object} SessionOptions
 * @property {protocol.Backend | null} [backend] Force a backend; without it, the best that runs.
 * @property {string | URL} [workerUrl] The worker's module; beside the page unless told.
 * @property {string | URL} [weightsUrl] The folder of the perceptual weights; `weights/` beside the page unless told.
 * @property {(event: EngineEvent) => void} [onEvent] Hears every event from the very first, before the session is ready.
 */

/**
 * @typedef {object} SessionState
 * @property {protocol.Phase} phase What the engine is doing.
 * @property {number} step Steps taken.
 * @property {number | null} loss The last step's loss.
 * @property {number} stepsPerSecond Over the last few steps.
 * @property {number} elapsed Seconds of training, pauses left out.
 * @property {number} images How many pictures are loaded.
 * @property {string} about A sentence about them.
 * @property {protocol.Rejected[]} rejected Files that could not be used.
 * @property {protocol.Backend} backend What computes.
 * @property {string} reason Why that one.
 */

/**
 * What a command is answered with, beside that it is done.
 * @typedef {protocol.Keypoints | EventOf<"saved"> | EventOf<"exported"> | EventOf<"opened"> | EventOf<"identified"> | EventOf<"motion"> | EventOf<"transferred"> | EventOf<"thumbnails"> | EventOf<"illustrated"> | undefined} Answer
 */

/**
 * A file with the name that people should read, such as its path in a dropped folder.
 * @typedef {{ file: File, name: string }} NamedFile
 */

/** What the engine could not do: a sentence for people, and its kind for programs. */
export class EngineError extends Error {
  /**
   * @param {protocol.ErrorKind | "build"} kind "build": page and engine are of different builds.
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
  }
}

/**
 * Starts an engine and waits until it is ready.
 * @param {SessionOptions} [options]
 * @returns {Promise<Session>} Rejects with an {@link EngineError} where the engine or the backend cannot run.
 */
export async function createSession(options = {}) {
  const session = new Session(options);
  try {
    await session.ready;
  } catch (error) {
    session.close();
    throw error;
  }
  return session;
}

/** A worker under the page's Content-Security-Policy. It inherits this where its address is a blob's; one from the network
 * has only what its own headers say, and most hosts send none.
 * @param {string} module
 */
function startWorker(module) {
  const script = new Blob([`import ${JSON.stringify(module)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script), { type: "module" });
}

/** One engine, its pictures and its run. Made by {@link createSession}. */
export class Session {
  /** @type {Worker} */ #worker;
  #nextId = 1;
  #booted = false;
  /** @type {{ message: object }[]} Commands that wait for the worker to boot. */
  #queue = [];
  /** @type {Map<number, { resolve: (answer?: Answer) => void, reject: (error: Error) => void }>} */
  #pending = new Map();
  /** @type {Map<string, Set<(event: any) => void>>} */
  #listeners = new Map();
  /** @type {((event: EngineEvent) => void) | undefined} */
  #onEvent;
  /** @type {EventOf<"ready"> | null} */ #ready = null;
  /** @type {EventOf<"state"> | null} */ #state = null;
  /** @type {EventOf<"step"> | null} */ #step = null;
  /** @type {EventOf<"loaded"> | null} */ #loaded = null;
  /** @type {Promise<void>} Settles when the last change of settings is answered. */
  #configured = Promise.resolve();
  /** @type {EngineError | null} Why this session is over. */
  #ended = null;

  /** @param {SessionOptions} options */
  constructor({ backend = null, workerUrl, weightsUrl, onEvent }) {
    this.#onEvent = onEvent;
    const base = document.baseURI;
    this.#worker = startWorker(new URL(workerUrl ?? "worker_loader.js", base).href);
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      const detail = event.message ? ` (${event.message})` : "";
      this.#crash(
        this.#booted ? `The engine stopped unexpectedly${detail}.` : `The engine could not be loaded${detail}.`,
      );
    });
    this.#worker.addEventListener("messageerror", () => this.#crash("A message from the engine could not be read."));
    /** Resolves once the engine runs. */
    this.ready = this.#send({
      type: "open",
      backend,
      weights_url: new URL(weightsUrl ?? "weights/", base).href,
    }).then(() => {});
  }

  /** Whether the engine was loaded, which comes before it is ready. */
  get booted() {
    return this.#booted;
  }

  /** The settings in force. Change them with {@link configure}. */
  get settings() {
    return this.#state?.config ?? this.#presets()[0]?.[1] ?? null;
  }

  /** What can be set: range, unit, help and the paper's value of each numeric setting. */
  get settingsTable() {
    return this.#ready?.settings ?? [];
  }

  /** The settings of each preset, by name. */
  get presets() {
    return Object.fromEntries(this.#presets());
  }

  /** Keypoint k is drawn in the k-th of these colours, everywhere. */
  get palette() {
    return this.#ready?.palette ?? [];
  }

  /**
   * Where things stand.
   * @returns {SessionState}
   */
  state() {
    const step = this.#state?.step ?? 0;
    const last = step > 0 ? this.#step : null;
    return {
      phase: this.#state?.phase ?? "empty",
      step: Math.max(step, last?.step ?? 0),
      loss: last?.loss ?? null,
      stepsPerSecond: last?.steps_per_second ?? 0,
      elapsed: last?.elapsed_seconds ?? 0,
      images: this.#state?.pictures ?? 0,
      about: this.#loaded?.about ?? "",
      rejected: this.#loaded?.rejected ?? [],
      backend: this.#ready?.backend ?? "cpu",
      reason: this.#ready?.reason ?? "",
    };
  }

  /**
   * Replaces the pictures or adds to them, and starts a new run with them.
   * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile> | protocol.Source} images Files (pictures and zips), or a source.
   * @param {{ adds?: boolean }} [options] Whether those that are there stay.
   * @returns {Promise<EventOf<"loaded"> | null>} What came of it; null where the load was cancelled.
   */
  async load(images, { adds = false } = {}) {
    /** @type {EventOf<"loaded"> | null} */
    let loaded = null;
    const stop = this.on("loaded", (event) => (loaded = event));
    try {
      if ("kind" in images) {
        await this.#send({ type: "load", source: images, adds });
      } else {
        await this.#send({ type: "load", source: { kind: "files" }, adds }, attachmentsOf(images));
      }
    } finally {
      stop();
    }
    return loaded;
  }

  /**
   * Pictures as they were read, by their place among all of them.
   * @param {number} first
   * @param {number} count
   * @returns {Promise<EventOf<"thumbnails">>}
   */
  async thumbnails(first, count) {
    const answer = await this.#send({ type: "thumbnails", first, count });
    if (!answer || !("names" in answer)) throw new EngineError("crash", "The engine answered without images.");
    return answer;
  }

  /**
   * Learns without some pictures, and with every other one; starts a new run.
   * @param {number[]} indices Among all that were read.
   */
  async removeImages(indices) {
    await this.#send({ type: "remove-images", indices: indices });
  }

  /** Stops a load; the pictures before it stay. */
  async cancelLoad() {
    await this.#send({ type: "cancel-load" });
  }

  /**
   * Changes settings. Live ones act on the running model, any other starts a new run.
   * @param {Partial<protocol.Config>} patch
   */
  async configure(patch) {
    // One after the other: a patch belongs on top of what the one before it made.
    const answer = this.#configured.then(async () => {
      const config = this.settings;
      if (!config) throw new EngineError("setting", "The engine is not ready yet.");
      await this.#send({ type: "configure", config: { ...config, ...patch } });
    });
    this.#configured = answer.catch(() => {});
    await answer;
  }

  /**
   * Trains.
   * @param {{ steps?: number | null, everyMs?: number | null }} [options] Without a number: until {@link pause}. Slow motion: a step, with
   *   fresh views, every so many ms.
   * @returns {Promise<void>} Resolves when those steps are taken, or when training was paused before; rejects with what
   *   went wrong.
   */
  async train({ steps = null, everyMs = null } = {}) {
    await this.#send({ type: "train", steps, every_ms: everyMs });
  }

  /** Takes one step. */
  step() {
    return this.train({ steps: 1 });
  }

  /** Stops after the step under way. */
  async pause() {
    await this.#send({ type: "pause" });
  }

  /** Forgets what was learned. */
  async reset() {
    await this.#send({ type: "reset" });
  }

  /**
   * The probe pictures as the model sees them now.
   * @returns {Promise<protocol.PreviewViews>}
   */
  async previewViews() {
    /** @type {protocol.PreviewViews | null} */
    let views = null;
    /** @type {() => void} */
    let arrived = () => {};
    const arrival = new Promise((resolve) => (arrived = () => resolve(undefined)));
    const stop = this.on("views", (event) => {
      views = event;
      arrived();
    });
    try {
      await this.#send({ type: "refresh-views" });
      if (!views) await arrival;
    } finally {
      stop();
    }
    return /** @type {protocol.PreviewViews} */ (/** @type {unknown} */ (views));
  }

  /**
   * Asks to see a probe taken apart, as `inspected` events tell: now, and whenever there are fresh views.
   * @param {protocol.Edits | null} edits Which, and what is changed on its way; null: no longer.
   */
  async inspect(edits) {
    await this.#send({ type: "inspect", edits: edits });
  }

  /**
   * The keypoints of each of some probes in the looks of each.
   * @param {number[]} probes
   * @returns {Promise<EventOf<"transferred">>}
   */
  async transferPoses(probes) {
    const answer = await this.#send({ type: "transfer", probes });
    if (!answer || !("probes" in answer)) throw new EngineError("crash", "The engine answered without images.");
    return answer;
  }

  /**
   * A figure of the article: the method's formulas at work on made-up inputs.
   * @param {protocol.Illustration} what
   * @returns {Promise<EventOf<"illustrated">>}
   */
  async illustrate(what) {
    const answer = await this.#send({ type: "illustrate", what });
    if (!answer || !("says" in answer)) throw new EngineError("crash", "The engine answered without a figure.");
    return answer;
  }

  /**
   * Frames as an animated GIF.
   * @param {{ width: number, height: number, frameMs: number, pixels: Uint8Array<ArrayBuffer> }} film RGBA, frame after frame; the
   *   pixels are handed over.
   * @returns {Promise<File>}
   */
  async animate({ width, height, frameMs, pixels }) {
    const saved = await this.#send({ type: "animate", width, height, frame_ms: frameMs }, { pixels });
    if (!saved || !("bytes" in saved)) throw new EngineError("crash", "The engine answered without an animation.");
    return new File([saved.bytes], saved.name, { type: "image/gif" });
  }

  /**
   * Finds keypoints in one picture.
   * @param {File | Blob} file
   * @returns {Promise<protocol.Keypoints>} As fractions of the original picture, with a confidence each.
   */
  async detect(file) {
    const named = file instanceof File ? file : new File([file], "image");
    const found = await this.#send({ type: "detect" }, { files: [named], names: [named.name] });
    if (!found || !("keypoints" in found)) throw new EngineError("crash", "The engine answered without keypoints.");
    return found;
  }

  /**
   * What was learned, as a file.
   * @param {protocol.FileKind} [kind] The model, the model in half the space, the run (to go on with exactly), or the detector as ONNX.
   * @returns {Promise<File>}
   */
  async save(kind = "model") {
    const saved = await this.#send({ type: "save", kind });
    if (!saved || !("bytes" in saved)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([saved.bytes], saved.name, { type: "application/octet-stream" });
  }

  /**
   * Takes over a model or a run: to look at, to detect with, to go on training. The pictures stay.
   * @param {File} file One of {@link save}, or the authors' checkpoint (`.ckpt`, `.pt`).
   */
  async resume(file) {
    await this.#send({ type: "resume" }, { files: [file], names: [file.name] });
  }

  /**
   * Finds keypoints in pictures and puts them on the annotation desk, which `desk` events tell about.
   * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile>} images
   * @returns {Promise<EventOf<"added"> | null>} What came of it.
   */
  async addImages(images) {
    return this.#sendAndCollect({ type: "add-images" }, attachmentsOf(images));
  }

  /**
   * Finds keypoints in decoded pixels, and keeps nothing: for a camera.
   * @param {{ width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} picture RGBA; the pixels are handed over.
   * @returns {Promise<protocol.Keypoints>} As fractions of the picture.
   */
  async detectPixels({ width, height, pixels }) {
    const found = await this.#send({ type: "detect-pixels", width, height }, { pixels });
    if (!found || !("keypoints" in found)) throw new EngineError("crash", "The engine answered without keypoints.");
    return found;
  }

  /**
   * Finds keypoints anew in the images of the project whose keypoints are not of the model as it is now. Frames of videos are to be
   * given again by {@link addFrame}.
   * @returns {Promise<EventOf<"added"> | null>} What came of it.
   */
  async detectAgain() {
    return this.#sendAndCollect({ type: "detect-again" }, attachmentsOf([]));
  }

  /**
   * What a file is known by, whatever its name: the same bytes, the same digits.
   * @param {File} file
   * @returns {Promise<string>} 32 hexadecimal digits.
   */
  async identify(file) {
    const answer = await this.#send({ type: "identify" }, attachmentsOf([file]));
    if (!answer || !("content" in answer)) throw new EngineError("crash", "The engine answered without a content hash.");
    return answer.content;
  }

  /**
   * Puts a frame of a video into the project. After the last one call {@link showProject}.
   * @param {{ name: string, content: string }} video Its file's name, and what it is known by ({@link identify}).
   * @param {{ frame: number, seconds: number, width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} frame
   */
  async addFrame({ name, content }, { frame, seconds, width, height, pixels }) {
    await this.#send({ type: "add-frame", video: name, content, frame, seconds, width, height }, { pixels });
  }

  /** Asks for a `desk` event. */
  async showProject() {
    await this.#send({ type: "show-project" });
  }

  /**
   * Gives the picture of a frame, to be exported with it.
   * @param {number} image By the id of its row.
   * @param {File} picture
   */
  async provideFrame(image, picture) {
    await this.#send({ type: "provide-frame", image }, attachmentsOf([picture]));
  }

  /**
   * How points move through the videos on the desk.
   * @param {{ layer?: protocol.Layer, measures: protocol.Measure[], smoothing?: protocol.OneEuro | null }} wanted
   * @returns {Promise<EventOf<"motion">>}
   */
  async measureMotion({ layer = "keypoints", measures, smoothing = null }) {
    const answer = await this.#send({ type: "measure-motion", layer, measures, smoothing });
    if (!answer || !("videos" in answer)) throw new EngineError("crash", "The engine answered without measurements.");
    return answer;
  }

  /**
   * The same as a table.
   * @param {{ layer?: protocol.Layer, measures: protocol.Measure[], smoothing?: protocol.OneEuro | null }} wanted
   * @returns {Promise<File>}
   */
  async exportMotion({ layer = "keypoints", measures, smoothing = null }) {
    const answer = await this.#send({ type: "export-motion", layer, measures, smoothing });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([answer.file], answer.name);
  }

  /**
   * The project, as a file for {@link openProject}: images by reference, landmarks, names and corrections.
   * @param {string} name What it is called.
   * @returns {Promise<Blob>}
   */
  async saveProject(name) {
    const answer = await this.#send({ type: "save-project", name });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return answer.file;
  }

  /**
   * Opens a project in place of the one at hand; it waits for its images.
   * @param {Blob} project
   * @returns {Promise<string>} Its name.
   */
  async openProject(project) {
    const answer = await this.#send({ type: "open-project" }, attachmentsOf([new File([project], "project.json")]));
    if (!answer || !("name" in answer)) throw new EngineError("crash", "The engine answered without a name.");
    return answer.name;
  }

  /** Begins another project, without images. */
  async newProject() {
    await this.#send({ type: "new-project" });
  }

  /**
   * Does something on the desk.
   * @param {protocol.Edit} edit
   */
  async edit(edit) {
    await this.#send({ type: "edit", edit });
  }

  /**
   * Takes labels (COCO keypoints, DeepLabCut's table) as landmarks.
   * @param {File} file
   * @returns {Promise<EventOf<"added"> | null>} What came of it.
   */
  async importLabels(file) {
    return this.#sendAndCollect({ type: "import-labels" }, attachmentsOf([file]));
  }

  /**
   * What is on the desk, in the form of a tool: one file, or a zip.
   * @param {{ layer?: protocol.Layer, format: protocol.Format, withImages?: boolean }} options
   * @returns {Promise<File>}
   */
  async export({ layer = "keypoints", format, withImages = false }) {
    const answer = await this.#send({ type: "export", layer, format, with_images: withImages });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([answer.file], answer.name);
  }

  /**
   * The file of an image of the project, out of its zip if it is in one.
   * @param {number} image By the id of its row.
   * @returns {Promise<Blob>}
   */
  async imageFile(image) {
    const answer = await this.#send({ type: "image-file", image });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without an image.");
    return answer.file;
  }

  /**
   * @param {protocol.Command} command
   * @param {{ files: File[], names: string[] }} attachments
   * @returns {Promise<EventOf<"added"> | null>}
   */
  async #sendAndCollect(command, attachments) {
    /** @type {EventOf<"added"> | null} */
    let found = null;
    const stop = this.on("added", (event) => (found = event));
    try {
      await this.#send(command, attachments);
    } finally {
      stop();
    }
    return found;
  }

  /**
   * Listens to one type of event.
   * @template {EventType} T
   * @param {T} type
   * @param {(event: EventOf<T>) => void} listener
   * @returns {() => void} Stops listening.
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Ends the engine. Promises that still wait are rejected. */
  close() {
    this.#end(new EngineError("crash", "The session was closed."));
  }

  #presets() {
    return this.#ready?.presets ?? [];
  }

  /**
   * @param {protocol.Command} command
   * @param {{ files?: File[], names?: string[], pixels?: Uint8Array<ArrayBuffer> }} [attachments] Pixels are handed over.
   * @returns {Promise<Answer>} Settles when the engine answers.
   */
  #send(command, attachments) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      const message = { id, command, ...attachments };
      const moved = attachments?.pixels ? [attachments.pixels.buffer] : [];
      if (this.#booted) this.#worker.postMessage(message, moved);
      else this.#queue.push({ message });
    });
  }

  /** @param {EngineEvent | { type: "booted" } | { type: "builds", builds: string[] }} event */
  #receive(event) {
    if (this.#ended) return;
    if (event.type === "builds") {
      if (event.builds.some((build) => build !== BUILD)) this.#end(new EngineError("build", "The page and its engine are of different builds. Reload the page."));
      return;
    }
    if (event.type === "booted") {
      this.#booted = true;
      for (const { message } of this.#queue.splice(0)) this.#worker.postMessage(message);
      return;
    }
    switch (event.type) {
      case "ready":
        this.#ready = event;
        break;
      case "state":
        this.#state = event;
        if (event.step < (this.#step?.step ?? 0)) this.#step = null; // a new run, or one that went back
        break;
      case "cores":
        if (this.#ready) this.#ready = { ...this.#ready, reason: event.reason };
        break;
      case "step":
        this.#step = event;
        if (this.#state) this.#state = { ...this.#state, step: event.step };
        break;
      case "resumed":
        this.#step = null; // of the run before
        break;
      case "loaded":
        this.#loaded = event;
        break;
    }
    // Listeners first, so that whoever awaits a command finds them up to date.
    this.#emit(event);
    switch (event.type) {
      case "done":
        this.#answer(event.id)?.resolve(undefined);
        break;
      case "detected":
        this.#answer(event.id)?.resolve({ keypoints: event.keypoints, confidence: event.confidence });
        break;
      case "saved":
      case "exported":
      case "opened":
      case "identified":
      case "motion":
      case "transferred":
      case "thumbnails":
      case "illustrated":
        this.#answer(event.id)?.resolve(event);
        break;
      case "failed":
        if (event.kind === "crash") this.#end(new EngineError(event.kind, event.message));
        else if (event.id != null) this.#answer(event.id)?.reject(new EngineError(event.kind, event.message));
        break;
    }
  }

  /** @param {number} id */
  #answer(id) {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    return waiting;
  }

  /** @param {EngineEvent} event */
  #emit(event) {
    const listeners = this.#listeners.get(event.type) ?? [];
    for (const listener of this.#onEvent ? [this.#onEvent, ...listeners] : [...listeners]) {
      // One that throws must not keep the others, or the command's answer, from anybody.
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /** @param {string} message */
  #crash(message) {
    if (!this.#ended) this.#receive({ type: "failed", id: null, kind: "crash", message });
  }

  /** @param {EngineError} error */
  #end(error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#queue.length = 0;
  }
}

/** Files with the names that people should read.
 * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile>} files
 */
function attachmentsOf(files) {
  const named = Array.from(files, (entry) =>
    entry instanceof File ? { file: entry, name: entry.webkitRelativePath || entry.name } : entry,
  );
  return { files: named.map(({ file }) => file), names: named.map(({ name }) => name) };
}
