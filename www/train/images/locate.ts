/**
 * Puts the proposal to crop to an animal into the Images card.
 *
 * @module
 */

import { type ComponentProps, mount, unmount } from "svelte";
import Locate from "./Locate.svelte";

/** Shows the proposal at the start of an element. Returns what removes it. */
export function propose(target: HTMLElement, props: ComponentProps<typeof Locate>): () => void {
  const anchor = target.firstChild ?? undefined;
  const component = mount(Locate, { target, anchor, props });
  return () => void unmount(component);
}
