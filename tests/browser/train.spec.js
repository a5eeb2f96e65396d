// Train as a first visit sees it: three cards of data, the buttons, eight skeletons, and everything else folded.

import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, number, open, pictures } from "./helpers.js";

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
