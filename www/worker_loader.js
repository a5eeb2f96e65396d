// @ts-check
/**
 * The worker: loads the engine and starts it. What the engine itself can no longer tell of (it was not loaded, it ran
 * out of memory, it stopped in the middle of something) is told from here, in the form of an event of the engine.
 *
 * @module
 */

import init from "./worker.js";

/** @param {string} message */
const fail = (message) => self.postMessage({ type: "failed", id: null, kind: "crash", message });

/** @param {unknown} reason */
const said = (reason) => (reason instanceof Error ? reason.message : String(reason));

let loaded = false;

self.addEventListener("unhandledrejection", (event) => {
  if (!loaded) return;
  event.preventDefault();
  fail(`The engine stopped unexpectedly (${said(event.reason)}).`);
});

// Our kernels use subgroups where the adapter has them; wgpu 30 does not ask the browser for them.
if (globalThis.GPUAdapter) {
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
    const features = new Set(descriptor.requiredFeatures);
    if (this.features.has("subgroups")) features.add("subgroups");
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
  };
}

try {
  await init();
  loaded = true;
} catch (error) {
  fail(`The engine could not be loaded (${said(error)}).`);
}
