// @ts-check
/**
 * Training images from videos: every n-th frame, or crops around what moves before a still camera.
 *
 * @module
 */

import { openVideo } from "../../annotate/video.js";
import { counted, grouped } from "../../ui/format.js";
import { loadOptional } from "../../ui/optional.js";

/** @import * as protocol from "../../engine/protocol.js" */
/** @import { NamedFile, Session } from "../../autolink.js" */
/** @import { Camera } from "../../annotate/locating.ts" */
/** @import { Video } from "../../annotate/video.js" */

/** Number of images that is proposed; more frames of one video hardly differ. */
const USUAL = 200;
/** Longer side of the stored frames, px: twice the size that models use. */
export const LONGEST = 512;

/** The panel that asks for the frame interval and takes the frames. */
export class FramePanel {
  #panel;
  #load;
  #identify;
  #session;
  /** Removes the proposal to crop. */ #unpropose = () => {};
  /** @type {{ name: string, video: Video }[]} */ #videos = [];
  /** Other files of the same drop. @type {NamedFile[]} */ #others = [];
  /** Files that cannot be used. @type {protocol.Rejected[]} */ #failed = [];
  /** Name of each video by its content hash: two videos of one name get two names. @type {Map<string, string>} */
  #names = new Map();
  /** Counts openings and cancellations, so that an older one stops. */ #request = 0;

  /**
   * @param {HTMLElement} panel
   * @param {(files: NamedFile[], failed: protocol.Rejected[], about?: string) => Promise<void>} load `about`: a sentence to show then.
   * @param {(file: File) => Promise<string>} identify Returns the content hash of a file.
   * @param {() => Session | null} session
   */
  constructor(panel, load, identify, session) {
    this.#panel = panel;
    this.#load = load;
    this.#identify = identify;
    this.#session = session;
    this.#every().addEventListener("input", () => this.#count());
    this.#find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    });
    this.#find("[data-cancel]").addEventListener("click", () => this.#close());
  }

  /**
   * @param {NamedFile[]} videos
   * @param {NamedFile[]} others
   * @param {protocol.Rejected[]} failed Files of the same drop that cannot be used.
   */
  async open(videos, others, failed) {
    this.#close();
    const request = ++this.#request;
    this.#others = others;
    this.#failed = failed;
    this.#panel.hidden = false;
    this.#find("form").hidden = true;
    this.#say("Opening the video.");
    /** @type {string[]} */ const notes = [];
    /** @type {Set<string>} */ const seen = new Set();
    for (const { name, file } of videos) {
      const addNote = (/** @type {unknown} */ error) => void notes.push(error instanceof Error ? error.message : `${error}`);
      // Without an engine, the properties of the file identify it.
      const content = await this.#identify(file).catch(() => `${file.name} ${file.size} ${file.lastModified}`);
      if (request !== this.#request) return;
      const uniqueName = this.#name(content, name);
      if (seen.has(content)) {
        notes.push(`${name} is the same video as ${uniqueName} and is used once.`);
        continue;
      }
      seen.add(content);
      const video = await openVideo(file).catch(addNote);
      if (request !== this.#request) return video?.close();
      if (!video) continue;
      this.#videos.push({ name: uniqueName, video });
      const other = uniqueName === name ? "" : " Another video has this name.";
      notes.push(
        `${uniqueName}: ${video.duration.toFixed(1)} s, ${Math.round(video.rate)} frames/s.${other}`,
        ...(video.guessed ? [video.guessed] : []),
      );
    }
    this.#say(notes.join(" "));
    if (this.#videos.length === 0) return;
    const frames = this.#frames(1);
    this.#every().value = `${Math.max(1, Math.round(frames / USUAL))}`;
    this.#find("form").hidden = false;
    this.#busy(false);
    this.#count();
    this.#panel.scrollIntoView({ block: "nearest" });
    this.#every().focus();
    if (others.length === 0) this.#propose(this.#videos.map(({ name, video }) => ({ name, video, images: [] })));
  }

  /** Proposes to crop to what moves in images of one still camera, which are loaded already.
   * @param {NamedFile[]} images
   */
  proposeForImages(images) {
    this.#close();
    this.#failed = [];
    const [{ name }] = images;
    this.#propose([{ name: name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "these images", video: null, images }]);
  }

  /** @param {Camera[]} cameras */
  async #propose(cameras) {
    const request = this.#request;
    const session = this.#session();
    const located = await loadOptional(() => import("./locate.ts"), "The search for animals");
    if (!session || !located || request !== this.#request) return;
    const isVideo = cameras.some(({ video }) => video);
    // One button stands out: the proposal's, as long as there is one.
    const mark = (/** @type {boolean} */ isMain) => void this.#find("[type=submit]").classList.toggle("primary", isMain);
    const end = () => {
      this.#unpropose();
      if (!isVideo) this.#panel.hidden = true;
    };
    const remove = located.propose(/** @type {HTMLElement} */ (this.#find("[data-locate]")), {
      session,
      cameras,
      onProposed: () => {
        if (isVideo) mark(false);
        else {
          this.#say("");
          this.#find("form").hidden = true;
        }
        this.#panel.hidden = false;
        this.#panel.scrollIntoView({ block: "nearest" });
      },
      onDecline: end,
      onUse: async (/** @type {NamedFile[]} */ files, /** @type {string} */ about) => {
        const failed = this.#failed;
        this.#close();
        await this.#load(files, failed, about);
      },
    });
    this.#unpropose = () => {
      remove();
      mark(true);
      this.#unpropose = () => {};
    };
  }

  async #take() {
    const every = this.#every().valueAsNumber;
    const request = this.#request;
    const total = this.#frames(every);
    this.#busy(true);
    /** @type {NamedFile[]} */ const files = [];
    const failed = [...this.#failed];
    for (const { name, video } of this.#videos) {
      /** @type {Set<string>} */ const times = new Set();
      try {
        for await (const { frame, seconds, image } of video.stills(every, LONGEST)) {
          if (request !== this.#request) return;
          const time = `${seconds.toFixed(2)} s`;
          // At high frame rates, several frames start within 0.01 s.
          const file = new File([image], `${times.has(time) ? `${time}, frame ${frame}` : time}.jpg`, { type: image.type });
          times.add(time);
          // The frames are in a folder named after the video, inside the dropped folder if there is one.
          files.push({ file, name: `${name.includes("/") ? "" : "./"}${name}/${file.name}` });
          this.#say(`Taking frames: ${grouped(files.length)} of about ${grouped(total)}.`);
        }
      } catch (error) {
        if (request !== this.#request) return;
        // The frames taken before stay.
        failed.push({ name, reason: error instanceof Error ? error.message : `${error}` });
      }
    }
    if (request !== this.#request) return;
    if (files.length === 0) {
      this.#busy(false);
      return this.#say(failed.map(({ reason }) => reason).join(" "));
    }
    const others = this.#others;
    this.#close();
    await this.#load([...others, ...files], failed);
  }

  /** Returns a unique name for a video.
   * @param {string} content
   * @param {string} name
   */
  #name(content, name) {
    const known = this.#names.get(content);
    if (known) return known;
    const taken = new Set(this.#names.values());
    const dot = name.lastIndexOf(".");
    const [stem, ending] = dot > name.lastIndexOf("/") + 1 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
    let uniqueName = name;
    for (let number = 2; taken.has(uniqueName); number++) uniqueName = `${stem} (${number})${ending}`;
    this.#names.set(content, uniqueName);
    return uniqueName;
  }

  /** @param {number} every */
  #frames(every) {
    return this.#videos.reduce((sum, { video }) => sum + Math.ceil(video.count / every), 0);
  }

  #count() {
    const every = this.#every();
    if (every.validity.valid) this.#find("form output").textContent = `about ${counted(this.#frames(every.valueAsNumber), "image")}`;
  }

  #close() {
    this.#request += 1;
    this.#unpropose();
    for (const { video } of this.#videos) video.close();
    this.#videos = [];
    this.#panel.hidden = true;
  }

  /** @param {boolean} isBusy */
  #busy(isBusy) {
    this.#every().disabled = isBusy;
    /** @type {HTMLButtonElement} */ (this.#find("[type=submit]")).disabled = isBusy;
  }

  #every() {
    return /** @type {HTMLInputElement} */ (this.#find("form input"));
  }

  /** @param {string} text */
  #say(text) {
    this.#find("p").textContent = text;
  }

  /** @param {string} selector */
  #find(selector) {
    return /** @type {HTMLElement} */ (this.#panel.querySelector(selector));
  }
}
