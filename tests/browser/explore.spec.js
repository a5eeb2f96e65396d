// Explore: the recorded training, and the trained model that takes over.

import { expect, test } from "@playwright/test";
import { at, number, violations } from "./helpers.js";

test("the recorded training plays without the engine, and can be scrubbed and replayed", async ({ page }) => {
  const id = at(page);
  await page.route("**/worker_bg.wasm", (route) => route.abort());
  await page.goto("./");
  await expect(id("tab-explore")).toHaveAttribute("aria-current", "page");
  await expect(id("play")).toBeHidden();
  await expect.poll(() => number(id("explore-step"))).toBeGreaterThan(5);
  const first = await number(id("explore-step"));
  await expect.poll(() => number(id("explore-step"))).toBeGreaterThan(first);
  const pixels = () =>
    id("explore-skeletons")
      .locator("canvas")
      .first()
      .evaluate((canvas) => /** @type {HTMLCanvasElement} */ (canvas).toDataURL());
  await id("explore-scrub").fill("0");
  await expect(id("explore-step")).toHaveText("0");
  await expect(id("explore-play")).toHaveText("Play");
  const heap = await pixels();
  await id("explore-scrub").fill("1");
  await expect(id("explore-play")).toHaveText("Replay");
  await expect.poll(pixels).not.toBe(heap);
  const last = await number(id("explore-step"));
  await id("explore-play").click();
  await expect.poll(() => number(id("explore-step"))).toBeLessThan(last);
});

test("where no trained model can be opened, Explore has puppets, and says why", async ({ page }) => {
  const id = at(page);
  await page.route("**/models/*.safetensors", (route) => route.abort());
  await page.goto("./");
  await expect(id("images-count")).toHaveText("400");
  await expect(id("message")).toHaveClass(/is-error/);
});

test("with reduced motion the recorded training stands at its end", async ({ page }) => {
  const id = at(page);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("./");
  await expect(id("explore-play")).toHaveText("Replay");
  await expect(id("explore-scrub")).toHaveValue("1");
});

test("Explore becomes live with a trained model, and invites to one edit after another", async ({ page }) => {
  const id = at(page);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.addInitScript(() => {
    const counts = /** @type {string[]} */ ([]);
    Object.assign(window, { counts });
    addEventListener("DOMContentLoaded", () => {
      const count = /** @type {Node} */ (document.querySelector('[data-testid="images-count"]'));
      new MutationObserver(() => counts.push(count.textContent ?? "")).observe(count, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
  });
  await page.goto("./");
  await expect(id("explore-invitation")).toContainText("The model is live. Drag a keypoint");
  const counts = await page.evaluate(() => /** @type {any} */ (window).counts);
  expect(counts.at(-1), "the model's own images").toBe("10");
  expect(counts, "no puppets are drawn first").not.toContain("400");
  expect(await violations(page)).toEqual([]);
  await id("flow-keypoints").focus();
  await page.keyboard.press("n");
  await page.keyboard.press("ArrowRight");
  await expect(id("explore-invitation")).toContainText("Paint in “Mask”");
  await id("hide-all").click();
  await expect(id("explore-invitation")).toContainText("Pick an edge");
  // A key of Train does nothing here.
  await page.locator("#explore").click();
  await page.keyboard.press("Space");
  await id("explore-train").click();
  await expect(id("tab-train")).toHaveAttribute("aria-current", "page");
  await expect(id("play")).toBeVisible();
  await expect(id("play")).toHaveText("Play");
  // Train begins with an untrained model on two hundred hands, and Explore has its model again.
  await expect(id("images-count")).toHaveText("200");
  await expect(id("step-count")).toHaveText("0");
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
  await expect(page.locator("#data")).toHaveAttribute("data-source", "hands");
  await id("tab-explore").click();
  await expect(id("explore-invitation")).toContainText("The model is live.");
  await expect(id("step-count")).toHaveText("3,000");
});

test("an address that names a run opens Train, and the last tab is remembered", async ({ page }) => {
  const id = at(page);
  await page.goto("?backend=cpu&count=40");
  await expect(id("tab-train")).toHaveAttribute("aria-current", "page");
  await id("tab-annotate").click();
  await page.goto("isolate.js");
  await page.goto("./");
  await expect(id("tab-annotate")).toHaveAttribute("aria-current", "page");
  await id("tab-explore").focus();
  await page.keyboard.press("Enter");
  await expect(id("explore-train")).toBeVisible();
});

test("a camera drives the chosen image, live", async ({ page }) => {
  const id = at(page);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("./");
  await expect(id("explore-invitation")).toContainText("The model is live.");
  const drawn = () => id("flow-reconstruction").evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
  // The picture of the recorded run is replaced by the live model's, which is no plain grey.
  await expect.poll(async () => (await drawn()).length).toBeGreaterThan(20_000);
  const still = await drawn();
  await id("drive-camera").click();
  await expect(id("drive-speed")).toHaveText(/^\d+(\.\d)? images\/s$/);
  await expect.poll(drawn).not.toBe(still);
  expect(await violations(page)).toEqual([]);
  console.log(await id("drive-speed").textContent());
  await id("drive-stop").click();
  await expect(id("drive-camera")).toBeVisible();
  // The image has its own pose again.
  await expect.poll(drawn).toBe(still);
  // Leaving Explore stops the camera.
  await id("drive-camera").click();
  await expect(id("drive-speed")).toHaveText(/^\d+(\.\d)? images\/s$/);
  await id("tab-train").click();
  await id("tab-explore").click();
  await expect(id("drive-camera")).toBeVisible();
  await expect(id("pose")).toHaveValue("");
});

test("a file that is no video is named, and nothing moves", async ({ page }) => {
  const id = at(page);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("./");
  await expect(id("explore-invitation")).toContainText("The model is live.");
  await id("drive-file").setInputFiles({ name: "notes.mp4", mimeType: "video/mp4", buffer: Buffer.from("no video") });
  await expect(id("drive-status")).toHaveText("This browser cannot play notes.mp4. Choose an MP4 or WebM video.");
  await expect(id("drive-camera")).toBeVisible();
  await expect(id("pose")).toHaveValue("");
});
