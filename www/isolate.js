// @ts-check
/*
 * Isolates the page from other origins on hosts that allow no headers.
 *
 * Only an isolated page may share memory with its workers and compute on all cores (`src/web/cores.rs`). Two headers isolate it.
 * If the host sends none, this script registers itself as the service worker of the page, which adds them, and reloads the page.
 * Without service workers the page computes on one core.
 */

if (typeof window === "undefined") {
  const worker = /** @type {any} */ (self);
  worker.addEventListener("install", () => worker.skipWaiting());
  worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
  worker.addEventListener("fetch", (/** @type {any} */ event) => {
    if (new URL(event.request.url).origin !== location.origin) return;
    event.respondWith(
      fetch(event.request).then((response) => {
        // Errors and responses without a body stay as they are.
        if (response.status === 0 || response.status === 304) return response;
        const headers = new Headers(response.headers);
        headers.set("Cross-Origin-Opener-Policy", "same-origin");
        headers.set("Cross-Origin-Embedder-Policy", "require-corp");
        const { status, statusText } = response;
        return new Response(response.body, { status, statusText, headers });
      }),
    );
  });
} else if (!crossOriginIsolated && navigator.serviceWorker && !sessionStorage.getItem("isolating")) {
  // Once per tab: a second attempt would not help.
  const reloadOnce = () => {
    sessionStorage.setItem("isolating", "tried");
    location.reload();
  };
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  navigator.serviceWorker.addEventListener("controllerchange", reloadOnce);
  navigator.serviceWorker.register(script.src).then(
    ({ active }) => active && reloadOnce(),
    () => {},
  );
}
