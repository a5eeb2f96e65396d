// Videos, bitmaps, drops and the editor: correct numbers and names, and no lost edits.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@playwright/test";
import { root } from "./helpers.js";

const folder = path.join(root, "tests/data/videos");

/** A video of `tests/data/videos` for a file input.
 * @param {string} name
 * @param {string} [called]
 */
async function video(name, called = path.basename(name)) {
  return { name: called, mimeType: "video/webm", buffer: await readFile(path.join(folder, name)) };
}

/** An empty page of this origin for tests of single modules.
 * @param {import("@playwright/test").Page} page
 */
const nothing = (page) => page.goto("isolate.js");

/** All frames of a video as the module reads them: number, time, and the number drawn in the frame; and the frames that `image` returns.
 * @param {import("@playwright/test").Page} page
 * @param {{ name: string, buffer: Buffer }} file
 */
const framesOf = (page, { name, buffer }) =>
  page.evaluate(
    async ({ name, base64 }) => {
      const { openVideo } = await import(new URL("/target/page/modules/annotate/video.js", location.href).href);
      const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: "video/webm" });
      const drawn = (/** @type {Uint8ClampedArray | Uint8Array} */ rgba) =>
        Array.from({ length: 8 }, (_, bit) => (rgba[4 * (48 * 96 + bit * 12 + 6)] > 128 ? 1 : 0)).reduce(
          (/** @type {number} */ sum, bit) => 2 * sum + bit,
          0,
        );
      const video = await openVideo(file);
      const frames = [];
      let failed = "";
      try {
        for await (const { frame, seconds, pixels } of video.frames(1)) frames.push({ frame, seconds, drawn: drawn(pixels) });
      } catch (error) {
        failed = `${error}`;
      }
      // In random order.
      const pictures = [];
      for (const { frame, seconds } of [...frames].sort((a, b) => ((a.frame * 7) % 11) - ((b.frame * 7) % 11) || b.frame - a.frame)) {
        const bitmap = await createImageBitmap(await video.image(seconds));
        const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(96, 64).getContext("2d"));
        context.drawImage(bitmap, 0, 0);
        pictures.push([frame, drawn(context.getImageData(0, 0, 96, 64).data)]);
      }
      const every = [];
      for await (const { frame } of video.stills(7, 32)) every.push(frame);
      const { count, duration, rate, guessed } = video;
      video.close();
      return { frames, pictures, every, count, duration, rate, guessed, failed };
    },
    { name, base64: buffer.toString("base64") },
  );

for (const without of ["", "VideoDecoder"]) {
  test(`frames have the numbers and times of the file, ${without ? `without ${without}` : "with WebCodecs"}`, async ({ page }) => {
    await nothing(page);
    if (without) await page.evaluate((name) => Reflect.deleteProperty(globalThis, name), without);
    const up = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);
    for (const [name, count, rate, first] of /** @type {[string, number, number, number][]} */ ([
      ["sixty.webm", 120, 60, 0],
      ["no-duration.webm", 50, 25, 0],
      ["late.webm", 20, 10, 3],
      ["cam2/video.webm", 40, 10, 0],
    ])) {
      const found = await framesOf(page, await video(name));
      expect(found.failed, name).toBe("");
      expect(
        found.frames.map(({ frame }) => frame),
        name,
      ).toEqual(up(count));
      expect(
        found.frames.map(({ drawn }) => drawn),
        `${name}: each frame shows its own image`,
      ).toEqual(up(count));
      expect(
        found.pictures.filter(([frame, drawn]) => frame !== drawn),
        `${name}: frames found by time`,
      ).toEqual([]);
      expect(found.every, name).toEqual(up(count).filter((frame) => frame % 7 === 0));
      found.frames.forEach(({ frame, seconds }) =>
        expect(Math.abs(seconds - first - frame / rate), `${name} ${frame}`).toBeLessThan(0.0011),
      );
      expect(found.count).toBe(count);
      expect(found.duration, name).toBeCloseTo(first + count / rate, 1);
      expect(found.guessed).toBe("");
    }
    // With a variable rate, frames are numbered as they occur.
    const taken = up(60).filter((n) => n % 7 === 0 || n % 5 === 0);
    const varying = await framesOf(page, await video("varying.webm"));
    expect(varying.frames.map(({ frame }) => frame)).toEqual(up(taken.length));
    expect(varying.frames.map(({ drawn }) => drawn)).toEqual(taken);
    varying.frames.forEach(({ seconds }, i) => expect(Math.abs(seconds - taken[i] / 30)).toBeLessThan(0.0011));
    await expect(framesOf(page, await video("sound.webm"))).rejects.toThrow("sound.webm has sound but no frames. Choose another file.");
    await expect(framesOf(page, await video("cut-off.webm"))).rejects.toThrow(
      "cut-off.webm has no readable frames. The file may be cut off: copy it again.",
    );
    await expect(framesOf(page, { name: "bad.mp4", buffer: Buffer.alloc(5000, 7) })).rejects.toThrow(
      "This browser cannot decode bad.mp4. Convert it to MP4",
    );
  });
}

for (const without of ["", "VideoDecoder"]) {
  test(`a phone's video is read as it is shown, ${without ? `without ${without}` : "with WebCodecs"}`, async ({ page }) => {
    await nothing(page);
    if (without) await page.evaluate((name) => Reflect.deleteProperty(globalThis, name), without);
    const { buffer } = await video("turned.mp4");
    const found = await page.evaluate(async (base64) => {
      const { openVideo } = await import(new URL("/target/page/modules/annotate/video.js", location.href).href);
      const video = await openVideo(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], "turned.mp4", { type: "video/mp4" }));
      const frames = [];
      for await (const { frame, seconds, width, height, pixels } of video.frames(1)) {
        // The fields of the number stand in the right half, the highest bit at the bottom.
        const bits = Array.from({ length: 8 }, (_, bit) => (pixels[4 * ((bit * 12 + 6) * width + 48)] > 128 ? 1 << bit : 0));
        frames.push({
          frame,
          seconds: Math.round(seconds * 10) / 10,
          size: [width, height],
          drawn: bits.reduce((sum, bit) => sum + bit, 0),
        });
      }
      video.close();
      return frames;
    }, buffer.toString("base64"));
    // It is turned by a quarter, and its edit list cuts the first 5 of 20 frames off.
    expect(found).toEqual(Array.from({ length: 15 }, (_, i) => ({ frame: i, seconds: i / 10, size: [64, 96], drawn: i + 5 })));
  });
}

test("unknown frame times are estimated and reported", async ({ page }) => {
  await nothing(page);
  const { buffer } = await video("no-duration.webm");
  const found = await page.evaluate(async (base64) => {
    Reflect.deleteProperty(globalThis, "VideoDecoder");
    const { Input } = await import(new URL("/target/page/modules/mediabunny.js", location.href).href);
    Input.prototype.getPrimaryVideoTrack = () => Promise.reject(new Error("unknown"));
    const { openVideo } = await import(new URL("/target/page/modules/annotate/video.js", location.href).href);
    const video = await openVideo(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], "clip.webm"));
    const frames = [];
    for await (const { frame } of video.frames(1)) frames.push(frame);
    return { frames, guessed: video.guessed };
  }, buffer.toString("base64"));
  // Browsers report the end at 1.96 s, where the last frame starts, or at 2 s, where it ends.
  expect([59, 60]).toContain(found.frames.length);
  expect(found.frames).toEqual(found.frames.map((/** @type {number} */ _, /** @type {number} */ i) => i));
  expect(found.guessed).toContain("Frames are taken 30 times a second, and their numbers may differ from the file's");
});

test("bitmap cache limits the memory of a hundred photos and closes none in use", async ({ page }) => {
  await nothing(page);
  const found = await page.evaluate(async () => {
    const open = new Map();
    let most = 0;
    const made = createImageBitmap;
    globalThis.createImageBitmap = /** @type {any} */ (
      async (/** @type {[Blob, any]} */ ...how) => {
        const bitmap = await made(...how);
        open.set(bitmap, bitmap.width * bitmap.height * 4);
        most = Math.max(
          most,
          [...open.values()].reduce((a, b) => a + b, 0),
        );
        return bitmap;
      }
    );
    const { close } = ImageBitmap.prototype;
    ImageBitmap.prototype.close = function () {
      open.delete(this);
      return close.call(this);
    };
    const { BitmapCache } = await import(new URL("/target/page/modules/annotate/bitmaps.js", location.href).href);
    const [width_px, height_px] = [4000, 3000];
    const photo = new OffscreenCanvas(width_px, height_px);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (photo.getContext("2d"));
    context.fillRect(0, 0, 2000, 3000);
    const blob = await photo.convertToBlob({ type: "image/jpeg" });
    let reads = 0;
    const bitmaps = new BitmapCache((/** @type {number} */ image) =>
      image < 100 ? { width_px, height_px, read: async () => (reads++, blob) } : null,
    );
    const canvas = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(40, 30).getContext("2d"));
    // Pages through all images and keeps each until the next one is decoded, as the editor does, with some thumbnails.
    let held = null;
    for (let image = 0; image < 100; image++) {
      const thumbnail = await bitmaps.lease(image - (image % 10), 256);
      const lease = await bitmaps.lease(image, null);
      for (const { bitmap } of [lease, thumbnail, ...(held ? [held] : [])]) canvas.drawImage(bitmap, 0, 0, 40, 30);
      held?.release();
      thumbnail.release();
      held = lease;
    }
    const paged = { most, reads, sides: [held?.bitmap.width, held?.bitmap.height], scale: held?.scale };
    // After clearing the cache, a bitmap in use stays open until it is released.
    bitmaps.clear();
    canvas.drawImage(held?.bitmap, 0, 0);
    held?.release();
    await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve));
    // Fast paging skips images that were passed.
    reads = 0;
    let at = 0;
    const passing = Array.from({ length: 50 }, (_, image) => {
      at = image;
      return bitmaps
        .lease(image, null, () => at === image)
        .then(
          (/** @type {any} */ lease) => (lease.release(), image),
          () => -1,
        );
    });
    const shown = (await Promise.all(passing)).filter((image) => image >= 0);
    const missing = await bitmaps.lease(100, null).catch((/** @type {Error} */ error) => error.message);
    bitmaps.clear();
    await new Promise((resolve) => setTimeout(resolve));
    // An image beyond the budget is scaled down.
    const small = new BitmapCache(() => ({ width_px, height_px, read: async () => blob }), 12e6);
    const lease = await small.lease(0, null);
    const bounded = { bytes: lease.bitmap.width * lease.bitmap.height * 4, scale: lease.scale };
    lease.release();
    const broken = new BitmapCache(() => ({ width_px, height_px, read: async () => new Blob(["x"]) }));
    const refused = await broken.lease(0, null).catch((/** @type {Error} */ error) => error.message);
    return { paged, shown, reads, missing, bounded, refused, left: open.size - 1, bytes: broken.bytes };
  });
  expect(found.paged.most, "bytes at once").toBeLessThanOrEqual(256 * 2 ** 20);
  expect(found.paged.reads, "the whole of each, and ten thumbnails").toBe(110);
  expect([found.paged.sides, found.paged.scale]).toEqual([[4000, 3000], 1]);
  expect(found.shown).toContain(49);
  expect(found.shown.length).toBeLessThan(10);
  expect(found.reads).toBe(found.shown.length);
  expect(found.missing).toContain("is missing");
  expect(found.bounded.bytes, "half of the budget, but for whole rows").toBeLessThanOrEqual(6e6 + 4 * 4000);
  expect(found.bounded.scale).toBeCloseTo(Math.sqrt(6e6 / 48e6), 2);
  expect(found.refused).toMatch(/^The image cannot be shown \(.+\)\.$/);
  expect([found.left, found.bytes], "all others are closed").toEqual([0, 0]);
});

test("droppedFiles reads all entries but a failing one, which it lists", async ({ page }) => {
  await nothing(page);
  const found = await page.evaluate(async () => {
    const { droppedFiles } = await import(new URL("/target/page/modules/ui/files.js", location.href).href);
    const file = (/** @type {string} */ name) => new File(["x"], name);
    const entry = (/** @type {string} */ fullPath, fails = false) => ({
      isFile: true,
      isDirectory: false,
      fullPath,
      name: fullPath.split("/").at(-1),
      file: (/** @type {(file: File) => void} */ resolve, /** @type {(error: Error) => void} */ reject) =>
        fails ? reject(new DOMException("gone", "NotFoundError")) : resolve(file(fullPath)),
    });
    /** A folder that is handed out in portions of a hundred, as browsers do; after some of them it fails. */
    const directory = (/** @type {string} */ fullPath, /** @type {any[]} */ children, portions = Infinity) => ({
      isFile: false,
      isDirectory: true,
      fullPath,
      name: fullPath.split("/").at(-1),
      createReader: () => {
        let portion = 0;
        return {
          readEntries: (/** @type {(entries: any[]) => void} */ resolve, /** @type {(error: Error) => void} */ reject) =>
            portion >= portions
              ? reject(new DOMException("gone", "NotReadableError"))
              : resolve(children.slice(100 * portion, 100 * ++portion)),
        };
      },
    });
    const item = (/** @type {any} */ entry, /** @type {File | null} */ plain = null) => ({
      kind: "file",
      webkitGetAsEntry: () => entry,
      getAsFile: () => plain,
    });
    const many = Array.from({ length: 250 }, (_, i) => entry(`/many/${i}.png`, i === 123));
    const items = [
      item(directory("/many", many)),
      item(
        directory(
          "/half",
          many.map((_, i) => entry(`/half/${i}.png`)),
          1,
        ),
      ),
      item(entry("/lost.png", true)),
      item(entry("/saved.png", true), file("saved.png")),
      item(null, file("plain.png")),
      item(null, null),
      {
        kind: "file",
        webkitGetAsEntry: () => {
          throw new Error("no");
        },
        getAsFile: () => {
          throw new Error("no");
        },
      },
      { kind: "string", webkitGetAsEntry: () => null, getAsFile: () => null },
    ];
    const { files, failed } = await droppedFiles({ items, files: [] });
    return { names: files.map((/** @type {{ name: string }} */ { name }) => name), failed };
  });
  const of = (/** @type {string} */ folder) => found.names.filter((/** @type {string} */ name) => name.startsWith(folder));
  expect(of("many/")).toHaveLength(249);
  expect(of("many/")).not.toContain("many/123.png");
  expect(of("half/")).toHaveLength(100);
  expect(found.names).toContain("saved.png");
  expect(found.names).toContain("plain.png");
  expect(found.names).toHaveLength(351);
  expect(found.failed.map((/** @type {{ name: string }} */ { name }) => name)).toEqual([
    "A file",
    "A file",
    "half/",
    "lost.png",
    "many/123.png",
  ]);
  expect(found.failed[2].reason).toContain("could not read all of this folder");
});

/** The editor with a slow stub of the engine. Images have three landmarks; edits are collected in `window.edits` and answered by
 * `window.answer()`, as the engine would between two steps.
 * @param {import("@playwright/test").Page} page
 */
async function openEditor(page) {
  await nothing(page);
  await page.evaluate(async () => {
    const { Editor } = await import(new URL("/target/page/modules/annotate/editor.js", location.href).href);
    const { BitmapCache } = await import(new URL("/target/page/modules/annotate/bitmaps.js", location.href).href);
    const html = new DOMParser().parseFromString(await (await fetch("index.html")).text(), "text/html");
    const style = document.createElement("link");
    const href = html.querySelector("link[rel=stylesheet]")?.getAttribute("href");
    Object.assign(style, { rel: "stylesheet", href });
    const dialog = /** @type {HTMLDialogElement} */ (document.importNode(/** @type {Element} */ (html.getElementById("editor")), true));
    document.head.append(style);
    document.body.replaceChildren(dialog);
    await new Promise((resolve) => (style.onload = resolve));
    const test = /** @type {any} */ (window);
    const canvas = new OffscreenCanvas(200, 100);
    /** @type {any} */ (canvas.getContext("2d")).fillRect(0, 0, 100, 100);
    const blob = await canvas.convertToBlob();
    let rows = [0, 1, 2].map((id) => ({
      id,
      name: `${id}.png`,
      width_px: 200,
      height_px: 100,
      is_here: true,
      video: null,
      confidence: 1,
      step: 1,
    }));
    const placed = new Map();
    const absent = { x: 0, y: 0, confidence: 1, visibility: "absent", placed: false };
    const names = ["tip", "wrist", "elbow"];
    const desk = () => ({
      count: rows.length,
      view: { can_undo: placed.size > 0, can_redo: false },
      row: (/** @type {number} */ id) => rows.find((row) => row.id === id),
      labels: () => names.map((name) => ({ name, color: "#ff0000", hidden: false })),
      edges: () => [],
      points: (/** @type {number} */ image) => names.map((_, index) => ({ ...(placed.get(`${image}/${index}`) ?? absent) })),
    });
    test.edits = [];
    /** @type {(() => void)[]} */ const waiting = [];
    const edit = (/** @type {any} */ edit) => (
      test.edits.push(edit),
      new Promise((resolve) =>
        waiting.push(() => {
          const key = `${edit.image}/${edit.index}`;
          if (edit.kind === "place")
            placed.set(key, {
              x: edit.at_px[0],
              y: edit.at_px[1],
              confidence: 1,
              visibility: edit.occluded ? "occluded" : "visible",
              placed: true,
            });
          if (edit.kind === "absent") placed.set(key, { ...absent, placed: true });
          if (edit.kind === "unplace") placed.delete(key);
          if (edit.kind === "remove") rows = rows.filter(({ id }) => !edit.images.includes(id));
          test.show();
          resolve(undefined);
        }),
      )
    );
    test.show = () =>
      test.editor.show(
        desk(),
        "landmarks",
        rows.map(({ id }) => id),
      );
    test.answer = () => waiting.splice(0).forEach((answer) => answer());
    test.bitmaps = new BitmapCache((/** @type {number} */ id) =>
      rows.some((row) => row.id === id) ? { width_px: 200, height_px: 100, read: async () => blob } : null,
    );
    test.editor = new Editor(dialog, test.bitmaps, edit, (/** @type {number} */ image) => edit({ kind: "remove", images: [image] }));
    test.show();
    test.editor.open(0);
  });
  const canvas = page.getByTestId("editor-canvas");
  const box = await canvas.boundingBox();
  if (!box) throw new Error("no canvas");
  const scale = Math.min(box.width / 200, box.height / 100);
  const at = (/** @type {number} */ x, /** @type {number} */ y) =>
    /** @type {const} */ ([box.x + (box.width - 200 * scale) / 2 + x * scale, box.y + (box.height - 100 * scale) / 2 + y * scale]);
  return {
    canvas,
    at,
    points: page.getByTestId("editor-points").locator("button"),
    edits: () => page.evaluate(() => /** @type {any} */ (window).edits),
  };
}

test("three clicks during a busy engine place three landmarks at their positions", async ({ page }) => {
  const { at, points, edits } = await openEditor(page);
  const places = [
    [20, 30],
    [100, 50],
    [150, 80],
  ];
  for (const [x, y] of places) await page.mouse.click(...at(x, y));
  const sent = await edits();
  expect(sent.map((/** @type {any} */ { kind, image, index }) => [kind, image, index])).toEqual([
    ["place", 0, 0],
    ["place", 0, 1],
    ["place", 0, 2],
  ]);
  sent.forEach((/** @type {any} */ { at_px }, /** @type {number} */ k) =>
    expect(Math.hypot(at_px[0] - places[k][0], at_px[1] - places[k][1])).toBeLessThan(1),
  );
  await expect(points.filter({ hasText: "by hand" })).toHaveCount(3);
  // The answers do not change what is shown, nor do other updates before them.
  await page.evaluate(() => /** @type {any} */ (window).show());
  await expect(points.filter({ hasText: "by hand" })).toHaveCount(3);
  await page.evaluate(() => /** @type {any} */ (window).answer());
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await expect(points.filter({ hasText: "by hand" })).toHaveCount(3);
});

test("keys and buttons mark a point absent and remove an image, and select the next", async ({ page }) => {
  const { at, canvas, points, edits } = await openEditor(page);
  const answer = () => page.evaluate(() => /** @type {any} */ (window).answer());
  await page.keyboard.press("a");
  await expect(points.nth(0)).toHaveText("tip absent");
  await expect(points.nth(1)).toHaveAttribute("aria-pressed", "true");
  await page.getByTestId("editor-absent").click();
  await expect(points.nth(1)).toHaveText("wrist absent");
  await answer();
  // Reset, or placed again.
  await points.nth(0).click();
  await expect(page.getByTestId("editor-absent")).toHaveAttribute("aria-pressed", "true");
  await page.getByTestId("editor-absent").click();
  await points.nth(1).click();
  await page.mouse.click(...at(50, 50));
  await answer();
  await expect(points.nth(0)).toHaveText("tip not placed");
  await expect(points.nth(1)).toHaveText("wrist by hand");
  expect((await edits()).map((/** @type {any} */ { kind, index }) => [kind, index])).toEqual([
    ["absent", 0],
    ["absent", 1],
    ["unplace", 0],
    ["place", 1],
  ]);
  await canvas.focus();
  await page.keyboard.press("Shift+Delete");
  await expect(canvas).toHaveAttribute("aria-label", /^1\.png/);
  await expect(page.getByTestId("editor-status")).toHaveText("Removed 0.png. Undo restores it.");
  await answer();
  await page.keyboard.press("PageDown");
  await expect(canvas).toHaveAttribute("aria-label", /^2\.png/);
  await page.getByTestId("editor-remove").click();
  await expect(canvas).toHaveAttribute("aria-label", /^1\.png/);
  await answer();
  await page.getByTestId("editor-remove").click();
  await expect(page.getByTestId("editor")).toBeHidden();
  expect((await edits()).slice(4).map((/** @type {any} */ { images }) => images)).toEqual([[0], [2], [1]]);
});

test("updates during a drag keep the point, and paging during a drag moves no other point", async ({ page }) => {
  const { at, canvas, edits } = await openEditor(page);
  await page.mouse.move(...at(40, 40));
  await page.mouse.down();
  await page.mouse.move(...at(60, 50), { steps: 3 });
  await page.evaluate(() => /** @type {any} */ (window).show());
  await page.keyboard.press("PageDown");
  await page.mouse.up();
  await page.evaluate(() => /** @type {any} */ (window).answer());
  const [{ kind, image, index, at_px }, ...others] = await edits();
  expect([kind, image, index, others.length]).toEqual(["place", 0, 0, 0]);
  expect(Math.hypot(at_px[0] - 60, at_px[1] - 50)).toBeLessThan(1);
  await expect(canvas).toHaveAttribute("aria-label", /^1\.png/);
});

test("editor keeps its image when the bitmap cache is cleared", async ({ page }) => {
  const errors = /** @type {string[]} */ ([]);
  page.on("pageerror", (error) => errors.push(error.message));
  const { canvas } = await openEditor(page);
  const painted = () =>
    canvas.evaluate(
      (/** @type {HTMLCanvasElement} */ canvas) =>
        canvas.getContext("2d")?.getImageData(canvas.width / 2 - 20, canvas.height / 2, 1, 1).data[3],
    );
  await expect.poll(painted).toBe(255);
  // A drop clears the cache and updates the editor.
  await page.evaluate(() => {
    const { bitmaps, show } = /** @type {any} */ (window);
    bitmaps.clear();
    show();
    bitmaps.clear();
    show();
  });
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
  await page.evaluate(() => /** @type {any} */ (window).show());
  expect(await painted()).toBe(255);
  expect(errors).toEqual([]);
  await page.getByTestId("editor-close").click();
  // The dialog tells of its close in a task of its own.
  await expect.poll(() => page.evaluate(() => /** @type {any} */ (window).bitmaps.bytes)).toBe(0);
});
