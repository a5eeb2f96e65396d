// @ts-check
/**
 * The public module of AutoLink: the page itself uses it, and other programs can embed or automate it.
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
 * const model = await session.save();                              // a File for session.resume(model)
 * session.close();
 * ```
 *
 * Each session starts its own Web Worker, in which the engine runs. Images never leave the device. See `tests/browser/page.spec.js`
 * ("autolink.js ...") for a test of all that is shown here.
 *
 * @module
 */

import { WEIGHTS, WORKER } from "./engine/files.js";

/** @import * as protocol from "./engine/protocol.js" */
/** @typedef {protocol.Event} EngineEvent */
/** @typedef {EngineEvent["type"]} EventType */

/**
 * @template {EventType} T
 * @typedef {Extract<EngineEvent, { type: T }>} EventOf
 */

/**
 * @typedef {object} SessionOptions
 * @property {protocol.Backend | null} [backend] Forces a backend. By default the engine takes the GPU where it works, else the CPU.
 * @property {string | URL} [workerUrl] Address of the worker's module; by default that of this build.
 * @property {string | URL} [weightsUrl] Folder of the VGG16 weights for the perceptual loss; by default that of this build.
 * @property {(event: EngineEvent) => void} [onEvent] Receives every event, including those before the session is ready.
 */

/**
 * @typedef {object} SessionState
 * @property {protocol.Phase} phase What the engine is doing.
 * @property {number} step Number of steps taken.
 * @property {number | null} loss Loss of the last step; null before the first one.
 * @property {number} stepsPerSecond Mean rate of the last few steps.
 * @property {number} elapsed Time spent training, without pauses, s.
 * @property {number} images Number of loaded images.
 * @property {string} about Sentence that describes the images.
 * @property {protocol.Rejected[]} rejected Files that could not be used, with reasons.
 * @property {protocol.Backend} backend Backend in use.
 * @property {string} reason Sentence that says why this backend is in use.
 */

/**
 * Payload of the answer to a command; undefined if the command returns nothing.
 * @typedef {protocol.Keypoints | EventOf<"saved"> | EventOf<"exported"> | EventOf<"opened"> | EventOf<"identified"> | EventOf<"motion"> | EventOf<"transferred"> | EventOf<"thumbnails"> | EventOf<"illustrated"> | EventOf<"explained"> | EventOf<"located"> | EventOf<"frames-chosen"> | EventOf<"flips-mended"> | undefined} Answer
 */

/**
 * A file with the name to show, such as its path in a dropped folder. An image may be trained on as a crop around an animal.
 * @typedef {{ file: File, name: string, crop?: protocol.Crop }} NamedFile
 */

/**
 * A decoded frame: RGBA. The buffer of the pixels is transferred.
 * @typedef {{ width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} Pixels
 */

/** An error of the engine: `message` is a sentence for people, `kind` is for programs. */
export class EngineError extends Error {
  /**
   * @param {protocol.ErrorKind | "build"} kind "build": page and engine come from different builds.
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
  }
}

/**
 * Starts an engine and waits until it is ready to load images.
 * @param {SessionOptions} [options]
 * @returns {Promise<Session>} Rejects with an {@link EngineError} if the engine or the backend cannot run.
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

/** Starts a module worker that inherits the page's Content-Security-Policy. A worker with a blob address inherits it. A worker from the
 * network obeys only the headers of its own response, and most hosts send none.
 * @param {string} module
 */
function startWorker(module) {
  const script = new Blob([`import ${JSON.stringify(module)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script), {
    type: "module",
    name: `log:${new URLSearchParams(location.search).get("log") ?? "warn"}`,
  }); // the level of its log
}

/** One engine with its images, its run and its annotation project. {@link createSession} makes one. */
export class Session {
  /** @type {Worker} */ #worker;
  #nextId = 1;
  #booted = false;
  /** @type {{ message: object }[]} Commands that wait until the worker has booted. */
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
  /** @type {Promise<void>} Settles when the engine has answered the last change of settings. */
  #configured = Promise.resolve();
  /** @type {EngineError | null} Reason why this session has ended; null while it runs. */
  #ended = null;

  /** @param {SessionOptions} options */
  constructor({ backend = null, workerUrl, weightsUrl, onEvent }) {
    this.#onEvent = onEvent;
    const worker = new URL(workerUrl ?? WORKER, document.baseURI);
    const weights = new URL(weightsUrl ?? WEIGHTS, document.baseURI);
    this.#worker = startWorker(worker.href);
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      const detail = event.message ? ` (${event.message})` : "";
      this.#crash(this.#booted ? `The engine stopped unexpectedly${detail}.` : `The engine could not be loaded${detail}.`);
    });
    this.#worker.addEventListener("messageerror", () => this.#crash("A message from the engine could not be read."));
    /** Resolves when the engine is ready. */
    this.ready = this.#send({
      type: "open",
      backend,
      weights_url: weights.href,
    }).then(() => {});
  }

  /** True once the engine code is loaded, which happens before the session is ready. */
  get booted() {
    return this.#booted;
  }

  /** The settings in effect; {@link configure} changes them. Null before the session is ready. */
  get settings() {
    return this.#state?.config ?? this.#presets()[0]?.[1] ?? null;
  }

  /** Range, unit, help text and the paper's value of each numeric setting. */
  get settingsTable() {
    return this.#ready?.settings ?? [];
  }

  /** The settings of each preset, by name. */
  get presets() {
    return Object.fromEntries(this.#presets());
  }

  /** Colours of the keypoints: keypoint k has the k-th colour (CSS hex) in every view. */
  get palette() {
    return this.#ready?.palette ?? [];
  }

  /**
   * Returns the current state of engine and run.
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
      images: this.#state?.images ?? 0,
      about: this.#loaded?.about ?? "",
      rejected: this.#loaded?.rejected ?? [],
      backend: this.#ready?.backend ?? "cpu",
      reason: this.#ready?.reason ?? "",
    };
  }

  /**
   * Loads images in place of the current ones, or in addition to them, and starts a new run.
   * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile> | protocol.Source} images Image files and zips, or a built-in sample.
   * @param {{ adds?: boolean }} [options] `adds`: keep the images that are loaded already.
   * @returns {Promise<EventOf<"loaded"> | null>} Number of loaded images and rejected files; null if the load was cancelled.
   */
  async load(images, { adds = false } = {}) {
    /** @type {EventOf<"loaded"> | null} */
    let loaded = null;
    const stop = this.on("loaded", (event) => (loaded = event));
    try {
      if ("kind" in images) {
        await this.#send({ type: "load", source: images, append: adds });
      } else {
        const files = attachmentsOf(images);
        const crops = files.crops.filter((crop) => crop !== undefined);
        const isLocated = crops.length > 0 && crops.length === files.files.length;
        await this.#send({ type: "load", source: isLocated ? { kind: "located", crops } : { kind: "files" }, append: adds }, files);
      }
    } finally {
      stop();
    }
    return loaded;
  }

  /**
   * Returns thumbnails of loaded images, removed ones included.
   * @param {number} first Index of the first image.
   * @param {number} count
   * @returns {Promise<EventOf<"thumbnails">>} Names and RGBA pixels, `[count, size, size, 4]`.
   */
  async thumbnails(first, count) {
    const answer = await this.#send({ type: "thumbnails", first, count });
    if (!answer || !("names" in answer)) throw new EngineError("crash", "The engine answered without images.");
    return answer;
  }

  /**
   * Removes images from training, restores all others, and starts a new run.
   * @param {number[]} indices Indices of the removed images among all that were loaded.
   */
  async removeImages(indices) {
    await this.#send({ type: "remove-images", indices: indices });
  }

  /** Cancels a load. The previous images stay. */
  async cancelLoad() {
    await this.#send({ type: "cancel-load" });
  }

  /**
   * Changes settings. Live settings act on the model in training, all others start a new run.
   * @param {Partial<protocol.Config>} patch
   */
  async configure(patch) {
    // Changes are sent one after the other: each patch applies to the result of the previous one.
    const answer = this.#configured.then(async () => {
      const config = this.settings;
      if (!config) throw new EngineError("setting", "The engine is not ready yet. Try again in a moment.");
      await this.#send({ type: "configure", config: { ...config, ...patch } });
    });
    this.#configured = answer.catch(() => {});
    await answer;
  }

  /**
   * Trains for a number of steps, or until {@link pause}.
   * @param {{ steps?: number | null, everyMs?: number | null }} [options] `steps`: number of steps; null trains until
   *   {@link pause}. `everyMs`: slow motion, one step with fresh views per interval.
   * @returns {Promise<void>} Resolves when the steps are taken or training is paused; rejects with an
   *   {@link EngineError} if training fails.
   */
  async train({ steps = null, everyMs = null } = {}) {
    await this.#send({ type: "train", steps, every_ms: everyMs });
  }

  /** Takes one step. */
  step() {
    return this.train({ steps: 1 });
  }

  /** Pauses training after the current step. */
  async pause() {
    await this.#send({ type: "pause" });
  }

  /** Starts a new run with the same images and settings. */
  async reset() {
    await this.#send({ type: "reset" });
  }

  /**
   * Computes the views of the preview images with the model as it is now.
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
   * Selects the preview image whose stages are sent as `inspected` events: now, and after each update of the views.
   * @param {protocol.Edits | null} edits Index of the preview image and the edits to apply; null stops the events.
   */
  async inspect(edits) {
    await this.#send({ type: "inspect", edits: edits });
  }

  /**
   * Opens a stage of a preview image: returns the numbers that the model computes there.
   * @param {protocol.Edits} edits Index of the preview image and the edits to apply.
   * @param {protocol.StageQuery} stage
   * @returns {Promise<protocol.StageDetail>}
   */
  async explain(edits, stage) {
    const answer = await this.#send({ type: "explain", edits, stage });
    if (!answer || !("detail" in answer)) throw new EngineError("crash", "The engine answered without numbers.");
    return answer.detail;
  }

  /**
   * Reconstructs each preview image with the keypoints of each other one (pose transfer).
   * @param {number[]} previews Indices of the preview images.
   * @returns {Promise<EventOf<"transferred">>} RGBA pixels, one row per pose, one column per appearance.
   */
  async transferPoses(previews) {
    const answer = await this.#send({ type: "transfer", previews });
    if (!answer || !("previews" in answer)) throw new EngineError("crash", "The engine answered without images.");
    return answer;
  }

  /**
   * Computes a figure of the article: the method's formulas applied to made-up inputs.
   * @param {protocol.Illustration} what
   * @returns {Promise<EventOf<"illustrated">>}
   */
  async illustrate(what) {
    const answer = await this.#send({ type: "illustrate", what });
    if (!answer || !("caption" in answer)) throw new EngineError("crash", "The engine answered without a figure.");
    return answer;
  }

  /**
   * Encodes frames as an animated GIF.
   * @param {{ width: number, height: number, frameMs: number, pixels: Uint8Array<ArrayBuffer> }} frames RGBA, frame after frame.
   *   The buffer of the pixels is transferred.
   * @returns {Promise<File>}
   */
  async animate({ width, height, frameMs, pixels }) {
    const saved = await this.#send({ type: "animate", width, height, frame_ms: frameMs }, { pixels });
    if (!saved || !("bytes" in saved)) throw new EngineError("crash", "The engine answered without an animation.");
    return new File([saved.bytes], saved.name, { type: "image/gif" });
  }

  /**
   * Detects keypoints in one image.
   * @param {File | Blob} file
   * @returns {Promise<protocol.Keypoints>} Positions (x, y) as fractions of the original image, with a confidence each.
   */
  async detect(file) {
    const named = file instanceof File ? file : new File([file], "image");
    const found = await this.#send({ type: "detect" }, { files: [named], names: [named.name] });
    if (!found || !("keypoints" in found)) throw new EngineError("crash", "The engine answered without keypoints.");
    return found;
  }

  /**
   * Saves the model or the run to a file.
   * @param {protocol.FileKind} [kind] The model, the model in half precision, the run (continues exactly), or the detector as ONNX.
   * @returns {Promise<File>}
   */
  async save(kind = "model") {
    const saved = await this.#send({ type: "save", kind });
    if (!saved || !("bytes" in saved)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([saved.bytes], saved.name, { type: "application/octet-stream" });
  }

  /**
   * Opens a model, a run or a checkpoint, for viewing, detection and further training. The images stay.
   * @param {File} file A file from {@link save}, or the authors' checkpoint (`.ckpt`, `.pt`).
   */
  async resume(file) {
    await this.#send({ type: "resume" }, { files: [file], names: [file.name] });
  }

  /**
   * Adds images to the annotation project and detects their keypoints. `project` events report the result.
   * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile>} images Without any: the training images.
   * @returns {Promise<EventOf<"added"> | null>} Number of added images and rejected files.
   */
  async addImages(images) {
    return this.#sendAndCollect({ type: "add-images" }, attachmentsOf(images));
  }

  /**
   * Detects keypoints in decoded pixels, such as a camera frame, without adding them to the project.
   * @param {{ width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} image RGBA; the buffer of the pixels is transferred.
   * @returns {Promise<protocol.Keypoints>} Positions (x, y) as fractions of the image, with a confidence each.
   */
  async detectPixels({ width, height, pixels }) {
    const found = await this.#send({ type: "detect-pixels", width, height }, { pixels });
    if (!found || !("keypoints" in found)) throw new EngineError("crash", "The engine answered without keypoints.");
    return found;
  }

  /**
   * Detects keypoints again in images of the project whose keypoints come from an older model. Send frames of videos again with
   * {@link addFrame}.
   * @returns {Promise<EventOf<"added"> | null>} Number of updated images and rejected files.
   */
  async detectAgain() {
    return this.#sendAndCollect({ type: "detect-again" }, attachmentsOf([]));
  }

  /**
   * Computes the content hash of a file, which does not depend on its name.
   * @param {File} file
   * @returns {Promise<string>} 32 hexadecimal digits.
   */
  async identify(file) {
    const answer = await this.#send({ type: "identify" }, attachmentsOf([file]));
    if (!answer || !("content" in answer)) throw new EngineError("crash", "The engine answered without a content hash.");
    return answer.content;
  }

  /**
   * Adds a frame of a video to the project. Call {@link showProject} after the last frame.
   * @param {{ name: string, content: string }} video Name of its file and its content hash ({@link identify}).
   * @param {{ frame: number, seconds: number, width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} frame RGBA; the buffer of the pixels is transferred.
   * @param {protocol.Crop | null} [crop] The crop around the animal that the model sees ({@link locate}); null for the whole frame.
   */
  async addFrame({ name, content }, { frame, seconds, width, height, pixels }, crop = null) {
    await this.#send({ type: "add-frame", video: name, content, frame, seconds, width, height, crop }, { pixels });
  }

  /**
   * Reads the crop of a frame of the project in reverse, head down, for {@link mendFlips}.
   * @param {number} image Id of the frame's row.
   * @param {{ width: number, height: number, pixels: Uint8Array<ArrayBuffer> }} frame RGBA; the buffer of the pixels is transferred.
   */
  async readReversed(image, { width, height, pixels }) {
    await this.#send({ type: "read-reversed", image, width, height }, { pixels });
  }

  /**
   * Mends frames of a video in which head and tail are swapped. Call {@link showProject} after it.
   * @param {string} video Content hash of the video ({@link identify}).
   * @returns {Promise<EventOf<"flips-mended">>} Number of frames that were mended, and the frames to pass to {@link readReversed} before it
   *   is called again.
   */
  async mendFlips(video) {
    const answer = await this.#send({ type: "mend-flips", video });
    if (!answer || !("mended" in answer)) throw new EngineError("crash", "The engine answered without a count.");
    return answer;
  }

  /**
   * Starts to look for an animal before a still camera: {@link sampleFrame} takes some 64 frames that are spread over the video or folder, then
   * {@link searchFrame} all of them, and {@link locate} returns their crops.
   * @param {string} source Name of the video or folder.
   */
  async beginSearch(source) {
    await this.#send({ type: "begin-search", source });
  }

  /**
   * Takes a frame for the background.
   * @param {string} source
   * @param {Pixels | File} frame
   */
  async sampleFrame(source, frame) {
    await this.#sendFrame((width, height) => ({ type: "sample-frames", source, width, height }), frame);
  }

  /**
   * Looks for the animal in the next frame.
   * @param {string} source
   * @param {Pixels | File} frame
   */
  async searchFrame(source, frame) {
    await this.#sendFrame((width, height) => ({ type: "search-frames", source, width, height }), frame);
  }

  /**
   * Returns the crops of all frames that were looked at or, before the first of them, of the sampled frames.
   * @param {string} source
   * @param {{ margin?: number, isVideo?: boolean }} [options] `margin`: side of the crop by the length of the body; a run that is then
   *   trained on the crops keeps it. Without it, that of the model. `isVideo`: the frames
   *   follow one another.
   * @returns {Promise<EventOf<"located">>} Rejects with an {@link EngineError} if the camera moves, or not exactly one thing moves.
   */
  async locate(source, { margin, isVideo = true } = {}) {
    const answer = await this.#send({ type: "locate", source, margin, is_video: isVideo });
    if (!answer || !("crops" in answer)) throw new EngineError("crash", "The engine answered without crops.");
    return answer;
  }

  /**
   * Returns which frames to compare, where `count` are to be chosen of all sources together.
   * @param {string[]} sources
   * @param {number} count
   * @returns {Promise<number[][]>} For each source, ascending indices among the frames that were looked at.
   */
  async listCandidates(sources, count) {
    const answer = await this.#send({ type: "list-candidates", sources, count });
    if (!answer || !("frames" in answer)) throw new EngineError("crash", "The engine answered without frames.");
    return answer.frames;
  }

  /**
   * Takes a candidate of {@link listCandidates}.
   * @param {string} source
   * @param {number} index
   * @param {Pixels} frame
   */
  async addCandidate(source, index, frame) {
    await this.#sendFrame((width, height) => ({ type: "add-candidate", source, width, height, index }), frame);
  }

  /**
   * Chooses frames that differ among the candidates.
   * @param {string[]} sources
   * @param {number} count
   * @returns {Promise<number[][]>} As {@link listCandidates}.
   */
  async chooseFrames(sources, count) {
    const answer = await this.#send({ type: "choose-frames", sources, count });
    if (!answer || !("frames" in answer)) throw new EngineError("crash", "The engine answered without frames.");
    return answer.frames;
  }

  /**
   * Sends a command with a frame, decoded or as a file.
   * @param {(width: number, height: number) => protocol.Command} command
   * @param {Pixels | File} frame
   */
  async #sendFrame(command, frame) {
    if (frame instanceof File) await this.#send(command(0, 0), attachmentsOf([frame]));
    else await this.#send(command(frame.width, frame.height), { pixels: frame.pixels });
  }

  /** Requests a `project` event with the current state of the project. */
  async showProject() {
    await this.#send({ type: "show-project" });
  }

  /**
   * Provides the image of a video frame for export.
   * @param {number} image Id of the image row.
   * @param {File} file PNG or JPEG.
   */
  async provideFrame(image, file) {
    await this.#send({ type: "provide-frame", image }, attachmentsOf([file]));
  }

  /**
   * Measures how points move in the videos of the project.
   * @param {{ layer?: protocol.Layer, measures: protocol.Measure[], smoothing?: protocol.OneEuro | null }} wanted
   * @returns {Promise<EventOf<"motion">>}
   */
  async measureMotion({ layer = "keypoints", measures, smoothing = null }) {
    const answer = await this.#send({ type: "measure-motion", layer, measures, smoothing });
    if (!answer || !("videos" in answer)) throw new EngineError("crash", "The engine answered without measurements.");
    return answer;
  }

  /**
   * Exports the same measurements as a table (CSV).
   * @param {{ layer?: protocol.Layer, measures: protocol.Measure[], smoothing?: protocol.OneEuro | null }} wanted
   * @returns {Promise<File>}
   */
  async exportMotion({ layer = "keypoints", measures, smoothing = null }) {
    const answer = await this.#send({ type: "export-motion", layer, measures, smoothing });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([answer.file], answer.name);
  }

  /**
   * Saves the project to a file for {@link openProject}: references to images, landmarks, names and corrections.
   * @param {string} name Name of the project.
   * @returns {Promise<Blob>}
   */
  async saveProject(name) {
    const answer = await this.#send({ type: "save-project", name });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return answer.file;
  }

  /**
   * Opens a project in place of the current one. Its labels wait until their images are added.
   * @param {Blob} project File from {@link saveProject}.
   * @returns {Promise<string>} Name of the project.
   */
  async openProject(project) {
    const answer = await this.#send({ type: "open-project" }, attachmentsOf([new File([project], "project.json")]));
    if (!answer || !("name" in answer)) throw new EngineError("crash", "The engine answered without a name.");
    return answer.name;
  }

  /** Starts a new project without images. */
  async newProject() {
    await this.#send({ type: "new-project" });
  }

  /**
   * Applies an edit to the project.
   * @param {protocol.Edit} edit
   */
  async edit(edit) {
    await this.#send({ type: "edit", edit });
  }

  /**
   * Imports labels of another tool, such as COCO keypoints or a DeepLabCut table, as landmarks.
   * @param {File} file
   * @returns {Promise<EventOf<"added"> | null>} Number of labelled images and notes on the file.
   */
  async importLabels(file) {
    return this.#sendAndCollect({ type: "import-labels" }, attachmentsOf([file]));
  }

  /**
   * Exports annotations in the format of a tool: one file or a zip.
   * @param {{ layer?: protocol.Layer, format: protocol.Format, withImages?: boolean }} options
   * @returns {Promise<File>}
   */
  async export({ layer = "keypoints", format, withImages = false }) {
    const answer = await this.#send({ type: "export", layer, format, with_images: withImages });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without a file.");
    return new File([answer.file], answer.name);
  }

  /**
   * Returns the file of an image of the project, extracted if it is in a zip.
   * @param {number} image Id of the image row.
   * @returns {Promise<Blob>}
   */
  async imageFile(image) {
    const answer = await this.#send({ type: "image-file", image });
    if (!answer || !("file" in answer)) throw new EngineError("crash", "The engine answered without an image.");
    return answer.file;
  }

  /**
   * Sends a command and returns the `added` event that precedes its answer.
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
   * Adds a listener for one type of event.
   * @template {EventType} T
   * @param {T} type
   * @param {(event: EventOf<T>) => void} listener
   * @returns {() => void} Removes the listener.
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Stops the engine. Pending promises are rejected. */
  close() {
    this.#end(new EngineError("crash", "The session was closed."));
  }

  #presets() {
    return this.#ready?.presets ?? [];
  }

  /**
   * @param {protocol.Command} command
   * @param {{ files?: File[], names?: string[], pixels?: Uint8Array<ArrayBuffer> }} [attachments] The buffer of the pixels is transferred.
   * @returns {Promise<Answer>} Settles when the engine answers.
   */
  #send(command, attachments) {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      const { files, names, pixels } = attachments ?? {};
      const message = { id, command, files, names, pixels };
      const moved = attachments?.pixels ? [attachments.pixels.buffer] : [];
      if (this.#booted) this.#worker.postMessage(message, moved);
      else this.#queue.push({ message });
    });
  }

  /** @param {EngineEvent | { type: "booted" } | { type: "builds", builds: string[] }} event */
  #receive(event) {
    if (this.#ended) return;
    if (event.type === "builds") {
      if (event.builds.some((build) => build !== BUILD))
        this.#end(new EngineError("build", "The page and its engine come from different builds. Reload the page."));
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
        if (event.step < (this.#step?.step ?? 0)) this.#step = null; // a new run, or a run that went back
        break;
      case "cores":
        if (this.#ready) this.#ready = { ...this.#ready, reason: event.reason };
        break;
      case "step":
        this.#step = event;
        if (this.#state) this.#state = { ...this.#state, step: event.step };
        break;
      case "resumed":
        this.#step = null; // belongs to the previous run
        break;
      case "loaded":
        this.#loaded = event;
        break;
    }
    // Listeners run first, so that code that awaits a command finds their state up to date.
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
      case "explained":
      case "located":
      case "frames-chosen":
      case "flips-mended":
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
      // A listener that throws must not block the other listeners or the answer to the command.
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

/** Splits files into files and the names to show.
 * @param {Iterable<File | NamedFile> | ArrayLike<File | NamedFile>} files
 */
function attachmentsOf(files) {
  const named = Array.from(files, (entry) =>
    entry instanceof File ? { file: entry, name: entry.webkitRelativePath || entry.name } : entry,
  );
  return { files: named.map(({ file }) => file), names: named.map(({ name }) => name), crops: named.map(({ crop }) => crop) };
}
