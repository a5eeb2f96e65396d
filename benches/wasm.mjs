// The CPU backend in Chromium against the native one, in one run: seconds a training step, best of some, all printed.
// The native one uses all cores, and for comparison one, as the browser's does.
//
//   cargo xtask dist && cargo build --release --bin autolink && node benches/wasm.mjs [PROGRAM] [pixel|perceptual]
//
// PROGRAM is target/release/autolink unless told. CHROME names the browser, as for the tests.

import { spawn, spawnSync } from "node:child_process";
import { chromium } from "@playwright/test";

const [program = "target/release/autolink", loss = "pixel"] = process.argv.slice(2);
const PORT = 18471;
const STEPS = 8;
const ROUNDS = 3;

/** Seconds of each step but the first, from the times at which steps ended. */
const steps = (/** @type {number[]} */ ends) => ends.slice(1).map((end, i) => end - ends[i]);

/** Native: the command line says when each step ended.
 * @param {Record<string, string>} [threads]
 */
function native(threads = {}) {
  const args = ["train", "synthetic:64", "--preset", "tiny", "--loss", loss, "--steps", `${STEPS}`, "--json"];
  const env = { ...process.env, ...threads };
  const run = spawnSync(program, [...args, "--out", "target/bench-wasm.safetensors"], { encoding: "utf8", env });
  if (run.status !== 0) throw new Error(`${program} failed: ${run.stderr || run.error}`);
  const lines = run.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return steps(lines.filter((line) => line.type === "step").map((line) => line.seconds));
}

/** wasm: the page's module says the same, without the views that the page asks for. */
function wasm(/** @type {import("@playwright/test").Page} */ page) {
  return page.evaluate(
    async ({ loss, count }) => {
      const { createSession } = await import(new URL("autolink.js", document.baseURI).href);
      const session = await createSession({ backend: "cpu" });
      await session.configure({ loss });
      await session.load({ kind: "puppets", count: 64, seed: 0 });
      /** @type {number[]} */
      const ends = [];
      session.on("step", ({ elapsed_seconds }) => ends.push(elapsed_seconds));
      await session.train({ steps: count });
      session.close();
      return ends;
    },
    { loss, count: STEPS },
  ).then(steps);
}

const server = spawn("node", ["node_modules/sirv-cli/bin.js", ".", "--quiet", "--host", "127.0.0.1", "--port", `${PORT}`]);
const browser = await chromium.launch({
  executablePath: process.env.CHROME || undefined,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  const page = await browser.newPage();
  // A page of the origin that starts no engine of its own.
  const address = `http://127.0.0.1:${PORT}/dist/style.css`;
  while (!(await fetch(address).catch(() => null))) await new Promise((wake) => setTimeout(wake, 100));
  await page.goto(address);
  const best = { native: Infinity, alone: Infinity, wasm: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    best.native = Math.min(best.native, ...native());
    best.alone = Math.min(best.alone, ...native({ RAYON_NUM_THREADS: "1" }));
    best.wasm = Math.min(best.wasm, ...(await wasm(page)));
  }
  console.log(`tiny, ${loss} loss, best of ${ROUNDS * (STEPS - 1)}`);
  const seconds = (/** @type {number} */ time) => `${time.toFixed(3)} s`;
  console.log(`native CPU: ${seconds(best.native)}, on one core ${seconds(best.alone)}   wasm CPU: ${seconds(best.wasm)}`);
  console.log(`wasm / native: ${(best.wasm / best.native).toFixed(2)}, / one core ${(best.wasm / best.alone).toFixed(2)}`);
} finally {
  await browser.close();
  server.kill();
}
