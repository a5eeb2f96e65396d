// The samples in Chromium, without isolation.

import { spawn } from "node:child_process";
import { expect, test } from "@playwright/test";
import { boxOf, number, violations } from "../browser/helpers.js";

/** What the sample of Vite writes when it has trained.
 * @param {import("@playwright/test").Page} page
 */
async function trained(page) {
  const output = page.locator("pre");
  await expect(output).not.toBeEmpty();
  const text = `${await output.textContent()}`;
  expect(text).toMatch(/^\{/);
  return JSON.parse(text);
}

/** Pixels of a canvas, as text.
 * @param {import("@playwright/test").Locator} canvas
 */
const pixels = (canvas) => canvas.evaluate((element) => /** @type {HTMLCanvasElement} */ (element).toDataURL());

test("a plain page shows the model of the package, and a dragged keypoint changes the reconstruction", async ({ page }) => {
  await page.goto("plain/");
  const lab = page.locator("autolink-lab");
  await expect(lab.getByTestId("step-count")).toHaveText("3,000");
  await expect(lab.getByTestId("message")).toHaveText("200 images.");
  await expect(lab.getByTestId("device")).toHaveText(
    "CPU, as requested. This page is not isolated from other origins, so one core computes.",
  );

  await lab.getByTestId("open-keypoints").click();
  const place = () => lab.getByTestId("stage-panel").locator("tbody tr").first().locator("td").allTextContents();
  const [x, y] = (await place()).map(Number);
  const before = await pixels(lab.getByTestId("flow-reconstruction"));
  const canvas = lab.getByTestId("flow-keypoints");
  await canvas.scrollIntoViewIfNeeded();
  const box = await boxOf(canvas);
  // The model sees images of 64 px.
  await page.mouse.move(box.x + (x / 64) * box.width, box.y + (y / 64) * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.2 * box.width, box.y + 0.8 * box.height, { steps: 4 });
  await page.mouse.up();
  await expect.poll(async () => Math.abs(Number((await place())[0]) - 0.2 * 64)).toBeLessThan(1);
  await expect.poll(async () => Math.abs(Number((await place())[1]) - 0.8 * 64)).toBeLessThan(1);
  await expect.poll(() => pixels(lab.getByTestId("flow-reconstruction"))).not.toBe(before);
});

test("a plain page shows an image with the keypoints that the model finds in it", async ({ page }) => {
  await page.goto("plain/");
  const skeleton = page.locator("autolink-skeleton");
  const found = skeleton.evaluate(
    (element) =>
      new Promise((resolve) => element.addEventListener("keypoints", (event) => resolve(/** @type {CustomEvent} */ (event).detail))),
  );
  await skeleton.scrollIntoViewIfNeeded();
  const { keypoints, confidence } = await found;
  expect(keypoints).toHaveLength(12);
  expect(confidence).toHaveLength(12);
  const canvas = skeleton.getByRole("img");
  await expect(canvas).toHaveAccessibleName("A hand, with 12 keypoints and the edges between them");
  // Each disc has the colour of its keypoint, unless another one lies over it.
  const colours = await canvas.evaluate((element, points) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (element);
    const context = /** @type {HTMLCanvasElement} */ (element).getContext("2d");
    return points.map(([x, y]) => `${context?.getImageData(Math.round(x * width), Math.round(y * height), 1, 1).data}`);
  }, keypoints);
  expect(new Set(colours).size).toBeGreaterThan(8);
});

test("an image that cannot be read spoils no other image of the same model", async ({ page }) => {
  await page.goto("plain/");
  await page.evaluate(() => {
    const wrong = URL.createObjectURL(new Blob(["no image"], { type: "image/png" }));
    for (const [src, id] of [
      [wrong, "wrong"],
      ["hand.jpg", "right"],
    ]) {
      const element = document.createElement("autolink-skeleton");
      for (const [name, value] of Object.entries({ src, id, alt: id, model: "puppets", backend: "cpu" })) element.setAttribute(name, value);
      document.querySelector("main")?.prepend(element);
    }
  });
  await expect(page.locator("#right").getByRole("img")).toHaveAccessibleName(/12 keypoints/);
  await expect(page.locator("#wrong")).not.toContainText("keypoints");
});

test("what is embedded is accessible", async ({ page }) => {
  for (const path of ["plain/", "plain/frame.html"]) {
    await page.goto(path);
    const place = path === "plain/" ? page : page.frameLocator("iframe");
    const lab = place.locator("autolink-lab");
    await expect(lab.getByTestId("flow-skeleton")).toHaveAccessibleName(/at step/);
    if (path === "plain/") {
      await page.locator("autolink-skeleton").scrollIntoViewIfNeeded();
      await expect(page.locator("autolink-skeleton").getByRole("img")).toHaveAccessibleName(/12 keypoints/);
      await lab.getByTestId("open-heatmaps").click();
    }
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page)).toEqual([]);
    }
  }
});

test("in a frame with a Content-Security-Policy, training starts by itself and pauses, on one core", async ({ page }) => {
  await page.goto("plain/frame.html");
  const lab = page.frameLocator("iframe").locator("autolink-lab");
  await expect.poll(() => number(lab.getByTestId("step-count"))).toBeGreaterThan(1);
  await expect(lab.getByTestId("device")).toContainText("one core computes");
  await lab.getByTestId("play").click();
  await expect(lab.getByTestId("play")).toHaveText("Play");
  await expect(lab.getByTestId("lab")).toHaveAttribute("data-phase", "paused");
});

test("an address that is wrong is named, parts can be hidden, and an element that moves starts anew", async ({ page }) => {
  await page.goto("plain/");
  await expect(page.locator("autolink-lab").getByTestId("hide-all")).toBeHidden();
  await expect(page.locator("autolink-lab").getByTestId("play")).toBeVisible();
  await page.evaluate(() => {
    const lab = document.createElement("autolink-lab");
    lab.setAttribute("model", "missing.safetensors");
    lab.setAttribute("backend", "cpu");
    document.querySelector("main")?.prepend(lab);
  });
  const lab = page.locator("autolink-lab").first();
  const message = lab.getByTestId("message");
  await expect(message).toHaveText(
    /missing\.safetensors could not be loaded\. Check the address, and whether its host lets other pages load it\.$/,
  );
  await lab.evaluate((element) => {
    const folder = "node_modules/@autolink-web/autolink/models";
    element.setAttribute("model", `${folder}/puppets.safetensors`);
    element.setAttribute("images", `hand.jpg ${folder}/hands-200.zip`);
    document.querySelector("main")?.prepend(element);
  });
  await expect(message).toHaveText("201 images.");
  await expect(lab.getByTestId("step-count")).toHaveText("3,000");
});

test("a project that Vite has built trains with the package's engine and weights", async ({ page }) => {
  await page.goto("vite/dist/");
  const { step, loss, reason } = await trained(page);
  expect(step).toBe(2);
  expect(loss).toBeGreaterThan(0);
  expect(reason).toMatch(/^CPU/);
  const lab = page.locator("autolink-lab");
  await expect(lab.getByTestId("step-count")).toHaveText("3,000");
  await expect(lab.getByTestId("message")).toHaveText("100 images.");
});

test("Vite's development server serves the package's engine and weights as well", async ({ page }) => {
  const port = `${Number(process.env.AUTOLINK_TEST_PORT) + 1}`;
  const server = spawn("node", ["../../../node_modules/vite/bin/vite.js", "--port", port, "--strictPort", "--host", "127.0.0.1"], {
    cwd: "target/embed/vite",
    stdio: "pipe",
  });
  try {
    const address = `http://127.0.0.1:${port}/`;
    await expect
      .poll(() =>
        fetch(address).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    await page.goto(address);
    expect((await trained(page)).step).toBe(2);
  } finally {
    server.kill();
  }
});
