// Links, figures, the tour, the article, and loading images.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@playwright/test";
import AdmZip from "adm-zip";
import { FEW, QUICK, at, grouped, movie, number, open, pictures, root, violations } from "./helpers.js";

/** A quick run of few keypoints. */
const FIVE = `${QUICK}&keypoints=5`;

/** The losses of the first steps.
 * @param {import("@playwright/test").Page} page
 * @param {number} step
 */
async function lossAt(page, step) {
  const id = at(page);
  for (let i = 1; i <= step; i++) {
    await id("step").click();
    await expect(id("step-count")).toHaveText(grouped(i));
  }
  return id("loss").textContent();
}

test("link restores settings, sample and seed, and gives the same loss at step 20", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(page, `${FIVE}&seed=3&mask_ratio=0.5&flip=true&sample_seed=7`);
  const id = at(page);
  await expect(id("keypoints")).toHaveValue("5");
  await expect(id("seed")).toHaveValue("3");
  await expect(id("mask-ratio")).toHaveValue("0.5");
  await expect(id("micro-batch")).toHaveValue("2");
  await expect(id("link-note")).toBeHidden();
  // A changed setting is in the address.
  await id("keypoints").fill("6");
  await id("keypoints").press("Enter");
  await expect(page).toHaveURL(/keypoints=6/);
  const loss = await lossAt(page, 20);

  await id("open-share").click();
  await id("share-copy").click();
  await expect(page.getByText("Copied.")).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(new URL(link).searchParams.get("seed")).toBe("3");
  expect(new URL(link).searchParams.has("micro_batch"), "what follows from the rest is not said").toBe(false);
  expect(new URL(link).searchParams.has("learning_rate"), "nor are the values of the preset").toBe(false);
  expect(await id("share-link").inputValue()).toBe(link);

  await open(page, link);
  await expect(id("keypoints")).toHaveValue("6");
  expect(await lossAt(page, 20)).toBe(loss);

  await open(page, link.replace("seed=3", "seed=4"));
  expect(await lossAt(page, 20), "another seed is another run").not.toBe(loss);
});

test("address with wrong parameters ignores and lists them", async ({ page }) => {
  await open(page, `${FIVE}&mask_ratio=3&colour=red&preset=huge&fit=round&hide=moon,seed&sample=cats&start=soon&steps=0`);
  const note = at(page)("link-note");
  for (const [what, why] of [
    ["mask_ratio=3", "Mask ratio must be a number from 0 to 1"],
    ["colour=red", "no such setting"],
    ["preset=huge", "quick, small, paper, tiny"],
    ["fit=round", "stretch or crop or pad"],
    ["hide=moon", "no part of this page"],
    ["sample=cats", "puppets and hands"],
    ["start=soon", "1 or 0"],
    ["steps=0", "a whole number from 1 to 1,000,000"],
  ]) {
    await expect(note.locator("p").filter({ hasText: `“${what}”` })).toContainText(why);
  }
  await expect(note.locator("p")).toHaveCount(8);
  await expect(at(page)("mask-ratio")).toHaveValue("0.8");
  await note.getByRole("button").click();
  await expect(note).toBeHidden();

  // Only the engine can reject these.
  await page.goto("?backend=cpu&batch=4&micro_batch=3&count=40");
  await expect(note).toContainText("divisor");
  await expect(at(page)("batch")).toHaveValue("16");
});

test("lesson link hides the named parts and starts training", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await id("open-share").click();
  await id("share-lesson").locator("summary").click();
  for (const name of ["Start training at once", "Hide edge weights", "Hide model", "Hide Annotate"]) await page.getByLabel(name).check();
  const link = new URL(await id("share-link").inputValue());
  expect(link.searchParams.get("hide")).toBe("edges,model,annotate");
  // The training history's name in links from before.
  link.searchParams.set("hide", `${link.searchParams.get("hide")},seed,look-back`);

  await page.goto(link.href);
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(2);
  await expect(id("link-note")).toBeHidden();
  for (const part of ["edge-matrix", "save-model", "tab-annotate", "seed"]) await expect(id(part)).toBeHidden();
  await expect(page.locator("#training-history")).toBeHidden();
  for (const part of ["keypoints", "loss-chart", "sample-puppets"]) await expect(id(part)).toBeVisible();
});

test("share exports the figure as SVG with vector skeletons and as PNG", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await lossAt(page, 2);
  await id("open-share").click();
  await expect(id("share-svg")).toBeEnabled();
  const saved = async (/** @type {string} */ button) => {
    const download = page.waitForEvent("download");
    await id(button).click();
    const file = await download;
    return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
  };
  const svg = await saved("share-svg");
  expect(svg.name).toBe("autolink-figure-2-steps.svg");
  const seen = await page.evaluate(async (text) => {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    const panels = [...parsed.querySelectorAll("svg svg")];
    const skeleton = panels.filter((panel) => panel.querySelector("circle"));
    const places = skeleton.flatMap((panel) =>
      [...panel.querySelectorAll("circle")].map((c) => [Number(c.getAttribute("cx")), Number(c.getAttribute("cy"))]),
    );
    return {
      isWrong: parsed.querySelector("parsererror") !== null,
      pictures: panels.filter((panel) => panel.querySelector("image")?.getAttribute("href")?.startsWith("data:image/png")).length,
      circles: skeleton.map((panel) => panel.querySelectorAll("circle").length),
      inside: places.every(([x, y]) => x >= 0 && x <= 1 && y >= 0 && y <= 1),
    };
  }, `${svg.bytes}`);
  expect(seen).toEqual({ isWrong: false, pictures: 30, circles: Array(6).fill(5), inside: true });

  const png = await saved("share-png");
  const shown = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context?.drawImage(bitmap, 0, 0);
    const { data } = /** @type {OffscreenCanvasRenderingContext2D} */ (context).getImageData(0, 0, bitmap.width, bitmap.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 404) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return { width: bitmap.width, colours: colours.size };
  }, png.bytes.toString("base64"));
  expect(shown.width).toBeGreaterThan(2000);
  expect(shown.colours, "images are in it").toBeGreaterThan(200);
  await page.keyboard.press("Escape");
  await expect(id("share")).toBeHidden();
  await expect(id("open-share")).toBeFocused();
});

test("share exports the skeletons as one HTML file that opens from disk without a network", async ({ page, context }) => {
  await open(page, FIVE);
  const id = at(page);
  await lossAt(page, 2);
  await id("open-share").click();
  await expect(id("share-html")).toBeEnabled();
  expect(await violations(page)).toEqual([]);
  const download = page.waitForEvent("download");
  await id("share-html").click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("autolink-figure-2-steps.html");
  const copy = test.info().outputPath("skeletons.html");
  await file.saveAs(copy);

  const alone = await context.newPage();
  /** @type {string[]} */ const faults = [];
  alone.on("pageerror", (error) => faults.push(error.message));
  alone.on("request", (request) => /^(file|data):/.test(request.url()) || faults.push(request.url()));
  await context.setOffline(true);
  await alone.goto(pathToFileURL(copy).href);
  await expect(alone.getByRole("img")).toHaveCount(8);
  await expect(alone.locator("circle")).toHaveCount(8 * 5);
  await expect(alone.locator("main > p").first()).toContainText("5 keypoints after 2 steps");
  await alone.locator("circle[data-k='3']").first().hover({ force: true });
  await expect(alone.locator("circle.is-shown")).toHaveCount(8);
  const strengths = await alone.locator("line").evaluateAll((all) => all.map((line) => Number(line.getAttribute("data-strength"))));
  const limit = Number(((Math.min(...strengths) + Math.max(...strengths)) / 2).toFixed(2));
  const drawn = strengths.filter((strength) => strength >= limit).length;
  expect(drawn).toBeGreaterThan(0);
  expect(drawn).toBeLessThan(strengths.length);
  await alone.getByLabel("Draw edges above").fill(`${limit}`);
  await expect
    .poll(() => alone.locator("line").evaluateAll((all) => all.filter((line) => getComputedStyle(line).display !== "none").length))
    .toBe(drawn);
  await alone.getByLabel("Images").uncheck();
  await expect(alone.locator("image").first()).toBeHidden();
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await alone.emulateMedia({ colorScheme });
    expect(await violations(alone)).toEqual([]);
  }
  expect(faults).toEqual([]);
});

test("? opens the list of keys, Esc closes it, and no key trains meanwhile", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await id("step").focus();
  await page.keyboard.press("?");
  await expect(id("keys")).toBeVisible();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Escape");
  await expect(id("keys")).toBeHidden();
  await expect(id("step")).toBeFocused();
  await expect(id("step-count")).toHaveText("0");
  // In a field, ? is a character.
  await page.goto("?backend=cpu#annotate");
  await expect(page.locator("#backend")).toHaveText("CPU");
  await page.keyboard.press("?");
  await expect(id("keys")).toBeVisible();
});

test("tour works by keyboard alone and restores the focus", async ({ page }) => {
  const errors = /** @type {string[]} */ ([]);
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await open(page, FIVE);
  const id = at(page);
  // From here on, only keys are used.
  await expect
    .poll(
      async () => {
        await page.keyboard.press("Tab");
        return page.evaluate(() => document.activeElement?.id);
      },
      { intervals: [10] },
    )
    .toBe("open-tour");
  await page.keyboard.press("Enter");
  const tour = id("tour");
  await expect(tour).toContainText("What is hidden here?");
  const titles = [];
  for (let stop = 1; stop <= 9; stop++) {
    await expect(tour).toContainText(`${stop} of 9`);
    await expect(tour.getByRole("button", { name: stop === 9 ? "Done" : "Next" })).toBeFocused();
    titles.push(await tour.getByRole("heading").textContent());
    // The arrow key and the button both continue.
    await page.keyboard.press(stop % 2 ? "Enter" : stop === 9 ? "Enter" : "ArrowRight");
  }
  expect(new Set(titles).size).toBe(9);
  expect(titles.at(-1)).toBe("Now your own images");
  await expect(tour).toHaveCount(0);
  await expect(id("open-tour")).toBeFocused();
  await expect(id("step-count"), "the arrow led the tour and took no step").toHaveText("0");

  await page.keyboard.press("Enter");
  await expect(tour).toContainText("1 of 9");
  await page.keyboard.press("Escape");
  await expect(tour).toHaveCount(0);
  await expect(id("open-tour")).toBeFocused();
  expect(errors, "nothing that the page's policy forbids").toEqual([]);
});

/** Loads files by the file input.
 * @param {import("@playwright/test").Page} page
 * @param {{ name: string, mimeType: string, buffer: Buffer }[]} files
 */
async function loadFiles(page, files) {
  await page.getByTestId("file-input").setInputFiles(files);
  await expect(page.getByTestId("images-count")).toHaveText(`${files.length}`);
  await expect(page.getByTestId("play")).toBeEnabled();
}

test("removing a thumbnail removes its image from training, and Undo restores it", async ({ page }) => {
  const all = pictures(6);
  const losses = [];
  for (const files of [all, all.filter((_, index) => index !== 2)]) {
    await open(page, FIVE);
    await loadFiles(page, files);
    losses.push(await lossAt(page, 4));
  }
  const [ofSix, ofFive] = losses;
  expect(ofFive).not.toBe(ofSix);

  await open(page, FIVE);
  const id = at(page);
  await loadFiles(page, all);
  const tiles = id("thumbnails").getByRole("button");
  await expect(tiles).toHaveCount(6);
  await expect(id("thumbnails").locator("canvas")).toHaveCount(6);
  await tiles.nth(2).click();
  await expect(tiles).toHaveCount(5);
  await expect(id("images-count")).toHaveText("5");
  expect(await lossAt(page, 4), "as if it had never been there").toBe(ofFive);

  // The run has steps, so the new run must be confirmed.
  await id("removed-undo").click();
  await expect(tiles).toHaveCount(6);
  await expect(tiles.nth(2)).toHaveAccessibleName("Remove disc 2.bmp");
  await page.waitForTimeout(1000);
  await expect(id("images-count")).toHaveText("5");
  await expect(id("step-count")).toHaveText("4");
  await id("removed-apply").click();
  await expect(id("images-count")).toHaveText("6");
  await expect(id("removed-apply")).toBeHidden();
  expect(await lossAt(page, 4)).toBe(ofSix);
});

test("thumbnails support arrow keys and Delete, keep two images, and no key trains", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await loadFiles(page, pictures(4));
  const tiles = id("thumbnails").getByRole("button");
  await tiles.first().focus();
  await page.keyboard.press("ArrowRight");
  await expect(tiles.nth(1)).toBeFocused();
  await page.keyboard.press("Delete");
  await expect(tiles).toHaveCount(3);
  await expect(tiles.nth(1), "the next one").toBeFocused();
  await page.keyboard.press("Delete");
  await expect(tiles).toHaveCount(2);
  await page.keyboard.press("Delete");
  await expect(tiles).toHaveCount(2);
  await expect(page.getByText("Keep at least 2 images.")).toBeVisible();
  await expect(id("images-count")).toHaveText("2");
  await expect(id("step-count")).toHaveText("0");
});

/** Drops groups of files in succession, each before the previous one is read.
 * @param {import("@playwright/test").Page} page
 * @param {{ name: string, mimeType: string, buffer: Buffer }[][]} lots
 */
const dropAtOnce = (page, lots) =>
  page.evaluate(
    (lots) => {
      for (const files of lots) {
        const dataTransfer = new DataTransfer();
        for (const { name, base64 } of files)
          dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    lots.map((files) => files.map(({ name, buffer }) => ({ name, base64: buffer.toString("base64") }))),
  );

test("files dropped during a load are added after it", async ({ page }) => {
  const all = pictures(66);
  await open(page, FIVE);
  const id = at(page);
  await loadFiles(page, all);
  const whole = await lossAt(page, 4);

  await open(page, FIVE);
  await dropAtOnce(page, [all.slice(0, 60), all.slice(60, 64), all.slice(64)]);
  await expect(id("images-count")).toHaveText("66");
  await expect(id("thumbnails-more")).toHaveText("Show 6 more");
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
  expect(await lossAt(page, 4), "as if all had come at once").toBe(whole);
  await id("reset").click();
  await expect(id("step-count")).toHaveText("0");
  await id("removed-undo").click();
  await expect(id("images-count"), "the last two went").toHaveText("64");

  // A sample chosen meanwhile replaces queued files.
  await dropAtOnce(page, [all.slice(0, 60), all.slice(60)]);
  await id("sample-puppets").click();
  await expect(id("images-count")).toHaveText("400");
  await page.waitForTimeout(1000);
  await expect(id("images-count")).toHaveText("400");
});

test("an offer that comes late does not replace the message of dropped images", async ({ page }) => {
  let release = () => {};
  const held = new Promise((resolve) => (release = () => resolve(undefined)));
  await page.route("**/models/index.json", async (route) => {
    await held;
    await route.continue();
  });
  await open(page, FIVE);
  const id = at(page);
  await dropAtOnce(page, [pictures(6)]);
  await expect(id("images-count")).toHaveText("6");
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
  const answered = page.waitForResponse("**/models/index.json");
  release();
  await answered;
  await page.waitForTimeout(500);
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
});

test("images dropped before the engine is loaded get no offer, and trained models and runs are listed", async ({ page }) => {
  let release = () => {};
  const held = new Promise((resolve) => (release = () => resolve(undefined)));
  await page.route("**/worker_bg.wasm", async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(FIVE);
  const id = at(page);
  await expect(page.locator("body")).toHaveAttribute("data-phase", "starting");
  await dropAtOnce(page, [pictures(6)]);
  release();
  await expect(id("images-count")).toHaveText("6");
  await expect(page.locator("#trained-models-list > li")).not.toHaveCount(0);
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
});

test("link that names the former preset opens its settings", async ({ page }) => {
  await open(page, `${FEW}&preset=tiny`);
  const id = at(page);
  await expect(id("preset")).toHaveValue("tiny");
  await expect(id("size")).toHaveValue("64");
  await expect(id("start-steps")).toHaveValue("0");
  await open(page, FEW);
  await expect(id("preset")).toHaveValue("quick");
  await expect(id("size")).toHaveValue("48");
});

test("files dropped while a sample loads are added to it or replace it", async ({ page }) => {
  const all = pictures(6);
  await page.route("**/some-hands/**", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await route.fulfill({ contentType: "image/bmp", body: all[0].buffer }).catch(() => {});
  });
  await open(page, `${FIVE}&hands=some-hands/`);
  const id = at(page);
  await loadFiles(page, all.slice(0, 4));
  await id("hands-count").fill("30");
  await id("sample-hands").click();
  await expect(id("cancel")).toBeVisible();
  await expect(id("adds")).toBeChecked();
  await dropAtOnce(page, [all.slice(4)]);
  await expect(id("images-count"), "the hands and two more").toHaveText("32");
  await expect(id("thumbnails").getByRole("button")).toHaveCount(32);
  await id("removed-undo").click();
  await expect(id("images-count")).toHaveText("30");

  await id("sample-hands").click();
  await expect(id("cancel")).toBeVisible();
  await id("adds").uncheck();
  await dropAtOnce(page, [all]);
  await expect(id("images-count")).toHaveText("6");
  await page.waitForTimeout(1000);
  await expect(id("images-count")).toHaveText("6");
});

test("run stops at the set step, reports its duration, and can continue", async ({ page }) => {
  await open(page, `${FIVE}&steps=12&start=1`);
  const id = at(page);
  await expect(id("message")).toHaveText(/^Finished: 12 steps in 0:\d\d\./);
  await expect(id("step-count")).toHaveText("12");
  await expect(id("play")).toHaveText("Play");
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), `finished, ${colorScheme}`).toEqual([]);
  }
  await page.locator("#remedies").getByRole("button", { name: "Training history" }).click();
  await expect(page.locator("#training-history")).toBeFocused();
  await expect(id("snapshot-b")).toBeInViewport();
  await expect(id("snapshot-b")).toHaveText("12");
  // Continues without a limit.
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(16);
  await expect(page).not.toHaveURL(/steps=/);
  await expect(id("steps")).toHaveValue("");
  // A limit set during training.
  const end = (await number(id("step-count"))) + 120;
  await id("steps").fill(`${end}`);
  await id("steps").press("Enter");
  await expect(id("message")).toContainText(`Finished: ${end} steps`);
  await expect(id("step-count")).toHaveText(grouped(end));
  await expect(page).toHaveURL(new RegExp(`steps=${end}`));
  await id("reset").click();
  await expect(id("message")).toHaveText("Ready. Press Play to train.");
});

/** The centre colour of each thumbnail, as text.
 * @param {import("@playwright/test").Page} page
 */
const middles = (page) =>
  page
    .getByTestId("thumbnails")
    .locator("li:not([hidden]) canvas")
    .evaluateAll((canvases) =>
      /** @type {HTMLCanvasElement[]} */ (canvases).map(
        (canvas) => `${canvas.getContext("2d")?.getImageData(canvas.width / 2, canvas.height / 2, 3, 3).data}`,
      ),
    );

test("sample shows thumbnails, and a removed puppet is not trained on", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  const tiles = id("thumbnails").getByRole("button");
  await expect(tiles).toHaveCount(40);
  expect(new Set(await middles(page)).size, "different images").toBeGreaterThan(30);
  const whole = await lossAt(page, 4);
  await id("reset").click();
  await expect(id("step-count")).toHaveText("0");
  await tiles.nth(3).click();
  await expect(id("images-count")).toHaveText("39");
  await expect(id("images-removed")).toHaveText(", 1 removed");
  await id("open-share").click();
  await expect(id("share")).toContainText("The link also loads the images that you removed.");
  await page.keyboard.press("Escape");
  expect(await lossAt(page, 4)).not.toBe(whole);
  // Another size reads the images again, and the removed one stays removed.
  await id("advanced").locator("summary").click();
  await id("size").fill("64");
  await id("size").press("Enter");
  await id("start-new-run").click();
  await expect(id("thumbnails").locator("canvas").first()).toHaveJSProperty("width", 64);
  await expect(id("images-count")).toHaveText("39");
  await id("size").fill("32");
  await id("size").press("Enter");
  await expect(id("thumbnails").locator("canvas").first()).toHaveJSProperty("width", 32);
  await id("removed-undo").click();
  await expect(id("images-count")).toHaveText("40");
  await expect(id("images-removed")).toBeEmpty();
  expect(await lossAt(page, 4)).toBe(whole);
});

test("removeImages excludes images from annotation", async ({ page }) => {
  await open(page, FIVE);
  const seen = await page.evaluate(async () => {
    const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
    const session = await createSession({ backend: "cpu" });
    await session.configure({ keypoints: 4, size: 32, width: 4, loss: "pixel" });
    await session.load({ kind: "puppets", count: 6, seed: 0 });
    await session.removeImages([0, 3]);
    const { images } = session.state();
    const refused = await session.removeImages([0, 1, 2, 3, 4]).catch((/** @type {Error} */ error) => error.message);
    let names = /** @type {string[]} */ ([]);
    session.on("project", (/** @type {any} */ { rows }) => (names = rows?.map((/** @type {any} */ { name }) => name) ?? names));
    await session.addImages([]);
    const all = await session.thumbnails(4, 9);
    session.close();
    return { images, refused, names, shown: all.names.length, pixels: all.pixels.length };
  });
  expect(seen).toEqual({
    images: 4,
    refused: expect.stringContaining("only one image"),
    names: ["puppet-1.png", "puppet-2.png", "puppet-4.png", "puppet-5.png"],
    shown: 2,
    pixels: 2 * 32 * 32 * 4,
  });
});

test("zip shows a thumbnail for each image, page by page", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  const zip = new AdmZip();
  for (let i = 0; i < 70; i++) zip.addFile(`${`${i}`.padStart(2, "0")}.bmp`, pictures(12)[i % 12].buffer);
  await id("file-input").setInputFiles({ name: "set.zip", mimeType: "application/zip", buffer: zip.toBuffer() });
  await expect(id("images-count")).toHaveText("70");
  const tiles = id("thumbnails").getByRole("button");
  await expect(tiles).toHaveCount(60);
  await expect(tiles.first()).toHaveAccessibleName("Remove 00.bmp");
  await expect(id("thumbnails-more")).toHaveText("Show 10 more");
  await id("thumbnails-more").click();
  await expect(tiles).toHaveCount(70);
  await expect(tiles.nth(60), "the first that is new").toBeFocused();
  await expect(id("thumbnails-more")).toBeHidden();
  const colours = await middles(page);
  expect([colours[12], colours[60]]).toEqual([colours[0], colours[0]]);
  expect(colours[61]).not.toBe(colours[0]);
  await page.keyboard.press("Delete");
  await expect(id("images-count")).toHaveText("69");
  await expect(tiles.nth(60)).toHaveAccessibleName("Remove 61.bmp");
});

test("new images are added to the user's images or replace them, and Undo removes them", async ({ page }) => {
  const all = pictures(6);
  await open(page, FIVE);
  const id = at(page);
  // Each run of this test is stored; from the fourth on the dialog for deleting runs opens.
  await page.addLocatorHandler(id("delete-runs"), () => id("delete-runs-close").click());
  await expect(id("adds"), "a sample gives way").not.toBeChecked();
  await loadFiles(page, all);
  const ofSix = await lossAt(page, 4);
  await id("adds").uncheck();
  await loadFiles(page, all.slice(0, 4));
  const ofFour = await lossAt(page, 4);

  await expect(id("adds")).toBeChecked();
  await id("file-input").setInputFiles(all.slice(4));
  await expect(id("images-count")).toHaveText("6");
  const tiles = id("thumbnails").getByRole("button");
  await expect(tiles).toHaveCount(6);
  await expect(page.getByText("Added 2 images.")).toBeVisible();
  expect(await lossAt(page, 4), "as if all had come at once").toBe(ofSix);
  // A file that is not an image changes nothing.
  await id("file-input").setInputFiles({ name: "bad.png", mimeType: "image/png", buffer: Buffer.alloc(99, 7) });
  await expect(id("message")).toContainText("There are no images in these files");
  await expect(id("snapshots-count"), "nor the training history").toHaveText(/^[2-9] snapshots$/);
  await expect(id("step-count")).toHaveText("4");
  await expect(id("images-count")).toHaveText("6");
  await id("reset").click();
  await expect(id("step-count")).toHaveText("0");
  await id("removed-undo").click();
  await expect(tiles).toHaveCount(4);
  await expect(id("images-count")).toHaveText("4");
  expect(await lossAt(page, 4)).toBe(ofFour);

  // Frames of a video, and images of the camera.
  await id("file-input").setInputFiles(await movie(page));
  await id("frames-every").fill("4");
  await id("frames-take").click();
  await expect(id("images-count")).toHaveText("9");
  await id("open-record").click();
  await id("record-count").fill("2");
  await id("record-interval").selectOption("0.1");
  await id("record-start").click();
  await expect(id("record-use")).toHaveText("Add these 2");
  await id("record-use").click();
  await expect(id("images-count")).toHaveText("11");
  await expect(tiles.last()).toHaveAccessibleName(/^Remove camera/);
  await id("adds").uncheck();
  await loadFiles(page, all.slice(0, 3));
  await expect(tiles).toHaveCount(3);
});

test("fit previews show the image and choose the fit", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await expect(id("fits"), "drawn puppets are square").toBeHidden();
  await loadFiles(page, pictures(6));
  await expect(id("fits")).toBeVisible();
  await expect(id("fit-stretch")).toBeChecked();
  /** Of a canvas, the colour of its middle column at the top and in the middle. */
  const seen = (/** @type {string} */ fit) =>
    id("fits")
      .locator(`label:has([value=${fit}]) canvas`)
      .evaluate((/** @type {HTMLCanvasElement} */ canvas) => {
        const context = canvas.getContext("2d");
        return `${context?.getImageData(40, 60, 1, 1).data} ${context?.getImageData(72, 72, 1, 1).data}`;
      });
  const previews = await Promise.all(["stretch", "crop", "pad"].map(seen));
  expect(new Set(previews).size, "each looks different").toBe(3);
  const input = () => id("view-input").evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
  const before = await input();
  await id("fit-pad").check({ force: true });
  await expect(page).toHaveURL(/fit=pad/);
  await expect.poll(input).not.toBe(before);
  await id("advanced").locator("summary").click();
  await expect(id("fit-choice")).toHaveValue("pad");
});

test("video gives every n-th frame as training image", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await id("file-input").setInputFiles(await movie(page));
  await expect(id("frames")).toContainText("walk.webm: 2.0 s, 10 frames/s.");
  await id("frames-every").fill("4");
  await expect(id("frames")).toContainText("about 5 images");
  await id("frames-take").click();
  await expect(id("images-count")).toHaveText("5");
  await expect(id("frames")).toBeHidden();
  await expect(id("thumbnails").getByRole("button")).toHaveCount(5);
  await expect(id("thumbnails").getByRole("button").nth(2)).toHaveAccessibleName("Remove walk.webm/0.80 s.jpg");

  await id("file-input").setInputFiles({ name: "bad.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(5000, 7) });
  await expect(id("frames")).toContainText("This browser cannot decode bad.mp4");
  await id("frames-cancel").click();
  await expect(id("frames")).toBeHidden();
  await expect(id("images-count")).toHaveText("5");
});

test("camera records n images after a countdown, and bad ones can be removed", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  await id("open-record").click();
  await id("record-count").fill("6");
  await id("record-interval").selectOption("0.1");
  await id("record-start").click();
  await expect(page.locator("#record-countdown")).toHaveText("2");
  const tiles = id("record").getByRole("button", { name: /^Remove camera/ });
  await expect(tiles).toHaveCount(6);
  await expect(id("record-use")).toHaveText("Train on these 6");
  await tiles.nth(1).click();
  await expect(id("record-use")).toHaveText("Train on these 5");
  await id("record-use").click();
  await expect(id("record")).toBeHidden();
  await expect(id("images-count")).toHaveText("5");
  expect(await page.evaluate(() => document.querySelector("video")?.srcObject ?? null), "the camera is off").toBe(null);

  await page.evaluate(() => (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
  await id("open-record").click();
  await expect(id("record-status")).toHaveText(
    "The camera cannot be used: the browser does not allow it. Allow the camera for this page, then try again.",
  );
  await page.keyboard.press("Escape");
  await expect(id("record")).toBeHidden();
});

test("article figures follow their sliders and the loaded images", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  const drawn = (/** @type {string} */ figure) =>
    id(figure)
      .locator("canvas")
      .evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
  await id("article").scrollIntoViewIfNeeded();
  await expect(id("figure-mask").locator("output").first()).toHaveText("80%");
  for (const [figure, slider, value] of [
    ["figure-mask", "ratio", "0.2"],
    ["figure-softmax", "second", "1"],
    ["figure-edges", "thickness", "-1.2"],
    ["figure-shift", "shift", "0.2"],
  ]) {
    await id(figure).scrollIntoViewIfNeeded();
    const before = await drawn(figure);
    await id(figure).locator(`[name=${slider}]`).fill(value);
    await expect.poll(() => drawn(figure), { message: figure }).not.toBe(before);
  }
  await expect(id("figure-softmax")).toContainText("between the peaks");
  await id("figure-softmax").locator("[name=second]").fill("0");
  await expect(id("figure-softmax")).toContainText("at the first peak");
  await expect(id("figure-shift")).toContainText(/That is \d+% of the loss between different images/);
  await id("figure-shift").locator("[name=shift]").fill("0");
  await expect(id("figure-shift")).toContainText("Pixel loss: 0.000");
  const before = await drawn("figure-shift");
  await loadFiles(page, pictures(6));
  await expect.poll(() => drawn("figure-shift"), { message: "other images" }).not.toBe(before);
});

/** Presses a button of a chapter, waits until the page is set up, and returns the chapter.
 * @param {import("@playwright/test").Page} page
 * @param {string} name
 * @param {string} button
 */
async function experiment(page, name, button) {
  const chapter = at(page)(`chapter-${name}`);
  await chapter.getByRole("button", { name: button, exact: true }).click();
  // The page scrolls under the pointer, which would highlight what it comes to lie on.
  await page.mouse.move(0, 0);
  await expect(chapter.getByRole("status").last()).not.toHaveText("");
  await expect(chapter.getByRole("status").last()).not.toContainText("could not");
  return chapter;
}

test("chapters of the lesson start the runs that they name", async ({ page }) => {
  await open(page, `${FIVE}#lesson-two-seeds`);
  const id = at(page);
  await expect(id("chapter-two-seeds")).toBeInViewport();
  // The page keeps every run, and asks which ones to delete when there are many.
  await page.addLocatorHandler(id("delete-runs"), () => id("delete-runs-close").click());
  for (const [chapter, button, fields, images] of /** @type {[string, string, Record<string, string>, string][]} */ ([
    ["hide-nothing", "Train with a mask ratio of 0", { "mask-ratio": "0", keypoints: "12" }, "200"],
    ["hide-nothing", "Train with 0.8", { "mask-ratio": "0.8" }, "200"],
    ["two-keypoints", "Train with two keypoints", { keypoints: "2", "mask-ratio": "0.8" }, "200"],
    ["two-seeds", "Train with seed 1", { seed: "1", keypoints: "12" }, "200"],
    ["two-seeds", "Train with seed 0", { seed: "0" }, "200"],
    ["ten-images", "Train on ten images", { seed: "0" }, "10"],
    ["pixel-loss", "Train with the pixel loss", { "loss-choice": "pixel" }, "400"],
    ["pixel-loss", "Train with the perceptual loss", { "loss-choice": "perceptual" }, "400"],
  ])) {
    await experiment(page, chapter, button);
    await expect(id("images-count"), button).toHaveText(images);
    for (const [field, value] of Object.entries({ ...fields, steps: "300" }))
      await expect(id(field), `${button}: ${field}`).toHaveValue(value);
    await expect.poll(() => number(id("step-count")), button).toBeGreaterThan(0);
    await expect(page.locator("#flow")).toBeFocused();
    await id("back-to-lesson").click();
    await expect(id(`chapter-${chapter}`)).toBeInViewport();
    await expect(id("back-to-lesson")).toHaveCount(0);
  }
});

test("chapters of the lesson edit the images of the trained hands", async ({ page }) => {
  await open(page, `${FIVE}#lesson-drag-thumb`);
  const id = at(page);
  const drawn = (/** @type {string} */ stage) => id(stage).evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
  /** What a canvas shows once it no longer changes. */
  const settled = async (/** @type {string} */ stage) => {
    let before = "";
    await expect
      .poll(async () => {
        const now = await drawn(stage);
        const isSame = now === before;
        before = now;
        return isSame;
      })
      .toBe(true);
    return before;
  };
  const previews = id("flow-previews").getByRole("radio");
  const error = async () => Number.parseFloat((await id("flow-error").textContent())?.match(/[\d.]+/)?.[0] ?? "");

  await experiment(page, "drag-thumb", "Move the thumb’s keypoint");
  await expect(id("step-count")).toHaveText("3,000");
  await expect(previews.nth(4)).toBeChecked();
  await expect(id("pose")).toHaveValue("moved");
  // The reconstruction is worse for it, and better again without.
  await expect(id("flow-edge-map")).toHaveAttribute("aria-label", /3,000/);
  await expect(id("reset-edits")).toBeEnabled();
  await expect.poll(error).toBeGreaterThan(4.2);
  await expect.poll(error).toBeLessThan(8);
  const moved = await settled("flow-edge-map");
  await experiment(page, "drag-thumb", "Move it and hide all cells");
  await expect.poll(error).toBeGreaterThan(8);
  await expect.poll(() => drawn("flow-edge-map")).toBe(moved);
  await id("reset-edits").click();
  await expect.poll(error).toBeLessThan(4);
  await expect.poll(() => drawn("flow-edge-map")).not.toBe(moved);

  await experiment(page, "strongest-edge", "Switch off the strongest edge");
  await expect(previews.nth(1)).toBeChecked();
  await expect(id("reset-edits")).toBeEnabled();
  await expect.poll(error).toBeLessThan(3);
  const withoutStrongest = await settled("flow-edge-map");
  await experiment(page, "strongest-edge", "Switch off the raised finger");
  await expect.poll(() => drawn("flow-edge-map")).not.toBe(withoutStrongest);
  await experiment(page, "strongest-edge", "Switch it off and hide all cells");
  await expect.poll(error).toBeGreaterThan(6);

  await experiment(page, "other-edge-map", "Give image 1 the edge map of image 2");
  await expect(previews.nth(0)).toBeChecked();
  await expect(id("pose")).toHaveValue("1");
  await expect.poll(error).toBeGreaterThan(6.5);
});

test("README and page name the same browsers", async ({ page }) => {
  await open(page, QUICK);
  const rows = (await readFile(path.join(root, "README.md"), "utf8")).split("\n").filter((line) => /^\| (Engine|\w+ .*\|)/.test(line));
  const cells = rows.map((row) => row.slice(2, -2).split(" | ")).filter((row) => row.length === 4);
  expect(cells.length).toBe(4);
  await page.locator("#article").scrollIntoViewIfNeeded();
  await expect(at(page)("browsers").locator("tr")).toHaveCount(4);
  const shown = await at(page)("browsers")
    .locator("tr")
    .evaluateAll((rows) => rows.map((row) => Array.from(row.children, (cell) => cell.textContent)));
  expect(shown).toEqual(cells);
});

test("lesson prints alone with its answers, and its BibTeX can be copied", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(page, `${FIVE}#lesson-hide-nothing`);
  const id = at(page);
  await id("copy-bibtex").click();
  await expect(page.getByText("Copied.")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^@inproceedings\{he2022autolink,[\s\S]*\n\}$/);
  expect(await page.locator("#article math").count(), "formulas").toBeGreaterThan(3);

  const answer = id("chapter-two-seeds").locator("details p").first();
  await expect(answer).toBeHidden();
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  await expect(answer).toBeVisible();
  await expect(id("play")).toBeHidden();
  await expect(id("copy-bibtex")).toBeHidden();
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  await page.emulateMedia({ media: "screen" });
  await expect(answer).toBeHidden();
  await expect(id("play")).toBeVisible();
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`axe reports no violations in thumbnails, tour, dialogs and article, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await open(page, `${FIVE}&colour=red`);
    const id = at(page);
    const check = async (/** @type {string} */ state) => {
      expect(await violations(page), state).toEqual([]);
    };
    await id("file-input").setInputFiles(await movie(page));
    await expect(id("frames-take")).toBeVisible();
    await loadFiles(page, pictures(6));
    await id("thumbnails").getByRole("button").first().click();
    await id("article").scrollIntoViewIfNeeded();
    await expect(id("figure-mask").locator("output").first()).toHaveText("80%");
    for (const answer of await page.locator("#article summary").all()) await answer.click();
    await expect(id("fits")).toBeVisible();
    await check("the page, with thumbnails, a video, the article and a note");
    await id("open-share").click();
    await id("share-lesson").locator("summary").click();
    await expect(id("share-png")).toBeEnabled();
    await check("share");
    await page.keyboard.press("Escape");
    await expect(id("share")).toBeHidden();
    await id("open-keys").click();
    await check("keys");
    await page.keyboard.press("Escape");
    await expect(id("keys")).toBeHidden();
    await id("open-record").click();
    // Waits until the module is loaded: before, its buttons do nothing and Esc closes nothing.
    await expect(id("record")).toBeVisible();
    await expect(id("record-start")).toBeEnabled();
    await check("camera");
    await page.keyboard.press("Escape");
    await expect(id("record")).toBeHidden();
    await id("open-tour").click();
    await expect(id("tour")).toContainText("1 of 9");
    await page.waitForTimeout(600);
    await check("tour");
  });
}

test("address is applied after a failed start of the engine", async ({ page }) => {
  await page.route("**/worker_bg.wasm", (route) => route.abort());
  await page.goto(FIVE);
  await expect(page.getByTestId("message")).toHaveClass(/is-error/);
  await page.unroute("**/worker_bg.wasm");
  await page.getByTestId("start-again").click();
  await expect(page.getByTestId("images-count")).toHaveText("40");
  await expect(page.getByTestId("keypoints")).toHaveValue("5");
});

test("address contains the hands sample and restores it", async ({ page }) => {
  const spare = pictures(6);
  let answered = 0;
  await page.route("**/some-hands/**", (route) => route.fulfill({ contentType: "image/bmp", body: spare[answered++ % 6].buffer }));
  await page.goto(`${FIVE}&hands=some-hands/`);
  await expect(page.getByTestId("images-count")).toHaveText("40");
  const id = at(page);
  await id("hands-count").fill("7");
  await id("sample-hands").click();
  await expect(id("images-count")).toHaveText("7");
  await expect(page).toHaveURL(/sample=hands&count=7/);
  await page.reload();
  await expect(id("images-count")).toHaveText("7");
  await expect(page.locator("#images-about")).toContainText("Sign Language Digits");
  await expect(id("keypoints")).toHaveValue("5");
});

test("camera images are mirrored on request", async ({ page }) => {
  await open(page, FIVE);
  const id = at(page);
  // A camera image that is red on the left and blue on the right.
  await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 48;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    setInterval(() => {
      context.fillStyle = "#f00";
      context.fillRect(0, 0, 32, 48);
      context.fillStyle = "#00f";
      context.fillRect(32, 0, 32, 48);
    }, 30);
    navigator.mediaDevices.getUserMedia = async () => canvas.captureStream();
  });
  const tiles = id("record").getByRole("button", { name: /^Remove camera/ });
  /** Colour at the left of a recorded image. */
  const left = (/** @type {number} */ at) =>
    tiles
      .nth(at)
      .locator("canvas")
      .evaluate((/** @type {HTMLCanvasElement} */ canvas) => {
        const [r, , b] = canvas.getContext("2d")?.getImageData(8, 56, 1, 1).data ?? [];
        return r > b ? "red" : "blue";
      });
  await id("open-record").click();
  await id("record-count").fill("2");
  await id("record-interval").selectOption("0.1");
  await id("record-start").click();
  await expect(tiles).toHaveCount(2);
  await id("record-mirror").uncheck();
  await id("record-start").click();
  await expect(tiles).toHaveCount(4);
  expect([await left(0), await left(3)]).toEqual(["blue", "red"]);
});

test("progress is announced at its end only, and the tour respects reduced motion", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open(page, FIVE);
  await page.evaluate(() => {
    const message = /** @type {HTMLElement} */ (document.getElementById("message"));
    const heard = /** @type {string[]} */ ([]);
    Object.assign(window, { heard });
    new MutationObserver(() => heard.push(`${message.ariaLive}: ${message.textContent}`)).observe(message, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
  await loadFiles(page, pictures(60));
  const heard = await page.evaluate(() => /** @type {any} */ (window).heard);
  expect(heard.filter((/** @type {string} */ text) => text.startsWith("off: Reading")).length).toBeGreaterThan(0);
  expect(heard.filter((/** @type {string} */ text) => text.startsWith("polite: Reading"))).toEqual([]);
  expect(heard.at(-1)).toBe("polite: Ready. Press Play to train.");
  await page.getByTestId("open-tour").click();
  await expect(page.getByTestId("tour")).toContainText("1 of 9");
  await expect(page.locator("body")).toHaveClass(/driver-simple/);
});

test("readLink inverts linkTo, which names the preset and omits other defaults", async ({ page }) => {
  await open(page, FIVE);
  const seen = await page.evaluate(async () => {
    const at = (/** @type {string} */ name) => import(new URL(name, document.baseURI).href);
    const [{ createSession }, { linkTo, readLink }] = await Promise.all([at("autolink.js"), at("/target/page/modules/state/link.js")]);
    const session = await createSession({ backend: "cpu" });
    const settings = session.settingsTable;
    const presets = Object.entries(session.presets);
    session.close();
    const configs = presets.flatMap(([, preset]) => [
      preset,
      { ...preset, seed: 9007199254740991, learning_rate: 1.5e-5 },
      { ...preset, batch: 8, micro_batch: 8, flip: true, fit: "pad" },
      { ...preset, batch: 8, micro_batch: 4, loss: "pixel", thickness: 1e-5 },
      // Every number at the ends of its range.
      { ...preset, ...Object.fromEntries(settings.map((/** @type {any} */ { name, min }) => [name, min])) },
      { ...preset, ...Object.fromEntries(settings.map((/** @type {any} */ { name, max }) => [name, max])) },
    ]);
    const sources = [
      { kind: "puppets", count: 400, seed: 0 },
      { kind: "puppets", count: 20, seed: 5 },
      { kind: "hands", count: 2062, base_url: "x/", bundle_url: null },
    ];
    const wrong = [];
    for (const [index, config] of configs.entries()) {
      const source = sources[index % sources.length];
      const stopStep = index % 3 === 0 ? 500 : null;
      const link = linkTo(
        new URL("https://example.org/"),
        { presets },
        { config, source, stopStep, hide: ["seed", "edges"], start: index % 2 === 0 },
      );
      const read = readLink(link.searchParams, { settings, presets }, { base_url: "x/", bundle_url: null }, () => true);
      const got = {
        config: read.config ?? presets[0][1],
        source: read.source ?? sources[0],
        stopStep: read.stopStep,
        hide: read.hide,
        start: read.start,
        notes: read.notes,
      };
      const meant = { config, source, stopStep, hide: ["seed", "edges"], start: index % 2 === 0, notes: [] };
      const sorted = (/** @type {object} */ value) =>
        JSON.stringify(value, (_, part) =>
          part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
        );
      if (sorted(got) !== sorted(meant)) wrong.push([link.search, got, meant]);
    }
    const bare = linkTo(
      new URL("https://example.org/?colour=red#annotate"),
      { presets },
      { config: presets[0][1], source: sources[0], stopStep: null, hide: [], start: false },
    );
    return { wrong, tried: configs.length, bare: bare.search };
  });
  expect(seen.wrong).toEqual([]);
  expect(seen.tried).toBe(24);
  expect(seen.bare).toBe("?preset=quick");
});
