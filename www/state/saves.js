// @ts-check
/**
 * Runs stored in the browser. Each run has two files that are written alternately, so that an interrupted write or a damaged file
 * leaves the previous save. A Web Lock per run ties a run to the tab that trains it.
 *
 * A file holds one line of JSON, a {@link Saved}, followed by the run as the engine wrote it.
 *
 * @module
 */

import { openStorage } from "./storage.js";

/** @import * as protocol from "../engine/protocol.js" */

/** With more runs than this the page asks which ones to delete. */
export const MOST_RUNS = 3;
/** Upper bound for the line of JSON, bytes. */
const LONGEST_LINE = 262_144;
const LEGACY_PROJECT = "work.json";
const NAME = /^([a-z0-9-]+)\.([01])$/;

/**
 * Description of a stored run.
 * @typedef {object} Saved
 * @property {string} id
 * @property {string} name Name to show: the images that it learned from.
 * @property {number} date ms since 1970.
 * @property {number} step Number of steps taken.
 * @property {string} thumbnail First preview image with its skeleton, as a data URL.
 * @property {protocol.Source | null} source Sample that its images come from; null for files, which are not stored.
 * @property {number[]} [leftOut] Indices of its removed images. Missing in older saves.
 * @property {import("../train/watched.ts").Watched} [watched] Curves and skeletons. Missing in older saves.
 * @property {number} bytes Size of the run, bytes.
 */

/**
 * A complete file.
 * @typedef {{ saved: Saved, slot: 0 | 1, file: File }} Entry
 */

export class Saves {
  /** @type {Promise<import("./storage.js").Storage> | null} */ #storage = null;
  /** The run that this tab has locked. @type {{ id: string, release: () => void } | null} */ #lock = null;

  /** Lists the newest save of each run, newest run first.
   * @returns {Promise<Saved[]>}
   */
  async list() {
    const newest = new Map();
    for (const { saved } of await this.#entries()) if (!newest.has(saved.id)) newest.set(saved.id, saved);
    return [...newest.values()];
  }

  /** Returns the files of a run for `Session.resume`, newest first.
   * @param {string} id
   */
  async files(id) {
    return (await this.#entries()).filter(({ saved }) => saved.id === id).map(({ file }) => file);
  }

  /**
   * Locks a run for this tab and releases the previous one.
   * @param {string} id
   * @returns {Promise<boolean>} False if another tab has it.
   */
  async claim(id) {
    if (this.#lock?.id === id) return true;
    const release = await lockRun(id);
    if (!release) return false;
    this.#lock?.release();
    this.#lock = { id, release };
    return true;
  }

  /** Releases the run that this tab has locked. */
  release() {
    this.#lock?.release();
    this.#lock = null;
  }

  /**
   * Writes a save of a run over its older one.
   * @param {Omit<Saved, "bytes">} saved
   * @param {Blob} run
   */
  write(saved, run) {
    return this.#exclusively(async (storage) => {
      const before = (await this.#entries()).filter((entry) => entry.saved.id === saved.id);
      const slot = before[0]?.slot === 0 ? 1 : 0;
      const line = `${JSON.stringify({ ...saved, bytes: run.size })}\n`;
      await storage.write(`${saved.id}.${slot}`, new Blob([line, run]));
    });
  }

  /** Deletes a run.
   * @param {string} id
   * @throws If another tab trains it.
   */
  async remove(id) {
    const release = this.#lock?.id === id ? () => {} : await lockRun(id);
    if (!release) throw new Error("Another tab is training this run. Close that tab first.");
    try {
      await this.#exclusively((storage) => this.#removeFiles(storage, id));
    } finally {
      release();
    }
  }

  /** Deletes the annotations of an earlier version, once they are a project. */
  removeLegacyProject() {
    return this.#exclusively(async (storage) => {
      if ((await storage.names()).includes(LEGACY_PROJECT)) await storage.remove(LEGACY_PROJECT);
    });
  }

  /** Returns the annotations that an earlier version stored.
   * @returns {Promise<Blob | null>}
   */
  async legacyProject() {
    const storage = await this.#open();
    return (await storage.names()).includes(LEGACY_PROJECT) ? storage.read(LEGACY_PROJECT) : null;
  }

  /** Returns every complete file, newest first.
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

  /** Runs one change at a time across all tabs.
   * @param {(storage: import("./storage.js").Storage) => Promise<void>} change
   */
  async #exclusively(change) {
    const storage = await this.#open();
    if (navigator.locks) await navigator.locks.request("autolink-saves", () => change(storage));
    else await change(storage);
  }
}

/** Locks a run. Without Web Locks there is no lock between tabs.
 * @param {string} id
 * @returns {Promise<(() => void) | null>} Releases the lock; null if another tab has it.
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

/** Reads a file; null if it is not a complete save.
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
