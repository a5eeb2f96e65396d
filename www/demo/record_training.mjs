// Records the training that Explore plays before the engine is there: the preset *quick* with seed 0 on the hands that come with the page, as
// the built page trains it. `npx vite build && node www/demo/record_training.mjs 600` records 600 steps; CHROME names the browser.

import { writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { chromium } from "@playwright/test";

const last = Number(process.argv[2] ?? 600);
const port = 20_000 + (process.pid % 20_000);
const server = spawn("node", ["tests/browser/server.js", `${port}`], { stdio: "inherit" });
const browser = await chromium.launch({
  executablePath: process.env.CHROME || undefined,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.log(message.text()));
  // Writes what is recorded so far, so that a machine that is too slow for all steps still gives a recording.
  await page.exposeFunction("keep", async (/** @type {string} */ training, /** @type {string} */ webp) => {
    await writeFile(new URL("training.json", import.meta.url), `${training}\n`);
    await writeFile(new URL("training.webp", import.meta.url), Buffer.from(webp, "base64"));
  });
  await new Promise((resolve) => setTimeout(resolve, 1000)); // the server starts
  await page.goto(`http://127.0.0.1:${port}/dist/licenses.md`);
  await page.evaluate(async (last) => {
    const module = new URL("autolink.js", document.baseURI).href;
    const { createSession } = await import(module);
    const session = await createSession({ backend: "cpu" });
    const { quick } = session.presets;
    await session.configure({ ...quick, seed: 0 });
    await session.load({
      kind: "hands",
      count: 200,
      base_url: document.baseURI,
      bundle_url: new URL("hands/hands-200.zip", document.baseURI).href,
    });
    /** @type {number[]} */ const losses = [];
    /** @type {[number, number][]} */ const errors = [];
    session.on("step", ({ loss }) => losses.push(Number(loss.toPrecision(3))));
    session.on("scored", ({ step, error }) => errors.push([step, Number(error.toPrecision(3))]));
    const round = (/** @type {number} */ value) => Number(value.toFixed(3));
    const frames = [];
    for (let step = 0; ; ) {
      const { keypoints, edge_strengths, size, count, pixels } = await session.previewViews();
      // Half of the symmetric matrix is enough.
      const strengths = edge_strengths.flatMap((/** @type {number[]} */ row, /** @type {number} */ i) =>
        row.slice(0, i).map((value) => Number(value.toFixed(2))),
      );
      frames.push({ step, keypoints: keypoints.map((pose) => pose.map(([x, y]) => [round(x), round(y)])), strengths });
      const isOver = step >= last;
      if (step === 0 || isOver || frames.length % 8 === 0) {
        const canvas = new OffscreenCanvas(size, count * size);
        const shown = new Uint8ClampedArray(pixels.subarray(0, count * size * size * 4));
        canvas.getContext("2d")?.putImageData(new ImageData(shown, size, count * size), 0, 0);
        const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
        const webp = btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(""));
        const training = { name: "200 hands, preset quick, seed 0", size, palette: session.palette, frames, losses, errors };
        // @ts-expect-error: exposed above.
        await window.keep(JSON.stringify(training), webp);
      }
      console.log(`step ${step}: loss ${losses.at(-1)}`);
      if (isOver) break;
      const next = Math.min(last, step + Math.max(2, Math.round(step * 0.06)));
      await session.train({ steps: next - step });
      step = next;
    }
    session.close();
  }, last);
} finally {
  await browser.close();
  server.kill();
}
