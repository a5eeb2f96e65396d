// @ts-check
/*
 * The page, isolated from other origins, on hosts that let nobody set headers.
 *
 * Only an isolated page may share memory with its workers, and so compute on all cores (`src/web/cores.rs`). Two
 * headers isolate it. Where the host sent none, this script makes itself the page's service worker, which adds them,
 * and loads the page once more, before anything was done. Without service workers the page computes on one core.
 */

if (typeof window === "undefined") {
  const worker = /** @type {any} */ (self);
  worker.addEventListener("install", () => worker.skipWaiting());
  worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
  worker.addEventListener("fetch", (/** @type {any} */ event) => {
    if (new URL(event.request.url).origin !== location.origin) return;
    event.respondWith(
      fetch(event.request).then((response) => {
        // Errors and answers without a body have nothing to add to.
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
  // Once a tab: where it does not help, it never will.
  const again = () => {
    sessionStorage.setItem("isolating", "tried");
    location.reload();
  };
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  navigator.serviceWorker.addEventListener("controllerchange", again);
  navigator.serviceWorker.register(script.src).then(({ active }) => active && again(), () => {});
}
