// @ts-check
/**
 * The three tabs of the page: Explore, Train and Annotate. The hash of the address names the tab. Without one, an address that names a run opens
 * Train, as it always did, and any other address the tab of the last visit, at first Explore.
 *
 * @module
 */

/** @typedef {"explore" | "train" | "annotate"} Tab */

const TABS = /** @type {Tab[]} */ (["explore", "train", "annotate"]);
/** Key of the last tab in the browser's storage. */
const LAST = "autolink-tab";

/** The tab of a hash; undefined for the hash of a part of the page.
 * @param {string | null | undefined} hash
 */
const tabOf = (hash) => TABS.find((tab) => hash === `#${tab}`);

/** The tab that an address without a hash opens. @returns {Tab} */
function firstTab() {
  if (location.search) return "train";
  try {
    return tabOf(localStorage.getItem(LAST)) ?? "explore";
  } catch {
    // A browser may forbid storage.
    return "explore";
  }
}

/** @type {Tab | null} */
let current = null;

/** Returns the tab that the page shows. */
export const currentTab = () => (current ??= tabOf(location.hash) ?? firstTab());

/** Shows a tab, as if its link had been pressed.
 * @param {Tab} tab
 */
export function goToTab(tab) {
  if (currentTab() === tab) return;
  location.hash = `#${tab}`;
  show();
}

/** Called with the tab that a person goes to. @type {(tab: Tab) => void} */
let onGo = () => {};

/** Shows the tab that the address names. A hash that names a part of the page leaves the tab as it is. */
function show() {
  const before = current;
  current = tabOf(location.hash) ?? currentTab();
  document.body.dataset.tab = current;
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-tab]"))) {
    if (part !== document.body) part.hidden = !part.dataset.tab?.split(" ").includes(current);
  }
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.getAttribute("href") === `#${current}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (before !== null && current !== before) onGo(current);
  try {
    localStorage.setItem(LAST, `#${current}`);
  } catch {
    // The next visit starts with Explore.
  }
}

/** Shows the tab of the address, now and whenever it changes.
 * @param {(tab: Tab) => void} go Called when a person goes to another tab.
 */
export function openTabs(go) {
  onGo = go;
  // The address is about to name the run as well, which must not change the tab of a reload.
  if (!location.hash && currentTab() === "explore") history.replaceState(history.state, "", "#explore");
  addEventListener("hashchange", show);
  show();
}
