// @ts-check
/**
 * Common parts of the figures of the article: a canvas that follows its size and the theme, sliders with readouts, and checkboxes.
 *
 * @module
 */

/** @import * as protocol from "../protocol.js" */
/** @import { Store } from "../state.js" */

/**
 * Draws on request, when the canvas changes its size and when the theme changes. Invisible figures are drawn when they become visible.
 * @param {HTMLElement} figure
 * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw Draws the figure; sizes in CSS px.
 * @returns {() => void} Requests a drawing.
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
  const onIntersection = (/** @type {IntersectionObserverEntry[]} */ entries) => {
    isSeen = entries.at(-1)?.isIntersecting ?? false;
    redraw();
  };
  new IntersectionObserver(onIntersection, { rootMargin: "300px" }).observe(canvas);
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return redraw;
}

/**
 * Requests an illustration from the engine; undefined while there is no engine.
 * @typedef {(what: protocol.Illustration) => Promise<protocol.Illustrated | undefined>} Ask
 */

/**
 * Illustrations of the engine for the values of the sliders, requested one at a time. Until a new one arrives, the previous one or that of
 * the recorded run is shown.
 * @param {Store} store
 * @param {Ask} ask
 * @param {protocol.Illustration["kind"]} kind
 * @param {() => protocol.Illustration | null} currentRequest Returns the illustration for the sliders; null without images for it.
 * @param {() => void} arrived Called when an illustration has arrived.
 */
export function illustrations(store, ask, kind, currentRequest, arrived) {
  /** @type {protocol.Illustrated | null} */ let answer = null;
  let isAsking = false;
  let isStale = false;
  const refresh = async () => {
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    while (isStale) {
      isStale = false;
      const what = currentRequest();
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
  store.watch(["engine"], ({ engine }) => engine === "running" && requestAnimationFrame(refresh));
  return { answer: () => answer, request: () => void refresh() };
}

/** Sets the description of the canvas of a figure.
 * @param {HTMLElement} figure
 * @param {string} text
 */
export function describe(figure, text) {
  const canvas = figure.querySelector("canvas");
  if (canvas?.getAttribute("aria-label") !== text) canvas?.setAttribute("aria-label", text);
}

/** Sets the readout below the controls.
 * @param {HTMLElement} figure
 * @param {string} text
 */
export function setReadout(figure, text) {
  const line = figure.querySelector(".figure-readout");
  if (line && line.textContent !== text) line.textContent = text;
}

/**
 * Connects a slider and its output.
 * @param {HTMLElement} figure
 * @param {string} name
 * @param {(value: number) => string} format Formats the value for its output.
 * @param {() => void} changed
 * @returns {() => number} Returns its value.
 */
export function slider(figure, name, format, changed) {
  const input = control(figure, name);
  const output = input.closest("label")?.querySelector("output");
  const showValue = () => {
    const text = format(input.valueAsNumber);
    if (output) output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => {
    showValue();
    changed();
  });
  showValue();
  return () => input.valueAsNumber;
}

/**
 * Connects a checkbox.
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

/** One of the preview images: RGBA, `[size, size, 4]`.
 * @param {protocol.PreviewViews} views
 * @param {number} index
 */
export function pixelsOf({ size, pixels }, index) {
  const area = 4 * size * size;
  return new Uint8ClampedArray(pixels.buffer, pixels.byteOffset + index * area, area);
}

/** A small image on a canvas, to be drawn enlarged.
 * @param {Uint8ClampedArray<ArrayBuffer>} rgba
 * @param {number} size
 */
export function imageCanvas(rgba, size) {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, size, size), 0, 0);
  return canvas;
}

/** A CSS colour variable as `[r, g, b]`.
 * @param {HTMLElement} element
 * @param {string} name
 * @returns {number[]}
 */
export function colour(element, name) {
  const value = getComputedStyle(element).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
}
