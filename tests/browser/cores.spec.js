// Multithreading on the CPU: workers compute, results do not change, and the page works without them.

import { spawn } from "node:child_process";
import { expect, test } from "@playwright/test";
import { SMALL, inWorker, open } from "./helpers.js";

/** Losses of three steps of an engine that the page starts.
 * @param {import("@playwright/test").Page} page
 */
async function losses(page) {
  await page.goto("isolate.js"); // same origin, without an engine of its own
  return page.evaluate(async (settings) => {
    const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
    const session = await createSession({ backend: "cpu" });
    await session.configure({ ...settings, width: 8, batch: 6, micro_batch: 6 });
    await session.load({ kind: "puppets", count: 16, seed: 0 });
    await new Promise((wake) => setTimeout(wake, 1000)); // workers join when they are loaded
    /** @type {number[]} */
    const losses = [];
    session.on("step", (/** @type {any} */ { loss }) => losses.push(loss));
    await session.train({ steps: 3 });
    return { losses, reason: session.state().reason };
  }, SMALL);
}

const CORES = (/** @type {number} */ count) => `Object.defineProperty(navigator, "hardwareConcurrency", { value: ${count} });`;

test("compute workers run shards of convolutions and keep losses bit-identical", async ({ page, context }) => {
  await inWorker(
    page,
    `${CORES(3)} const notify = Atomics.notify; self.asked = 0; Atomics.notify = (...to) => ((self.asked += 1), notify(...to));`,
  );
  const shared = await losses(page);
  expect(shared.reason).toContain("3 cores");
  const [engine] = page.workers();
  // Three steps with two workers: some forty convolutions, forward and both gradients.
  expect(await engine.evaluate(() => /** @type {any} */ (self).asked)).toBeGreaterThan(100);

  const other = await context.newPage();
  await inWorker(other, CORES(1));
  const alone = await losses(other);
  expect(alone.reason).toBe("CPU, as requested.");
  expect(alone.losses).toEqual(shared.losses);
});

test("engine waits once for a lost worker and continues without it", async ({ page, context }) => {
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    // The worker reports ready but does not exist. (Requests of workers of a worker are not routed here.)
    const alive = /new Worker\(location\.href.*;/;
    const dead = "Atomics.store(new Int32Array(arena), 16 * index, 1);";
    const impatient = `${CORES(2)} const wait = Atomics.wait; self.given = 0;
      Atomics.wait = (a, i, state, ms) => { const how = wait(a, i, state, Math.min(ms, 500)); self.given += how === "timed-out"; return how; };`;
    const body = (await response.text()).replace(alive, dead).replace(/^ *try \{/m, `${impatient}\n$&`);
    await route.fulfill({ response, body });
  });
  const found = await losses(page);
  const [engine] = page.workers();
  expect(await engine.evaluate(() => /** @type {any} */ (self).given)).toBe(1);

  const other = await context.newPage();
  await inWorker(other, CORES(1));
  expect(found.losses).toEqual((await losses(other)).losses);
});

test("core count includes workers that answered and excludes lost ones", async ({ page, context }) => {
  // Of three workers, one never starts and one crashes at its first task.
  const breaksDown = `onmessage = ({ data: { arena, index } }) => {
    const headers = new Int32Array(arena);
    Atomics.store(headers, 16 * index, 1);
    Atomics.wait(headers, 16 * index, 1);
    Atomics.store(headers, 16 * index, 4);
    Atomics.notify(headers, 16 * index);
  };`;
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    const hired = /new Worker\(location\.href.*;/;
    const instead = `if (index === 1) new Worker(URL.createObjectURL(new Blob([${JSON.stringify(breaksDown)}]))).postMessage({ arena, index }); else if (index === 2) $&`;
    const body = (await response.text()).replace(hired, instead).replace(/^ *try \{/m, `${CORES(4)}\n$&`);
    await route.fulfill({ response, body });
  });
  await page.goto("isolate.js");
  const seen = await page.evaluate(async (settings) => {
    const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
    const session = await createSession({ backend: "cpu" });
    const reasons = [session.state().reason];
    session.on("cores", (/** @type {any} */ { reason }) => reasons.push(reason));
    // Read before the first task, at which one worker crashes.
    while (!reasons.at(-1)?.includes("3 cores")) await new Promise((wake) => setTimeout(wake, 50));
    await session.configure({ ...settings, width: 8, batch: 6, micro_batch: 6 });
    await session.load({ kind: "puppets", count: 16, seed: 0 });
    /** @type {number[]} */
    const losses = [];
    session.on("step", (/** @type {any} */ { loss }) => losses.push(loss));
    await session.train({ steps: 3 });
    return { losses, reasons, last: session.state().reason };
  }, SMALL);
  expect(seen.reasons[0]).toBe("CPU, as requested.");
  expect(seen.last).toBe("CPU, 2 cores, as requested.");

  const other = await context.newPage();
  await inWorker(other, CORES(1));
  expect(seen.losses).toEqual((await losses(other)).losses);
});

test("core count includes a worker that starts after others were lost", async ({ page }) => {
  // Two workers start at once and are lost before the third starts.
  const leaves = `onmessage = ({ data: { arena, index } }) => {
    const headers = new Int32Array(arena);
    Atomics.store(headers, 16 * index, 1);
    setTimeout(() => Atomics.store(headers, 16 * index, 4), 1000);
  };`;
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    const hired = /new Worker\(location\.href.*;/;
    const instead = `if (index < 2) new Worker(URL.createObjectURL(new Blob([${JSON.stringify(leaves)}]))).postMessage({ arena, index }); else setTimeout(() => { $& }, 3000);`;
    const body = (await response.text()).replace(hired, instead).replace(/^ *try \{/m, `${CORES(4)}\n$&`);
    await route.fulfill({ response, body });
  });
  await page.goto("isolate.js");
  const reasons = await page.evaluate(async () => {
    const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
    const session = await createSession({ backend: "cpu" });
    /** @type {string[]} */ const reasons = [];
    session.on("cores", (/** @type {any} */ { reason }) => reasons.push(reason));
    const isCounted = () => reasons.includes("CPU, as requested.") && reasons.at(-1)?.includes("2 cores");
    for (const start = performance.now(); !isCounted() && performance.now() - start < 30_000; )
      await new Promise((wake) => setTimeout(wake, 50));
    return reasons;
  });
  expect(reasons).toContain("CPU, as requested.");
  expect(reasons.at(-1)).toBe("CPU, 2 cores, as requested.");
});

test("engine loads from a host that sends no wasm type", async ({ page }) => {
  await page.route("**/worker_bg.wasm", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), "content-type": "application/octet-stream" } });
  });
  expect((await losses(page)).losses).toHaveLength(3);
});

test("page isolates itself on a host without headers, else it computes on one core", async ({ browser }) => {
  const port = 40_000 + (process.pid % 20_000);
  const host = spawn("node", ["tests/browser/server.js", `${port}`, "plain"]);
  const baseURL = `http://127.0.0.1:${port}/dist/`;
  try {
    await expect
      .poll(() =>
        fetch(baseURL).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    const page = await browser.newPage({ baseURL, serviceWorkers: "allow" });
    await open(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.close();

    const context = await browser.newContext({ baseURL, serviceWorkers: "block" });
    const old = await context.newPage();
    await open(old);
    expect(await old.evaluate(() => crossOriginIsolated)).toBe(false);
    await expect(old.locator("#backend-reason")).toHaveText(
      "CPU, as requested. This page is not isolated from other origins, so one core computes.",
    );
    expect((await losses(old)).reason).toBe("CPU, as requested.");
    await context.close();
  } finally {
    host.kill();
  }
});
