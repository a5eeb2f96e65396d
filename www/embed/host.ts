/**
 * What both elements share: their styles, the moment to start, and the files that their attributes name.
 *
 * @module
 */

import modelStyles from "../model/model.css?inline";
import baseStyles from "../ui/base.css?inline";
import { HANDS, MODELS } from "./files.js";

const HOST = `
:host { display: block; color: var(--ink); }
:host([hidden]) { display: none; }
`;

const styles = new CSSStyleSheet();
styles.replaceSync(baseStyles + modelStyles + HOST);

/** Gives an element its shadow root, empty and styled. */
export function rootOf(element: HTMLElement): ShadowRoot {
  const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [styles];
  root.replaceChildren();
  return root;
}

/** Resolves when an element comes near the window, so that what nobody scrolls to loads nothing. */
export const near = (element: HTMLElement): Promise<void> =>
  new Promise((resolve) => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        observer.disconnect();
        resolve();
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
  });

/** Downloads a file. Its address may be relative to the page. */
export async function fileAt(address: string | URL): Promise<File> {
  const url = new URL(address, document.baseURI);
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Error(`${url.href} could not be loaded. Check the address, and whether its host lets other pages load it.`);
  return new File([await response.blob()], decodeURIComponent(url.pathname.split("/").at(-1) ?? "file"));
}

/** Downloads a model: one of the package, by its name, or one at an address. */
export const modelFile = (model: string): Promise<File> => fileAt(MODELS.get(model) ?? model);

/** A sample by its name; null if there is none of that name. */
export function sampleNamed(name: string | null) {
  if (name === "hands") return { kind: "hands", count: 200, base_url: HANDS, bundle_url: HANDS } as const;
  return name === "puppets" ? ({ kind: "puppets", count: 100, seed: 1 } as const) : null;
}

/** Shows an error as a sentence. */
export const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
