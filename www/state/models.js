// @ts-check
/**
 * Trained models of the page. `models/index.json` lists them with their model cards and example images.
 *
 * @module
 */

/** @import * as protocol from "../engine/protocol.js" */
/** @import { NamedFile } from "../autolink.js" */

/**
 * @typedef {object} TrainedModel
 * @property {string} name
 * @property {string} file
 * @property {string} card File of the model card: training data, duration and accuracy.
 * @property {string} about Sentence that describes the model.
 * @property {protocol.Source | null} source Built-in sample to try the model on; null if there are example files.
 * @property {string[]} images Names of example files.
 */

const folder = new URL("models/", document.baseURI);

/** @returns {Promise<TrainedModel[]>} Empty if the page was built without models. */
export async function trainedModels() {
  const response = await fetch(new URL("index.json", folder)).catch(() => null);
  return response?.ok ? response.json() : [];
}

/** @param {TrainedModel} model */
export const cardOf = (model) => new URL(model.card, folder).href;

/** @param {TrainedModel} model @returns {Promise<File>} */
export const fileOf = (model) => fetchFile(model.file);

/** Returns example images for a model: a built-in sample or files.
 * @param {TrainedModel} model
 * @returns {Promise<protocol.Source | NamedFile[]>}
 */
export async function imagesOf({ source, images }) {
  return source ?? Promise.all(images.map(async (name) => ({ name, file: await fetchFile(name) })));
}

/** @param {string} name */
async function fetchFile(name) {
  const response = await fetch(new URL(name, folder)).catch(() => null);
  if (!response?.ok) throw new Error(`${name} could not be loaded. Check the connection, then try again.`);
  return new File([await response.blob()], name.split("/").at(-1) ?? name);
}
