// @ts-check
/**
 * Images of the project as bitmaps: the ones in use, and those used last, up to a number of bytes.
 *
 * @module
 */

/** All bitmaps together hold no more than this, bytes; a phone's photo holds 48 MB. */
const BUDGET = 256 * 2 ** 20;
/** One that is larger than this part of the budget is held smaller: the ones before and after it need room, too. */
const LARGEST = 0.5;
/** Of RGBA. */
const PIXEL = 4;
/** So many are decoded at once: while it is decoded, each takes the room of the whole image, however small it is held. */
const AT_ONCE = 2;

/**
 * Where an image comes from.
 * @typedef {object} Original
 * @property {number} width_px
 * @property {number} height_px
 * @property {() => Promise<Blob>} read
 */

/**
 * A bitmap that is in use, and so stays open.
 * @typedef {object} Lease
 * @property {ImageBitmap} bitmap
 * @property {number} scale Its width by that of the image; 1 where it is whole.
 * @property {() => void} release To be called when it is not drawn any more.
 */

/**
 * @typedef {object} Entry
 * @property {Promise<ImageBitmap>} bitmap
 * @property {number} bytes Of it, as far as its size is known.
 * @property {number} uses
 * @property {(() => boolean)[]} wanted By whom, until it is decoded.
 * @property {boolean} isGone To be closed with its last use.
 */

export class BitmapCache {
  /** @type {Map<string, Entry>} By image and width; the one that was used last at the end. */ #entries = new Map();
  /** Those that are still in use although they are forgotten. @type {Set<Entry>} */ #leaving = new Set();
  #find;
  #budget;
  /** Decodings that wait for their turn, whole images first. @type {(() => void)[]} */ #waiting = [];
  #busy = 0;

  /**
   * @param {(image: number) => Original | null} find An image by the id of its row; nothing where it is not here.
   * @param {number} [budget] bytes
   */
  constructor(find, budget = BUDGET) {
    this.#find = find;
    this.#budget = budget;
  }

  /** How many bytes all bitmaps hold. */
  get bytes() {
    return [...this.#entries.values(), ...this.#leaving].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Forgets all. What is in use stays open until it is released. */
  clear() {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  /**
   * @param {number} image
   * @param {number | null} width px; null: the whole image, or as much of its size as there is room for.
   * @param {() => boolean} [isWanted] Asked when its turn comes: whoever pages on does not wait for what was passed.
   * @returns {Promise<Lease>} Rejects with a sentence where it cannot be shown.
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
    // The newest last.
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
      throw error instanceof UnwantedImage ? error : new Error(`The image cannot be shown (${error instanceof Error ? error.message.replace(/\.$/, "") : error}).`);
    }
  }

  /**
   * @param {string} key
   * @param {Original} original
   * @param {number} side Its width, px.
   * @param {boolean} isUrgent Whether others wait for it.
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
    const entry = { bitmap: this.#inTurn(decode, isUrgent), bytes: PIXEL * side * Math.ceil((side * height_px) / Math.max(1, width_px)), uses: 0, wanted: [], isGone: false };
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
  #inTurn(act, isUrgent) {
    return new Promise((resolve, reject) => {
      const start = () => act().then(resolve, reject).finally(() => {
        this.#busy -= 1;
        this.#next();
      });
      if (isUrgent) this.#waiting.unshift(start);
      else this.#waiting.push(start);
      // Not at once: whoever asks has not said yet that it is used.
      queueMicrotask(() => this.#next());
    });
  }

  #next() {
    while (this.#busy < AT_ONCE) {
      const start = this.#waiting.shift();
      if (!start) return;
      this.#busy += 1;
      start();
    }
  }

  /** Closes those that were not used for longest, until the rest fits. */
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
    entry.bitmap.then((bitmap) => bitmap.close(), () => {});
  }
}

/** A bitmap that nobody waits for any more. */
export class UnwantedImage extends Error {}
