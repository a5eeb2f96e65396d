// @ts-check
/**
 * Edits of the selected preview image: painting the mask, dragging keypoints, switching edges. They do not affect training.
 *
 * @module
 */

import { edgeAt, pointAt } from "../ui/skeleton.js";
import { noEdits } from "../state/state.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { Store } from "../state/state.js" */
/** @import { Flow } from "./flow.js" */

/** Largest distance of the pointer from a keypoint (mouse, touch) or an edge, as a fraction of the image's side. */
const REACH = { mouse: 0.06, touch: 0.12, edge: 0.035 };
/** Distance that an arrow key moves a keypoint (far: with Shift), as a fraction of the image's side. */
const NUDGE = { near: 0.02, far: 0.1 };
const ARROWS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

/**
 * @param {Store} store
 * @param {Flow} flow
 * @param {HTMLElement} tools
 * @param {(text: string) => void} announce Announces a text to screen readers.
 */
export function enableEdits(store, flow, tools, announce) {
  // The recorded run cannot be edited, because edits need the engine.
  const set = (/** @type {Partial<protocol.Edits>} */ patch) =>
    store.state.demo || store.set({ edits: { ...store.state.edits, ...patch } });
  const points = () => store.state.edits.keypoints ?? store.state.stages?.keypoints ?? [];
  handleKeypoints(store, flow.canvas("keypoints"), set, points, announce);
  handleHighlight(store, flow.canvas("edge-map"), () => ({ points: points(), strengths: store.state.stages?.edge_strengths ?? [] }));
  handleHighlight(store, flow.canvas("skeleton"), () => ({
    points: store.state.views?.mean_pose ?? [],
    strengths: store.state.views?.edge_strengths ?? [],
  }));
  for (const stage of /** @type {const} */ (["mask", "masked"])) handleMask(store, flow.canvas(stage), set, announce);

  const find = (/** @type {string} */ selector) => {
    const found = tools.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`The tools have no ${selector}.`);
    return found;
  };
  const pose = /** @type {HTMLSelectElement} */ (find("#pose"));
  const maskButtons = /** @type {HTMLButtonElement[]} */ (Array.from(tools.querySelectorAll("button[data-mask-edit]")));
  for (const button of maskButtons) {
    button.addEventListener("click", () =>
      set({ mask: maskEditOf(button.dataset.maskEdit ?? "", store.state.stages?.mask.length ?? 256) }),
    );
  }
  store.watch(["stages", "demo"], ({ stages, demo }) => {
    for (const control of [pose, ...maskButtons]) control.disabled = !stages || demo !== null;
  });
  pose.addEventListener("change", () =>
    set({ keypoints: pose.value === "" ? null : (store.state.views?.keypoints[Number(pose.value)] ?? null) }),
  );
  store.watch(["views", "edits"], ({ views, edits }) => {
    const count = views?.count ?? 0;
    if (pose.options.length !== count + 2) {
      const option = (/** @type {string} */ value, /** @type {string} */ text) =>
        Object.assign(document.createElement("option"), { value, textContent: text });
      const custom = Object.assign(option("moved", "by hand"), { hidden: true });
      pose.replaceChildren(option("", "detected"), ...Array.from({ length: count }, (_, i) => option(`${i}`, `of image ${i + 1}`)), custom);
    }
    if (!edits.keypoints) pose.value = "";
    else {
      const image = views?.keypoints.indexOf(edits.keypoints) ?? -1;
      // Newer views bring other arrays; the choice stays.
      if (image >= 0) pose.value = `${image}`;
      else if (pose.value === "") pose.value = "moved";
    }
  });

  const edgeButtons = /** @type {HTMLButtonElement[]} */ (Array.from(tools.querySelectorAll("button[data-edge-state]")));
  for (const button of edgeButtons) {
    button.addEventListener("click", () => {
      const edge = store.state.pickedEdge;
      if (!edge) return;
      const wanted = /** @type {protocol.EdgeState} */ (button.dataset.edgeState);
      const others = store.state.edits.edges.filter(({ from, to }) => from !== edge[0] || to !== edge[1]);
      const isOn = edgeStateOf(store.state.edits, edge) === wanted;
      set({ edges: isOn ? others : [...others, { from: edge[0], to: edge[1], state: wanted }] });
    });
  }
  const name = find("#edit-edge");
  store.watch(["pickedEdge", "edits", "palette", "demo"], ({ pickedEdge, edits, palette, demo }) => {
    const now = pickedEdge && edgeStateOf(edits, pickedEdge);
    for (const button of edgeButtons) {
      button.disabled = !pickedEdge || demo !== null;
      button.setAttribute("aria-pressed", `${Boolean(now) && button.dataset.edgeState === now}`);
    }
    name.replaceChildren(...(pickedEdge ? [...swatch(pickedEdge[0], palette), " – ", ...swatch(pickedEdge[1], palette)] : ["Pick one"]));
  });

  const minStrength = /** @type {HTMLInputElement} */ (find("#min-strength"));
  minStrength.value = `${store.state.minStrength}`;
  minStrength.addEventListener("input", () => store.set({ minStrength: minStrength.valueAsNumber }));
  store.watch(["minStrength"], (state) =>
    minStrength.setAttribute("aria-valuetext", `${Math.round(100 * state.minStrength)}% of the strongest`),
  );

  const reset = /** @type {HTMLButtonElement} */ (find("#reset-edits"));
  reset.addEventListener("click", () => store.set({ edits: noEdits(store.state.edits.preview), pickedEdge: null, edge: null }));
  store.watch(
    ["edits"],
    ({ edits: { mask, keypoints, edges } }) => (reset.disabled = mask.kind === "usual" && !keypoints && edges.length === 0),
  );

  const readout = find("#edit-readout");
  store.watch(["point", "edge", "stages", "palette", "edits"], ({ point, edge, stages, palette, edits }) => {
    /** @type {(string | Node)[]} */
    let readoutParts = [];
    if (stages && point !== null && stages.confidence[point] !== undefined) {
      readoutParts = [
        "Keypoint ",
        ...swatch(point, palette),
        `: ${Math.round(100 * stages.confidence[point])}% of its heatmap lies near it`,
      ];
    } else if (stages && edge && stages.edge_weights[edge[0]]?.[edge[1]] !== undefined) {
      const state = edgeStateOf(edits, edge);
      const how = state === "off" ? ", switched off" : state ? ", as strong as the strongest" : "";
      readoutParts = [
        "Edge ",
        ...swatch(edge[0], palette),
        " – ",
        ...swatch(edge[1], palette),
        `: weight ${stages.edge_weights[edge[0]][edge[1]].toFixed(3)}${how}`,
      ];
    } else if (stages && (edits.keypoints || edits.edges.length || edits.mask.kind !== "usual")) {
      readoutParts = ["Edits are active. They do not affect training."];
    }
    readout.replaceChildren(...readoutParts);
  });
}

/**
 * @param {protocol.Edits} edits
 * @param {[number, number]} edge
 */
const edgeStateOf = (edits, edge) => edits.edges.find(({ from, to }) => from === edge[0] && to === edge[1])?.state ?? null;

/** A keypoint as a swatch of its colour with its number.
 * @param {number} k
 * @param {string[]} palette
 * @returns {(string | Node)[]}
 */
function swatch(k, palette) {
  const dot = document.createElement("i");
  dot.className = "swatch";
  dot.style.background = palette[k] ?? "currentcolor";
  return [dot, `${k + 1}`];
}

let newMaskSeed = 0;

/**
 * @param {string} kind
 * @param {number} count Number of cells.
 * @returns {protocol.MaskEdit}
 */
function maskEditOf(kind, count) {
  const side = Math.round(Math.sqrt(count));
  const painted = (/** @type {(column: number) => boolean} */ isKept) => ({
    kind: /** @type {const} */ ("painted"),
    cells: Array.from({ length: side * side }, (_, i) => Number(isKept(i % side))),
  });
  if (kind === "hide-all") return painted(() => false);
  if (kind === "show-all") return painted(() => true);
  if (kind === "hide-half") return painted((column) => column >= side / 2);
  return { kind: "fresh", seed: ++newMaskSeed };
}

/** Position of the pointer, as fractions of the canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {PointerEvent} event
 * @returns {[number, number]}
 */
function positionOf(canvas, event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / height];
}

/** @param {number} value */
const clamp = (value) => Math.min(1, Math.max(0, value));

/** Highlights a keypoint and an edge in all views.
 * @param {Store} store
 * @param {number | null} point
 * @param {[number, number] | null} edge
 */
function highlight(store, point, edge) {
  const now = store.state.edge;
  const isSame = now?.[0] === edge?.[0] && now?.[1] === edge?.[1];
  store.set({ point, edge: isSame ? now : edge });
}

/** Highlights and picks edges in a view that cannot be edited.
 * @param {Store} store
 * @param {HTMLCanvasElement} canvas
 * @param {() => { points: [number, number][], strengths: number[][] }} skeleton
 */
function handleHighlight(store, canvas, skeleton) {
  const hitTest = (/** @type {PointerEvent} */ event) => {
    const { points, strengths } = skeleton();
    const place = positionOf(canvas, event);
    const point = pointAt(points, place, REACH.mouse);
    return { point, edge: point === null ? edgeAt(points, strengths, place, REACH.edge, store.state.minStrength) : null };
  };
  canvas.addEventListener("pointermove", (event) => {
    const { point, edge } = hitTest(event);
    canvas.style.cursor = edge ? "pointer" : "";
    highlight(store, point, edge ?? store.state.pickedEdge);
  });
  canvas.addEventListener("pointerdown", (event) => {
    const { edge } = hitTest(event);
    store.set({ pickedEdge: edge, edge });
  });
  canvas.addEventListener("pointerleave", () => highlight(store, null, store.state.pickedEdge));
}

/**
 * @param {Store} store
 * @param {HTMLCanvasElement} canvas
 * @param {(patch: Partial<protocol.Edits>) => void} set
 * @param {() => [number, number][]} points
 * @param {(text: string) => void} announce
 */
function handleKeypoints(store, canvas, set, points, announce) {
  /** The dragged keypoint, and its offset from the pointer. @type {{ k: number, off: [number, number] } | null} */
  let dragged = null;
  const move = (/** @type {number} */ k, /** @type {[number, number]} */ to) =>
    set({ keypoints: points().map((point, i) => (i === k ? [clamp(to[0]), clamp(to[1])] : point)) });

  canvas.addEventListener("pointermove", (event) => {
    const place = positionOf(canvas, event);
    if (dragged) return move(dragged.k, [place[0] + dragged.off[0], place[1] + dragged.off[1]]);
    const { stages, minStrength, pickedEdge } = store.state;
    const point = pointAt(points(), place, REACH.mouse);
    const edge = point === null && stages ? edgeAt(points(), stages.edge_strengths, place, REACH.edge, minStrength) : null;
    canvas.style.cursor = point === null ? (edge ? "pointer" : "default") : "grab";
    highlight(store, point, edge ?? pickedEdge);
  });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const place = positionOf(canvas, event);
    const { stages, minStrength } = store.state;
    const k = pointAt(points(), place, event.pointerType === "mouse" ? REACH.mouse : REACH.touch);
    if (k !== null) {
      const [x, y] = points()[k];
      dragged = { k, off: [x - place[0], y - place[1]] };
      canvas.setPointerCapture(event.pointerId);
      canvas.style.cursor = "grabbing";
      store.set({ point: k });
    } else if (stages) {
      const edge = edgeAt(points(), stages.edge_strengths, place, REACH.edge, minStrength);
      store.set({ pickedEdge: edge, edge });
    }
  });
  const release = () => {
    dragged = null;
    canvas.style.cursor = "";
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => dragged || highlight(store, null, store.state.pickedEdge));
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && store.set({ point: store.state.point ?? 0 }));
  canvas.addEventListener("blur", () => store.set({ point: null }));
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const count = points().length;
    const { point } = store.state;
    const direction = { n: 1, p: -1 }[event.key.toLowerCase()];
    const arrow = ARROWS[event.key];
    if (count === 0 || (!direction && !arrow)) return;
    event.preventDefault();
    event.stopPropagation();
    if (direction) {
      const next = ((point ?? (direction > 0 ? -1 : 0)) + direction + count) % count;
      store.set({ point: next });
      announce(`Keypoint ${next + 1} of ${count}`);
    } else if (arrow) {
      const k = point ?? 0;
      const by = event.shiftKey ? NUDGE.far : NUDGE.near;
      const [x, y] = points()[k];
      move(k, [x + by * arrow[0], y + by * arrow[1]]);
      store.set({ point: k });
    }
  });
}

/**
 * @param {Store} store
 * @param {HTMLCanvasElement} canvas
 * @param {(patch: Partial<protocol.Edits>) => void} set
 * @param {(text: string) => void} announce
 */
function handleMask(store, canvas, set, announce) {
  const cells = () => {
    const { edits, stages } = store.state;
    return edits.mask.kind === "painted" ? [...edits.mask.cells] : Array.from(stages?.mask ?? []);
  };
  /** Value that the brush paints and its last cell, while it is down. @type {{ kept: number, column: number, row: number } | null} */
  let brush = null;
  let cursor = 0;
  const cellOf = (/** @type {PointerEvent} */ event, /** @type {number} */ side) => {
    const at = positionOf(canvas, event).map((value) => Math.min(side - 1, Math.max(0, Math.floor(value * side))));
    return { column: at[0], row: at[1] };
  };
  const paint = (/** @type {PointerEvent} */ event) => {
    const all = cells();
    const side = Math.round(Math.sqrt(all.length));
    if (side === 0) return;
    const { column, row } = cellOf(event, side);
    // The brush paints the opposite of the first cell.
    brush ??= { kept: 1 - all[row * side + column], column, row };
    const steps = Math.max(Math.abs(column - brush.column), Math.abs(row - brush.row), 1);
    for (let i = 0; i <= steps; i++) {
      const [c, r] = [brush.column + ((column - brush.column) * i) / steps, brush.row + ((row - brush.row) * i) / steps].map(Math.round);
      all[r * side + c] = brush.kept;
    }
    Object.assign(brush, { column, row });
    set({ mask: { kind: "painted", cells: all } });
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    paint(event);
  });
  canvas.addEventListener("pointermove", (event) => brush && paint(event));
  canvas.addEventListener("pointerup", () => (brush = null));
  canvas.addEventListener("pointercancel", () => (brush = null));
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (!arrow && event.key !== " ")) return;
    event.preventDefault();
    event.stopPropagation();
    const all = cells();
    const side = Math.round(Math.sqrt(all.length));
    if (side === 0) return;
    cursor = Math.min(cursor, all.length - 1);
    if (arrow) {
      const column = Math.min(side - 1, Math.max(0, (cursor % side) + arrow[0]));
      const row = Math.min(side - 1, Math.max(0, Math.floor(cursor / side) + arrow[1]));
      cursor = row * side + column;
    } else {
      all[cursor] = 1 - all[cursor];
      set({ mask: { kind: "painted", cells: all } });
    }
    announce(`Row ${Math.floor(cursor / side) + 1}, column ${(cursor % side) + 1}: ${all[cursor] ? "shown" : "hidden"}`);
  });
}
