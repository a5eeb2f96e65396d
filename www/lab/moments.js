// @ts-check
/**
 * Looking back: the probes at log-spaced steps, to scrub through, to compare and to take home as a film.
 *
 * @module
 */

import { grouped } from "../format.js";
import { filmAsGif, filmAsWebM } from "./film.js";
import { CHANNELS } from "../views.js";
import { MomentPainter } from "./painter.js";

/** @import * as protocol from "../protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { PageState, Store } from "../state.js" */

/** Pictures in a row beside each other, where two moments are compared. */
const COLUMNS = 4;
/** When it plays, a moment is shown so long, ms. */
const FRAME = 150;

/**
 * @param {Store} store
 * @param {HTMLElement} root
 * @param {{
 *   attempt: (command: (session: Session) => Promise<unknown>) => Promise<void>,
 *   download: (file: File) => void,
 * }} page
 */
export function openMoments(store, root, { attempt, download }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  const painter = new MomentPainter();
  const sides = Array.from(root.querySelectorAll("figure"), (figure) => ({
    canvas: /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas")),
    slider: /** @type {HTMLInputElement} */ (figure.querySelector("input")),
    step: /** @type {HTMLElement} */ (figure.querySelector("output")),
  }));
  const [, later] = sides;
  const play = /** @type {HTMLButtonElement} */ (find("#moments-play"));
  const saves = /** @type {HTMLButtonElement[]} */ (Array.from(root.querySelectorAll("button[data-film]")));
  /** Whether the later moment follows the newest. */
  let follows = true;
  let playing = 0;

  /** What there is to look at. @type {protocol.SnapshotView[]} */
  let moments = [];
  let isInSight = true;
  new IntersectionObserver(([entry]) => {
    isInSight = entry.isIntersecting;
    if (isInSight) draw();
  }).observe(root);

  function draw() {
    const { palette, views, phase } = store.state;
    // While it trains, nobody needs what is out of sight.
    if (!isInSight && phase === "training") return;
    painter.give(views);
    for (const { canvas, slider, step } of sides) {
      const moment = moments[Math.min(slider.valueAsNumber, moments.length - 1)];
      const width = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
      canvas.classList.toggle("is-empty", !moment);
      const text = moment ? grouped(moment.step) : "–";
      if (step.textContent !== text) step.textContent = text;
      slider.setAttribute("aria-valuetext", moment ? `Step ${grouped(moment.step)}` : "No snapshots yet");
      if (width === 0) continue;
      if (canvas.width !== width) Object.assign(canvas, { width, height: width });
      const context = canvas.getContext("2d");
      context?.clearRect(0, 0, width, width);
      const label = moment ? `Preview images at step ${grouped(moment.step)}: keypoints over the images, and the reconstructions` : "No snapshots yet";
      if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
      if (!moment || !context) continue;
      painter.draw(context, moment, palette, { left: 0, top: 0, side: width / MomentPainter.width(COLUMNS), columns: COLUMNS });
    }
  }

  for (const { slider } of sides) {
    slider.addEventListener("input", () => {
      stop();
      follows = later.slider.value === later.slider.max;
      draw();
    });
  }
  store.watch(["moments", "views"], (state) => {
    moments = upToNow(state);
    const last = Math.max(0, moments.length - 1);
    for (const { slider } of sides) {
      slider.max = `${last}`;
      slider.disabled = last === 0;
    }
    if (moments.length <= 1) follows = true;
    if (follows) later.slider.value = `${last}`;
    play.disabled = last === 0;
    for (const button of saves) button.disabled = last === 0 || filming;
    find("#moments-count").textContent = moments.length > 1 ? `${moments.length} snapshots` : "Snapshots appear during training";
    draw();
  });
  store.watch(["palette", "phase"], draw);
  new ResizeObserver(draw).observe(root);

  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play back";
  }
  play.addEventListener("click", () => {
    if (playing) return stop();
    play.textContent = "Stop";
    later.slider.value = "0";
    draw();
    playing = setInterval(() => {
      const next = later.slider.valueAsNumber + 1;
      if (next >= moments.length) {
        follows = true;
        return stop();
      }
      follows = false;
      later.slider.value = `${next}`;
      draw();
    }, FRAME);
  });

  let filming = false;
  for (const button of saves) {
    button.addEventListener("click", async () => {
      const { palette, views } = store.state;
      filming = true;
      for (const other of saves) other.disabled = true;
      const film = { moments, palette, views };
      await attempt(async (session) => download(await (button.dataset.film === "gif" ? filmAsGif(film, session) : filmAsWebM(film))));
      filming = false;
      for (const other of saves) other.disabled = moments.length < 2;
    });
  }
}

/** The moments that were kept, and the present one.
 * @param {PageState} state
 */
function upToNow({ moments, views }) {
  const last = moments.at(-1);
  if (!last || !views || views.step <= last.step) return moments;
  const { step, size, count, keypoints, edge_strengths } = views;
  const pixels = views.pixels.subarray(CHANNELS.reconstruction * count * size * size * 4);
  return [...moments, { step, size, count, pixels, keypoints, edge_strengths }];
}
