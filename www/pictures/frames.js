// @ts-check
/**
 * Videos become training pictures: every n-th frame of them.
 *
 * @module
 */

import { openVideo } from "../annotate/video.js";

/** @import { NamedFile } from "../autolink.js" */
/** @import { Video } from "../annotate/video.js" */

/** So many pictures are proposed; more of one video are hardly different. */
const USUAL = 200;
/** Longer side of a frame that is kept, px: twice what a model ever sees. */
export const LONGEST = 512;

/** Asks how many frames, and takes them. */
export class FramePanel {
  #panel;
  #load;
  /** @type {{ name: string, video: Video }[]} */ #videos = [];
  /** What came with them. @type {NamedFile[]} */ #others = [];
  /** Counts what is opened or given up, so that an older one ends. */ #turn = 0;

  /**
   * @param {HTMLElement} panel
   * @param {(files: NamedFile[]) => Promise<void>} load
   */
  constructor(panel, load) {
    this.#panel = panel;
    this.#load = load;
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
   */
  async open(videos, others) {
    this.#close();
    const turn = ++this.#turn;
    this.#others = others;
    this.#panel.hidden = false;
    this.#find("form").hidden = true;
    this.#say("Opening the video.");
    /** @type {string[]} */ const bad = [];
    for (const { name, file } of videos) {
      const video = await openVideo(file).catch((error) => void bad.push(error instanceof Error ? error.message : `${error}`));
      if (turn !== this.#turn) return video?.close();
      if (video) this.#videos.push({ name, video });
    }
    this.#say([...bad, ...this.#videos.map(({ name, video }) => `${name}: ${video.duration.toFixed(1)} s, ${Math.round(video.rate)} frames/s.`)].join(" "));
    if (this.#videos.length === 0) return;
    const frames = this.#frames(1);
    this.#every().value = `${Math.max(1, Math.round(frames / USUAL))}`;
    this.#find("form").hidden = false;
    this.#busy(false);
    this.#count();
    this.#panel.scrollIntoView({ block: "nearest" });
    this.#every().focus();
  }

  async #take() {
    const every = this.#every().valueAsNumber;
    const turn = this.#turn;
    const total = this.#frames(every);
    this.#busy(true);
    /** @type {NamedFile[]} */ const files = [];
    try {
      for (const { name, video } of this.#videos) {
        for await (const { seconds, picture } of video.stills(every, LONGEST)) {
          if (turn !== this.#turn) return;
          const file = new File([picture], `${seconds.toFixed(2)} s.jpg`, { type: picture.type });
          files.push({ file, name: `${name}/${file.name}` });
          this.#say(`Taking frames: ${files.length} of about ${total}.`);
        }
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#busy(false);
      return this.#say(`The video could not be read to its end (${error instanceof Error ? error.message : error}).`);
    }
    const others = this.#others;
    this.#close();
    await this.#load([...others, ...files]);
  }

  /** @param {number} every */
  #frames(every) {
    return this.#videos.reduce((sum, { video }) => sum + Math.ceil(Math.round(video.duration * video.rate) / every), 0);
  }

  #count() {
    const every = this.#every();
    if (every.validity.valid) this.#find("output").textContent = `about ${this.#frames(every.valueAsNumber)} pictures`;
  }

  #close() {
    this.#turn += 1;
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
    return /** @type {HTMLInputElement} */ (this.#find("input"));
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
