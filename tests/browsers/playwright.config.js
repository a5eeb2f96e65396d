// The journeys in the browsers that Playwright cannot drive, against `dist`: `npx playwright test --config tests/browsers`.

import { defineConfig } from "@playwright/test";

process.env.AUTOLINK_TEST_PORT ??= `${20_000 + (process.pid % 20_000)}`;
const port = process.env.AUTOLINK_TEST_PORT;

export default defineConfig({
  testDir: ".",
  outputDir: "../../target/browsers",
  reporter: [["list"], ["../browser/failures.js"]],
  // One browser after the other: each computes on all cores.
  workers: 1,
  timeout: 3 * 60_000,
  expect: { timeout: 60_000 },
  forbidOnly: Boolean(process.env.CI),
  projects: ["firefox", "webkit"].map((name) => ({ name })),
  webServer: {
    command: `node tests/browser/server.js ${port}`,
    cwd: "../..",
    url: `http://127.0.0.1:${port}/dist/`,
    reuseExistingServer: false,
  },
});
