// @ts-check
/**
 * A cache of image bitmaps, limited by size.
 *
 * @module
 */

/** Largest size of all bitmaps together, bytes. A photo of a phone takes 48 MB. */
const BUDGET = 256 * 2 ** 20;
/** Largest share of the budget for one bitmap; larger images are scaled down, to leave room for their neighbours. */
const LARGEST = 0.5;
/** Bytes per RGBA pixel. */
const PIXEL = 4;
/** Number of images decoded at the same time. During decoding, each takes the memory of the full image. */
const AT_ONCE = 2;

/**
 * Size and source of an image.
 * @typedef {object} Original
 * @property {number} width_px
 * @property {number} height_px
 * @property {() => Promise<Blob>} read
 */

/**
 * A bitmap in use, which stays open until it is released.
 * @typedef {object} Lease
 * @property {ImageBitmap} bitmap
 * @property {number} scale Width of the bitmap divided by that of the image, at most 1.
 * @property {() => void} release Call this when the bitmap is no longer needed.
 */

/**
 * @typedef {object} Entry
 * @property {Promise<ImageBitmap>} bitmap
 * @property {number} bytes Size of the bitmap; an estimate until it is decoded.
 * @property {number} uses Number of leases.
 * @property {(() => boolean)[]} wanted Functions that tell, until it is decoded, whether a lease is still wanted.
 * @property {boolean} isGone True if it is to be closed with its last lease.
 */

export class BitmapCache {
  /** @type {Map<string, Entry>} By image and width, least recently used first. */ #entries = new Map();
  /** Entries that were dropped but are still in use. @type {Set<Entry>} */ #leaving = new Set();
  #find;
  #budget;
  /** Waiting decodings, full images first. @type {(() => void)[]} */ #waiting = [];
  #busy = 0;

  /**
   * @param {(image: number) => Original | null} find Returns an image by the id of its row, or null if its file is missing.
   * @param {number} [budget] bytes
   */
  constructor(find, budget = BUDGET) {
    this.#find = find;
    this.#budget = budget;
  }

  /** Size of all bitmaps, bytes. */
  get bytes() {
    return [...this.#entries.values(), ...this.#leaving].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Drops all entries. Bitmaps in use stay open until they are released. */
  clear() {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  /**
   * Decodes an image, or takes it from the cache.
   * @param {number} image Id of the image row.
   * @param {number | null} width px; null: the full size, or the largest that fits the budget.
   * @param {() => boolean} [isWanted] Asked before decoding, so that images that were paged past are skipped.
   * @returns {Promise<Lease>} Rejects with a sentence if the image cannot be shown.
   */
  async lease(image, width, isWanted = () => true) {
    const original = this.#find(image);
    if (!original) throw new Error("The image file is missing. Drop it in to see it.");
    const { width_px, height_px } = original;
    const largest = Math.floor(width_px * Math.min(1, Math.sqrt((this.#budget * LARGEST) / (PIXEL * Math.max(1, width_px * height_px)))));
    const side = Math.max(1, Math.min(width ?? width_px, largest));
    const key = `${image}/${width ?? ""}`;
    const entry = this.#entries.get(key) ?? this.#open(key, original, side, width === null);
    entry.uses += 1;
    entry.wanted.push(isWanted);
    // Most recently used last.
    if (this.#entries.delete(key)) this.#entries.set(key, entry);
    this.#shrink();
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      entry.uses -= 1;
      if (entry.isGone && entry.uses === 0) this.#close(entry);
      this.#shrink();
    };
    try {
      const bitmap = await entry.bitmap;
      return { bitmap, scale: Math.min(1, bitmap.width / width_px), release };
    } catch (error) {
      release();
      throw error instanceof UnwantedImage
        ? error
        : new Error(`The image cannot be shown (${error instanceof Error ? error.message.replace(/\.$/, "") : error}).`);
    }
  }

  /**
   * @param {string} key
   * @param {Original} original
   * @param {number} side Width of the bitmap, px.
   * @param {boolean} isUrgent True to decode it before others.
   * @returns {Entry}
   */
  #open(key, { width_px, height_px, read }, side, isUrgent) {
    const isWhole = side >= width_px;
    const decode = async () => {
      if (!entry.wanted.some((isWanted) => isWanted())) throw new UnwantedImage("The image is no longer needed.");
      const blob = await read();
      const bitmap = await createImageBitmap(blob, isWhole ? {} : { resizeWidth: side, resizeQuality: "medium" });
      entry.bytes = PIXEL * bitmap.width * bitmap.height;
      entry.wanted = [];
      return bitmap;
    };
    /** @type {Entry} */
    const entry = {
      bitmap: this.#enqueue(decode, isUrgent),
      bytes: PIXEL * side * Math.ceil((side * height_px) / Math.max(1, width_px)),
      uses: 0,
      wanted: [],
      isGone: false,
    };
    this.#entries.set(key, entry);
    entry.bitmap.then(
      () => this.#shrink(),
      () => {
        entry.bytes = 0;
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry;
  }

  /** @template T @param {() => Promise<T>} act @param {boolean} isUrgent @returns {Promise<T>} */
  #enqueue(act, isUrgent) {
    return new Promise((resolve, reject) => {
      const start = () =>
        act()
          .then(resolve, reject)
          .finally(() => {
            this.#busy -= 1;
            this.#startNext();
          });
      if (isUrgent) this.#waiting.unshift(start);
      else this.#waiting.push(start);
      // Not at once, because the caller has not yet added its lease.
      queueMicrotask(() => this.#startNext());
    });
  }

  #startNext() {
    while (this.#busy < AT_ONCE) {
      const start = this.#waiting.shift();
      if (!start) return;
      this.#busy += 1;
      start();
    }
  }

  /** Drops the least recently used entries until the rest fits. */
  #shrink() {
    let bytes = this.bytes;
    for (const [key, entry] of this.#entries) {
      if (bytes <= this.#budget) return;
      if (entry.uses > 0) continue;
      bytes -= entry.bytes;
      this.#drop(key);
    }
  }

  /** @param {string} key */
  #drop(key) {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    entry.isGone = true;
    if (entry.uses === 0) this.#close(entry);
    else this.#leaving.add(entry);
  }

  /** @param {Entry} entry */
  #close(entry) {
    this.#leaving.delete(entry);
    entry.bitmap.then(
      (bitmap) => bitmap.close(),
      () => {},
    );
  }
}

/** Rejection of a lease that is no longer wanted. */
class UnwantedImage extends Error {}
