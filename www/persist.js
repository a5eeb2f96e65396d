// @ts-check
/**
 * Whether the browser may clear what it keeps for this page when its space runs low: it is asked, once, when there is something worth
 * keeping.
 *
 * @module
 */

/** True: it will not; false: it may; null: it does not tell. @typedef {boolean | null} Persisted */

/** @type {Promise<Persisted> | null} */
let answer = null;

/** Asks the browser to keep what this page keeps until a person deletes it. Some browsers ask the person. */
export function persist() {
  answer ??= ask();
  return answer;
}

/** @returns {Promise<Persisted>} */
async function ask() {
  try {
    return (await navigator.storage.persisted()) || (await navigator.storage.persist());
  } catch {
    return null; // An old browser, or a page without https.
  }
}

/** What the browser answered, for people.
 * @param {Persisted} answer
 */
export function persistSentence(answer) {
  if (answer) return "The browser keeps this until you delete it.";
  return answer === false
    ? "The browser may delete this when space runs low. Save what matters as a file."
    : "The browser does not say how long it keeps this. Save what matters as a file.";
}
