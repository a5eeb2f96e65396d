// @ts-check
/**
 * The settings. The engine's table gives label, help, range, unit and the paper's value of each.
 *
 * @module
 */

/** @import * as protocol from "../engine/protocol.js" */
/** @import { PageState } from "../state/state.js" */

/** Largest number of steps that can be set. */
export const MOST_STEPS = 1_000_000;

/** Settings outside "Advanced". */
const MAIN = new Set(["keypoints", "seed", "learning_rate", "mask_ratio", "thickness"]);

/**
 * A setting with a list of options, in the form of the engine's table.
 * @typedef {object} Choice
 * @property {"fit" | "loss" | "flip"} name
 * @property {string} label
 * @property {string} help
 * @property {string} paper
 * @property {[string, string][]} options Value and label of each option.
 */

/** @type {Choice[]} */
export const CHOICES = [
  {
    name: "loss",
    label: "Loss",
    help: "How the reconstruction and the image are compared. Perceptual (VGG16 features) copes with clothes, faces and backgrounds. Pixel (mean squared difference) is fast, and enough on plain backgrounds.",
    paper: "perceptual",
    options: [
      ["perceptual", "Perceptual"],
      ["pixel", "Pixel"],
    ],
  },
  {
    name: "fit",
    label: "Fit",
    help: "How an image that is not square is made square: stretch it, crop its middle, or pad it.",
    paper: "stretch",
    options: [
      ["stretch", "Stretch"],
      ["crop", "Crop"],
      ["pad", "Pad"],
    ],
  },
  {
    name: "flip",
    label: "Mirroring",
    help: "Mirrors each image half the time. This adds variety, but the model no longer tells left from right.",
    paper: "",
    options: [
      ["false", "Off"],
      ["true", "Half"],
    ],
  },
];

/**
 * @typedef {object} Handlers
 * @property {(patch: Partial<protocol.Config>) => void} change
 * @property {(preset: protocol.Preset) => void} preset
 * @property {(step: number | null) => void} stopStep
 */

/** Builds the fields once, then shows the state in them. */
export class Controls {
  #root;
  #handlers;
  #built = false;
  /** @type {((config: protocol.Config) => void)[]} Functions that show a config in the fields. */
  #follow = [];
  /** @type {HTMLSelectElement | null} */ #preset = null;
  /** @type {HTMLInputElement | null} */ #stopStep = null;

  /**
   * @param {{ run: HTMLElement, live: HTMLElement, advancedRun: HTMLElement, advancedLive: HTMLElement }} root
   * @param {Handlers} handlers
   */
  constructor(root, handlers) {
    this.#root = root;
    this.#handlers = handlers;
  }

  /** @param {PageState} state */
  show(state) {
    if (!this.#built && state.settings.length) this.#build(state);
    if (!state.config || !this.#built) return;
    const config = { ...state.config, ...state.staged };
    for (const follow of this.#follow) follow(config);
    if (this.#preset) this.#preset.value = presetOf(config, state.presets) ?? "custom";
    // A field in use is not overwritten.
    if (this.#stopStep && document.activeElement !== this.#stopStep) this.#stopStep.value = `${state.stopStep ?? ""}`;
  }

  /** @param {PageState} state */
  #build(state) {
    this.#built = true;
    this.#root.run.append(this.#presetField(state.presets));
    for (const setting of state.settings) {
      const main = MAIN.has(setting.name);
      const place = setting.live ? (main ? this.#root.live : this.#root.advancedLive) : main ? this.#root.run : this.#root.advancedRun;
      place.append(this.#numberField(setting));
    }
    for (const choice of CHOICES) this.#root.advancedRun.append(this.#choiceField(choice));
    this.#root.live.append(this.#stopStepField());
  }

  /** The stop step, which is a setting of the page and not of the engine. */
  #stopStepField() {
    const input = element("input", {
      id: "set-steps",
      type: "number",
      inputmode: "numeric",
      min: "1",
      max: `${MOST_STEPS}`,
      step: "1",
      placeholder: "no limit",
      "data-testid": "steps",
    });
    input.addEventListener(
      "change",
      () => input.reportValidity() && this.#handlers.stopStep(input.value === "" ? null : input.valueAsNumber),
    );
    this.#stopStep = input;
    return field({
      id: "set-steps",
      label: "Stop at step",
      help: "Training stops at this step. Leave the field empty to train until you pause. A skeleton appears after a few hundred steps and improves for a thousand more.",
      paper: "20,001",
      input,
    });
  }

  /** @param {PageState["presets"]} presets */
  #presetField(presets) {
    const select = element("select", { id: "set-preset", "data-testid": "preset" });
    for (const [name] of presets) {
      const choice = option(name, capitalised(name));
      choice.hidden = name === "tiny"; // only links from before name it
      select.append(choice);
    }
    const custom = option("custom", "Custom");
    custom.disabled = true;
    select.append(custom);
    select.addEventListener("change", () => this.#handlers.preset(/** @type {protocol.Preset} */ (select.value)));
    this.#preset = select;
    return field({
      id: "set-preset",
      label: "Preset",
      help: "Sets all settings at once. Quick suits a CPU, small places keypoints better and suits a GPU, paper needs a large GPU and hours.",
      input: select,
    });
  }

  /** @param {protocol.Setting} setting */
  #numberField(setting) {
    const id = `set-${setting.name}`;
    const input = element("input", {
      id,
      type: "number",
      inputmode: setting.step == null ? "decimal" : "numeric",
      min: `${setting.min}`,
      max: `${setting.max}`,
      step: setting.step == null ? "any" : `${setting.step}`,
      required: "",
      "data-testid": setting.name.replaceAll("_", "-"),
    });
    let known = "";
    let typing = false;
    const apply = () => {
      if (!input.reportValidity()) return;
      typing = false;
      this.#handlers.change({ [setting.name]: input.valueAsNumber });
    };
    input.addEventListener("input", () => (typing = true));
    input.addEventListener("change", apply);
    input.addEventListener("blur", () => {
      typing = false;
      if (!input.validity.valid) input.value = known;
    });

    let slider = null;
    if (setting.live) {
      // A range over many powers of ten gets a logarithmic slider.
      const logarithmic = setting.min > 0 && setting.max / setting.min >= 1000;
      const place = (/** @type {number} */ value) => (logarithmic ? Math.log10(value) : value);
      const read = (/** @type {number} */ at) => Number((logarithmic ? 10 ** at : at).toPrecision(2));
      const from = place(setting.min);
      const to = place(setting.max);
      const range = element("input", {
        type: "range",
        min: `${from}`,
        max: `${to}`,
        step: setting.step == null || logarithmic ? `${(to - from) / 100}` : `${setting.step}`,
        "aria-label": `${setting.label}, slider`,
      });
      range.addEventListener("input", () => {
        input.value = `${Math.min(setting.max, Math.max(setting.min, read(range.valueAsNumber)))}`;
        range.setAttribute("aria-valuetext", input.value);
      });
      range.addEventListener("change", apply);
      this.#follow.push((config) => {
        if (document.activeElement === range) return;
        const value = Number(config[/** @type {keyof protocol.Config} */ (setting.name)]);
        range.value = `${place(value)}`;
        range.setAttribute("aria-valuetext", `${value}`);
      });
      slider = range;
    }
    this.#follow.push((config) => {
      const value = `${config[/** @type {keyof protocol.Config} */ (setting.name)]}`;
      const isNews = value !== known;
      known = value;
      // A field in use is not overwritten.
      if (typing && !isNews) return;
      if (Number(input.value) !== Number(value) || input.value === "") input.value = value;
    });
    return field({
      id,
      label: setting.label,
      unit: setting.unit,
      help: setting.help,
      paper: `${setting.paper}`,
      input,
      slider,
    });
  }

  /** @param {Choice} choice */
  #choiceField(choice) {
    const id = `set-${choice.name}`;
    const select = element("select", { id, "data-testid": `${choice.name}-choice` });
    for (const [value, text] of choice.options) select.append(option(value, text));
    select.addEventListener("change", () =>
      this.#handlers.change({ [choice.name]: choice.name === "flip" ? select.value === "true" : select.value }),
    );
    this.#follow.push((config) => (select.value = `${config[choice.name]}`));
    return field({ id, label: choice.label, help: choice.help, paper: choice.paper, input: select });
  }
}

/**
 * Returns true if a change of settings starts a new run.
 * @param {Partial<protocol.Config>} patch
 * @param {PageState} state
 * @returns {boolean}
 */
export function startsNewRun(patch, { settings, config }) {
  const live = new Set(settings.filter((setting) => setting.live).map((setting) => setting.name));
  return Object.entries(patch).some(([name, value]) => !live.has(name) && config?.[/** @type {keyof protocol.Config} */ (name)] !== value);
}

/**
 * Returns the preset that has these settings, seed aside.
 * @param {protocol.Config} config
 * @param {PageState["presets"]} presets
 */
function presetOf(config, presets) {
  const same = (/** @type {protocol.Config} */ other) =>
    Object.entries(other).every(([name, value]) => name === "seed" || config[/** @type {keyof protocol.Config} */ (name)] === value);
  return presets.find(([, preset]) => same(preset))?.[0];
}

/**
 * @param {{ id: string, label: string, help: string, input: HTMLElement, unit?: string, paper?: string, slider?: HTMLElement | null }} parts
 */
function field({ id, label, help, input, unit = "", paper = "", slider = null }) {
  const helpId = `${id}-help`;
  input.setAttribute("aria-describedby", helpId);
  const name = element("label", { for: id });
  name.append(label);
  const toggle = element("button", {
    type: "button",
    class: "help-toggle",
    "aria-expanded": "false",
    "aria-controls": helpId,
    "aria-label": `Help: ${label}`,
  });
  toggle.textContent = "?";
  const explanation = text("p", help, "help");
  explanation.id = helpId;
  explanation.hidden = true;
  toggle.addEventListener("click", () => {
    explanation.hidden = !explanation.hidden;
    toggle.setAttribute("aria-expanded", `${!explanation.hidden}`);
  });
  const row = element("div", { class: "field" });
  row.append(name, toggle, input);
  const under = element("div", { class: "under" });
  if (slider) under.append(slider);
  if (paper) under.append(text("span", `Paper: ${paper}${unit ? ` ${unit}` : ""}`, "paper"));
  if (under.hasChildNodes()) row.append(under);
  row.append(explanation);
  return row;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} attributes
 */
function element(tag, attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/**
 * @param {"p" | "span"} tag
 * @param {string} content
 * @param {string} className
 */
function text(tag, content, className) {
  const made = element(tag, { class: className });
  made.textContent = content;
  return made;
}

/**
 * @param {string} value
 * @param {string} label
 */
function option(value, label) {
  const made = element("option", { value });
  made.textContent = label;
  return made;
}

/** @param {string} word */
function capitalised(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
