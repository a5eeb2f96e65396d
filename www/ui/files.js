// @ts-check
/**
 * Dropped or chosen files and folders, as one flat list with readable names. The engine reads the files.
 *
 * @module
 */

/** @import * as protocol from "../engine/protocol.js" */
/** @import { NamedFile } from "../autolink.js" */

/**
 * The result of a drop.
 * @typedef {object} Dropped
 * @property {NamedFile[]} files Files that can be read.
 * @property {protocol.Rejected[]} failed Files that cannot be read, with reasons.
 */

/** Natural order of names with numbers. Made once, because making one costs as much as a thousand comparisons. */
const byName = new Intl.Collator("en", { numeric: true });

/** Files that operating systems leave in folders. */
const CLUTTER = /(^|\/)(\.[^/]*|__MACOSX|Thumbs\.db|desktop\.ini)(\/|$)/i;

/**
 * Returns true if the name is that of a model, run or checkpoint.
 * @param {NamedFile} file
 */
export function isModel({ name }) {
  return /\.(safetensors|ckpt|pt)$/i.test(name);
}

/**
 * Returns true if the name is that of an annotation project.
 * @param {NamedFile} file
 */
export function isProject({ name }) {
  return /\.autolink-project\.json$/i.test(name);
}

/**
 * Returns true if the name is that of a file with labels.
 * @param {NamedFile} file
 */
export function isLabels({ name }) {
  return /\.(json|csv)$/i.test(name);
}

/**
 * Returns all files of a drop, including those in folders.
 * @param {DataTransfer} transfer
 * @returns {Promise<Dropped>}
 */
export async function droppedFiles(transfer) {
  // All items are read before the first await, because the list is empty after the event.
  const items = Array.from(transfer.items ?? []).filter(({ kind }) => kind === "file");
  const parts = items.map((item) => ({ entry: tryOrNull(() => item.webkitGetAsEntry()), file: tryOrNull(() => item.getAsFile()) }));
  const plain = Array.from(transfer.files, toNamedFile);
  /** @type {Dropped} */ const dropped = { files: [], failed: [] };
  if (parts.length === 0) dropped.files = plain;
  await Promise.all(
    parts.map(async ({ entry, file }) => {
      if (entry) await walk(entry, file, dropped);
      else if (file) dropped.files.push(toNamedFile(file));
      else dropped.failed.push({ name: "A file", reason: UNREADABLE });
    }),
  );
  const byPath = (/** @type {{ name: string }} */ a, /** @type {{ name: string }} */ b) => byName.compare(a.name, b.name);
  return { files: tidy(dropped.files), failed: dropped.failed.sort(byPath) };
}

/** Replaces the messages of browsers, which do not help. */
const UNREADABLE = "The browser could not read this file. Drop it again, or choose it with the button.";

/** @template T @param {() => T} act @returns {T | null} */
function tryOrNull(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

/**
 * Returns the files of an input, with their paths if a folder was chosen.
 * @param {FileList} files
 * @returns {NamedFile[]}
 */
export function pickedFiles(files) {
  return tidy(Array.from(files, toNamedFile));
}

/**
 * @param {File} file
 * @returns {NamedFile}
 */
function toNamedFile(file) {
  return { file, name: file.webkitRelativePath || file.name };
}

/** @param {NamedFile[]} files */
function tidy(files) {
  return files.filter(({ name }) => !CLUTTER.test(name)).sort((a, b) => byName.compare(a.name, b.name));
}

/**
 * Adds a file, or all files of a folder. Unreadable files are listed and do not stop the others.
 * @param {FileSystemEntry} entry
 * @param {File | null} file The same file from `getAsFile`, if the browser gave one.
 * @param {Dropped} dropped
 */
async function walk(entry, file, dropped) {
  const name = entry.fullPath.replace(/^\//, "") || entry.name;
  if (entry.isFile) {
    const read = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject)).catch(() => file);
    if (read) dropped.files.push({ file: read, name });
    else dropped.failed.push({ name, reason: UNREADABLE });
    return;
  }
  try {
    const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
    for (;;) {
      // Browsers return a folder in portions; an empty one is the last.
      /** @type {FileSystemEntry[]} */
      const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (portion.length === 0) break;
      await Promise.all(portion.map((child) => walk(child, null, dropped)));
    }
  } catch {
    dropped.failed.push({
      name: `${name}/`,
      reason: "The browser could not read all of this folder. Drop it again, or choose it with the button.",
    });
  }
}

/**
 * Accepts files dropped anywhere on the page.
 * @param {HTMLElement} zone Highlighted while files hover over the page.
 * @param {(dropped: Dropped) => void} onFiles
 * @param {(text: string) => void} say Shows why a drop was ignored.
 */
export function acceptDrops(zone, onFiles, say) {
  let depth = 0;
  /** True while a part of this page is dragged. */
  let isOurs = false;
  const mark = () => zone.classList.toggle("is-target", depth > 0);
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  // Text can be dropped into a field.
  const isTyped = (/** @type {DragEvent} */ { target }) =>
    target instanceof Element && target.closest("input, textarea, [contenteditable]") !== null;

  addEventListener("dragstart", () => (isOurs = true), true);
  addEventListener("dragend", () => (isOurs = false), true);
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event) || isOurs) return;
    event.preventDefault();
    depth += 1;
    mark();
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event) || isOurs) return;
    depth = Math.max(0, depth - 1);
    mark();
  });
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event) && isTyped(event)) return;
    // Without this, a dropped link would leave the page.
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = isOurs ? "none" : "copy";
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event) && isTyped(event)) return;
    event.preventDefault();
    depth = 0;
    mark();
    if (isOurs || !event.dataTransfer) return;
    const { types } = event.dataTransfer;
    if (carriesFiles(event))
      droppedFiles(event.dataTransfer).then(onFiles, (error) =>
        say(`The dropped files could not be read (${error instanceof Error ? error.message : error}). Choose them with the button.`),
      );
    else if (types.includes("text/uri-list"))
      say("This is a link or an image from another page, not a file. Save the image first, then drop its file.");
    else say("This is text, not a file. Drop images, videos, folders or zips.");
  });
}
