// Installs the tarball of the package into copies of the samples in `target/embed/`, and builds the one of Vite.

import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";

/** @param {string} folder @param {string[]} words */
function run(folder, words) {
  // On Windows, npm is a script, which starts only in a shell.
  const { status } = spawnSync(words[0], words.slice(1), { cwd: folder, stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) throw new Error(`\`${words.join(" ")}\` failed`);
}

const tarball = readdirSync("target/package").find((name) => name.endsWith(".tgz"));
if (!tarball) throw new Error("There is no package: run `cargo xtask package`");
for (const sample of ["plain", "vite"]) {
  const folder = `target/embed/${sample}`;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`tests/embed/${sample}`, folder, { recursive: true });
  run(folder, ["npm", "install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", path.resolve("target/package", tarball)]);
}
cpSync("models/hands/0.jpg", "target/embed/plain/hand.jpg");
run("target/embed/vite", ["npx", "tsc", "--project", "."]);
run("target/embed/vite", ["npx", "vite", "build", "--base", "./", "--logLevel", "warn"]);
