// Records what the page shows until its engine answers, from the trained hands that come with it, as the built page computes
// them: `cargo xtask dist && npx vite build --mode modules && node www/demo/record.mjs`, with CHROME naming the browser.

import { writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { chromium } from "@playwright/test";

const port = 20_000 + (process.pid % 20_000);
const server = spawn("node", ["tests/browser/server.js", `${port}`], { stdio: "inherit" });
const browser = await chromium.launch({
  executablePath: process.env.CHROME || undefined,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  const page = await browser.newPage();
  await new Promise((resolve) => setTimeout(resolve, 1000)); // the server starts
  await page.goto(`http://127.0.0.1:${port}/dist/?backend=cpu`);
  const { run, webp } = await page.evaluate(async () => {
    const at = (/** @type {string} */ name) => import(new URL(name, document.baseURI).href);
    const [{ createSession }, { trainedModels, fileOf, imagesOf }] = await Promise.all([
      at("autolink.js"),
      at("/target/page/modules/models.js"),
    ]);
    const [hands] = await trainedModels();
    const session = await createSession({ backend: "cpu" });
    await session.load(await imagesOf(hands));
    await session.resume(await fileOf(hands));
    const views = await session.previewViews();
    const inspected = new Promise((resolve) => session.on("inspected", resolve));
    await session.inspect({ preview: 0, mask: { kind: "usual" }, keypoints: null, edges: [] });
    const stages = await inspected;
    // The figures as their sliders stand at first.
    const figure = (/** @type {string} */ name) =>
      Number(/** @type {HTMLInputElement} */ (document.querySelector(`#article input[name="${name}"]`)).getAttribute("value"));
    const illustrated = {
      lines: await session.illustrate({ kind: "lines", thickness: 10 ** figure("thickness"), weight: figure("weight"), sum: false }),
      heatmap: await session.illustrate({ kind: "heatmap", highest: figure("sharpness"), second: figure("second") }),
      shift: await session.illustrate({ kind: "shift", by: figure("shift") }),
    };
    const { palette } = session;
    session.close();

    // All images in one tall image, which compresses well.
    const tall = [views.pixels, stages.pixels, illustrated.shift.pixels];
    const size = views.size;
    const height = tall.reduce((sum, { length }) => sum + length, 0) / (4 * size);
    const canvas = new OffscreenCanvas(size, height);
    const rgba = new Uint8ClampedArray(4 * size * height);
    let from = 0;
    for (const pixels of tall) {
      rgba.set(pixels, from);
      from += pixels.length;
    }
    canvas.getContext("2d")?.putImageData(new ImageData(rgba, size, height), 0, 0);
    const base64 = (/** @type {Uint8Array} */ bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const webp = base64(new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.85 })).arrayBuffer()));
    const rest = ({ type, id, ...others }) => others;
    const run = {
      name: hands.name,
      palette,
      views: { ...rest(views), pixels: "" },
      stages: { ...rest(stages), pixels: "", heatmaps: base64(stages.heatmaps), mask: base64(stages.mask) },
      illustrated: Object.fromEntries(
        Object.entries(illustrated).map(([name, shown]) => [
          name,
          { ...rest(shown), pixels: name === "shift" ? "" : base64(shown.pixels) },
        ]),
      ),
    };
    return { run, webp };
  });
  // Four digits are finer than a pixel.
  const text = JSON.stringify(run, (_, value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value));
  await writeFile(new URL("run.json", import.meta.url), `${text}\n`);
  await writeFile(new URL("images.webp", import.meta.url), Buffer.from(webp, "base64"));
} finally {
  await browser.close();
  server.kill();
}
