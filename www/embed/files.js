// @ts-check
/**
 * Where the files of the package are. Bundlers find, move and rename files of which they read `new URL` with a literal, so each has its
 * own; the paths are those of the built package (`vite.config.js`).
 *
 * @module
 */

const engine = new URL(/* @vite-ignore */ "./engine/worker_bg.wasm", import.meta.url);

/** Address of the worker's module. It reads the address of the engine in the fragment. */
export const WORKER = `${new URL(/* @vite-ignore */ "./engine/worker.js", import.meta.url)}#${engine}`;
/** Address of the VGG16 weights of up to three blocks. The engine appends the name of the file, which becomes the fragment. */
export const WEIGHTS = `${new URL(/* @vite-ignore */ "./weights/vgg16_relu3_3.safetensors", import.meta.url)}#`;
/** The models of the package, by their names. */
export const MODELS = new Map([
  ["hands", new URL(/* @vite-ignore */ "./models/hands.safetensors", import.meta.url)],
  ["puppets", new URL(/* @vite-ignore */ "./models/puppets.safetensors", import.meta.url)],
]);
/** Address of the two hundred photographs of hands. */
export const HANDS = new URL(/* @vite-ignore */ "./models/hands-200.zip", import.meta.url).href;
