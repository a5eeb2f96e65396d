// @ts-check
/**
 * The page's second half: keypoints found in pictures, named and corrected, and taken home.
 *
 * @module
 */

import { Desk } from "./desk.js";
import { Editor } from "./editor.js";
import { Gallery } from "./gallery.js";
import { make, showEdges, showKeypoints, showLandmarks } from "./labels.js";
import { Pictures } from "./pictures.js";

/** @import * as protocol from "../protocol.js" */
/** @import { NamedFile, Session } from "../autolink.js" */
/** @import { PageState, Store } from "../state.js" */

/** Work is kept when nothing was done for so long, ms. */
const KEEP_AFTER = 1000;

/**
 * What this half of the page asks of the other.
 * @typedef {object} Page
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {(file: File) => void} download
 * @property {import("../saves.js").Saves} saves
 */

/**
 * @param {Store} store
 * @param {Page} page
 * @returns {{ find: (files: NamedFile[]) => void, importLabels: (file: NamedFile) => void, restore: () => Promise<void> }} Where
 *   what is dropped goes; and what was done on an earlier visit, to be called when an engine is new.
 */
export function openAnnotate(store, { attempt, download, saves }) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (byId(id));
  const say = (/** @type {string} */ text) => store.set({ message: { kind: "info", text } });

  const pictures = new Pictures((index) => {
    /** @type {Promise<Blob>} */
    const picture = new Promise((resolve, reject) => {
      attempt(async (session) => resolve(await session.picture(index))).then(() => reject(new Error("no picture")));
    });
    return picture;
  });
  // Work is kept as soon as the hands rest, and comes back on the next visit.
  let resting = 0;
  const keepWork = () => {
    clearTimeout(resting);
    resting = window.setTimeout(() => attempt(async (session) => saves.keepWork(await session.work()).catch(() => {})), KEEP_AFTER);
  };
  const edit = (/** @type {protocol.Edit} */ edit) =>
    attempt(async (session) => {
      await session.edit(edit);
      keepWork();
      if (store.state.message?.kind === "error") store.set({ message: null });
    }).then(() => store.state.desk && store.set({ desk: new Desk(store.state.desk.view) })); // a field that was refused shows what holds
  const layer = () => /** @type {protocol.Layer} */ (select("desk-layer").value);
  const order = () => store.state.desk?.order(/** @type {"name"} */ (select("desk-order").value)) ?? [];

  const editor = new Editor(/** @type {HTMLDialogElement} */ (byId("editor")), pictures, edit);
  const gallery = new Gallery(byId("gallery"), pictures, (index) => editor.open(index));

  const show = () => {
    const { desk } = store.state;
    const isLandmarks = layer() === "landmarks";
    gallery.show(desk, layer(), order());
    editor.show(desk, layer(), order());
    byId("desk-empty").hidden = Boolean(desk?.count);
    byId("desk-full").hidden = !desk?.count;
    byId("keypoints-part").hidden = isLandmarks;
    byId("landmarks-part").hidden = !isLandmarks;
    if (!desk) return;
    const { view } = desk;
    byId("desk-count").textContent = `${desk.count} ${desk.count === 1 ? "picture" : "pictures"}`;
    const category = /** @type {HTMLInputElement} */ (byId("category"));
    if (document.activeElement !== category) category.value = view.category;
    showKeypoints(byId("keypoints"), desk, edit);
    showEdges(byId("edges"), desk, edit);
    showLandmarks(byId("landmarks"), desk, edit, (index) => editor.open(index));
    byId("landmarks-missing").textContent = view.missing;
    const next = /** @type {HTMLButtonElement} */ (byId("label-next"));
    next.disabled = view.next.length === 0;
    next.textContent = view.next.length ? `Label next: ${view.sheets[view.next[0]].name}` : "Label next";
    /** @type {HTMLButtonElement} */ (byId("desk-undo")).disabled = !view.can_undo;
    /** @type {HTMLButtonElement} */ (byId("desk-redo")).disabled = !view.can_redo;
  };
  store.watch(["desk"], show);
  select("desk-layer").addEventListener("change", show);
  select("desk-order").addEventListener("change", show);

  store.watch(["formats"], ({ formats }) => {
    byId("formats").replaceChildren(
      ...formats.map(({ format, title, about, holds_pictures }) => {
        const button = make("button", { type: "button", class: "small", "data-testid": `export-${format}`, "aria-label": `Download: ${title}` }, "Download");
        const withPictures = () => holds_pictures && /** @type {HTMLInputElement} */ (byId("with-pictures")).checked;
        button.addEventListener("click", () =>
          attempt(async (session) => {
            const file = await session.export({ layer: layer(), format, withPictures: withPictures() });
            download(file);
            store.set({ progress: null });
            say(`Saved ${file.name}.`);
          }),
        );
        return make("li", {}, make("div", {}, make("b", {}, title), make("small", {}, about)), button);
      }),
    );
  });

  store.watch(["noted"], ({ noted }) => {
    const section = /** @type {HTMLDetailsElement} */ (byId("noted"));
    section.hidden = noted.length === 0;
    section.open = noted.length > 0 && noted.length <= 3;
    byId("noted-summary").textContent = noted.length === 1 ? "1 file needs a word" : `${noted.length} files need a word`;
    byId("noted-files").replaceChildren(...noted.map(({ name, reason }) => make("li", {}, make("b", {}, name), ` ${reason}`)));
  });

  store.watch(["engine", "finding", "step", "pictures"], ({ engine, finding, step }) => {
    byId("desk-cancel").hidden = !finding;
    byId("desk-untrained").hidden = step > 0 || engine !== "running";
    /** @type {HTMLButtonElement} */ (byId("desk-training")).disabled = engine !== "running" || finding || store.state.pictures === 0;
  });

  /** Without files: in the training pictures. */
  const find = (/** @type {NamedFile[]} */ files) => {
    store.set({ finding: true, noted: [], message: null, progress: { what: "Finding keypoints", done: 0, total: null, isBytes: false } });
    attempt(async (session) => {
      const found = await session.find(files);
      pictures.clear();
      if (store.state.desk) store.set({ desk: new Desk(store.state.desk.view) });
      if (!found) return;
      store.set({ noted: found.rejected, progress: null });
      say(found.about);
    }).finally(() => store.set({ finding: false, progress: null }));
  };
  const importLabels = (/** @type {NamedFile} */ { file }) =>
    void attempt(async (session) => {
      const found = await session.importLabels(file);
      if (!found) return;
      keepWork();
      store.set({ noted: found.rejected });
      select("desk-layer").value = "landmarks";
      show();
      say(found.about);
    });

  byId("desk-training").addEventListener("click", () => find([]));
  byId("desk-cancel").addEventListener("click", () => attempt((session) => session.cancelLoad()));
  byId("desk-clear").addEventListener("click", () => {
    const { view } = store.state.desk ?? {};
    const hasWork = view && (view.can_undo || view.landmarks.length > 0);
    if (hasWork && !confirm("Clear the desk? Names, corrections and landmarks are forgotten with it.")) return;
    attempt(async (session) => {
      await session.clearDesk();
      await saves.keepWork(null).catch(() => {});
    });
  });
  byId("desk-undo").addEventListener("click", () => edit({ kind: "undo" }));
  byId("desk-redo").addEventListener("click", () => edit({ kind: "redo" }));
  byId("label-next").addEventListener("click", () => {
    const next = store.state.desk?.view.next[0];
    if (next !== undefined) editor.open(next);
  });
  byId("landmark-add").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (byId("landmark-new"));
    edit({ kind: "add-landmark", name: field.value || `landmark ${(store.state.desk?.view.landmarks.length ?? 0) + 1}` });
    field.value = "";
    field.focus();
  });
  byId("category").addEventListener("change", (event) => edit({ kind: "category", name: /** @type {HTMLInputElement} */ (event.currentTarget).value }));
  const restore = async () => {
    const work = await saves.work().catch(() => null);
    if (work) await attempt((session) => session.restoreWork(work));
  };
  return { find, importLabels, restore };
}
