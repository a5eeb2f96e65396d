// @ts-check
/**
 * Videos become training pictures: every n-th frame of them.
 *
 * @module
 */

import { openVideo } from "../annotate/video.js";
import { counted, grouped } from "../format.js";

/** @import * as protocol from "../protocol.js" */
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
  #identify;
  /** @type {{ name: string, video: Video }[]} */ #videos = [];
  /** What came with them. @type {NamedFile[]} */ #others = [];
  /** What cannot be used. @type {protocol.Rejected[]} */ #failed = [];
  /** What each video is called whose frames were taken, by its content: two of one name are two videos. @type {Map<string, string>} */
  #names = new Map();
  /** Counts what is opened or given up, so that an older one ends. */ #request = 0;

  /**
   * @param {HTMLElement} panel
   * @param {(files: NamedFile[], failed: protocol.Rejected[]) => Promise<void>} load
   * @param {(file: File) => Promise<string>} identify What a file is known by, whatever its name.
   */
  constructor(panel, load, identify) {
    this.#panel = panel;
    this.#load = load;
    this.#identify = identify;
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
   * @param {protocol.Rejected[]} failed What came with them and cannot be used.
   */
  async open(videos, others, failed) {
    this.#close();
    const turn = ++this.#request;
    this.#others = others;
    this.#failed = failed;
    this.#panel.hidden = false;
    this.#find("form").hidden = true;
    this.#say("Opening the video.");
    /** @type {string[]} */ const notes = [];
    /** @type {Set<string>} */ const here = new Set();
    for (const { name, file } of videos) {
      const said = (/** @type {unknown} */ error) => void notes.push(error instanceof Error ? error.message : `${error}`);
      // Without an engine, the file's own facts have to do.
      const content = await this.#identify(file).catch(() => `${file.name} ${file.size} ${file.lastModified}`);
      if (turn !== this.#request) return;
      const called = this.#name(content, name);
      if (here.has(content)) {
        notes.push(`${name} is the same video as ${called} and is used once.`);
        continue;
      }
      here.add(content);
      const video = await openVideo(file).catch(said);
      if (turn !== this.#request) return video?.close();
      if (!video) continue;
      this.#videos.push({ name: called, video });
      const other = called === name ? "" : " Another video has this name.";
      notes.push(`${called}: ${video.duration.toFixed(1)} s, ${Math.round(video.rate)} frames/s.${other}`, ...(video.guessed ? [video.guessed] : []));
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
  }

  async #take() {
    const every = this.#every().valueAsNumber;
    const turn = this.#request;
    const total = this.#frames(every);
    this.#busy(true);
    /** @type {NamedFile[]} */ const files = [];
    const failed = [...this.#failed];
    for (const { name, video } of this.#videos) {
      /** @type {Set<string>} */ const times = new Set();
      try {
        for await (const { frame, seconds, picture } of video.stills(every, LONGEST)) {
          if (turn !== this.#request) return;
          const time = `${seconds.toFixed(2)} s`;
          // Of fast videos, several frames begin within a hundredth of a second.
          const file = new File([picture], `${times.has(time) ? `${time}, frame ${frame}` : time}.jpg`, { type: picture.type });
          times.add(time);
          // Below the folder that was dropped; where none was, the video is no folder to leave out.
          files.push({ file, name: `${name.includes("/") ? "" : "./"}${name}/${file.name}` });
          this.#say(`Taking frames: ${grouped(files.length)} of about ${grouped(total)}.`);
        }
      } catch (error) {
        if (turn !== this.#request) return;
        // What came before is as good as it was.
        failed.push({ name, reason: error instanceof Error ? error.message : `${error}` });
      }
    }
    if (turn !== this.#request) return;
    if (files.length === 0) {
      this.#busy(false);
      return this.#say(failed.map(({ reason }) => reason).join(" "));
    }
    const others = this.#others;
    this.#close();
    await this.#load([...others, ...files], failed);
  }

  /** What a video is called here: its name, or one that no other video has.
   * @param {string} content
   * @param {string} name
   */
  #name(content, name) {
    const known = this.#names.get(content);
    if (known) return known;
    const taken = new Set(this.#names.values());
    const dot = name.lastIndexOf(".");
    const [stem, ending] = dot > name.lastIndexOf("/") + 1 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
    let called = name;
    for (let number = 2; taken.has(called); number++) called = `${stem} (${number})${ending}`;
    this.#names.set(content, called);
    return called;
  }

  /** @param {number} every */
  #frames(every) {
    return this.#videos.reduce((sum, { video }) => sum + Math.ceil(video.count / every), 0);
  }

  #count() {
    const every = this.#every();
    if (every.validity.valid) this.#find("output").textContent = `about ${counted(this.#frames(every.valueAsNumber), "image")}`;
  }

  #close() {
    this.#request += 1;
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
