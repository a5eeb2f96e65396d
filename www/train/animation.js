// @ts-check
/**
 * The training history as an animation: a video by the encoder of the browser, GIF by the engine.
 *
 * @module
 */

import { grouped } from "../ui/format.js";
import { SnapshotPainter } from "../model/painter.js";
import { VideoWriter } from "../ui/video_writer.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */

/** @typedef {{ snapshots: protocol.SnapshotView[], palette: string[], views: protocol.PreviewViews | null }} Animation */

/** Side of an image, px. */
const SIDE = 96;
/** Margin around the images, px. */
const MARGIN = 12;
/** Height of the line of text below them, px. */
const TEXT_HEIGHT = 32;
/** Duration of a snapshot, s. */
const FRAME_S = 0.15;
/** Duration of the last snapshot, s. */
const LAST_FRAME_S = 1.5;

/** A canvas that shows one snapshot after another.
 * @param {Animation} animation
 */
function frameCanvas({ snapshots, palette, views }) {
  const columns = Math.max(...snapshots.map(({ count }) => count));
  const even = (/** @type {number} */ length) => 2 * Math.ceil(length / 2); // video needs even sides
  const width = even(SIDE * SnapshotPainter.width(columns) + 2 * MARGIN);
  const height = even(SIDE * SnapshotPainter.rows(columns, columns) + 2 * MARGIN + TEXT_HEIGHT);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw the video.");
  const painter = new SnapshotPainter();
  painter.setViews(views);
  const last = snapshots[snapshots.length - 1].step;
  const show = (/** @type {protocol.SnapshotView} */ snapshot) => {
    context.fillStyle = "#12151a";
    context.fillRect(0, 0, width, height);
    painter.draw(context, snapshot, palette, { left: MARGIN, top: MARGIN, side: SIDE, columns });
    context.fillStyle = "#e8ebf0";
    context.font = "600 18px system-ui, sans-serif";
    context.textBaseline = "middle";
    const middle = height - MARGIN - TEXT_HEIGHT / 2 + 6;
    context.fillText(`Step ${grouped(snapshot.step)}`, MARGIN, middle);
    // Progress bar, on the logarithmic scale of the snapshots.
    const share = last > 0 ? Math.log1p(snapshot.step) / Math.log1p(last) : 1;
    const left = MARGIN + 130;
    context.fillStyle = "#2f3540";
    context.fillRect(left, middle - 2, width - MARGIN - left, 4);
    context.fillStyle = "#93a4ff";
    context.fillRect(left, middle - 2, (width - MARGIN - left) * share, 4);
  };
  return { canvas, context, width, height, show };
}

/**
 * @param {Animation} animation
 * @returns {Promise<File>}
 */
export async function animationAsVideo(animation) {
  const { canvas, show } = frameCanvas(animation);
  const writer = await VideoWriter.start(canvas, 3e6);
  if (!writer) throw new Error("This browser cannot write a video. Save a GIF instead.");
  for (const [i, snapshot] of animation.snapshots.entries()) {
    show(snapshot);
    await writer.add(i * FRAME_S, i + 1 < animation.snapshots.length ? FRAME_S : LAST_FRAME_S);
  }
  return writer.finish("autolink-training");
}

/**
 * @param {Animation} animation
 * @param {Session} session
 * @returns {Promise<File>}
 */
export async function animationAsGif(animation, session) {
  const { context, width, height, show } = frameCanvas(animation);
  const length = width * height * 4;
  const pixels = new Uint8Array(length * animation.snapshots.length);
  for (const [i, snapshot] of animation.snapshots.entries()) {
    show(snapshot);
    pixels.set(context.getImageData(0, 0, width, height).data, i * length);
    // Lets the page react between frames.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return session.animate({ width, height, frameMs: 1000 * FRAME_S, pixels });
}
