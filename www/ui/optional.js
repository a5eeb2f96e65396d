// @ts-check
/**
 * Optional parts of the page. If one cannot be loaded, a sentence takes its place and the rest works.
 *
 * @module
 */

/**
 * @template T
 * @param {() => Promise<T>} load
 * @param {string} name Name of the part, as the start of the sentence.
 * @param {(text: string) => void} [say] Shows the sentence; by default in the note on faults, which stays until it is closed.
 * @returns {Promise<T | null>} Null if it could not be loaded.
 */
export async function loadOptional(load, name, say = note) {
  try {
    return await load();
  } catch (error) {
    console.error(error);
    say(`${name} could not be loaded. The rest of the page works. Reload the page to try again.`);
    return null;
  }
}

/** @param {string} detail */
const note = (detail) => dispatchEvent(new CustomEvent("missing-part", { detail }));
