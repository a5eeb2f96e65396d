/**
 * Visits without a network, and updates. The service worker (`service_worker.js`) keeps the page's files; this module asks it to, and says
 * how it went.
 *
 * @module
 */

import { mount } from "svelte";
import OfflineNote from "./OfflineNote.svelte";
import { Offline } from "./offline.svelte.ts";

/**
 * Keeps the page for visits without a network. Call it once the page is live: what it downloads must not slow down the first visit. Where a
 * person saves data, the page keeps nothing.
 * @param footer Where the page says whether it works without a network.
 * @param store Stores what a person would lose when the page is loaded again; false if the update has to wait.
 */
export async function keepPage(footer: HTMLElement, store: () => Promise<boolean>): Promise<void> {
  const { serviceWorker } = navigator;
  const { connection } = navigator as { connection?: { saveData?: boolean } };
  if (!serviceWorker || connection?.saveData) return;
  // Browsers refuse without https, and some in private windows.
  const registration = await serviceWorker.register("service_worker.js").catch(() => null);
  if (!registration) return;
  const now = new Offline();
  mount(OfflineNote, { target: footer, props: { now, update: () => update(registration, store) } });

  const watch = (next: ServiceWorker | null) => {
    const check = () => (now.hasUpdate = registration.active !== null && registration.waiting !== null);
    next?.addEventListener("statechange", check);
    check();
  };
  watch(registration.installing ?? registration.waiting);
  registration.addEventListener("updatefound", () => watch(registration.installing));

  const { active } = await serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }: MessageEvent<string | null>) => {
    now.kept = data === null ? "nothing" : data ? "failed" : "kept";
    now.reason = data ?? "";
  };
  active?.postMessage("keep", [port2]);
}

/** Lets the worker of the newer build take over, and loads the page again. Other tabs stay as they are. */
async function update(registration: ServiceWorkerRegistration, store: () => Promise<boolean>): Promise<void> {
  if (!(await store())) return;
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  registration.waiting?.postMessage("update");
}
