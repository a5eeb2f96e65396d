// Stamps a build, as the last step of `trunk build`: page, worker and engine get the same id, a hash of all files that the page loads. If a
// cache pairs a page with the engine of another build, the page notices (`www/autolink.js`). The same files give the same id.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = process.env.TRUNK_STAGING_DIR;
if (!folder) throw new Error("TRUNK_STAGING_DIR is not set: this script is run by trunk.");
const read = (name) => readFileSync(path.join(folder, name));

const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(js|mjs|css|html|wasm)$/.test(name));
const hash = createHash("sha256");
for (const name of names.sort()) hash.update(`${name} ${read(name).length}\n`).update(read(name));
const build = hash.digest("hex").slice(0, 16);

const PLACE = 'const BUILD = "unstamped";';
for (const name of ["autolink.js", "worker_loader.js"]) {
  const parts = `${read(name)}`.split(PLACE);
  if (parts.length !== 2) throw new Error(`${name} has ${parts.length - 1} places for the build id instead of one.`);
  writeFileSync(path.join(folder, name), parts.join(`const BUILD = "${build}";`));
}

// A custom section, which engines ignore: its kind, its length, its name after the length of the name, and the id.
const name = Buffer.from("build");
const section = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(build)]);
writeFileSync(path.join(folder, "worker_bg.wasm"), Buffer.concat([read("worker_bg.wasm"), Buffer.from([0, section.length]), section]));
