// @ts-check
/**
 * Pictures of the desk as bitmaps: the ones in sight, and the last few that were.
 *
 * @module
 */

/** Bitmaps that are kept. */
const MOST = 240;

export class Pictures {
  /** @type {Map<string, Promise<ImageBitmap>>} The oldest first. */ #bitmaps = new Map();
  #fetch;

  /** @param {(index: number) => Promise<Blob>} fetch */
  constructor(fetch) {
    this.#fetch = fetch;
  }

  /** Forgets all: the desk has other pictures now. */
  clear() {
    for (const bitmap of this.#bitmaps.values()) bitmap.then((bitmap) => bitmap.close(), () => {});
    this.#bitmaps.clear();
  }

  /**
   * @param {number} index
   * @param {number} [width] px; without it, the whole picture.
   * @returns {Promise<ImageBitmap>}
   */
  get(index, width) {
    const key = `${index}/${width ?? ""}`;
    const known = this.#bitmaps.get(key);
    const bitmap =
      known ?? this.#fetch(index).then((blob) => createImageBitmap(blob, width ? { resizeWidth: width, resizeQuality: "medium" } : {}));
    // The newest last.
    this.#bitmaps.delete(key);
    this.#bitmaps.set(key, bitmap);
    if (!known) bitmap.catch(() => this.#bitmaps.delete(key));
    for (const [old, forgotten] of this.#bitmaps) {
      if (this.#bitmaps.size <= MOST) break;
      this.#bitmaps.delete(old);
      forgotten.then((bitmap) => bitmap.close(), () => {});
    }
    return bitmap;
  }
}
