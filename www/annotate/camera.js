// @ts-check
/**
 * The camera, live: each answer asks for the newest picture, so that what is too fast is dropped and nothing lags.
 *
 * @module
 */

import { drawPoints } from "./desk.js";

/** @import * as protocol from "../protocol.js" */
/** @import { Session } from "../autolink.js" */

/** Rate and delay are averaged over so many pictures. */
const RECENT = 15;

export class Camera {
  #canvas;
  #readout;
  #video = document.createElement("video");
  /** @type {MediaStream | null} */ #stream = null;
  /** Ends the wait for a picture that will not come. */
  #wake = () => {};

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} readout
   */
  constructor(canvas, readout) {
    this.#canvas = canvas;
    this.#readout = readout;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get isOn() {
    return this.#stream !== null;
  }

  /** Shows what it sees until it is stopped.
   * @param {Session} session
   * @param {() => { labels: protocol.Label[], edges: [number, number][] }} look How points are drawn.
   * @returns {Promise<void>} Settles when it is stopped; rejects with a sentence where there is no camera.
   */
  async show(session, look) {
    this.#stream = await openCamera();
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    const taken = new OffscreenCanvas(this.#video.videoWidth, this.#video.videoHeight);
    const reader = taken.getContext("2d", { willReadFrequently: true });
    const context = this.#canvas.getContext("2d");
    const { width, height } = taken;
    this.#canvas.width = width;
    this.#canvas.height = height;
    /** @type {number[]} */ const ends = [];
    /** @type {number[]} */ const delays = [];
    try {
      while (this.#stream && reader && context) {
        await Promise.race([newFrame(this.#video), new Promise((resolve) => (this.#wake = () => resolve(null)))]);
        if (!this.#stream) break;
        const start = performance.now();
        reader.drawImage(this.#video, 0, 0);
        const { data } = reader.getImageData(0, 0, width, height);
        const { keypoints, confidence } = await session.look({ width, height, pixels: new Uint8Array(data.buffer) });
        if (!this.#stream) break;
        const { labels, edges } = look();
        context.drawImage(taken, 0, 0);
        const points = keypoints.map(([x, y], k) => ({
          x: x * width,
          y: y * height,
          confidence: confidence[k],
          visibility: /** @type {const} */ ("visible"),
          placed: false,
        }));
        drawPoints(context, labels, edges, points, ({ x, y }) => [x, y], { radius: Math.min(width, height) * 0.016 });
        const now = performance.now();
        ends.push(now);
        delays.push(now - start);
        if (ends.length > RECENT) {
          ends.shift();
          delays.shift();
        }
        const rate = ends.length > 1 ? ((ends.length - 1) * 1000) / (now - ends[0]) : 0;
        const delay = delays.reduce((a, b) => a + b, 0) / delays.length;
        this.#readout.textContent = `${rate.toFixed(0)} pictures/s, ${delay.toFixed(0)} ms behind`;
      }
    } finally {
      this.stop();
    }
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#wake();
  }
}

/** @returns {Promise<MediaStream>} Rejects with a sentence where there is no camera. */
export async function openCamera() {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  } catch (error) {
    const reason = error instanceof DOMException && error.name === "NotAllowedError" ? "it was not allowed" : error instanceof Error ? error.message : error;
    throw new Error(`The camera cannot be used (${reason}).`);
  }
}

/** The next picture that a video shows.
 * @param {HTMLVideoElement} video
 */
export function newFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
