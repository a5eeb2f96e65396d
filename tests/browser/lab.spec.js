// The laboratory with the real engine on the CPU: edits of a trained model, and training of tiny ones.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@playwright/test";
import { FEW, QUICK, STAGES, at, boxOf, grouped, number, open, playTo, root, sixty, violations } from "./helpers.js";

/** A canvas that was read is scaled elsewhere, with other roundings at its borders. */
const SAME = 0.002;

/** Opens the trained hands model of the page.
 * @param {import("@playwright/test").Page} page
 */
async function openHands(page) {
  await open(page, FEW);
  await page.getByTestId("open-model").click();
  await expect(page.getByTestId("images-count")).toHaveText("10");
  await expect(page.getByTestId("message")).toContainText("trained for");
  await settled(page);
}

/** Every pixel of a canvas, as text.
 * @param {import("@playwright/test").Locator} canvas
 */
const pixels = (canvas) => canvas.evaluate((element) => /** @type {HTMLCanvasElement} */ (element).toDataURL());

/** Share of the pixels of a canvas that differ from an earlier copy, in [0, 1].
 * @param {import("@playwright/test").Locator} canvas
 * @param {string} before
 */
const changed = (canvas, before) =>
  canvas.evaluate(async (element, url) => {
    const now = /** @type {HTMLCanvasElement} */ (element);
    const image = new Image();
    image.src = url;
    await image.decode();
    const then = Object.assign(document.createElement("canvas"), { width: now.width, height: now.height });
    then.getContext("2d")?.drawImage(image, 0, 0);
    const pixels = (/** @type {HTMLCanvasElement} */ canvas) =>
      /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, now.width, now.height).data;
    const [a, b] = [now, then].map(pixels);
    let count = 0;
    for (let i = 0; i < a.length; i += 4)
      count += Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2]) > 24 ? 1 : 0;
    return count / (a.length / 4);
  }, before);

/** Waits until the stages no longer change.
 * @param {import("@playwright/test").Page} page
 */
async function settled(page) {
  let before = "";
  await expect
    .poll(
      async () => {
        const now = (await pixels(page.getByTestId("flow-reconstruction"))) + (await pixels(page.getByTestId("flow-edge-map")));
        const same = now === before;
        before = now;
        return same;
      },
      { intervals: [400] },
    )
    .toBe(true);
}

/** Copies of all stages.
 * @param {import("@playwright/test").Page} page
 */
async function stages(page) {
  return Object.fromEntries(await Promise.all(STAGES.map(async (name) => [name, await pixels(page.getByTestId(`flow-${name}`))])));
}

test("stages show the tensors of the selected image", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  const first = await stages(page);
  expect(new Set(Object.values(first)).size).toBe(10);
  await expect(id("flow-error")).toHaveText(/^\d+(\.\d+)?%$/);
  // Without keypoints the error is larger, as the paper argues.
  const share = async (/** @type {string} */ name) => parseFloat((await id(name).textContent()) ?? "");
  expect(await share("flow-error")).toBeLessThan(await share("flow-error-without-keypoints"));

  // Clicks the fourth preview image.
  const input = id("view-input");
  const box = await boxOf(input);
  await input.click({ position: { x: (3.5 / 8) * box.width, y: box.height / 2 } });
  await expect(id("flow-previews").getByRole("radio").nth(3)).toBeChecked();
  await settled(page);
  for (const stage of ["image", "heatmaps", "keypoints", "edge-map", "masked", "reconstruction", "difference"]) {
    expect(await changed(id(`flow-${stage}`), first[stage]), stage).toBeGreaterThan(0.02);
  }
  expect(await changed(id("flow-skeleton"), first.skeleton), "one graph for all").toBeLessThan(SAME);
  // Back by keyboard.
  await id("flow-previews").getByRole("radio").nth(3).focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
  await expect(id("flow-previews").getByRole("radio").nth(0)).toBeChecked();
  await settled(page);
  expect(await changed(id("flow-reconstruction"), first.reconstruction)).toBeLessThan(SAME);
});

test("painting the mask changes masked input and reconstruction", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  const before = await stages(page);
  const mask = id("flow-mask");
  const { width } = await boxOf(mask);
  // A stroke through the middle: the first cell decides whether it hides or shows.
  await id("hide-all").click();
  await settled(page);
  const hidden = await stages(page);
  expect(await changed(id("flow-masked"), before.masked)).toBeGreaterThan(0.05);
  expect(await changed(id("flow-reconstruction"), before.reconstruction)).toBeGreaterThan(0.05);
  expect(await changed(id("flow-edge-map"), before["edge-map"])).toBeLessThan(SAME);

  await mask.hover({ position: { x: width * 0.2, y: width * 0.6 } });
  await page.mouse.down();
  const box = await boxOf(mask);
  await page.mouse.move(box.x + width * 0.8, box.y + width * 0.6, { steps: 4 });
  await page.mouse.up();
  await settled(page);
  const share = await changed(id("flow-mask"), hidden.mask);
  expect(share, "a row of cells").toBeGreaterThan(0.02);
  expect(share).toBeLessThan(0.1);
  expect(await changed(id("flow-masked"), hidden.masked)).toBeGreaterThan(0.01);
  expect(await changed(id("flow-reconstruction"), hidden.reconstruction)).toBeGreaterThan(0.01);

  // The corner cell by keyboard.
  await id("show-all").click();
  await settled(page);
  const shown = await stages(page);
  expect(await changed(id("flow-masked"), shown.image), "nothing is hidden").toBeLessThan(0.03);
  await mask.focus();
  await page.keyboard.press(" ");
  await settled(page);
  expect(await changed(mask, shown.mask)).toBeCloseTo(1 / 256, 3);
  await expect(page.locator("#announcer")).toHaveText("Row 1, column 1: hidden");

  await id("reset-edits").click();
  await settled(page);
  expect(await changed(id("flow-reconstruction"), before.reconstruction)).toBeLessThan(SAME);
});

test("dragging a keypoint changes edge map and reconstruction", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  const before = await stages(page);
  const linked = id("flow-keypoints");
  // The first keypoint by keyboard, so that its position is known.
  await linked.focus();
  await page.keyboard.press("n");
  await expect(id("edit-readout")).toContainText("of its heatmap");
  expect(await changed(id("flow-heatmaps"), before.heatmaps), "its heatmap alone").toBeGreaterThan(0.05);
  for (let i = 0; i < 12; i++) await page.keyboard.press("Shift+ArrowLeft");
  for (let i = 0; i < 12; i++) await page.keyboard.press("Shift+ArrowUp");
  await settled(page);
  const corner = await stages(page);
  expect(await changed(id("flow-edge-map"), before["edge-map"])).toBeGreaterThan(0.02);
  expect(await changed(id("flow-reconstruction"), before.reconstruction)).toBeGreaterThan(0.01);
  expect(await changed(id("flow-masked"), before.masked)).toBeLessThan(SAME);

  // Under the pointer, a keypoint shows its heatmap only, and an edge is highlighted everywhere.
  await linked.evaluate((element) => /** @type {HTMLElement} */ (element).blur());
  const places = Array.from({ length: 17 * 17 }, (_, i) => [(i % 17) / 16, Math.floor(i / 17) / 16]);
  const pointAt = async (/** @type {string} */ what) => {
    const { x, y, width } = await boxOf(linked);
    for (const [column, row] of places) {
      await page.mouse.move(x + (0.02 + 0.96 * column) * width, y + (0.02 + 0.96 * row) * width);
      if ((await id("edit-readout").textContent())?.startsWith(what)) return;
    }
    throw new Error(`There is no ${what} to point at.`);
  };
  await settled(page);
  const [rest, matrix] = [await stages(page), await pixels(id("edge-matrix"))];
  await pointAt("Keypoint");
  await expect.poll(() => changed(id("flow-heatmaps"), rest.heatmaps)).toBeGreaterThan(0.02);
  await pointAt("Edge");
  for (const [canvas, then] of [
    [id("flow-skeleton"), rest.skeleton],
    [id("flow-edge-map"), rest["edge-map"]],
    [id("edge-matrix"), matrix],
  ]) {
    await expect.poll(() => changed(canvas, then)).toBeGreaterThan(0.002);
  }
  await page.mouse.move(0, 0);

  // By pointer, from the corner to the right.
  const box = await boxOf(linked);
  await page.mouse.move(box.x + 3, box.y + 3);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 6, { steps: 6 });
  await settled(page);
  expect(await changed(id("flow-edge-map"), corner["edge-map"])).toBeGreaterThan(0.02);
  expect(await changed(id("flow-reconstruction"), corner.reconstruction)).toBeGreaterThan(0.01);
  await expect(id("pose")).toHaveValue("moved");
  // Both views follow each move of the pointer; the delay until they change is printed.
  await page.evaluate(() => {
    const waits = /** @type {number[]} */ ([]);
    Object.assign(window, { waits });
    const canvases = ["edge-map", "reconstruction"].map(
      (name) => /** @type {HTMLCanvasElement} */ (document.querySelector(`[data-testid="flow-${name}"]`)),
    );
    const small = new OffscreenCanvas(32, 32);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d", { willReadFrequently: true }));
    const look = (/** @type {HTMLCanvasElement} */ canvas) => (
      context.drawImage(canvas, 0, 0, 32, 32), `${context.getImageData(0, 0, 32, 32).data}`
    );
    addEventListener(
      "pointermove",
      ({ timeStamp }) => {
        const before = canvases.map(look);
        const wait = () => {
          if (canvases.every((canvas, i) => look(canvas) !== before[i])) waits.push(performance.now() - timeStamp);
          else requestAnimationFrame(wait);
        };
        requestAnimationFrame(wait);
      },
      { capture: true },
    );
  });
  for (let i = 1; i <= 7; i++) {
    await page.mouse.move(box.x + box.width * (0.9 - 0.1 * i), box.y + box.width * 0.1 * i);
    await expect.poll(() => page.evaluate(() => /** @type {any} */ (window).waits.length), { intervals: [30] }).toBe(i);
  }
  const waits = await page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (window).waits).sort((a, b) => a - b));
  console.log(`a dragged keypoint is followed within ${waits.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  await page.mouse.up();
  await page.mouse.move(0, 0);
  await id("reset-edits").click();
  await settled(page);
  await linked.evaluate((element) => /** @type {HTMLElement} */ (element).blur());
  expect(await changed(id("flow-edge-map"), before["edge-map"])).toBeLessThan(SAME);
});

test("picking an edge in the matrix highlights it everywhere and allows edits", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  const before = await stages(page);
  const grid = await pixels(id("view-skeleton"));
  const matrix = id("edge-matrix");
  await matrix.focus();
  // The first edge of the first row has a small weight; Enter picks it.
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  for (const [canvas, then] of [
    [id("flow-keypoints"), before.keypoints],
    [id("flow-skeleton"), before.skeleton],
    [id("flow-edge-map"), before["edge-map"]],
    [id("view-skeleton"), grid],
  ]) {
    await expect.poll(() => changed(canvas, then)).toBeGreaterThan(0.002);
  }
  await page.keyboard.press("Enter");
  await expect(id("edge-off")).toBeEnabled();
  await expect(id("edit-edge")).toContainText("1 – ");
  await settled(page);
  const picked = await stages(page);
  await id("edge-strongest").click();
  await expect(id("edge-strongest")).toHaveAttribute("aria-pressed", "true");
  await settled(page);
  const up = await stages(page);
  expect(await changed(id("flow-edge-map"), picked["edge-map"])).toBeGreaterThan(0);
  await id("edge-off").click();
  await expect(id("edge-strongest")).toHaveAttribute("aria-pressed", "false");
  await settled(page);
  await expect(id("edit-readout")).toContainText("weight 0.000, switched off");
  expect(await changed(id("flow-edge-map"), up["edge-map"])).toBeGreaterThan(0);

  // The slider hides all edges but the strongest.
  await id("min-strength").fill("1");
  await expect.poll(() => changed(id("flow-skeleton"), picked.skeleton)).toBeGreaterThan(0.03);
});

test("edits during training leave the losses bit-identical", async ({ page }) => {
  // Steps take longer than frames, so that the page shows nearly each one.
  await open(page, QUICK.replace("batch=2", "batch=8"));
  const id = at(page);
  /** The losses of the first steps, by their step. */
  const losses = async (/** @type {boolean} */ touched) => {
    await page.evaluate(() => {
      const seen = /** @type {Record<string, string>} */ ({});
      Object.assign(window, { seen });
      const read = (/** @type {string} */ name) => document.querySelector(`[data-testid="${name}"]`)?.textContent ?? "";
      new MutationObserver(() => (seen[read("step-count")] = read("loss"))).observe(
        /** @type {Element} */ (document.querySelector("#loss")),
        { childList: true, characterData: true, subtree: true },
      );
    });
    await id("play").click();
    await expect.poll(() => number(id("step-count"))).toBeGreaterThan(5);
    if (touched) {
      const before = await stages(page);
      const from = await number(id("step-count"));
      await id("hide-all").click();
      await expect.poll(() => changed(id("flow-masked"), before.masked)).toBeGreaterThan(0.05);
      const box = await boxOf(id("flow-keypoints"));
      await id("flow-keypoints").focus();
      for (let i = 0; i < 5; i++) await page.keyboard.press("Shift+ArrowUp");
      await page.mouse.move(box.x + 10, box.y + 10);
      await expect.poll(() => number(id("step-count"))).toBeGreaterThan(from + 5);
      await expect(id("edit-readout")).not.toBeEmpty();
    }
    await expect.poll(() => number(id("step-count"))).toBeGreaterThan(60);
    await id("play").click();
    await expect(id("play")).toHaveText("Play");
    const seen = await page.evaluate(() => /** @type {any} */ (window).seen);
    await id("reset").click();
    await expect(id("step-count")).toHaveText("0");
    return seen;
  };
  const [alone, touched] = [await losses(false), await losses(true)];
  const both = Object.keys(alone).filter((step) => step in touched && Number(step) > 20 && Number(step) <= 60);
  expect(both.length).toBeGreaterThan(3);
  for (const step of both) expect(touched[step], `step ${step}`).toBe(alone[step]);
});

test("pose transfer gives an image in its own pose on the diagonal only", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  await id("poses").locator("summary").click();
  await expect(id("poses-grid")).toHaveAttribute("aria-label", /6 by 6 images at step/);
  // The first image of the diagonal is compared with the flow at 32 px.
  const distance = (/** @type {number} */ row, /** @type {number} */ column) =>
    page.evaluate(
      ([row, column]) => {
        const of = (/** @type {string} */ name) => /** @type {HTMLCanvasElement} */ (document.querySelector(`[data-testid="${name}"]`));
        const grid = of("poses-grid");
        const side = grid.width / (7 + 6 * 0.06);
        const [x, y] = [(column + 1) * side * 1.06, (row + 1) * side * 1.06];
        const inner = side * 0.1; // inside the frame
        const small = (/** @type {HTMLCanvasElement} */ canvas, /** @type {number[]} */ [x, y, side]) => {
          const made = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
          const context = /** @type {CanvasRenderingContext2D} */ (made.getContext("2d"));
          context.imageSmoothingQuality = "high";
          context.drawImage(canvas, x, y, side, side, 0, 0, 32, 32);
          return context.getImageData(0, 0, 32, 32).data;
        };
        const rebuilt = of("flow-reconstruction");
        const a = small(grid, [x + inner, y + inner, side - 2 * inner]);
        const b = small(rebuilt, [rebuilt.width * 0.1, rebuilt.width * 0.1, rebuilt.width * 0.8]);
        return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
      },
      [row, column],
    );
  expect(await distance(0, 0)).toBeLessThan(1.5);
  expect(await distance(4, 0), "the pose of an open hand").toBeGreaterThan(4);
  // By the public module, numerically.
  const differences = await page.evaluate(async () => {
    const at = (/** @type {string} */ name) => import(new URL(name, document.baseURI).href);
    const [{ createSession }, { trainedModels, fileOf, imagesOf }] = await Promise.all([
      at("autolink.js"),
      at("/target/page/modules/state/models.js"),
    ]);
    const [hands] = await trainedModels();
    const session = await createSession({ backend: "cpu" });
    await session.load(await imagesOf(hands));
    await session.resume(await fileOf(hands));
    const { size, pixels } = await session.transferPoses([2, 5]);
    const area = 4 * size * size;
    const found = [];
    for (const [i, preview] of [2, 5].entries()) {
      const inspected = new Promise((resolve) => session.on("inspected", resolve));
      await session.inspect({ preview, mask: { kind: "usual" }, keypoints: null, edges: [] });
      const rebuilt = (await inspected).pixels.subarray(3 * area, 4 * area);
      const most = (/** @type {number} */ cell) =>
        rebuilt.reduce(
          (/** @type {number} */ most, /** @type {number} */ value, /** @type {number} */ at) =>
            Math.max(most, Math.abs(value - pixels[cell * area + at])),
          0,
        );
      found.push({ own: most(i * 2 + i), other: most((1 - i) * 2 + i) });
    }
    session.close();
    return found;
  });
  for (const { own, other } of differences) {
    expect(own, "A onto A is A").toBeLessThanOrEqual(1);
    expect(other, "B's pose is not A's").toBeGreaterThan(50);
  }
  // The same with the list of poses.
  await id("pose").selectOption("4");
  await settled(page);
  expect(await distance(4, 0)).toBeLessThan(1.5);
});

test("lab works on own images: views, edits, history and share", async ({ page }) => {
  const requests = /** @type {string[]} */ ([]);
  page.context().on("request", (request) => requests.push(request.url()));
  await open(page, "?backend=cpu&loss=pixel&size=32&width=8&batch=8&learning_rate=0.002");
  const id = at(page);
  await id("file-input").setInputFiles(/** @type {any} */ (await sixty()));
  await expect(id("images-count")).toHaveText("60");
  await settled(page);
  const untrained = await stages(page);
  const step = await playTo(page, 120);
  await settled(page);
  const trained = await stages(page);
  expect(await changed(id("flow-image"), untrained.image), "the same image").toBeLessThan(SAME);
  for (const stage of ["heatmaps", "keypoints", "edge-map", "reconstruction", "without-keypoints", "difference", "skeleton"]) {
    expect(await changed(id(`flow-${stage}`), untrained[stage]), stage).toBeGreaterThan(0.02);
  }
  await expect(id("diagnosis")).not.toContainText("Too early to tell");
  // Half is hidden: the visible half equals the image, the other does not.
  await id("hide-half").click();
  await settled(page);
  expect(await changed(id("flow-masked"), trained.image)).toBeGreaterThan(0.4);
  expect(await changed(id("flow-masked"), trained.image)).toBeLessThan(0.6);
  expect(await changed(id("flow-reconstruction"), trained.reconstruction)).toBeGreaterThan(0.01);
  await id("reset-edits").click();
  await settled(page);
  expect(await changed(id("flow-reconstruction"), trained.reconstruction)).toBeLessThan(SAME);
  await id("pose").selectOption("2");
  await settled(page);
  expect(await changed(id("flow-edge-map"), trained["edge-map"]), "another hand's pose").toBeGreaterThan(0.005);
  await id("reset-edits").click();
  await expect(id("snapshot-b")).not.toHaveText("0");
  await expect(id("snapshots-count")).toHaveText(/^\d\d snapshots$/);
  await id("open-share").click();
  await expect(id("share")).toContainText("Your images are not included: they stay on this device.");
  await expect(id("share-preview")).toHaveAttribute(
    "alt",
    `6 images at step ${step}: input, skeleton, edge map, masked input, reconstruction`,
  );
  await page.keyboard.press("Escape");
  const { origin } = new URL(page.url());
  expect(
    requests.filter((url) => /^http/.test(url) && new URL(url).origin !== origin),
    "images stay on the device",
  ).toEqual([]);
});

test("edits act on the trained puppets", async ({ page }) => {
  await open(page, FEW);
  const id = at(page);
  await id("open-trained").filter({ hasText: "Puppets" }).click();
  await expect(id("message")).toContainText("Puppets, trained for");
  await settled(page);
  const before = await stages(page);
  const share = async (/** @type {string} */ name) => parseFloat((await id(name).textContent()) ?? "");
  expect(await share("flow-error")).toBeLessThan(await share("flow-error-without-keypoints"));
  await id("flow-mask").hover();
  const { x, y, width } = await boxOf(id("flow-mask"));
  await page.mouse.move(x + 0.3 * width, y + 0.3 * width);
  await page.mouse.down();
  await page.mouse.move(x + 0.7 * width, y + 0.7 * width, { steps: 5 });
  await page.mouse.up();
  await settled(page);
  expect(await changed(id("flow-mask"), before.mask)).toBeGreaterThan(0.01);
  expect(await changed(id("flow-masked"), before.masked)).toBeGreaterThan(0.005);
  expect(await changed(id("flow-edge-map"), before["edge-map"]), "the edge map does not depend on the mask").toBeLessThan(SAME);
  await id("reset-edits").click();
  await id("flow-keypoints").focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowUp");
  await settled(page);
  expect(await changed(id("flow-edge-map"), before["edge-map"])).toBeGreaterThan(0.01);
  expect(await changed(id("flow-reconstruction"), before.reconstruction)).toBeGreaterThan(0.005);
});

test("slow motion shows each stage of each step", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  // Records the lit stage and the step whenever one of them changes.
  await page.evaluate(() => {
    const seen = /** @type {[number, string][]} */ ([]);
    Object.assign(window, { seen });
    const look = () => {
      const step = Number(document.getElementById("step-count")?.textContent?.replaceAll(",", ""));
      const stage = /** @type {HTMLElement | null} */ (document.querySelector(".tile.is-lit"))?.dataset.stage ?? "";
      const [lastStep, lastStage] = seen.at(-1) ?? [];
      if (step !== lastStep || stage !== lastStage) seen.push([step, stage]);
      requestAnimationFrame(look);
    };
    look();
  });
  await id("step").click();
  await expect(id("step-count")).toHaveText("1");
  await id("slow-motion").click();
  await id("play").click();
  const there = ["image", "detector", "heatmaps", "keypoints", "edge-map", "mask", "masked", "decoder", "reconstruction", "difference"];
  const back = ["decoder", "edge-map", "keypoints", "heatmaps", "detector"];
  const lit = async () => {
    const seen = await page.evaluate(() => /** @type {[number, string][]} */ (/** @type {any} */ (window).seen));
    return seen.map(([, stage]) => stage).filter((stage, i, all) => stage && stage !== all[i - 1]);
  };
  // Forward, then the gradient's way back; after a breath, the next step.
  await expect.poll(async () => (await lit()).slice(0, 16)).toEqual([...there, ...back, "image"]);
  await expect(id("step-count")).toHaveText("3");
  const from = await number(id("step-count"));
  // Switching slow motion off during training gives full speed.
  await id("slow-motion").click();
  await expect.poll(() => number(id("step-count")), { timeout: 20_000 }).toBeGreaterThan(from + 30);
  await expect(id("play")).toHaveText("Pause");
  await id("play").click();
  await expect(id("play")).toHaveText("Play");
});

test("the picture of the model counts parameters, switches keypoints off, and opens stages", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  // The networks' parameters, by the shapes in the model's file, which keeps the edge weights with the decoder's; running statistics are
  // not learned.
  const model = await readFile(path.join(root, "models/hands.safetensors"));
  const header = JSON.parse(model.toString("utf8", 8, 8 + Number(model.readBigUInt64LE())));
  for (const [node, prefix] of [
    ["detector-node", "encoder.detector."],
    ["decoder-node", "decoder."],
  ]) {
    const count = Object.entries(header)
      .filter(([name]) => name.startsWith(prefix) && !/running_|num_batches|skeleton_scalar/.test(name))
      .reduce((sum, [, { shape }]) => sum + shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1), 0);
    await expect(id(node)).toContainText(`${grouped(count)} parameters`);
  }

  await id("with-keypoints").uncheck();
  await expect(id("flow-without-keypoints")).toBeVisible();
  await expect(id("flow-reconstruction")).toBeHidden();
  await id("with-keypoints").check();
  await expect(id("flow-reconstruction")).toBeVisible();

  // By keyboard: the panel opens and takes the focus, Escape closes it and gives the focus back.
  await id("open-keypoints").focus();
  await page.keyboard.press("Enter");
  await expect(id("stage-panel").getByRole("heading")).toBeFocused();
  await expect(id("stage-panel").locator("tbody tr")).toHaveCount(12);
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(id("stage-panel")).toHaveCount(0);
  await expect(id("open-keypoints")).toBeFocused();

  // At each chosen pixel, the winner's formula gives the brightness that the engine has drawn.
  await id("open-edge-map").click();
  const rows = id("stage-panel").locator("tbody tr");
  const canvas = id("edge-map-pixel");
  await canvas.focus();
  const heat = /** @type {[number, number][]} */ ([]);
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press(i % 3 ? "Shift+ArrowDown" : "ArrowLeft");
    const [edge, value] = await rows.first().evaluate((row) => {
      const cells = Array.from(row.children, (cell) => cell.textContent ?? "");
      return [cells.slice(1, 3).map(Number), Number(cells[3])];
    });
    const [weight, distance] = edge;
    expect(value).toBeCloseTo(weight * Math.exp(-(distance ** 2) / 0.005), 1);
    const [column, row] = ((await id("edge-map-winner").textContent()) ?? "").match(/\d+/g)?.map(Number) ?? [0, 0];
    const drawn = await id("flow-edge-map").evaluate(
      (element, [x, y]) => {
        const { width } = /** @type {HTMLCanvasElement} */ (element);
        const context = /** @type {HTMLCanvasElement} */ (element).getContext("2d");
        const at = (/** @type {number} */ p) => Math.floor(((p - 0.5) / 64) * width);
        const [r, g, b] = context?.getImageData(at(x), at(y), 1, 1).data ?? [];
        return r + g + b;
      },
      [column, row],
    );
    heat.push([value, drawn]);
  }
  heat.sort(([a], [b]) => a - b);
  for (let i = 1; i < heat.length; i++)
    if (heat[i][0] > heat[i - 1][0] + 0.1) expect(heat[i][1], JSON.stringify(heat)).toBeGreaterThan(heat[i - 1][1]);

  await id("open-skeleton").click();
  await expect(id("edge-rule")).toContainText("median");
  await expect(rows).toHaveCount(66);
  const drawn = await rows.filter({ hasText: /tree|closes a cycle/ }).count();
  await expect(id("edge-rule")).toContainText(`Of 66 edges, ${drawn} are drawn`);
  expect(drawn).toBeGreaterThanOrEqual(11);
});

test("the networks, heatmaps, reconstruction and loss open to their numbers", async ({ page }) => {
  await openHands(page);
  const id = at(page);
  const panel = id("stage-panel");
  /** True if the pixels of a canvas are not all the same. @param {import("@playwright/test").Locator} canvas */
  const isDrawn = (canvas) =>
    canvas.evaluate((element) => {
      const { width, height } = /** @type {HTMLCanvasElement} */ (element);
      const { data } = /** @type {HTMLCanvasElement} */ (element).getContext("2d")?.getImageData(0, 0, width, height) ?? { data: [] };
      return data.some((value, i) => value !== data[i % 4]);
    });
  // Each network's layers, as many as convolutions of distinct sizes, and at most eight maps of each.
  for (const [network, first] of [
    ["detector", "32 × 32 px"],
    ["decoder", "64 × 64 px"],
  ]) {
    await id(`open-${network}`).click();
    await expect(panel.getByRole("heading")).toHaveText(new RegExp(network, "i"));
    const layers = id("layers").getByRole("listitem");
    await expect(layers.first()).toContainText(first);
    for (const layer of await layers.all()) {
      const maps = layer.getByRole("img");
      await expect(maps).toHaveCount(8);
      expect(await isDrawn(maps.first())).toBe(true);
    }
    expect(await violations(page)).toEqual([]);
  }

  // The shares are the softmax of the scores, and all of them add up to 1.
  await id("open-heatmaps").click();
  await id("heatmap-keypoint").selectOption({ label: "4" });
  await expect(id("heatmap-mean")).toContainText(/keypoint\s+4\s+at/);
  const rows = await panel
    .locator("tbody tr")
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, (cell) => Number(cell.textContent))));
  const [[, score, share], [, nextScore, nextShare]] = rows;
  expect(share / nextShare).toBeCloseTo(Math.exp(score - nextScore), 1);
  expect(rows.reduce((sum, [, , share]) => sum + share, 0)).toBeCloseTo(1, 2);
  expect(await violations(page)).toEqual([]);

  // Its own edge map gives a better reconstruction than that of another image, which may be chosen.
  await id("open-reconstruction").click();
  const errorOf = async () => parseFloat(((await id("other-reconstruction").textContent()) ?? "").split("error ")[1]);
  await id("other-edge-map").selectOption({ label: "5" });
  await expect(id("other-reconstruction")).toContainText("Edge map of image 5");
  expect(await errorOf()).toBeGreaterThan(parseFloat((await id("flow-error").textContent()) ?? ""));
  await id("other-edge-map").selectOption({ label: "1" });
  await expect(id("other-reconstruction"), "its own edge map").toContainText(`error ${await id("flow-error").textContent()}`);

  // The loss is the sum of its maps' means.
  await id("open-loss").click();
  await expect(id("loss-sum")).toContainText("=");
  const [, terms, sum] = /: (.+) = ([\d.]+[\d])/.exec((await id("loss-sum").textContent()) ?? "") ?? [];
  expect(terms.split(" + ").reduce((total, term) => total + Number(term), 0)).toBeCloseTo(Number(sum), 2);
  for (const map of await panel.getByRole("img").all()) expect(await isDrawn(map)).toBe(true);
  expect(await violations(page)).toEqual([]);
});

test("training history can be scrubbed, and saved as a video and as GIF", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await playTo(page, 30);
  const count = await number(id("snapshot-b"))
    .then(() => id("snapshots-count").textContent())
    .then((text) => parseInt(text ?? "", 10));
  expect(count).toBeGreaterThanOrEqual(5);
  await expect(id("snapshot-a")).toHaveText("0");
  // Canvases are drawn in a frame, if they are in sight.
  const pixelsOf = async (/** @type {"a" | "b"} */ mark) => {
    await id(`snapshot-${mark}-view`).scrollIntoViewIfNeeded();
    return pixels(id(`snapshot-${mark}-view`));
  };
  await expect.poll(async () => (await pixelsOf("a")) !== (await pixelsOf("b"))).toBe(true);
  const first = await pixelsOf("a");
  const step = await number(id("snapshot-b"));
  expect(step, "the last snapshot is the current state").toBe(await number(id("step-count")));
  // The marks on the loss chart choose, by keyboard and by pointer; both at the same snapshot show the same.
  const marks = { a: id("snapshot-a-slider"), b: id("snapshot-b-slider") };
  await expect(marks.b).toHaveAttribute("aria-valuetext", `Step ${step}`);
  await marks.b.focus();
  await page.keyboard.press("Home");
  await expect(id("snapshot-b")).toHaveText("0");
  await expect.poll(async () => (await pixelsOf("b")) === first).toBe(true);
  await page.keyboard.press("ArrowRight");
  await expect(marks.b).toHaveAttribute("aria-valuetext", "Step 1");
  await expect(id("snapshot-b")).toHaveText("1");
  await expect(id("step-count"), "the arrow takes no step").toHaveText(`${step}`);
  const chart = await boxOf(id("loss-chart").locator(".u-over"));
  const to = (/** @type {number} */ share) => page.mouse.move(chart.x + share * chart.width, chart.y + chart.height / 2);
  await to(0.1);
  await page.mouse.down();
  await to(0.6);
  const middle = await number(id("snapshot-b"));
  expect(Math.abs(middle - 0.6 * step)).toBeLessThan(0.15 * step);
  await to(1);
  await page.mouse.up();
  await expect(id("snapshot-b"), "the newest one").toHaveText(`${step}`);
  await to(0.3);
  await expect(id("snapshot-b"), "the button is up").toHaveText(`${step}`);
  await expect(id("snapshot-a")).toHaveText("0");
  // On logarithmic scales the early snapshots are further apart.
  const left = async () => (await boxOf(marks.a)).x - (await boxOf(marks.b)).x;
  await marks.a.focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowRight");
  const linear = Math.abs(await left());
  await id("loss-log").click();
  await expect(id("loss-log")).toHaveAttribute("aria-pressed", "true");
  await expect.poll(async () => Math.abs(await left())).toBeLessThan(0.8 * linear);
  await id("loss-log").click();
  await marks.a.focus();
  await page.keyboard.press("Home");
  await id("snapshots-play").click();
  await expect(id("snapshots-play")).toHaveText("Stop");
  await expect(id("snapshots-play")).toHaveText("Play back");
  await expect(id("snapshot-b")).toHaveText(`${step}`);

  const save = async (/** @type {string} */ button) => {
    const waiting = page.waitForEvent("download");
    await id(button).click();
    const file = await waiting;
    return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
  };
  const gif = await save("save-gif");
  expect(gif.name).toBe("autolink-training.gif");
  const film = await save("save-video");
  // MP4 where the browser can encode it.
  expect(film.name).toMatch(/^autolink-training\.(mp4|webm)$/);
  const kept = parseInt((await id("snapshots-count").textContent()) ?? "", 10);
  const played = await page.evaluate(
    async ([gif, film]) => {
      const blob = (/** @type {number[]} */ bytes, /** @type {string} */ type) => new Blob([new Uint8Array(bytes)], { type });
      const decoder = new ImageDecoder({ data: await blob(gif, "image/gif").arrayBuffer(), type: "image/gif" });
      await decoder.tracks.ready;
      await decoder.completed;
      const video = document.createElement("video");
      video.muted = true;
      video.src = URL.createObjectURL(blob(film, ""));
      await new Promise((resolve, reject) => {
        video.onended = resolve;
        video.onerror = () => reject(new Error(video.error?.message));
        video.playbackRate = 4;
        video.play().catch(reject);
      });
      const { Input, ALL_FORMATS, BlobSource, EncodedPacketSink } = await import(
        new URL("/target/page/modules/mediabunny.js", location.href).href
      );
      const track = await new Input({ source: new BlobSource(blob(film, "")), formats: ALL_FORMATS }).getPrimaryVideoTrack();
      let packets = 0;
      for await (const _ of new EncodedPacketSink(track).packets()) packets += 1;
      return { gif: decoder.tracks.selectedTrack?.frameCount, width: video.videoWidth, duration: video.duration, packets };
    },
    [[...gif.bytes], [...film.bytes]],
  );
  expect(played.gif).toBe(kept);
  expect(played.packets).toBe(kept);
  expect(played.width).toBeGreaterThan(400);
  expect(played.duration).toBeGreaterThan(1);

  // Saving a run keeps its snapshots; a new run has its own.
  const run = await save("save-run");
  await id("reset").click();
  await expect(id("snapshots-count")).toHaveText("Snapshots appear during training");
  await id("model-input").setInputFiles({ name: run.name, mimeType: "application/octet-stream", buffer: run.bytes });
  await expect(id("message")).toContainText("Opened");
  await expect(id("snapshots-count")).toHaveText(`${kept} snapshots`);
  await expect.poll(async () => (await pixelsOf("a")) === first).toBe(true);
});

test("health card reports issues, and the chart shows the landmark error of puppets", async ({ page }) => {
  // The loss of a batch of two is too noisy for issues.
  await open(page, "?backend=cpu&size=32&width=4&loss=pixel&batch=16");
  const id = at(page);
  await expect(id("diagnosis")).toContainText("Too early to tell");
  // With the smallest learning rate nothing is learned.
  await id("learning-rate").fill("0.000001");
  await id("learning-rate").press("Enter");
  await id("play").click();
  await expect(id("diagnosis").locator("[data-issue=stuck]")).toContainText("Raise the learning rate");
  await id("play").click();
  await expect(id("score-readout")).toHaveText(/Landmark error: \d+\.\d% of the image/);
});

/** Address of a run with few and small images, whose decoder is as wide as its detector: it can memorise. */
const TINY = "?backend=cpu&preset=tiny&size=32&width=4&loss=pixel&keypoints=4";

for (const {
  issue,
  address,
  says,
  until,
  then,
} of /** @type {{ issue: string, address: string, says: RegExp, until?: number, then?: string }[]} */ ([
  {
    issue: "overfitting",
    address: TINY.replace("width=4", "width=8&batch=8&count=4&learning_rate=0.002"),
    says: /is memorising these 4 images: it saw each of them \d+ times, .* never saw, [\d.]+ times worse\. Add more images, switch mirroring on, or stop here\./,
  },
  {
    issue: "exploding",
    address: `${TINY}&batch=8&count=40&learning_rate=0.003`,
    until: 120,
    then: "0.1", // far too high after some training
    says: /The loss is rising: it was [\d.]+ and is [\d.]+ now\. Halve the learning rate/,
  },
  {
    issue: "jitter",
    address: `${TINY.replace("keypoints=4", "keypoints=12")}&batch=4&count=40&learning_rate=0.005`,
    says: /^Keypoints? [\d, and]+ jumps? back and forth during training\. Lower the learning rate/,
  },
  {
    issue: "unsure",
    address: `${TINY}&batch=2&count=40&learning_rate=0.000001`,
    says: /^The heatmaps are still wide: .* \d+% of a typical one lies near its keypoint\. .* several objects, or objects that are not centred\. Then use images of one kind of object/,
  },
])) {
  test(`health card reports an issue and its remedy: ${issue}`, async ({ page }) => {
    await open(page, address);
    const id = at(page);
    const finding = id("diagnosis").locator(`[data-issue=${issue}]`);
    if (until && then) {
      await playTo(page, until);
      await expect(finding).toHaveCount(0);
      await id("learning-rate").fill(then);
      await id("learning-rate").press("Enter");
    }
    await id("play").click();
    // Hundreds of steps, on a machine that may be busy.
    await expect(finding).toHaveText(says, { timeout: 300_000 });
    await id("play").click();
    await expect(id("play")).toHaveText("Play");
  });
}

test("health card names coinciding and constant keypoints", async ({ page }) => {
  await open(page, FEW);
  const id = at(page);
  // The trained puppets, with keypoint 2 made equal to keypoint 1, and keypoint 3 with a uniform heatmap.
  const model = await readFile(path.join(root, "models/puppets.safetensors"));
  const give = (/** @type {string} */ name) =>
    id("model-input").setInputFiles({ name, mimeType: "application/octet-stream", buffer: model });
  await give("whole.safetensors");
  await expect(id("message")).toContainText("Opened");
  await expect(id("diagnosis")).toContainText("No issues found.");
  const header = 8 + Number(model.readBigUInt64LE());
  const [from, to] = JSON.parse(model.toString("utf8", 8, header))["encoder.detector.conv.6.weight"].data_offsets.map(
    (/** @type {number} */ at) => header + at,
  );
  const each = (to - from) / 12;
  model.copy(model, from + each, from, from + each);
  model.fill(0, from + 2 * each, from + 3 * each);
  await give("altered.safetensors");
  await expect(id("diagnosis").locator("li")).toHaveText([
    "Keypoints 1 and 2 coincide in every image. This does no harm, but fewer keypoints would do. Or try thinner edges.",
    /^Keypoint 3 stays in one place, whatever the image shows\. Dead keypoints mark something that never moves, such as the background\. Try fewer keypoints/,
  ]);
});

test("layout is stable during training, and reduced motion stops animations", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.setViewportSize({ width: 1440, height: 3000 }); // the whole page is visible
  await open(page, QUICK);
  const id = at(page);
  await page.evaluate(() => scrollTo(0, 0));
  await id("step").click();
  await expect(id("step-count")).toHaveText("1");
  await page.waitForTimeout(1000); // the first numbers are shown
  await page.evaluate(() => {
    const moved = /** @type {string[]} */ ([]);
    Object.assign(window, { moved });
    new PerformanceObserver((list) => {
      for (const shift of /** @type {any[]} */ (list.getEntries())) {
        for (const { node } of shift.sources ?? []) {
          // The label of the pressed button changes.
          if ((node?.nodeType === 1 ? node : node?.parentElement)?.closest("#play")) continue;
          moved.push(`${(node?.nodeType === 1 ? node : node?.parentElement)?.outerHTML.slice(0, 120)}: ${shift.value}`);
        }
      }
    }).observe({ type: "layout-shift" });
  });
  await playTo(page, 130);
  expect(await page.evaluate(() => /** @type {any} */ (window).moved)).toEqual([]);
  // Animations with reduced motion.
  const running = () => page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === "running").length);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(135);
  expect(await running()).toBe(0);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await expect.poll(running).toBeGreaterThan(5);
  await id("play").click();
});

for (const [scheme, width] of /** @type {["light" | "dark", number][]} */ ([
  ["light", 1440],
  ["dark", 360],
])) {
  test(`axe reports no violations in the laboratory with edits, ${scheme}, ${width} px`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    await openHands(page);
    const id = at(page);
    await id("hide-half").click();
    await id("edge-matrix").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await id("poses").locator("summary").click();
    await expect(id("poses-grid")).toHaveAttribute("aria-label", /images at step/);
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  });
}
