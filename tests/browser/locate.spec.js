// From a video of a still camera to a skeleton and its tracks, clicking only what the page proposes.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { QUICK, at, number, open, playTo, violations } from "./helpers.js";

const FRAMES = 120;
const [WIDTH, HEIGHT] = [240, 180];

/** Where the puppet of {@link walk} is in a frame, px, and where its head points, radians clockwise from the x axis.
 * @param {number} frame
 */
function puppet(frame) {
  const t = (4 * Math.PI * frame) / FRAMES;
  return {
    x: 120 + 70 * Math.cos(t),
    y: 90 + 45 * Math.sin(t),
    heading: Math.atan2(45 * Math.cos(t), -70 * Math.sin(t)),
  };
}

/** A video of a puppet that walks twice around on a textured floor, encoded by the browser, with frame times that vary.
 * @param {import("@playwright/test").Page} page
 */
async function walk(page) {
  const places = Array.from({ length: FRAMES }, (_, i) => puppet(i));
  const base64 = await page.evaluate(
    async ({ places, width, height, times }) => {
      const { BufferTarget, CanvasSource, Output, WebMOutputFormat } = await import(
        new URL("/target/page/modules/mediabunny.js", location.href).href
      );
      const canvas = new OffscreenCanvas(width, height);
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const output = new Output({ format: new WebMOutputFormat(), target: new BufferTarget() });
      const source = new CanvasSource(canvas, { codec: "vp8", bitrate: 4e6 });
      output.addVideoTrack(source);
      await output.start();
      for (const [i, { x, y, heading }] of places.entries()) {
        for (let row = 0; row < height; row += 6)
          for (let column = 0; column < width; column += 6) {
            const light = 130 + (((column * 7919 + row * 104729) >>> 3) % 60);
            context.fillStyle = `rgb(${light} ${light + 8} ${light - 8})`;
            context.fillRect(column, row, 6, 6);
          }
        context.save();
        context.translate(x, y);
        context.rotate(heading);
        context.fillStyle = "#201c1a";
        context.fillRect(-44, -1, 30, 2.4);
        context.beginPath();
        context.ellipse(0, 0, 20, 8, 0, 0, 7);
        context.fill();
        context.restore();
        await source.add(times[i], times[i + 1] - times[i]);
      }
      await output.finalize();
      const reader = new FileReader();
      await new Promise((resolve) => ((reader.onload = resolve), reader.readAsDataURL(new Blob([output.target.buffer]))));
      return `${reader.result}`.split(",")[1];
    },
    { places, width: WIDTH, height: HEIGHT, times: TIMES },
  );
  return { name: "walk.webm", mimeType: "video/webm", buffer: Buffer.from(base64, "base64") };
}

/** Starts of the frames, s: every third one lasts twice as long. The last number is the end. */
const TIMES = Array.from({ length: FRAMES + 1 }, (_, i) => (i + Math.floor(i / 3)) / 40);

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

test("a dropped video becomes crops, a model, a DeepLabCut table and an annotated video", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const video = await walk(page);
  await id("file-input").setInputFiles(video);
  await expect(id("locate")).toContainText("A still camera and one moving thing: crop to it?");
  await expect(id("locate").locator("canvas")).toHaveCount(8);
  await expect(id("locate")).toContainText("turned so that the arrow points up");
  expect(await violations(page)).toEqual([]);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/proposed.png`, fullPage: true });
  await id("locate-count").fill("40");
  await id("locate-use").click();
  await expect(id("images-count")).toHaveText("40");
  await expect(id("message")).toContainText("Found the animal in walk.webm: the model sees crops of ");
  await expect(id("message")).toContainText("turned so that the head is up.");
  await expect(id("message")).toContainText("40 frames that differ were chosen.");
  await playTo(page, 20);

  await id("tab-annotate").click();
  await id("annotate-every").selectOption("1");
  await id("annotate-files").setInputFiles(video);
  await expect(id("message")).toHaveText(`Detected keypoints in ${FRAMES} frames.`, { timeout: 240_000 });
  await expect(id("file-notes-files")).toContainText("Found the animal in walk.webm");
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/annotated.png`, fullPage: true });

  // Crops lie on the puppet, and turn with it.
  const { images } = JSON.parse(`${(await downloaded(page, "export-json")).bytes}`);
  expect(images.length).toBe(FRAMES);
  for (const { frame, crop, points } of images) {
    const { x, y, heading } = puppet(frame);
    expect(Math.hypot(crop.centre_px[0] - x, crop.centre_px[1] - y), `frame ${frame}`).toBeLessThan(8);
    const up = [Math.sin(crop.angle_radians), -Math.cos(crop.angle_radians)];
    expect(up[0] * Math.cos(heading) + up[1] * Math.sin(heading), `frame ${frame}: the head is up`).toBeGreaterThan(0.9);
    const reach = crop.side_px * Math.SQRT1_2;
    for (const { x_px, y_px } of points)
      expect(Math.hypot(x_px - crop.centre_px[0], y_px - crop.centre_px[1]), `frame ${frame}`).toBeLessThan(reach);
  }

  // The table has the same numbers, in px of the frame.
  const table = await downloaded(page, "export-deeplabcut-predictions");
  const rows = `${table.bytes}`.trim().split("\n").slice(3);
  expect(rows.length).toBe(FRAMES);
  for (const row of rows) {
    const [frame, ...values] = row.split(",").map(Number);
    const { points } = images.find((/** @type {any} */ image) => image.frame === frame);
    points.forEach((/** @type {any} */ { x_px, y_px }, /** @type {number} */ k) => {
      expect(values[3 * k]).toBeCloseTo(x_px, 2);
      expect(values[3 * k + 1]).toBeCloseTo(y_px, 2);
    });
  }

  // The video has the frames and times of the source, and its size.
  const written = await downloaded(page, "export-video");
  expect(written.name).toMatch(/^walk\.annotated\.(mp4|webm)$/);
  const found = await page.evaluate(
    async ({ name, base64 }) => {
      const { openVideo } = await import(new URL("/target/page/modules/annotate/video.js", location.href).href);
      const video = await openVideo(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
      const frames = [];
      for await (const { seconds, width, height, pixels } of video.frames(1)) {
        // Keypoints and edges are brighter, or of stronger colour, than floor and puppet.
        let bright = 0;
        for (let i = 0; i < pixels.length; i += 4) if (Math.max(pixels[i], pixels[i + 1], pixels[i + 2]) > 225) bright += 1;
        frames.push({ seconds, width, height, bright });
      }
      video.close();
      return frames;
    },
    { name: written.name, base64: written.bytes.toString("base64") },
  );
  expect(found.length).toBe(FRAMES);
  found.forEach(({ seconds, width, height, bright }, i) => {
    expect([width, height]).toEqual([WIDTH, HEIGHT]);
    expect(Math.abs(seconds - TIMES[i]), `frame ${i}`).toBeLessThan(0.0011);
    expect(bright, `frame ${i}: a skeleton is drawn`).toBeGreaterThan(20);
  });
  if (process.env.SHOTS) {
    const { writeFile } = await import("node:fs/promises");
    await writeFile(`${process.env.SHOTS}/${written.name}`, written.bytes);
  }
});

test("a person may say no, and whole images forget that a model was trained on crops", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const video = await walk(page);
  await id("file-input").setInputFiles(video);
  await id("locate-use").click();
  await expect(id("images-count")).not.toHaveText("40");
  await expect(id("message")).toContainText("Found the animal");
  expect(await number(id("images-count"))).toBeGreaterThan(100);

  await id("file-input").setInputFiles(video);
  await id("locate-decline").click();
  await expect(id("locate")).toHaveCount(0);
  await id("frames-every").fill("4");
  await id("frames-take").click();
  // Whole frames take the place of the crops.
  await expect(id("images-count")).toHaveText("30");
  await playTo(page, 2);
  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles(video);
  await expect(id("message")).toContainText("Detected keypoints in");
  await expect(id("file-notes-files")).not.toContainText("Found the animal");
});
