// @ts-check
/**
 * Pictures from the camera: a countdown, then so many frames; bad ones go before training begins.
 *
 * @module
 */

import { Feed, offerCameras, rememberCamera } from "../annotate/camera_feed.js";
import { LONGEST } from "./frames.js";
import { Thumbnails } from "./thumbnails.js";

/** @import { NamedFile } from "../autolink.js" */

/** Seconds to get ready. */
const COUNTDOWN = 3;
const QUALITY = 0.92;
/** Side of a thumbnail, px. */
const SIDE = 112;
/** Nothing is learned from fewer. */
const FEWEST = 2;

/** What was recorded stays when the camera goes. */
const USABLE = (/** @type {number} */ count) => (count === 0 ? "" : count === 1 ? " The image taken so far is still here." : ` The ${count} images taken so far are still here.`);

/** So many were taken since the page was opened: each has its own name. */
let taken = 0;

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} verb What is done with them, as its button says: "Train on".
 * @returns {Promise<NamedFile[]>} What was recorded; nothing if it was closed.
 */
export async function recordImages(dialog, verb) {
  if (dialog.open) return [];
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  const video = /** @type {HTMLVideoElement} */ (find("video"));
  const wanted = /** @type {HTMLInputElement} */ (find("#record-count"));
  const pace = /** @type {HTMLSelectElement} */ (find("#record-pace"));
  const mirror = /** @type {HTMLInputElement} */ (find("#record-mirror"));
  const start = /** @type {HTMLButtonElement} */ (find("#record-start"));
  const choice = /** @type {HTMLSelectElement} */ (find("#record-camera"));
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
  list.setAttribute("aria-label", "Recorded images");
  find("#record-thumbnails").replaceChildren(list);
  const tray = new Thumbnails(list, (place) => {
    bad.add(place);
    tray.removeImages([...bad]);
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

  /** @type {Feed | null} */ let feed = null;
  /** Counts the cameras that were opened, so that one that comes late is not shown. */
  let turn = 0;
  /** Opens the camera in place of the one before; whether it runs. */
  const openFeed = async () => {
    const mine = ++turn;
    feed?.stop();
    feed = null;
    start.disabled = true;
    try {
      const onEnd = (/** @type {string} */ reason) => {
        if (mine !== turn) return;
        isRecording = false;
        say(`${reason}${USABLE(files().length)} Press Record to try again.`);
        show();
      };
      const opened = await Feed.open(video, onEnd, (reason) => mine === turn && say(reason));
      if (mine !== turn || !dialog.open) return opened.stop();
      feed = opened;
      await offerCameras(choice, opened.deviceId);
    } catch (error) {
      if (mine === turn) say(`${error instanceof Error ? error.message : error}${USABLE(files().length)}`);
    } finally {
      if (mine === turn) start.disabled = false;
    }
  };
  const shoot = async () => {
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
      next += 1000 * Number(pace.value);
      if (!(await camera.next())) break;
      const { videoWidth, videoHeight } = video;
      if (!videoWidth || !videoHeight) continue;
      // Each as the camera is now: a phone may be turned meanwhile.
      const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
      const canvas = new OffscreenCanvas(Math.max(1, Math.round(videoWidth * scale)), Math.max(1, Math.round(videoHeight * scale)));
      const context = canvas.getContext("2d");
      if (mirror.checked) context?.setTransform(-1, 0, 0, 1, canvas.width, 0);
      context?.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      taken += 1;
      shot += 1;
      const file = new File([picture], `${`${taken}`.padStart(4, "0")}.jpg`, { type: picture.type });
      tray.put(shots.length, `camera/${file.name}`, square(canvas));
      shots.push({ file, name: `./camera/${file.name}` });
      const now = `${videoWidth} × ${videoHeight} px`;
      const isTurned = sides !== "" && sides !== now;
      if (sides === "") sides = now;
      say(`${shot} of ${count}${isTurned ? `. The camera was turned: images had ${sides}, now they have ${now}.` : ""}`);
      show();
    }
    // Stopped by itself, it said so.
    if (isRecording || camera.isOn) say(shots.length ? "Click an image to remove it." : "");
    isRecording = false;
    show();
  };

  say("");
  show();
  look();
  dialog.showModal();
  try {
    mirror.addEventListener("change", look, { signal });
    choice.addEventListener("change", () => {
      rememberCamera(choice.value);
      isRecording = false;
      openFeed();
    }, { signal });
    start.addEventListener("click", () => {
      if (isRecording) isRecording = false;
      else if (wanted.reportValidity()) shoot();
    }, { signal });
    openFeed();
    const isUsed = await new Promise((resolve) => {
      use.addEventListener("click", () => resolve(true), { signal });
      dialog.addEventListener("close", () => resolve(false), { signal });
    });
    return isUsed ? files() : [];
  } finally {
    isRecording = false;
    turn += 1;
    listening.abort();
    /** @type {Feed | null} */ (feed)?.stop();
    if (dialog.open) dialog.close();
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
