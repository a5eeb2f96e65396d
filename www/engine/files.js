// @ts-check
/**
 * Where the files of the engine are: beside the page. The package has `embed/files.js` in place of this.
 *
 * @module
 */

/** Folder of the built page, in which the engine and the weights are; this module is in `assets/`. */
const FOLDER = new URL(/* @vite-ignore */ "../", import.meta.url);

/** Address of the worker's module. */
export const WORKER = new URL(`engine-${BUILD}/worker_loader.js`, FOLDER).href;
/** Folder of the VGG16 weights. */
export const WEIGHTS = new URL("weights/", FOLDER).href;
