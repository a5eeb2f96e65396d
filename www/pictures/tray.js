// @ts-check
/**
 * Thumbnails of files, each a button that removes it. Arrow keys go from one to the next.
 *
 * @module
 */

/** @import { NamedFile } from "../autolink.js" */

/** Side of a thumbnail, px of the picture. */
const SIDE = 112;
/** Decoded at a time. */
const AT_ONCE = 4;
/** Tiles that are made in one go; a thousand at once would hold up the page. */
const PORTION = 50;

export class Tray {
  #list;
  #onRemove;
  /** @type {Map<NamedFile, HTMLLIElement>} In their order. */ #tiles = new Map();
  /** The newest list; an older one that is still being made gives up. */
  #turn = 0;
  /** Tiles in sight that wait to be drawn. @type {Set<Element>} */ #wanted = new Set();
  #drawing = 0;
  #watcher;
  /** @type {WeakMap<Element, NamedFile>} */ #files = new WeakMap();

  /**
   * @param {HTMLElement} list Scrolls.
   * @param {(file: NamedFile) => void} onRemove
   */
  constructor(list, onRemove) {
    this.#list = list;
    this.#onRemove = onRemove;
    this.#watcher = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) this.#wanted.add(target);
          else this.#wanted.delete(target);
        }
        this.#draw();
      },
      { root: list, rootMargin: "100px" },
    );
    list.addEventListener("keydown", (event) => this.#walk(event));
    list.addEventListener("focusin", (event) => this.#make(/** @type {HTMLElement} */ (event.target)));
    list.addEventListener("click", (event) => {
      const tile = event.target instanceof Element ? event.target.closest("li") : null;
      if (tile) this.#remove(tile);
    });
  }

  /** @param {NamedFile[]} files */
  async show(files) {
    const turn = ++this.#turn;
    const kept = new Set(files);
    for (const [file, tile] of this.#tiles) {
      if (kept.has(file)) continue;
      this.#tiles.delete(file);
      this.#watcher.unobserve(tile);
      this.#wanted.delete(tile);
      tile.remove();
    }
    /** @type {Element | null} */ let next = this.#list.firstElementChild;
    for (const [at, file] of files.entries()) {
      if (at % PORTION === PORTION - 1) await new Promise(requestAnimationFrame);
      if (turn !== this.#turn) return;
      const known = this.#tiles.get(file);
      if (known && known === next) {
        next = known.nextElementSibling;
        continue;
      }
      const tile = known ?? this.#tile(file);
      this.#tiles.set(file, tile);
      this.#list.insertBefore(tile, next);
    }
    if (!this.#list.querySelector("button[tabindex='0']")) this.#make(this.#list.querySelector("button"));
  }

  /** @param {NamedFile} file */
  #tile(file) {
    const tile = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.title = file.name;
    button.setAttribute("aria-label", `Remove ${file.name}`);
    // Until it is drawn, and where it cannot be.
    const ending = document.createElement("span");
    ending.textContent = file.name.split(".").at(-1) ?? "";
    button.append(ending);
    tile.append(button);
    this.#files.set(tile, file);
    this.#watcher.observe(tile);
    return tile;
  }

  /** Draws what is in sight, a few at a time. */
  #draw() {
    for (const tile of this.#wanted) {
      if (this.#drawing >= AT_ONCE) return;
      this.#wanted.delete(tile);
      this.#watcher.unobserve(tile);
      const file = this.#files.get(tile)?.file;
      if (!file) continue;
      this.#drawing += 1;
      createImageBitmap(file, { resizeHeight: 2 * SIDE, resizeQuality: "medium" })
        .then((bitmap) => {
          tile.querySelector("span")?.replaceWith(square(bitmap));
          bitmap.close();
        }, () => {})
        .finally(() => {
          this.#drawing -= 1;
          this.#draw();
        });
    }
  }

  /** @param {Element} tile */
  #remove(tile) {
    const file = this.#files.get(tile);
    if (!file) return;
    const neighbour = tile.nextElementSibling ?? tile.previousElementSibling;
    const hadFocus = tile.contains(document.activeElement);
    this.#onRemove(file);
    // Whoever removes several goes on with the next.
    if (hadFocus && !tile.isConnected) /** @type {HTMLElement | null} */ (neighbour?.querySelector("button"))?.focus();
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const tile = event.target instanceof Element ? event.target.closest("li") : null;
    if (!tile) return;
    if (event.key === "Delete" || event.key === "Backspace") this.#remove(tile);
    else {
      const tiles = [...this.#list.children];
      const top = /** @type {HTMLElement} */ (tiles[0]).offsetTop;
      const columns = Math.max(1, tiles.findIndex((other) => /** @type {HTMLElement} */ (other).offsetTop > top));
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -Infinity, End: Infinity };
      const move = moves[/** @type {keyof typeof moves} */ (event.key)];
      if (move === undefined) return;
      const to = Math.min(tiles.length - 1, Math.max(0, tiles.indexOf(tile) + move));
      tiles[to].querySelector("button")?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** The one tile that Tab reaches.
   * @param {HTMLElement | null} button
   */
  #make(button) {
    if (!(button instanceof HTMLButtonElement)) return;
    this.#list.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    button.tabIndex = 0;
  }
}

/** The middle of a picture.
 * @param {ImageBitmap} bitmap
 */
function square(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  if (context) context.imageSmoothingQuality = "high";
  context?.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return canvas;
}
