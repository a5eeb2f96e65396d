// Reporter that repeats the error of each failed test at the end of the output, where a shortened log still has it.

import { stripVTControlCharacters } from "node:util";

/** @import { Reporter } from "@playwright/test/reporter" */

/** @implements {Reporter} */
export default class Failures {
  /** @type {string[]} */ #lines = [];

  /**
   * @param {import("@playwright/test/reporter").TestCase} test
   * @param {import("@playwright/test/reporter").TestResult} result
   */
  onTestEnd(test, result) {
    if (result.status === test.expectedStatus || result.status === "skipped") return;
    const error = stripVTControlCharacters(result.error?.message ?? result.status);
    this.#lines.push(
      `${test.title}:`,
      ...error
        .split("\n")
        .filter(Boolean)
        .slice(0, 6)
        .map((line) => `    ${line.slice(0, 200)}`),
    );
  }

  onEnd() {
    for (const line of this.#lines) console.log(line);
  }
}
