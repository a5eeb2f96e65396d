/**
 * Finds an animal before a still camera: shows frames of a video, or images of a folder, to the engine, which returns a crop of each.
 *
 * @module
 */

import type { EventOf, NamedFile, Session } from "../autolink.js";
import type { Crop } from "../engine/protocol.js";
import type { Video } from "./video.js";

/** Most frames that the background is learned from, as in the engine. */
const SAMPLES = 64;
/** Margins of the crop, by the length of the body. */
export const MARGIN = { least: 1.2, most: 2.6 };

/** Frames of one still camera: a video, or images of one folder. */
export interface Camera {
  /** Name of the video or folder. */
  name: string;
  /** The video; null for images. */
  video: Video | null;
  /** The images; empty for a video. */
  images: NamedFile[];
}

/** Told how many of how many frames are done; returns false to stop. */
export type Progress = (done: number, total: number) => boolean;

/** Number of frames. */
export const countOf = ({ video, images }: Camera) => video?.count ?? images.length;

/** Numbers of at most `few` frames, spread over all. */
export function spread(count: number, few: number): number[] {
  const wanted = Math.min(count, few);
  return Array.from({ length: wanted }, (_, i) => Math.floor((i * count) / wanted));
}

/**
 * Shows frames for the background to the engine. After it, the engine knows the crops of these frames.
 * @returns The numbers of the frames; null if stopped.
 */
export async function sample(session: Session, camera: Camera, progress: Progress): Promise<number[] | null> {
  const { name, video, images } = camera;
  const wanted = spread(countOf(camera), SAMPLES);
  const numbers: number[] = [];
  await session.beginSearch(name);
  const isGoingOn = (number: number) => progress(numbers.push(number), wanted.length);
  if (video) {
    for await (const frame of video.pick(wanted)) {
      await session.sampleFrame(name, frame);
      if (!isGoingOn(frame.frame)) return null;
    }
  } else {
    for (const number of wanted) {
      await session.sampleFrame(name, images[number].file);
      if (!isGoingOn(number)) return null;
    }
  }
  return numbers;
}

/**
 * Shows all frames to the engine, after {@link sample}. After it, the engine knows the crops of all frames.
 * @returns The numbers of the frames; null if stopped.
 */
export async function search(session: Session, camera: Camera, progress: Progress): Promise<number[] | null> {
  const { name, video, images } = camera;
  const total = countOf(camera);
  const numbers: number[] = [];
  if (video) {
    for await (const frame of video.frames(1)) {
      await session.searchFrame(name, frame);
      if (!progress(numbers.push(frame.frame), total)) return null;
    }
  } else {
    for (const [number, { file }] of images.entries()) {
      await session.searchFrame(name, file);
      if (!progress(numbers.push(number), total)) return null;
    }
  }
  return numbers;
}

/** The crops of the frames of a camera. */
export interface Found {
  camera: Camera;
  /** Number of each frame that was looked at. */
  numbers: number[];
  located: EventOf<"located">;
}

/**
 * Looks at all frames of a camera, for crops with the margin of those that the model was trained on.
 * @param onProgress Told of frames in both passes.
 * @returns null if stopped; rejects with a sentence if the camera moves, or not exactly one thing moves.
 */
export async function find(session: Session, camera: Camera, onProgress: Progress): Promise<Found | null> {
  const total = countOf(camera) + Math.min(SAMPLES, countOf(camera));
  const sampled = await sample(session, camera, (done) => onProgress(done, total));
  if (!sampled) return null;
  const numbers = await search(session, camera, (done) => onProgress(sampled.length + done, total));
  if (!numbers) return null;
  const located = await session.locate(camera.name, { isVideo: camera.video !== null });
  return { camera, numbers, located };
}

/** The crop of each frame, by the frame's number. */
export const cropsOf = ({ numbers, located }: Found): Map<number, Crop> => new Map(numbers.map((number, i) => [number, located.crops[i]]));

/** Draws a crop into a canvas that shows the whole frame: a square and, if it is turned, an arrow to the head. */
export function drawCrop(
  context: CanvasRenderingContext2D,
  { centre_px: [x, y], side_px, angle_radians }: Crop,
  scale: number,
  isTurned: boolean,
): void {
  const half = (side_px * scale) / 2;
  context.save();
  context.translate(x * scale, y * scale);
  context.rotate(angle_radians);
  for (const [style, width] of [
    ["#000a", 4],
    ["#ffd23f", 2],
  ] as const) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.strokeRect(-half, -half, 2 * half, 2 * half);
    if (!isTurned) continue;
    context.beginPath();
    context.moveTo(-half / 5, -half * 0.72);
    context.lineTo(0, -half * 0.9);
    context.lineTo(half / 5, -half * 0.72);
    context.stroke();
  }
  context.restore();
}
