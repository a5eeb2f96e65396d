// @ts-check
/*
 * The service worker of the page. It keeps the page for visits without a network, and isolates it from other origins on hosts that allow
 * no headers.
 *
 * The files of a build are kept together, each checked by its hash, and are then answered from the browser's cache: page, engine and
 * worker always come from one build. The first worker of a page starts at once, for the headers; the page asks it to keep the files when
 * it is live (`state/offline.ts`). The worker of a newer build keeps its files first, and then waits until a person updates the page, or
 * has closed it.
 */

/** Id of this build, as `www/autolink.js` has it. The build replaces the placeholder, and the next one (`vite.config.js`). */
const BUILD_ID = "unstamped";
/** Hash of each file that is kept, as `fetch` takes it, by its address from here. The page itself, "", is the last. @type {Record<string, string>} */
const FILES = {};

const worker = /** @type {any} */ (self);
/** The names of this page's caches begin with it, and end with their build. Another copy of the page on the same host has another path. */
const PAGES = `autolink-page-${new URL("./", location.href).pathname} `;
const CACHE = `${PAGES}${BUILD_ID}`;
/** The engine's own cache of the perceptual weights (`src/web/fetch.rs`), so that they are not kept twice. */
const WEIGHTS = "autolink-weights-1";
/** Header of a kept file: its hash. */
const HASH = "Autolink-Hash";

/** @param {string} file */
const addressOf = (file) => new URL(file, location.href.replace(/[^/]*$/, "")).href;
const PAGE = addressOf("");

/**
 * Copies a response, with the headers that isolate a page.
 * @param {Response} response
 * @param {Record<string, string>} [more]
 */
function isolated(response, more = {}) {
  // Errors and responses without a body stay as they are.
  if (response.status === 0 || response.status === 304) return response;
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  const isolating = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  for (const [name, value] of Object.entries({ ...isolating, ...more })) headers.set(name, value);
  return new Response(response.body, { status, statusText, headers });
}

/** Keeps a file, unless it is there. An older build's copy of the same file is as good as a download.
 * @param {string} file
 * @param {string} hash
 */
async function keepFile(file, hash) {
  const url = addressOf(file);
  const isWeights = file.startsWith("weights/");
  const cache = await caches.open(isWeights ? WEIGHTS : CACHE);
  const own = await cache.match(url);
  if (own && (isWeights || own.headers.get(HASH) === hash)) return;
  const copy = await caches.match(url);
  if (copy?.headers.get(HASH) === hash) return cache.put(url, copy);
  // A file of another build has another hash, and is refused.
  const response = await fetch(url, { integrity: hash, cache: "no-cache" }).catch(() => null);
  if (!response?.ok) throw new Error(`${file || "index.html"} could not be loaded`);
  return cache.put(url, isolated(response, { [HASH]: hash }));
}

/** Keeps all files of this build, one after the other: they must not slow down a page that is in use. */
async function keep() {
  for (const [file, hash] of Object.entries(FILES)) await keepFile(file, hash);
}

/** True once a build is kept as a whole. */
const isKept = async () => Boolean(await caches.match(PAGE).catch(() => null));

/** Deletes the files of older builds, unless another tab may still show one of them and load more of its parts. */
async function deleteOlder() {
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (pages.length > 1) return;
  for (const name of await caches.keys()) if (name.startsWith(PAGES) && name !== CACHE) await caches.delete(name);
}

/** Answers from this build, or else from the one before it, whose parts have other names, or else from the network.
 * @param {Request} request
 */
async function answer(request) {
  const { origin, pathname } = new URL(request.url);
  const url = `${origin}${pathname}`.replace(/\/index\.html$/, "/");
  const build = await caches.open(CACHE).catch(() => null);
  const kept = (await build?.match(url)) ?? (build && (await caches.match(url)));
  return kept ?? isolated(await fetch(request));
}

worker.addEventListener("install", (/** @type {any} */ event) => {
  // An update waits in any case: a page of the build before it may be open, and may be training.
  const prepare = async () => {
    if (await isKept()) await keep();
    else if (!worker.registration.active) await worker.skipWaiting();
  };
  event.waitUntil(prepare());
});
worker.addEventListener("activate", (/** @type {any} */ event) =>
  event.waitUntil(
    deleteOlder()
      .catch(() => {})
      .then(() => worker.clients.claim()),
  ),
);
worker.addEventListener("message", (/** @type {any} */ event) => {
  const { data, ports } = event;
  if (data === "update") worker.skipWaiting();
  if (data === "keep")
    event.waitUntil(
      keep().then(
        () => ports[0]?.postMessage(Object.keys(FILES).length ? "" : null),
        (error) => ports[0]?.postMessage(error instanceof Error ? error.message : `${error}`),
      ),
    );
});
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method === "GET" && new URL(request.url).origin === location.origin) event.respondWith(answer(request));
});
