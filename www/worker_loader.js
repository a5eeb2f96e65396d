// @ts-check
/**
 * The worker: loads the engine and starts it. What the engine itself can no longer tell of (it was not loaded, it ran
 * out of memory, it stopped in the middle of something) is told from here, in the form of an event of the engine.
 *
 * @module
 */

import init from "./worker.js";

/** Of this file; put in when the page is built. */
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

// Our kernels use subgroups where the adapter has them; wgpu 30 does not ask the browser for them.
if (globalThis.GPUAdapter) {
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
    const features = new Set(descriptor.requiredFeatures);
    if (this.features.has("subgroups")) features.add("subgroups");
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
  };
}

/**
 * Lets the engine use a GPU that cannot measure times. CubeCL asks for `timestamp-query`, which it needs for profiling alone, and
 * panics without; the engine never profiles. So adapters and devices say that they have it, and nobody is asked for it.
 */
function allowUntimedGpus() {
  const timed = "timestamp-query";
  /** @param {{ prototype: object }} type */
  const featuresOf = ({ prototype }) => Object.getOwnPropertyDescriptor(prototype, "features")?.get;
  const adapterFeatures = featuresOf(GPUAdapter);
  for (const type of [GPUAdapter, GPUDevice]) {
    const features = featuresOf(type);
    if (features) Object.defineProperty(type.prototype, "features", { configurable: true, get() { return new Set([...features.call(this), timed]); } });
  }
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
    const has = new Set(adapterFeatures?.call(this));
    const requiredFeatures = [...(descriptor.requiredFeatures ?? [])].filter((name) => name !== timed || has.has(timed));
    return requestDevice.call(this, { ...descriptor, requiredFeatures });
  };
}

/** The engine's code. Hosts that do not know what wasm is have it compiled after it came, not meanwhile. */
async function compiled() {
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
  // What the engine, in `spawn_workers`, sends with the first message.
  self.addEventListener(
    "message",
    ({ data }) => {
      const { module, arena, index } = data;
      Object.assign(self, { arena, index });
      // It helps for ever; should that end, or never begin, whoever waits for it must know: state 4, "gone", in its header.
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
    const module = await compiled();
    // The page compares them before anything is asked of the engine.
    const [section] = WebAssembly.Module.customSections(module, "build");
    self.postMessage({ type: "builds", builds: [BUILD, section ? new TextDecoder().decode(section) : "unstamped"] });
    Object.assign(self, {
      /**
       * Starts helpers, which are workers of this same address: `src/ops/cpu/helpers.rs`.
       *
       * @param {number} bytes
       * @param {number} count
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
