// @ts-check
/**
 * Annotation projects that this browser keeps: each in two files that are written in turn, so that a write that is cut short, or a file
 * that is damaged, leaves the save before it. A project belongs to the tab that has it open: a Web Lock per project says which.
 *
 * A file is a line of JSON, a {@link SavedProject}, and the project as the engine wrote it.
 *
 * @module
 */

import { openStorage } from "./storage.js";

/** What names of project files end in, for people. */
export const PROJECT_FILE = ".autolink-project.json";
/** The line of JSON is shorter, bytes. */
const LONGEST_LINE = 65_536;
const NAME = /^([a-z0-9-]+)\.([01])$/;

/**
 * What is known of a kept project.
 * @typedef {object} SavedProject
 * @property {string} id
 * @property {string} name For people.
 * @property {number} date Of the last edit, ms since 1970.
 * @property {number} images How many.
 * @property {number} labelled On how many of those a landmark was placed.
 * @property {number} bytes Length of the project.
 */

/** @typedef {{ saved: SavedProject, slot: 0 | 1, project: Blob }} Entry A file that is whole. */

/** @returns {string} What no other project is called. */
export const newProjectId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

export class Projects {
  /** @type {Promise<import("./storage.js").Storage> | null} */ #storage = null;

  /** The newest state of each project, the newest project first.
   * @returns {Promise<SavedProject[]>}
   */
  async list() {
    const newest = new Map();
    for (const { saved } of await this.#entries()) if (!newest.has(saved.id)) newest.set(saved.id, saved);
    return [...newest.values()];
  }

  /** The states of a project that are whole, the newest first.
   * @param {string} id
   */
  async states(id) {
    return (await this.#entries()).filter(({ saved }) => saved.id === id);
  }

  /** Keeps a project in place of its older save.
   * @param {Omit<SavedProject, "bytes">} saved
   * @param {Blob} project
   */
  async write(saved, project) {
    const storage = await this.#open();
    const [newest] = await this.states(saved.id);
    const line = `${JSON.stringify({ ...saved, bytes: project.size })}\n`;
    await storage.write(`${saved.id}.${newest?.slot === 0 ? 1 : 0}`, new Blob([line, project]));
  }

  /** Deletes a project.
   * @param {string} id
   * @returns {Promise<() => Promise<void>>} Brings it back.
   */
  async remove(id) {
    const storage = await this.#open();
    const names = (await storage.names()).filter((name) => NAME.exec(name)?.[1] === id);
    // In memory: what was read before a file is removed may be gone with it.
    const files = await Promise.all(names.map(async (name) => ({ name, content: new Blob([await (await storage.read(name)).arrayBuffer()]) })));
    for (const name of names) await storage.remove(name);
    return async () => {
      for (const { name, content } of files) await storage.write(name, content);
    };
  }

  /** @returns {Promise<Entry[]>} Every whole file, the newest first. */
  async #entries() {
    const storage = await this.#open();
    const found = await Promise.all((await storage.names()).map((name) => entry(storage, name)));
    return found.flatMap((entry) => entry ?? []).sort((a, b) => b.saved.date - a.saved.date);
  }

  #open() {
    this.#storage ??= openStorage("projects");
    return this.#storage;
  }
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
    /** @type {SavedProject} */
    const saved = JSON.parse(line);
    const start = new TextEncoder().encode(line).length + 1;
    if (saved.id !== parts[1] || content.size !== start + saved.bytes) return null;
    return { saved, slot: parts[2] === "0" ? 0 : 1, project: content.slice(start) };
  } catch {
    return null;
  }
}

/**
 * Takes a project for this tab alone. Without Web Locks every tab is alone.
 * @param {string} id
 * @param {AbortSignal} [waits] Waits for the tab that has it, until this is aborted.
 * @returns {Promise<(() => void) | null>} Gives it back; null where another tab has it, or the wait was aborted.
 */
export function lockProject(id, waits) {
  return new Promise((resolve) => {
    if (!navigator.locks) return resolve(() => {});
    const how = waits ? { signal: waits } : { ifAvailable: true };
    navigator.locks
      .request(`autolink-project-${id}`, how, (lock) => {
        if (!lock) return resolve(null);
        return new Promise((release) => resolve(() => release(undefined)));
      })
      .catch(() => resolve(null));
  });
}
