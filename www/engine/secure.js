// @ts-check
/**
 * Limits of pages that were not opened over https, or are not isolated from other origins.
 *
 * @module
 */

/**
 * Says why the CPU computes on one core, where the host or the page around this one is the reason.
 * @param {"cpu" | "gpu" | null} backend
 * @returns {string} A sentence; empty if there is nothing to say.
 */
export function oneCoreNote(backend) {
  if (backend !== "cpu" || globalThis.crossOriginIsolated) return "";
  return insecureContextNote() || "This page is not isolated from other origins, so one core computes.";
}

/**
 * Describes what an insecure page lacks.
 * @returns {string} A sentence; empty if the page is secure.
 */
export function insecureContextNote() {
  if (globalThis.isSecureContext) return "";
  return "This page was not opened over HTTPS, so the browser gives it no camera, no GPU, no storage for runs and only one core. Open the page over HTTPS or from localhost.";
}
