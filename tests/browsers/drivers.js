// Starts the browsers that Playwright cannot drive, as Debian packages them: Firefox by geckodriver, and WebKitGTK, which has Safari's engine,
// by its own driver. FIREFOX, GECKODRIVER and WEBKIT name the programs (`xtask/src/setup.rs`).

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { Builder, Capabilities } from "selenium-webdriver";
import firefox from "selenium-webdriver/firefox.js";

/** @typedef {import("selenium-webdriver").WebDriver} WebDriver */
/** A browser with the programs that it needs. @typedef {{ driver: WebDriver, stop: () => Promise<void> }} Started */

/** @returns {Promise<Started>} */
async function startFirefox() {
  const options = new firefox.Options();
  options.setBinary(process.env.FIREFOX ?? "firefox-esr");
  options.addArguments("-headless");
  const service = new firefox.ServiceBuilder(process.env.GECKODRIVER);
  const driver = await new Builder().forBrowser("firefox").setFirefoxOptions(options).setFirefoxService(service).build();
  return { driver, stop: () => driver.quit() };
}

/** A port that is free now. @returns {Promise<number>} */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** Starts a display in memory, and returns its name. */
async function startDisplay() {
  const display = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const number = await new Promise((resolve, reject) => {
    display.stdout.once("data", (/** @type {Buffer} */ text) => resolve(`${text}`.trim()));
    display.once("error", reject);
    display.once("exit", () => reject(new Error("Xvfb did not start.")));
  });
  return { name: `:${number}`, stop: () => display.kill() };
}

/** The system has no locale, as in many containers. @returns {Promise<Started>} */
async function startWebKit() {
  const display = await startDisplay();
  const port = await freePort();
  const env = { ...process.env, DISPLAY: display.name, GDK_BACKEND: "x11", LIBGL_ALWAYS_SOFTWARE: "1", LC_ALL: "C", LANG: "C" };
  const service = spawn("WebKitWebDriver", [`--port=${port}`], { env, stdio: "ignore" });
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/status`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) await new Promise((wake) => setTimeout(wake, 100));
  const capabilities = new Capabilities({
    browserName: "MiniBrowser",
    "webkitgtk:browserOptions": { binary: process.env.WEBKIT, args: ["--automation"] },
  });
  const driver = await new Builder().usingServer(`http://127.0.0.1:${port}`).withCapabilities(capabilities).build();
  return {
    driver,
    async stop() {
      await driver.quit().catch(() => {});
      service.kill();
      display.stop();
    },
  };
}

export const start = { firefox: startFirefox, webkit: startWebKit };
