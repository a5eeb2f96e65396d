// Builds the page into `dist/` from `www/` and the engine in `target/page/engine/`, which `cargo xtask` writes there first.
//
//   npx vite build                  the page
//   npx vite build --mode modules   single modules of the page for the browser tests, into `target/page/modules/`
//   npx vite build --mode package   the package for other pages, into `target/package/autolink/`

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const ENGINE = "target/page/engine";
/** Isolated from other origins, a page may share memory with workers, and the CPU's kernels use all cores. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Lists the files of a folder, with their paths.
 * @param {string} folder
 * @returns {string[]}
 */
const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, "/")))
    .filter((file) => statSync(file).isFile())
    .sort();

/** Id of a build: page, worker and engine carry the same one, and the page compares them (`www/autolink.js`). Equal files give an equal id. */
function buildId() {
  const hash = createHash("sha256");
  for (const file of ["package-lock.json", ...filesOf("www"), ...filesOf(ENGINE)]) {
    const bytes = readFileSync(file);
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex").slice(0, 16);
}

/** Appends the build id to a wasm file as a custom section, which engines ignore: its kind, its length, its name after the length of the
 * name, and the id.
 * @param {string} id
 */
function stampedWasm(id) {
  const section = Buffer.concat([Buffer.from([5]), Buffer.from("build"), Buffer.from(id)]);
  return Buffer.concat([readFileSync(`${ENGINE}/worker_bg.wasm`), Buffer.from([0, section.length]), section]);
}

/** Replaces the only place of a text.
 * @param {string} text
 * @param {string} place
 * @param {string} by
 */
function replaceOnly(text, place, by) {
  const parts = text.split(place);
  if (parts.length !== 2) throw new Error(`The page has ${parts.length - 1} places \`${place}\` instead of one.`);
  return parts.join(by);
}

/** Hashes of the files that a browser keeps for visits without a network, by their names: all but what only people read, and the weights that
 * only the preset of four blocks needs, which the engine keeps at first use. The page itself, "", comes last.
 * @param {Map<string, string | Uint8Array>} files
 */
function keptFiles(files) {
  // While `cargo xtask serve` shows each change, a browser keeps nothing.
  if (process.env.AUTOLINK_SERVED) return {};
  const isKept = (/** @type {string} */ name) => !/^licenses\.md$|relu4_3|README\.md$|^install\/(wide|narrow)/.test(name);
  const names = [...files.keys()].filter(isKept).sort((a, b) => Number(a === "index.html") - Number(b === "index.html"));
  const hash = (/** @type {string} */ name) =>
    createHash("sha256")
      .update(files.get(name) ?? "")
      .digest("base64");
  return Object.fromEntries(names.map((name) => [name === "index.html" ? "" : name, `sha256-${hash(name)}`]));
}

/** Writes what is not bundled. Everything that changes with a build has a hash in its name or its folder's, so that a cache never mixes two
 * builds.
 * @param {string} build
 * @returns {import("vite").Plugin}
 */
function unbundled(build) {
  // While `cargo xtask serve` watches.
  const options = process.env.AUTOLINK_ENGINE ? [process.env.AUTOLINK_ENGINE] : [];
  let engineIsOld = false;
  return {
    name: "unbundled",
    // The public module, for other pages. It has no hash.
    resolveId: (id) => (id === "public" ? "\0public" : null),
    load: (id) => (id === "\0public" ? `export * from ${JSON.stringify(path.resolve("www/autolink.js"))};` : null),
    watchChange(file) {
      if (/\.(rs|wgsl|toml)$/.test(file)) engineIsOld = true;
    },
    buildStart() {
      if (engineIsOld) spawnSync("cargo", ["xtask", "engine", ...options], { stdio: "inherit" });
      engineIsOld = false;
      for (const folder of ["www", "src", "shaders", "kernels/src", "models"])
        for (const file of filesOf(folder)) this.addWatchFile(path.resolve(file));
      this.addWatchFile(path.resolve("Cargo.toml"));
    },
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        /** @type {Map<string, string | Uint8Array>} */ const files = new Map();
        const emit = (/** @type {string} */ fileName, /** @type {string | Uint8Array} */ source) => {
          files.set(fileName, source);
          this.emitFile({ type: "asset", fileName, source });
        };
        const engine = `engine-${build}`;
        emit(`${engine}/worker_bg.wasm`, stampedWasm(build));
        emit(`${engine}/worker.js`, readFileSync(`${ENGINE}/worker.js`));
        const loader = readFileSync("www/engine/worker_loader.js", "utf8");
        emit(`${engine}/worker_loader.js`, replaceOnly(loader, '"unstamped";', `"${build}";`));

        for (const file of [...filesOf("models"), ...filesOf("weights")])
          if (/\.(json|md|safetensors|jpe?g|png|webp|csv)$/.test(file)) emit(file, readFileSync(file));
        for (const name of [
          "demo/run.json",
          "demo/images.webp",
          "demo/training.json",
          "demo/training.webp",
          "hands/hands-200.zip",
          "isolate.js",
          "manifest.webmanifest",
          ...readdirSync("www/install").map((name) => `install/${name}`),
        ])
          emit(name, readFileSync(`www/${name}`));

        // The script that starts the page and reports a part that is missing.
        const main = Object.values(bundle).find((part) => part.type === "chunk" && part.isEntry && part.name === "main");
        const page = bundle["index.html"];
        if (main?.type !== "chunk" || page?.type !== "asset") return this.error("The build has no page.");
        const start = replaceOnly(readFileSync("www/start.js", "utf8"), "./main.js", `./${main.fileName}`);
        const started = `start-${createHash("sha256").update(start).digest("hex").slice(0, 8)}.js`;
        emit(started, start);
        const preloads = [main.fileName, ...main.imports].map((name) => `<link rel="modulepreload" href="./${name}" />`);
        // The styles of components: Vite links only those of the page's own scripts, which `start.js` is not.
        const parts = [main.fileName, ...main.imports].map((name) => bundle[name]);
        const styles = parts.flatMap((part) => [...((part?.type === "chunk" && part.viteMetadata?.importedCss) || [])]);
        preloads.push(...styles.map((name) => `<link rel="stylesheet" href="./${name}" />`));
        const named = replaceOnly(`${page.source}`, '"start.js"', `"${started}"`);
        page.source = replaceOnly(named, "</title>", `</title>\n    ${preloads.join("\n    ")}`);

        for (const part of Object.values(bundle)) files.set(part.fileName, part.type === "chunk" ? part.code : part.source);
        const worker = replaceOnly(readFileSync("www/service_worker.js", "utf8"), '"unstamped";', `"${build}";`);
        emit("service_worker.js", replaceOnly(worker, "FILES = {};", `FILES = ${JSON.stringify(keptFiles(files))};`));
      },
    },
  };
}

const MODULES = [
  "annotate/bitmaps",
  "annotate/editor",
  "annotate/video",
  "state/link",
  "state/models",
  "state/projects",
  "state/saves",
  "state/state",
  "ui/files",
];

/** What the package is for npm. Its version is that of the Rust crates. */
function manifest() {
  const version = /^version = "(.+)"$/m.exec(readFileSync("Cargo.toml", "utf8"))?.[1];
  return {
    name: "@autolink-web/autolink",
    version,
    description: "Learn keypoints and a skeleton from unlabelled images, in the tab: a session API and custom elements",
    license: "MIT OR Apache-2.0",
    type: "module",
    exports: {
      ".": { types: "./types/autolink.d.ts", default: "./autolink.js" },
      "./elements": { types: "./types/embed/elements.d.ts", default: "./elements.js" },
    },
    sideEffects: ["./elements.js"],
    files: ["*.js", "*.md", "LICENSE-*", "NOTICE", "engine", "models", "weights", "types/autolink.d.ts", "types/embed", "types/engine"],
  };
}

/** Makes the worker one file that gets the address of the engine in its fragment, because bundlers rename both, and adds what is not bundled.
 * @param {string} build
 * @returns {import("vite").Plugin}
 */
function packaged(build) {
  return {
    name: "packaged",
    enforce: "pre",
    resolveId(id, importer) {
      if (id === "./worker.js" && importer?.endsWith("worker_loader.js")) return path.resolve(ENGINE, "worker.js");
      if (id === "./engine/files.js") return path.resolve("www/embed/files.js");
      return null;
    },
    transform(code, id) {
      if (id !== path.resolve("www/engine/worker_loader.js")) return null;
      const stamped = replaceOnly(code, '"unstamped";', `"${build}";`);
      return replaceOnly(stamped, 'new URL("worker_bg.wasm", import.meta.url)', "new URL(import.meta.url).hash.slice(1)");
    },
    // Other bundlers are to find the files.
    renderChunk: (code) => code.replaceAll(/\s*\/\* @vite-ignore \*\/\s*/g, ""),
    generateBundle() {
      const emit = (/** @type {string} */ fileName, /** @type {string | Uint8Array} */ source) =>
        this.emitFile({ type: "asset", fileName, source });
      emit("engine/worker_bg.wasm", stampedWasm(build));
      emit("package.json", `${JSON.stringify(manifest(), null, 2)}\n`);
      emit("README.md", readFileSync("docs/embed.md"));
      emit("types/engine/protocol.d.ts", readFileSync("www/engine/protocol.d.ts"));
      emit("models/hands-200.zip", readFileSync("www/hands/hands-200.zip"));
      const models = ["models/hands.safetensors", "models/puppets.safetensors"];
      for (const name of [...models, "weights/vgg16_relu3_3.safetensors", "LICENSE-APACHE", "LICENSE-MIT", "NOTICE"])
        emit(name, readFileSync(name));
    },
  };
}

/** Compiles Svelte components. The root of the build is `www`, their options are beside this file.
 * @param {"external" | "injected"} css Whether their styles are files, or come with their scripts into the root that they are mounted in.
 */
const components = (css = "external") =>
  svelte({ configFile: path.resolve("svelte.config.js"), emitCss: css === "external", compilerOptions: { css } });

export default defineConfig(({ mode }) => {
  const build = buildId();
  /** @type {import("vite").UserConfig} */
  const common = { root: "www", base: "./", publicDir: false, define: { BUILD: JSON.stringify(build) } };
  if (mode === "modules") {
    return {
      ...common,
      plugins: [components()],
      build: {
        outDir: path.resolve("target/page/modules"),
        emptyOutDir: true,
        chunkSizeWarningLimit: 1000, // kB; all of mediabunny
        rolldownOptions: {
          input: { mediabunny: "mediabunny", ...Object.fromEntries(MODULES.map((name) => [name, path.resolve(`www/${name}.js`)])) },
          preserveEntrySignatures: "strict",
          output: { entryFileNames: "[name].js" },
        },
      },
    };
  }
  if (mode === "package") {
    return {
      ...common,
      plugins: [components("injected"), packaged(build)],
      build: {
        outDir: path.resolve("target/package/autolink"),
        emptyOutDir: true,
        license: { fileName: "licenses.md" },
        // Whoever uses the package minifies it, and finds `new URL` with a literal in it.
        minify: false,
        modulePreload: false,
        rolldownOptions: {
          input: {
            autolink: path.resolve("www/autolink.js"),
            elements: path.resolve("www/embed/elements.ts"),
            worker: path.resolve("www/engine/worker_loader.js"),
          },
          preserveEntrySignatures: "strict",
          // `embed/files.js` counts on its place beside the other folders.
          output: { entryFileNames: ({ name }) => (name === "worker" ? "engine/worker.js" : "[name].js"), chunkFileNames: "[name].js" },
        },
      },
    };
  }
  return {
    ...common,
    plugins: [components(), unbundled(build)],
    // A missing file is an error, not the page once more.
    appType: "mpa",
    build: {
      // Trunk names a folder, see Trunk.toml.
      outDir: process.env.TRUNK_STAGING_DIR ?? path.resolve("dist"),
      // While the page is being served, its files stay until they are replaced.
      emptyOutDir: !process.argv.includes("--watch"),
      license: { fileName: "licenses.md" },
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: { index: path.resolve("www/index.html"), main: path.resolve("www/main.js"), autolink: "public" },
        preserveEntrySignatures: "strict",
        output: { entryFileNames: ({ name }) => (name === "autolink" ? "autolink.js" : "assets/[name]-[hash].js") },
      },
    },
    preview: { headers },
  };
});
