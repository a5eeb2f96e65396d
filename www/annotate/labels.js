// @ts-check
/**
 * The lists of keypoints, edges and landmarks with their names and errors.
 *
 * @module
 */

import { counted } from "../ui/format.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { AnnotationProject } from "./annotation_project.js" */

/** Number of the strongest edges that are listed in addition to those of the skeleton. */
const OFFERED = 24;

/** @typedef {(edit: protocol.Edit) => Promise<unknown>} SendEdit */

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Updates of lists that wait until the user has finished typing a name. @type {WeakMap<HTMLElement, HTMLElement[]>} */
const waiting = new WeakMap();

/** Replaces the items of a list and keeps focus and selection. While the user types a name, the update waits.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items
 */
function replace(list, items) {
  const active = list.contains(document.activeElement) ? document.activeElement : null;
  if (active instanceof HTMLInputElement && active.dataset.savedValue !== undefined && active.value !== active.dataset.savedValue) {
    if (!waiting.has(list)) {
      active.addEventListener(
        "blur",
        () => {
          const latest = waiting.get(list) ?? [];
          waiting.delete(list);
          replace(list, latest);
        },
        { once: true },
      );
    }
    waiting.set(list, items);
    return;
  }
  const selected = active instanceof HTMLInputElement && active.type === "text" ? [active.selectionStart, active.selectionEnd] : null;
  list.replaceChildren(...items);
  const replacement = active && document.getElementById(active.id);
  replacement?.focus();
  if (selected && replacement instanceof HTMLInputElement) replacement.setSelectionRange(selected[0], selected[1]);
}

/**
 * @param {string} id
 * @param {string} value
 * @param {string} label
 * @param {(value: string) => void} onChange
 */
function nameField(id, value, label, onChange) {
  const input = make("input", { id, type: "text", maxlength: "80", "aria-label": label, spellcheck: "false", autocomplete: "off" });
  input.value = value;
  input.dataset.savedValue = value;
  input.addEventListener("change", () => input.value.trim() !== value && onChange(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") input.blur();
    if (event.key === "Escape") {
      input.value = value;
      input.blur();
    }
  });
  return input;
}

/**
 * @param {string} id
 * @param {string} text
 * @param {string} label
 * @param {() => void} act
 */
function button(id, text, label, act) {
  const made = make("button", { id, type: "button", class: "small icon", "aria-label": label, title: label }, text);
  made.addEventListener("click", act);
  return made;
}

const percent = (/** @type {number} */ fraction) => `${(100 * fraction).toFixed(1)}%`;

/** Shows the discovered keypoints.
 * @param {HTMLElement} list
 * @param {AnnotationProject} project
 * @param {SendEdit} edit
 */
export function showKeypoints(list, project, edit) {
  const { keypoints } = project.view;
  const moveKeypoint = (/** @type {number} */ from, /** @type {number} */ to) => {
    const order = keypoints.map((_, index) => index);
    order.splice(to, 0, ...order.splice(from, 1));
    return edit({ kind: "reorder", order });
  };
  replace(
    list,
    keypoints.map(({ name, color, hidden, placed_on, error, baseline }, index) => {
      const colour = make("input", { id: `keypoint-color-${index}`, type: "color", value: color, "aria-label": `Colour of ${name}` });
      colour.addEventListener("change", () => edit({ kind: "recolor", index, color: colour.value }));
      const shown = make("input", {
        id: `keypoint-shown-${index}`,
        type: "checkbox",
        "aria-label": `Show ${name}`,
        title: "Show and export",
      });
      shown.checked = !hidden;
      shown.addEventListener("change", () => edit({ kind: "hide", index, hidden: !shown.checked }));
      const merge = make("select", { id: `keypoint-merge-${index}`, "aria-label": `Merge ${name} into another`, title: "Merge into" });
      merge.append(
        make("option", { value: "" }, "Merge"),
        ...keypoints.flatMap((other, k) => (k === index ? [] : [make("option", { value: `${k}` }, `into ${other.name}`)])),
      );
      merge.addEventListener("change", () => merge.value && edit({ kind: "merge", into: Number(merge.value), other: index }));
      const up = button(`keypoint-up-${index}`, "↑", `Move ${name} up`, () => moveKeypoint(index, index - 1));
      const down = button(`keypoint-down-${index}`, "↓", `Move ${name} down`, () => moveKeypoint(index, index + 1));
      up.disabled = index === 0;
      down.disabled = index === keypoints.length - 1;
      const field = nameField(`keypoint-name-${index}`, name, `Name of keypoint ${index + 1}`, (name) =>
        edit({ kind: "rename", index, name }),
      );
      field.dataset.testid = "keypoint-name";
      const item = make("li", hidden ? { class: "is-hidden" } : {}, shown, colour, field, up, down, merge);
      const notes = [];
      if (placed_on) notes.push(`corrected on ${counted(placed_on, "image")}`);
      if (error != null) {
        const mean = baseline == null ? "" : ` (mean position: ${percent(baseline)})`;
        notes.push(`${percent(error)} of the image away from its landmark${mean}`);
      }
      if (notes.length) item.append(make("small", { "data-testid": "keypoint-note" }, notes.join(", ")));
      return item;
    }),
  );
}

/** Shows the edges, and which of them belong to the skeleton.
 * @param {HTMLElement} root Contains a slider, a select of parts, and a list.
 * @param {AnnotationProject} project
 * @param {SendEdit} edit
 */
export function showEdges(root, project, edit) {
  const { keypoints, skeleton, edge_weights } = project.view;
  const slider = /** @type {HTMLInputElement} */ (root.querySelector("input[type=range]"));
  const list = /** @type {HTMLElement} */ (root.querySelector("ul"));
  const key = (/** @type {[number, number]} */ [a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`;
  const chosen = new Set(skeleton.map(key));
  // The slider sets the number of edges, strongest first.
  slider.max = `${edge_weights.length}`;
  if (document.activeElement !== slider) slider.value = `${skeleton.length}`;
  slider.setAttribute("aria-valuetext", `${skeleton.length} of ${edge_weights.length} edges`);
  const readout = root.querySelector("output");
  if (readout) readout.textContent = `${skeleton.length}`;
  slider.onchange = () => {
    const count = slider.valueAsNumber;
    const threshold = count === 0 ? Number.MAX_VALUE : edge_weights[count - 1][1];
    edit({ kind: "choose-edges", threshold });
  };
  const parts = /** @type {HTMLSelectElement} */ (root.querySelector("select"));
  parts.value = `${project.view.parts}`;
  parts.onchange = () => edit({ kind: "cut", parts: Number(parts.value) });
  const offered = edge_weights.filter(([ends], place) => place < OFFERED || chosen.has(key(ends)));
  replace(
    list,
    offered.map(([ends, weight]) => {
      const [a, b] = ends.map((end) => keypoints[end]?.name ?? `${end}`);
      const box = make("input", { type: "checkbox", id: `edge-${key(ends)}` });
      box.checked = chosen.has(key(ends));
      box.addEventListener("change", () => edit({ kind: "toggle-edge", edge: ends }));
      return make("li", {}, make("label", { for: `edge-${key(ends)}` }, box, ` ${a} – ${b} `, make("small", {}, weight.toPrecision(2))));
    }),
  );
}

/** Shows the landmarks with their errors.
 * @param {HTMLElement} list
 * @param {AnnotationProject} project
 * @param {SendEdit} edit
 * @param {(index: number) => void} open Opens an image in the editor.
 */
export function showLandmarks(list, project, edit, open) {
  const { landmarks } = project.view;
  replace(
    list,
    landmarks.map(({ name, color, error, baseline, placed_on, worst }, index) => {
      const field = nameField(`landmark-name-${index}`, name, `Name of landmark ${index + 1}`, (name) =>
        edit({ kind: "rename-landmark", index, name }),
      );
      field.dataset.testid = "landmark-name";
      const dot = make("i", {});
      dot.style.background = color;
      const remove = button(`landmark-remove-${index}`, "×", `Remove ${name}`, () => edit({ kind: "remove-landmark", index }));
      const text =
        error == null
          ? `placed on ${counted(placed_on, "image")}`
          : `placed on ${counted(placed_on, "image")}, predicted with an error of ${percent(error)} of the image${baseline == null ? "" : ` (mean position: ${percent(baseline)})`}`;
      const item = make("li", {}, dot, field, remove, make("small", { "data-testid": "landmark-error" }, text));
      if (error != null && worst.length) {
        const links = make("small", {}, " Largest errors: ");
        worst.slice(0, 3).forEach((image, place) => {
          const link = make(
            "button",
            { type: "button", class: "link", id: `landmark-worst-${index}-${place}` },
            project.row(image)?.name ?? "",
          );
          link.addEventListener("click", () => open(image));
          links.append(place ? ", " : "", link);
        });
        item.append(links);
      }
      return item;
    }),
  );
}
