// @ts-check
/**
 * A camera: which one, what it sees now, and what happens to it meanwhile.
 *
 * @module
 */

import { insecure } from "../secure.js";
import { make } from "./labels.js";

/** The camera that was chosen last is used again. */
const REMEMBERED = "camera";
/** What a model sees is smaller. */
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

/** What browsers call a camera that cannot be had, for people. @type {Record<string, string>} */
const REASONS = {
  NotAllowedError: "the browser does not allow it: allow the camera for this page, then try again",
  SecurityError: "this browser allows no camera here",
  NotFoundError: "there is no camera: connect one, then try again",
  OverconstrainedError: "the chosen camera is gone: connect it, or choose another one",
  NotReadableError: "another program uses it: close that program, then try again",
  AbortError: "it did not start: try again",
};

const MUTED = "The camera sends no images. Close other programs that use it, or uncover it. The page then continues by itself.";

/** What a camera sees. Stops by itself when it is unplugged. */
export class Feed {
  #stream;
  #video;
  #ended = "";
  /** Ends the wait for a frame that will not come. */
  #wake = () => {};
  #onEnd;
  #listening = new AbortController();

  /**
   * @param {MediaStream} stream
   * @param {HTMLVideoElement} video Shows it.
   * @param {(reason: string) => void} onEnd Called when the camera stops by itself, with a sentence.
   * @param {(reason: string) => void} onMute Called with a sentence when the camera sends no images for a while, with nothing when it does again.
   */
  constructor(stream, video, onEnd, onMute) {
    this.#stream = stream;
    this.#video = video;
    this.#onEnd = onEnd;
    const { signal } = this.#listening;
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => this.#end("The camera stopped: it was unplugged, or another program took it."), { signal });
      track.addEventListener("mute", () => onMute(MUTED), { signal });
      track.addEventListener("unmute", () => onMute(""), { signal });
      if (track.muted) onMute(MUTED);
      if (track.readyState === "ended") this.#end("The camera stopped as soon as it started. Try again.");
    }
    if (stream.getVideoTracks().length === 0) this.#end("This camera gives no images. Choose another one.");
  }

  /**
   * Opens the camera that was used last, or the one that is chosen.
   * @param {HTMLVideoElement} video Plays what it sees.
   * @param {(reason: string) => void} onEnd Called when the camera stops by itself, with a sentence.
   * @param {(reason: string) => void} onMute Called with a sentence when the camera sends no images for a while, with nothing when it does again.
   * @returns {Promise<Feed>} Rejects with a sentence where there is no camera.
   */
  static async open(video, onEnd, onMute) {
    const missing = insecure();
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(missing || "This browser gives pages no access to cameras.");
    const chosen = remembered();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...(chosen ? { deviceId: { ideal: chosen } } : {}) } });
    } catch (error) {
      const name = error instanceof DOMException || error instanceof Error ? error.name : "";
      const reason = REASONS[name] ?? (error instanceof Error ? error.message.replace(/\.$/, "") : `${error}`);
      throw new Error(`The camera cannot be used (${reason}).`);
    }
    const feed = new Feed(stream, video, onEnd, onMute);
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    // Rejects where it is stopped before it plays.
    video.play().catch(() => {});
    return feed;
  }

  get isOn() {
    return this.#ended === "" && this.#stream.active;
  }

  /** Which camera this is. */
  get deviceId() {
    return this.#stream.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** Waits for the next image.
   * @returns {Promise<boolean>} Whether there is one: not if it was stopped meanwhile.
   */
  async next() {
    if (!this.isOn) return false;
    await Promise.race([newFrame(this.#video), new Promise((resolve) => (this.#wake = () => resolve(null)))]);
    return this.isOn;
  }

  stop() {
    this.#listening.abort();
    this.#ended ||= "stopped";
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#video.srcObject === this.#stream) this.#video.srcObject = null;
    this.#wake();
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#ended) return;
    this.#ended = reason;
    this.stop();
    this.#onEnd(reason);
  }
}

/** The next image that a video shows.
 * @param {HTMLVideoElement} video
 */
function newFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}

/** Offers the cameras where there are several. Their names are known once one was allowed.
 * @param {HTMLSelectElement} select Its label is hidden where there is no choice.
 * @param {string} current The one in use.
 */
export async function offerCameras(select, current) {
  const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const cameras = all.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  select.replaceChildren(...cameras.map(({ deviceId, label }, place) => make("option", { value: deviceId }, label || `Camera ${place + 1}`)));
  if (cameras.some(({ deviceId }) => deviceId === current)) select.value = current;
  const row = select.closest("label");
  if (row) row.hidden = cameras.length < 2;
}

/** Uses this camera from now on.
 * @param {string} deviceId
 */
export function rememberCamera(deviceId) {
  try {
    localStorage.setItem(REMEMBERED, deviceId);
  } catch {
    // Where nothing is stored it is used this time.
  }
  chosenNow = deviceId;
}

let chosenNow = "";

function remembered() {
  try {
    return chosenNow || localStorage.getItem(REMEMBERED) || "";
  } catch {
    return chosenNow;
  }
}
