// @ts-check
/**
 * A run as an address: settings that differ from the preset, the sample with its seed, and hidden parts of the page. The same address
 * gives the same run.
 *
 * @module
 */

import { CHOICES, MOST_STEPS } from "../train/controls.js";
import { grouped } from "../ui/format.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { PageState } from "./state.js" */

/**
 * @typedef {object} Link
 * @property {protocol.Config | null} config Settings; null if the address has none.
 * @property {protocol.Source | null} source Sample; null if the address has none.
 * @property {number | null} stopStep Step at which training stops; null for no limit.
 * @property {string[]} hide Names of hidden parts and settings.
 * @property {boolean} start True to start training at once.
 * @property {string[]} notes One sentence for each ignored part of the address.
 */

/** Sample that the page loads by default. */
export const PUPPETS = /** @type {const} */ ({ kind: "puppets", count: 400, seed: 0 });
/** Size of the hands sample, and the number of images loaded by default: those that come with the page. */
const HANDS = { most: 2062, usual: 200 };
const MOST_PUPPETS = 20_000;
/** Parameters that are not settings. */
const OTHER_PARAMETERS = ["backend", "log", "hands", "preset", "sample", "count", "sample_seed", "steps", "hide", "start"];
/** Pattern of the names of parts. */
const PART = /^[a-z][a-z_-]*$/;

/**
 * Reads an address.
 * @param {URLSearchParams} query
 * @param {Pick<PageState, "settings" | "presets">} table Settings with their ranges, and presets.
 * @param {{ base_url: string, bundle_url: string | null }} hands Where the hands sample is.
 * @param {(part: string) => boolean} isPart Returns true if the page has a part of that name.
 * @returns {Link}
 */
export function readLink(query, { settings, presets }, hands, isPart) {
  /** @type {string[]} */ const notes = [];
  const refuse = (/** @type {string} */ name, /** @type {string} */ why) =>
    void notes.push(`“${name}=${query.get(name)}” was ignored: ${why}.`);

  const wanted = query.get("preset");
  const named = presets.find(([name]) => name === wanted);
  if (wanted !== null && !named) refuse("preset", `the presets are ${presets.map(([name]) => name).join(", ")}`);
  const preset = (named ?? presets[0])[1];

  /** @type {Record<string, number | string | boolean>} */ const patch = {};
  for (const name of new Set(query.keys())) {
    if (OTHER_PARAMETERS.includes(name)) continue;
    const text = query.get(name) ?? "";
    const setting = settings.find((setting) => setting.name === name);
    const choice = CHOICES.find((choice) => choice.name === name);
    if (setting) {
      const value = numberOf(text, setting.min, setting.max, setting.step);
      if (value === null) refuse(name, `${setting.label} must be ${range(setting.min, setting.max, setting.step)}`);
      else patch[name] = value;
    } else if (choice) {
      if (!choice.options.some(([value]) => value === text))
        refuse(name, `${choice.label} must be ${choice.options.map(([value]) => value).join(" or ")}`);
      else patch[name] = name === "flip" ? text === "true" : text;
    } else refuse(name, "this page has no such setting");
  }
  const isSet = named !== undefined || Object.keys(patch).length > 0;

  const count = (/** @type {number} */ most, /** @type {number} */ usual) => {
    const text = query.get("count");
    const value = text === null ? usual : numberOf(text, 2, most, 1);
    if (value === null) refuse("count", `a sample has 2 to ${grouped(most)} images`);
    return value ?? usual;
  };
  /** @type {protocol.Source | null} */ let source = null;
  const sample = query.get("sample");
  if (sample !== null && sample !== "puppets" && sample !== "hands") refuse("sample", "the samples are puppets and hands");
  if (sample === "puppets" || (sample !== "hands" && (query.has("count") || query.has("sample_seed")))) {
    const text = query.get("sample_seed");
    const seed = text === null ? PUPPETS.seed : numberOf(text, 0, Number.MAX_SAFE_INTEGER, 1);
    if (seed === null) refuse("sample_seed", "a seed must be a whole number, 0 or more");
    source = { kind: "puppets", count: count(MOST_PUPPETS, PUPPETS.count), seed: seed ?? PUPPETS.seed };
  } else if (sample === "hands") {
    source = { kind: "hands", count: count(HANDS.most, HANDS.usual), ...hands };
    if (query.has("sample_seed")) refuse("sample_seed", "only puppets have a seed; hands are photographs");
  }

  const steps = query.get("steps");
  const stopStep = steps === null ? null : numberOf(steps, 1, MOST_STEPS, 1);
  if (steps !== null && stopStep === null) refuse("steps", `it must be ${range(1, MOST_STEPS, 1)}`);

  const hide = hidden(query);
  const asked = askedParts(query);
  const has = (/** @type {string} */ part) =>
    hide.includes(part) &&
    (isPart(part) || part === "preset" || part === "steps" || [...settings, ...CHOICES].some(({ name }) => name === part));
  for (const part of asked.filter((part) => !has(part))) notes.push(`“hide=${part}” was ignored: no part of this page has that name.`);

  const start = query.get("start");
  if (start !== null && start !== "1" && start !== "0") refuse("start", "it must be 1 or 0");
  const backend = query.get("backend");
  if (backend !== null && backend !== "cpu" && backend !== "gpu") refuse("backend", "the backends are cpu and gpu");
  return { config: isSet ? { ...applyPatch(preset, patch) } : null, source, stopStep, hide, start: start === "1", notes };
}

/** Names that parts had before, which old links still use. */
const FORMER_PARTS = new Map([
  ["look-back", "training-history"],
  ["pictures", "images"],
]);

/** @param {URLSearchParams} query */
function askedParts(query) {
  const parts = (query.get("hide") ?? "").split(",").map((part) => part.trim());
  return parts.filter(Boolean).map((part) => FORMER_PARTS.get(part) ?? part);
}

/** Returns the names of the parts that an address hides.
 * @param {URLSearchParams} query
 */
export function hidden(query) {
  return askedParts(query).filter((part) => PART.test(part));
}

/** Hides parts of the page and settings, also those added later.
 * @param {string[]} parts
 * @param {DocumentOrShadowRoot} root
 */
export function hide(parts, root = document) {
  const sheet = new CSSStyleSheet();
  for (const part of parts.filter((part) => PART.test(part))) {
    sheet.insertRule(`[data-part~="${part}"]:not(.tile), .field:has(> #set-${part}) { display: none !important; }`);
    // A hidden stage of the flow keeps its place, because arrows lead there.
    sheet.insertRule(`.tile[data-part~="${part}"] { visibility: hidden !important; }`);
  }
  root.adoptedStyleSheets.push(sheet);
}

/**
 * Makes the address of a run.
 * @param {URL} address Address of the page; parameters that do not describe the run are kept.
 * @param {Pick<PageState, "presets">} table
 * @param {{ config: protocol.Config, source: protocol.Source | null, stopStep: number | null, hide: string[], start: boolean }} run
 * @returns {URL}
 */
export function linkTo(address, { presets }, { config, source, stopStep, hide, start }) {
  const link = new URL(address);
  const query = new URLSearchParams();
  for (const name of ["backend", "hands"]) {
    const value = address.searchParams.get(name);
    if (value !== null) query.set(name, value);
  }
  // Starts from the preset that gives the shortest address.
  const [[nearest, differing]] = presets
    .map(([name, preset]) => /** @type {const} */ ([name, differences(preset, config)]))
    .sort(([, a], [, b]) => a.length - b.length);
  // Always named, because the preset of a page without settings in its address depends on the device.
  query.set("preset", nearest);
  for (const [name, value] of differing) query.set(name, `${value}`);
  if (source?.kind === "hands") query.set("sample", "hands");
  if (source?.kind === "puppets" && source.count !== PUPPETS.count) query.set("count", `${source.count}`);
  if (source?.kind === "puppets" && source.seed !== PUPPETS.seed) query.set("sample_seed", `${source.seed}`);
  if (source?.kind === "hands" && source.count !== HANDS.usual) query.set("count", `${source.count}`);
  if (stopStep !== null) query.set("steps", `${stopStep}`);
  if (hide.length) query.set("hide", hide.join(","));
  if (start) query.set("start", "1");
  link.search = `${query}`.replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%3A", ":");
  return link;
}

/**
 * @param {protocol.Config} preset
 * @param {protocol.Config} config
 */
function differences(preset, config) {
  const batch = config.batch === preset.batch ? {} : { batch: config.batch };
  const basis = applyPatch(preset, batch);
  return Object.entries(config).filter(([name, value]) =>
    name in batch ? true : basis[/** @type {keyof protocol.Config} */ (name)] !== value,
  );
}

/** Applies changes to a preset. If the preset processes a batch in one piece, so does the result.
 * @param {protocol.Config} preset
 * @param {Partial<protocol.Config>} patch
 * @returns {protocol.Config}
 */
function applyPatch(preset, patch) {
  const whole = patch.batch !== undefined && preset.micro_batch === preset.batch ? { micro_batch: patch.batch } : {};
  return { ...preset, ...whole, ...patch };
}

/**
 * @param {string} text
 * @param {number} min
 * @param {number} max
 * @param {number | null} step
 */
function numberOf(text, min, max, step) {
  const value = text.trim() === "" ? NaN : Number(text);
  const isWhole = step === null || Number.isInteger(value / step);
  return value >= min && value <= max && isWhole ? value : null;
}

/**
 * @param {number} min
 * @param {number} max
 * @param {number | null} step
 */
function range(min, max, step) {
  const kind = step === null ? "a number" : step === 1 ? "a whole number" : `a multiple of ${step}`;
  const text = (/** @type {number} */ value) => (Number.isInteger(value) ? grouped(value) : `${value}`);
  return `${kind} from ${text(min)} to ${text(max)}`;
}
