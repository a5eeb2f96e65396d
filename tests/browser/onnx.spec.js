// The exported detector in onnxruntime-web, by the code that the page shows for it.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { FEW, QUICK, open, violations } from "./helpers.js";

/** Largest difference of a keypoint, as a fraction of the image, and of a confidence. */
const TOLERANCE = 1e-4;

/** Shows the code for JavaScript, and returns it.
 * @param {import("@playwright/test").Page} page
 */
async function shownCode(page) {
  await page.getByTestId("snippets").locator("summary").click();
  await page.getByRole("button", { name: "JavaScript" }).click();
  await expect(page.getByRole("button", { name: "JavaScript" })).toHaveAttribute("aria-pressed", "true");
  return `${await page.getByTestId("snippet").textContent()}`;
}

/** Saves a file by a button of the page.
 * @param {import("@playwright/test").Page} page
 * @param {string} button
 */
async function saved(page, button) {
  const download = page.waitForEvent("download");
  await page.getByTestId(button).click();
  const file = await download;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

/** Runs the code that the page shows with its exported detector, and AutoLink with its model, on images. Each is drawn from a photograph to a
 * size that is not scaled again, because browsers scale otherwise than the engine; within a black border, as are the bars of the code.
 * @param {import("@playwright/test").Page} page
 * @param {string} code
 * @param {{ width: number, height: number }} size px
 * @returns {Promise<number>} The largest difference.
 */
async function difference(page, code, size) {
  const onnx = await saved(page, "save-onnx");
  expect(code).toContain(`"${onnx.name}"`);
  const model = await saved(page, "save-model");
  await page.route(`**/${onnx.name}`, (route) => route.fulfill({ body: onnx.bytes }));
  const body = code.replace('"onnxruntime-web"', '"/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs"');
  await page.route("**/detect.js", (route) => route.fulfill({ contentType: "text/javascript", body }));
  const worst = await page.evaluate(
    async ({ model, size: { width, height } }) => {
      const from = (/** @type {string} */ name) => import(new URL(name, document.baseURI).href);
      const [{ detect }, { createSession }] = await Promise.all([from("detect.js"), from("autolink.js")]);
      const session = await createSession({ backend: "cpu" });
      await session.resume(new File([Uint8Array.from(atob(model), (letter) => letter.charCodeAt(0))], "model.safetensors"));
      let worst = 0;
      for (const name of ["0", "1", "2"]) {
        const photograph = await createImageBitmap(await (await fetch(new URL(`models/hands/${name}.jpg`, document.baseURI))).blob());
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const context = canvas.getContext("2d");
        if (!context) throw new Error("There is no canvas.");
        context.fillRect(0, 0, width, height);
        context.drawImage(photograph, 1, 1, width - 2, height - 2);
        const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
        const [theirs, ours] = [await detect(canvas), await session.detect(png)];
        if (theirs.length !== ours.keypoints.length) return Number.POSITIVE_INFINITY;
        theirs.forEach(({ x, y, confidence }, k) => {
          const [ourX, ourY] = ours.keypoints[k];
          worst = Math.max(worst, Math.abs(x / width - ourX), Math.abs(y / height - ourY), Math.abs(confidence - ours.confidence[k]));
        });
      }
      session.close();
      return worst;
    },
    { model: model.bytes.toString("base64"), size },
  );
  console.log(`largest difference ${worst.toExponential(1)}`);
  return worst;
}

test("onnxruntime-web finds the page's keypoints by the JavaScript that the page shows", async ({ page }) => {
  await open(page, FEW);
  await page.getByTestId("open-model").click();
  await expect(page.getByTestId("message")).toContainText("trained for");
  const code = await shownCode(page);
  expect(code).toContain("const SIZE = 64;");
  expect(code).toContain('["kp0","kp1","kp2","kp3","kp4","kp5","kp6","kp7","kp8","kp9","kp10","kp11"]');
  expect(await violations(page)).toEqual([]);
  expect(await difference(page, code, { width: 64, height: 64 })).toBeLessThan(TOLERANCE);
});

for (const { fit, size } of [
  { fit: "crop", size: { width: 48, height: 32 } },
  { fit: "pad", size: { width: 32, height: 24 } },
]) {
  test(`the code fits images to a square as a model with ${fit} does`, async ({ page }) => {
    await open(page, `${QUICK}&keypoints=5&fit=${fit}`);
    await page.getByTestId("step").click();
    await expect(page.getByTestId("step-count")).toHaveText("1");
    expect(await difference(page, await shownCode(page), size)).toBeLessThan(TOLERANCE);
  });
}

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
