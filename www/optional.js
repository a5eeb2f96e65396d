// @ts-check
/**
 * Parts that the page can do without: where one cannot be loaded, a sentence stands in its place, and the rest works.
 *
 * @module
 */

/**
 * @template T
 * @param {() => Promise<T>} load
 * @param {string} name The part, as the sentence begins.
 * @param {(text: string) => void} say
 * @returns {Promise<T | null>} Null where it could not be loaded.
 */
export async function optional(load, name, say) {
  try {
    return await load();
  } catch (error) {
    console.error(error);
    say(`${name} could not be loaded. The rest of the page works. Reload the page to try again.`);
    return null;
  }
}
