// @ts-check
/**
 * Thumbnails, each a button that removes its image. Arrow keys move the focus.
 *
 * @module
 */

export class Thumbnails {
  #list;
  #onRemove;
  /** By index. @type {HTMLLIElement[]} */ #tiles = [];

  /**
   * @param {HTMLElement} list Element that scrolls.
   * @param {(index: number) => void} onRemove
   */
  constructor(list, onRemove) {
    this.#list = list;
    this.#onRemove = onRemove;
    list.addEventListener("keydown", (event) => this.#onKeyDown(event));
    list.addEventListener("focusin", (event) => this.#makeTabStop(event.target instanceof Element ? event.target.closest("button") : null));
    list.addEventListener("click", (event) => {
      const tile = event.target instanceof Element ? event.target.closest("li") : null;
      if (tile) this.#remove(/** @type {HTMLLIElement} */ (tile));
    });
  }

  /** Number of thumbnails, removed ones included. */
  get count() {
    return this.#tiles.length;
  }

  /** Adds a thumbnail, or replaces the one at an index.
   * @param {number} index
   * @param {string} name
   * @param {HTMLCanvasElement} image
   */
  put(index, name, image) {
    const tile = (this.#tiles[index] ??= this.#list.appendChild(document.createElement("li")));
    const button = tile.querySelector("button") ?? tile.appendChild(document.createElement("button"));
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `Remove ${name}`);
    button.replaceChildren(image);
    if (index === 0 && !this.#list.querySelector("button[tabindex='0']")) this.#makeTabStop(button);
    else if (!button.hasAttribute("tabindex")) button.tabIndex = -1;
  }

  /** Removes all thumbnails after the first `count`.
   * @param {number} count
   */
  truncate(count) {
    for (const tile of this.#tiles.splice(count)) tile.remove();
  }

  /** @param {number[]} indices Indices of the thumbnails to hide. */
  removeImages(indices) {
    const out = new Set(indices);
    for (const [index, tile] of this.#tiles.entries()) tile.hidden = out.has(index);
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
    // The focus moves to the next image, so that several can be removed.
    if (hadFocus && tile.hidden) neighbour?.querySelector("button")?.focus();
  }

  /** @param {KeyboardEvent} event */
  #onKeyDown(event) {
    const tile = event.target instanceof Element ? event.target.closest("li") : null;
    if (!tile) return;
    if (event.key === "Delete" || event.key === "Backspace") this.#remove(tile);
    else {
      const tiles = this.#shown();
      const top = tiles[0].offsetTop;
      const columns = Math.max(
        1,
        tiles.findIndex((other) => other.offsetTop > top),
      );
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -Infinity, End: Infinity };
      const move = moves[/** @type {keyof typeof moves} */ (event.key)];
      if (move === undefined) return;
      const to = Math.min(tiles.length - 1, Math.max(0, tiles.indexOf(tile) + move));
      tiles[to].querySelector("button")?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Sets the one tile that Tab reaches.
   * @param {HTMLButtonElement | null | undefined} button
   */
  #makeTabStop(button) {
    if (!button) return;
    this.#list.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    button.tabIndex = 0;
  }
}
