// Ten journeys through the page, in every browser but Chromium, which has tests of its own. Losses are compared with Chromium's.

import { readFile } from "node:fs/promises";
import path from "node:path";
import AdmZip from "adm-zip";
import { expect, test as base, chromium } from "@playwright/test";
import { Key } from "selenium-webdriver";
import { QUICK, hands, needs, photographs, pictures, root } from "../browser/helpers.js";
import { start } from "./drivers.js";

/** @import { WebDriver } from "selenium-webdriver" */

const site = `http://127.0.0.1:${process.env.AUTOLINK_TEST_PORT}/dist/`;

/** The page in one browser, by the test ids of its elements. */
class Page {
  /** @param {WebDriver} driver */
  constructor(driver) {
    this.driver = driver;
  }

  /** Runs the body of a function in the page. @param {string} body @param {unknown[]} args @returns {Promise<any>} */
  run(body, ...args) {
    return this.driver.executeScript(body, ...args);
  }

  /** @param {string} id */
  find(id) {
    return this.driver.findElement({ css: `[data-testid="${id}"]` });
  }

  /** @param {string} id */
  async click(id) {
    const element = await this.find(id);
    // The middle of the view, where nothing that is fixed to an edge covers it.
    await this.run(`arguments[0].scrollIntoView({ block: "center", behavior: "instant" })`, element);
    await element.click();
  }

  /** The text of an element, visible or not. @param {string} id @returns {Promise<string>} */
  text(id) {
    return this.run(`return document.querySelector('[data-testid="' + arguments[0] + '"]')?.textContent.trim() ?? ""`, id);
  }

  /** @param {string} id */
  async number(id) {
    return Number((await this.text(id)).replaceAll(",", ""));
  }

  /** Waits for the text of an element. @param {string} id @param {string | RegExp} text */
  async has(id, text) {
    const poll = expect.poll(() => this.text(id), { message: id });
    if (text instanceof RegExp) await poll.toMatch(text);
    else await poll.toBe(text);
  }

  /** Every pixel of a canvas, as text. @param {string} id @returns {Promise<string>} */
  pixels(id) {
    return this.run(`return document.querySelector('[data-testid="' + arguments[0] + '"]').toDataURL()`, id);
  }

  /** Opens the page and waits until it can train. @param {string} query */
  async open(query = QUICK) {
    await this.driver.get(`${site}${query}`);
    await expect.poll(() => this.run(`return document.body.dataset.phase + document.getElementById("play").disabled`)).toBe("pausedfalse");
    await this.has("message", /./);
    expect(await this.text("fault-note"), "nothing failed").toMatch(/^Reload\s+Close$/);
  }

  /** Opens the page, unless a journey before this one has: it takes seconds. */
  async ready() {
    if (!(await this.driver.getCurrentUrl()).includes("?")) await this.open();
    if (!(await this.driver.getCurrentUrl()).endsWith("#train")) await this.click("tab-train");
  }

  /** Trains for some steps at least, and pauses. @param {number} count @returns The step. */
  async train(count) {
    const first = await this.number("step-count");
    await this.click("play");
    await expect.poll(() => this.number("step-count")).toBeGreaterThanOrEqual(first + count);
    await this.click("play");
    await this.has("message", "Paused.");
    return this.number("step-count");
  }

  /** Drops files onto the page. @param {{ name: string, buffer: Buffer }[]} files */
  drop(files) {
    return this.run(
      `const transfer = new DataTransfer();
      for (const [name, base64] of arguments[0])
        transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
      document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));`,
      files.map(({ name, buffer }) => [name, buffer.toString("base64")]),
    );
  }

  /** Presses a button, and returns the file that the page then saves. @param {string} id */
  async saved(id) {
    await this.run(`if (!window.savedFiles) {
      window.savedFiles = [];
      const blobs = new Map();
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => {
        const address = make.call(URL, blob);
        blobs.set(address, blob);
        return address;
      };
      HTMLAnchorElement.prototype.click = function () {
        if (this.download) window.savedFiles.push(blobs.get(this.href));
      };
    }
    window.savedFiles.length = 0;`);
    await this.click(id);
    await expect.poll(() => this.run("return window.savedFiles.length")).toBeGreaterThan(0);
    const base64 = await this.driver.executeAsyncScript(`const done = arguments[0], reader = new FileReader();
      reader.onload = () => done(reader.result.split(",")[1]);
      reader.readAsDataURL(window.savedFiles.at(-1));`);
    return Buffer.from(/** @type {string} */ (base64), "base64");
  }
}

/** @type {import("@playwright/test").TestType<{}, { tab: Page }>} */
const test = /** @type {any} */ (base).extend({
  // One browser for all journeys of an engine: it takes seconds to start.
  tab: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a fixture needs.
    async ({}, use, info) => {
      const name = /** @type {"firefox" | "webkit"} */ (info.project.name);
      const { driver, stop } = await start[name]();
      await driver.manage().setTimeouts({ script: 120_000, pageLoad: 60_000 });
      await driver.manage().window().setRect({ width: 1280, height: 1000 });
      const version = (await driver.getCapabilities()).get("browserVersion");
      console.log(`${name} ${version}`);
      // As if a person had opened the folded parts of Train before.
      await driver.get(`${site}isolate.js`);
      await driver.executeScript(`localStorage.setItem("autolink-open", "edits model views settings training-history")`);
      await use(new Page(driver));
      await stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
});

// biome-ignore lint/correctness/noEmptyPattern: see above.
test.beforeEach(({}, info) => needs(/** @type {any} */ (info.project.name), Boolean(process.env[info.project.name.toUpperCase()])));

test("the page loads, a press of Play during that counts, and nothing fails", async ({ tab: page }) => {
  await page.driver.get(`${site}${QUICK}`);
  await page.click("play");
  await expect.poll(() => page.number("step-count")).toBeGreaterThan(2);
  await page.click("play");
  await page.has("message", "Paused.");
  expect(await page.text("backend")).toBe("CPU");
  expect(await page.run("return crossOriginIsolated && isSecureContext")).toBe(true);
  expect(await page.text("link-note")).toBe("Close");
  expect(await page.text("fault-note")).toMatch(/^Reload\s+Close$/);
});

test("dropped images and a zip are loaded and trained on", async ({ tab: page }) => {
  await page.ready();
  await page.drop(pictures(4));
  await page.has("images-count", "4");
  const zip = new AdmZip();
  for (const { name, buffer } of await photographs(3)) zip.addFile(name, buffer);
  await page.drop([{ name: "hands.zip", buffer: zip.toBuffer() }]);
  await page.has("images-count", "7");
  await page.click("step");
  await page.has("step-count", "1");
  expect(await page.number("loss")).toBeGreaterThan(0);
});

test("a dragged keypoint changes the edge map", async ({ tab: page }) => {
  await page.ready();
  await page.train(3);
  const before = await page.pixels("flow-edge-map");
  const image = await page.pixels("flow-image");
  const canvas = await page.find("flow-keypoints");
  await page.run(`arguments[0].scrollIntoView({ block: "center", behavior: "instant" })`, canvas);
  // The middle of the disc of the first keypoint, relative to the middle of the canvas, in CSS pixels.
  const [x, y] = await page.run(
    `const canvas = arguments[0];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const found = [];
    for (let i = 0; i < data.length; i += 4)
      if (Math.hypot(data[i] - 228, data[i + 1] - 166, data[i + 2] - 7) < 6) found.push(i / 4);
    const mean = (of) => found.reduce((sum, i) => sum + of(i), 0) / found.length;
    const box = canvas.getBoundingClientRect();
    return [
      (mean((i) => i % canvas.width) / canvas.width - 0.5) * box.width,
      (mean((i) => Math.floor(i / canvas.width)) / canvas.height - 0.5) * box.height,
    ].map(Math.round);`,
    canvas,
  );
  const move = (/** @type {number} */ x, /** @type {number} */ y) => ({ x, y, origin: canvas, duration: 50 });
  const actions = page.driver.actions();
  await actions
    .move(move(x, y))
    .press()
    .move(move(x + 20, y + 20))
    .move(move(x + 40, y + 40))
    .release()
    .perform();
  await expect.poll(() => page.pixels("flow-edge-map")).not.toBe(before);
  expect(await page.pixels("flow-image"), "the image stays").toBe(image);
});

test("a painted mask changes the masked input", async ({ tab: page }) => {
  await page.ready();
  await page.train(3);
  await page.click("show-all");
  await expect.poll(async () => (await page.pixels("flow-masked")) !== "").toBe(true);
  const canvas = await page.find("flow-mask");
  await page.run(`arguments[0].scrollIntoView({ block: "center", behavior: "instant" })`, canvas);
  const [mask, masked, image] = [await page.pixels("flow-mask"), await page.pixels("flow-masked"), await page.pixels("flow-image")];
  const move = (/** @type {number} */ x) => ({ x, y: 0, origin: canvas, duration: 50 });
  await page.driver.actions().move(move(-30)).press().move(move(0)).move(move(30)).release().perform();
  await expect.poll(() => page.pixels("flow-mask")).not.toBe(mask);
  await expect.poll(() => page.pixels("flow-masked")).not.toBe(masked);
  expect(await page.pixels("flow-image"), "the image stays").toBe(image);
});

test("images are annotated and exported as COCO", async ({ tab: page }) => {
  await page.ready();
  await page.train(2);
  await page.click("tab-annotate");
  const names = ["0.jpg", "1.jpg", "2.jpg"];
  await (await page.find("annotate-files")).sendKeys(names.map((name) => path.join(hands, name)).join("\n"));
  await page.has("annotate-count", "3 images");
  const coco = JSON.parse(`${await page.saved("export-coco")}`);
  expect(coco.images.map((/** @type {any} */ { file_name }) => file_name)).toEqual(names);
  expect(coco.annotations).toHaveLength(3);
});

test("the tour works by keyboard", async ({ tab: page }) => {
  await page.ready();
  const step = await page.text("step-count");
  const press = (/** @type {string} */ key) => page.driver.actions().sendKeys(key).perform();
  await page.run(`document.getElementById("open-tour").focus()`);
  await press(Key.ENTER);
  for (let stop = 1; stop <= 9; stop++) {
    await page.has("tour", new RegExp(`${stop} of 9`));
    await expect.poll(() => page.run("return document.activeElement.textContent")).toBe(stop === 9 ? "Done" : "Next");
    await press(stop % 2 ? Key.ENTER : Key.ARROW_RIGHT);
  }
  await page.has("tour", "");
  expect(await page.run("return document.activeElement.id")).toBe("open-tour");
  expect(await page.text("step-count"), "the arrow led the tour and took no step").toBe(step);
});

test("the figure is saved as PNG", async ({ tab: page }) => {
  await page.ready();
  await page.train(2);
  await page.click("open-share");
  await expect.poll(() => page.run(`return document.getElementById("share-png").disabled`)).toBe(false);
  const png = await page.saved("share-png");
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  expect(png.readUInt32BE(16), "its width, px").toBeGreaterThan(500);
  expect(png.length).toBeGreaterThan(20_000);
});
test("a run is stored, and continues after a reload with the same losses", async ({ tab: page }) => {
  await page.open();
  const step = await page.train(3);
  await page.has("stored-runs", new RegExp(`${step} steps, today`));
  await page.open();
  await page.has("message", new RegExp(`${step}.? steps?`));
  await page.click("resume-last");
  await page.has("step-count", /^[1-9]/);
  const last = (await page.number("step-count")) + 1;
  await page.click("step");
  await page.has("step-count", `${last}`);
  const loss = await page.text("loss");
  // A run of the same address that was never interrupted.
  await page.open();
  for (let taken = 1; taken <= last; taken++) {
    await page.click("step");
    await page.has("step-count", `${taken}`);
  }
  expect(await page.text("loss")).toBe(loss);
});

test("a checkpoint of the authors opens", async ({ tab: page }) => {
  const name = "autolink_k8_w4.ckpt";
  const buffer = await readFile(path.resolve(root, "../shared/reference", name)).catch(() => null);
  needs("shared", buffer !== null);
  await page.open();
  if (buffer) await page.drop([{ name, buffer }]);
  await page.has("model-about", new RegExp(name));
});

/** Losses of 20 steps, as a module that writes them into the document. */
const LOSSES = `
  const tell = (result) => (document.documentElement.dataset.losses = JSON.stringify(result));
  try {
    const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
    const session = await createSession({ backend: "cpu" });
    await session.configure({ keypoints: 4, size: 32, width: 4, batch: 2, micro_batch: 2, loss: "perceptual" });
    await session.load({ kind: "puppets", count: 16, seed: 0 });
    const losses = [];
    session.on("step", ({ loss }) => losses.push(loss));
    await session.train({ steps: 20 });
    session.close();
    tell(losses);
  } catch (error) { tell(String(error)); }`;

test("20 steps on the CPU give the same losses as in Chromium, bit for bit", async ({ tab: page }) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROME || undefined, args: ["--no-sandbox"] });
  const reference = await browser.newPage({ serviceWorkers: "block" });
  await reference.goto(`${site}isolate.js`); // same origin, without the page and its policy
  await reference.addScriptTag({ type: "module", content: LOSSES });
  const read = `return document.documentElement.dataset.losses ?? ""`;
  await expect.poll(() => reference.evaluate(`(() => { ${read} })()`)).not.toBe("");
  const expected = JSON.parse(/** @type {string} */ (await reference.evaluate(`(() => { ${read} })()`)));
  await browser.close();
  expect(expected).toHaveLength(20);

  await page.driver.get(`${site}isolate.js`);
  await page.run(
    `const script = document.createElement("script");
    script.type = "module";
    script.textContent = arguments[0];
    document.head.append(script);`,
    LOSSES,
  );
  await expect.poll(() => page.run(read)).not.toBe("");
  expect(JSON.parse(await page.run(read))).toEqual(expected);
});
