// @ts-check
/**
 * Access to a camera: choice of the device, its images, and its end.
 *
 * @module
 */

import { insecureContextNote } from "../engine/secure.js";
import { make } from "./labels.js";

/** Storage key of the last chosen camera. */
const REMEMBERED = "camera";
/** Requested size of images, px. Models use smaller ones. */
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 } };

/** Reasons for the errors of `getUserMedia`. @type {Record<string, string>} */
const REASONS = {
  NotAllowedError: "the browser does not allow it. Allow the camera for this page, then try again",
  SecurityError: "this browser allows no camera here. Use another browser",
  NotFoundError: "there is no camera. Connect one, then try again",
  OverconstrainedError: "the chosen camera is gone. Connect it, or choose another one",
  NotReadableError: "another program uses it. Close that program, then try again",
  AbortError: "it did not start. Try again",
};

const MUTED = "The camera sends no images. Close other programs that use it, or uncover it. The page then continues by itself.";

/** The images of a camera. Ends by itself when the camera is unplugged. */
export class Feed {
  #stream;
  #video;
  #ended = "";
  /** Ends the wait for a frame when the camera stops. */
  #wake = () => {};
  #onEnd;
  #listening = new AbortController();

  /**
   * @param {MediaStream} stream
   * @param {HTMLVideoElement} video Element that plays it.
   * @param {(reason: string) => void} onEnd Called with a sentence when the camera stops by itself.
   * @param {(reason: string) => void} onMute Called with a sentence when the camera sends no images, and with an empty string when it does again.
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
    if (stream.getVideoTracks().length === 0) this.#end("This camera sends no images. Choose another one.");
  }

  /**
   * Opens the chosen camera, which is remembered between visits.
   * @param {HTMLVideoElement} video Element that plays it.
   * @param {(reason: string) => void} onEnd Called with a sentence when the camera stops by itself.
   * @param {(reason: string) => void} onMute Called with a sentence when the camera sends no images, and with an empty string when it does again.
   * @returns {Promise<Feed>} Rejects with a sentence if the camera cannot be used.
   */
  static async open(video, onEnd, onMute) {
    const missing = insecureContextNote();
    if (!navigator.mediaDevices?.getUserMedia)
      throw new Error(missing || "This browser gives pages no access to cameras. Use another browser.");
    const chosen = rememberedCamera();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...(chosen ? { deviceId: { ideal: chosen } } : {}) } });
    } catch (error) {
      const name = error instanceof DOMException || error instanceof Error ? error.name : "";
      const reason = REASONS[name] ?? (error instanceof Error ? error.message.replace(/\.$/, "") : `${error}`);
      throw new Error(`The camera cannot be used: ${reason}.`);
    }
    const feed = new Feed(stream, video, onEnd, onMute);
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    // Rejects if the camera is stopped before it plays.
    video.play().catch(() => {});
    return feed;
  }

  get isOn() {
    return this.#ended === "" && this.#stream.active;
  }

  /** Device id of the camera. */
  get deviceId() {
    return this.#stream.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** Waits for the next image.
   * @returns {Promise<boolean>} False if the camera has stopped.
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

/** Resolves at the next image of a video.
 * @param {HTMLVideoElement} video
 */
export function newFrame(video) {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}

/** Lists the cameras in a select. Their names are known once the user has allowed one.
 * @param {HTMLSelectElement} select Its label is hidden if there is only one camera.
 * @param {string} current Device id of the camera in use.
 */
export async function offerCameras(select, current) {
  const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const cameras = all.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  select.replaceChildren(
    ...cameras.map(({ deviceId, label }, place) => make("option", { value: deviceId }, label || `Camera ${place + 1}`)),
  );
  if (cameras.some(({ deviceId }) => deviceId === current)) select.value = current;
  const row = select.closest("label");
  if (row) row.hidden = cameras.length < 2;
}

/** Remembers the chosen camera.
 * @param {string} deviceId
 */
export function rememberCamera(deviceId) {
  try {
    localStorage.setItem(REMEMBERED, deviceId);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  chosenNow = deviceId;
}

let chosenNow = "";

function rememberedCamera() {
  try {
    return chosenNow || localStorage.getItem(REMEMBERED) || "";
  } catch {
    return chosenNow;
  }
}
