// @ts-check
/**
 * Pose transfer: keypoints of one image, masked input of another.
 *
 * @module
 */

import { grouped } from "../ui/format.js";
import { drawSkeleton } from "../ui/skeleton.js";
import { drawSquare } from "../ui/squares.js";

/** @import { EventOf, Session } from "../autolink.js" */
/** @import { Store } from "../state/state.js" */

/** Largest number of rows and columns. */
const MOST = 6;
/** Gap between images, as a fraction of their side. */
const GAP = 0.06;

/**
 * @param {Store} store
 * @param {HTMLDetailsElement} details
 * @param {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt
 */
export function openPoseTransfer(store, details, attempt) {
  const canvas = /** @type {HTMLCanvasElement} */ (details.querySelector("canvas"));
  const step = /** @type {HTMLElement} */ (details.querySelector("#poses-step"));
  const update = /** @type {HTMLButtonElement} */ (details.querySelector("#poses-draw"));
  /** @type {EventOf<"transferred"> | null} */
  let grid = null;
  let isAsking = false;
  /** @type {unknown} */
  let shownViews = null;

  async function ask() {
    const { views, engine } = store.state;
    if (!views || engine !== "running" || isAsking) return;
    isAsking = true;
    update.disabled = true;
    const count = Math.min(MOST, views.count);
    // The selected image is always included.
    const previews = Array.from({ length: count }, (_, i) => i);
    if (store.state.edits.preview >= count) previews[count - 1] = Math.min(store.state.edits.preview, views.count - 1);
    await attempt(async (session) => {
      grid = await session.transferPoses(previews);
      draw();
    });
    isAsking = false;
    update.disabled = false;
  }

  function draw() {
    const { views, palette } = store.state;
    const context = canvas.getContext("2d");
    const width = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
    if (!grid || !views || !context || width === 0) return;
    const { previews, size, pixels } = grid;
    const count = previews.length;
    const columns = count + 1;
    canvas.width = canvas.height = width;
    context.imageSmoothingQuality = "high";
    const side = width / (columns + count * GAP);
    const at = (/** @type {number} */ i) => i * side * (1 + GAP);
    const style = getComputedStyle(canvas);
    previews.forEach((preview, i) => {
      for (const [left, top, isPose] of /** @type {[number, number, boolean][]} */ ([
        [at(i + 1), 0, false],
        [0, at(i + 1), true],
      ])) {
        drawSquare(context, views.pixels, views.size, preview, left, top, side);
        if (!isPose) continue;
        context.fillStyle = "rgb(0 0 0 / 0.55)";
        context.fillRect(left, top, side, side);
        drawSkeleton(context, { points: views.keypoints[preview], strengths: views.edge_strengths, palette }, { left, top, side });
      }
      previews.forEach((_, j) => drawSquare(context, pixels, size, i * count + j, at(j + 1), at(i + 1), side));
      // Marks the image in its own pose.
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = Math.max(2, side * 0.025);
      context.strokeRect(at(i + 1), at(i + 1), side, side);
    });
    const text = `At step ${grouped(grid.step)}.`;
    if (step.textContent !== text) step.textContent = text;
    canvas.setAttribute(
      "aria-label",
      `Pose transfer: ${count} by ${count} images at step ${grouped(grid.step)}; the diagonal shows each image in its own pose`,
    );
  }

  details.addEventListener("toggle", () => details.open && ask());
  update.addEventListener("click", ask);
  new ResizeObserver(draw).observe(canvas);
  // Other images or another model need a new grid. While it is open and nothing trains, it is updated.
  store.watch(["views", "phase"], ({ views, phase }) => {
    if (details.open && views && phase === "paused" && (grid?.step !== views.step || shownViews !== views)) ask();
    shownViews = views;
  });
}
