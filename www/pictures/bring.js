// @ts-check
/**
 * Bringing pictures: thumbnails with remove and undo, how they become square, frames of videos, the camera; and whether
 * what comes is added to what is there.
 *
 * @module
 */

import { isVideo } from "../annotate/video.js";
import { isLabels } from "../files.js";
import { counted, grouped } from "../format.js";
import { FitChoice } from "./fit.js";
import { Tray } from "./tray.js";
import { FramePanel } from "./frames.js";

/** @import * as protocol from "../protocol.js" */
/** @import { EventOf, NamedFile } from "../autolink.js" */
/** @import { Store } from "../state.js" */

/** Pictures are left out when nothing more was removed for so long, ms. */
const REST = 500;
/** Nothing is learned from fewer. */
const FEWEST = 2;
/** Thumbnails that are shown at first, and so many more each time. */
const PORTION = 60;

/**
 * @typedef {object} Page What the rest of the page does for this.
 * @property {(source: NamedFile[], adds: boolean) => Promise<boolean>} load
 * @property {() => Promise<unknown>} underway The load that was asked for last.
 * @property {(places: number[]) => Promise<void>} removeImages
 * @property {(patch: Partial<protocol.Config>) => void} change
 * @property {(file: File) => Promise<string>} identify What a file is known by, whatever its name.
 * @property {(first: number, count: number) => Promise<EventOf<"thumbnails"> | undefined>} thumbnails
 */

/**
 * @param {Store} store
 * @param {Page} page
 * @returns {{ take: (files: NamedFile[], failed: protocol.Rejected[]) => void, forget: () => void }} Where dropped pictures and videos go; what waits is forgotten.
 */
export function openPictures(store, { load, underway, removeImages, change, identify, thumbnails }) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const adds = /** @type {HTMLInputElement} */ (byId("adds"));
  /** The places that are to be left out; the engine may not know yet. @type {number[]} */ let out = [];
  /** What the engine was told to leave out. @type {number[] | null} */ let asked = null;
  /** What undo goes back to, the last one last. @type {{ out: number[], said: string }[]} */ let before = [];
  /** The names of those that are shown. @type {string[]} */ const names = [];
  /** The newest wish for thumbnails; an older one gives up. */ let turn = 0;
  let isAdding = false;
  let resting = 0;

  const say = (/** @type {string} */ text) => void (byId("removed-text").textContent = text);
  const tray = new Tray(byId("thumbnails"), (place) => {
    if (store.state.read.count - out.length <= FEWEST) return say(`At least ${FEWEST} images must stay.`);
    before.push({ out, said: `Restored ${names[place]}.` });
    put([...out, place]);
    say(`Removed ${names[place]}.`);
  });
  const fit = new FitChoice(byId("fits"), (fit) => change({ fit }));

  const put = (/** @type {number[]} */ places) => {
    out = places;
    tray.removeImages(places);
    state();
    clearTimeout(resting);
    // A run is not thrown away for a thumbnail; there one presses a button.
    if (store.state.step === 0) resting = window.setTimeout(apply, REST);
  };
  const apply = () => {
    clearTimeout(resting);
    if (!isPending()) return;
    asked = [...out].sort((a, b) => a - b);
    removeImages(asked);
  };
  /** Whether the engine leaves out others. */
  const isPending = () => {
    const known = new Set(store.state.leftOut);
    return known.size !== out.length || out.some((place) => !known.has(place));
  };
  const state = () => {
    const { step, phase, read } = store.state;
    byId("removed-undo").hidden = before.length === 0;
    adds.disabled = read.count === 0;
    byId("removed-staged").hidden = !(isPending() && (step > 0 || phase === "training"));
    const more = read.count - tray.count;
    // Before the first come, there is room for them and for this.
    byId("thumbnails-more").classList.toggle("is-waiting", tray.count === 0);
    byId("thumbnails-more").hidden = more <= 0 && tray.count > 0;
    byId("thumbnails-more").textContent = `and ${grouped(more)} more`;
  };

  /** Shows the first so many as they are now. @param {number} count */
  const show = async (count) => {
    const mine = ++turn;
    const wanted = Math.min(count, store.state.read.count);
    for (let first = 0; first < wanted; first += PORTION) {
      const page = await thumbnails(first, Math.min(PORTION, wanted - first)).catch(() => undefined);
      if (!page || mine !== turn) return;
      for (const [at, name] of page.names.entries()) {
        names[first + at] = name;
        tray.put(first + at, name, canvasOf(page, at));
      }
    }
    tray.cut(wanted);
    tray.removeImages(out);
    state();
  };

  byId("removed-undo").addEventListener("click", () => {
    const last = before.pop();
    if (!last) return;
    put(last.out);
    say(last.said);
    if (before.length === 0) byId("thumbnails").querySelector("button")?.focus();
  });
  byId("removed-apply").addEventListener("click", apply);
  byId("thumbnails-more").addEventListener("click", async () => {
    const first = tray.count;
    await show(first + PORTION);
    /** @type {HTMLElement | undefined} */ (byId("thumbnails").querySelectorAll("button")[first])?.focus();
  });

  store.watch(["read"], () => void show(isAdding ? Math.max(tray.count, PORTION) : PORTION));
  const follow = () => {
    const { leftOut } = store.state;
    if (leftOut !== asked) {
      // Others were loaded, or the engine began again.
      before = [];
      out = asked = leftOut;
      tray.removeImages(out);
      say("Click an image to remove it.");
    }
    state();
  };
  store.watch(["leftOut"], follow);
  let looks = "";
  store.watch(["config"], ({ config }) => {
    const now = `${config?.size} ${config?.fit}`;
    // The engine has read them again.
    if (now !== looks && tray.count > 0) show(tray.count);
    looks = now;
  });
  store.watch(["files"], ({ files }) => {
    fit.show(files);
    // A sample gives way to what a person brings; what that person brought before does not.
    adds.checked = files.length > 0;
  });
  store.watch(["step", "phase"], state);
  store.watch(["config", "staged"], ({ config, staged }) => {
    const chosen = staged.fit ?? config?.fit;
    if (chosen) fit.check(chosen);
  });

  /** What is dropped while other files are read waits for them. @type {Promise<void>} */
  let queue = Promise.resolve();
  /** What waits since before this was raised is not wanted any more. */
  let wish = 0;
  /** @param {NamedFile[]} files @param {protocol.Rejected[]} [failed] What came with them and cannot be used. */
  const bring = (files, failed = []) => {
    const mine = wish;
    const isWanted = () => mine === wish;
    return (queue = queue.catch(() => {}).then(async () => {
      if (!isWanted()) return;
      if (files.length || failed.length === 0) await take(files);
      if (failed.length === 0 || !isWanted()) return;
      store.set({ rejected: [...failed, ...store.state.rejected] });
      if (files.length === 0) store.set({ message: { kind: "error", text: `${failed[0].name}: ${failed[0].reason}` } });
    }));
  };
  /** @param {NamedFile[]} files */
  const take = async (files) => {
    if (!adds.checked || store.state.read.count === 0) {
      // At once, not at the next frame: what waits comes beside these.
      if (await load(files, false)) adds.checked = true;
      return;
    }
    // A sample that is being read comes first, with all that follows from it: not at the next frame, when undo knows of these.
    await underway();
    follow();
    const first = store.state.read.count;
    isAdding = true;
    const isDone = await load(files, true);
    isAdding = false;
    const added = store.state.read.count - first;
    if (!isDone || added <= 0) return;
    const places = Array.from({ length: added }, (_, i) => first + i);
    before.push({ out: [...out, ...places], said: `Removed the ${counted(added, "image")} added last.` });
    say(`Added ${counted(added, "image")}.`);
    state();
  };

  const frames = new FramePanel(byId("frames"), bring, identify);
  byId("open-record").addEventListener("click", async () => {
    const { record } = await import("./record.js");
    const files = await record(/** @type {HTMLDialogElement} */ (byId("record")), adds.checked ? "Add" : "Train on");
    if (files.length) bring(files);
  });

  return {
    take(files, failed) {
      const labels = files.filter(isLabels).map(({ name }) => ({ name, reason: "Training does not use labels. Drop this file in Annotate, together with its images." }));
      const rejected = [...failed, ...labels];
      const videos = files.filter(isVideo);
      const others = files.filter((file) => !isVideo(file) && !isLabels(file));
      if (videos.length) frames.open(videos, others, rejected);
      else if (others.length || rejected.length) bring(others, rejected);
      else bring(files);
    },
    forget: () => void (wish += 1),
  };
}

/** One of some pictures.
 * @param {EventOf<"thumbnails">} pictures
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
