// @ts-check
/**
 * What browsers keep from pages that did not come over https.
 *
 * @module
 */

/**
 * What is missing here because of that.
 * @returns {string} A sentence; empty where the page is secure.
 */
export function insecure() {
  if (globalThis.isSecureContext) return "";
  return "This page was not opened over https, so the browser gives it no camera, no GPU, one core only and no place to keep runs: open it over https, or from localhost.";
}
