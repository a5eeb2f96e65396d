// The samples in Chromium, without isolation.

import { spawn } from "node:child_process";
import { expect, test } from "@playwright/test";

/** What the sample of Vite writes when it has trained.
 * @param {import("@playwright/test").Page} page
 */
async function trained(page) {
  const output = page.locator("pre");
  await expect(output).not.toBeEmpty();
  const text = `${await output.textContent()}`;
  expect(text).toMatch(/^\{/);
  return JSON.parse(text);
}

test("a project that Vite has built trains with the package's engine and weights", async ({ page }) => {
  await page.goto("vite/dist/");
  const { step, loss, reason } = await trained(page);
  expect(step).toBe(2);
  expect(loss).toBeGreaterThan(0);
  expect(reason).toMatch(/^CPU/);
});

test("Vite's development server serves the package's engine and weights as well", async ({ page }) => {
  const port = `${Number(process.env.AUTOLINK_TEST_PORT) + 1}`;
  const server = spawn("node", ["../../../node_modules/vite/bin/vite.js", "--port", port, "--strictPort", "--host", "127.0.0.1"], {
    cwd: "target/embed/vite",
    stdio: "pipe",
  });
  try {
    const address = `http://127.0.0.1:${port}/`;
    await expect
      .poll(() =>
        fetch(address).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    await page.goto(address);
    expect((await trained(page)).step).toBe(2);
  } finally {
    server.kill();
  }
});
