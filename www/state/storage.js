// @ts-check
/**
 * Files stored in the browser under plain names: in the origin private file system, or in IndexedDB if that is missing.
 *
 * @module
 */

import { createStore, del, get, keys, set } from "idb-keyval";

/**
 * @typedef {object} Storage
 * @property {() => Promise<string[]>} names
 * @property {(name: string) => Promise<Blob>} read
 * @property {(name: string, content: Blob) => Promise<void>} write Writes atomically.
 * @property {(name: string) => Promise<void>} remove
 */

/** Folder of the stored files. @typedef {"runs" | "projects"} Folder */

/**
 * Opens the storage of the browser.
 * @param {Folder} [name]
 * @returns {Promise<Storage>} Rejects if the browser allows no storage.
 */
export async function openStorage(name = "runs") {
  return fileSystem(name).catch(() => database(name));
}

/** @param {Folder} name @returns {Promise<Storage>} */
async function fileSystem(name) {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(name, { create: true });
  if (!("createWritable" in FileSystemFileHandle.prototype)) throw new Error("This browser writes such files in workers only.");
  return {
    names: async () => {
      const names = [];
      for await (const name of folder.keys()) names.push(name);
      return names;
    },
    read: async (name) => (await folder.getFileHandle(name)).getFile(),
    write: async (name, content) => {
      const file = await folder.getFileHandle(name, { create: true });
      // The stream writes a temporary file, which replaces the file on close.
      const writable = await file.createWritable();
      try {
        await writable.write(content);
        await writable.close();
      } catch (error) {
        await writable.abort().catch(() => {});
        throw error;
      }
    },
    remove: (name) => folder.removeEntry(name),
  };
}

/** @param {Folder} folder @returns {Promise<Storage>} */
async function database(folder) {
  // A database keeps the one store that it was created with.
  const store = createStore(folder === "runs" ? "autolink" : `autolink-${folder}`, folder);
  await keys(store); // rejects if storage is not allowed
  return {
    names: async () => (await keys(store)).map(String),
    read: async (name) => {
      const content = await get(name, store);
      if (content instanceof ArrayBuffer) return new Blob([content]);
      if (!(content instanceof Blob)) throw new Error(`${name} is missing.`);
      return content;
    },
    // WebKit stores bytes but no files where it keeps nothing on the disk, as in private windows.
    write: (name, content) => set(name, content, store).catch(async () => set(name, await content.arrayBuffer(), store)),
    remove: (name) => del(name, store),
  };
}
