// @ts-check
/**
 * The dialog that lists the keys: `?` opens it, Esc closes it.
 *
 * @module
 */

/** Selector of fields that take text, and below of all fields that take some keys. */
export const TEXT_FIELDS = "input:not([type=range], [type=checkbox], [type=radio], [type=file]), textarea, [contenteditable]";
const FIELDS = "input, select, textarea, [contenteditable]";

/** Key in the browser's storage that says that keys of one character do nothing. */
const OFF = "autolink-single-keys-off";

/** False if a person has switched off the keys of one character, which speech input types by accident (WCAG 2.1.4). */
let areSingleKeysOn = true;
try {
  areSingleKeysOn = localStorage.getItem(OFF) === null;
} catch {
  // A browser may forbid storage.
}

/** Returns true if a dialog, the tour or a field handles a key, or if it is one character and those are switched off.
 * @param {KeyboardEvent} event
 */
export function isKeyHandled(event, fields = FIELDS) {
  if (!areSingleKeysOn && event.key.length === 1 && !event.ctrlKey && !event.metaKey) return true;
  const target = event.target instanceof Element ? event.target : document.body;
  const isOpen = document.querySelector("dialog[open]") !== null || document.body.classList.contains("driver-active");
  return isOpen || target.closest(fields) !== null;
}

export function listenForHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("keys"));
  const single = /** @type {HTMLInputElement} */ (document.getElementById("single-keys"));
  single.checked = areSingleKeysOn;
  single.addEventListener("change", () => {
    areSingleKeysOn = single.checked;
    try {
      if (areSingleKeysOn) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "");
    } catch {
      // The choice lasts until the page is closed.
    }
  });
  for (const button of document.querySelectorAll("[data-open='keys']")) button.addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || isKeyHandled(event, TEXT_FIELDS)) return;
    event.preventDefault();
    dialog.showModal();
  });
  for (const dialog of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog.sheet"))) {
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    // A click outside the dialog closes it.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
}
