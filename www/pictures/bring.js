// @ts-check
/**
 * Bringing pictures: thumbnails with remove and undo, how they become square, frames of videos, the camera.
 *
 * @module
 */

import { isVideo } from "../annotate/video.js";
import { FitChoice } from "./fit.js";
import { Tray } from "./tray.js";
import { FramePanel } from "./frames.js";

/** @import * as protocol from "../protocol.js" */
/** @import { NamedFile } from "../autolink.js" */
/** @import { Store } from "../state.js" */

/** Pictures are read again when nothing was removed for so long, ms. */
const RELOAD_AFTER = 700;
/** Nothing is learned from fewer. */
const FEWEST = 2;

/**
 * @param {Store} store
 * @param {{ load: (files: NamedFile[]) => Promise<void>, change: (patch: Partial<protocol.Config>) => void }} page
 * @returns {{ take: (files: NamedFile[]) => void }} Where dropped pictures and videos go.
 */
export function openPictures(store, { load, change }) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  /** What the tray shows. @type {NamedFile[]} */ let shown = [];
  /** What was removed, the last one last, and where it was. @type {{ file: NamedFile, at: number }[]} */ let removed = [];
  /** The list that this module loads. @type {NamedFile[] | null} */ let asked = null;
  let resting = 0;

  const tray = new Tray(byId("thumbnails"), (file) => {
    if (shown.length <= FEWEST) return say(`${FEWEST} pictures have to stay.`);
    removed.push({ file, at: shown.indexOf(file) });
    put(shown.filter((other) => other !== file));
    say(`Removed ${file.name}.`);
  });
  const fit = new FitChoice(byId("fits"), (fit) => change({ fit }));
  const say = (/** @type {string} */ text) => void (byId("removed-text").textContent = text);

  const put = (/** @type {NamedFile[]} */ files) => {
    shown = files;
    tray.show(files);
    state();
    clearTimeout(resting);
    // A run is not thrown away for a thumbnail; there one presses a button.
    if (store.state.step === 0) resting = window.setTimeout(reload, RELOAD_AFTER);
  };
  const reload = () => {
    clearTimeout(resting);
    if (!isPending()) return;
    asked = shown;
    load(shown);
  };
  /** Whether the engine has other pictures than are shown. */
  const isPending = () => store.state.files.length !== shown.length || store.state.files.some((file, at) => file !== shown[at]);
  const state = () => {
    const { step, phase } = store.state;
    byId("removed-undo").hidden = removed.length === 0;
    byId("removed-staged").hidden = !(isPending() && (step > 0 || phase === "training"));
  };

  byId("removed-undo").addEventListener("click", () => {
    const last = removed.pop();
    if (!last) return;
    put([...shown.slice(0, last.at), last.file, ...shown.slice(last.at)]);
    say(`${last.file.name} is back.`);
    if (removed.length === 0) byId("thumbnails").querySelector("button")?.focus();
  });
  byId("removed-apply").addEventListener("click", reload);

  store.watch(["files"], ({ files, rejected }) => {
    if (files !== asked) {
      removed = [];
      say("Click one to leave it out.");
    }
    const bad = new Set(rejected.map(({ name }) => name));
    shown = files;
    byId("tray").hidden = files.length === 0;
    tray.show(files.filter(({ name }) => !bad.has(name)));
    fit.show(files);
    state();
  });
  store.watch(["step", "phase"], state);
  store.watch(["config", "staged"], ({ config, staged }) => {
    const chosen = staged.fit ?? config?.fit;
    if (chosen) fit.check(chosen);
  });

  const frames = new FramePanel(byId("frames"), load);
  byId("open-record").addEventListener("click", async () => {
    const { record } = await import("./record.js");
    const files = await record(/** @type {HTMLDialogElement} */ (byId("record")));
    if (files.length) load(files);
  });

  return {
    take(files) {
      const videos = files.filter(isVideo);
      if (videos.length === 0) load(files);
      else frames.open(videos, files.filter((file) => !isVideo(file)));
    },
  };
}
