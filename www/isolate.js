// @ts-check
/*
 * Isolates the page from other origins on hosts that allow no headers.
 *
 * Only an isolated page may share memory with its workers and compute on all cores (`src/web/cores.rs`). Two headers isolate it.
 * If the host sends none, the page's service worker adds them, and the page is loaded once more. Without service workers the page
 * computes on one core.
 */

if (!crossOriginIsolated && navigator.serviceWorker && !sessionStorage.getItem("isolating")) {
  // Once per tab: a second attempt would not help.
  const reloadOnce = () => {
    sessionStorage.setItem("isolating", "tried");
    location.reload();
  };
  navigator.serviceWorker.addEventListener("controllerchange", reloadOnce);
  navigator.serviceWorker.register("service_worker.js").then(
    (registration) => registration?.active && reloadOnce(),
    () => {},
  );
}
