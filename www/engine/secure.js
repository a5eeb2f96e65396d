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
export function insecureContextNote() {
  if (globalThis.isSecureContext) return "";
  return "This page was not opened over HTTPS, so the browser gives it no camera, no GPU, no storage for runs and only one core. Open the page over HTTPS or from localhost.";
}
