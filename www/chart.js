// @ts-check
/**
 * The loss over the steps, by uPlot.
 *
 * @module
 */

import { grouped } from "./format.js";
import uPlot from "./vendor/uPlot.esm.js";

/** @import { PageState } from "./state.js" */

/** The chart is described anew at most this often, ms. */
const DESCRIBE_EVERY = 10_000;
/** A curve grows slowly; it is drawn anew at most this often, ms. */
const DRAW_EVERY = 250;

/** From nought, or where an opened model goes on; ten steps at least.
 * @param {uPlot} _plot
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function fromFirst(_plot, low, high) {
  const first = low > 1 ? low : 0;
  return [first, Math.max(first + 10, high ?? 0)];
}

/** Loss as a line that grows. */
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
   * @param {HTMLElement} root Filled by the chart.
   * @param {HTMLElement} readout One line about the point under the pointer, or the last one.
   * @param {HTMLElement} scoreReadout About the joints there, where they are known.
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
        scales: { score: { range: (_plot, _low, high) => [0, Math.max(0.05, high ?? 0.05)] }, x: { time: false, range: fromFirst } },
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
          // Of puppets, whose joints are known: how far off they are when they are told from the keypoints.
          { stroke: colour("--ink"), width: 1.5, dash: [4, 4], scale: "score", points: { show: true, size: 5 }, spanGaps: true },
        ],
        hooks: { setCursor: [() => this.#say()] },
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
    this.#say();
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

  #say() {
    const { steps, losses } = this.#history;
    const at = this.#plot?.cursor.idx ?? steps.length - 1;
    const score = this.#scores.filter(({ step }) => step <= steps[at]).at(-1);
    const joints = score
      ? `Joint error: ${(100 * score.error).toFixed(1)}% of the side (mean pose: ${(100 * score.baseline).toFixed(1)}%)`
      : "";
    if (this.#scoreReadout.textContent !== joints) this.#scoreReadout.textContent = joints;
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
