// @ts-check
/**
 * Files and folders, dropped or picked, as one flat list with readable names. Nothing is read here: the engine does that.
 *
 * @module
 */

/** @import { NamedFile } from "./autolink.js" */

/** Names with numbers, as people count; made once, since each costs as much as a thousand comparisons. */
const byName = new Intl.Collator("en", { numeric: true });

/** What operating systems leave in folders; nobody means to drop these. */
const CLUTTER = /(^|\/)(\.[^/]*|__MACOSX|Thumbs\.db|desktop\.ini)(\/|$)/i;

/**
 * Whether a file is a model, ours or the authors', by its name.
 * @param {NamedFile} file
 */
export function isModel({ name }) {
  return /\.(safetensors|ckpt|pt)$/i.test(name);
}

/**
 * Whether a file holds labels, by its name.
 * @param {NamedFile} file
 */
export function isLabels({ name }) {
  return /\.(json|csv)$/i.test(name);
}

/**
 * All files of a drop, those in folders included.
 * @param {DataTransfer} transfer
 * @returns {Promise<NamedFile[]>}
 */
export async function droppedFiles(transfer) {
  // The entries must be taken before the first await: after the event the list is empty.
  const entries = Array.from(transfer.items, (item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const plain = Array.from(transfer.files, named);
  const found = entries.some((entry) => entry !== null)
    ? (await Promise.all(entries.map((entry) => (entry ? walk(entry) : [])))).flat()
    : plain;
  return tidy(found);
}

/**
 * The files of an input, with their path where a folder was picked.
 * @param {FileList} files
 * @returns {NamedFile[]}
 */
export function pickedFiles(files) {
  return tidy(Array.from(files, named));
}

/**
 * @param {File} file
 * @returns {NamedFile}
 */
function named(file) {
  return { file, name: file.webkitRelativePath || file.name };
}

/** @param {NamedFile[]} files */
function tidy(files) {
  return files
    .filter(({ name }) => !CLUTTER.test(name))
    .sort((a, b) => byName.compare(a.name, b.name));
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<NamedFile[]>}
 */
async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
    ).catch(() => null);
    return file ? [{ file, name: entry.fullPath.replace(/^\//, "") }] : [];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const children = [];
  for (;;) {
    // Browsers hand out a folder in portions; an empty one is the last.
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) break;
    children.push(...portion);
  }
  return (await Promise.all(children.map(walk))).flat();
}

/**
 * Makes the whole page a place to drop on.
 * @param {HTMLElement} zone Highlighted while files hover over the page.
 * @param {(files: NamedFile[]) => void} onFiles
 */
export function acceptDrops(zone, onFiles) {
  let depth = 0;
  const mark = () => zone.classList.toggle("is-target", depth > 0);
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;

  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    mark();
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth = Math.max(0, depth - 1);
    mark();
  });
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    depth = 0;
    mark();
    droppedFiles(event.dataTransfer).then(onFiles);
  });
}
