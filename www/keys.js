// @ts-check
/**
 * The list of keys: `?` opens it, Esc closes it.
 *
 * @module
 */

/** Fields that take every key, and those that take some. */
export const WRITING = "input:not([type=range], [type=checkbox], [type=radio], [type=file]), textarea, [contenteditable]";
const FIELDS = "input, select, textarea, [contenteditable]";

/** Whether a key belongs to something else now: a dialog, the tour, or a field.
 * @param {KeyboardEvent} event
 */
export function isTaken(event, fields = FIELDS) {
  const target = event.target instanceof Element ? event.target : document.body;
  const isOpen = document.querySelector("dialog[open]") !== null || document.body.classList.contains("driver-active");
  return isOpen || target.closest(fields) !== null;
}

export function listenForHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("keys"));
  for (const button of document.querySelectorAll("[data-open='keys']")) button.addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || isTaken(event, WRITING)) return;
    event.preventDefault();
    dialog.showModal();
  });
  for (const dialog of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog.sheet"))) {
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    // A click beside it closes it, too.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
}
