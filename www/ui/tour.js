// @ts-check
/**
 * The tour of the page in nine stops, loaded on demand.
 *
 * @module
 */

import driverCss from "driver.js/dist/driver.css?url";

/** @import { DriveStep } from "driver.js" */

/**
 * A stop of the tour: the highlighted element and its text. Stops whose element is hidden or missing are skipped.
 * @typedef {object} Stop
 * @property {string} at Selector of the element.
 * @property {string} [within] Selector of the ancestor to highlight in its place.
 * @property {string} title
 * @property {string} text
 */

/** @type {Stop[]} */
const STOPS = [
  {
    at: '[data-stage="masked"], [data-view="masked"]',
    within: "figure",
    title: "What is hidden here?",
    text: "This is the masked input: most of the image is covered. Could you draw the rest? From this input alone, hardly: an arm may go up or down. Two networks solve this task together.",
  },
  {
    at: '[data-stage="keypoints"], [data-view="skeleton"]',
    within: "figure",
    title: "The detector finds keypoints",
    text: "It sees the whole image, but passes on only the positions of a few keypoints. Nobody tells it which ones. Before training they lie close together.",
  },
  {
    at: '[data-stage="edge-map"], [data-view="edge-map"]',
    within: "figure",
    title: "Edges join the keypoints",
    text: "Training finds which pairs are joined, and how strongly, once for all images. The decoder sees the keypoints only through this edge map.",
  },
  {
    at: '[data-stage="reconstruction"], [data-view="reconstruction"]',
    within: "figure",
    title: "The decoder fills the gaps",
    text: "It gets the masked input and the edge map, and reconstructs the whole image. The better the edges follow the body, the better the reconstruction.",
  },
  {
    at: "#play",
    title: "Start training",
    text: "Press Play now; later the space bar does the same. Each step shows both networks a few images and adjusts the networks a little, so that the reconstruction improves.",
  },
  {
    at: "#loss-chart",
    within: "section",
    title: "The loss measures the error",
    text: "The loss is the difference between the reconstruction and the image. It should fall fast, then slowly. A wobble is normal.",
  },
  {
    at: "#edge-matrix",
    within: "section",
    title: "A skeleton appears",
    text: "Each cell is the weight of one edge. At first all are alike. Useful edges grow dark, the others fade. The edges that stay are the skeleton, and nobody drew it.",
  },
  {
    at: "#settings-live",
    within: "fieldset",
    title: "Change the rules",
    text: "Lower the mask ratio, and the decoder needs no edge map: the keypoints lose their meaning. Raise it to 1, and the decoder must guess the colours. You can change these settings during training.",
  },
  {
    at: "#drop",
    title: "Now your own images",
    text: "Drop in a hundred images or more of one kind of object, one per image and roughly centred: hands, faces, chairs. They never leave this device. The article below tells the whole story.",
  },
];

/** Starts the tour and restores the focus at its end.
 * @returns {Promise<void>} Settles when the tour has ended.
 */
export async function startTour() {
  const { driver } = await import("driver.js");
  await loadStylesheet();
  const from = document.activeElement;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const steps = STOPS.flatMap(({ at, within, title, text }) => {
    const found = document.querySelector(at);
    const element = within ? found?.closest(within) : found;
    /** @type {DriveStep[]} */
    const step = element?.getClientRects().length ? [{ element, popover: { title, description: text } }] : [];
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
        // The popover must not add landmarks to the page.
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
        // driver.js marks the element as a button that opens the popover, which it is not.
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

/** Loads the stylesheet of driver.js once. */
function loadStylesheet() {
  if (document.querySelector("link[data-tour]")) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.dataset.tour = "";
  link.href = driverCss;
  const loaded = new Promise((resolve) => ["load", "error"].forEach((name) => link.addEventListener(name, resolve)));
  // Placed first, so that the stylesheet of the page overrides it.
  document.head.prepend(link);
  return loaded;
}
