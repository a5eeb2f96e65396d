// Train as a first visit sees it: three cards of data, the buttons, eight skeletons, and everything else folded.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, number, open, pictures, root, violations } from "./helpers.js";

/** @param {import("@playwright/test").Page} page */
const shown = (page) =>
  page.evaluate(() => {
    const count = (/** @type {string} */ selector) =>
      [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility({ visibilityProperty: true })).length;
    return {
      buttons: count("header button, main button:not(.thumbnails button)"),
      canvases: count("main canvas:not(.thumbnails canvas, .previews canvas)"),
      inputs: count("main input, main select"),
    };
  });

test.describe("on a first visit", () => {
  test.use({ storageState: { cookies: [], origins: [] } });

  test("the first screen of Train shows the data, the buttons and the skeletons", async ({ page }) => {
    for (const [width, height] of [
      [1280, 720],
      [768, 1024],
    ]) {
      await page.setViewportSize({ width, height });
      await open(page, FEW);
      for (const part of ["sample-hands", "sample-puppets", "open-record", "play", "flow-previews"])
        await expect(at(page)(part), `${part} at ${width} px`).toBeInViewport({ ratio: 0.9 });
    }
    // 33 buttons, 22 canvases and 32 inputs were visible before.
    const { buttons, canvases, inputs } = await shown(page);
    expect.soft(buttons).toBeLessThanOrEqual(16);
    expect.soft(canvases).toBeLessThanOrEqual(11);
    expect.soft(inputs).toBeLessThanOrEqual(16);
    console.log(`${buttons} buttons, ${canvases} canvases, ${inputs} inputs`);
  });

  test("folded parts open by keyboard, and are open at the next visit", async ({ page }) => {
    const id = at(page);
    await open(page, FEW);
    await expect(id("keypoints")).toBeHidden();
    await page.locator('[data-fold="settings"] > summary').focus();
    await page.keyboard.press("Enter");
    await expect(id("keypoints")).toBeVisible();
    await page.locator('[data-fold="views"] > summary').click();
    await expect.poll(() => id("view-skeleton").evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.width)).toBeGreaterThan(200);
    await page.reload();
    await expect(id("keypoints")).toBeVisible();
    await expect(id("view-skeleton")).toBeVisible();
    await expect(id("snapshots-play")).toBeHidden();
  });

  test("a finished run opens its training history", async ({ page }) => {
    const id = at(page);
    await open(page, `${QUICK}&steps=3`);
    await id("play").click();
    await id("training-history").click();
    await expect(id("snapshots-play")).toBeInViewport();
  });
});

test("the card of the loaded images is marked", async ({ page }) => {
  await open(page, FEW);
  const data = page.locator("#data");
  await expect(data).toHaveAttribute("data-source", "puppets");
  await at(page)("file-input").setInputFiles(pictures(6));
  await expect(at(page)("images-count")).toHaveText("6");
  await expect(data).toHaveAttribute("data-source", "own");
});

test("a run says when to expect a first skeleton, by its own steps", async ({ page }) => {
  const id = at(page);
  await open(page, `${QUICK}&learning_rate=0.0001`);
  await expect(id("first-skeleton")).toHaveText("–");
  await id("play").click();
  await expect(id("first-skeleton")).toHaveText(/^in \d+ (s|min)$/);
  const seconds = async () => {
    const [, amount, unit] = (await id("first-skeleton").textContent())?.match(/(\d+) (s|min)/) ?? [];
    return Number(amount) * (unit === "min" ? 60 : 1);
  };
  // 1,500 steps at this learning rate.
  const rate = await number(id("steps-per-second"));
  const left = 1500 - (await number(id("step-count")));
  expect(await seconds()).toBeGreaterThan((0.4 * left) / rate);
  expect(await seconds()).toBeLessThan((2.5 * left) / rate + 30);
  await expect(id("first-skeleton")).toHaveText("step 1,500", { timeout: 300_000 });
});

test("the paper's settings on a CPU come with a warning", async ({ page }) => {
  const id = at(page);
  await open(page, FEW);
  await id("preset").selectOption("paper");
  await expect(id("message")).toContainText("The paper’s settings need a large GPU.");
  await id("preset").selectOption("quick");
  await expect(id("size")).toHaveValue("48");
});

/** Address of a run that learns something quickly: 100 puppets, of which 10 are held out. */
const HELD_OUT = "?backend=cpu&count=100&size=32&width=8&loss=pixel&batch=8&learning_rate=0.002";

test("held-out images give a loss that falls, also after the run is opened again", async ({ page }) => {
  const id = at(page);
  await open(page, HELD_OUT);
  await expect(id("held-out-readout")).toHaveText("Held out (10 images)");
  await id("play").click();
  await expect(id("held-out-readout")).toHaveText(/^Held out \(10 images\): \d/);
  const value = async () => Number((await id("held-out-readout").textContent())?.split(": ")[1]);
  const first = await value();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(150);
  await id("play").click();
  await expect(id("message")).toHaveText("Paused.");
  expect(await value()).toBeLessThan(0.8 * first);
  await expect(id("score-readout")).toHaveText(/Landmark error: \d+\.\d% of the image/);
  // The stored run has them as well.
  const before = await id("held-out-readout").textContent();
  await expect(id("stored-resume")).toHaveCount(1);
  await id("reset").click();
  await expect(id("held-out-readout")).toHaveText("Held out (10 images)");
  await id("stored-resume").click();
  await expect(id("message")).toContainText("Opened");
  await expect(id("held-out-readout")).toHaveText(before ?? "");
});

test("no image is held out of fewer than 40", async ({ page }) => {
  const id = at(page);
  await open(page, HELD_OUT.replace("count=100", "count=39"));
  await expect(id("held-out-readout")).toHaveText("No image is held out: that takes 40");
  await id("advanced").locator("summary").click();
  await id("held-out").fill("0");
  await id("held-out").press("Enter");
  await expect(id("held-out-readout")).toBeHidden();
});

test("training health is a chip that opens sentences and rings the keypoints that they name", async ({ page }) => {
  const id = at(page);
  await open(page, FEW);
  await expect(id("diagnosis")).toBeHidden();
  await expect(id("health")).toHaveText(/Health:\s*too early/);
  // The trained puppets, with keypoint 2 made equal to keypoint 1.
  const model = await readFile(path.join(root, "models/puppets.safetensors"));
  const header = 8 + Number(model.readBigUInt64LE());
  const [from, to] = JSON.parse(model.toString("utf8", 8, header))["encoder.detector.conv.6.weight"].data_offsets.map(
    (/** @type {number} */ at) => header + at,
  );
  model.copy(model, from + (to - from) / 12, from, from + (to - from) / 12);
  await id("model-input").setInputFiles({ name: "altered.safetensors", mimeType: "application/octet-stream", buffer: model });
  await expect(id("health")).toHaveText(/Health:\s*1 issue/);
  const picture = () =>
    id("flow-previews")
      .locator("canvas")
      .first()
      .evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
  const plain = await picture();
  await id("health").focus();
  await page.keyboard.press("Enter");
  await expect(id("health")).toHaveAttribute("aria-expanded", "true");
  await expect(id("diagnosis")).toBeVisible();
  await expect(id("diagnosis")).toContainText("Keypoints 1 and 2 coincide in every image.");
  await expect(id("diagnosis")).toContainText("ringed in the images");
  await expect.poll(picture).not.toBe(plain);
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(id("diagnosis")).toBeHidden();
  await expect(id("health")).toBeFocused();
  await expect.poll(picture).toBe(plain);
});

test("runs in the browser are compared without being opened", async ({ page }) => {
  const id = at(page);
  for (const steps of [12, 30]) {
    await open(page, `${HELD_OUT}&steps=${steps}&seed=${steps}&start=1`);
    await expect(id("message")).toContainText("Finished");
    await expect(page.locator("#stored-runs li").filter({ hasText: `${steps} steps` })).toHaveCount(1);
  }
  await expect(id("stored-resume")).toHaveCount(2);
  await id("compare-runs").locator("summary").click();
  const runs = id("compared-run");
  await expect(runs).toHaveCount(2);
  await expect(runs.nth(0)).toContainText(/Step\s*30/);
  await expect(runs.nth(1)).toContainText(/Step\s*12/);
  await expect(runs.nth(0)).toContainText(/Held out\s*0\.\d+/);
  const lines = id("compare-runs").locator("polyline:not(.held-out)");
  await expect(lines).toHaveCount(2);
  const ends = await lines.evaluateAll((all) => all.map((line) => Number(line.getAttribute("points")?.split(" ").at(-1)?.split(",")[0])));
  expect(ends).toEqual([320, 128]);
  await expect(runs.locator("img")).toHaveCount(2);
  for (const image of await runs.locator("img").all())
    expect(await image.evaluate((img) => /** @type {HTMLImageElement} */ (img).naturalWidth)).toBe(384);
  expect(await violations(page)).toEqual([]);
  await runs.nth(1).getByRole("checkbox").uncheck();
  await expect(lines).toHaveCount(1);
  await expect(id("step-count"), "the run that is open stays").toHaveText("30");
});
