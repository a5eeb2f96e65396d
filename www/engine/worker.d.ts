// What wasm-bindgen writes beside the page, as far as `worker_loader.js` uses it.
export default function init(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
