// @ts-check
/**
 * Stores runs in the browser: at intervals while they train, and before another run replaces them. The replaced run can be restored.
 *
 * @module
 */

import { EngineError } from "../autolink.js";
import { counted } from "../ui/format.js";
import { persist, persistSentence } from "./persist.js";
import { newRun } from "./state.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { NamedFile, Session } from "../autolink.js" */
/** @import { Saves } from "./saves.js" */
/** @import { Run, Store } from "./state.js" */
/** @import { Watched } from "../train/watched.ts" */

/** Interval between saves of a run in training, ms. With the time of a save, at most 30 s are lost. */
const SAVE_EVERY = 25_000;

/**
 * A run in memory: its file and its images.
 * @typedef {object} ReplacedRun
 * @property {Run} run
 * @property {number} step Number of steps taken.
 * @property {File} file
 * @property {(protocol.Source | NamedFile[])[]} sources Sources of its images.
 * @property {number[]} removedImages Indices of its removed images.
 * @property {string} model Description of the model that it started from.
 */

/**
 * @typedef {object} Page Parts of the page that this class uses.
 * @property {() => Session | null} session
 * @property {() => (protocol.Source | NamedFile[])[]} sources Returns the sources of the loaded images.
 * @property {() => { thumbnail: string, watched: Watched }} look Shows what is seen of the run now, to be listed with it.
 */

export class Autosave {
  #store;
  #saves;
  #page;
  /** @type {Promise<void> | null} */ #saving = null;
  #savedAt = performance.now();
  /** The newest file of the run. @type {{ id: string, step: number, file: File } | null} */ #memory = null;
  /** The run that is about to be replaced. @type {ReplacedRun | null} */ #replacing = null;

  /**
   * @param {Store} store
   * @param {Saves} saves
   * @param {Page} page
   */
  constructor(store, saves, page) {
    this.#store = store;
    this.#saves = saves;
    this.#page = page;
  }

  /** Stores the run, if it has new steps. */
  save() {
    this.#saving ??= this.#saveNow().finally(() => (this.#saving = null));
    return this.#saving;
  }

  /** Stores the run if the interval is over. Call this after each step: timers are throttled in hidden tabs. */
  saveIfDue() {
    if (performance.now() - this.#savedAt >= SAVE_EVERY) this.save();
  }

  /** Returns the file from which a new engine can continue a run.
   * @param {string} id
   */
  fileInMemory(id) {
    return this.#memory?.id === id ? this.#memory : null;
  }

  /** Remembers the file from which a run was opened.
   * @param {string} id
   * @param {number} step
   * @param {File} file
   */
  remember(id, step, file) {
    this.#memory = { id, step, file };
    this.#savedAt = performance.now();
  }

  /**
   * Stores the run that is about to be replaced, in the browser and in memory. Call this while nothing trains.
   * @returns {Promise<boolean>} True if the run may be replaced. If it cannot be stored, the user decides.
   */
  async saveBeforeReplacing() {
    const { engine, step, run, removedImages, model } = this.#store.state;
    const session = this.#page.session();
    this.#replacing = null;
    if (!session || engine !== "running" || step === 0) return true;
    try {
      await this.#saving;
      const known = this.fileInMemory(run.id);
      const file = known?.step === step ? known.file : await session.save("run");
      this.remember(run.id, step, file);
      this.#replacing = { run, step, file, sources: this.#page.sources(), removedImages, model };
      // A run that was opened from a file and not trained since is still in that file.
      if (step > run.savedStep) await this.#write(run, step, file);
      return true;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crash") return false;
      const comesBack = this.#replacing ? " If you continue, you can restore the run until you close the page." : "";
      return confirm(
        `The browser cannot store this run of ${counted(step, "step")}: ${reasonOf(error)}.${comesBack} Continue without storing it?`,
      );
    }
  }

  /** Returns the replaced run, as a change of the state that offers to restore it. */
  takeReplaced() {
    const replacedRun = this.#replacing;
    this.#replacing = null;
    this.#saves.release();
    return replacedRun ? { replacedRun: { ...replacedRun, run: { ...replacedRun.run, savedStep: replacedRun.step } } } : {};
  }

  async #saveNow() {
    const { engine, step, run, loading, resetting } = this.#store.state;
    const session = this.#page.session();
    this.#savedAt = performance.now();
    if (!session || engine !== "running" || loading || resetting || step <= run.savedStep) return;
    try {
      const file = await session.save("run");
      const reached = session.state().step;
      // The run may have been reset meanwhile.
      if (this.#store.state.run.id !== run.id) return;
      this.#memory = { id: run.id, step: reached, file };
      await this.#write(run, reached, file);
    } catch (error) {
      if (error instanceof EngineError) return; // the training command shows it
      this.#showError(error);
    }
  }

  /**
   * @param {Run} run
   * @param {number} step
   * @param {File} file
   */
  async #write(run, step, file) {
    const own = await this.#claim(run);
    const { id, name, source } = own;
    await this.#saves.write(
      { id, name, source, leftOut: this.#store.state.removedImages, date: Date.now(), step, ...this.#page.look() },
      file,
    );
    const { run: now } = this.#store.state;
    this.#store.set({ autosaveError: "", ...(now.id === id ? { run: { ...now, savedStep: step } } : {}) });
    await this.refresh();
    // Some browsers ask the user, which takes time.
    persist().then((answer) => this.#store.set({ persisted: persistSentence(answer) }));
  }

  /** Claims a run for this tab. If another tab trains it, it continues here as a separate run.
   * @param {Run} run
   * @returns {Promise<Run>}
   */
  async #claim(run) {
    if (await this.#saves.claim(run.id)) return run;
    const own = { ...newRun(run.name, run.source), savedStep: run.savedStep };
    await this.#saves.claim(own.id);
    if (this.#memory?.id === run.id) this.#memory = { ...this.#memory, id: own.id };
    if (this.#replacing?.run.id === run.id) this.#replacing = { ...this.#replacing, run: own };
    if (this.#store.state.run.id === run.id) this.#store.set({ run: own, message: { kind: "info", text: IN_TWO_TABS } });
    return own;
  }

  /** Claims a run that was opened. If another tab has it, it becomes a separate run.
   * @param {Run} run
   * @returns {Promise<{ run: Run, note: string }>}
   */
  async claimOpened(run) {
    if (await this.#saves.claim(run.id).catch(() => true)) return { run, note: "" };
    return { run: { ...newRun(run.name, run.source), savedStep: run.savedStep }, note: ` ${IN_TWO_TABS}` };
  }

  /** Shows once that the run cannot be stored. Training continues.
   * @param {unknown} error
   */
  #showError(error) {
    if (this.#store.state.autosaveError) return;
    const autosaveError = `The browser cannot store this run: ${reasonOf(error)}. Training continues. Press Save run before you leave.`;
    this.#store.set({ autosaveError, message: { kind: "error", text: autosaveError } });
  }

  /** Updates the list of stored runs. */
  async refresh() {
    try {
      this.#store.set({ saves: await this.#saves.list() });
    } catch {
      // Storage is disabled, which is reported at the next save.
    }
  }
}

const IN_TWO_TABS = "Another tab is training this run. It continues here as a separate run.";

/** Reason of a failure, whatever was thrown.
 * @param {unknown} error
 * @returns {string} Without a full stop.
 */
export function reasonOf(error) {
  if (error instanceof DOMException && error.name === "QuotaExceededError") return "its space for this page is used up";
  const text = error instanceof Error ? error.message || error.name : error == null ? "" : `${error}`;
  return text.trim().replace(/\.$/, "") || "it gives no reason";
}
