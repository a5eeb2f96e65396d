// @ts-check
/**
 * Parts of the page that a first visit does not need. Each is folded until it is opened; the browser remembers what is open.
 *
 * @module
 */

/** Key of the names of the open parts in the browser's storage. */
const OPEN = "autolink-open";

/** Opens the parts that were open at the last visit, and remembers changes. */
export function restoreFolds() {
  const folds = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll("details.fold")]);
  try {
    const open = localStorage.getItem(OPEN)?.split(" ") ?? [];
    for (const fold of folds) fold.open = open.includes(fold.dataset.fold ?? "");
  } catch {
    // A browser may forbid storage.
  }
  for (const fold of folds) fold.addEventListener("toggle", () => remember(folds));
}

/** @param {HTMLDetailsElement[]} folds */
function remember(folds) {
  const open = folds.filter((fold) => fold.open).map((fold) => fold.dataset.fold);
  try {
    localStorage.setItem(OPEN, open.join(" "));
  } catch {
    // The next visit starts with all parts folded.
  }
}

/** Opens the folded part that an element is in, or that is all of it.
 * @param {HTMLElement} element
 */
export function unfold(element) {
  const fold = element.closest("details.fold") ?? element.querySelector(":scope > details.fold:only-of-type");
  if (fold instanceof HTMLDetailsElement) fold.open = true;
}
