// @ts-check
/**
 * What the article's figures have in common: a canvas that follows its size and the theme, and sliders with what they say.
 *
 * @module
 */

/** @import * as protocol from "../protocol.js" */
/** @import { Store } from "../state.js" */

/**
 * Draws when asked, when the canvas gets another size, and when the theme changes; out of sight, not before it is seen again.
 * @param {HTMLElement} figure
 * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw In CSS px.
 * @returns {() => void} Draws anew.
 */
export function drawOnCanvas(figure, draw) {
  const canvas = /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas"));
  let isSeen = false;
  const redraw = () => {
    if (!isSeen) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = canvas.getContext("2d");
    if (width === 0 || !context) return;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    draw(context, width, height);
  };
  const seen = (/** @type {IntersectionObserverEntry[]} */ entries) => {
    isSeen = entries.at(-1)?.isIntersecting ?? false;
    redraw();
  };
  new IntersectionObserver(seen, { rootMargin: "300px" }).observe(canvas);
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return redraw;
}

/**
 * Asks the engine for an illustration; nothing while there is no engine.
 * @typedef {(what: protocol.Illustration) => Promise<protocol.Illustrated | undefined>} Ask
 */

/**
 * What the engine makes of a figure's sliders: asked for one at a time, the newest last; until then the one before stays, or
 * what was recorded.
 * @param {Store} store
 * @param {Ask} ask
 * @param {protocol.Illustration["kind"]} kind
 * @param {() => protocol.Illustration | null} wish What the sliders say; nothing while there are no pictures for it.
 * @param {() => void} arrived
 */
export function illustrations(store, ask, kind, wish, arrived) {
  /** @type {protocol.Illustrated | null} */ let answer = null;
  let isAsking = false;
  let isStale = false;
  const renew = async () => {
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale) {
      isStale = false;
      const what = wish();
      const next = what ? await ask(what).catch(() => undefined) : undefined;
      if (!next) continue;
      answer = next;
      arrived();
    }
    isAsking = false;
  };
  store.watch(["demo"], ({ demo }) => {
    if (answer || !demo) return;
    answer = demo.illustrated[kind];
    arrived();
  });
  store.watch(["engine"], ({ engine }) => engine === "running" && requestAnimationFrame(renew));
  return { answer: () => answer, request: () => void renew() };
}

/** What a figure's canvas shows, for those who do not see it.
 * @param {HTMLElement} figure
 * @param {string} text
 */
export function describe(figure, text) {
  const canvas = figure.querySelector("canvas");
  if (canvas?.getAttribute("aria-label") !== text) canvas?.setAttribute("aria-label", text);
}

/** What is said below the controls.
 * @param {HTMLElement} figure
 * @param {string} text
 */
export function setReadout(figure, text) {
  const line = figure.querySelector(".said");
  if (line && line.textContent !== text) line.textContent = text;
}

/**
 * A slider.
 * @param {HTMLElement} figure
 * @param {string} name
 * @param {(value: number) => string} format What its output says.
 * @param {() => void} changed
 * @returns {() => number} Its value.
 */
export function slider(figure, name, format, changed) {
  const input = control(figure, name);
  const output = input.closest("label")?.querySelector("output");
  const tell = () => {
    const text = format(input.valueAsNumber);
    if (output) output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => {
    tell();
    changed();
  });
  tell();
  return () => input.valueAsNumber;
}

/**
 * A box to tick.
 * @param {HTMLElement} figure
 * @param {string} name
 * @param {() => void} changed
 * @returns {() => boolean}
 */
export function checkbox(figure, name, changed) {
  const input = control(figure, name);
  input.addEventListener("change", changed);
  return () => input.checked;
}

/** @param {HTMLElement} figure @param {string} name */
const control = (figure, name) => /** @type {HTMLInputElement} */ (figure.querySelector(`input[name="${name}"]`));

/** One of the loaded pictures: RGBA, `[size, size, 4]`.
 * @param {protocol.PreviewViews} views
 * @param {number} index
 */
export function pixelsOf({ size, pixels }, index) {
  const area = 4 * size * size;
  return new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + index * area, area);
}

/** A small picture, to be drawn enlarged.
 * @param {Uint8ClampedArray<ArrayBuffer>} rgba
 * @param {number} size
 */
export function imageCanvas(rgba, size) {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, size, size), 0, 0);
  return canvas;
}

/** A colour of the page as `[r, g, b]`.
 * @param {HTMLElement} element
 * @param {string} name
 * @returns {number[]}
 */
export function colour(element, name) {
  const value = getComputedStyle(element).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
}
