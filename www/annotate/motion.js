// @ts-check
/**
 * Motion of points in a video: measurements over time, as a chart and as a table.
 *
 * @module
 */

import { loadOptional } from "../ui/optional.js";
import { make } from "./labels.js";

/** @import uPlot from "uplot" */
/** @import * as protocol from "../engine/protocol.js" */
/** @import { Session } from "../autolink.js" */
/** @import { AnnotationProject } from "./annotation_project.js" */

/** Title and number of points of each kind of measurement. @type {Record<protocol.Measure["kind"], [string, number]>} */
const KINDS = { speed: ["Speed", 1], x: ["Across (x)", 1], y: ["Down (y)", 1], distance: ["Distance", 2], angle: ["Angle", 3] };
/** Parameters of the one-euro filter: moderate smoothing, 1 Hz at rest. */
const SMOOTHING = { cutoff: 1, beta: 20 };

export class MotionPanel {
  #root;
  #run;
  /** @type {AnnotationProject | null} */ #project = null;
  /** @type {protocol.Layer} */ #layer = "keypoints";
  /** @type {protocol.Measure[]} */ #measures = [];
  /** @type {uPlot | null} */ #plot = null;
  #request = 0;

  /**
   * @param {HTMLElement} root
   * @param {(command: (session: Session) => Promise<unknown>) => Promise<void>} run Runs a command, and shows its failure.
   * @param {(file: File) => void} download
   */
  constructor(root, run, download) {
    this.#root = root;
    this.#run = run;
    this.#field("motion-kind").append(...Object.entries(KINDS).map(([kind, [title]]) => make("option", { value: kind }, title)));
    this.#field("motion-kind").addEventListener("change", () => this.#updatePointSelects());
    this.#field("motion-smooth").addEventListener("change", () => this.#update());
    this.#field("motion-video").addEventListener("change", () => this.#update());
    this.#field("motion-add").addEventListener("click", () => {
      this.#measures.push(this.#chosen());
      this.#list();
      this.#update();
    });
    this.#field("motion-csv").addEventListener("click", () =>
      run(async (session) =>
        download(await session.exportMotion({ layer: this.#layer, measures: this.#measures, smoothing: this.#smoothing() })),
      ),
    );
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#chart);
  }

  /** @param {string} id */
  #field(id) {
    return /** @type {HTMLSelectElement} */ (this.#root.querySelector(`#${id}`));
  }

  get #chart() {
    return /** @type {HTMLElement} */ (this.#root.querySelector(".motion-chart"));
  }

  #size() {
    return { width: Math.max(160, this.#chart.clientWidth), height: 220 };
  }

  #smoothing() {
    return /** @type {HTMLInputElement} */ (this.#root.querySelector("#motion-smooth")).checked ? SMOOTHING : null;
  }

  /**
   * @param {AnnotationProject | null} project
   * @param {protocol.Layer} layer
   */
  show(project, layer) {
    this.#project = project;
    const videos = [...new Set(project?.rows.flatMap(({ video }) => (video ? [video.name] : [])))];
    this.#root.hidden = videos.length === 0;
    if (!project || videos.length === 0) return;
    const select = this.#field("motion-video");
    if ([...select.options].map(({ value }) => value).join("\n") !== videos.join("\n")) {
      select.replaceChildren(...videos.map((video) => make("option", {}, video)));
    }
    const names = this.#exportedNames(project, layer);
    const isOther = layer !== this.#layer;
    this.#layer = layer;
    // Measurements of points that no longer exist are removed.
    const most = names.length;
    this.#measures = isOther ? [] : this.#measures.filter((measure) => pointsOf(measure).every((k) => k < most));
    if (this.#measures.length === 0 && most > 0) this.#measures = [{ kind: "speed", keypoint: 0 }];
    this.#updatePointSelects();
    this.#list();
    this.#update();
  }

  /** Names of the exported points; hidden keypoints are not exported.
   * @param {AnnotationProject} project
   * @param {protocol.Layer} layer
   */
  #exportedNames(project, layer) {
    return project
      .labels(layer)
      .filter(({ hidden }) => !hidden)
      .map(({ name }) => name);
  }

  #updatePointSelects() {
    if (!this.#project) return;
    const [, count] = KINDS[/** @type {protocol.Measure["kind"]} */ (this.#field("motion-kind").value)];
    const names = this.#exportedNames(this.#project, this.#layer);
    [0, 1, 2].forEach((index) => {
      const select = this.#field(`motion-point-${index}`);
      const before = select.value;
      select.hidden = index >= count;
      select.replaceChildren(...names.map((name, k) => make("option", { value: `${k}` }, name)));
      select.value = before && Number(before) < names.length ? before : `${Math.min(index, names.length - 1)}`;
    });
  }

  /** @returns {protocol.Measure} */
  #chosen() {
    const kind = /** @type {protocol.Measure["kind"]} */ (this.#field("motion-kind").value);
    const [a, b, c] = [0, 1, 2].map((index) => Number(this.#field(`motion-point-${index}`).value));
    if (kind === "distance") return { kind, ends: [a, b] };
    if (kind === "angle") return { kind, points: [a, b, c] };
    return { kind, keypoint: a };
  }

  #list() {
    const names = this.#project ? this.#exportedNames(this.#project, this.#layer) : [];
    const list = /** @type {HTMLElement} */ (this.#root.querySelector(".measures-list"));
    list.replaceChildren(
      ...this.#measures.map((measure, index) => {
        const text = `${KINDS[measure.kind][0]}: ${pointsOf(measure)
          .map((k) => names[k])
          .join(", ")}`;
        const remove = make("button", { type: "button", class: "small icon", "aria-label": `Remove ${text}` }, "×");
        remove.addEventListener("click", () => {
          this.#measures.splice(index, 1);
          this.#list();
          this.#update();
        });
        const dot = make("i", {});
        dot.style.background = strokeOf(index);
        return make("li", {}, dot, text, remove);
      }),
    );
  }

  async #update() {
    const request = ++this.#request;
    await this.#run(async (session) => {
      const { videos } = await session.measureMotion({ layer: this.#layer, measures: this.#measures, smoothing: this.#smoothing() });
      if (request !== this.#request) return;
      const wanted = this.#field("motion-video").value;
      const found = videos.find(([name]) => name === wanted) ?? videos[0];
      const module = await loadOptional(
        () => import("uplot"),
        "The motion chart",
        (text) => (this.#chart.textContent = text),
      );
      if (module && found && request === this.#request) this.#draw(module.default, found[1], found[2]);
    });
  }

  /**
   * @param {typeof uPlot} Chart
   * @param {number[]} seconds
   * @param {protocol.Series[]} series
   */
  #draw(Chart, seconds, series) {
    const colour = (/** @type {string} */ name) => () => getComputedStyle(this.#root).getPropertyValue(name);
    const { fontSize, fontFamily } = getComputedStyle(this.#root);
    const axis = {
      stroke: colour("--muted"),
      font: `${fontSize} ${fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    this.#plot?.destroy();
    this.#plot = new Chart(
      {
        ...this.#size(),
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 30, values: (_plot, ticks) => ticks.map((tick) => `${Number(tick.toFixed(3))} s`) },
          { ...axis, size: 62 },
        ],
        series: [{}, ...series.map((_, index) => ({ stroke: strokeOf(index), width: 2, points: { show: false } }))],
      },
      [seconds, ...series.map(({ values }) => values)],
      this.#chart,
    );
    const ranges = series.map(({ title, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length ? `${title}: ${Math.min(...known).toFixed(1)} to ${Math.max(...known).toFixed(1)}` : `${title}: no values`;
    });
    this.#chart.setAttribute("aria-label", `Motion over ${(seconds.at(-1) ?? 0).toFixed(1)} s. ${ranges.join("; ")}`);
  }
}

/** @param {protocol.Measure} measure @returns {number[]} */
function pointsOf(measure) {
  if (measure.kind === "distance") return measure.ends;
  if (measure.kind === "angle") return measure.points;
  return [measure.keypoint];
}

/** Colour of a curve, distinguishable in light and dark mode. @param {number} index */
function strokeOf(index) {
  return ["#4a7fd6", "#d6682a", "#1f9e77", "#b05cc0", "#a88a12", "#d6487a"][index % 6];
}
