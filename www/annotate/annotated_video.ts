/**
 * Annotated videos: skeleton and trails over the original frames, at the times of the source.
 *
 * @module
 */

import type { Label } from "../engine/protocol.js";
import { VideoWriter } from "../ui/video_writer.js";
import { type ProjectPoint, drawPoints } from "./annotation_project.js";
import type { Video } from "./video.js";

/** Length of the trails, s; as on the command line. */
const TRAIL_SECONDS = 0.5;
/** Bits for each pixel of a frame. */
const BITS = 0.15;

/** What to draw. */
export interface Drawing {
  labels: Label[];
  edges: [number, number][];
  /** The points of a frame; none if the project lacks it. */
  pointsOf: (frame: number) => ProjectPoint[] | undefined;
}

/**
 * Encodes a video with its annotations: as MP4 (H.264) where the browser can encode it, else as WebM. Sound is left out.
 * @param progress Told of the seconds done; returns false to stop.
 * @returns The file; null if stopped. Rejects with a sentence if the browser can encode neither.
 */
export async function annotatedVideo(
  name: string,
  video: Video,
  drawing: Drawing,
  progress: (seconds: number) => boolean,
): Promise<File | null> {
  const trails: { seconds: number; at: [number, number] }[][] = drawing.labels.map(() => []);
  let writer: VideoWriter | null = null;
  let canvas: OffscreenCanvas | null = null;
  const begin = async (width: number, height: number, rate: number) => {
    // Encoders take even sides only.
    canvas = new OffscreenCanvas(width - (width % 2), height - (height % 2));
    const started = await VideoWriter.start(canvas, Math.max(500_000, Math.round(width * height * rate * BITS)));
    if (started) return started;
    throw new Error("This browser cannot encode videos. Use another browser, or the command line: autolink annotate --format video.");
  };
  try {
    for await (const { frame, seconds, end, image } of video.each(1)) {
      writer ??= await begin(image.width, image.height, video.rate);
      const context = (canvas as OffscreenCanvas | null)?.getContext("2d");
      if (!context) throw new Error("This browser cannot draw video frames. Use another browser.");
      image.draw(context, image.width, image.height);
      draw(context as unknown as CanvasRenderingContext2D, drawing, frame, seconds, trails);
      await writer.add(seconds, Math.max(end - seconds, 1e-3));
      if (!progress(seconds)) {
        await writer.cancel();
        return null;
      }
    }
    if (!writer) throw new Error(`${name} has no readable frames.`);
    const stem = name.slice(name.lastIndexOf("/") + 1).replace(/\.[^.]*$/, "");
    return await writer.finish(`${stem}.annotated`);
  } catch (error) {
    await writer?.cancel();
    throw error;
  }
}

/** Draws the points of a frame, and the way that they have come. */
function draw(
  context: CanvasRenderingContext2D,
  { labels, edges, pointsOf }: Drawing,
  frame: number,
  seconds: number,
  trails: { seconds: number; at: [number, number] }[][],
): void {
  const points = pointsOf(frame);
  const radius = Math.max(2, Math.max(context.canvas.width, context.canvas.height) / 160);
  for (const [k, trail] of trails.entries()) {
    const point = points?.[k];
    if (!point || point.visibility === "absent" || labels[k].hidden) {
      trail.length = 0;
      continue;
    }
    trail.push({ seconds, at: [point.x, point.y] });
    while (seconds - trail[0].seconds > TRAIL_SECONDS) trail.shift();
    context.beginPath();
    for (const { at } of trail) context.lineTo(...at);
    context.strokeStyle = labels[k].color;
    context.lineWidth = radius * 0.6;
    context.lineJoin = "round";
    context.stroke();
  }
  if (points) drawPoints(context, labels, edges, points, ({ x, y }) => [x, y], { radius });
}
