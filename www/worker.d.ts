// What wasm-bindgen writes beside the page, as far as `worker_loader.js` uses it.
export default function init(): Promise<unknown>;
