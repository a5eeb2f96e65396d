// Projects: labels belong to the content of images and are not lost or mixed up.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { QUICK, at, bmp, number, open } from "./helpers.js";

/** Images of the same names, with other content for each `shade`.
 * @param {number} shade
 * @param {number} count
 */
const images = (shade, count = 6) =>
  Array.from({ length: count }, (_, index) => ({
    name: `img_${index}.bmp`,
    mimeType: "image/bmp",
    buffer: bmp(40, 30, (x, y) => (Math.hypot(x - 10 - 3 * index, y - 12) < 8 ? [220, shade, 40] : [60, 60, shade])),
  }));

/** Presses a button that downloads a file.
 * @param {import("@playwright/test").Page} page
 * @param {string} button
 */
async function downloaded(page, button) {
  const download = page.waitForEvent("download");
  await page.getByTestId(button).click();
  const file = await download;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

/** Opens the page with some images in the project.
 * @param {import("@playwright/test").Page} page
 * @param {ReturnType<typeof images>} files
 */
async function annotating(page, files) {
  await open(page, QUICK);
  await page.getByTestId("tab-annotate").click();
  await page.getByTestId("annotate-files").setInputFiles(files);
  await expect(page.getByTestId("message")).toHaveText(`Detected keypoints in ${files.length} images.`);
}

/** Adds a landmark.
 * @param {import("@playwright/test").Page} page
 * @param {string} name
 */
async function landmark(page, name) {
  const id = at(page);
  await id("annotate-layer").selectOption("landmarks");
  await id("landmark-new").fill(name);
  await id("landmark-new").press("Enter");
  await expect(id("landmarks").getByTestId("landmark-name").last()).toHaveValue(name);
}

/** Places the missing landmark in the middle of an image.
 * @param {import("@playwright/test").Page} page
 * @param {string} name
 */
async function label(page, name) {
  const id = at(page);
  await id("gallery-image").filter({ hasText: name }).click();
  const box = await id("editor-canvas").boundingBox();
  if (!box) throw new Error("no canvas");
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await expect(id("editor-points").locator("button").first()).toContainText("by hand");
  await id("editor-close").click();
}

const saved = "Saved in this browser";

test("images of the same names but other content get no labels", async ({ page }) => {
  await annotating(page, images(20));
  const id = at(page);
  await landmark(page, "tip");
  for (const name of ["img_0", "img_1", "img_2"]) await label(page, name);
  await expect(id("annotate-labelled")).toHaveText("3 of 6 labelled");
  await expect(id("project-saved")).toHaveText(saved);

  await open(page, QUICK);
  await id("tab-annotate").click();
  await expect(id("annotate-missing")).toContainText("6 image files are missing");
  await id("annotate-files").setInputFiles(images(90));
  await expect(id("file-notes-files")).toContainText("img_0 (2).bmp");
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("annotate-labelled")).toHaveText("3 of 12 labelled");
  for (let i = 0; i < 6; i++) await expect(id("gallery-image").filter({ hasText: `img_${i} (2).bmp` })).not.toContainText("by hand");
  // A new project is empty, and the other one stays.
  await id("project-new").click();
  await expect(id("annotate-empty")).toBeVisible();
  await id("annotate-files").setInputFiles(images(90));
  await expect(id("annotate-count")).toHaveText("6 images");
  await landmark(page, "end");
  await expect(id("project-saved")).toHaveText(saved);
  await page.locator("#projects summary").click();
  await expect(id("project-list").locator("li")).toHaveCount(2);
  await expect(id("project-list")).toContainText(/12 images, 3 labelled/);
  await id("project-list").locator("li").filter({ hasText: "12 images" }).getByTestId("project-open").click();
  await expect(id("annotate-labelled")).toHaveText("3 of 12 labelled");
});

test("second tab reports a locked project, opens a copy, and takes over", async ({ page, context }) => {
  await annotating(page, images(20));
  await landmark(page, "tip");
  await label(page, "img_0");
  await expect(at(page)("project-saved")).toHaveText(saved);

  const second = await context.newPage();
  await open(second, QUICK);
  const id = at(second);
  await id("tab-annotate").click();
  await expect(id("project-busy")).toContainText("“Project 1” is open in another tab.");
  await expect(id("annotate-empty")).toBeVisible();
  // Edits of the first tab are there when it is closed.
  await label(page, "img_1");
  await expect(at(page)("project-saved")).toHaveText(saved);
  await page.close();
  await expect(id("project-name")).toHaveValue("Project 1");
  await expect(id("project-busy")).toBeHidden();
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("annotate-labelled")).toHaveText("2 of 6 labelled");

  const third = await context.newPage();
  await open(third, QUICK);
  await at(third)("tab-annotate").click();
  await at(third)("project-copy").click();
  await expect(at(third)("project-name")).toHaveValue("Project 1 (copy)");
  await landmark(third, "of the copy");
  await expect(at(third)("project-saved")).toHaveText(saved);
  await landmark(second, "of the first");
  await expect(id("project-saved")).toHaveText(saved);
  await third.close();
  await second.reload();
  await expect(second.getByTestId("images-count")).toHaveText("40");
  await second.locator("#projects summary").click();
  await expect(id("project-list").locator("li")).toHaveCount(2);
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("landmarks").getByTestId("landmark-name").last()).toHaveValue("of the first");
});

test("project can be saved to a file, renamed, deleted, restored and opened", async ({ page }) => {
  await annotating(page, images(20));
  const id = at(page);
  await landmark(page, "tip");
  await label(page, "img_3");
  await id("project-name").fill("Hands: left/right");
  await id("project-name").press("Enter");
  await expect(id("project-saved")).toHaveText(saved);
  const file = await downloaded(page, "project-save");
  expect(file.name).toBe("Hands left right.autolink-project.json");
  const project = JSON.parse(`${file.bytes}`);
  expect(project.images).toHaveLength(6);
  expect(project.images[3].content).toMatch(/^[0-9a-f]{32}$/);

  await page.locator("#projects summary").click();
  await id("project-delete").click();
  await expect(id("project-undo")).toContainText("Deleted “Hands: left/right”.");
  await expect(id("annotate-empty")).toBeVisible();
  await id("project-undo-button").click();
  await expect(id("project-name")).toHaveValue("Hands: left/right");
  await expect(id("annotate-missing")).toContainText("6 image files are missing");

  await id("project-delete").click();
  await expect(id("project-undo-button")).toBeVisible();
  await page.reload();
  await expect(page.getByTestId("images-count")).toHaveText("40");
  await expect(page.locator("#projects")).toBeHidden();
  await id("project-file").setInputFiles({ name: file.name, mimeType: "application/json", buffer: file.bytes });
  await expect(id("project-name")).toHaveValue("Hands: left/right");
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("annotate-labelled")).toHaveText("1 of 6 labelled");
  // Labels are found under any file name.
  await id("annotate-files").setInputFiles(images(20).map((image) => ({ ...image, name: `renamed ${image.name}` })));
  await expect(id("annotate-missing")).toBeEmpty();
  await expect(id("gallery-image").filter({ hasText: "img_3" })).toContainText("1 by hand");
  await id("project-file").setInputFiles({ name: "bad.autolink-project.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await expect(id("message")).toContainText("not a saved project");
  await expect(id("annotate-labelled")).toHaveText("1 of 6 labelled");
});

test("edits during deletion do not restore a project", async ({ page }) => {
  await annotating(page, images(20));
  const id = at(page);
  await landmark(page, "tip");
  await label(page, "img_3");
  await expect(id("project-saved")).toHaveText(saved);
  // A slow disk: a save is due (after 0.5 s) before the files of the project are deleted.
  await page.evaluate(() => {
    const { removeEntry } = FileSystemDirectoryHandle.prototype;
    FileSystemDirectoryHandle.prototype.removeEntry = async function (name) {
      await new Promise((resolve) => setTimeout(resolve, 3000));
      return removeEntry.call(this, name);
    };
  });
  await page.locator("#projects summary").click();
  await id("project-delete").click();
  await id("annotate-undo").click();
  await expect(id("project-undo-button")).toBeVisible();
  await page.waitForTimeout(1500); // a due save would have happened
  await page.reload();
  await expect(page.getByTestId("images-count")).toHaveText("40");
  await expect(id("annotate-empty")).toBeVisible();
  await expect(page.locator("#projects")).toBeHidden();
});

test("training keeps the project and offers Detect again", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  await id("annotate-training").click();
  await expect(id("annotate-count")).toHaveText("40 images");
  await landmark(page, "tip");
  await label(page, "puppet-7.png");
  await expect(id("annotate-again")).toBeHidden();
  await id("tab-train").click();
  await id("step").click();
  await expect.poll(() => number(id("step-count"))).toBe(1);
  await id("tab-annotate").click();
  await expect(id("annotate-again")).toContainText("Keypoints in 40 images were detected at step 0. The model is at step 1.");
  await id("annotate-files").setInputFiles(images(20, 1));
  await expect(id("annotate-count")).toHaveText("41 images");
  await expect(id("annotate-labelled")).toHaveText("1 of 41 labelled");
  await id("annotate-detect-again").click();
  await expect(id("annotate-again")).toBeHidden();
  await expect(id("annotate-labelled")).toHaveText("1 of 41 labelled");
  await id("annotate-undo").click();
  await expect(id("annotate-labelled")).toHaveText("0 of 41 labelled");
});

test("keypoint names belong to their run", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("step").click();
  await expect.poll(() => number(id("step-count"))).toBe(1);
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles(images(20, 2));
  await expect(id("annotate-count")).toHaveText("2 images");
  const name = id("annotate-keypoints").getByTestId("keypoint-name").first();
  await name.fill("nose");
  await name.press("Enter");
  await expect(id("annotate-undo")).toBeEnabled();
  await id("tab-train").click();
  const model = await downloaded(page, "save-model");
  await id("reset").click();
  await expect.poll(() => number(id("step-count"))).toBe(0);
  await id("tab-annotate").click();
  await expect(id("annotate-again")).toContainText("of another run");
  await id("annotate-detect-again").click();
  await expect(name).toHaveValue("kp0");
  await id("tab-train").click();
  await page.locator("#model-file").setInputFiles({ name: model.name, mimeType: "application/octet-stream", buffer: model.bytes });
  await expect(id("message")).toContainText("Opened");
  await id("tab-annotate").click();
  await expect(name).toHaveValue("nose");
});

test("gallery removes and filters images, and editor marks points absent", async ({ page }) => {
  await annotating(page, images(20));
  const id = at(page);
  await landmark(page, "tip");
  await label(page, "img_0");
  await id("gallery-image").filter({ hasText: "img_1" }).click();
  await id("editor-absent").click();
  await expect(id("editor-points").locator("button").first()).toContainText("absent");
  await id("editor-close").click();
  await expect(id("annotate-labelled")).toHaveText("2 of 6 labelled");
  const coco = JSON.parse(`${(await downloaded(page, "export-coco")).bytes}`);
  expect(
    coco.annotations
      .map((/** @type {any} */ { num_keypoints }) => num_keypoints)
      .reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0),
  ).toBe(1);

  await id("annotate-filter").selectOption("unlabelled");
  await expect(id("gallery-image")).toHaveCount(4);
  await id("annotate-filter").selectOption("corrected");
  await expect(id("gallery-image")).toHaveCount(2);
  await id("annotate-filter").selectOption("unsure");
  await expect.poll(() => id("gallery-image").count()).toBeGreaterThan(0);
  expect(await id("gallery-image").count()).toBeLessThan(6);
  await id("annotate-filter").selectOption("all");

  await id("gallery-remove").first().click();
  await expect(id("project-undo")).toContainText("Removed img_0.bmp.");
  await expect(id("annotate-labelled")).toHaveText("1 of 5 labelled");
  await id("project-undo-button").click();
  await expect(id("annotate-labelled")).toHaveText("2 of 6 labelled");

  // Without the landmark the images are unlabelled.
  await page.locator("#landmark-remove-0").click();
  await expect(id("annotate-labelled")).toHaveText("0 of 6 labelled");
  await id("annotate-undo").click();
  await expect(id("annotate-labelled")).toHaveText("2 of 6 labelled");
});

test("labels of an earlier version wait until they are attached", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await page.evaluate(async () => {
    const point = { x_px: 5, y_px: 6, confidence: 1, visibility: "visible", corrected: true };
    const keypoints = Array.from({ length: 12 }, (_, k) => ({ name: `old ${k}`, color: "#112233", hidden: false, sources: [k] }));
    const work = {
      category: "hand",
      table: { keypoints, edges: [] },
      corrected: {},
      landmarks: [{ name: "tip", color: "#112233" }],
      placed: { "img_2.bmp": [point] },
    };
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs", { create: true });
    const writable = await (await folder.getFileHandle("work.json", { create: true })).createWritable();
    await writable.write(JSON.stringify(work));
    await writable.close();
  });
  await open(page, QUICK);
  await id("tab-annotate").click();
  await expect(id("project-name")).toHaveValue("Earlier work");
  await expect(id("annotate-waiting")).toContainText("The labels of 1 image come from an earlier version");
  await expect(id("annotate-attach")).toBeDisabled();
  await id("annotate-files").setInputFiles(images(20));
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("annotate-labelled")).toHaveText("0 of 6 labelled");
  await id("annotate-attach").click();
  await expect(id("annotate-labelled")).toHaveText("1 of 6 labelled");
  await expect(id("annotate-waiting")).toBeHidden();
});
