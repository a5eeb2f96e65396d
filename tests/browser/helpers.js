// Helpers shared by the test files.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
/** Ten photographs of hands, those that come with the page. */
export const hands = path.resolve(root, "models/hands");
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The smallest model: for tests of the page, not of the method. */
export const SMALL = { keypoints: 4, size: 32, width: 4, batch: 2, micro_batch: 2, loss: "pixel" };

/** @param {import("@playwright/test").Page} page */
export const at = (page) => (/** @type {string} */ id) => page.getByTestId(id);

/** Address of the page with 40 puppets, because 400 take a second or two to draw. */
export const FEW = "?backend=cpu&count=40";
/** Address of a run whose steps take milliseconds. */
export const QUICK = `${FEW}&size=32&width=4&loss=pixel&batch=2`;

/** Stages of the flow; their canvases have the test ids `flow-image` and so on. */
export const STAGES = [
  "image",
  "heatmaps",
  "keypoints",
  "edge-map",
  "mask",
  "masked",
  "reconstruction",
  "without-keypoints",
  "difference",
  "skeleton",
];

/** Opens the page and waits for the puppets, which it loads by itself.
 * @param {import("@playwright/test").Page} page
 * @param {string} query An address of the page, or the part of it that says what is to be loaded.
 */
export async function open(page, query = "?backend=cpu") {
  await page.goto(query);
  await expect(page.getByTestId("images-count")).toHaveText(new URL(query, "http://localhost").searchParams.get("count") ?? "400");
  await expect(page.getByTestId("play")).toBeEnabled();
  // Play can be pressed before the images are loaded.
  await expect(page.locator("body")).toHaveAttribute("data-phase", /paused|training/);
}

/** Makes steps cheap by the controls of the page; an address is faster.
 * @param {import("@playwright/test").Page} page
 */
export async function small(page) {
  await page.getByTestId("advanced").locator("summary").click();
  await page.getByTestId("loss-choice").selectOption(SMALL.loss);
  for (const [name, value] of [
    ["size", 32],
    ["width", 4],
    ["batch", 2],
  ]) {
    const field = page.getByTestId(`${name}`);
    await field.fill(`${value}`);
    await field.press("Enter");
  }
  await expect(page.getByTestId("micro-batch")).toHaveValue("2");
  await expect(page.getByTestId("play")).toBeEnabled();
}

/** Runs a script in the worker before the engine starts.
 * @param {import("@playwright/test").Page} page
 * @param {string} script
 */
export const inWorker = (page, script) =>
  page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${await response.text()}`.replace(/^ *try \{/m, `${script}\n$&`) });
  });

/** A whole number as the page writes it: `20,001`.
 * @param {number} value
 */
export const grouped = (value) => value.toLocaleString("en");

/** @param {import("@playwright/test").Locator} locator */
export const number = async (locator) => Number((await locator.textContent())?.replaceAll(",", ""));

/** The bounding box of a visible element, px of the page.
 * @param {import("@playwright/test").Locator} locator
 */
export async function boxOf(locator) {
  const box = await locator.boundingBox();
  if (!box) throw new Error("The element is not visible.");
  return box;
}

/** Runs axe-core on the page.
 * @param {import("@playwright/test").Page} page
 * @returns {Promise<string[]>}
 */
export async function violations(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (window).axe.run(document);
    return violations.map(
      (/** @type {any} */ { id, nodes }) =>
        `${id}: ${nodes.map((/** @type {any} */ { html, failureSummary }) => `${html} ${failureSummary}`).join(" ")}`,
    );
  });
}

/** An image as BMP: 24 bits per pixel, rows padded to four bytes, bottom row first, no compression.
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => [number, number, number]} rgb
 */
export function bmp(width, height, rgb) {
  const header = 54;
  const row = Math.ceil((width * 3) / 4) * 4;
  const buffer = Buffer.alloc(header + row * height);
  buffer.write("BM");
  buffer.writeUInt32LE(buffer.length, 2);
  for (const [at, value] of [
    [10, header],
    [14, 40],
    [18, width],
    [22, height],
  ])
    buffer.writeUInt32LE(value, at);
  buffer.writeUInt16LE(1, 26);
  buffer.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, g, b] = rgb(x, y);
      buffer.set([b, g, r], header + (height - 1 - y) * row + 3 * x);
    }
  }
  return buffer;
}

/** Small images of discs at different positions.
 * @param {number} count
 */
export function pictures(count = 6) {
  return Array.from({ length: count }, (_, index) => ({
    name: `disc ${index}.bmp`,
    mimeType: "image/bmp",
    buffer: bmp(40, 30, (x, y) => {
      const ground = 40 + 20 * (index % 8);
      const distance = Math.hypot(x - 12 - 3 * (index % 6), y - 10 - 2 * (index % 5));
      return distance > 9 ? [ground, ground, ground] : [30 * (index % 9), (60 + 8 * x) % 256, 255 - 20 * distance];
    }),
  }));
}

/** Ten photographs of hands, and fifty discs. */
export async function sixty() {
  return [...(await photographs(10)), ...pictures(50)];
}

/** The first of the ten photographs of hands.
 * @param {number} count
 */
export async function photographs(count) {
  const names = (await readdir(hands))
    .filter((name) => name.endsWith(".jpg"))
    .sort()
    .slice(0, count);
  return Promise.all(
    names.map(async (name) => ({ name: `hand ${name}`, mimeType: "image/jpeg", buffer: await readFile(path.join(hands, name)) })),
  );
}

/** Skips a test that lacks its data. If AUTOLINK_REQUIRE names the data, as in `cargo xtask test`, the test fails instead.
 * @param {"shared" | "firefox" | "webkit"} what
 * @param {boolean} isHere
 */
export function needs(what, isHere) {
  if ((process.env.AUTOLINK_REQUIRE ?? "").split(",").includes(what)) expect(isHere, `${what} should be here`).toBe(true);
  test.skip(!isHere, `${what} is not here`);
}

/** Trains to a step at least, and pauses.
 * @param {import("@playwright/test").Page} page
 * @param {number} step
 */
export async function playTo(page, step) {
  await page.getByTestId("play").click();
  await expect.poll(() => number(page.getByTestId("step-count")), { intervals: [20], timeout: 240_000 }).toBeGreaterThanOrEqual(step);
  await page.getByTestId("play").click();
  await expect(page.getByTestId("message")).toHaveText("Paused.");
  return number(page.getByTestId("step-count"));
}

/** A video of twenty frames of a moving disc, ten per second, encoded by the browser.
 * @param {import("@playwright/test").Page} page
 */
export async function movie(page) {
  const base64 = await page.evaluate(async () => {
    const { BufferTarget, CanvasSource, Output, WebMOutputFormat } = await import(
      new URL("/target/page/modules/mediabunny.js", location.href).href
    );
    const canvas = new OffscreenCanvas(96, 64);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const output = new Output({ format: new WebMOutputFormat(), target: new BufferTarget() });
    const source = new CanvasSource(canvas, { codec: "vp8", bitrate: 1e6 });
    output.addVideoTrack(source, { frameRate: 10 });
    await output.start();
    for (let i = 0; i < 20; i++) {
      context.fillStyle = "#345";
      context.fillRect(0, 0, 96, 64);
      context.fillStyle = "#fa3";
      context.beginPath();
      context.arc(16 + 3 * i, 32, 12, 0, 7);
      context.fill();
      await source.add(i / 10, 0.1);
    }
    await output.finalize();
    const reader = new FileReader();
    await new Promise((resolve) => ((reader.onload = resolve), reader.readAsDataURL(new Blob([output.target.buffer]))));
    return `${reader.result}`.split(",")[1];
  });
  return { name: "walk.webm", mimeType: "video/webm", buffer: Buffer.from(base64, "base64") };
}
