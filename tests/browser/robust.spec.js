// Robustness: the page keeps working when code throws, modules are missing, or buttons are pressed at any time.

import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, inWorker, number, open } from "./helpers.js";

test("a throwing watcher or listener is reported once and does not block others", async ({ page }) => {
  await page.goto("isolate.js"); // same origin, without the page
  const seen = await page.evaluate(
    async (settings) => {
      const { Store } = await import(new URL("/target/page/modules/state/state.js", location.href).href);
      const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
      /** @type {string[]} */ const reported = [];
      addEventListener("error", ({ error }) => reported.push(error.message));
      /** @type {string[]} */ const heard = [];
      const fail = (/** @type {string} */ name) => () => {
        throw new Error(name);
      };
      const store = new Store();
      store.watch(["step"], fail("view"));
      store.watch(["step"], (/** @type {any} */ { step }) => heard.push(`view ${step}`));
      store.react(["step"], fail("reaction"));
      store.react(["step"], (/** @type {any} */ { step }) => heard.push(`reaction ${step}`));
      store.set({ step: 1 });
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

      const session = await createSession({ backend: "cpu", onEvent: fail("every event") });
      await session.configure(settings);
      await session.load({ kind: "puppets", count: 8, seed: 0 });
      const before = reported.length;
      session.on("step", fail("listener"));
      session.on("step", (/** @type {any} */ { step }) => heard.push(`listener ${step}`));
      await session.train({ steps: 2 });
      session.close();
      return { heard, first: reported.slice(0, 3), last: reported.slice(before).filter((name) => name === "listener") };
    },
    { keypoints: 4, size: 32, width: 4, batch: 2, micro_batch: 2, loss: "pixel" },
  );
  expect(seen.heard).toEqual(["view 0", "reaction 1", "view 1", "listener 1", "listener 2"]);
  expect(seen.first).toEqual(["view", "reaction", "view"]);
  expect(seen.last).toEqual(["listener", "listener"]);
});

test("a failing canvas is reported once, and training continues", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  await page.evaluate(() => {
    for (const kind of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
      kind.prototype.putImageData = () => {
        throw new Error("No memory for a canvas.");
      };
    }
  });
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(5);
  await expect(id("fault-note")).toContainText("A part of the page failed (No memory for a canvas). The rest still works.");
  await expect(id("fault-note").locator("p")).toHaveCount(1);
  await id("play").click();
  await expect(id("message")).toHaveText("Paused.");
});

test("a missing module is named, and a missing optional part does not stop the page", async ({ page }) => {
  const id = at(page);
  for (const module of ["main", "link", "autolink"]) {
    await page.route(`**/assets/${module}-*.js`, (route) => route.fulfill({ status: 404, body: "" }));
    await page.goto(FEW);
    await expect(id("fault-note"), module).toContainText(
      new RegExp(`could not start \\(${module}-[\\w-]{8}\\.js could not be loaded\\)\\. Reload the page\\.`),
    );
    await expect(id("message")).toHaveText("The page did not start.");
    await page.unroute(`**/assets/${module}-*.js`);
  }
  await id("fault-reload").click();
  await expect(id("images-count")).toHaveText("40");
  await expect(id("fault-note")).toBeHidden();

  await page.route("**/start-*.js", (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto(FEW);
  await expect(page.getByText("The page did not start. Reload it.")).toBeVisible();
  await page.unroute("**/start-*.js");

  for (const module of ["uPlot.esm", "share", "tour", "learn"])
    await page.route(`**/assets/${module}-*.js`, (route) => route.fulfill({ status: 404, body: "" }));
  await open(page, QUICK);
  await expect(page.locator("#loss-card")).toContainText("The loss chart could not be loaded");
  await id("open-tour").click();
  await expect(id("fault-note")).toContainText("The tour could not be loaded. The rest of the page works");
  await page.locator("#article").scrollIntoViewIfNeeded();
  await expect(id("fault-note")).toContainText("The lesson could not be loaded");
  await id("step").click();
  await expect(id("step-count")).toHaveText("1");
});

test("a browser that cannot read the page's modules is told that it may be too old", async ({ page }) => {
  await page.route("**/main-*.js", (route) => route.fulfill({ contentType: "text/javascript", body: "let new syntax;" }));
  await page.goto(QUICK);
  await expect(at(page)("fault-note")).toContainText("This browser may be too old: update it, then reload the page.");
});

test("a message that comes during a load stays after it", async ({ page }) => {
  let release = () => {};
  const held = new Promise((resolve) => (release = () => resolve(undefined)));
  await page.route("**/hands-200.zip", async (route) => {
    await held;
    await route.continue();
  });
  await open(page, QUICK);
  const id = at(page);
  // Both in one task: the message comes after the request and before the load begins.
  await id("sample-hands").evaluate((/** @type {HTMLElement} */ button) => {
    button.click();
    const dataTransfer = new DataTransfer();
    dataTransfer.setData("text/plain", "hands");
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  });
  await expect(id("message")).toContainText("This is text, not a file.");
  await expect(id("cancel")).toBeVisible();
  release();
  await expect(id("images-count")).toHaveText("200");
  await expect(id("cancel")).toBeHidden();
  await expect(id("message")).toContainText("This is text, not a file.");
});

test("a language that Intl rejects does not stop the page", async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "language", { get: () => "C" });
    // Intl has no default language either.
    const { DateTimeFormat } = Intl;
    Object.defineProperty(Intl, "DateTimeFormat", {
      writable: true,
      configurable: true,
      value: function (/** @type {any} */ locale, /** @type {any} */ options) {
        if (locale === undefined) throw new RangeError("Incorrect locale information provided");
        return new DateTimeFormat(locale, options);
      },
    });
  });
  /** @type {string[]} */ const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await open(page, QUICK);
  const id = at(page);
  await id("play").click();
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(2);
  await expect(id("loss-chart").locator("canvas")).toBeVisible();
  await id("play").click();
  await expect(id("stored-runs").locator("li")).toContainText(/ \d+ steps, today \d/);
  expect(errors).toEqual([]);
});

test("Play before the engine is loaded trains after loading, and a second press cancels it", async ({ page }) => {
  const id = at(page);
  for (const presses of [1, 2, 3]) {
    /** @type {() => void} */ let release = () => {};
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    await page.route("**/worker_bg.wasm", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(QUICK);
    for (let press = 0; press < presses; press++) await id("play").click();
    await expect(id("play")).toHaveText(presses % 2 ? "Pause" : "Play");
    if (presses % 2) await expect(id("message")).toContainText("Training starts after that.");
    release();
    if (presses % 2) {
      await expect.poll(() => number(id("step-count")), { message: `${presses} presses` }).toBeGreaterThan(2);
    } else {
      await expect(id("message")).toContainText("Press Play");
      await page.waitForTimeout(1000);
      await expect(id("step-count")).toHaveText("0");
    }
    await page.unroute("**/worker_bg.wasm");
  }
});

test("Play during a load trains after the load", async ({ page }) => {
  await page.goto(QUICK.replace("count=40", "count=800"));
  const id = at(page);
  // On load, ...
  await expect(id("message")).toContainText("Drawing puppets");
  await id("play").click();
  await expect(id("play")).toHaveText("Pause");
  await expect.poll(() => number(id("step-count")), { timeout: 180_000 }).toBeGreaterThan(2);
  // ... of a sample that replaces a run and stops its training, ...
  await id("sample-puppets").click();
  await expect(id("play")).toHaveText("Play");
  await expect(id("images-count")).toHaveText("400", { timeout: 180_000 });
  await expect(page.locator("body")).toHaveAttribute("data-phase", "paused");
  // ... and of the same images at another size.
  await id("advanced").locator("summary").click();
  await id("size").fill("48");
  await id("size").press("Enter");
  await id("play").click();
  await expect.poll(() => number(id("step-count")), { timeout: 180_000 }).toBeGreaterThan(1);
  await expect(id("size")).toHaveValue("48");
});

test("quick presses of Play, Pause and Step have the effect of the last state, and each Step counts", async ({ page }) => {
  await open(page, QUICK);
  const id = at(page);
  const press = (/** @type {string[]} */ ...buttons) =>
    page.evaluate((buttons) => buttons.forEach((button) => /** @type {HTMLElement} */ (document.getElementById(button)).click()), buttons);
  await press("step", "step");
  await expect(id("step-count")).toHaveText("2");
  await page.waitForTimeout(500);
  await expect(id("step-count")).toHaveText("2");

  await press("play", "play", "play");
  await expect(id("play")).toHaveText("Pause");
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(6);
  // During training.
  await press("play", "play");
  const before = await number(id("step-count"));
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(before + 5);
  await expect(id("play")).toHaveText("Pause");
  await press("play");
  await expect(id("play")).toHaveText("Play");
  await expect(id("message")).toHaveText("Paused.");

  const paused = await number(id("step-count"));
  await press("play", "play");
  await page.waitForTimeout(1000);
  // The step that was running is finished.
  expect(await number(id("step-count"))).toBeLessThanOrEqual(paused + 1);
  await expect(id("play")).toHaveText("Play");
  // Step is pressed during the last step of a training.
  await press("play");
  await expect.poll(() => number(id("step-count"))).toBeGreaterThan(paused + 3);
  await press("play", "step");
  await expect(page.locator("body")).toHaveAttribute("data-phase", "paused");
  await page.waitForTimeout(500);
  const stopped = await number(id("step-count"));
  await page.waitForTimeout(500);
  expect(await number(id("step-count"))).toBe(stopped);
});

test("Pause during the step in which slow motion was switched pauses", async ({ page }) => {
  // Steps take some tenths of a second.
  await open(page, `${FEW}&loss=pixel&batch=4&size=64&width=8`);
  const id = at(page);
  for (const wait of [0, 150]) {
    await id("play").click();
    const from = await number(id("step-count"));
    await expect.poll(() => number(id("step-count")), { intervals: [10], timeout: 180_000 }).toBeGreaterThan(from);
    await page.evaluate(async (wait) => {
      document.getElementById("slow-motion")?.click();
      await new Promise((resolve) => setTimeout(resolve, wait));
      document.getElementById("play")?.click();
    }, wait);
    await expect(id("play")).toHaveText("Play");
    await expect(page.locator("body")).toHaveAttribute("data-phase", "paused");
    const paused = await number(id("step-count"));
    await page.waitForTimeout(3000);
    expect(await number(id("step-count")), `${wait} ms later`).toBe(paused);
  }
});

test("page with an unreadable address loads and shows a note", async ({ page }) => {
  const wrong = [
    "hands=http://[",
    "keypoints=1e999",
    "seed=-1",
    "preset=]",
    "hide=%22%5D,a%20b",
    "steps=NaN",
    "sample_seed=0.5",
    "backend=%00",
    "start=%E0%A4%A",
    "fit=%",
    "x%5B=%5D",
    "sample=http://[",
  ];
  await page.goto(`?count=40&${wrong.join("&")}`);
  const id = at(page);
  await expect(id("images-count")).toHaveText("40");
  await expect(id("link-note")).toContainText("“hands=http://[” was ignored: it is not an address.");
  expect(await id("link-note").locator("p").count()).toBeGreaterThanOrEqual(wrong.length);
  for (const hands of ["javascript:alert(1)", "http://", "https://[::1/", "data:,"]) {
    await page.goto(`${FEW}&hands=${encodeURIComponent(hands)}`);
    await expect(id("images-count"), hands).toHaveText("40");
    await expect(id("link-note"), hands).toContainText("it is not an address");
  }
});

test("different builds of page and engine are reported, and a reload fixes it", async ({ page }) => {
  let served = 0;
  let build = "";
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    const stamp = /const BUILD = "([0-9a-f]{16})";/;
    expect(text).toMatch(stamp);
    build = stamp.exec(text)?.[1] ?? "";
    const isOld = (served += 1) === 1;
    await route.fulfill({ response, body: isOld ? text.replace(stamp, 'const BUILD = "0123456789abcdef";') : text });
  });
  await page.goto(FEW);
  const id = at(page);
  await expect(id("message")).toHaveText("The page and its engine come from different builds. Reload the page.");
  await id("reload").click();
  await expect(id("images-count")).toHaveText("40");

  // The wasm file carries the build id, too.
  await page.route("**/worker_bg.wasm", async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    const at = body.indexOf(build);
    expect(at, "the engine is stamped").toBeGreaterThan(0);
    body.write("0123456789abcdef", at);
    await route.fulfill({ response, body });
  });
  await page.goto(FEW);
  await expect(id("message")).toContainText("different builds");
});

for (const feature of ["timestamp-query", "subgroups"])
  test(`GPU without ${feature} trains`, async ({ page }) => {
    await inWorker(
      page,
      `Object.defineProperty(GPUAdapter.prototype, "info", { get: () => ({ vendor: "acme", architecture: "one", device: "", description: "", subgroupMinSize: 4, subgroupMaxSize: 4, isFallbackAdapter: false }) });
    const all = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "features").get;
    Object.defineProperty(GPUAdapter.prototype, "features", { get() { return new Set([...all.call(this)].filter((name) => name !== "${feature}")); } });
    const open = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = function (descriptor) {
      if ([...(descriptor?.requiredFeatures ?? [])].includes("${feature}")) throw new TypeError("${feature} is not there.");
      return open.call(this, descriptor);
    };`,
    );
    await open(page, QUICK.replace("backend=cpu&", ""));
    const id = at(page);
    await expect(id("backend")).toHaveText("GPU");
    await id("step").click();
    await expect(id("step-count")).toHaveText("1", { timeout: 240_000 }); // it compiles its kernels first
    expect(await number(id("loss"))).toBeGreaterThan(0);
  });
