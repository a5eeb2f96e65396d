/**
 * The loss chart, loaded after the page because uPlot comes with it.
 *
 * @module
 */

import { mount } from "svelte";
import type { Store } from "../state/state.js";
import LossChart from "./LossChart.svelte";

/** Shows the chart in its card, in place of what is in there. */
export function showLossChart(card: HTMLElement, store: Store): void {
  card.replaceChildren();
  mount(LossChart, { target: card, props: { store } });
}
