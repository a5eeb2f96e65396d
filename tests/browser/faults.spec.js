// Faults at random moments: killed workers and tabs, full disks, lost GPUs and crashes must not lose saved runs.
//
// AUTOLINK_FAULTS is the number of rounds: `cargo xtask test` runs one, `cargo xtask faults page` runs fifty and prints the table.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "@playwright/test";
import { FEW, QUICK, at, grouped, number, open, playTo, root } from "./helpers.js";

const ROUNDS = Number(process.env.AUTOLINK_FAULTS ?? 1);
/** Interval between saves of a run in training, ms (`www/state/autosave.js`). */
const KEEP_EVERY = 25_000;
/** Largest loss of training time, s. */
const MOST_LOST = 30;

/** A row of the table in docs/reliability.md.
 * @param {string} fault
 * @param {number} count
 * @param {string} outcome
 */
const report = (fault, count, outcome) => console.log(`FAULTS | page | ${fault} | ${count} | ${outcome} |`);

const random = (/** @type {number} */ most) => Math.floor(Math.random() * most);

/** The stored runs, read by the module of the page.
 * @param {import("@playwright/test").Page} page
 * @returns {Promise<{ id: string, step: number }[]>} The newest first.
 */
const kept = (page) =>
  page.evaluate(async () => {
    const { Saves } = await import(new URL("/target/page/modules/state/saves.js", location.href).href);
    return (await new Saves().list()).map((/** @type {any} */ { id, step }) => ({ id, step }));
  });

/** Expects that no saved run is missing or older than before.
 * @param {{ id: string, step: number }[]} before
 * @param {{ id: string, step: number }[]} after
 */
function expectNothingLost(before, after) {
  for (const { id, step } of before) expect(after.find((run) => run.id === id)?.step ?? -1, id).toBeGreaterThanOrEqual(step);
}

test("killing a worker or tab loses at most 30 s of a run", async ({ context }) => {
  test.setTimeout(480_000 + 60_000 * ROUNDS);
  await context.addInitScript(() => {
    const { Worker } = window;
    window.Worker = class extends Worker {
      /** @param {ConstructorParameters<typeof Worker>} args */
      constructor(...args) {
        super(...args);
        Object.assign(window, { engine: this });
      }
    };
  });
  // The clock can be advanced to the next save.
  await context.clock.install();
  let page = await context.newPage();
  await open(page, QUICK);
  for (const step of [2, 4]) {
    await playTo(page, step);
    await at(page)("reset").click();
    await expect(at(page)("step-count")).toHaveText("0");
  }
  await playTo(page, 3);
  await expect.poll(async () => (await kept(page)).length).toBe(3);
  let before = await kept(page);
  const [{ id: run }] = before;
  /** @type {Record<string, number>} */ const kills = {};
  let oldest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const id = at(page);
    /** When each step was seen, ms of the page's clock. @type {[number, number][]} */ const seen = [];
    await page.exposeFunction("seen", (/** @type {number} */ step, /** @type {number} */ now) => seen.push([step, now]));
    await open(page, FEW);
    await id("resume-last").click();
    await expect(id("step-count")).toHaveText(grouped(before[0].step));
    const resumed = await page.evaluate(() => {
      const count = /** @type {HTMLElement} */ (document.getElementById("step-count"));
      const tell = () => /** @type {any} */ (window).seen(Number(count.textContent?.replaceAll(",", "")), performance.now());
      new MutationObserver(tell).observe(count, { childList: true, characterData: true, subtree: true });
      tell();
      return performance.now();
    });
    await id("play").click();
    await expect.poll(() => number(id("step-count")), { intervals: [20] }).toBeGreaterThan(before[0].step + 1);
    await page.waitForTimeout(random(600));
    const now = await page.evaluate(() => performance.now());
    await page.clock.fastForward(Math.max(0, Math.round(KEEP_EVERY - (now - resumed) - 200)));
    await page.waitForTimeout(random(1200));
    const end = await page.evaluate(() => performance.now());
    const kind = ["worker killed", "tab closed", "tab crashed"][round % 3];
    kills[kind] = (kills[kind] ?? 0) + 1;
    if (kind === "worker killed") {
      await page.evaluate(() => /** @type {any} */ (window).engine.terminate());
    } else if (kind === "tab crashed") {
      const crashed = page.waitForEvent("crash");
      const session = await context.newCDPSession(page);
      session.send("Page.crash").catch(() => {});
      await crashed;
    }
    await page.close();

    page = await context.newPage();
    await open(page, FEW);
    const after = await kept(page);
    expectNothingLost(before, after);
    expect(after[0].id).toBe(run);
    const reached = seen.filter(([step]) => step <= after[0].step).at(-1);
    const age = reached ? (end - reached[1]) / 1000 : Infinity;
    expect(age, `${kind}, at step ${after[0].step}`).toBeLessThanOrEqual(MOST_LOST);
    oldest = Math.max(oldest, age);
    before = after;
  }
  await at(page)("resume-last").click();
  await expect(at(page)("step-count")).toHaveText(grouped(before[0].step));
  const kinds = Object.entries(kills).map(([kind, count]) => `${kind}: ${count}`);
  report(
    "worker or tab killed at a random moment",
    ROUNDS,
    `0 saved runs lost; at most ${oldest.toFixed(1)} s of training lost (${kinds.join(", ")})`,
  );
});

test("a full disk is reported, keeps the earlier save, and later saves succeed", async ({ page, context, baseURL }) => {
  test.setTimeout(480_000 + 30_000 * ROUNDS);
  const { origin } = new URL(baseURL ?? "");
  const session = await context.newCDPSession(page);
  await open(page, QUICK);
  const id = at(page);
  await playTo(page, 3);
  await expect.poll(async () => (await kept(page)).length).toBe(1);
  for (let round = 0; round < ROUNDS; round++) {
    const before = await kept(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 + random(50_000) });
    await id("play").click();
    await expect.poll(() => number(id("step-count"))).toBeGreaterThan(before[0].step + 2);
    await id("play").click();
    await expect(id("message")).toContainText("its space for this page is used up");
    expect(await kept(page)).toEqual(before);
    await page.reload();
    await expect(id("message")).toContainText(`From your last visit: Puppets, ${grouped(before[0].step)} steps`);
    await id("resume-last").click();
    await expect(id("step-count")).toHaveText(grouped(before[0].step));
    await session.send("Storage.overrideQuotaForOrigin", { origin });
    const reached = await playTo(page, before[0].step + 1);
    await expect.poll(async () => (await kept(page))[0].step).toBe(reached);
    await expect(id("autosave-error")).toHaveText("");
  }
  report("disk full while a run is kept (quota)", ROUNDS, "0 saved runs lost; every failure was reported");
});

/** A stub of a GPU that is lost on a message of a channel. */
const CARD = `
  Object.defineProperty(GPUAdapter.prototype, "info", { get: () => ({ vendor: "acme", architecture: "one", device: "", description: "", subgroupMinSize: 4, subgroupMaxSize: 4, isFallbackAdapter: false }) });
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    new BroadcastChannel("fault").addEventListener("message", () => device.destroy());
    return device;
  };`;

test("a GPU lost in training continues the run from its last save", async ({ page }) => {
  const rounds = Math.min(ROUNDS, 10);
  test.setTimeout(480_000 + 60_000 * rounds);
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/^ *try \{/m, `${CARD}\n$&`) });
  });
  const id = at(page);
  // Each round stores a run; from the fourth on the dialog for deleting runs opens.
  await page.addLocatorHandler(id("delete-runs"), () => id("delete-runs-close").click());
  for (let round = 0; round < rounds; round++) {
    await open(page, QUICK.replace("backend=cpu&", ""));
    await expect(id("backend")).toHaveText("GPU");
    const safe = await playTo(page, 2);
    await expect.poll(async () => (await kept(page))[0]?.step).toBe(safe);
    const before = await kept(page);
    await id("play").click();
    await expect.poll(() => number(id("step-count")), { intervals: [20] }).toBeGreaterThan(safe);
    await page.waitForTimeout(random(400));
    await page.evaluate(() => new BroadcastChannel("fault").postMessage("lose"));
    await expect(id("message")).toContainText(`safe up to step ${grouped(safe)}`);
    await id("use-cpu").click();
    await expect(id("backend")).toHaveText("CPU");
    // Training continues by itself.
    await expect(id("play")).toHaveText("Pause");
    await expect.poll(() => number(id("step-count"))).toBeGreaterThan(safe);
    await id("play").click();
    expectNothingLost(before, await kept(page));
    await page.evaluate(async () => {
      const { Saves } = await import(new URL("/target/page/modules/state/saves.js", location.href).href);
      document.dispatchEvent(new Event("visibilitychange"));
      return new Saves().list();
    });
  }
  report("GPU lost while it trains", rounds, "0 saved runs lost; every run continued on the CPU");
});

/** An example of each command: its fields and attachments.
 * @type {Record<string, { fields?: object, file?: string, pixels?: number }>}
 */
const COMMANDS = {
  open: { fields: { backend: "cpu", weights_url: "weights/" } },
  load: { fields: { source: { kind: "puppets", count: 8, seed: 1 }, append: false } },
  thumbnails: { fields: { first: 0, count: 2 } },
  "remove-images": { fields: { indices: [1] } },
  "cancel-load": {},
  configure: { fields: { config: null } }, // the current settings
  train: { fields: { steps: 2, every_ms: null } },
  pause: {},
  reset: {},
  "refresh-views": {},
  inspect: { fields: { edits: { preview: 0, mask: { kind: "usual" }, keypoints: null, edges: [] } } },
  explain: { fields: { edits: { preview: 0, mask: { kind: "usual" }, keypoints: null, edges: [] }, stage: { kind: "detector" } } },
  transfer: { fields: { previews: [0, 1] } },
  illustrate: { fields: { what: { kind: "lines", thickness: 0.005, weight: 0.5, sum: false } } },
  animate: { fields: { width: 2, height: 2, frame_ms: 100 }, pixels: 32 },
  detect: { file: "image.png" },
  save: { fields: { kind: "run" } },
  resume: { file: "run.safetensors" },
  "add-images": { file: "image.png" },
  "detect-again": {},
  identify: { file: "video.mp4" },
  "detect-pixels": { fields: { width: 2, height: 2 }, pixels: 16 },
  "add-frame": { fields: { video: "a.mp4", content: "0123", frame: 0, seconds: 0, width: 2, height: 2 }, pixels: 16 },
  "begin-search": { fields: { source: "a.mp4" } },
  "sample-frames": { fields: { source: "a.mp4", width: 2, height: 2 }, pixels: 16 },
  "search-frames": { fields: { source: "a.mp4", width: 2, height: 2 }, pixels: 16 },
  locate: { fields: { source: "a.mp4", margin: 1.6, is_video: true } },
  "list-candidates": { fields: { sources: ["a.mp4"], count: 8 } },
  "read-reversed": { fields: { image: 0, width: 2, height: 2 }, pixels: 16 },
  "mend-flips": { fields: { video: "0123" } },
  "add-candidate": { fields: { source: "a.mp4", width: 2, height: 2, index: 0 }, pixels: 16 },
  "choose-frames": { fields: { sources: ["a.mp4"], count: 8 } },
  "show-project": {},
  "provide-frame": { fields: { image: 0 }, file: "frame.png" },
  "measure-motion": { fields: { layer: "keypoints", measures: [{ kind: "speed", keypoint: 0 }], smoothing: null } },
  "export-motion": { fields: { layer: "keypoints", measures: [{ kind: "speed", keypoint: 0 }], smoothing: null } },
  "new-project": {},
  "save-project": { fields: { name: "mine" } },
  "open-project": { file: "project.json" },
  edit: { fields: { edit: { kind: "undo" } } },
  "import-labels": { file: "labels.json" },
  export: { fields: { layer: "keypoints", format: "coco", with_images: false } },
  "image-file": { fields: { image: 0 } },
};

test("a crash inside each command loses no saved run, and a new engine continues", async ({ page }) => {
  const protocol = await readFile(path.join(root, "www/engine/protocol.d.ts"), "utf8");
  const declared = /export type Command = ([\s\S]*?);\n/.exec(protocol)?.[1] ?? "";
  const names = [...declared.matchAll(/\{ "type": "([a-z-]+)"/g)].map(([, name]) => name);
  // Every new command needs an example here.
  expect(Object.keys(COMMANDS).sort()).toEqual(names.sort());
  const every = Math.max(1, Math.floor(names.length / ROUNDS));
  const chosen = names.filter((_, index) => index % every === 0);
  test.setTimeout(480_000 + 30_000 * chosen.length);

  // The engine crashes inside wasm at its next allocation of a JavaScript object, like a trap: without cleaning up.
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    expect(text).toContain("new Object()");
    await route.fulfill({ response, body: text.replaceAll("new Object()", "(self.fault?.(), new Object())") });
  });
  await page.route("**/worker_loader.js", async (route) => {
    const response = await route.fetch();
    const script = `
      let armed = "", isDue = false;
      const channel = new BroadcastChannel("fault");
      channel.onmessage = ({ data }) => { armed = data; channel.postMessage("armed"); };
      self.addEventListener("message", ({ data }) => { isDue = data.command?.type === armed; });
      self.fault = () => { if (isDue) { isDue = false; throw new WebAssembly.RuntimeError("unreachable, in " + armed); } };`;
    await route.fulfill({ response, body: (await response.text()).replace(/^ *try \{/m, `${script}\n$&`) });
  });
  await page.addInitScript(() => {
    const { Worker } = window;
    window.Worker = class extends Worker {
      /** @param {ConstructorParameters<typeof Worker>} args */
      constructor(...args) {
        super(...args);
        Object.assign(window, { engine: this });
        this.addEventListener("message", ({ data }) => data.type === "state" && Object.assign(window, { config: data.config }));
      }
    };
  });
  await open(page, QUICK);
  const id = at(page);
  const step = await playTo(page, 3);
  await expect.poll(async () => (await kept(page)).length).toBe(1);
  const before = await kept(page);
  for (const name of chosen) {
    await page.evaluate(
      async ({ name, fields, file, pixels }) => {
        const channel = new BroadcastChannel("fault");
        const armed = new Promise((resolve) => (channel.onmessage = resolve));
        channel.postMessage(name);
        await armed;
        const { engine, config } = /** @type {any} */ (window);
        const command = { type: name, ...fields, ...(name === "configure" ? { config } : {}) };
        const files = file ? [new File([new Uint8Array(9)], file)] : [];
        engine.postMessage({ id: 1_000_000, command, files, names: files.map(({ name }) => name), pixels: new Uint8Array(pixels ?? 0) });
      },
      { name, ...COMMANDS[name] },
    );
    await expect(id("message"), name).toContainText(`unreachable, in ${name}`);
    await expect(id("message"), name).toContainText(`safe up to step ${grouped(step)}`);
    await id("start-again").click();
    await expect(id("step-count"), name).toHaveText(grouped(step));
    await expect(id("images-count"), name).toHaveText("40");
    expect(await kept(page), name).toEqual(before);
  }
  await id("step").click();
  await expect(id("step-count")).toHaveText(grouped(step + 1));
  report("engine crashes inside a command", chosen.length, `0 saved runs lost; ${chosen.length} of ${names.length} commands`);
});

test("two tabs that open one run at the same time save separate runs", async ({ context }) => {
  test.setTimeout(480_000 + 60_000 * ROUNDS);
  const [first, second] = [await context.newPage(), await context.newPage()];
  await open(first, QUICK);
  const start = await playTo(first, 2);
  await expect.poll(async () => (await kept(first))[0]?.step).toBe(start);
  for (let round = 0; round < ROUNDS; round++) {
    const [before] = await kept(first);
    const reached = await Promise.all(
      [first, second].map(async (page) => {
        await open(page, FEW);
        await at(page)("resume-last").click();
        // The second tab may find a newer save of the first.
        await expect.poll(() => number(at(page)("step-count"))).toBeGreaterThanOrEqual(before.step);
        return playTo(page, (await number(at(page)("step-count"))) + 1 + random(5));
      }),
    );
    await expect.poll(async () => (await kept(first)).map(({ step }) => step).sort((a, b) => a - b)).toEqual(reached.sort((a, b) => a - b));
    // Two runs are stored; the second is no longer needed.
    await second.goto("isolate.js");
    await first.goto("isolate.js");
    const [, other] = await kept(first);
    await first.evaluate(async (id) => {
      const { Saves } = await import(new URL("/target/page/modules/state/saves.js", location.href).href);
      await new Saves().remove(id);
    }, other.id);
  }
  report("two tabs with one run", ROUNDS, "0 saved runs lost or overwritten");
});
