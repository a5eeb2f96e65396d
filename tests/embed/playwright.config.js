// The package in other people's pages: the samples, built from the tarball that `cargo xtask package` writes. By hand:
// `npx playwright test --config tests/embed`.

import { defineConfig } from "@playwright/test";

process.env.AUTOLINK_TEST_PORT ??= `${20_000 + (process.pid % 20_000)}`;
const port = process.env.AUTOLINK_TEST_PORT;
const baseURL = `http://127.0.0.1:${port}/target/embed/`;

const args = ["--enable-unsafe-webgpu", "--disable-background-networking"];
// Chromium's sandbox does not start for root.
if (process.getuid?.() === 0) args.push("--no-sandbox");

export default defineConfig({
  testDir: ".",
  outputDir: "../../target/playwright-embed",
  reporter: [["list"], ["../browser/failures.js"]],
  // Each page computes on one core: the server sends no headers, as most hosts.
  workers: 2,
  fullyParallel: true,
  timeout: 5 * 60_000,
  expect: { timeout: 60_000 },
  forbidOnly: Boolean(process.env.CI),
  use: {
    baseURL,
    browserName: "chromium",
    launchOptions: { executablePath: process.env.CHROME || undefined, args },
    viewport: { width: 1280, height: 900 },
  },
  webServer: {
    command: `node tests/embed/install.js && node tests/browser/server.js ${port} plain`,
    cwd: "../..",
    url: `http://127.0.0.1:${port}/target/embed/plain/`,
    timeout: 5 * 60_000,
    reuseExistingServer: false,
  },
});
