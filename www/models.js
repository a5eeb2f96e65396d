// @ts-check
/**
 * Models that come with the page: `models/index.json` names them, and beside each lie its card and pictures to try it on.
 *
 * @module
 */

/** @import * as protocol from "./protocol.js" */
/** @import { NamedFile } from "./autolink.js" */

/**
 * @typedef {object} TrainedModel
 * @property {string} name
 * @property {string} file
 * @property {string} card What it was trained on, how long, and how well it does.
 * @property {string} about A sentence.
 * @property {protocol.Source | null} source Pictures that the engine draws, to try it on ...
 * @property {string[]} pictures ... or files.
 */

const folder = new URL("models/", document.baseURI);

/** @returns {Promise<TrainedModel[]>} None where the page was built without. */
export async function trainedModels() {
  const response = await fetch(new URL("index.json", folder)).catch(() => null);
  return response?.ok ? response.json() : [];
}

/** @param {TrainedModel} model */
export const cardOf = (model) => new URL(model.card, folder).href;

/** @param {TrainedModel} model @returns {Promise<File>} */
export const fileOf = (model) => fetched(model.file);

/** What to try it on.
 * @param {TrainedModel} model
 * @returns {Promise<protocol.Source | NamedFile[]>}
 */
export async function imagesOf({ source, pictures }) {
  return source ?? Promise.all(pictures.map(async (name) => ({ name, file: await fetched(name) })));
}

/** @param {string} name */
async function fetched(name) {
  const response = await fetch(new URL(name, folder)).catch(() => null);
  if (!response?.ok) throw new Error(`${name} could not be loaded. Check the network and try again.`);
  return new File([await response.blob()], name.split("/").at(-1) ?? name);
}
