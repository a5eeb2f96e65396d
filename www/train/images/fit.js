// @ts-check
/**
 * The choice of the fit to a square, previewed with the first image that is not square.
 *
 * @module
 */

/** @import * as protocol from "../../engine/protocol.js" */
/** @import { NamedFile } from "../../autolink.js" */

/** Number of images that are searched for one that is not square. */
const LOOKED_AT = 12;
/** Side of a preview, px. */
const SIDE = 144;

export class FitChoice {
  #field;
  #request = 0;

  /**
   * @param {HTMLElement} field Contains a radio button and a canvas for each fit.
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
    const request = ++this.#request;
    for (const { file } of files.slice(0, LOOKED_AT)) {
      const bitmap = await createImageBitmap(file, { resizeHeight: 2 * SIDE, resizeQuality: "medium" }).catch(() => null);
      if (request !== this.#request) return bitmap?.close();
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
    const small = new OffscreenCanvas(inner, tall);
    const reader = small.getContext("2d", { willReadFrequently: true });
    if (!reader) return;
    reader.imageSmoothingQuality = "high";
    reader.drawImage(bitmap, 0, 0, inner, tall);
    // Bars have the mean colour of the border that they touch, as in the engine.
    const isWide = width > height;
    const borders = isWide
      ? [reader.getImageData(0, 0, inner, 1), reader.getImageData(0, tall - 1, inner, 1)]
      : [reader.getImageData(0, 0, 1, tall), reader.getImageData(inner - 1, 0, 1, tall)];
    borders.forEach(({ data }, end) => {
      context.fillStyle = mean(data);
      if (isWide) context.fillRect(0, end * (top + tall), SIDE, end ? SIDE - tall - top : top);
      else context.fillRect(end * (left + inner), 0, end ? SIDE - inner - left : left, SIDE);
    });
    context.drawImage(small, left, top);
  }
}

/** Mean colour of pixels.
 * @param {Uint8ClampedArray} rgba
 */
function mean(rgba) {
  const [r, g, b] = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < rgba.length; i += 4) sum += rgba[i];
    return Math.round((4 * sum) / rgba.length);
  });
  return `rgb(${r} ${g} ${b})`;
}
