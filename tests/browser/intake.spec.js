// Videos, cameras, drops and labels, with the engine running.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@playwright/test";
import AdmZip from "adm-zip";
import { QUICK, at, open, pictures, root } from "./helpers.js";

/** A video of `tests/data/videos` for a file input.
 * @param {string} name
 * @param {string} [called]
 */
async function video(name, called = path.basename(name)) {
  return { name: called, mimeType: "video/webm", buffer: await readFile(path.join(root, "tests/data/videos", name)) };
}

/** Presses a button that downloads a file and reads it without a download, because browsers stop a page after many downloads.
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
  const base64 = await page.evaluate(async () => {
    const reader = new FileReader();
    await new Promise((resolve) => ((reader.onload = resolve), reader.readAsDataURL(/** @type {any} */ (window).taken)));
    return `${reader.result}`.split(",")[1];
  });
  return Buffer.from(base64, "base64");
}

test("two videos of one name get two names in every export, and frames show their own images", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles(await video("cam1/video.webm"));
  await expect(id("message")).toHaveText("Detected keypoints in 20 frames.", { timeout: 300_000 });
  await id("annotate-files").setInputFiles(await video("cam2/video.webm"));
  await expect(id("message")).toHaveText("Detected keypoints in 40 frames.", { timeout: 300_000 });
  await expect(id("file-notes-files")).toContainText("one is called video (2).webm here and in exports");
  await expect(id("annotate-count")).toHaveText("60 images");
  // The same video under another name adds nothing, and the note gives its name in the project.
  await id("annotate-files").setInputFiles(await video("cam1/video.webm", "copy.webm"));
  await expect(id("file-notes-files")).toContainText("This video is already in the project, as video.webm.");
  await expect(id("annotate-count")).toHaveText("60 images");

  // The frames themselves, read while their blob addresses are valid.
  await id("with-images").check();
  const zip = new AdmZip(await taken(page, "export-cvat"));
  const images = zip.getEntries().filter(({ entryName }) => entryName.endsWith(".png"));
  expect(new Set(images.map(({ entryName }) => entryName)).size).toBe(60);
  const seen = await page.evaluate(
    async (files) => {
      const found = [];
      for (const { name, base64 } of files) {
        const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))]));
        const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(96, 64).getContext("2d"));
        context.drawImage(bitmap, 0, 0);
        const { data } = context.getImageData(0, 0, 96, 64);
        const drawn = Array.from({ length: 8 }, (_, bit) => (data[4 * (48 * 96 + bit * 12 + 6)] > 128 ? 1 : 0)).reduce(
          (/** @type {number} */ sum, bit) => 2 * sum + bit,
          0,
        );
        found.push({ name, drawn, isBlue: data[4 * (10 * 96 + 40) + 2] > data[4 * (10 * 96 + 40)] });
      }
      return found;
    },
    images.map((entry) => ({ name: entry.entryName, base64: entry.getData().toString("base64") })),
  );
  for (const { name, drawn, isBlue } of seen) {
    expect(Number(/img(\d+)\.png$/.exec(name)?.[1]), name).toBe(drawn);
    expect(isBlue, name).toBe(name.includes("video (2)/"));
  }

  const lines = `${await taken(page, "motion-csv")}`
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  for (const [name, count] of /** @type {[string, number][]} */ ([
    ["video.webm", 20],
    ["video (2).webm", 40],
  ])) {
    const frames = lines.filter(([video]) => video === name).map(([, frame]) => Number(frame));
    expect(frames, name).toEqual(Array.from({ length: count }, (_, i) => i));
  }
  await expect(page.locator("#motion-video option")).toHaveText(["video.webm", "video (2).webm"]);
});

test("three clicks place three landmarks during training", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles(pictures(3));
  await expect(id("annotate-count")).toHaveText("3 images");
  await id("annotate-layer").selectOption("landmarks");
  for (const name of ["tip", "wrist", "elbow"]) {
    await id("landmark-new").fill(name);
    await id("landmark-new").press("Enter");
    await expect(id("landmarks").getByTestId("landmark-name").last()).toHaveValue(name);
  }
  await id("tab-train").click();
  await id("play").click();
  await id("tab-annotate").click();
  await id("gallery-image").first().click();
  const box = await id("editor-canvas").boundingBox();
  if (!box) throw new Error("no canvas");
  for (const part of [0.4, 0.5, 0.6]) await page.mouse.click(box.x + part * box.width, box.y + part * box.height);
  await expect(id("editor-points").locator("button").filter({ hasText: "by hand" })).toHaveCount(3);
  await id("editor-close").click();
  for (let item = 0; item < 3; item++) await expect(id("landmarks").locator("li").nth(item)).toContainText("placed on 1 image");
});

test("labels dropped with images are imported after them, and Train rejects labels", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const files = pictures(3);
  const labels = {
    images: files.map(({ name }, id) => ({ id, file_name: name, width: 40, height: 30 })),
    annotations: files.map((_, id) => ({
      id,
      image_id: id,
      category_id: 1,
      keypoints: [12, 10, 2],
      num_keypoints: 1,
      bbox: [0, 0, 40, 30],
      area: 1,
      iscrowd: 0,
    })),
    categories: [{ id: 1, name: "disc", keypoints: ["middle"], skeleton: [] }],
  };
  const json = { name: "annotations.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(labels)) };
  await id("file-input").setInputFiles([...files, json]);
  await expect(id("images-count")).toHaveText("3");
  await expect(page.locator("#rejected-files")).toContainText("Open Annotate and drop this file there, together with its images");
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles([
    json,
    ...files,
    { name: "other.json", mimeType: "application/json", buffer: Buffer.from("{}") },
  ]);
  await expect(id("annotate-count")).toHaveText("3 images");
  await expect(id("landmarks").getByTestId("landmark-name")).toHaveValue("middle");
  await expect(id("landmarks").locator("li")).toContainText("placed on 3 images");
  await expect(id("file-notes-files")).toContainText("other.json");
});

/** Stubs two cameras: `window.camera` is the canvas, `window.unplug()` unplugs it, `window.asked` lists the requested cameras.
 * @param {import("@playwright/test").Page} page
 */
const stubCamera = (page) =>
  page.evaluate(() => {
    const test = /** @type {any} */ (window);
    test.asked = [];
    navigator.mediaDevices.enumerateDevices = async () =>
      /** @type {any} */ (["front", "back"].map((deviceId) => ({ kind: "videoinput", deviceId, label: `Camera ${deviceId}` })));
    navigator.mediaDevices.getUserMedia = async (/** @type {any} */ { video }) => {
      test.asked.push(video.deviceId?.ideal ?? "");
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const paint = setInterval(() => {
        context.fillStyle = `hsl(${performance.now() % 360} 80% 50%)`;
        context.fillRect(0, 0, canvas.width, canvas.height);
      }, 30);
      const stream = canvas.captureStream(30);
      test.camera = canvas;
      test.tell = (/** @type {string} */ what) => stream.getVideoTracks()[0].dispatchEvent(new Event(what));
      test.unplug = () => {
        clearInterval(paint);
        const [track] = stream.getVideoTracks();
        track.stop();
        track.dispatchEvent(new Event("ended"));
      };
      return stream;
    };
  });

test("camera recorder keeps recorded images when the camera is turned or unplugged", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await stubCamera(page);
  await id("open-record").click();
  await expect(id("record-camera")).toBeVisible();
  await id("record-camera").selectOption("back");
  await expect.poll(() => page.evaluate(() => /** @type {any} */ (window).asked)).toEqual(["", "back"]);
  await id("record-count").fill("500");
  await id("record-interval").selectOption("0.1");
  await id("record-start").click();
  const tiles = id("record").getByRole("button", { name: /^Remove camera/ });
  await expect.poll(() => tiles.count()).toBeGreaterThan(1);
  await page.evaluate(() => Object.assign(/** @type {any} */ (window).camera, { width: 48, height: 64 }));
  await expect(id("record-status")).toContainText("The camera was turned: images were 64 × 48 px, now they are 48 × 64 px.");
  // Read at once, because the next image changes the text.
  const [muted, unmuted] = await page.evaluate(() =>
    ["mute", "unmute"].map((what) => {
      /** @type {any} */ (window).tell(what);
      return document.querySelector("#record-status")?.textContent;
    }),
  );
  expect(muted).toContain("The camera sends no images. Close other programs that use it");
  expect(unmuted).toBe("");
  await page.evaluate(() => /** @type {any} */ (window).unplug());
  await expect(id("record-status")).toHaveText(
    /^The camera stopped: it was unplugged, or another program took it\. The \d+ images taken so far are still here\. Press Record to try again\.$/,
  );
  const count = await tiles.count();
  await expect(id("record-use")).toBeEnabled();
  // Recording continues with the chosen camera.
  await id("record-start").click();
  await expect.poll(() => tiles.count()).toBeGreaterThan(count);
  expect(await page.evaluate(() => /** @type {any} */ (window).asked.at(-1))).toBe("back");
  await id("record-start").click();
  await expect(id("record-use")).toBeEnabled();
  const all = await tiles.count();
  await id("record-use").click();
  await expect(id("images-count")).toHaveText(`${all}`);
});

test("live camera follows a turned camera and reports an unplugged one", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await stubCamera(page);
  await id("tab-annotate").click();
  await id("annotate-camera").click();
  const shape = () => id("camera").evaluate((/** @type {HTMLCanvasElement} */ canvas) => [canvas.width, canvas.height]);
  await expect.poll(shape).toEqual([64, 48]);
  await page.evaluate(() => Object.assign(/** @type {any} */ (window).camera, { width: 48, height: 64 }));
  await expect.poll(shape).toEqual([48, 64]);
  await expect(id("camera-readout")).toContainText("turned: now 48 × 64 px");
  await page.evaluate(() => /** @type {any} */ (window).unplug());
  await expect(id("message")).toHaveText("The camera stopped: it was unplugged, or another program took it.");
  await expect(id("camera")).toBeHidden();
  for (const [name, sentence] of [
    ["NotFoundError", "there is no camera"],
    ["NotReadableError", "another program uses it"],
    ["NotAllowedError", "the browser does not allow it"],
  ]) {
    await page.evaluate((name) => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", name))), name);
    await id("annotate-camera").click();
    await expect(id("message")).toContainText(`The camera cannot be used: ${sentence}`);
  }
});

test("page without https reports what is missing", async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, "isSecureContext", { get: () => false });
    Object.defineProperty(navigator, "mediaDevices", { get: () => undefined });
  });
  await open(page, QUICK);
  const id = at(page);
  await expect(id("link-note")).toContainText(
    "This page was not opened over HTTPS, so the browser gives it no camera, no GPU, no storage for runs and only one core",
  );
  await id("open-record").click();
  await expect(id("record-status")).toContainText("not opened over HTTPS");
});

test("dropped links and text are reported, and files dropped on the editor are added", async ({ page }) => {
  const errors = /** @type {string[]} */ ([]);
  page.on("pageerror", (error) => errors.push(error.message));
  await open(page, QUICK);
  const id = at(page);
  // The last message that the page shows by itself.
  await expect(id("message")).toContainText("or open a trained model");
  await id("tab-annotate").click();
  /** Drops something on an element. @param {string} target @param {Record<string, string>} data @param {[string, string][]} files Names and bytes in base64. */
  const drop = (target, data, files = []) =>
    page.evaluate(
      ({ target, data, files }) => {
        const transfer = new DataTransfer();
        for (const [type, text] of Object.entries(data)) transfer.setData(type, text);
        for (const [name, base64] of files)
          transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: "image/bmp" }));
        const element = /** @type {Element} */ (document.querySelector(target));
        return ["dragover", "drop"].map(
          (name) => !element.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: transfer })),
        );
      },
      { target, data, files },
    );
  expect(await drop("main", { "text/uri-list": "https://example.com/cat.jpg" }), "the browser does not follow it").toEqual([true, true]);
  await expect(id("message")).toContainText("Save the image first, then drop its file");
  await drop("main", { "text/plain": "hello" });
  await expect(id("message")).toContainText("This is text, not a file");
  expect(await drop("#project-name", { "text/plain": "hand" }), "fields take text").toEqual([false, false]);

  const files = pictures(4).map(({ name, buffer }) => /** @type {[string, string]} */ ([name, buffer.toString("base64")]));
  await drop("main", {}, files.slice(0, 2));
  await expect(id("annotate-count")).toHaveText("2 images");
  await id("gallery-image").first().click();
  const painted = () =>
    id("editor-canvas").evaluate(
      (/** @type {HTMLCanvasElement} */ canvas) => canvas.getContext("2d")?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[3],
    );
  await expect.poll(painted).toBe(255);
  const title = await page.locator("#editor-title").textContent();
  await drop("#editor", {}, files.slice(2));
  await expect(id("annotate-count")).toHaveText("4 images");
  await expect(id("editor")).toBeVisible();
  await expect(page.locator("#editor-title")).toHaveText(`${title}`.replace("of 2", "of 4"));
  expect(await painted()).toBe(255);
  await page.keyboard.press("PageDown");
  await expect(page.locator("#editor-title")).toContainText("(2 of 4)");
  await expect.poll(painted).toBe(255);
  expect(errors).toEqual([]);
});
