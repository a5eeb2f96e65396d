// @ts-check
/**
 * The card Training health: issues of the run and their remedies.
 *
 * @module
 */

/** @import { Store } from "../state/state.js" */

/** The engine reports issues of keypoints from this step on. */
const FIRST_STEP = 100;
/** Shortest interval between changes of the list during training, ms. */
const CHANGE_EVERY = 4_000;

/**
 * @param {Store} store
 * @param {HTMLElement} root
 */
export function openHealth(store, root) {
  const summary = /** @type {HTMLElement} */ (root.querySelector("p"));
  const list = /** @type {HTMLElement} */ (root.querySelector("ul"));
  let shown = "";
  let changed = -Infinity;
  store.watch(["views", "demo"], ({ views: latest, demo, phase }) => {
    const views = demo ? null : latest;
    const findings = views?.findings ?? [];
    const text = findings.length
      ? ""
      : !views || views.step < FIRST_STEP
        ? `Too early to tell. Issues appear here from step ${FIRST_STEP} on.`
        : "No issues found.";
    const next = JSON.stringify([text, findings]);
    const now = performance.now();
    if (next === shown || (phase === "training" && now - changed < CHANGE_EVERY)) return;
    shown = next;
    changed = now;
    summary.textContent = text;
    summary.hidden = !text;
    list.replaceChildren(
      ...findings.map(({ issue, message, remedy }) => {
        const item = document.createElement("li");
        item.dataset.issue = issue;
        const what = Object.assign(document.createElement("b"), { textContent: message });
        item.append(what, ` ${remedy}`);
        return item;
      }),
    );
  });
}
