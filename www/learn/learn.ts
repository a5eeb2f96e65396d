/**
 * The lesson: eight experiments with the page, and the method behind them.
 *
 * @module
 */

import { mount } from "svelte";
import type { Store } from "../state/state.js";
import Lesson from "./Lesson.svelte";
import type { Actions } from "./experiments.js";

/** Fills an element with the lesson, and goes to the chapter that the address names. */
export function openLesson(target: HTMLElement, store: Store, actions: Actions) {
  mount(Lesson, { target, props: { store, actions } });
  if (location.hash.startsWith("#lesson-")) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}
