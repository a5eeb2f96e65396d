// Measures one device in headless Chromium for `bench/src/conduct.rs`, and prints the result as JSON in its last line.
//
//   node bench/browser.mjs gpu|flex|flex-one-core [--quick] [--steps-only]   the wasm build of the benchmark, in target/bench/
//   node bench/browser.mjs tfjs SETTINGS                      TensorFlow.js; SETTINGS as JSON, see `src/config.rs`
//
// CHROME names the browser, as for the tests.

import { spawn } from "node:child_process";
import { chromium } from "@playwright/test";

const [kind, ...options] = process.argv.slice(2);
const PORT = 20_000 + (process.pid % 20_000);
// The layers package registers the gradients.
const TENSORFLOW = ["core/dist/tf-core", "layers/dist/tf-layers", "backend-webgpu/dist/tf-backend-webgpu"];

/** Runs the measurements of `bench/src/browser.rs`. */
function ours(/** @type {import("@playwright/test").Page} */ page) {
  return page.evaluate(
    async (plan) => {
      const files = ["vgg16_relu3_3", "vgg16_relu4_3"].map(async (name) => {
        const answer = await fetch(`/weights/${name}.safetensors`);
        return new Uint8Array(await answer.arrayBuffer());
      });
      const weights = await Promise.all(files);
      const worker = new Worker("/target/bench/worker_loader.js", { type: "module" });
      return new Promise((found, fail) => {
        worker.onmessage = ({ data }) => {
          if (data === "booted") worker.postMessage({ ...plan, weights });
          else if (data.type === "builds") return;
          else if (data.found) found(data.found);
          else fail(new Error(data.failed ?? data.message));
        };
      });
    },
    { kind, quick: options.includes("--quick"), steps_only: options.includes("--steps-only") },
  );
}

async function tensorflow(/** @type {import("@playwright/test").Page} */ page, /** @type {string} */ settings) {
  for (const file of TENSORFLOW) await page.addScriptTag({ url: `/node_modules/@tensorflow/tfjs-${file}.min.js` });
  return page.evaluate(async (settings) => {
    const { measure } = await import(`${location.origin}/bench/tfjs.js`);
    return JSON.stringify(await measure(JSON.parse(settings)));
  }, settings);
}

const server = spawn("node", ["tests/browser/server.js", `${PORT}`]);
const args = ["--enable-unsafe-webgpu", "--disable-background-networking"];
// Chromium's sandbox does not start for root.
if (process.getuid?.() === 0) args.push("--no-sandbox");
const browser = await chromium.launch({ executablePath: process.env.CHROME || undefined, args });
try {
  const page = await browser.newPage();
  // A lost device or an invalid shader only logs a panic; without this check the benchmark would measure nothing.
  const broken = new Promise((_, fail) => {
    page.on("console", (message) => {
      if (message.text().includes("panicked")) fail(new Error(message.text()));
      else console.error(message.text());
    });
  });
  // Any page of this origin without scripts.
  const address = `http://127.0.0.1:${PORT}/LICENSE-MIT`;
  while (!(await fetch(address).catch(() => null))) await new Promise((wake) => setTimeout(wake, 100));
  await page.route("**/favicon.ico", (route) => route.fulfill({ body: "" }));
  await page.goto(address);
  const found = kind === "tfjs" ? tensorflow(page, options[0]) : ours(page);
  console.log(await Promise.race([found, broken]));
} finally {
  await browser.close();
  server.kill();
}
