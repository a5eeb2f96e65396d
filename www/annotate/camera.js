// @ts-check
/**
 * Live detection in camera images. After each answer the newest image is sent, so that slow devices skip images and do not lag.
 *
 * @module
 */

import { drawPoints } from "./annotation_project.js";
import { Feed, offerCameras, rememberCamera } from "./camera_feed.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */

/** Number of images over which rate and delay are averaged. */
const RECENT = 15;

export class Camera {
  #canvas;
  #readout;
  #choice;
  #video = document.createElement("video");
  /** @type {Feed | null} */ #feed = null;
  /** Counts starts and stops, so that a camera that opens too late is closed. */ #request = 0;
  #isOn = false;
  /** Reason why the camera stopped by itself. */ #ended = "";

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} readout
   * @param {HTMLSelectElement} choice Select of the camera.
   */
  constructor(canvas, readout, choice) {
    this.#canvas = canvas;
    this.#readout = readout;
    this.#choice = choice;
    choice.addEventListener("change", () => {
      rememberCamera(choice.value);
      if (this.#isOn) this.#open().catch((error) => this.#end(error instanceof Error ? error.message : `${error}`));
    });
  }

  get isOn() {
    return this.#isOn;
  }

  /** Shows the camera images with keypoints until the camera is stopped.
   * @param {Session} session
   * @param {() => { labels: protocol.Label[], edges: [number, number][] }} style Returns labels and edges for drawing.
   * @returns {Promise<void>} Settles when the camera is stopped; rejects with a sentence if it fails.
   */
  async show(session, style) {
    this.#isOn = true;
    this.#ended = "";
    try {
      await this.#open();
      while (this.#isOn) await this.#showFeed(session, style);
    } finally {
      this.stop();
    }
    if (this.#ended) throw new Error(this.#ended);
  }

  /** Opens the chosen camera in place of the previous one. */
  async #open() {
    const request = ++this.#request;
    this.#feed?.stop();
    const feed = await Feed.open(
      this.#video,
      (reason) => request === this.#request && this.#end(reason),
      (reason) => request === this.#request && (this.#readout.textContent = reason),
    );
    if (request !== this.#request || !this.#isOn) return feed.stop();
    this.#feed = feed;
    await offerCameras(this.#choice, feed.deviceId);
  }

  /** Shows one camera until it is stopped or another one is chosen.
   * @param {Session} session
   * @param {() => { labels: protocol.Label[], edges: [number, number][] }} style
   */
  async #showFeed(session, style) {
    const feed = this.#feed;
    const context = this.#canvas.getContext("2d");
    // Another camera is being opened.
    if (!feed?.isOn || !context) return void (await new Promise((resolve) => setTimeout(resolve, 50)));
    let reader = /** @type {OffscreenCanvasRenderingContext2D | null} */ (null);
    /** @type {number[]} */ const ends = [];
    /** @type {number[]} */ const delays = [];
    let sizeNote = "";
    while (await feed.next()) {
      const { videoWidth: width, videoHeight: height } = this.#video;
      if (!width || !height) continue;
      // Turning a phone changes the size of its images.
      if (reader?.canvas.width !== width || reader.canvas.height !== height) {
        if (reader) sizeNote = `, turned: now ${width} × ${height} px`;
        reader = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        if (!reader) throw new Error("This browser cannot read the camera's images. Use another browser.");
      }
      const start = performance.now();
      reader.drawImage(this.#video, 0, 0, width, height);
      const { data } = reader.getImageData(0, 0, width, height);
      const { keypoints, confidence } = await session.detectPixels({ width, height, pixels: new Uint8Array(data.buffer) });
      if (!feed.isOn) break;
      const { labels, edges } = style();
      if (this.#canvas.width !== width || this.#canvas.height !== height) {
        this.#canvas.width = width;
        this.#canvas.height = height;
      }
      context.drawImage(reader.canvas, 0, 0);
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
      this.#readout.textContent = `${rate.toFixed(0)} images/s, ${delay.toFixed(0)} ms behind${sizeNote}`;
    }
  }

  /** @param {string} reason */
  #end(reason) {
    this.#ended = reason;
    this.stop();
  }

  stop() {
    this.#isOn = false;
    this.#request += 1;
    this.#feed?.stop();
    this.#feed = null;
  }
}
