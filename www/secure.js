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
  return "This page was not opened over https. The browser gives it no camera, no GPU, only one core and no storage for runs. Open the page over https or from localhost.";
}
