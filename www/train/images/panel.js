// @ts-check
/**
 * The Images card: thumbnails with remove and undo, the fit to a square, frames of videos, the camera, and adding images to those that are
 * loaded.
 *
 * @module
 */

import { isVideo } from "../../annotate/video.js";
import { isLabels } from "../../ui/files.js";
import { counted, grouped } from "../../ui/format.js";
import { FitChoice } from "./fit.js";
import { Thumbnails } from "./thumbnails.js";
import { FramePanel } from "./frames.js";

/** @import * as protocol from "../../engine/protocol.js" */
/** @import { EventOf, NamedFile, Session } from "../../autolink.js" */
/** @import { Store } from "../../state/state.js" */

/** Smallest number of images of a folder for which crops are proposed. */
const FOLDER = 20;
/** Delay between the last removal and its effect on training, ms. */
const APPLY_AFTER = 500;
/** Smallest number of images for training. */
const MIN_IMAGES = 2;
/** Number of thumbnails shown at first, and added by each press of "and n more". */
const PAGE = 60;

/**
 * @typedef {object} Page Parts of the page that the card uses.
 * @property {(source: NamedFile[], adds: boolean) => Promise<boolean>} load
 * @property {() => Promise<unknown>} currentLoad Returns the last requested load.
 * @property {(indices: number[]) => Promise<void>} removeImages
 * @property {(patch: Partial<protocol.Config>) => void} change
 * @property {() => Session | null} session
 * @property {(file: File) => Promise<string>} identify Returns the content hash of a file.
 * @property {(first: number, count: number) => Promise<EventOf<"thumbnails"> | undefined>} thumbnails
 */

/**
 * @param {Store} store
 * @param {Page} page
 * @returns {{ loadFiles: (files: NamedFile[], failed: protocol.Rejected[]) => void, forget: () => void }} `loadFiles` takes dropped images and videos; `forget` drops what is queued.
 */
export function openImages(store, { load, currentLoad, removeImages, change, identify, thumbnails, session }) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const adds = /** @type {HTMLInputElement} */ (byId("adds"));
  /** Indices of the removed images; the engine may not have them yet. @type {number[]} */ let removed = [];
  /** Removed images that the engine was told of. @type {number[] | null} */ let requested = null;
  /** States that Undo returns to, newest last. @type {{ removed: number[], undoText: string }[]} */ let undoStack = [];
  /** Names of the shown images. @type {string[]} */ const names = [];
  /** Number of the newest request for thumbnails; older ones are dropped. */ let request = 0;
  let isAdding = false;
  let applyTimer = 0;

  const say = (/** @type {string} */ text) => void (byId("removed-text").textContent = text);
  const thumbnailList = new Thumbnails(byId("thumbnails"), (index) => {
    if (store.state.read.count - removed.length <= MIN_IMAGES) return say(`Keep at least ${MIN_IMAGES} images.`);
    undoStack.push({ removed, undoText: `Restored ${names[index]}.` });
    setRemoved([...removed, index]);
    say(`Removed ${names[index]}.`);
  });
  const fit = new FitChoice(byId("fits"), (fit) => change({ fit }));

  const setRemoved = (/** @type {number[]} */ indices) => {
    removed = indices;
    thumbnailList.removeImages(indices);
    showState();
    clearTimeout(applyTimer);
    // If the run has steps, a button confirms the new run.
    if (store.state.step === 0) applyTimer = window.setTimeout(apply, APPLY_AFTER);
  };
  const apply = () => {
    clearTimeout(applyTimer);
    if (!isPending()) return;
    requested = [...removed].sort((a, b) => a - b);
    removeImages(requested);
  };
  /** Returns true if the engine does not have the current removals. */
  const isPending = () => {
    const known = new Set(store.state.removedImages);
    return known.size !== removed.length || removed.some((index) => !known.has(index));
  };
  const showState = () => {
    const { step, phase, read } = store.state;
    byId("removed-undo").hidden = undoStack.length === 0;
    adds.disabled = read.count === 0;
    byId("removed-staged").hidden = !(isPending() && (step > 0 || phase === "training"));
    const more = read.count - thumbnailList.count;
    // Before the first thumbnails arrive, their space is reserved.
    byId("thumbnails-more").classList.toggle("is-waiting", thumbnailList.count === 0);
    byId("thumbnails-more").hidden = more <= 0 && thumbnailList.count > 0;
    byId("thumbnails-more").textContent = `Show ${grouped(more)} more`;
  };

  /** Shows the first `count` thumbnails. @param {number} count */
  const show = async (count) => {
    const own = ++request;
    const wanted = Math.min(count, store.state.read.count);
    for (let first = 0; first < wanted; first += PAGE) {
      const page = await thumbnails(first, Math.min(PAGE, wanted - first)).catch(() => undefined);
      if (!page || own !== request) return;
      for (const [at, name] of page.names.entries()) {
        names[first + at] = name;
        thumbnailList.put(first + at, name, canvasOf(page, at));
      }
    }
    thumbnailList.truncate(wanted);
    thumbnailList.removeImages(removed);
    showState();
  };

  byId("removed-undo").addEventListener("click", () => {
    const last = undoStack.pop();
    if (!last) return;
    setRemoved(last.removed);
    say(last.undoText);
    if (undoStack.length === 0) byId("thumbnails").querySelector("button")?.focus();
  });
  byId("removed-apply").addEventListener("click", apply);
  byId("thumbnails-more").addEventListener("click", async () => {
    const first = thumbnailList.count;
    await show(first + PAGE);
    /** @type {HTMLElement | undefined} */ (byId("thumbnails").querySelectorAll("button")[first])?.focus();
  });

  store.watch(["read"], () => void show(isAdding ? Math.max(thumbnailList.count, PAGE) : PAGE));
  const syncRemoved = () => {
    const { removedImages } = store.state;
    if (removedImages !== requested) {
      // Other images were loaded, or the engine was restarted.
      undoStack = [];
      removed = requested = removedImages;
      thumbnailList.removeImages(removed);
      say("Click an image to remove it.");
    }
    showState();
  };
  store.watch(["removedImages"], syncRemoved);
  let shownAs = "";
  store.watch(["config"], ({ config }) => {
    const now = `${config?.size} ${config?.fit}`;
    // The engine has read the images again.
    if (now !== shownAs && thumbnailList.count > 0) show(thumbnailList.count);
    shownAs = now;
  });
  store.watch(["files"], ({ files }) => {
    fit.show(files);
    // New images replace a sample, but are added to the user's own images.
    adds.checked = files.length > 0;
  });
  store.watch(["step", "phase"], showState);
  store.watch(["config", "staged"], ({ config, staged }) => {
    const chosen = staged.fit ?? config?.fit;
    if (chosen) fit.check(chosen);
  });

  /** Files dropped during a load wait for it. @type {Promise<void>} */
  let queue = Promise.resolve();
  /** Queued files of an older generation are dropped. */
  let generation = 0;
  /** @param {NamedFile[]} files @param {protocol.Rejected[]} [failed] Files dropped with them that cannot be used. @param {string} [about] A sentence to show once they are loaded. */
  const enqueue = (files, failed = [], about = "") => {
    const own = generation;
    const isWanted = () => own === generation;
    return (queue = queue
      .catch(() => {})
      .then(async () => {
        if (!isWanted()) return;
        if (files.length || failed.length === 0) await loadFiles(files);
        if (about && store.state.message?.kind !== "error") store.set({ message: { kind: "info", text: about } });
        if (failed.length === 0 || !isWanted()) return;
        store.set({ rejected: [...failed, ...store.state.rejected] });
        if (files.length === 0) store.set({ message: { kind: "error", text: `${failed[0].name}: ${failed[0].reason}` } });
      }));
  };
  /** @param {NamedFile[]} files */
  const loadFiles = async (files) => {
    // Crops and whole images do not mix.
    const isOther = files.some(({ crop }) => crop) !== store.state.files.some(({ crop }) => crop);
    if (!adds.checked || store.state.read.count === 0 || isOther) {
      // Set now and not in the next frame, because queued files are added to these.
      if (await load(files, false)) adds.checked = true;
      return;
    }
    // A sample in loading comes first. Its removals are read now and not in the next frame, when Undo includes these images.
    await currentLoad();
    syncRemoved();
    const first = store.state.read.count;
    isAdding = true;
    const isDone = await load(files, true);
    isAdding = false;
    const added = store.state.read.count - first;
    if (!isDone || added <= 0) return;
    const indices = Array.from({ length: added }, (_, i) => first + i);
    undoStack.push({ removed: [...removed, ...indices], undoText: `Removed the ${counted(added, "image")} added last.` });
    say(`Added ${counted(added, "image")}.`);
    showState();
  };

  const frames = new FramePanel(byId("frames"), enqueue, identify, session);
  byId("open-record").addEventListener("click", async () => {
    const { recordImages } = await import("./camera_recorder.js");
    const files = await recordImages(/** @type {HTMLDialogElement} */ (byId("record")), adds.checked ? "Add" : "Train on");
    if (files.length) enqueue(files);
  });

  return {
    loadFiles(files, failed) {
      const labels = files.filter(isLabels).map(({ name }) => ({
        name,
        reason: "Training does not use labels. Open Annotate and drop this file there, together with its images.",
      }));
      const rejected = [...failed, ...labels];
      const videos = files.filter(isVideo);
      const others = files.filter((file) => !isVideo(file) && !isLabels(file));
      if (videos.length) frames.open(videos, others, rejected);
      else if (others.length || rejected.length) {
        const loaded = enqueue(others, rejected);
        if (isOneFolder(others)) loaded.then(() => store.state.files.length === others.length && frames.proposeForImages(others));
      } else enqueue(files);
    },
    forget: () => void (generation += 1),
  };
}

/** Returns true for enough images of one folder to tell an animal from the background.
 * @param {NamedFile[]} files
 */
function isOneFolder(files) {
  const folders = new Set(files.map(({ name }) => name.slice(0, name.lastIndexOf("/") + 1)));
  return files.length >= FOLDER && folders.size === 1 && files.every(({ name }) => /\.(png|jpe?g|webp|bmp|gif)$/i.test(name));
}

/** One of the thumbnails as a canvas.
 * @param {EventOf<"thumbnails">} page
 * @param {number} at
 */
function canvasOf({ size, pixels }, at) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const area = 4 * size * size;
  const rgba = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + at * area, area);
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, size, size), 0, 0);
  return canvas;
}
