// @ts-check
/**
 * The recorded run that the page shows until the engine answers. `demo/record.mjs` makes its files.
 *
 * @module
 */

/** @import * as protocol from "../engine/protocol.js" */

/**
 * @typedef {object} DemoRun
 * @property {string} name Name of the model.
 * @property {string[]} palette
 * @property {protocol.PreviewViews} views
 * @property {protocol.Stages} stages Stages of the first preview image.
 * @property {Record<protocol.Illustration["kind"], protocol.Illustrated>} illustrated Figures of the article at the initial values of their sliders.
 */

const folder = new URL("demo/", document.baseURI);

/** @returns {Promise<DemoRun | null>} Null if the page was built without it. */
export async function loadDemoRun() {
  try {
    const [run, pixels] = await Promise.all([fetchAsset("run.json").then((response) => response.json()), demoPixels()]);
    // One tall image holds the views, the stages, and the article's figure on shifts.
    let from = 0;
    const next = (/** @type {number} */ squares) => pixels.slice(from, (from += squares * 4 * run.views.size ** 2));
    run.views.pixels = next(4 * run.views.count);
    run.stages.pixels = next(6);
    run.illustrated.shift.pixels = next(3);
    for (const [holder, name] of [
      [run.stages, "heatmaps"],
      [run.stages, "mask"],
      [run.illustrated.lines, "pixels"],
      [run.illustrated.heatmap, "pixels"],
    ]) {
      holder[name] = Uint8Array.from(atob(holder[name]), (letter) => letter.charCodeAt(0));
    }
    return run;
  } catch {
    return null;
  }
}

/** Decodes the tall image to RGBA. */
async function demoPixels() {
  const bitmap = await createImageBitmap(await (await fetchAsset("images.webp")).blob());
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot read the recording. Use another browser.");
  context.drawImage(bitmap, 0, 0);
  return new Uint8Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data);
}

/** @param {string} name */
async function fetchAsset(name) {
  const response = await fetch(new URL(name, folder));
  if (!response.ok) throw new Error(`${name} could not be loaded.`);
  return response;
}
