// @ts-check
/**
 * The list of stored runs: thumbnail, name, steps, date and actions.
 *
 * @module
 */

import { counted, dateText } from "../ui/format.js";

/** @import { Saved } from "../state/saves.js" */

/** @typedef {"resume" | "open" | "download" | "delete"} RunAction */

/** @type {[RunAction, string, string][]} Action, label and tooltip. */
const ACTIONS = [
  ["resume", "Resume", "Continue this run exactly where it stopped"],
  ["open", "Open", "Use this run's model on the current images"],
  ["download", "Download", "Save this run as a file"],
  ["delete", "Delete", "Delete this run from the browser"],
];

/**
 * @param {HTMLElement} list
 * @param {Saved[]} saves
 * @param {boolean} canOpen True if the engine can open a run now.
 * @param {(action: RunAction, saved: Saved) => void} act
 */
export function showRuns(list, saves, canOpen, act) {
  const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  list.replaceChildren(
    ...saves.map((saved) => {
      const item = document.createElement("li");
      const image = document.createElement("img");
      image.alt = "";
      image.width = image.height = 64;
      if (saved.thumbnail) image.src = saved.thumbnail;
      const title = document.createElement("p");
      const name = document.createElement("b");
      name.textContent = saved.name;
      title.append(name, ` ${counted(saved.step, "step")}, ${dateText(saved.date)}`);
      const buttons = document.createElement("div");
      buttons.append(
        ...ACTIONS.map(([action, text, help]) => {
          const button = document.createElement("button");
          button.type = "button";
          button.className = "small";
          button.dataset.testid = `stored-${action}`;
          button.id = `stored-${action}-${saved.id}`;
          button.textContent = text;
          button.title = help;
          button.setAttribute("aria-label", `${text}: ${saved.name}, ${counted(saved.step, "step")}`);
          button.disabled = !canOpen && (action === "resume" || action === "open");
          button.addEventListener("click", () => act(action, saved));
          return button;
        }),
      );
      item.append(image, title, buttons);
      return item;
    }),
  );
  // Each save rebuilds the list; the focus stays on the same button.
  if (focused) document.getElementById(focused.id)?.focus();
}
