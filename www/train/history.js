// @ts-check
/**
 * The training history: snapshots of the preview images at log-spaced steps, to scrub through, compare and export as an animation.
 *
 * @module
 */

import { grouped } from "../ui/format.js";
import { animationAsGif, animationAsWebM } from "./animation.js";
import { CHANNELS } from "../ui/views.js";
import { SnapshotPainter } from "../model/painter.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { PageState, Store } from "../state/state.js" */

/** Images per row of each snapshot. */
const COLUMNS = 4;
/** Duration of a snapshot during playback, ms. */
const FRAME = 150;

/**
 * @param {Store} store
 * @param {HTMLElement} root
 * @param {{
 *   attempt: (command: (session: Session) => Promise<unknown>) => Promise<void>,
 *   download: (file: File) => void,
 * }} page
 */
export function openHistory(store, root, { attempt, download }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
  const painter = new SnapshotPainter();
  const sides = Array.from(root.querySelectorAll("figure"), (figure) => ({
    canvas: /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas")),
    slider: /** @type {HTMLInputElement} */ (figure.querySelector("input")),
    step: /** @type {HTMLElement} */ (figure.querySelector("output")),
  }));
  const [, later] = sides;
  const play = /** @type {HTMLButtonElement} */ (find("#snapshots-play"));
  const saves = /** @type {HTMLButtonElement[]} */ (Array.from(root.querySelectorAll("button[data-animation-format]")));
  /** True if the second slider follows the newest snapshot. */
  let follows = true;
  let playing = 0;

  /** Snapshots, the current state included. @type {protocol.SnapshotView[]} */
  let snapshots = [];
  let isInSight = true;
  new IntersectionObserver(([entry]) => {
    isInSight = entry.isIntersecting;
    if (isInSight) draw();
  }).observe(root);

  function draw() {
    const { palette, views, phase } = store.state;
    // During training, invisible canvases are not drawn.
    if (!isInSight && phase === "training") return;
    painter.setViews(views);
    for (const { canvas, slider, step } of sides) {
      const snapshot = snapshots[Math.min(slider.valueAsNumber, snapshots.length - 1)];
      const width = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
      canvas.classList.toggle("is-empty", !snapshot);
      const text = snapshot ? grouped(snapshot.step) : "–";
      if (step.textContent !== text) step.textContent = text;
      slider.setAttribute("aria-valuetext", snapshot ? `Step ${grouped(snapshot.step)}` : "No snapshots yet");
      if (width === 0) continue;
      if (canvas.width !== width) Object.assign(canvas, { width, height: width });
      const context = canvas.getContext("2d");
      context?.clearRect(0, 0, width, width);
      const label = snapshot
        ? `Preview images at step ${grouped(snapshot.step)}: keypoints over the images, and the reconstructions`
        : "No snapshots yet";
      if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
      if (!snapshot || !context) continue;
      painter.draw(context, snapshot, palette, { left: 0, top: 0, side: width / SnapshotPainter.width(COLUMNS), columns: COLUMNS });
    }
  }

  for (const { slider } of sides) {
    slider.addEventListener("input", () => {
      stop();
      follows = later.slider.value === later.slider.max;
      draw();
    });
  }
  store.watch(["snapshots", "views"], (state) => {
    snapshots = upToNow(state);
    const last = Math.max(0, snapshots.length - 1);
    for (const { slider } of sides) {
      slider.max = `${last}`;
      slider.disabled = last === 0;
    }
    if (snapshots.length <= 1) follows = true;
    if (follows) later.slider.value = `${last}`;
    play.disabled = last === 0;
    for (const button of saves) button.disabled = last === 0 || isExporting;
    find("#snapshots-count").textContent = snapshots.length > 1 ? `${snapshots.length} snapshots` : "Snapshots appear during training";
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
      if (next >= snapshots.length) {
        follows = true;
        return stop();
      }
      follows = false;
      later.slider.value = `${next}`;
      draw();
    }, FRAME);
  });

  let isExporting = false;
  for (const button of saves) {
    button.addEventListener("click", async () => {
      const { palette, views } = store.state;
      isExporting = true;
      for (const other of saves) other.disabled = true;
      const animation = { snapshots, palette, views };
      await attempt(async (session) =>
        download(await (button.dataset.animationFormat === "gif" ? animationAsGif(animation, session) : animationAsWebM(animation))),
      );
      isExporting = false;
      for (const other of saves) other.disabled = snapshots.length < 2;
    });
  }
}

/** Returns the stored snapshots and the current state.
 * @param {PageState} state
 */
function upToNow({ snapshots, views }) {
  const last = snapshots.at(-1);
  if (!last || !views || views.step <= last.step) return snapshots;
  const { step, size, count, keypoints, edge_strengths } = views;
  const pixels = views.pixels.subarray(CHANNELS.reconstruction * count * size * size * 4);
  return [...snapshots, { step, size, count, pixels, keypoints, edge_strengths }];
}
