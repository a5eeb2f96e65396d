// @ts-check
/**
 * Persistent storage. The page asks the browser once, after the first save, not to delete stored data when space runs low.
 *
 * @module
 */

/** True: data is persistent; false: the browser may delete it; null: unknown. @typedef {boolean | null} Persisted */

/** @type {Promise<Persisted> | null} */
let answer = null;

/** Requests persistent storage. Some browsers ask the user. */
export function persist() {
  answer ??= requestPersistence();
  return answer;
}

/** @returns {Promise<Persisted>} */
async function requestPersistence() {
  try {
    return (await navigator.storage.persisted()) || (await navigator.storage.persist());
  } catch {
    return null; // an old browser, or a page without https
  }
}

/** Sentence for the answer of the browser.
 * @param {Persisted} answer
 */
export function persistSentence(answer) {
  if (answer) return "The browser keeps this until you delete it.";
  return answer === false
    ? "The browser may delete this when space runs low. Save what matters as a file."
    : "The browser does not say how long it keeps this. Save what matters as a file.";
}
