// @ts-check
/**
 * Pictures from the camera: a countdown, then so many frames; bad ones go before training begins.
 *
 * @module
 */

import { newFrame, openCamera } from "../annotate/camera.js";
import { LONGEST } from "./frames.js";
import { Tray } from "./tray.js";

/** @import { NamedFile } from "../autolink.js" */

/** Seconds to get ready. */
const COUNTDOWN = 3;
const QUALITY = 0.92;
/** Side of a thumbnail, px. */
const SIDE = 112;
/** Nothing is learned from fewer. */
const FEWEST = 2;

/** So many were taken since the page was opened: each has its own name. */
let taken = 0;

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} verb What is done with them, as its button says: "Train on".
 * @returns {Promise<NamedFile[]>} What was recorded; nothing if it was closed.
 */
export async function record(dialog, verb) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  const video = /** @type {HTMLVideoElement} */ (find("video"));
  const wanted = /** @type {HTMLInputElement} */ (find("#record-count"));
  const pace = /** @type {HTMLSelectElement} */ (find("#record-pace"));
  const mirror = /** @type {HTMLInputElement} */ (find("#record-mirror"));
  const start = /** @type {HTMLButtonElement} */ (find("#record-start"));
  const use = /** @type {HTMLButtonElement} */ (find("#record-use"));
  const say = (/** @type {string} */ text) => void (find("#record-said").textContent = text);
  const listening = new AbortController();
  const { signal } = listening;

  /** All that were recorded. @type {NamedFile[]} */ const shots = [];
  /** The places of those that went wrong. @type {Set<number>} */ const bad = new Set();
  const files = () => shots.filter((_, place) => !bad.has(place));
  let isRecording = false;
  const list = document.createElement("ul");
  list.className = "thumbnails";
  list.setAttribute("aria-label", "Recorded pictures");
  find("#record-thumbnails").replaceChildren(list);
  const tray = new Tray(list, (place) => {
    bad.add(place);
    tray.leaveOut([...bad]);
    show();
  });
  const show = () => {
    const count = files().length;
    use.disabled = isRecording || count < FEWEST;
    use.textContent = count < FEWEST ? `${verb} these` : `${verb} these ${count}`;
    start.textContent = isRecording ? "Stop" : count ? "Record more" : "Record";
    wanted.disabled = pace.disabled = mirror.disabled = isRecording;
  };
  const look = () => video.classList.toggle("is-mirrored", mirror.checked);

  /** @type {MediaStream | null} */ let stream = null;
  const shoot = async () => {
    isRecording = true;
    show();
    for (let left = COUNTDOWN; left > 0 && isRecording; left--) {
      find("#record-countdown").textContent = `${left}`;
      await wait(1000);
    }
    find("#record-countdown").textContent = "";
    const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
    const canvas = new OffscreenCanvas(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
    const context = canvas.getContext("2d");
    if (mirror.checked) context?.setTransform(-1, 0, 0, 1, canvas.width, 0);
    const count = wanted.valueAsNumber;
    let next = performance.now();
    for (let shot = 0; shot < count && isRecording && dialog.open; shot++) {
      await wait(next - performance.now());
      next += 1000 * Number(pace.value);
      await newFrame(video);
      context?.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      taken += 1;
      const file = new File([picture], `${`${taken}`.padStart(4, "0")}.jpg`, { type: picture.type });
      tray.put(shots.length, `camera/${file.name}`, square(canvas));
      shots.push({ file, name: `camera/${file.name}` });
      say(`${shot + 1} of ${count}`);
      show();
    }
    isRecording = false;
    say(shots.length ? "Click a picture that went wrong to remove it." : "");
    show();
  };

  say("");
  show();
  look();
  dialog.showModal();
  try {
    start.disabled = true;
    stream = await openCamera();
    if (!dialog.open) return [];
    video.srcObject = stream;
    await video.play();
    start.disabled = false;
    mirror.addEventListener("change", look, { signal });
    start.addEventListener("click", () => {
      if (isRecording) isRecording = false;
      else if (wanted.reportValidity()) shoot();
    }, { signal });
    const isUsed = await new Promise((resolve) => {
      use.addEventListener("click", () => resolve(true), { signal });
      dialog.addEventListener("close", () => resolve(false), { signal });
    });
    return isUsed ? files() : [];
  } catch (error) {
    // Said in the dialog, which waits to be closed.
    say(error instanceof Error ? error.message : `${error}`);
    return [];
  } finally {
    isRecording = false;
    listening.abort();
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    if (stream) dialog.close();
  }
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** The middle of a picture.
 * @param {OffscreenCanvas} picture
 */
function square(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(picture.width, picture.height);
  const context = canvas.getContext("2d");
  if (context) context.imageSmoothingQuality = "high";
  context?.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return canvas;
}
