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
const KEEP_EVERY = 25_000;

/**
 * A run in memory: its file, and what was learned from.
 * @typedef {object} Gone
 * @property {Run} run
 * @property {number} step Steps taken.
 * @property {File} file
 * @property {(protocol.Source | NamedFile[])[]} sources
 * @property {number[]} leftOut
 * @property {string} model
 */

/**
 * @typedef {object} Page What the rest of the page does for this.
 * @property {() => Session | null} session
 * @property {() => (protocol.Source | NamedFile[])[]} sources What the images came from.
 * @property {() => string} thumbnail The run in a picture.
 */

export class Keeper {
  #store;
  #saves;
  #page;
  /** @type {Promise<void> | null} */ #keeping = null;
  #keptAt = performance.now();
  /** The newest file of the run, wherever else it is kept. @type {{ id: string, step: number, file: File } | null} */ #memory = null;
  /** What is about to go. @type {Gone | null} */ #leaving = null;

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
  keep() {
    this.#keeping ??= this.#keep().finally(() => (this.#keeping = null));
    return this.#keeping;
  }

  /** To be called after each step. Timers would sleep in a tab that nobody looks at. */
  stepped() {
    if (performance.now() - this.#keptAt >= KEEP_EVERY) this.keep();
  }

  /** The file that a new engine can go on from.
   * @param {string} id
   */
  inMemory(id) {
    return this.#memory?.id === id ? this.#memory : null;
  }

  /** Remembers what a run was opened from.
   * @param {string} id
   * @param {number} step
   * @param {File} file
   */
  remember(id, step, file) {
    this.#memory = { id, step, file };
    this.#keptAt = performance.now();
  }

  /**
   * Keeps the run that is about to go, in the browser and in memory. To be called while nothing trains.
   * @returns {Promise<boolean>} Whether it may go; where it cannot be kept, a person decides.
   */
  async letGo() {
    const { engine, step, run, leftOut, model } = this.#store.state;
    const session = this.#page.session();
    this.#leaving = null;
    if (!session || engine !== "running" || step === 0) return true;
    try {
      await this.#keeping;
      const known = this.inMemory(run.id);
      const file = known?.step === step ? known.file : await session.save("run");
      this.remember(run.id, step, file);
      this.#leaving = { run, step, file, sources: this.#page.sources(), leftOut, model };
      // What was opened from a file and not trained on is where it came from.
      if (step > run.keptStep) await this.#write(run, step, file);
      return true;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crash") return false;
      const comesBack = this.#leaving ? " You can undo this until you close the page." : "";
      return confirm(`The browser cannot store this run of ${counted(step, "step")}: ${reasonOf(error)}.${comesBack} Continue without it?`);
    }
  }

  /** What went, now that it is gone: for the state, which then offers it. */
  left() {
    const gone = this.#leaving;
    this.#leaving = null;
    this.#saves.release();
    return gone ? { gone: { ...gone, run: { ...gone.run, keptStep: gone.step } } } : {};
  }

  async #keep() {
    const { engine, step, run, loading, resetting } = this.#store.state;
    const session = this.#page.session();
    this.#keptAt = performance.now();
    if (!session || engine !== "running" || loading || resetting || step <= run.keptStep) return;
    try {
      const file = await session.save("run");
      const reached = session.state().step;
      // Meanwhile it may have been reset.
      if (this.#store.state.run.id !== run.id) return;
      this.#memory = { id: run.id, step: reached, file };
      await this.#write(run, reached, file);
    } catch (error) {
      if (error instanceof EngineError) return; // shown by whoever trains
      this.#cannotKeep(error);
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
    const { leftOut } = this.#store.state;
    await this.#saves.keep({ id, name, source, leftOut, date: Date.now(), step, thumbnail: this.#page.thumbnail() }, file);
    const { run: now } = this.#store.state;
    this.#store.set({ unkept: "", ...(now.id === id ? { run: { ...now, keptStep: step } } : {}) });
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
    const own = { ...newRun(run.name, run.source), keptStep: run.keptStep };
    await this.#saves.claim(own.id);
    if (this.#memory?.id === run.id) this.#memory = { ...this.#memory, id: own.id };
    if (this.#leaving?.run.id === run.id) this.#leaving = { ...this.#leaving, run: own };
    if (this.#store.state.run.id === run.id) this.#store.set({ run: own, message: { kind: "info", text: IN_TWO_TABS } });
    return own;
  }

  /** Claims a run that was opened; in a second tab it becomes another one.
   * @param {Run} run
   * @returns {Promise<{ run: Run, note: string }>}
   */
  async open(run) {
    if (await this.#saves.claim(run.id).catch(() => true)) return { run, note: "" };
    return { run: { ...newRun(run.name, run.source), keptStep: run.keptStep }, note: ` ${IN_TWO_TABS}` };
  }

  /** Said once; training goes on.
   * @param {unknown} error
   */
  #cannotKeep(error) {
    if (this.#store.state.unkept) return;
    const unkept = `The browser cannot store this run: ${reasonOf(error)}. Training continues. Press Save run before you leave.`;
    this.#store.set({ unkept, message: { kind: "error", text: unkept } });
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
