// @ts-check
/**
 * The chart of the loss over steps, drawn by uPlot.
 *
 * @module
 */

import { grouped } from "./format.js";
import uPlot from "uplot";

/** @import { PageState } from "./state.js" */

/** Shortest interval between updates of the description, ms. */
const DESCRIBE_EVERY = 10_000;
/** Shortest interval between drawings, ms. */
const DRAW_EVERY = 250;

/** Range of the steps: from 0, or from the first step of an opened model; at least ten steps.
 * @param {uPlot} _plot
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function stepRange(_plot, low, high) {
  const first = low > 1 ? low : 0;
  return [first, Math.max(first + 10, high ?? 0)];
}

/** Loss curve, with the landmark error where it is known. */
export class LossChart {
  #root;
  #readout;
  #scoreReadout;
  /** @type {uPlot} */ #plot;
  /** @type {PageState["history"]} */ #history = { steps: [], losses: [] };
  /** @type {PageState["scores"]} */ #scores = [];
  #described = -Infinity;
  #drawn = -Infinity;
  #waiting = 0;

  /**
   * @param {HTMLElement} root Element that the chart fills.
   * @param {HTMLElement} readout Text about the step under the pointer, or the last one.
   * @param {HTMLElement} scoreReadout Text about the landmark error there.
   */
  constructor(root, readout, scoreReadout) {
    this.#root = root;
    this.#readout = readout;
    this.#scoreReadout = scoreReadout;
    const colour = (/** @type {string} */ name) => () => getComputedStyle(root).getPropertyValue(name);
    const { fontSize, fontFamily } = getComputedStyle(root);
    const font = `${fontSize} ${fontFamily}`;
    const rem = parseFloat(fontSize) / 16;
    const axis = {
      stroke: colour("--muted"),
      font,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false }, points: { size: 8 } },
        scales: { score: { range: (_plot, _low, high) => [0, Math.max(0.05, high ?? 0.05)] }, x: { time: false, range: stepRange } },
        axes: [
          { ...axis, size: 30 * rem, gap: 6, space: 56 * rem, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4] },
          {
            ...axis,
            gap: 6,
            space: 36 * rem,
            size: 62 * rem,
            values: (_plot, ticks) => ticks.map((tick) => `${Number(tick.toPrecision(4))}`),
          },
          {
            ...axis,
            scale: "score",
            side: 1,
            gap: 4,
            space: 36 * rem,
            size: () => (this.#scores.length ? 48 * rem : 0),
            grid: { show: false },
            values: (_plot, ticks) => ticks.map((tick) => (this.#scores.length ? `${Number((100 * tick).toPrecision(2))}%` : "")),
          },
        ],
        series: [
          {},
          { stroke: colour("--accent"), width: 2, points: { show: false }, spanGaps: true },
          // Landmark error: distance of known landmarks from their prediction by the keypoints.
          { stroke: colour("--ink"), width: 1.5, dash: [4, 4], scale: "score", points: { show: true, size: 5 }, spanGaps: true },
        ],
        hooks: { setCursor: [() => this.#showReadout()] },
      },
      [[], [], []],
      root,
    );
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot.redraw(false, true));
  }

  /**
   * @param {PageState["history"]} history
   * @param {PageState["scores"]} scores
   */
  show(history, scores) {
    this.#history = history;
    this.#scores = scores;
    this.#showReadout();
    this.#waiting ||= window.setTimeout(() => this.#draw(), Math.max(0, this.#drawn + DRAW_EVERY - performance.now()));
  }

  #draw() {
    const [history, scores] = [this.#history, this.#scores];
    this.#waiting = 0;
    this.#drawn = performance.now();
    const at = new Map(scores.map(({ step, error }) => [step, error]));
    this.#plot.setData([history.steps, history.losses, history.steps.map((step) => at.get(step) ?? null)]);
    this.#root.classList.toggle("is-empty", history.steps.length === 0);
    this.#describe();
  }

  #size() {
    return { width: Math.max(120, this.#root.clientWidth), height: Math.max(120, this.#root.clientHeight) };
  }

  #showReadout() {
    const { steps, losses } = this.#history;
    const at = this.#plot?.cursor.idx ?? steps.length - 1;
    const score = this.#scores.filter(({ step }) => step <= steps[at]).at(-1);
    const landmarks = score
      ? `Landmark error: ${(100 * score.error).toFixed(1)}% of the image (mean position: ${(100 * score.baseline).toFixed(1)}%)`
      : "";
    if (this.#scoreReadout.textContent !== landmarks) this.#scoreReadout.textContent = landmarks;
    const text = steps.length && losses[at] !== undefined ? `Step ${grouped(steps[at])}: ${losses[at].toPrecision(4)}` : "";
    if (this.#readout.textContent !== text) this.#readout.textContent = text;
  }

  #describe() {
    const { steps, losses } = this.#history;
    const now = performance.now();
    if (steps.length > 1 && now - this.#described < DESCRIBE_EVERY) return;
    this.#described = now;
    const label = steps.length
      ? `Loss over steps: ${losses[0].toPrecision(3)} at step ${grouped(steps[0])}, ` +
        `${losses[losses.length - 1].toPrecision(3)} at step ${grouped(steps[steps.length - 1])}`
      : "Loss over steps: no steps yet";
    this.#root.setAttribute("aria-label", label);
  }
}
