// The service worker: visits without a network, updates, and hosts without headers.

import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import os from "node:os";
import path from "node:path";
import { expect, test as base } from "@playwright/test";
import sirv from "sirv";
import { QUICK, at, number, open, photographs, root } from "./helpers.js";

/**
 * A host of one folder, which can be stopped, and its folder replaced.
 * @typedef {{ address: string, stop: () => Promise<void>, serve: (folder: string) => void, forget: (name: string) => void }} Host
 */

/** Hosts `dist` on a port of its own, in two folders of the host, without headers.
 * @returns {Promise<Host>}
 */
async function host() {
  const serving = (/** @type {string} */ folder) => sirv(folder, { dev: true });
  let files = serving(path.join(root, "dist"));
  /** @type {Set<string>} */ const missing = new Set();
  const server = createServer((request, response) => {
    const end = () => void response.writeHead(404).end();
    const inside = /^\/(?:lesson|copy)(\/.*)/.exec(request.url ?? "");
    if (!inside) return end();
    request.url = inside[1];
    if ([...missing].some((name) => request.url?.includes(name))) end();
    else files(request, response, end);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    address: `http://127.0.0.1:${port}/lesson/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    serve: (folder) => void (files = serving(folder)),
    forget: (name) => void missing.add(name),
  };
}

/** @type {import("@playwright/test").TestType<import("@playwright/test").PlaywrightTestArgs & import("@playwright/test").PlaywrightWorkerArgs & { site: Host, visits: import("@playwright/test").BrowserContext }, {}>} */
const test = base.extend({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a fixture needs.
  site: async ({}, use) => {
    const site = await host();
    await use(site);
    await site.stop();
  },
  visits: async ({ browser, site }, use) => {
    const context = await browser.newContext({ baseURL: site.address, serviceWorkers: "allow" });
    await use(context);
    await context.close();
  },
});

/** Makes another build of the page: everything that carries the id of `dist` carries another one, and the page has another title.
 * @param {string} [other] Its id.
 * @param {string} [title] What its title begins with.
 */
async function otherBuild(other = "0123456789abcdef", title = "Another") {
  const folder = await mkdtemp(path.join(os.tmpdir(), "autolink-"));
  await cp(path.join(root, "dist"), folder, { recursive: true });
  const names = await readdir(folder, { recursive: true });
  const engine = names.find((name) => /^engine-[0-9a-f]{16}$/.test(name)) ?? "";
  const id = engine.slice("engine-".length);
  /** @type {Record<string, string>} */ const hashes = {};
  for (const name of names) {
    if (!/\.(js|wasm|html)$/.test(name) || name === "service_worker.js") continue;
    const file = path.join(folder, name);
    // One byte per character, in both directions.
    const text = (await readFile(file, "latin1")).replaceAll(id, other).replace("<title>AutoLink:", `<title>${title} AutoLink:`);
    await writeFile(file, text, "latin1");
    hashes[name === "index.html" ? "" : name.replace(id, other)] = createHash("sha256").update(text, "latin1").digest("base64");
  }
  await rename(path.join(folder, engine), path.join(folder, `engine-${other}`));
  const script = path.join(folder, "service_worker.js");
  const text = (await readFile(script, "utf8")).replaceAll(id, other);
  const worker = text.replace(/"([^"]*)":"sha256-[^"]*"/g, (entry, name) => (hashes[name] ? `"${name}":"sha256-${hashes[name]}"` : entry));
  await writeFile(script, worker);
  return { folder, id: other };
}

test("after one visit everything works without a network", async ({ visits, site }) => {
  const first = await visits.newPage();
  await first.goto("./");
  await expect(at(first)("offline")).toHaveAttribute("data-kept", "kept", { timeout: 120_000 });
  expect(await first.evaluate(() => crossOriginIsolated), "the host sends no headers").toBe(true);
  const kept = await first.evaluate(async () => {
    const names = await caches.keys();
    const files = await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)));
    return { names: names.map((name) => name.replace(/[0-9a-f]{16}/, "ID")), files: files.flat() };
  });
  expect(kept.names.sort()).toEqual(["autolink-page-/lesson/ ID", "autolink-weights-1"]);
  expect(
    kept.files.filter((url) => url.includes("relu4_3")),
    "kept at first use",
  ).toEqual([]);
  expect(new Set(kept.files).size, "nothing is kept twice").toBe(kept.files.length);
  // The page can be installed, but for the private window of the tests.
  const browser = await visits.newCDPSession(first);
  const { installabilityErrors } = await browser.send("Page.getInstallabilityErrors");
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(["in-incognito"]);
  expect((await browser.send("Page.getAppManifest")).errors).toEqual([]);

  // Another copy on the same host keeps its own files.
  await first.goto("../copy/");
  await expect(at(first)("offline")).toHaveAttribute("data-kept", "kept", { timeout: 120_000 });
  await first.close();

  await site.stop();
  await visits.setOffline(true);
  const page = await visits.newPage();
  /** @type {string[]} */ const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const id = at(page);
  await page.goto("./#explore");
  await expect(page.locator("#explore canvas, #explore svg").first()).toBeVisible();
  await expect(id("message")).toContainText("Opened Hands");

  // Hands, with the perceptual loss.
  await page.goto("?backend=cpu&sample=hands&count=200&size=32&width=4&batch=2&steps=2&start=1#train");
  await expect(id("images-count")).toHaveText("200");
  await expect(id("step-count")).toHaveText("2");
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);

  await page.locator("[data-fold=model] > summary").click();
  for (const [index, name] of ["Hands", "Hands, large", "Puppets"].entries()) {
    await id("open-trained").nth(index).click();
    await expect(id("message")).toContainText(`Opened ${name}, trained for`);
  }
  await id("open-tour").click();
  await expect(page.locator(".driver-popover")).toBeVisible();
  await page.keyboard.press("Escape");

  await id("tab-annotate").click();
  await id("annotate-files").setInputFiles(await photographs(3));
  await expect(page.getByTestId("gallery").locator("canvas, img").first()).toBeVisible();
  const download = page.waitForEvent("download");
  await id("export-coco").click();
  expect((await download).suggestedFilename()).toMatch(/\.(zip|json)$/);
  expect(errors).toEqual([]);
});

test("a newer build is offered, and does not end a training in this tab or another one", async ({ visits, site }) => {
  const page = await visits.newPage();
  const id = at(page);
  await open(page, QUICK);
  await expect(id("offline")).toHaveAttribute("data-kept", "kept", { timeout: 120_000 });
  const other = await visits.newPage();
  await open(other, QUICK);
  await at(other)("play").click();
  await id("play").click();

  const newer = await otherBuild();
  try {
    site.serve(newer.folder);
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await expect(id("update-note")).toBeVisible({ timeout: 120_000 });
    const before = await number(id("step-count"));
    await expect.poll(() => number(id("step-count"))).toBeGreaterThan(before + 5);
    await expect(page).toHaveTitle(/^AutoLink/);

    await id("update").click();
    await expect(page).toHaveTitle(/^Another AutoLink/);
    await expect(id("message")).toContainText("From your last visit");
    await id("step").click();
    await expect(id("step-count"), "page and engine are of one build").toHaveText("1");

    // A third build takes the second's place.
    const third = await otherBuild("fedcba9876543210", "A third");
    site.serve(third.folder);
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await expect(id("update-note")).toBeVisible({ timeout: 120_000 });
    await id("update").click();
    await expect(page).toHaveTitle(/^A third AutoLink/);
    await rm(third.folder, { recursive: true });

    // The other tab goes on, and loads its parts from the build that it shows, even if the host is gone.
    await site.stop();
    await visits.setOffline(true);
    const steps = await number(at(other)("step-count"));
    await expect.poll(() => number(at(other)("step-count"))).toBeGreaterThan(steps + 5);
    await at(other)("open-tour").click();
    await expect(other.locator(".driver-popover")).toBeVisible();
    await expect(other).toHaveTitle(/^AutoLink/);
  } finally {
    await rm(newer.folder, { recursive: true });
  }
});

test("a file that cannot be kept is named, and the page works", async ({ visits, site }) => {
  site.forget("hands-large.safetensors");
  const page = await visits.newPage();
  const id = at(page);
  await open(page, QUICK);
  await expect(id("offline")).toHaveText(
    "This page could not be kept for visits without a network (models/hands-large.safetensors could not be loaded). Reload it to try again.",
  );
  await id("step").click();
  await expect(id("step-count")).toHaveText("1");
});

test("an update waits, too, where the build before it could not be kept", async ({ visits, site }) => {
  site.forget("hands-large.safetensors");
  const page = await visits.newPage();
  const id = at(page);
  await open(page, QUICK);
  await expect(id("offline")).toHaveAttribute("data-kept", "failed", { timeout: 120_000 });
  const before = await page.evaluate(() => caches.keys());
  const newer = await otherBuild();
  try {
    site.serve(newer.folder);
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await expect(id("update-note")).toBeVisible({ timeout: 120_000 });
    expect(await page.evaluate(() => caches.keys()), "the open page keeps its files").toEqual(before);
    await id("open-tour").click();
    await expect(page.locator(".driver-popover")).toBeVisible();
    await page.keyboard.press("Escape");
    await id("update").click();
    await expect(page).toHaveTitle(/^Another AutoLink/);
    await id("step").click();
    await expect(id("step-count")).toHaveText("1");
  } finally {
    await rm(newer.folder, { recursive: true });
  }
});
