// @ts-check
/**
 * How a picture that is not square becomes one, shown on the first such picture.
 *
 * @module
 */

/** @import * as protocol from "../protocol.js" */
/** @import { NamedFile } from "../autolink.js" */

/** So many are looked at for one that is not square. */
const LOOKED_AT = 12;
/** Side of a preview, px. */
const SIDE = 144;

/** @typedef {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} Context */

export class FitChoice {
  #field;
  #turn = 0;

  /**
   * @param {HTMLElement} field Holds a radio button and a canvas for each fit.
   * @param {(fit: protocol.Fit) => void} choose
   */
  constructor(field, choose) {
    this.#field = field;
    field.addEventListener("change", (event) => choose(/** @type {protocol.Fit} */ (/** @type {HTMLInputElement} */ (event.target).value)));
  }

  /** @param {protocol.Fit} fit */
  check(fit) {
    for (const input of this.#inputs()) input.checked = input.value === fit;
  }

  /** @param {NamedFile[]} files */
  async show(files) {
    const turn = ++this.#turn;
    for (const { file } of files.slice(0, LOOKED_AT)) {
      const bitmap = await createImageBitmap(file).catch(() => null);
      if (turn !== this.#turn) return bitmap?.close();
      if (bitmap && bitmap.width !== bitmap.height) {
        for (const input of this.#inputs()) {
          const canvas = input.closest("label")?.querySelector("canvas");
          if (canvas) preview(canvas, bitmap, /** @type {protocol.Fit} */ (input.value));
        }
        bitmap.close();
        this.#field.hidden = false;
        return;
      }
      bitmap?.close();
    }
    this.#field.hidden = true;
  }

  /** @returns {HTMLInputElement[]} */
  #inputs() {
    return Array.from(this.#field.querySelectorAll("input"));
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @param {protocol.Fit} fit
 */
function preview(canvas, bitmap, fit) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height } = bitmap;
  context.imageSmoothingQuality = "high";
  if (fit === "stretch") context.drawImage(bitmap, 0, 0, SIDE, SIDE);
  else if (fit === "crop") {
    const side = Math.min(width, height);
    context.drawImage(bitmap, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  } else {
    const scale = SIDE / Math.max(width, height);
    const [inner, tall] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    const [left, top] = [(SIDE - inner) >> 1, (SIDE - tall) >> 1];
    // Bars in the mean colour of the border that they touch: that border, averaged by drawing it one pixel large.
    const isWide = width > height;
    const [w, h] = isWide ? [width, 1] : [1, height];
    for (const end of [0, 1]) {
      const border = new OffscreenCanvas(1, 1);
      const pixel = border.getContext("2d");
      if (pixel) pixel.imageSmoothingQuality = "high";
      pixel?.drawImage(bitmap, isWide ? 0 : end * (width - 1), isWide ? end * (height - 1) : 0, w, h, 0, 0, 1, 1);
      if (isWide) context.drawImage(border, 0, end * (top + tall), SIDE, SIDE - tall - top + 1);
      else context.drawImage(border, end * (left + inner), 0, SIDE - inner - left + 1, SIDE);
    }
    context.drawImage(bitmap, left, top, inner, tall);
  }
}
