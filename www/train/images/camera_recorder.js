// @ts-check
/**
 * Training images from the camera: a countdown, then a number of images; removed ones can be removed.
 *
 * @module
 */

import { Feed, offerCameras, rememberCamera } from "../../annotate/camera_feed.js";
import { LONGEST } from "./frames.js";
import { Thumbnails } from "./thumbnails.js";

/** @import { NamedFile } from "../../autolink.js" */

/** Countdown, s. */
const COUNTDOWN = 3;
const QUALITY = 0.92;
/** Side of a thumbnail, px. */
const SIDE = 112;
/** Smallest number of images for training. */
const FEWEST = 2;

/** Says that recorded images stay when the camera stops. */
const takenNote = (/** @type {number} */ count) =>
  count === 0 ? "" : count === 1 ? " The image taken so far is still here." : ` The ${count} images taken so far are still here.`;

/** Number of images taken since the page was opened, for unique names. */
let takenCount = 0;

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} verb Start of the label of the button that uses the images, such as "Train on".
 * @returns {Promise<NamedFile[]>} Recorded images; empty if the dialog was closed.
 */
export async function recordImages(dialog, verb) {
  if (dialog.open) return [];
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  const video = /** @type {HTMLVideoElement} */ (find("video"));
  const wanted = /** @type {HTMLInputElement} */ (find("#record-count"));
  const interval = /** @type {HTMLSelectElement} */ (find("#record-interval"));
  const mirror = /** @type {HTMLInputElement} */ (find("#record-mirror"));
  const start = /** @type {HTMLButtonElement} */ (find("#record-start"));
  const choice = /** @type {HTMLSelectElement} */ (find("#record-camera"));
  const use = /** @type {HTMLButtonElement} */ (find("#record-use"));
  const say = (/** @type {string} */ text) => void (find("#record-status").textContent = text);
  const listening = new AbortController();
  const { signal } = listening;

  /** All recorded images. @type {NamedFile[]} */ const shots = [];
  /** Indices of removed images. @type {Set<number>} */ const removed = new Set();
  const files = () => shots.filter((_, index) => !removed.has(index));
  let isRecording = false;
  const list = document.createElement("ul");
  list.className = "thumbnails";
  list.setAttribute("aria-label", "Recorded images");
  find("#record-thumbnails").replaceChildren(list);
  const tray = new Thumbnails(list, (index) => {
    removed.add(index);
    tray.removeImages([...removed]);
    show();
  });
  const show = () => {
    const count = files().length;
    use.disabled = isRecording || count < FEWEST;
    use.textContent = count < FEWEST ? `${verb} these` : `${verb} these ${count}`;
    start.textContent = isRecording ? "Stop" : count ? "Record more" : "Record";
    wanted.disabled = interval.disabled = mirror.disabled = isRecording;
  };
  const showMirroring = () => video.classList.toggle("is-mirrored", mirror.checked);

  /** @type {Feed | null} */ let feed = null;
  /** Counts openings of cameras, so that one that opens too late is closed. */
  let request = 0;
  /** Opens the camera in index of the previous one. */
  const openFeed = async () => {
    const own = ++request;
    feed?.stop();
    feed = null;
    start.disabled = true;
    try {
      const onEnd = (/** @type {string} */ reason) => {
        if (own !== request) return;
        isRecording = false;
        say(`${reason}${takenNote(files().length)} Press Record to try again.`);
        show();
      };
      const opened = await Feed.open(video, onEnd, (reason) => own === request && say(reason));
      if (own !== request || !dialog.open) return opened.stop();
      feed = opened;
      await offerCameras(choice, opened.deviceId);
    } catch (error) {
      if (own === request) say(`${error instanceof Error ? error.message : error}${takenNote(files().length)}`);
    } finally {
      if (own === request) start.disabled = false;
    }
  };
  const record = async () => {
    if (!feed?.isOn) await openFeed();
    const camera = feed;
    if (!camera?.isOn || isRecording) return;
    isRecording = true;
    say("");
    show();
    for (let left = COUNTDOWN; left > 0 && isRecording; left--) {
      find("#record-countdown").textContent = `${left}`;
      await wait(1000);
    }
    find("#record-countdown").textContent = "";
    const count = wanted.valueAsNumber;
    let sides = "";
    let next = performance.now();
    for (let shot = 0; shot < count && isRecording && dialog.open; ) {
      await wait(next - performance.now());
      next += 1000 * Number(interval.value);
      if (!(await camera.next())) break;
      const { videoWidth, videoHeight } = video;
      if (!videoWidth || !videoHeight) continue;
      // The size can change, as when a phone is turned.
      const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
      const canvas = new OffscreenCanvas(Math.max(1, Math.round(videoWidth * scale)), Math.max(1, Math.round(videoHeight * scale)));
      const context = canvas.getContext("2d");
      if (mirror.checked) context?.setTransform(-1, 0, 0, 1, canvas.width, 0);
      context?.drawImage(video, 0, 0, canvas.width, canvas.height);
      const image = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      takenCount += 1;
      shot += 1;
      const file = new File([image], `${`${takenCount}`.padStart(4, "0")}.jpg`, { type: image.type });
      tray.put(shots.length, `camera/${file.name}`, square(canvas));
      shots.push({ file, name: `./camera/${file.name}` });
      const now = `${videoWidth} × ${videoHeight} px`;
      const isTurned = sides !== "" && sides !== now;
      if (sides === "") sides = now;
      say(`${shot} of ${count}${isTurned ? `. The camera was turned: images were ${sides}, now they are ${now}.` : ""}`);
      show();
    }
    // If the camera stopped by itself, that was reported.
    if (isRecording || camera.isOn) say(shots.length ? "Click an image to remove it." : "");
    isRecording = false;
    show();
  };

  say("");
  show();
  showMirroring();
  dialog.showModal();
  try {
    mirror.addEventListener("change", showMirroring, { signal });
    choice.addEventListener(
      "change",
      () => {
        rememberCamera(choice.value);
        isRecording = false;
        openFeed();
      },
      { signal },
    );
    start.addEventListener(
      "click",
      () => {
        if (isRecording) isRecording = false;
        else if (wanted.reportValidity()) record();
      },
      { signal },
    );
    openFeed();
    const isUsed = await new Promise((resolve) => {
      use.addEventListener("click", () => resolve(true), { signal });
      dialog.addEventListener("close", () => resolve(false), { signal });
    });
    return isUsed ? files() : [];
  } finally {
    isRecording = false;
    request += 1;
    listening.abort();
    /** @type {Feed | null} */ (feed)?.stop();
    if (dialog.open) dialog.close();
  }
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Thumbnail of the square middle of an image.
 * @param {OffscreenCanvas} image
 */
function square(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(image.width, image.height);
  const context = canvas.getContext("2d");
  if (context) context.imageSmoothingQuality = "high";
  context?.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return canvas;
}
