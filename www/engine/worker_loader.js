// @ts-check
/**
 * The worker: loads the engine and starts it. Failures that the engine cannot report itself (it was not loaded, ran out of memory or
 * stopped) are sent from here as events of the engine.
 *
 * @module
 */

import init from "./worker.js";

/** Build id of this file. The build replaces the placeholder (`vite.config.js`). */
const BUILD = "unstamped";

/** @param {string} message */
const fail = (message) => self.postMessage({ type: "failed", id: null, kind: "crash", message });

/** @param {unknown} reason */
const textOf = (reason) => (reason instanceof Error ? reason.message : String(reason));

let loaded = false;

self.addEventListener("unhandledrejection", (event) => {
  if (!loaded) return;
  event.preventDefault();
  fail(`The engine stopped unexpectedly (${textOf(event.reason)}).`);
});

// The kernels use subgroups if the adapter has them, but wgpu 30 does not request the feature.
if (globalThis.GPUAdapter) {
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function (descriptor = /** @type {GPUDeviceDescriptor} */ ({})) {
    const features = new Set(descriptor.requiredFeatures);
    if (this.features.has("subgroups")) features.add("subgroups");
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
  };
}

/**
 * Allows GPUs without `timestamp-query`. CubeCL requests this feature for profiling, which the engine does not use, and panics without
 * it. So adapters and devices claim to have it, and it is removed from requests.
 */
function allowUntimedGpus() {
  const timed = "timestamp-query";
  /** @param {{ prototype: object }} type */
  const featuresOf = ({ prototype }) => Object.getOwnPropertyDescriptor(prototype, "features")?.get;
  const adapterFeatures = featuresOf(GPUAdapter);
  for (const type of [GPUAdapter, GPUDevice]) {
    const features = featuresOf(type);
    if (features)
      Object.defineProperty(type.prototype, "features", {
        configurable: true,
        get() {
          return new Set([...features.call(this), timed]);
        },
      });
  }
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function (descriptor = /** @type {GPUDeviceDescriptor} */ ({})) {
    const has = new Set(adapterFeatures?.call(this));
    const requiredFeatures = [...(descriptor.requiredFeatures ?? [])].filter((name) => name !== timed || has.has(timed));
    return requestDevice.call(this, { ...descriptor, requiredFeatures });
  };
}

/** Compiles the engine. If the host sends another type than wasm, it is compiled after download, not during it. */
async function compileModule() {
  const answer = await fetch(new URL("worker_bg.wasm", import.meta.url));
  if (!answer.ok) throw new Error(`worker_bg.wasm: ${answer.status}`);
  const isNamed = answer.headers.get("Content-Type") === "application/wasm";
  return isNamed ? WebAssembly.compileStreaming(answer) : WebAssembly.compile(await answer.arrayBuffer());
}

/** @param {WebAssembly.Module} module */
const start = async (module) => {
  await init({ module_or_path: module });
  loaded = true;
};

if (self.name === "helper") {
  // The first message brings what `spawn_workers` of the engine sends.
  self.addEventListener(
    "message",
    ({ data }) => {
      const { module, arena, index } = data;
      Object.assign(self, { arena, index });
      // A compute worker runs until the page closes. If it fails, it sets state 4 ("gone") in its header, so that nothing waits for it.
      start(module).catch((error) => {
        const headers = new Int32Array(arena);
        Atomics.store(headers, 16 * index, 4);
        Atomics.notify(headers, 16 * index);
        throw error;
      });
    },
    { once: true },
  );
} else {
  try {
    const module = await compileModule();
    // The page compares the build ids before it sends a command.
    const [section] = WebAssembly.Module.customSections(module, "build");
    self.postMessage({ type: "builds", builds: [BUILD, section ? new TextDecoder().decode(section) : "unstamped"] });
    Object.assign(self, {
      /**
       * Starts compute workers from this same file (`src/web/cores.rs`).
       *
       * @param {number} bytes Size of the shared memory.
       * @param {number} count Number of workers.
       */
      spawn_workers(bytes, count) {
        const arena = new SharedArrayBuffer(bytes);
        for (let index = 0; index < count; index++) {
          new Worker(location.href, { type: "module", name: "helper" }).postMessage({ module, arena, index });
        }
        return arena;
      },
    });
    if (globalThis.GPUAdapter) allowUntimedGpus();
    await start(module);
  } catch (error) {
    fail(`The engine could not be loaded (${textOf(error)}).`);
  }
}
