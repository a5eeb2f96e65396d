// Runs that the browser keeps by itself.

import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, inWorker, number, open, pictures, playTo } from "./helpers.js";

/** @param {number} step */
const steps = (step) => new RegExp(` ${step} steps?, today`);

test("a kept run goes on without what was left out", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const all = await number(id("pictures-count"));
  await id("thumbnails").getByRole("button").nth(3).click();
  await expect(id("pictures-left-out")).toHaveText(", 1 left out");
  const step = await playTo(page, 3);
  await expect(id("kept-runs").locator("li")).toHaveText(steps(step));
  await id("step").click();
  await expect(id("step-count")).toHaveText(`${step + 1}`);
  const next = (await id("loss").textContent()) ?? "";

  await open(page, FEW);
  await expect(id("pictures-count")).toHaveText(`${all}`);
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(`${step}`);
  await expect(id("pictures-count")).toHaveText(`${all - 1}`);
  await expect(id("thumbnails").locator("li").nth(3)).toBeHidden();
  await id("step").click();
  await expect(id("loss")).toHaveText(next);
});

test("a run outlives its tab, a damaged save and a crash of the engine", async ({ page }) => {
  await inWorker(page, `new BroadcastChannel("test").onmessage = () => Promise.reject(new RangeError("out of memory"));`);
  await open(page, QUICK);
  const id = at(page);
  const kept = id("kept-runs").locator("li");
  await expect(kept).toHaveCount(0);
  const first = await playTo(page, 3);
  await expect(kept).toHaveText(steps(first));
  await expect(kept).toContainText("Puppets");
  expect(await kept.locator("img").evaluate((/** @type {HTMLImageElement} */ img) => img.naturalWidth)).toBeGreaterThan(60);
  const loss = await id("loss").textContent();
  const second = await playTo(page, first + 2);
  await expect(kept).toHaveText(steps(second));
  await id("step").click();
  await expect(id("step-count")).toHaveText(`${second + 1}`);
  const next = await id("loss").textContent();

  // The tab is closed; the page offers the run, and it goes on exactly.
  await open(page, FEW);
  await expect(id("message")).toHaveText(new RegExp(`Kept from last time: Puppets, ${second} steps`));
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(`${second}`);
  await expect(id("size")).toHaveValue("32");
  await id("step").click();
  await expect(id("loss")).toHaveText(next ?? "");

  // The newest save is cut short: the one before it is there.
  await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    const files = [];
    for await (const [name, handle] of folder.entries()) files.push({ name, handle, date: (await handle.getFile()).lastModified });
    files.sort((a, b) => b.date - a.date);
    if (files.length !== 2) throw new Error(`${files.length} files`);
    const writable = await files[0].handle.createWritable({ keepExistingData: true });
    await writable.truncate(5000);
    await writable.close();
  });
  // From here on the page's clock can be put forward.
  await page.clock.install();
  await open(page, FEW);
  await expect(kept).toHaveText(steps(first));
  await id("kept-resume").click();
  await expect(id("step-count")).toHaveText(`${first}`);
  await expect(id("loss")).toHaveText(loss ?? "");

  // Of the same length, but no run inside: the engine says so, and nothing is lost.
  await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    for await (const handle of folder.values()) {
      const file = await handle.getFile();
      const start = (await file.text()).indexOf("\n") + 1;
      const writable = await handle.createWritable({ keepExistingData: true });
      await writable.write({ type: "write", position: start, data: new Uint8Array(200) });
      await writable.close();
    }
  });
  await id("kept-resume").click();
  await expect(id("message")).toHaveClass(/is-error/);
  await expect(id("message")).toContainText("not a model");
  await expect(id("step-count")).toHaveText(`${first}`);

  // The engine breaks down while it trains: a new one goes on from the last save, by itself.
  const third = await playTo(page, first + 2);
  await expect(kept).toHaveText(steps(third));
  await id("play").click();
  // It is kept while it trains, too: twice a minute.
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(third);
  await page.clock.fastForward(30_000);
  await expect(kept).not.toHaveText(steps(third));
  const safe = Number(/ (\d+) steps/.exec((await kept.textContent()) ?? "")?.[1]);
  expect(safe).toBeGreaterThan(third);
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(safe);
  await page.evaluate(() => new BroadcastChannel("test").postMessage("break"));
  await expect(id("message")).toContainText(`safe up to step ${safe}`);
  await id("start-again").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(safe);
  await expect(id("play")).toHaveText("Pause");
});

test("three runs are kept at most, and each can be opened, taken home and forgotten", async ({ page }) => {
  page.on("dialog", (dialog) => dialog.accept());
  await open(page, QUICK);
  const id = at(page);
  const kept = id("kept-runs").locator("li");
  const reached = [];
  for (const runs of [1, 2, 3, 3]) {
    reached.push(await playTo(page, 2 + reached.length));
    await expect(kept).toHaveCount(runs);
    await expect(kept.first()).toHaveText(steps(reached.at(-1) ?? 0));
    await id("reset").click();
    await expect(id("step-count")).toHaveText("0");
  }
  for (const [index, step] of reached.reverse().slice(0, 3).entries()) await expect(kept.nth(index)).toHaveText(steps(step));

  const download = page.waitForEvent("download");
  await kept.nth(1).getByTestId("kept-download").click();
  const file = await download;
  expect(file.suggestedFilename()).toBe(`autolink-run-${reached[1]}-steps.safetensors`);
  await id("model-input").setInputFiles(await file.path());
  await expect(id("step-count")).toHaveText(`${reached[1]}`);

  await kept.nth(0).getByTestId("kept-open").click();
  await expect(id("step-count")).toHaveText(`${reached[0]}`);
  // Other pictures: what was opened stays, for them.
  await id("file-input").setInputFiles(pictures());
  await expect(id("pictures-count")).toHaveText("6");
  await expect(id("step-count")).toHaveText(`${reached[0]}`);
  await kept.nth(0).getByTestId("kept-delete").click();
  await expect(kept).toHaveCount(2);
  await open(page, FEW);
  await expect(kept).toHaveCount(2);
});

test("without the private file system IndexedDB keeps the run; without both it is said once", async ({ page }) => {
  await page.addInitScript(() => {
    navigator.storage.getDirectory = () => Promise.reject(new DOMException("Not here.", "SecurityError"));
  });
  await open(page, QUICK);
  const id = at(page);
  const step = await playTo(page, 2);
  await expect(id("kept-runs").locator("li")).toHaveText(steps(step));
  await open(page, FEW);
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(`${step}`);

  await page.addInitScript(() => {
    indexedDB.open = () => {
      throw new DOMException("Storage is disabled.", "SecurityError");
    };
  });
  await open(page, QUICK);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(1);
  await id("play").click();
  await expect(id("message")).toContainText("cannot keep the run for you (Storage is disabled)");
  await expect(id("unkept")).toContainText("press Save run");
  await playTo(page, 5);
});

test("a full disk is said once, and training goes on", async ({ page }) => {
  await page.addInitScript(() => {
    FileSystemFileHandle.prototype.createWritable = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
  });
  await open(page, QUICK);
  const id = at(page);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(1);
  await id("play").click();
  await expect(id("message")).toContainText("its space for this page is used up");
  await expect(id("kept-runs").locator("li")).toHaveCount(0);
  await playTo(page, 5);
});
