// @ts-check
/**
 * The moments of a training as a film: WebM by the browser's encoder, GIF by the engine.
 *
 * @module
 */

import { grouped } from "../format.js";
import { MomentPainter } from "./painter.js";

/** @import * as protocol from "../protocol.js" */
/** @import { Session } from "../autolink.js" */

/** @typedef {{ moments: protocol.SnapshotView[], palette: string[], views: protocol.PreviewViews | null }} Film */

/** Side of a picture, px. */
const SIDE = 96;
/** Around the pictures, px. */
const MARGIN = 12;
/** For the line of text under them, px. */
const LINE = 32;
/** A moment is shown so long, s. */
const FRAME = 0.15;
/** The last one, s. */
const LAST = 1.5;

/** A canvas that shows one moment after another.
 * @param {Film} film
 */
function stageOf({ moments, palette, views }) {
  const columns = Math.max(...moments.map(({ count }) => count));
  const even = (/** @type {number} */ length) => 2 * Math.ceil(length / 2); // as video wants it
  const width = even(SIDE * MomentPainter.width(columns) + 2 * MARGIN);
  const height = even(SIDE * MomentPainter.rows(columns, columns) + 2 * MARGIN + LINE);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw the video.");
  const painter = new MomentPainter();
  painter.give(views);
  const last = moments[moments.length - 1].step;
  const show = (/** @type {protocol.SnapshotView} */ moment) => {
    context.fillStyle = "#12151a";
    context.fillRect(0, 0, width, height);
    painter.draw(context, moment, palette, { left: MARGIN, top: MARGIN, side: SIDE, columns });
    context.fillStyle = "#e8ebf0";
    context.font = "600 18px system-ui, sans-serif";
    context.textBaseline = "middle";
    const middle = height - MARGIN - LINE / 2 + 6;
    context.fillText(`Step ${grouped(moment.step)}`, MARGIN, middle);
    // How far it has come, on the logarithmic scale of the moments.
    const share = last > 0 ? Math.log1p(moment.step) / Math.log1p(last) : 1;
    const left = MARGIN + 130;
    context.fillStyle = "#2f3540";
    context.fillRect(left, middle - 2, width - MARGIN - left, 4);
    context.fillStyle = "#93a4ff";
    context.fillRect(left, middle - 2, (width - MARGIN - left) * share, 4);
  };
  return { canvas, context, width, height, show };
}

/**
 * @param {Film} film
 * @returns {Promise<File>}
 */
export async function filmAsWebM(film) {
  const { BufferTarget, CanvasSource, Output, WebMOutputFormat, getFirstEncodableVideoCodec } = await import("../vendor/mediabunny/mediabunny.min.mjs");
  const { canvas, width, height, show } = stageOf(film);
  const codec = await getFirstEncodableVideoCodec(["vp9", "vp8", "av1"], { width, height });
  if (!codec) throw new Error("This browser cannot write a video. Save a GIF instead.");
  const target = new BufferTarget();
  const output = new Output({ format: new WebMOutputFormat(), target });
  const source = new CanvasSource(canvas, { codec, bitrate: 3e6 });
  output.addVideoTrack(source);
  await output.start();
  for (const [i, moment] of film.moments.entries()) {
    show(moment);
    await source.add(i * FRAME, i + 1 < film.moments.length ? FRAME : LAST);
  }
  await output.finalize();
  if (!target.buffer) throw new Error("The video could not be written. Try again, or save a GIF.");
  return new File([target.buffer], "autolink-training.webm", { type: "video/webm" });
}

/**
 * @param {Film} film
 * @param {Session} session
 * @returns {Promise<File>}
 */
export async function filmAsGif(film, session) {
  const { context, width, height, show } = stageOf(film);
  const length = width * height * 4;
  const pixels = new Uint8Array(length * film.moments.length);
  for (const [i, moment] of film.moments.entries()) {
    show(moment);
    pixels.set(context.getImageData(0, 0, width, height).data, i * length);
    // The page may breathe between frames.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return session.animate({ width, height, frameMs: 1000 * FRAME, pixels });
}
