// @ts-check
/**
 * Limits of pages that were not opened over https.
 *
 * @module
 */

/**
 * Describes what an insecure page lacks.
 * @returns {string} A sentence; empty if the page is secure.
 */
export function insecure() {
  if (globalThis.isSecureContext) return "";
  return "This page was not opened over https. The browser gives it no camera, no GPU, only one core and no storage for runs. Open the page over https or from localhost.";
}
