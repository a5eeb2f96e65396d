// Annotate: detecting, naming, labelling, correcting and exporting points.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import AdmZip from "adm-zip";
import { FEW, QUICK, at, bmp, grouped, movie, number, open, photographs, violations } from "./helpers.js";

/** Ten photographs of hands, then discs.
 * @param {number} count
 */
async function photographsAndDiscs(count) {
  const disc = (/** @type {number} */ i) =>
    bmp(80, 60, (x, y) => {
      const [cx, cy] = [20 + ((7 * i) % 40), 15 + ((5 * i) % 30)];
      return Math.hypot(x - cx, y - cy) < 12 ? [230, 20 * (i % 12), 60] : [60, 60 + x, 90];
    });
  const discs = Array.from({ length: count }, (_, i) => ({ name: `disc ${i}.bmp`, mimeType: "image/bmp", buffer: disc(i) }));
  return [...(await photographs(10)), ...discs].slice(0, count);
}

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

/** Presses a button that downloads a file and reads it without a download, because browsers stop a page after ten downloads.
 * @param {import("@playwright/test").Page} page
 * @param {string} button
 */
async function taken(page, button) {
  await page.evaluate(() => {
    const seen = /** @type {any} */ (window);
    seen.taken = null;
    URL.createObjectURL = (/** @type {any} */ file) => ((seen.taken = file), "blob:nothing");
    HTMLAnchorElement.prototype.click = () => {};
  });
  await page.getByTestId(button).click();
  await page.waitForFunction(() => /** @type {any} */ (window).taken);
  const [name, base64] = await page.evaluate(async () => {
    const { taken } = /** @type {any} */ (window);
    const reader = new FileReader();
    await new Promise((resolve) => ((reader.onload = resolve), reader.readAsDataURL(taken)));
    return [taken.name, `${reader.result}`.split(",")[1]];
  });
  return { name, bytes: Buffer.from(base64, "base64") };
}

test("annotate detects, names, labels and corrects points and exports every format", async ({ page }) => {
  await open(page, FEW);
  const id = at(page);
  // The first visit offers a trained model, which loads example images.
  await id("open-model").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(100);
  await expect(id("images-count")).toHaveText("10");
  await expect(id("message")).toContainText("Now drop in your own images");

  await id("tab-annotate").click();
  await expect(id("gallery")).toBeHidden();
  const files = await photographsAndDiscs(100);
  await id("annotate-files").setInputFiles([...files, { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") }]);
  await expect(id("annotate-count")).toHaveText("100 images");
  await expect(id("message")).toHaveText("Detected keypoints in 100 images.");
  await expect(id("file-notes-files")).toContainText("notes.txt");
  expect(await id("gallery-image").count(), "only those in sight exist").toBeLessThan(80);
  await expect
    .poll(() =>
      id("gallery-image")
        .first()
        .locator("canvas")
        .evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.width),
    )
    .toBeGreaterThan(100);

  // Names with quotes, commas and non-ASCII characters.
  const names = id("annotate-keypoints").getByTestId("keypoint-name");
  await names.nth(0).fill('Daumen, "links" ü');
  await names.nth(0).press("Enter");
  await names.nth(1).fill("手 #1");
  await names.nth(1).press("Enter");
  await expect(id("annotate-undo")).toBeEnabled();
  await names.nth(2).fill("手 #1");
  await names.nth(2).press("Enter");
  await expect(id("message")).toContainText('already called "手 #1"');
  await expect(names.nth(2)).toHaveValue("kp2");
  const edges = page.locator("#edges");
  await edges.locator("summary").click();
  await id("edge-slider").fill("5");
  await expect(edges.locator("output")).toHaveText("5");
  // Keypoints of a part share a colour; undone, each has its own again.
  const swatches = id("annotate-keypoints").locator("input[type=color]");
  const colors = async () => new Set(await swatches.evaluateAll((all) => all.map((one) => /** @type {HTMLInputElement} */ (one).value)));
  const whole = await colors();
  await id("parts").selectOption("2");
  await expect.poll(async () => (await colors()).size).toBe(2);
  await id("annotate-undo").click();
  await expect(id("parts")).toHaveValue("0");
  await expect.poll(colors).toEqual(whole);

  // Landmarks on five images, by mouse and keyboard.
  await id("annotate-layer").selectOption("landmarks");
  for (const name of ["tip", "wrist"]) {
    await id("landmark-new").fill(name);
    await id("landmark-new").press("Enter");
    await expect(id("landmarks").getByTestId("landmark-name").last()).toHaveValue(name);
  }
  const canvas = id("editor-canvas");
  const points = id("editor-points").locator("button");
  for (let picture = 0; picture < 5; picture++) {
    await id("label-next").click();
    await expect(id("editor")).toBeVisible();
    const box = await canvas.boundingBox();
    if (!box) throw new Error("no canvas");
    const place = [box.x + box.width * (0.45 + 0.02 * picture), box.y + box.height * (0.3 + 0.03 * picture)];
    await page.mouse.click(place[0], place[1]);
    await expect(points.nth(0)).toContainText("by hand");
    // The second landmark by keyboard: it starts in the middle or at its prediction.
    await expect(points.nth(1)).toHaveAttribute("aria-pressed", "true");
    for (let i = 0; i <= picture; i++) await page.keyboard.press("Shift+ArrowDown");
    await page.keyboard.press("ArrowLeft");
    await expect(points.nth(1)).toContainText("by hand");
    await id("editor-close").click();
    await expect(id("landmarks").locator("li").first()).toContainText(`placed on ${picture + 1} image`);
  }
  await expect(id("landmark-error").first()).toContainText("% of the image");
  await expect(id("landmarks-missing")).toBeEmpty();

  // A prediction is corrected by dragging.
  await id("annotate-order").selectOption("name");
  await id("gallery-image").nth(0).click();
  const placedBefore = await points.nth(0).textContent();
  if (placedBefore?.includes("by hand")) await id("editor-next").click();
  await expect(points.nth(0)).toContainText("predicted");
  const label = (await canvas.getAttribute("aria-label")) ?? "";
  expect(label).toMatch(/tip at [\d.]+, [\d.]+ px/);
  await canvas.focus();
  await page.keyboard.press("Enter");
  await expect(points.nth(0)).toContainText("by hand");
  await points.nth(0).click();
  const where = async () =>
    (await canvas.getAttribute("aria-label"))
      ?.match(/at ([\d.-]+), ([\d.-]+) px/)
      ?.slice(1)
      .map(Number) ?? [];
  const before = await where();
  const [box, size] = [await canvas.boundingBox(), await canvas.evaluate(() => [0])];
  if (!box || !size) throw new Error("no canvas");
  const sheet = label.startsWith("disc") ? [80, 60] : [100, 100];
  const scale = Math.min(box.width / sheet[0], box.height / sheet[1]);
  const left = box.x + (box.width - sheet[0] * scale) / 2;
  const top = box.y + (box.height - sheet[1] * scale) / 2;
  await page.mouse.move(left + before[0] * scale, top + before[1] * scale);
  await page.mouse.down();
  await page.mouse.move(left + 30 * scale, top + 20 * scale, { steps: 4 });
  await page.mouse.up();
  await expect.poll(async () => Math.hypot((await where())[0] - 30, (await where())[1] - 20)).toBeLessThan(1);
  await page.keyboard.press("Control+z");
  await expect.poll(async () => Math.hypot((await where())[0] - before[0], (await where())[1] - before[1])).toBeLessThan(0.2);
  await page.keyboard.press("Control+Shift+z");
  await expect.poll(async () => Math.hypot((await where())[0] - 30, (await where())[1] - 20)).toBeLessThan(1);
  // The buttons do the same as the keys.
  await id("editor-occluded").click();
  await expect(points.nth(0)).toContainText("by hand, occluded");
  await id("editor-reset-point").click();
  await expect(points.nth(0)).toContainText("predicted");
  await expect(id("editor-reset-point")).toBeDisabled();
  for (let i = 0; i < 2; i++) await page.keyboard.press("Control+z");
  await expect(points.nth(0)).toHaveText(/by hand$/);
  await page.keyboard.press("Escape");
  await expect(id("editor")).toBeHidden();
  await expect(id("landmarks").locator("li").first()).toContainText("placed on 6 images");

  // Each format is exported and read back.
  const coco = JSON.parse(`${(await downloaded(page, "export-coco")).bytes}`);
  expect(coco.categories[0].keypoints).toEqual(["tip", "wrist"]);
  expect(coco.images).toHaveLength(100);
  const annotations = coco.annotations.map((/** @type {{ keypoints: number[] }} */ { keypoints }) => keypoints);
  expect(
    annotations.some((/** @type {number[]} */ [x, y]) => Math.hypot(x - 30, y - 20) < 1.1),
    "the corrected point",
  ).toBe(true);
  await id("annotate-layer").selectOption("keypoints");
  const named = JSON.parse(`${(await downloaded(page, "export-coco")).bytes}`);
  expect(named.categories[0].keypoints.slice(0, 2)).toEqual(['Daumen, "links" ü', "手 #1"]);
  expect(named.categories[0].skeleton).toHaveLength(5);
  const formats = [
    "coco-cvat",
    "coco-deeplabcut",
    "deeplabcut",
    "deeplabcut-predictions",
    "sleap",
    "yolo",
    "cvat",
    "label-studio",
    "csv",
    "json",
    "edges",
    "svg",
  ];
  for (const format of formats) {
    const { name, bytes } = await taken(page, `export-${format}`);
    expect(bytes.length, name).toBeGreaterThan(100);
    const text = name.endsWith(".zip")
      ? new AdmZip(bytes)
          .getEntries()
          .map((entry) => entry.getData().toString())
          .join("\n")
      : `${bytes}`;
    // Some formats escape names.
    if (!["yolo", "svg"].includes(format)) expect(text, format).toMatch(/手 #1|\\u624b #1/);
  }
  await id("with-images").check();
  const overlays = new AdmZip((await taken(page, "export-png")).bytes);
  expect(overlays.getEntries()).toHaveLength(100);
  expect(overlays.getEntries()[0].getData().subarray(1, 4).toString()).toBe("PNG");
  const cvat = new AdmZip((await taken(page, "export-cvat")).bytes);
  expect(cvat.getEntries().filter((entry) => entry.entryName.startsWith("images/"))).toHaveLength(100);

  // Exported labels can be imported.
  await id("annotate-labels").setInputFiles({
    name: "labels.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(named)),
  });
  await expect(id("message")).toContainText("Labels for 100 images.");
  await expect(id("landmarks").getByTestId("landmark-name")).toHaveCount(14);
  await id("annotate-labels").setInputFiles({ name: "broken.json", mimeType: "application/json", buffer: Buffer.from('{"images": []}') });
  await expect(id("message")).toHaveClass(/is-error/);
  await expect(id("landmarks").getByTestId("landmark-name")).toHaveCount(14);

  const others = { ...named, images: named.images.map((/** @type {any} */ image) => ({ ...image, file_name: `other ${image.id}.png` })) };
  await id("annotate-labels").setInputFiles({
    name: "others.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(others)),
  });
  await expect(id("message")).toContainText("None of the 100 images in this file is in the project");
  await id("annotate-labels").setInputFiles({
    name: "few.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify({ images: named.images, annotations: named.annotations })),
  });
  await expect(id("message")).toHaveClass(/is-error/);
  await expect(id("message")).toContainText("categories");
  await expect(id("landmarks").getByTestId("landmark-name")).toHaveCount(14);

  // The model file contains the names.
  await id("tab-train").click();
  const model = await taken(page, "save-model");
  expect(model.bytes.subarray(0, 20_000).toString()).toContain("手 #1");
});

test("keypoint list recolours, hides, merges and reorders keypoints and shows their errors against labels", async ({ page }) => {
  await open(page, FEW);
  const id = at(page);
  await id("open-model").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(100);
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles((await photographsAndDiscs(10)).slice(0, 6));
  await expect(id("message")).toHaveText("Detected keypoints in 6 images.");

  const read = async () => JSON.parse(`${(await taken(page, "export-json")).bytes}`);
  const names = async () => (await read()).keypoints.map((/** @type {{ name: string }} */ { name }) => name);
  const before = await read();
  const all = await names();
  expect(all).toHaveLength(12);

  await page.locator("#keypoint-color-0").fill("#123456");
  await expect.poll(async () => (await read()).keypoints[0].color).toBe("#123456");
  await page.locator("#keypoint-shown-1").uncheck();
  await expect.poll(names).toEqual(all.filter((/** @type {string} */ name) => name !== all[1]));
  await page.locator("#keypoint-down-0").click();
  await expect.poll(names).toEqual([all[0], ...all.slice(2)]);
  await expect(id("annotate-keypoints").getByTestId("keypoint-name").first()).toHaveValue(all[1]);
  await page.locator("#keypoint-merge-3").selectOption({ label: `into ${all[2]}` });
  await expect.poll(names).toEqual([all[0], all[2], ...all.slice(4)]);
  const merged = await read();
  const [x, y] = [before.images[0].points[2], before.images[0].points[3]].map(({ x_px, y_px }) => [x_px, y_px]);
  expect(merged.images[0].points[1].x_px).toBeGreaterThanOrEqual(Math.min(x[0], y[0]));
  expect(merged.images[0].points[1].x_px).toBeLessThanOrEqual(Math.max(x[0], y[0]));
  for (let i = 0; i < 4; i++) await id("annotate-undo").click();
  await expect.poll(read).toEqual(before);

  // Imported as labels, each keypoint is compared with the landmark of its name; a landmark of another name has no error.
  await page.locator("#keypoint-name-0").fill("thumb");
  await page.locator("#keypoint-name-0").press("Enter");
  await expect.poll(names).toContain("thumb");
  await id("annotate-labels").setInputFiles({
    name: "labels.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(before)),
  });
  await expect(id("message")).toContainText("Labels for 6 images.");
  const notes = id("annotate-keypoints").getByTestId("keypoint-note");
  await expect(notes).toHaveCount(11);
  await expect(notes.first()).toContainText("0.0% of the image away from its landmark (mean position: ");
});

test("project keeps labels after a reload until their images are added again", async ({ page }) => {
  page.on("dialog", (dialog) => dialog.accept());
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  const files = await photographsAndDiscs(10);
  await id("annotate-files").setInputFiles(files);
  await expect(id("annotate-count")).toHaveText("10 images");
  await id("annotate-layer").selectOption("landmarks");
  await id("landmark-new").fill("tip");
  await id("landmark-new").press("Enter");
  await id("gallery-image").first().click();
  const box = await id("editor-canvas").boundingBox();
  if (!box) throw new Error("no canvas");
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await expect(id("editor-points").locator("button")).toContainText("by hand");
  await id("editor-close").click();
  await expect(id("project-saved")).toHaveText("Saved in this browser");
  const work = await kept(page);
  expect(work).toContain('"x_px"');

  await open(page, QUICK);
  await id("tab-annotate").click();
  // Labels wait for their images.
  await expect(id("annotate-missing")).toContainText("10 image files are missing");
  await expect(id("gallery-image").first()).toContainText("file missing");
  await id("annotate-layer").selectOption("landmarks");
  await expect(id("landmarks").locator("li")).toContainText("placed on 1 image");
  await id("annotate-files").setInputFiles(files);
  await expect(id("annotate-missing")).toBeEmpty();
  await expect(id("annotate-count")).toHaveText("10 images");
  await expect(id("annotate-labelled")).toHaveText("1 of 10 labelled");
  expect(await kept(page)).toBe(work);
  await id("annotate-clear").click();
  await expect(id("gallery")).toBeHidden();
  await id("project-undo-button").click();
  await expect(id("annotate-labelled")).toHaveText("1 of 10 labelled");
});

/** The newest save of the one stored project, as text.
 * @param {import("@playwright/test").Page} page
 */
const kept = (page) =>
  page.evaluate(async () => {
    const { Projects } = await import(new URL("/target/page/modules/state/projects.js", location.href).href);
    const projects = new Projects();
    const [{ id }] = await projects.list();
    return (await projects.states(id))[0].project.text();
  });

test("adding files of one name, unreadable files and stopping half way loses no image", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  const [first, second, third] = await photographsAndDiscs(20);
  await id("annotate-files").setInputFiles([
    { ...first, name: "same.jpg" },
    { ...second, name: "same.jpg" },
  ]);
  await expect(id("annotate-count")).toHaveText("2 images");
  await expect(id("file-notes-files")).toContainText("same (2).jpg");
  const zip = new AdmZip();
  zip.addFile("deep/er/a.jpg", third.buffer);
  zip.addFile("deep/notes.txt", Buffer.from("junk"));
  zip.addFile("__MACOSX/._a.jpg", Buffer.from("junk"));
  zip.addFile("deep/cut.png", Buffer.from("89504e470d0a1a0a", "hex"));
  await id("annotate-files").setInputFiles({ name: "set.zip", mimeType: "application/zip", buffer: zip.toBuffer() });
  await expect(id("annotate-count")).toHaveText("3 images");
  await expect(id("file-notes-files")).toContainText("cut.png");
  // An image in a zip can be opened.
  await id("gallery-image").nth(0).click();
  await expect
    .poll(() =>
      id("editor-canvas").evaluate(
        (/** @type {HTMLCanvasElement} */ canvas) =>
          canvas.getContext("2d")?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[3],
      ),
    )
    .toBe(255);
  await page.keyboard.press("Escape");
  await id("annotate-files").setInputFiles({ name: "empty.zip", mimeType: "application/zip", buffer: new AdmZip().toBuffer() });
  await expect(id("file-notes-files")).toContainText("empty.zip");
  await expect(id("annotate-count")).toHaveText("3 images");
  await id("annotate-clear").click();
  await expect(id("gallery")).toBeHidden();

  // After stopping half way, the images added so far stay.
  const many = await photographsAndDiscs(60);
  await page.evaluate(() => {
    // Pressed within the page at the first count, because a fast machine could finish before a click from here.
    const [count, cancel] = ["annotate-count", "annotate-cancel"].map(
      (id) => /** @type {HTMLElement} */ (document.querySelector(`[data-testid=${id}]`)),
    );
    const observer = new MutationObserver(() => {
      if (!/^[1-9][\d,]* images$/.test(count.textContent ?? "")) return;
      observer.disconnect();
      cancel.click();
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true, attributes: true });
  });
  await id("annotate-files").setInputFiles(
    Array.from({ length: 1500 }, (_, i) => ({ ...many[i % 60], name: `${i} ${many[i % 60].name}` })),
  );
  await expect(id("message")).toHaveText(/^Stopped: detected keypoints in \d+ images so far\.$/);
  const found = Number(/\d+/.exec((await id("message").textContent()) ?? "")?.[0]);
  expect(found).toBeLessThan(1500);
  await expect(id("annotate-count")).toHaveText(`${grouped(found)} images`);
});

test("video gives frames, motion chart and table; an undecodable video is reported", async ({ page }) => {
  page.on("dialog", (dialog) => dialog.accept());
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  const video = await movie(page);
  await id("annotate-files").setInputFiles([video, { name: "bad.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(5000, 7) }]);
  await expect(id("message")).toHaveText("Detected keypoints in 20 frames.");
  await expect(id("annotate-count")).toHaveText("20 images");
  await expect(id("file-notes-files")).toContainText("This browser cannot decode bad.mp4");
  await expect(id("gallery-image").first()).toContainText("walk/img000000.png");
  // The frames are the right ones: the disc moves.
  const disc = (/** @type {number} */ place) =>
    id("gallery-image")
      .nth(place)
      .locator("canvas")
      .evaluate((/** @type {HTMLCanvasElement} */ canvas) => {
        const { width, height } = canvas;
        const { data } = canvas.getContext("2d")?.getImageData(0, 0, width, height) ?? { data: [] };
        let [sum, count] = [0, 0];
        for (let i = 0; i < data.length; i += 4)
          if (data[i] > 200 && data[i + 1] > 120 && data[i + 2] < 110) (sum += (i / 4) % width), count++;
        return count > 50 ? sum / count / width : 0;
      });
  await expect.poll(() => disc(0)).toBeGreaterThan(0.1);
  await expect.poll(() => disc(10)).toBeGreaterThan(0.4);
  expect(await disc(0)).toBeLessThan(0.3);

  await expect(id("motion")).toBeVisible();
  await expect(id("motion-chart")).toHaveAttribute("aria-label", /Motion over 1\.9 s\. kp0 speed, px\/s: \d/);
  await id("motion-kind").selectOption("distance");
  await expect(id("motion-point-2")).toBeHidden();
  await id("motion-point-1").selectOption("2");
  await id("motion-add").click();
  await id("motion-smooth").check();
  await expect(id("motion-measures").locator("li")).toHaveCount(2);
  const { name, bytes } = await taken(page, "motion-csv");
  expect(name).toBe("motion.csv");
  const lines = `${bytes}`.trim().split("\n");
  expect(lines[0]).toBe('video,frame,seconds,"kp0 speed, px/s","kp0 to kp2, px"');
  expect(lines).toHaveLength(21);
  expect(lines[8]).toMatch(/^walk\.webm,7,0\.70\d*,[\d.]+,[\d.]+$/);
  const predictions = `${(await taken(page, "export-deeplabcut-predictions")).bytes}`;
  expect(predictions.trim().split("\n")).toHaveLength(23);
  await id("with-images").check();
  const labels = new AdmZip((await taken(page, "export-deeplabcut")).bytes);
  const frames = labels.getEntries().filter(({ entryName }) => entryName.endsWith(".png"));
  expect(frames).toHaveLength(20);
  expect(frames[3].getData().subarray(1, 4).toString()).toBe("PNG");

  await id("annotate-clear").click();
  await id("annotate-every").selectOption("5");
  await id("annotate-files").setInputFiles(video);
  await expect(id("annotate-count")).toHaveText("4 images");
  await expect(id("gallery-image").last()).toContainText("img000015");
});

test("video element gives the frames without WebCodecs", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  const video = await movie(page);
  await page.evaluate(() => Reflect.deleteProperty(globalThis, "VideoDecoder"));
  await id("annotate-every").selectOption("10");
  await id("annotate-files").setInputFiles(video);
  await expect(id("message")).toHaveText("Detected keypoints in 2 frames.");
});

test("camera shows live keypoints and stops", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  await id("annotate-camera").click();
  await expect(id("camera-readout")).toHaveText(/[1-9]\d* images\/s, \d+ ms behind/);
  const shown = () => id("camera").evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL().length);
  const first = await shown();
  await expect.poll(shown).not.toBe(first);
  await id("annotate-camera").click();
  await expect(id("camera")).toBeHidden();
  await page.evaluate(() => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
  await id("annotate-camera").click();
  await expect(id("message")).toHaveText(
    "The camera cannot be used: the browser does not allow it. Allow the camera for this page, then try again.",
  );
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`axe reports no violations in Annotate, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await open(page, QUICK);
    const id = at(page);
    const check = async (/** @type {string} */ what) => expect(await violations(page), what).toEqual([]);
    await id("tab-annotate").click();
    await check("an empty project");
    await id("annotate-training").click();
    await expect(id("annotate-count")).toHaveText("40 images");
    await check("keypoints");
    await id("annotate-layer").selectOption("landmarks");
    await id("landmark-new").fill("tip");
    await id("landmark-new").press("Enter");
    await expect(id("landmarks").locator("li")).toHaveCount(1);
    await check("landmarks");
    await id("gallery-image").first().click();
    await check("editor");
  });
}
