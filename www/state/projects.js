// @ts-check
/**
 * Annotation projects stored in the browser. Each project has two files that are written alternately, so that an interrupted write or a
 * damaged file leaves the previous save. A Web Lock per project ties a project to the tab that has it open.
 *
 * A file holds one line of JSON, a {@link SavedProject}, followed by the project as the engine wrote it.
 *
 * @module
 */

import { openStorage } from "./storage.js";

/** Ending of the names of project files. */
export const PROJECT_FILE = ".autolink-project.json";
/** Upper bound for the line of JSON, bytes. */
const LONGEST_LINE = 65_536;
const NAME = /^([a-z0-9-]+)\.([01])$/;

/**
 * Description of a stored project.
 * @typedef {object} SavedProject
 * @property {string} id
 * @property {string} name Name to show.
 * @property {number} date Date of the last edit, ms since 1970.
 * @property {number} images Number of images.
 * @property {number} labelled Number of images with a placed landmark.
 * @property {number} bytes Size of the project, bytes.
 */

/** @typedef {{ saved: SavedProject, slot: 0 | 1, project: Blob }} Entry A complete file. */

/** @returns {string} A unique id. */
export const newProjectId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

export class Projects {
  /** @type {Promise<import("./storage.js").Storage> | null} */ #storage = null;

  /** Lists the newest save of each project, newest project first.
   * @returns {Promise<SavedProject[]>}
   */
  async list() {
    const newest = new Map();
    for (const { saved } of await this.#entries()) if (!newest.has(saved.id)) newest.set(saved.id, saved);
    return [...newest.values()];
  }

  /** Returns the complete saves of a project, newest first.
   * @param {string} id
   */
  async states(id) {
    return (await this.#entries()).filter(({ saved }) => saved.id === id);
  }

  /** Writes a save of a project over its older one.
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
   * @returns {Promise<() => Promise<void>>} Restores the project.
   */
  async remove(id) {
    const storage = await this.#open();
    const names = (await storage.names()).filter((name) => NAME.exec(name)?.[1] === id);
    // Copies in memory, because data read from a file may be gone after its removal.
    const files = await Promise.all(
      names.map(async (name) => ({ name, content: new Blob([await (await storage.read(name)).arrayBuffer()]) })),
    );
    for (const name of names) await storage.remove(name);
    return async () => {
      for (const { name, content } of files) await storage.write(name, content);
    };
  }

  /** @returns {Promise<Entry[]>} Every complete file, newest first. */
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
 * Locks a project for this tab. Without Web Locks there is no lock between tabs.
 * @param {string} id
 * @param {AbortSignal} [waits] If given, waits for the other tab until this is aborted.
 * @returns {Promise<(() => void) | null>} Releases the lock; null if another tab has it or the wait was aborted.
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
