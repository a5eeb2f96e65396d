// Links: any address is read without an exception and within bounds, and what was read goes into an address that says the same.
// `node fuzz/links.js [SECONDS] [SEED]`; `cargo xtask fuzz links` runs it. libFuzzer does not know JavaScript: addresses are
// what `tests/data/fuzz/links/` has, changed at random.

import { readFileSync, readdirSync, mkdirSync, writeFileSync } from "node:fs";
import { linkTo, readLink } from "../www/state/link.js";

const [seconds = "600", seed = `${Date.now() % 2 ** 31}`] = process.argv.slice(2);

/** mulberry32
 * @param {number} state
 */
const generator = (state) => () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const random = generator(Number(seed));
const below = (/** @type {number} */ n) => Math.floor(random() * n);
const one = (/** @type {any} */ of) => of[below(of.length)];

// Settings of every kind that the engine's table has: whole, in steps, real, tiny.
const settings = /** @type {any} */ ([
  { name: "keypoints", label: "Keypoints", min: 2, max: 64, step: 1 },
  { name: "size", label: "Size", min: 32, max: 512, step: 16 },
  { name: "learning_rate", label: "Learning rate", min: 1e-6, max: 0.1, step: null },
  { name: "seed", label: "Seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
  { name: "batch", label: "Batch", min: 1, max: 256, step: 1 },
  { name: "micro_batch", label: "At once", min: 1, max: 256, step: 1 },
]);
const tiny = { keypoints: 8, size: 64, learning_rate: 5e-4, seed: 0, batch: 8, micro_batch: 8, loss: "pixel", fit: "stretch", flip: false };
const presets = /** @type {any} */ ([
  ["tiny", tiny],
  ["paper", { ...tiny, keypoints: 32, size: 128, batch: 64, micro_batch: 16, loss: "perceptual" }],
]);
const table = { settings, presets };
const isPart = (/** @type {string} */ part) => ["chart", "keypoints"].includes(part);

const WORDS = [
  "preset",
  "tiny",
  "paper",
  "sample",
  "puppets",
  "hands",
  "count",
  "sample_seed",
  "steps",
  "hide",
  "start",
  "backend",
  "cpu",
  "size",
  "keypoints",
  "seed",
  "learning_rate",
  "batch",
  "micro_batch",
  "loss",
  "fit",
  "flip",
  "true",
  "NaN",
  "Infinity",
  "-0",
  "1e308",
  "0x10",
  "1e-7",
  "9007199254740993",
  "__proto__",
  "constructor",
  "toString",
  "%",
  "%00",
  "%f0%9f",
  "&",
  "=",
  "&&",
  "+",
  " ",
  ",",
  "\u0000",
  "\ud800",
  "é",
  "🙂",
  "http://[",
  "a".repeat(2000),
];

/** An address, changed. @param {string} text */
function changed(text) {
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(text.length + 1);
    const to = Math.min(text.length, at + below(12));
    text = [
      () => text.slice(0, at) + one(WORDS) + text.slice(at),
      () => text.slice(0, at) + text.slice(to),
      () => text.slice(0, at) + String.fromCharCode(below(random() < 0.9 ? 128 : 65_536)) + text.slice(at + 1),
      () => `${text}&${one(WORDS)}=${one(WORDS)}`,
      () => text.slice(0, to) + text.slice(at),
      () => text.replace(/\d+/, () => `${one([0, 1, 2, -1, 1e9, 0.5, below(1000)])}`),
    ][below(6)]();
  }
  return text.slice(0, 8192);
}

/** @param {unknown} condition @param {string} what */
function must(condition, what) {
  if (!condition) throw new Error(what);
}

/** A config with its parts in one order. @param {object | null} value */
const sorted = (value) => JSON.stringify(value, Object.keys(value ?? {}).sort());

/** @param {string} text */
function check(text) {
  const read = readLink(new URLSearchParams(text), table, "hands/", isPart);
  const { config, source, stopStep, hide, notes } = read;
  for (const { name, min, max } of settings) {
    if (config) must(/** @type {any} */ (config)[name] >= min && /** @type {any} */ (config)[name] <= max, `${name} out of bounds`);
  }
  if (config) must(Object.keys(config).length === Object.keys(tiny).length, "a setting that is none");
  must(!source || (Number.isInteger(source.count) && source.count >= 2 && source.count <= 20_000), "count out of bounds");
  must(stopStep === null || (Number.isInteger(stopStep) && stopStep >= 1 && stopStep <= 1_000_000), "steps out of bounds");
  must(
    notes.every((note) => note.endsWith(".")),
    "a note that is no sentence",
  );
  // A run that was read goes into an address, and comes back.
  const run = { ...read, config: config ?? presets[0][1] };
  const address = linkTo(new URL("https://example.org/page?colour=red"), table, run);
  must(address.href.length < 20_000, "an endless address");
  const again = readLink(address.searchParams, table, "hands/", isPart);
  must(sorted(again.config ?? presets[0][1]) === sorted(run.config), `another run comes back of ${address.search}`);
  const puppets = { kind: "puppets", count: 400, seed: 0 };
  must(sorted(again.source ?? puppets) === sorted(source ?? puppets), `another sample comes back of ${address.search}`);
  must(again.stopStep === stopStep && again.start === read.start, `another end comes back of ${address.search}`);
  must(`${again.hide}` === `${hide}`, `other parts are hidden by ${address.search}`);
}

const seeds = new URL("../tests/data/fuzz/links/", import.meta.url);
const corpus = readdirSync(seeds)
  .sort()
  .map((name) => `${readFileSync(new URL(name, seeds))}`);
corpus.forEach(check);
let tried = corpus.length;
const end = Date.now() + 1000 * Number(seconds);
while (Date.now() < end) {
  for (let i = 0; i < 1000; i++, tried++) {
    const text = changed(one(corpus));
    // What was changed already is changed further.
    if (random() < 0.01) corpus[corpus.length < 5000 ? corpus.length : below(corpus.length)] = text;
    try {
      check(text);
    } catch (error) {
      const found = new URL("../target/fuzz/found/links/", import.meta.url);
      mkdirSync(found, { recursive: true });
      writeFileSync(new URL(`crash-${seed}-${tried}`, found), text);
      console.error(`${JSON.stringify(text)}\n${error instanceof Error ? error.stack : error}`);
      process.exit(1);
    }
  }
}
console.log(`links: ${tried} addresses with seed ${seed}, nothing found`);
