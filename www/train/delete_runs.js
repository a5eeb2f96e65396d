// @ts-check
/**
 * The dialog for deleting stored runs, which opens when there are more than {@link MOST_RUNS}. The last deletion can be undone.
 *
 * @module
 */

import { counted, dateText } from "../ui/format.js";
import { reasonOf } from "../state/autosave.js";
import { MOST_RUNS } from "../state/saves.js";

/** @import { Saved, Saves } from "../state/saves.js" */
/** @import { Store } from "../state/state.js" */

/** @param {Saved} saved */
const titleOf = ({ name, step, date }) => `${name}, ${counted(step, "step")}, ${dateText(date)}`;

/**
 * @param {Store} store
 * @param {Saves} saves
 * @param {(saved: Saved) => Promise<void>} remove Deletes a stored run and updates the list.
 * @param {() => Promise<void>} refresh Updates the list of stored runs.
 */
export function openDeleteRuns(store, saves, remove, refresh) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const dialog = /** @type {HTMLDialogElement} */ (byId("delete-runs"));
  const undo = /** @type {HTMLButtonElement} */ (byId("delete-runs-undo"));
  /** Ids of runs for which the dialog has opened. @type {Set<string>} */ const askedAbout = new Set();
  const opened = Date.now();
  /** The run that was deleted last. @type {{ saved: Saved, file: File } | null} */ let deleted = null;

  const setStatus = (/** @type {string} */ text) => void (byId("delete-runs-status").textContent = text);
  const deleteRun = async (/** @type {Saved} */ saved) => {
    try {
      const [stored] = await saves.files(saved.id);
      // A copy in memory, because the browser's file cannot be read after its removal.
      const file = stored && new File([await stored.arrayBuffer()], stored.name);
      await remove(saved);
      deleted = file ? { saved, file } : null;
      undo.hidden = !deleted;
      setStatus(`Deleted ${titleOf(saved)}.`);
      (deleted ? undo : dialog).focus();
    } catch (error) {
      setStatus(`The browser could not delete ${titleOf(saved)}: ${reasonOf(error)}.`);
    }
  };
  undo.addEventListener("click", async () => {
    if (!deleted) return;
    const { saved, file } = deleted;
    try {
      await saves.write(saved, file);
      deleted = null;
      undo.hidden = true;
      setStatus(`Restored ${titleOf(saved)}.`);
      await refresh();
      dialog.querySelector("button")?.focus();
    } catch (error) {
      setStatus(`The browser could not restore the run: ${reasonOf(error)}.`);
    }
  });

  const open = () => {
    deleted = null;
    undo.hidden = true;
    setStatus("");
    if (!dialog.open) dialog.showModal();
  };
  byId("choose-runs").addEventListener("click", open);

  const show = (/** @type {Saved[]} */ list) => {
    const count = `${list.length} ${list.length === 1 ? "run is" : "runs are"} stored in this browser`;
    byId("too-many-runs").hidden = list.length <= MOST_RUNS;
    byId("too-many-runs-text").textContent = `${count}. Choose which ones to delete.`;
    byId("delete-runs-text").textContent =
      list.length > MOST_RUNS ? `${count}, and each takes space. Delete those that you no longer need, or keep them all.` : `${count}.`;
    byId("delete-runs-list").replaceChildren(
      ...list.map((saved) => {
        const item = document.createElement("li");
        const thumbnail = document.createElement("img");
        thumbnail.alt = "";
        thumbnail.width = thumbnail.height = 64;
        if (saved.thumbnail) thumbnail.src = saved.thumbnail;
        const title = document.createElement("p");
        title.textContent = titleOf(saved) + (saved.id === store.state.run.id ? " (this run)" : "");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "small";
        button.dataset.testid = "delete-runs-delete";
        button.textContent = "Delete";
        button.setAttribute("aria-label", `Delete: ${titleOf(saved)}`);
        button.addEventListener("click", () => deleteRun(saved));
        const buttons = document.createElement("div");
        buttons.append(button);
        item.append(thumbnail, title, buttons);
        return item;
      }),
    );
  };
  store.watch(["saves"], ({ saves: list }) => show(list));
  // The dialog opens once per run, when the run is first stored and nothing else is going on; the lesson's experiments are not interrupted.
  store.watch(["saves", "phase", "resetting"], ({ saves: list, phase, resetting }) => {
    const [newest] = list;
    const isNew = list.length > MOST_RUNS && newest.date >= opened && !askedAbout.has(newest.id);
    if (!isNew || phase === "training" || resetting || document.querySelector("dialog[open], #back-to-lesson")) return;
    askedAbout.add(newest.id);
    open();
  });
}
