/**
 * `<autolink-lab>`: the picture of the model, which trains and can be touched.
 *
 * @module
 */

import { flushSync, mount, unmount } from "svelte";
import { type EngineEvent, EngineError, Session } from "../autolink.js";
import type { Backend } from "../engine/protocol.js";
import { openPicture } from "../model/picture.js";
import { hide } from "../state/link.js";
import { type PageState, Store } from "../state/state.js";
import { Transport } from "../train/transport.js";
import { fileAt, modelFile, near, rootOf, sampleNamed, sentence } from "./host.js";
import Lab from "./Lab.svelte";

/**
 * A laboratory. Its attributes are read when it is put into the page:
 *
 * - `model`: `hands`, `puppets` or the address of a `.safetensors` file or checkpoint. Without it, training begins anew.
 * - `sample`: `hands` or `puppets`; by default that of the model, else `hands`.
 * - `images`: addresses of images or zips, separated by spaces, in place of a sample.
 * - `autoplay`: starts training at once.
 * - `hide`: parts that are not shown, separated by spaces: `transport`, `previews`, `edits`, `skeleton`, `reconstruction`.
 * - `backend`: `cpu` or `gpu`; by default the GPU where it works.
 */
export class AutolinkLab extends HTMLElement {
  #store: Store | null = null;
  #session: Session | null = null;
  #end = () => {};

  /** The session that computes, for anything more; null before the element has come near the window. */
  get session(): Session | null {
    return this.#session;
  }

  connectedCallback(): void {
    const root = rootOf(this);
    const store = new Store();
    this.#store = store;
    const transport = new Transport(store, {
      session: () => this.#session,
      attempt: (command) => this.#attempt(command),
      onRest: () => {},
    });
    const title = this.getAttribute("aria-label") ?? "AutoLink: how the model works";
    const lab = mount(Lab, { target: root, props: { store, title, toggle: () => transport.toggle() } });
    flushSync();
    const byId = (id: string) => root.querySelector(`#${id}`) as HTMLElement;
    openPicture(store, {
      attempt: (command) => this.#attempt(command),
      announce: (text) => byId("announcer").replaceChildren(text),
      byId,
    });
    hide(this.#words("hide"), root);
    let isOver = false;
    this.#end = () => {
      isOver = true;
      unmount(lab);
      this.#session?.close();
      this.#session = this.#store = null;
    };
    // A press before the images are there counts as well.
    if (this.hasAttribute("autoplay")) transport.toggle();
    near(this).then(() => (isOver ? undefined : this.#start(store)));
  }

  disconnectedCallback(): void {
    this.#end();
  }

  #words(attribute: string): string[] {
    return (this.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean);
  }

  async #start(store: Store): Promise<void> {
    store.set({ message: { kind: "info", text: "Loading the engine." }, loading: true });
    const backend = this.getAttribute("backend");
    const session = new Session({
      backend: backend === "cpu" || backend === "gpu" ? (backend as Backend) : null,
      onEvent: (event) => store.set(changes(store.state, event)),
    });
    this.#session = session;
    try {
      await session.ready;
      const name = this.getAttribute("model");
      const addresses = this.#words("images");
      store.set({ message: { kind: "info", text: "Loading images." } });
      const [model, images] = await Promise.all([name ? modelFile(name) : null, Promise.all(addresses.map(fileAt))]);
      const sample = sampleNamed(this.getAttribute("sample")) ?? sampleNamed(name) ?? sampleNamed("hands");
      if (images.length || sample) await session.load(images.length ? images : (sample ?? images));
      if (model) await session.resume(model);
      store.set({ message: null, loading: false });
    } catch (error) {
      store.set({ isPlaying: false, loading: false });
      if (this.#session === session) this.#fail(error);
    }
  }

  async #attempt(command: (session: Session) => Promise<unknown>): Promise<void> {
    const session = this.#session;
    if (!session || this.#store?.state.engine !== "running") return;
    try {
      await command(session);
    } catch (error) {
      if (this.#session === session) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const isOver = error instanceof EngineError && ["crash", "build"].includes(error.kind);
    this.#store?.set({ message: { kind: "error", text: sentence(error) }, progress: null, ...(isOver ? { engine: "ended" } : {}) });
  }
}

/** Returns what an event changes. */
function changes(state: PageState, event: EngineEvent): Partial<PageState> {
  switch (event.type) {
    case "ready":
      return { engine: "running", backend: event.backend, reason: event.reason, palette: event.palette };
    case "cores":
      return { reason: event.reason };
    case "progress":
      return { progress: { what: event.what, done: event.done, total: event.total ?? null, isBytes: event.is_bytes } };
    case "state":
      return {
        phase: event.phase,
        config: event.config,
        step: event.step,
        parameters: event.parameters,
        imageCount: event.images,
        isPausing: state.isPausing && event.phase === "training",
        ...(event.phase === "loading" ? {} : { progress: null }),
      };
    case "step":
      return { step: event.step, loss: event.loss, progress: null, message: null };
    case "views":
      return { views: event };
    case "inspected":
      return { stages: event };
    case "failed":
      // The sender of a command shows its failure.
      return event.id == null ? { message: { kind: "error", text: event.message }, progress: null } : {};
    default:
      return {};
  }
}
