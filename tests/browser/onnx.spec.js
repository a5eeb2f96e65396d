// The exported detector in onnxruntime-web, by the code that the page shows for it.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { FEW, open, root, violations } from "./helpers.js";

/** Largest distance of a keypoint, as a fraction of the image's side. */
const TOLERANCE = 1e-4;

test("onnxruntime-web finds the page's keypoints by the JavaScript that the page shows", async ({ page }) => {
  await open(page, FEW);
  await page.getByTestId("open-model").click();
  await expect(page.getByTestId("message")).toContainText("trained for");
  await page.getByTestId("snippets").locator("summary").click();
  await page.getByRole("button", { name: "JavaScript" }).click();
  const code = `${await page.getByTestId("snippet").textContent()}`;
  await expect(page.getByRole("button", { name: "JavaScript" })).toHaveAttribute("aria-pressed", "true");
  expect(code).toContain("const SIZE = 64;");
  expect(code).toContain('["kp0","kp1","kp2","kp3","kp4","kp5","kp6","kp7","kp8","kp9","kp10","kp11"]');
  expect(await violations(page)).toEqual([]);

  const saved = page.waitForEvent("download");
  await page.getByTestId("save-onnx").click();
  const file = await saved;
  const name = file.suggestedFilename();
  expect(code).toContain(`"${name}"`);
  await page.route(`**/${name}`, (route) => file.path().then((path) => route.fulfill({ path })));
  const module = code.replace('"onnxruntime-web"', '"/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs"');
  await page.route("**/detect.js", (route) => route.fulfill({ contentType: "text/javascript", body: module }));
  const model = (await readFile(`${root}/models/hands.safetensors`)).toString("base64");

  const found = await page.evaluate(async (model) => {
    const from = (/** @type {string} */ name) => import(new URL(name, document.baseURI).href);
    const [{ detect }, { createSession }] = await Promise.all([from("detect.js"), from("autolink.js")]);
    const session = await createSession({ backend: "cpu" });
    await session.resume(new File([Uint8Array.from(atob(model), (letter) => letter.charCodeAt(0))], "hands.safetensors"));
    const all = [];
    for (const name of ["0", "1", "2"]) {
      // At the size that the model sees, because browsers resize otherwise than the engine.
      const photograph = await createImageBitmap(await (await fetch(new URL(`models/hands/${name}.jpg`, document.baseURI))).blob());
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
      canvas.getContext("2d")?.drawImage(photograph, 0, 0, 64, 64);
      const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
      all.push({ theirs: await detect(canvas), ours: await session.detect(png) });
    }
    session.close();
    return all;
  }, model);
  let worst = 0;
  for (const { theirs, ours } of found) {
    expect(theirs).toHaveLength(12);
    theirs.forEach(({ x, y, confidence }, k) => {
      const [ourX, ourY] = ours.keypoints[k];
      worst = Math.max(worst, Math.abs(x / 64 - ourX), Math.abs(y / 64 - ourY), Math.abs(confidence - ours.confidence[k]));
    });
  }
  console.log(`largest difference ${worst.toExponential(1)}`);
  expect(worst).toBeLessThan(TOLERANCE);
});

test("the code has the names of the keypoints, and the page's commands", async ({ page }) => {
  await open(page, FEW);
  await expect(page.getByTestId("snippets")).toHaveCount(0);
  await page.getByTestId("open-model").click();
  await expect(page.getByTestId("message")).toContainText("trained for");
  await page.getByTestId("tab-annotate").click();
  await page.locator("#annotate-training").click();
  await page.locator("#keypoint-name-0").fill("wrist");
  await page.locator("#keypoint-name-0").press("Enter");
  await page.getByTestId("tab-train").click();
  await page.getByTestId("snippets").locator("summary").click();
  await expect(page.getByTestId("snippet")).toContainText('NAMES = ["wrist","kp1",');
  await page.getByRole("button", { name: "Terminal" }).click();
  const text = "autolink detect images/ --model autolink-model-3000-steps.safetensors --out keypoints.json";
  await expect(page.getByTestId("snippet")).toContainText(text);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByTestId("snippet-copy").click();
  await expect(page.getByTestId("snippets").getByRole("status")).toHaveText("Copied.");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(text);
});
