// @ts-check
/**
 * Thumbnails, each a button that leaves its picture out. Arrow keys go from one to the next.
 *
 * @module
 */

export class Thumbnails {
  #list;
  #onRemove;
  /** By place. @type {HTMLLIElement[]} */ #tiles = [];

  /**
   * @param {HTMLElement} list Scrolls.
   * @param {(place: number) => void} onRemove
   */
  constructor(list, onRemove) {
    this.#list = list;
    this.#onRemove = onRemove;
    list.addEventListener("keydown", (event) => this.#walk(event));
    list.addEventListener("focusin", (event) => this.#makeTabStop(event.target instanceof Element ? event.target.closest("button") : null));
    list.addEventListener("click", (event) => {
      const tile = event.target instanceof Element ? event.target.closest("li") : null;
      if (tile) this.#remove(/** @type {HTMLLIElement} */ (tile));
    });
  }

  /** How many there are, those left out included. */
  get count() {
    return this.#tiles.length;
  }

  /** Shows a picture, at a place where another one is or as the next.
   * @param {number} place
   * @param {string} name
   * @param {HTMLCanvasElement} image
   */
  put(place, name, image) {
    const tile = (this.#tiles[place] ??= this.#list.appendChild(document.createElement("li")));
    const button = tile.querySelector("button") ?? tile.appendChild(document.createElement("button"));
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `Remove ${name}`);
    button.replaceChildren(image);
    if (place === 0 && !this.#list.querySelector("button[tabindex='0']")) this.#makeTabStop(button);
    else if (!button.hasAttribute("tabindex")) button.tabIndex = -1;
  }

  /** Forgets all from a place on.
   * @param {number} count So many stay.
   */
  truncate(count) {
    for (const tile of this.#tiles.splice(count)) tile.remove();
  }

  /** @param {number[]} places These are not shown. */
  removeImages(places) {
    const out = new Set(places);
    for (const [place, tile] of this.#tiles.entries()) tile.hidden = out.has(place);
    if (!this.#list.querySelector("li:not([hidden]) button[tabindex='0']")) this.#makeTabStop(this.#shown()[0]?.querySelector("button"));
  }

  #shown() {
    return this.#tiles.filter(({ hidden }) => !hidden);
  }

  /** @param {HTMLLIElement} tile */
  #remove(tile) {
    const shown = this.#shown();
    const at = shown.indexOf(tile);
    const neighbour = shown[at + 1] ?? shown[at - 1];
    const hadFocus = tile.contains(document.activeElement);
    this.#onRemove(this.#tiles.indexOf(tile));
    // Whoever removes several goes on with the next.
    if (hadFocus && tile.hidden) neighbour?.querySelector("button")?.focus();
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const tile = event.target instanceof Element ? event.target.closest("li") : null;
    if (!tile) return;
    if (event.key === "Delete" || event.key === "Backspace") this.#remove(tile);
    else {
      const tiles = this.#shown();
      const top = tiles[0].offsetTop;
      const columns = Math.max(1, tiles.findIndex((other) => other.offsetTop > top));
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
   * @param {HTMLButtonElement | null | undefined} button
   */
  #makeTabStop(button) {
    if (!button) return;
    this.#list.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    button.tabIndex = 0;
  }
}
