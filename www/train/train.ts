/**
 * What is watched during training.
 *
 * @module
 */

import { mount } from "svelte";
import type { Session } from "../autolink.js";
import type { Store } from "../state/state.js";
import Compare from "./Compare.svelte";
import Health from "./Health.svelte";
import History from "./History.svelte";
import Snippets from "./Snippets.svelte";

interface Page {
  attempt: (command: (session: Session) => Promise<unknown>) => Promise<void>;
  download: (file: File) => void;
  byId: (id: string) => HTMLElement;
}

/** Shows training health, the training history, the comparison of stored runs and code for the model in their places. */
export function openTraining(store: Store, { attempt, download, byId }: Page): void {
  mount(Health, { target: byId("health"), props: { store } });
  mount(Compare, { target: byId("compare"), props: { store } });
  mount(Snippets, { target: byId("snippets"), props: { store } });
  mount(History, { target: byId("history"), props: { store, readout: byId("snapshots-count"), attempt, download } });
}
