// Measures in headless Chromium how long a visitor without a GPU waits for a skeleton on the hands that come with the page, and prints the
// median run with its stages: `node bench/skeleton.mjs [RUNS]`, after `cargo xtask engine --release && npx vite build`.
//
// A skeleton is there when the landmark error that the page shows is at most 6% of the image. The regression behind it is fitted on the
// 180 hands that are trained on and scored on the 20 that are held out; `cargo xtask recipe` fits and scores on more of them.
// CHROME names the browser, as for the tests.

import { spawn } from "node:child_process";
import { chromium } from "@playwright/test";

const ENOUGH = 0.06;
/** After this time a run is given up, s. */
const LIMIT = 600;

const runs = Number(process.argv[2] ?? 3);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`${process.argv[2]} is not a number of runs.`);
const port = 20_000 + (process.pid % 20_000);
const server = spawn("node", ["tests/browser/server.js", `${port}`]);
const args = ["--disable-background-networking"];
// Chromium's sandbox does not start for root.
if (process.getuid?.() === 0) args.push("--no-sandbox");

/** One visit, with everything cold. Times in s.
 * @param {number} seed
 */
async function visit(seed) {
  const browser = await chromium.launch({ executablePath: process.env.CHROME || undefined, args });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const id = (/** @type {string} */ name) => page.getByTestId(name);
    const start = performance.now();
    const since = (/** @type {number} */ from) => (performance.now() - from) / 1000;
    await page.goto(`http://127.0.0.1:${port}/dist/?backend=cpu&preset=quick&sample=hands&seed=${seed}`);
    await page.waitForFunction(
      () => document.body.dataset.phase === "paused" && document.querySelector("[data-testid=images-count]")?.textContent === "200",
      null,
      { timeout: LIMIT * 1000 },
    );
    const loading = since(start);
    const pressed = performance.now();
    await id("play").click();
    const step = async () => Number((await id("step-count").textContent())?.replaceAll(",", ""));
    while ((await step()) < 1) await page.waitForTimeout(10);
    const first = since(pressed);
    let error = 1;
    while (error > ENOUGH && since(pressed) < LIMIT) {
      await page.waitForTimeout(50);
      const shown = /Landmark error: ([\d.]+)%/.exec((await id("score-readout").textContent()) ?? "");
      if (shown) error = Number(shown[1]) / 100;
    }
    return { seed, loading, first, training: since(pressed) - first, total: since(pressed), steps: await step(), error };
  } finally {
    await browser.close();
  }
}

try {
  while (!(await fetch(`http://127.0.0.1:${port}/dist/`).catch(() => null))) await new Promise((wake) => setTimeout(wake, 100));
  const found = [];
  for (let seed = 0; seed < runs; seed++) {
    const run = await visit(seed);
    const at = (/** @type {number} */ seconds) => `${seconds.toFixed(1)} s`;
    const reached = run.error <= ENOUGH ? "" : `, given up at ${(100 * run.error).toFixed(1)}%`;
    console.log(
      `seed ${seed}: loading ${at(run.loading)}; from Play to the first step ${at(run.first)}, to ${100 * ENOUGH}% ${at(run.total)} (${run.steps} steps)${reached}`,
    );
    found.push(run);
  }
  found.sort((a, b) => a.total - b.total);
  const median = found[Math.floor((runs - 1) / 2)];
  const share = (/** @type {number} */ seconds) => `${((100 * seconds) / (median.loading + median.total)).toFixed(0)}%`;
  console.log(
    `median: ${median.total.toFixed(1)} s from Play. Of the whole visit, loading took ${share(median.loading)}, the first step ${share(median.first)}, training ${share(median.training)}.`,
  );
} finally {
  server.kill();
}
