// @ts-check
/**
 * The Share dialog: the run as a link, a lesson as a link, and the current state as a figure or as a page of its own.
 *
 * @module
 */

import { figureOf, pngOf } from "./figure.js";
import { counted } from "./format.js";
import { linkTo } from "../state/link.js";
import { standaloneOf } from "./standalone.ts";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Figure } from "./figure.js" */
/** @import { Link } from "../state/link.js" */
/** @import { Store } from "../state/state.js" */

/** Delay between a change of settings and the update of the address, ms. */
const FOLLOW_AFTER = 300;

/** Shows the link and the figure, and keeps the address of the page up to date. */
export class Share {
  #store;
  #download;
  #dialog;
  #address;
  #copied;
  /** @type {Figure | null} */ #figure = null;
  /** What the figure shows. @type {{ views: protocol.PreviewViews, caption: string } | null} */ #drawn = null;
  /** @type {Pick<Link, "hide" | "start">} Parts of the address that the page was opened with. */ #lesson = { hide: [], start: false };

  /**
   * @param {Store} store
   * @param {(file: File) => void} download
   */
  constructor(store, download) {
    this.#store = store;
    this.#download = download;
    this.#dialog = /** @type {HTMLDialogElement} */ (document.getElementById("share"));
    this.#address = /** @type {HTMLInputElement} */ (this.#find("#share-link"));
    this.#copied = this.#find("#share-copied");
    document.getElementById("open-share")?.addEventListener("click", () => this.#open());
    this.#find("#share-copy").addEventListener("click", () => this.#copy());
    this.#find("#share-lesson").addEventListener("change", () => this.#write());
    this.#find("#share-png").addEventListener("click", async () => {
      if (this.#figure) this.#save(await pngOf(this.#figure), "png");
    });
    this.#find("#share-svg").addEventListener("click", () => {
      if (this.#figure) this.#save(new Blob([this.#figure.svg], { type: "image/svg+xml" }), "svg");
    });
    this.#find("#share-html").addEventListener("click", async () => {
      if (!this.#drawn) return;
      const { views, caption } = this.#drawn;
      const text = await standaloneOf(views, this.#store.state.palette, caption);
      this.#save(new Blob([text], { type: "text/html" }), "html");
    });
    this.#dialog.addEventListener("close", () => this.#show(null));
  }

  /** Keeps the address of the page up to date with the settings.
   * @param {Pick<Link, "hide" | "start">} lesson
   */
  follow(lesson) {
    this.#lesson = { hide: lesson.hide, start: lesson.start };
    let resting = 0;
    this.#store.watch(["config", "run", "stopStep"], () => {
      clearTimeout(resting);
      resting = window.setTimeout(() => {
        const link = this.#link(this.#lesson);
        if (link && link.href !== location.href) history.replaceState(history.state, "", link);
      }, FOLLOW_AFTER);
    });
  }

  /** @param {string} selector @returns {HTMLElement} */
  #find(selector) {
    return /** @type {HTMLElement} */ (this.#dialog.querySelector(selector));
  }

  /** @returns {HTMLInputElement[]} */
  #boxes() {
    return Array.from(this.#dialog.querySelectorAll("#share-lesson input"));
  }

  /** @param {Pick<Link, "hide" | "start">} lesson */
  #link(lesson) {
    const { config, run, presets, stopStep } = this.#store.state;
    return config && presets.length
      ? linkTo(new URL(location.href), { presets }, { config, source: run.source, stopStep, ...lesson })
      : null;
  }

  #open() {
    const { hide, start } = this.#lesson;
    for (const box of this.#boxes()) box.checked = box.name === "start" ? start : hide.includes(box.value);
    this.#write();
    const { views: latest, demo, palette, run, imageCount, removedImages } = this.#store.state;
    const views = demo ? null : latest;
    this.#find("#share-own").hidden = run.source !== null || imageCount === 0;
    this.#find("#share-removed").hidden = run.source === null || removedImages.length === 0;
    this.#find("#share-figure").hidden = !views;
    this.#find("#share-no-figure").hidden = views !== null;
    this.#dialog.showModal();
    if (views) {
      const caption = this.#caption();
      this.#drawn = { views, caption };
      figureOf(views, palette, { caption }).then(
        (figure) => this.#dialog.open && this.#show(figure),
        (error) => (this.#copied.textContent = `The figure could not be drawn (${error instanceof Error ? error.message : error}).`),
      );
    }
  }

  #caption() {
    const { views, history, run, config } = this.#store.state;
    const at = history.steps.indexOf(views?.step ?? 0);
    const loss = at >= 0 ? `, ${config?.loss} loss ${history.losses[at].toPrecision(3)}` : "";
    return `AutoLink, ${run.name || "images"}: ${config?.keypoints} keypoints after ${counted(views?.step ?? 0, "step")}${loss}.`;
  }

  #write() {
    const checked = this.#boxes().filter(({ checked }) => checked);
    const known = this.#boxes().map(({ value }) => value);
    // Hidden parts that the dialog does not list stay hidden.
    const others = this.#lesson.hide.filter((part) => !known.includes(part));
    const parts = checked.filter(({ name }) => name === "hide").map(({ value }) => value);
    const link = this.#link({ start: checked.some(({ name }) => name === "start"), hide: [...parts, ...others] });
    const bare = new URL(link ?? location.href);
    bare.hash = "";
    this.#address.value = bare.href;
    this.#copied.textContent = "";
  }

  async #copy() {
    this.#address.select();
    try {
      await navigator.clipboard.writeText(this.#address.value);
    } catch {
      // Not allowed, or not a secure page: use the old command.
      if (!document.execCommand("copy")) {
        this.#copied.textContent = "The browser does not let the page copy. The link is selected: press Ctrl+C.";
        return;
      }
    }
    this.#copied.textContent = "Copied.";
  }

  /** @param {Figure | null} figure */
  #show(figure) {
    this.#figure = figure;
    const image = /** @type {HTMLImageElement} */ (this.#find("#share-preview"));
    URL.revokeObjectURL(image.src);
    for (const id of ["#share-png", "#share-svg", "#share-html"]) {
      const button = /** @type {HTMLButtonElement} */ (this.#find(id));
      button.disabled = figure === null;
    }
    if (!figure) return image.removeAttribute("src");
    image.width = figure.width;
    image.height = figure.height;
    image.alt = figure.about;
    image.src = URL.createObjectURL(new Blob([figure.svg], { type: "image/svg+xml" }));
  }

  /** @param {Blob} blob @param {"png" | "svg" | "html"} ending */
  #save(blob, ending) {
    const name = `autolink-figure-${this.#drawn?.views.step ?? 0}-steps.${ending}`;
    this.#download(new File([blob], name, { type: blob.type }));
    this.#copied.textContent = `Saved ${name}.`;
  }
}
