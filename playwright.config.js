// Browser tests against `dist`, as `cargo xtask test` builds it. By hand: `cargo xtask engine --release && npx vite build && npx playwright test`.

import { defineConfig } from "@playwright/test";

// A port of this run alone, so that two runs never test each other's build; the runner's processes inherit it.
process.env.AUTOLINK_TEST_PORT ??= `${20_000 + (process.pid % 20_000)}`;
const port = process.env.AUTOLINK_TEST_PORT;
// The project's folder is served, so the page sits at a sub-path, as it may on a real host.
const baseURL = `http://127.0.0.1:${port}/dist/`;

const args = [
  "--enable-unsafe-webgpu",
  "--disable-background-networking",
  // A camera that shows a test picture, and nobody asked for leave.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];
// Chromium's sandbox does not start for root.
if (process.getuid?.() === 0) args.push("--no-sandbox");

export default defineConfig({
  testDir: "tests/browser",
  outputDir: "target/playwright",
  reporter: [["list"], ["./tests/browser/failures.js"]],
  // A page that loads leaves a core to another one. No test has a limit in milliseconds, which a busy machine breaks: what comes
  // of it is counted (frames, steps, bytes), and times are printed.
  workers: 2,
  fullyParallel: true,
  timeout: 10 * 60_000,
  expect: { timeout: 60_000 },
  forbidOnly: Boolean(process.env.CI),
  use: {
    actionTimeout: 120_000,
    baseURL,
    browserName: "chromium",
    // CHROME names the browser; without it, the one that `npx playwright install chromium` fetched.
    launchOptions: { executablePath: process.env.CHROME || undefined, args },
    // As if a person had opened the folded parts of Train before.
    storageState: {
      cookies: [],
      origins: [
        {
          origin: `http://127.0.0.1:${port}`,
          localStorage: [{ name: "autolink-open", value: "edits model views settings training-history" }],
        },
      ],
    },
    // It would answer before the routes of the tests; `offline.spec.js` tests it.
    serviceWorkers: "block",
    viewport: { width: 1280, height: 900 },
    screenshot: "only-on-failure",
    trace: "off",
  },
  webServer: {
    // Some tests use single modules of the page.
    command: `npx vite build --mode modules --logLevel warn && node tests/browser/server.js ${port}`,
    url: baseURL,
    reuseExistingServer: false,
  },
});
