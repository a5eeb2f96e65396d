// @ts-check
/**
 * Runs are kept: now and then while they train, and before they go. What went last comes back with one click.
 *
 * @module
 */

import { EngineError } from "./autolink.js";
import { counted } from "./format.js";
import { persist, persistSentence } from "./persist.js";
import { newRun } from "./state.js";

/** @import * as protocol from "./protocol.js" */
/** @import { NamedFile, Session } from "./autolink.js" */
/** @import { Saves } from "./saves.js" */
/** @import { Run, Store } from "./state.js" */

/** A run that trains is kept this often, ms: with the time that this takes, no more than 30 s are lost. */
const SAVE_EVERY = 25_000;

/**
 * A run in memory: its file, and what was learned from.
 * @typedef {object} ReplacedRun
 * @property {Run} run
 * @property {number} step Steps taken.
 * @property {File} file
 * @property {(protocol.Source | NamedFile[])[]} sources
 * @property {number[]} removedImages
 * @property {string} model
 */

/**
 * @typedef {object} Page What the rest of the page does for this.
 * @property {() => Session | null} session
 * @property {() => (protocol.Source | NamedFile[])[]} sources What the images came from.
 * @property {() => string} thumbnail The run in a picture.
 */

export class Autosave {
  #store;
  #saves;
  #page;
  /** @type {Promise<void> | null} */ #saving = null;
  #savedAt = performance.now();
  /** The newest file of the run, wherever else it is kept. @type {{ id: string, step: number, file: File } | null} */ #memory = null;
  /** What is about to go. @type {ReplacedRun | null} */ #replacing = null;

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

  /** Keeps the run as it is, if it went on since it was last kept. */
  save() {
    this.#saving ??= this.#saveNow().finally(() => (this.#saving = null));
    return this.#saving;
  }

  /** To be called after each step. Timers would sleep in a tab that nobody looks at. */
  saveIfDue() {
    if (performance.now() - this.#savedAt >= SAVE_EVERY) this.save();
  }

  /** The file that a new engine can go on from.
   * @param {string} id
   */
  fileInMemory(id) {
    return this.#memory?.id === id ? this.#memory : null;
  }

  /** Remembers what a run was opened from.
   * @param {string} id
   * @param {number} step
   * @param {File} file
   */
  remember(id, step, file) {
    this.#memory = { id, step, file };
    this.#savedAt = performance.now();
  }

  /**
   * Keeps the run that is about to go, in the browser and in memory. To be called while nothing trains.
   * @returns {Promise<boolean>} Whether it may go; where it cannot be kept, a person decides.
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
      // What was opened from a file and not trained on is where it came from.
      if (step > run.savedStep) await this.#write(run, step, file);
      return true;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crash") return false;
      const comesBack = this.#replacing ? " You can undo this until you close the page." : "";
      return confirm(`The browser cannot store this run of ${counted(step, "step")}: ${reasonOf(error)}.${comesBack} Continue without it?`);
    }
  }

  /** What went, now that it is gone: for the state, which then offers it. */
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
      // Meanwhile it may have been reset.
      if (this.#store.state.run.id !== run.id) return;
      this.#memory = { id: run.id, step: reached, file };
      await this.#write(run, reached, file);
    } catch (error) {
      if (error instanceof EngineError) return; // shown by whoever trains
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
    await this.#saves.write({ id, name, source, leftOut: this.#store.state.removedImages, date: Date.now(), step, thumbnail: this.#page.thumbnail() }, file);
    const { run: now } = this.#store.state;
    this.#store.set({ autosaveError: "", ...(now.id === id ? { run: { ...now, savedStep: step } } : {}) });
    await this.refresh();
    // Some browsers ask the person, who may take his time.
    persist().then((answer) => this.#store.set({ persisted: persistSentence(answer) }));
  }

  /** A run that another tab trains goes on here as a run of its own.
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

  /** Claims a run that was opened; in a second tab it becomes another one.
   * @param {Run} run
   * @returns {Promise<{ run: Run, note: string }>}
   */
  async claimOpened(run) {
    if (await this.#saves.claim(run.id).catch(() => true)) return { run, note: "" };
    return { run: { ...newRun(run.name, run.source), savedStep: run.savedStep }, note: ` ${IN_TWO_TABS}` };
  }

  /** Said once; training goes on.
   * @param {unknown} error
   */
  #showError(error) {
    if (this.#store.state.autosaveError) return;
    const autosaveError = `The browser cannot store this run: ${reasonOf(error)}. Training continues. Press Save run before you leave.`;
    this.#store.set({ autosaveError, message: { kind: "error", text: autosaveError } });
  }

  /** What the browser keeps, for the list. */
  async refresh() {
    try {
      this.#store.set({ saves: await this.#saves.list() });
    } catch {
      // Storage is disabled: said when something should be kept.
    }
  }
}

const IN_TWO_TABS = "Another tab trains this run too. It continues here as a separate run.";

/** Why something failed, whatever was thrown.
 * @param {unknown} error
 * @returns {string} Without a full stop.
 */
export function reasonOf(error) {
  if (error instanceof DOMException && error.name === "QuotaExceededError") return "its space for this page is used up";
  const text = error instanceof Error ? error.message || error.name : error == null ? "" : `${error}`;
  return text.trim().replace(/\.$/, "") || "it does not say why";
}
