// @ts-check
/**
 * A tour over the live page, from "what is hidden here?" to "now your own pictures". It is loaded when somebody asks for it.
 *
 * @module
 */

/** @import { DriveStep } from "driver.js" */

/**
 * A stop: what is lit, and what is said. What a link hides, or what is not there, is left out.
 * @typedef {object} Stop
 * @property {string} at A selector; the smallest ancestor that `within` names is lit.
 * @property {string} [within]
 * @property {string} title
 * @property {string} text
 */

/** @type {Stop[]} */
const STOPS = [
  {
    at: '[data-stage="masked"], [data-view="masked"]',
    within: "figure",
    title: "What is hidden here?",
    text: "Most of the picture is covered. Could you draw what stood there? From these scraps alone, hardly: an arm may go up or down. Two networks now play this game together.",
  },
  {
    at: '[data-stage="linked"], [data-view="skeleton"]',
    within: "figure",
    title: "The first one leaves a hint",
    text: "It sees the whole picture, but may say only where a few points are. Nobody tells it which points. Before training they lie in a heap.",
  },
  {
    at: '[data-stage="edge-map"], [data-view="edge-map"]',
    within: "figure",
    title: "The points are joined by lines",
    text: "Which pairs are joined, and how strongly, is learned once for all pictures. These lines are all that is passed on.",
  },
  {
    at: '[data-stage="rebuilt"], [data-view="reconstruction"]',
    within: "figure",
    title: "The second one fills the gaps",
    text: "It gets the scraps and the lines, and paints the whole picture. The better the lines follow the body, the better it paints.",
  },
  {
    at: "#play",
    title: "Let them practise",
    text: "Press Play now, or the space bar later. Each step shows them a few pictures, and both change a little so that the painting becomes better.",
  },
  {
    at: "#loss-chart",
    within: "section",
    title: "How far off they are",
    text: "The loss measures the difference between painting and picture. It should fall fast, then slowly. A wobble is normal.",
  },
  {
    at: "#edge-matrix",
    within: "section",
    title: "A skeleton falls out",
    text: "Each cell is the weight of one line. At first all are alike; useful ones grow dark, the rest fade. What stays is the skeleton, and nobody drew it.",
  },
  {
    at: "#settings-live",
    within: "fieldset",
    title: "Change the rules",
    text: "Hide less, and the painter needs no hint: the points stop meaning anything. Hide everything, and it must guess the colours. These act while it runs.",
  },
  {
    at: "#drop",
    title: "Now your own pictures",
    text: "A hundred or more of one kind of thing, one in each picture, about centred: hands, faces, chairs. They never leave this device. The whole story is told below, in the article.",
  },
];

/** Starts it; the focus comes back to where it was.
 * @returns {Promise<void>} Settles when it is over.
 */
export async function startTour() {
  const { driver } = await import("./vendor/driver/driver.js.mjs");
  await styled();
  const from = document.activeElement;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const steps = STOPS.flatMap(({ at, within, title, text }) => {
    const found = document.querySelector(at);
    const element = within ? found?.closest(within) : found;
    /** @type {DriveStep[]} */
    const step = element && element.getClientRects().length ? [{ element, popover: { title, description: text } }] : [];
    return step;
  });
  await new Promise((resolve) => {
    const tour = driver({
      steps,
      animate: !isCalm,
      duration: 250,
      smoothScroll: false,
      overlayOpacity: 0.55,
      stagePadding: 6,
      stageRadius: 10,
      showProgress: true,
      progressText: "{{current}} of {{total}}",
      nextBtnText: "Next",
      prevBtnText: "Back",
      doneBtnText: "Done",
      popoverClass: "tour",
      onPopoverRender: ({ wrapper, title, footer, closeButton }) => {
        // Its landmarks are none of the page's.
        const heading = document.createElement("h2");
        heading.append(...title.childNodes);
        title.replaceChildren(heading);
        title.setAttribute("role", "none");
        footer.setAttribute("role", "group");
        footer.setAttribute("aria-label", "Tour");
        closeButton.setAttribute("aria-label", "End the tour");
        wrapper.dataset.testid = "tour";
      },
      onHighlighted: (element, _step, { state }) => {
        // What is lit is no button that opens something.
        for (const name of ["aria-haspopup", "aria-expanded", "aria-controls"]) element?.removeAttribute(name);
        state.popover?.nextButton.focus();
      },
      onDestroyed: () => {
        if (from instanceof HTMLElement) from.focus();
        resolve(undefined);
      },
    });
    tour.drive();
  });
}

/** The tour's own style, once. */
function styled() {
  if (document.querySelector("link[href$='driver.css']")) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = "vendor/driver/driver.css";
  const loaded = new Promise((resolve) => ["load", "error"].forEach((name) => link.addEventListener(name, resolve)));
  // Before the page's, which has the last word.
  document.head.prepend(link);
  return loaded;
}
