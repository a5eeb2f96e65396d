// @ts-check
/**
 * Draws the tensors of one image into the picture of the model, and lights its stages in slow motion.
 *
 * @module
 */

import { grouped } from "../ui/format.js";
import { drawEdge, drawSkeleton } from "../ui/skeleton.js";
import { drawSquare } from "../ui/squares.js";
import { BACKWARD, FORWARD, LIT } from "./slow_motion.js";
import { Wires } from "./wires.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { PageState } from "../state/state.js" */

/** Captions of the stages. @type {Record<string, string>} */
const CAPTIONS = {
  ...Object.fromEntries(FORWARD),
  "without-keypoints": "The same decoder with an empty edge map. The difference shows what the keypoints contribute.",
  skeleton: "The skeleton at the mean pose of the images. Its edges are the same for all images.",
};

/** @typedef {import("./slow_motion.js").Lit | "without-keypoints" | "skeleton"} Stage */

/** Index of the image in `Stages.pixels` that a stage shows. @type {Partial<Record<Stage, number>>} */
const CHANNELS = {
  image: 0,
  heatmaps: 0,
  keypoints: 0,
  masked: 1,
  "edge-map": 2,
  reconstruction: 3,
  "without-keypoints": 4,
  difference: 5,
};
/** Captions about the keys of a stage. @type {Partial<Record<Stage, string>>} */
const KEYS = {
  keypoints: "N and P select a keypoint. Arrow keys move it; with Shift, they move it farther.",
  mask: "Arrow keys select a cell. Space hides or shows it.",
};
/** Shortest interval between updates of the descriptions, ms. */
const DESCRIBE_EVERY = 10_000;
const REST = "Follow one image through the model. Paint on the mask, drag a keypoint, or click an edge.";
const RECORDED = "A recorded run on photographs of hands. Your run replaces it as soon as the engine is loaded.";

/** Draws {@link protocol.Stages} into the tiles of the flow. */
export class Flow {
  #root;
  #caption;
  #errors;
  #wires;
  /** @type {Map<Stage, { figure: HTMLElement, canvas: HTMLCanvasElement | null }>} */ #tiles = new Map();
  /** @type {PageState | null} */ #state = null;
  /** Data shown by each stage; in slow motion the stages change one after another. @type {Map<Stage, protocol.Stages>} */ #shown =
    new Map();
  /** @type {protocol.Stages | null} */ #latest = null;
  /** @type {number[]} */ #timers = [];
  /** Stage of the caption, and whether it is about keys. @type {[Stage | null, boolean]} */ #captionOf = [null, false];
  #isInSight = true;
  #described = -Infinity;
  /** @type {protocol.Stages | null} */ #describedStages = null;

  /**
   * @param {HTMLElement} root Contains a figure for each stage, with `data-stage`.
   * @param {HTMLElement} caption Text about the current stage.
   * @param {{ with: HTMLElement, without: HTMLElement }} errors
   */
  constructor(root, caption, errors) {
    this.#root = root;
    this.#caption = caption;
    this.#errors = errors;
    for (const figure of root.querySelectorAll("figure")) {
      const stage = /** @type {Stage} */ (figure.dataset.stage);
      const canvas = figure.querySelector("canvas");
      this.#tiles.set(stage, { figure, canvas });
      figure.addEventListener("pointerenter", () => this.#showCaption(stage));
      figure.addEventListener("pointerleave", () => this.#showCaption(null));
      canvas?.addEventListener("focus", () => this.#showCaption(stage, canvas.matches(":focus-visible")));
      canvas?.addEventListener("blur", () => this.#showCaption(null));
    }
    this.#wires = new Wires(root);
    new ResizeObserver(() => {
      this.#wires.draw();
      this.draw();
    }).observe(root);
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.#isInSight = isIntersecting;
      if (isIntersecting) this.draw();
    }).observe(root);
    this.#showCaption(null);
  }

  /** @param {Stage} stage */
  canvas(stage) {
    const tile = this.#tiles.get(stage);
    if (!tile?.canvas) throw new Error(`There is no canvas of the stage ${stage}.`);
    return tile.canvas;
  }

  /** @param {PageState} state */
  show(state) {
    const isOther = state.demo !== this.#state?.demo;
    this.#state = state;
    if (isOther) this.#showCaption(...this.#captionOf);
    const { stages, slow } = state;
    if (!slow && this.#timers.length && stages) {
      this.#stopAnimation();
      for (const stage of this.#tiles.keys()) this.#shown.set(stage, stages);
    }
    if (stages !== this.#latest) {
      const isNext = stages !== null && this.#latest !== null && stages.step > this.#latest.step;
      this.#latest = stages;
      this.#stopAnimation();
      if (!stages) this.#shown.clear();
      else {
        if (slow && isNext) this.#animateStages(stages);
        else for (const stage of this.#tiles.keys()) this.#shown.set(stage, stages);
      }
    }
    this.draw();
    this.#describe();
  }

  #stopAnimation() {
    if (this.#timers.length === 0) return;
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    for (const stage of this.#tiles.keys()) this.#setLit(stage, false);
    this.#root.classList.remove("is-backward");
    this.#showCaption(null);
  }

  /** Updates the stages one after another, each lit for a while, and then lights the way of the gradient.
   * @param {protocol.Stages} stages
   */
  #animateStages(stages) {
    this.#shown.set("skeleton", stages);
    this.#shown.set("without-keypoints", stages);
    [...FORWARD, ...BACKWARD].forEach(([stage, sentence], i, all) => {
      const light = () => {
        this.#shown.set(stage, stages);
        if (i > 0) this.#setLit(all[i - 1][0], false);
        this.#root.classList.toggle("is-backward", i >= FORWARD.length);
        this.#setLit(stage, true);
        this.#write(sentence);
        this.draw();
      };
      this.#timers.push(setTimeout(light, i * LIT));
    });
    this.#timers.push(setTimeout(() => this.#stopAnimation(), (FORWARD.length + BACKWARD.length) * LIT));
  }

  /**
   * @param {Stage} stage
   * @param {boolean} isLit
   */
  #setLit(stage, isLit) {
    this.#tiles.get(stage)?.figure.classList.toggle("is-lit", isLit);
    this.#wires.setLit(stage, isLit);
  }

  /**
   * @param {Stage | null} stage
   * @param {boolean} [isByKeyboard]
   */
  #showCaption(stage, isByKeyboard = false) {
    this.#captionOf = [stage, isByKeyboard];
    const keys = stage && isByKeyboard ? KEYS[stage] : undefined;
    const text = keys ?? (stage ? CAPTIONS[stage] : this.#state?.demo ? RECORDED : REST);
    // In slow motion, the sentence is about the stage that is lit.
    if (this.#timers.length === 0) this.#write(text);
  }

  /** @param {string} text */
  #write(text) {
    if (this.#caption.textContent !== text) this.#caption.textContent = text;
  }

  draw() {
    const state = this.#state;
    // During training, invisible tiles are not drawn.
    if (!state || (!this.#isInSight && state.phase === "training")) return;
    for (const [stage, { canvas }] of this.#tiles) {
      if (!canvas) continue;
      const stages = this.#shown.get(stage);
      const side = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
      if (side === 0) continue;
      if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
      const context = canvas.getContext("2d");
      if (!context) continue;
      context.clearRect(0, 0, side, side);
      canvas.classList.toggle("is-empty", !stages);
      if (!stages || (this.#latest && stages.size !== this.#latest.size)) continue;
      // In slow motion, stages that are not reached yet are dimmed.
      if (stages !== this.#latest) context.globalAlpha = 0.35;
      context.imageSmoothingQuality = "high";
      this.#drawStage(context, stage, stages, side, state);
      context.globalAlpha = 1;
    }
    const { stages } = state;
    this.#errors.with.textContent = stages ? percent(stages.error) : "";
    this.#errors.without.textContent = stages ? percent(stages.error_without_edge_map) : "";
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Stage} stage
   * @param {protocol.Stages} stages
   * @param {number} side
   * @param {PageState} state
   */
  #drawStage(context, stage, stages, side, { views, edits, palette, edge, point, minStrength, ringed }) {
    const square = { left: 0, top: 0, side };
    const points = edits.keypoints?.length === stages.keypoints.length ? edits.keypoints : stages.keypoints;
    const channel = CHANNELS[stage];
    if (channel !== undefined) drawSquare(context, stages.pixels, stages.size, channel, 0, 0, side);
    if (stage === "heatmaps") {
      context.fillStyle = "rgb(8 9 14 / 0.72)";
      context.fillRect(0, 0, side, side);
      for (let k = 0; k < points.length; k++) {
        if (point !== null && point !== k) continue;
        drawSquare(context, stages.heatmaps, stages.heatmap_size, k, 0, 0, side);
      }
    } else if (stage === "keypoints") {
      context.fillStyle = "rgb(0 0 0 / 0.3)";
      context.fillRect(0, 0, side, side);
      drawSkeleton(context, { points, strengths: stages.edge_strengths, palette }, square, { edge, point, minStrength, ringed });
    } else if (stage === "edge-map") {
      if (edge) drawEdge(context, { points, strengths: [], palette }, square, edge);
    } else if (stage === "mask") {
      const cells = edits.mask.kind === "painted" ? edits.mask.cells : stages.mask;
      const count = Math.round(Math.sqrt(cells.length));
      cells.forEach((/** @type {number} */ kept, /** @type {number} */ i) => {
        context.fillStyle = kept ? "#e9eaee" : "#3b414d";
        const [x, y] = [i % count, Math.floor(i / count)].map((at) => Math.round((at * side) / count));
        const next = (/** @type {number} */ at) => Math.round(((at + 1) * side) / count);
        context.fillRect(x, y, next(i % count) - x, next(Math.floor(i / count)) - y);
      });
    } else if (stage === "skeleton") {
      context.fillStyle = "#14161d";
      context.fillRect(0, 0, side, side);
      if (views)
        drawSkeleton(context, { points: views.mean_pose, strengths: views.edge_strengths, palette }, square, {
          edge,
          point,
          minStrength,
          ringed,
        });
    }
  }

  #describe() {
    const stages = this.#latest;
    const now = performance.now();
    // Another image or a new run updates the descriptions at once.
    const before = this.#describedStages;
    if (stages?.preview === before?.preview && stages && before && stages.step >= before.step && now - this.#described < DESCRIBE_EVERY)
      return;
    this.#described = now;
    this.#describedStages = stages;
    for (const [stage, { canvas }] of this.#tiles) {
      if (!canvas) continue;
      const title = canvas.dataset.title ?? (canvas.dataset.title = (canvas.getAttribute("aria-label") ?? "").replace(/:.*$/, ""));
      const how = KEYS[stage] ?? "";
      const label = stages
        ? `${title}, image ${stages.preview + 1} at step ${grouped(stages.step)}. ${how}`.trim()
        : `${title}: no images yet`;
      if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
    }
  }
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toPrecision(2)}%`;
}
