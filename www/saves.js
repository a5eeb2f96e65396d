// @ts-check
/**
 * Runs that this browser keeps, each in two files that are written in turn, so that a write that is cut short, or a file that is
 * damaged, leaves the save before it. A run belongs to the tab that trains it: a Web Lock per run says which.
 *
 * A file is a line of JSON, a {@link Saved}, and the run as the engine wrote it.
 *
 * @module
 */

import { openStorage } from "./storage.js";

/** @import * as protocol from "./protocol.js" */

/** With more, people are asked which one to drop; a disk is not filled behind their backs. */
export const MOST_RUNS = 3;
/** The line of JSON is shorter, bytes. */
const LONGEST_LINE = 262_144;
const LEGACY_PROJECT = "work.json";
const NAME = /^([a-z0-9-]+)\.([01])$/;

/**
 * What is known of a kept run.
 * @typedef {object} Saved
 * @property {string} id
 * @property {string} name What it learned from, for people.
 * @property {number} date ms since 1970.
 * @property {number} step Steps taken.
 * @property {string} thumbnail A picture's skeleton, as a data URL.
 * @property {protocol.Source | null} source Where its pictures can be had again; null: they were files, which are not kept.
 * @property {number[]} [leftOut] Places of the pictures that it did without. Missing in older saves.
 * @property {number} bytes Length of the run.
 */

/**
 * A file that is whole.
 * @typedef {{ saved: Saved, slot: 0 | 1, file: File }} Entry
 */

export class Saves {
  /** @type {Promise<import("./storage.js").Storage> | null} */ #storage = null;
  /** The run that this tab holds. @type {{ id: string, release: () => void } | null} */ #lock = null;

  /** The newest state of each run, the newest run first.
   * @returns {Promise<Saved[]>}
   */
  async list() {
    const newest = new Map();
    for (const { saved } of await this.#entries()) if (!newest.has(saved.id)) newest.set(saved.id, saved);
    return [...newest.values()];
  }

  /** The files of a run, for the engine to resume; the newest first.
   * @param {string} id
   */
  async files(id) {
    return (await this.#entries()).filter(({ saved }) => saved.id === id).map(({ file }) => file);
  }

  /**
   * Takes a run for this tab alone, in place of the one that it held.
   * @param {string} id
   * @returns {Promise<boolean>} Whether no other tab has it.
   */
  async claim(id) {
    if (this.#lock?.id === id) return true;
    const release = await lockRun(id);
    if (!release) return false;
    this.#lock?.release();
    this.#lock = { id, release };
    return true;
  }

  /** Gives back the run that this tab held. */
  release() {
    this.#lock?.release();
    this.#lock = null;
  }

  /**
   * Keeps a run in place of its older save.
   * @param {Omit<Saved, "bytes">} saved
   * @param {Blob} run
   */
  write(saved, run) {
    return this.#exclusively(async (storage) => {
      const before = (await this.#entries()).filter((entry) => entry.saved.id === saved.id);
      const turn = before[0]?.slot === 0 ? 1 : 0;
      const line = `${JSON.stringify({ ...saved, bytes: run.size })}\n`;
      await storage.write(`${saved.id}.${turn}`, new Blob([line, run]));
    });
  }

  /** @param {string} id
   * @throws Where another tab trains it.
   */
  async remove(id) {
    const release = this.#lock?.id === id ? () => {} : await lockRun(id);
    if (!release) throw new Error("Another tab trains this run. Close that tab first.");
    try {
      await this.#exclusively((storage) => this.#removeFiles(storage, id));
    } finally {
      release();
    }
  }

  /** Forgets what an earlier version kept of the annotations, once it is a project. */
  removeLegacyProject() {
    return this.#exclusively(async (storage) => {
      if ((await storage.names()).includes(LEGACY_PROJECT)) await storage.remove(LEGACY_PROJECT);
    });
  }

  /** What an earlier version kept of them.
   * @returns {Promise<Blob | null>}
   */
  async legacyProject() {
    const storage = await this.#open();
    return (await storage.names()).includes(LEGACY_PROJECT) ? storage.read(LEGACY_PROJECT) : null;
  }

  /** Every whole file, the newest first.
   * @returns {Promise<Entry[]>}
   */
  async #entries() {
    const storage = await this.#open();
    const found = await Promise.all((await storage.names()).map((name) => entry(storage, name)));
    return found.flatMap((entry) => entry ?? []).sort((a, b) => b.saved.date - a.saved.date);
  }

  /** @param {import("./storage.js").Storage} storage @param {string} id */
  async #removeFiles(storage, id) {
    for (const name of await storage.names()) if (NAME.exec(name)?.[1] === id) await storage.remove(name);
  }

  #open() {
    this.#storage ??= openStorage();
    return this.#storage;
  }

  /** One change at a time, over all tabs.
   * @param {(storage: import("./storage.js").Storage) => Promise<void>} change
   */
  async #exclusively(change) {
    const storage = await this.#open();
    if (navigator.locks) await navigator.locks.request("autolink-saves", () => change(storage));
    else await change(storage);
  }
}

/** The lock of a run. Without Web Locks every tab is alone.
 * @param {string} id
 * @returns {Promise<(() => void) | null>} Gives it back; null where another tab has it.
 */
function lockRun(id) {
  return new Promise((resolve, reject) => {
    if (!navigator.locks) return resolve(() => {});
    navigator.locks
      .request(`autolink-run-${id}`, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(null);
        return new Promise((release) => resolve(() => release(undefined)));
      })
      .catch(reject);
  });
}

/** A file, if it is one of ours and whole.
 * @param {import("./storage.js").Storage} storage
 * @param {string} name
 * @returns {Promise<Entry | null>}
 */
async function entry(storage, name) {
  const parts = NAME.exec(name);
  if (!parts) return null;
  try {
    const content = await storage.read(name);
    const text = await content.slice(0, LONGEST_LINE).text();
    const line = text.slice(0, text.indexOf("\n"));
    /** @type {Saved} */
    const saved = JSON.parse(line);
    const start = new TextEncoder().encode(line).length + 1;
    if (saved.id !== parts[1] || content.size !== start + saved.bytes) return null;
    const file = new File([content.slice(start)], `autolink-run-${saved.step}-steps.safetensors`);
    return { saved, slot: parts[2] === "0" ? 0 : 1, file };
  } catch {
    return null;
  }
}
