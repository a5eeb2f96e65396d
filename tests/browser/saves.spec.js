// Runs stored in the browser.

import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, grouped, inWorker, number, open, pictures, playTo, violations } from "./helpers.js";

/** @param {number} step */
const steps = (step) => new RegExp(` ${grouped(step)} steps?, today`);

test("stored run continues without its removed images", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const all = await number(id("images-count"));
  await id("thumbnails").getByRole("button").nth(3).click();
  await expect(id("images-removed")).toHaveText(", 1 removed");
  const step = await playTo(page, 3);
  await expect(id("stored-runs").locator("li")).toHaveText(steps(step));
  await id("step").click();
  await expect(id("step-count")).toHaveText(grouped(step + 1));
  const next = (await id("loss").textContent()) ?? "";

  await open(page, FEW);
  await expect(id("images-count")).toHaveText(`${all}`);
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(grouped(step));
  await expect(id("images-count")).toHaveText(`${all - 1}`);
  await expect(id("thumbnails").locator("li").nth(3)).toBeHidden();
  await id("step").click();
  await expect(id("loss")).toHaveText(next);
});

test("stored run survives a closed tab, a damaged save and an engine crash", async ({ page }) => {
  await inWorker(page, `new BroadcastChannel("test").onmessage = () => Promise.reject(new RangeError("out of memory"));`);
  await open(page, QUICK);
  const id = at(page);
  const kept = id("stored-runs").locator("li");
  await expect(kept).toHaveCount(0);
  const first = await playTo(page, 3);
  await expect(kept).toHaveText(steps(first));
  await expect(kept).toContainText("Puppets");
  expect(await kept.locator("img").evaluate((/** @type {HTMLImageElement} */ img) => img.naturalWidth)).toBeGreaterThan(60);
  const loss = await id("loss").textContent();
  const second = await playTo(page, first + 2);
  await expect(kept).toHaveText(steps(second));
  await id("step").click();
  await expect(id("step-count")).toHaveText(grouped(second + 1));
  const next = await id("loss").textContent();

  // After closing the tab the page offers the run, which continues exactly.
  await open(page, FEW);
  await expect(id("message")).toHaveText(new RegExp(`From your last visit: Puppets, ${grouped(second)} steps`));
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(grouped(second));
  await expect(id("size")).toHaveValue("32");
  await id("step").click();
  await expect(id("loss")).toHaveText(next ?? "");

  // The newest save is truncated; the previous one is used.
  await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    const files = [];
    for await (const entry of folder.values()) {
      const handle = /** @type {FileSystemFileHandle} */ (entry);
      files.push({ handle, date: (await handle.getFile()).lastModified });
    }
    files.sort((a, b) => b.date - a.date);
    if (files.length !== 2) throw new Error(`${files.length} files`);
    const writable = await files[0].handle.createWritable({ keepExistingData: true });
    await writable.truncate(5000);
    await writable.close();
  });
  // From here on the clock of the page can be advanced.
  await page.clock.install();
  await open(page, FEW);
  await expect(kept).toHaveText(steps(first));
  await id("stored-resume").click();
  await expect(id("step-count")).toHaveText(grouped(first));
  await expect(id("loss")).toHaveText(loss ?? "");

  // A save of the right length without a run is rejected by the engine, and nothing is lost.
  await page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    for await (const entry of folder.values()) {
      const handle = /** @type {FileSystemFileHandle} */ (entry);
      const file = await handle.getFile();
      const start = (await file.text()).indexOf("\n") + 1;
      const writable = await handle.createWritable({ keepExistingData: true });
      await writable.write({ type: "write", position: start, data: new Uint8Array(200) });
      await writable.close();
    }
  });
  await id("stored-resume").click();
  await expect(id("message")).toHaveClass(/is-error/);
  await expect(id("message")).toContainText("not an AutoLink model");
  await expect(id("step-count")).toHaveText(grouped(first));

  // If the engine crashes during training, a new one continues from the last save.
  const third = await playTo(page, first + 2);
  await expect(kept).toHaveText(steps(third));
  await id("play").click();
  // The run is stored during training, twice a minute.
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(third);
  await page.clock.fastForward(30_000);
  await expect(kept).not.toHaveText(steps(third));
  const safe = Number(/ ([\d,]+) steps/.exec((await kept.textContent()) ?? "")?.[1].replaceAll(",", ""));
  expect(safe).toBeGreaterThan(third);
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(safe);
  await page.evaluate(() => new BroadcastChannel("test").postMessage("break"));
  await expect(id("message")).toContainText(`safe up to step ${grouped(safe)}`);
  await id("start-again").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(safe);
  await expect(id("play")).toHaveText("Pause");
});

test("fourth stored run opens the dialog; runs can be opened, downloaded and deleted", async ({ page }) => {
  page.on("dialog", (dialog) => dialog.accept());
  await open(page, QUICK);
  const id = at(page);
  const kept = id("stored-runs").locator("li");
  const reached = [];
  for (const runs of [1, 2, 3]) {
    reached.push(await playTo(page, 2 + reached.length));
    await expect(kept).toHaveCount(runs);
    await expect(kept.first()).toHaveText(steps(reached.at(-1) ?? 0));
    await id("reset").click();
    await expect(id("step-count")).toHaveText("0");
  }
  // All four stay until one is deleted. By keyboard, Esc keeps them.
  reached.push(await playTo(page, 2 + reached.length));
  await expect(id("delete-runs")).toBeVisible();
  await expect(kept).toHaveCount(4);
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect(id("delete-runs")).toBeHidden();
  await expect(kept).toHaveCount(4);
  await expect(id("too-many-runs")).toContainText("4 runs are stored");
  // The dialog opens once per run, not at every save.
  reached[3] = await playTo(page, reached[3] + 2);
  await expect(kept.first()).toHaveText(steps(reached[3]));
  await expect(id("delete-runs")).toBeHidden();
  await id("choose-runs").press("Enter");
  const last = id("delete-runs-list").locator("li").last();
  await expect(last).toContainText(` ${grouped(reached[0])} steps`);
  await last.getByTestId("delete-runs-delete").focus();
  await page.keyboard.press("Enter");
  await expect(kept).toHaveCount(3);
  // Undo restores the run and has the focus.
  await expect(id("delete-runs-undo")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(kept).toHaveCount(4);
  await last.getByTestId("delete-runs-delete").click();
  await expect(id("delete-runs-status")).toContainText(`Deleted Puppets, ${grouped(reached[0])} steps`);
  await id("delete-runs-close").click();
  await expect(id("too-many-runs")).toBeHidden();
  await id("reset").click();
  await expect(id("step-count")).toHaveText("0");
  for (const [index, step] of reached.reverse().slice(0, 3).entries()) await expect(kept.nth(index)).toHaveText(steps(step));

  const download = page.waitForEvent("download");
  await kept.nth(1).getByTestId("stored-download").click();
  const file = await download;
  expect(file.suggestedFilename()).toBe(`autolink-run-${reached[1]}-steps.safetensors`);
  await id("model-input").setInputFiles(await file.path());
  await expect(id("step-count")).toHaveText(grouped(reached[1]));

  await kept.nth(0).getByTestId("stored-open").click();
  await expect(id("step-count")).toHaveText(grouped(reached[0]));
  // The opened model stays for other images.
  await id("file-input").setInputFiles(pictures());
  await expect(id("images-count")).toHaveText("6");
  await expect(id("step-count")).toHaveText(grouped(reached[0]));
  await kept.nth(0).getByTestId("stored-delete").click();
  await expect(kept).toHaveCount(2);
  await open(page, FEW);
  await expect(kept).toHaveCount(2);
});

test("runs are stored in IndexedDB without the private file system; missing storage is reported once", async ({ page }) => {
  await page.addInitScript(() => {
    navigator.storage.getDirectory = () => Promise.reject(new DOMException("Not here.", "SecurityError"));
  });
  await open(page, QUICK);
  const id = at(page);
  const step = await playTo(page, 2);
  await expect(id("stored-runs").locator("li")).toHaveText(steps(step));
  await open(page, FEW);
  await id("resume-last").click();
  await expect(id("step-count")).toHaveText(grouped(step));

  await page.addInitScript(() => {
    indexedDB.open = () => {
      throw new DOMException("Storage is disabled.", "SecurityError");
    };
  });
  await open(page, QUICK);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(1);
  await id("play").click();
  await expect(id("message")).toContainText("cannot store this run: Storage is disabled");
  await expect(id("autosave-error")).toContainText("Press Save run");
  await playTo(page, 5);
});

test("full disk is reported once, and training continues", async ({ page }) => {
  await page.addInitScript(() => {
    FileSystemFileHandle.prototype.createWritable = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
  });
  await open(page, QUICK);
  const id = at(page);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(1);
  await id("play").click();
  await expect(id("message")).toContainText("its space for this page is used up");
  await expect(id("stored-runs").locator("li")).toHaveCount(0);
  await playTo(page, 5);
});

/** Starts training and waits for some steps.
 * @param {import("@playwright/test").Page} page
 */
async function playing(page) {
  await page.getByTestId("play").click();
  await expect.poll(() => number(page.getByTestId("step-count")), { intervals: [20] }).toBeGreaterThanOrEqual(3);
}

test("reset by R can be undone by a click or Ctrl+Z to the exact step", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const kept = id("stored-runs").locator("li");
  await playing(page);
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await page.keyboard.press("r");
  await expect(id("step-count")).toHaveText("0");
  await expect(id("play")).toHaveText("Play");
  await expect(kept).toHaveCount(1);
  const step = Number(/ ([\d,]+) steps/.exec((await kept.textContent()) ?? "")?.[1].replaceAll(",", ""));
  expect(step).toBeGreaterThanOrEqual(3);
  await id("restore-run").click();
  await expect(id("step-count")).toHaveText(grouped(step));
  await expect(id("message")).toHaveText(new RegExp(`^Restored .+ at step ${grouped(step)}\\.`));
  await id("step").click();
  await expect(id("step-count")).toHaveText(grouped(step + 1));
  const loss = await id("loss").textContent();

  // Again, after another step.
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await page.keyboard.press("R");
  await expect(id("step-count")).toHaveText("0");
  await page.keyboard.press("Control+z");
  await expect(id("step-count")).toHaveText(grouped(step + 1));
  await expect(id("loss")).toHaveText(loss ?? "");
  await expect(id("restore-run")).toHaveCount(0);
  // The run is the same one and stored once.
  await expect(kept).toHaveCount(1);
});

test("every replacement of a run stores it and can be undone with its images", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const kept = id("stored-runs").locator("li");
  const download = page.waitForEvent("download");
  await id("step").click();
  await expect(id("step-count")).toHaveText("1");
  await id("save-model").click();
  const model = await (await download).path();

  const all = await id("images-count").textContent();
  /** @type {Record<string, () => Promise<unknown>>} */
  const ways = {
    "a setting": async () => {
      await id("keypoints").fill("6");
      await id("keypoints").press("Enter");
      await id("start-new-run").click();
      await expect(id("keypoints")).toHaveValue("6");
    },
    "other images": async () => {
      await id("file-input").setInputFiles(pictures());
      await expect(id("images-count")).toHaveText("6");
    },
    "a model that is opened": async () => {
      await id("model-input").setInputFiles(model);
      await expect(id("message")).toContainText("Opened");
    },
    "an image that is removed": async () => {
      await id("thumbnails").getByRole("button").nth(2).click();
      await id("removed-apply").click();
      await expect(id("images-removed")).toHaveText(", 1 removed");
    },
  };
  for (const [name, go] of Object.entries(ways)) {
    const reached = (await number(id("step-count"))) + 2;
    await id("step").click();
    await id("step").click();
    await expect(id("step-count"), name).toHaveText(grouped(reached));
    const keypoints = await id("keypoints").inputValue();
    await go();
    await expect(kept.filter({ hasText: ` ${grouped(reached)} steps` }), name).toHaveCount(1);
    await id("restore-run").click();
    await expect(id("step-count"), name).toHaveText(grouped(reached));
    await expect(id("images-count"), name).toHaveText(all ?? "");
    await expect(id("keypoints"), name).toHaveValue(keypoints);
  }
});

test("replacing a run that cannot be stored asks first", async ({ page }) => {
  await page.addInitScript(() => {
    // Any thrown value gives a sentence.
    FileSystemFileHandle.prototype.createWritable = () => Promise.reject(null);
  });
  /** @type {string[]} */ const asked = [];
  let answer = false;
  page.on("dialog", (dialog) => {
    asked.push(dialog.message());
    return answer ? dialog.accept() : dialog.dismiss();
  });
  await open(page, QUICK);
  const id = at(page);
  await playing(page);
  await id("play").click();
  await expect(page.locator("body")).toHaveAttribute("data-phase", "paused");
  const step = await number(id("step-count"));
  await expect(id("autosave-error")).toContainText("cannot store this run: it gives no reason");
  await id("reset").click();
  await expect.poll(() => asked.length).toBe(1);
  expect(asked[0]).toContain(
    `The browser cannot store this run of ${grouped(step)} steps: it gives no reason. If you continue, you can restore the run`,
  );
  await expect(id("step-count")).toHaveText(grouped(step));
  answer = true;
  await id("reset").click();
  await expect(id("step-count")).toHaveText("0");
  await id("restore-run").click();
  await expect(id("step-count")).toHaveText(grouped(step));
});

test("persistent storage is requested after a save, and the answer is shown", async ({ page }) => {
  await page.addInitScript(() => {
    const asked = { times: 0 };
    Object.assign(window, { asked });
    navigator.storage.persisted = async () => false;
    navigator.storage.persist = async () => ((asked.times += 1), location.search.includes("keypoints=5"));
  });
  const times = () => page.evaluate(() => /** @type {any} */ (window).asked.times);
  await open(page, QUICK);
  const id = at(page);
  expect(await times()).toBe(0);
  await playTo(page, 2);
  await expect(id("persisted")).toHaveText(/may delete this when space runs low/);
  await playTo(page, 5);
  expect(await times()).toBe(1);
  await open(page, `${QUICK}&keypoints=5`);
  await playTo(page, 2);
  await expect(id("persisted")).toHaveText(/until you delete it/);
});

test("second tab with one run continues as a separate run and reports it", async ({ page, context }) => {
  page.on("dialog", (dialog) => dialog.accept());
  await open(page, QUICK);
  const id = at(page);
  const step = await playTo(page, 3);
  await expect(id("stored-runs").locator("li")).toHaveText(steps(step));

  const second = await context.newPage();
  second.on("dialog", (dialog) => dialog.accept());
  await open(second, FEW);
  const there = at(second);
  await there("resume-last").click();
  await expect(there("message")).toContainText("Another tab is training this run. It continues here");
  await expect(there("step-count")).toHaveText(grouped(step));
  const further = await playTo(second, step + 3);
  const kept = there("stored-runs").locator("li");
  await expect(kept).toHaveCount(2);
  await expect(kept.first()).toHaveText(steps(further));
  await expect(kept.last()).toHaveText(steps(step));
  // It does not delete it either.
  await kept.last().getByTestId("stored-delete").click();
  await expect(there("message")).toContainText("Another tab is training this run");
  await expect(kept).toHaveCount(2);

  // The first tab continues its own run; when it closes, the run can be claimed.
  await page.bringToFront();
  const own = await playTo(page, step + 1);
  await expect(id("stored-runs").locator("li").first()).toHaveText(steps(own));
  await expect(id("stored-runs").locator("li")).toHaveCount(2);
  await page.close();
  await second.bringToFront();
  await second.reload();
  await there("stored-runs").locator("li").first().getByTestId("stored-resume").click();
  await expect(there("step-count")).toHaveText(grouped(own));
  await expect(there("message")).not.toContainText("Another tab");
});
