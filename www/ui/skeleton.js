// @ts-check
/**
 * Draws keypoints and edges; every view uses this.
 *
 * @module
 */

/** Default for the smallest relative strength of drawn edges. */
export const MIN_STRENGTH = 0.04;

/** Largest number of drawn edges; the strongest are kept. */
const MOST = 250;

/**
 * @typedef {object} Skeleton
 * @property {[number, number][]} points `[K]`, as fractions of the square.
 * @property {number[][]} strengths `[K][K]`
 * @property {string[]} palette
 */

/**
 * The highlighted edge and keypoints, and the smallest strength of drawn edges.
 * @typedef {object} Highlight
 * @property {number} [minStrength]
 * @property {[number, number] | null} [edge]
 * @property {number | null} [point]
 * @property {number[]} [ringed] Keypoints that training health speaks of.
 */

/** Returns an edge as a pair in ascending order.
 * @param {number} i
 * @param {number} j
 * @returns {[number, number]}
 */
export const edgeOf = (i, j) => (i < j ? [i, j] : [j, i]);

/** Cache of sorted edges. @type {WeakMap<number[][], { i: number, j: number, strength: number }[]>} */
const known = new WeakMap();

/** Edges by ascending strength, so that the strongest are drawn on top. One skeleton is drawn over many images, so the result is cached.
 * @param {number[][]} strengths
 */
function sorted(strengths) {
  let edges = known.get(strengths);
  if (!edges) {
    edges = strengths
      .flatMap((row, i) => row.slice(0, i).map((strength, j) => ({ i, j, strength: Math.min(1, strength) })))
      .filter(({ strength }) => strength > 0)
      .sort((a, b) => a.strength - b.strength)
      .slice(-MOST);
    known.set(strengths, edges);
  }
  return edges;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Skeleton} skeleton
 * @param {{ left: number, top: number, side: number }} square
 * @param {Highlight} [highlight]
 */
export function drawSkeleton(
  context,
  { points, strengths, palette },
  { left, top, side },
  { minStrength = MIN_STRENGTH, edge = null, point = null, ringed = [] } = {},
) {
  const at = points.map(([x, y]) => [left + x * side, top + y * side]);
  context.lineCap = "round";
  const line = (
    /** @type {number} */ i,
    /** @type {number} */ j,
    /** @type {number} */ width,
    /** @type {string | CanvasGradient} */ style,
  ) => {
    context.beginPath();
    context.moveTo(at[i][0], at[i][1]);
    context.lineTo(at[j][0], at[j][1]);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  };
  for (const { i, j, strength } of sorted(strengths)) {
    if (strength < Math.max(minStrength, 0.001) || !at[i] || !at[j]) continue;
    const width = side * (0.01 + 0.022 * strength);
    line(i, j, width + side * 0.02, `rgb(0 0 0 / ${0.5 * strength})`);
    line(i, j, width, `rgb(255 255 255 / ${strength ** 0.6})`);
  }
  if (edge && at[edge[0]] && at[edge[1]]) drawEdge(context, { points, strengths, palette }, { left, top, side }, edge);
  const radius = side * (points.length > 24 ? 0.026 : 0.038);
  at.forEach(([x, y], k) => {
    const isPicked = k === point || edge?.includes(k);
    context.beginPath();
    context.arc(x, y, radius * (isPicked ? 1.35 : 1), 0, 2 * Math.PI);
    context.fillStyle = palette[k] ?? "#ffffff";
    context.fill();
    context.lineWidth = side * 0.014;
    context.strokeStyle = "rgb(0 0 0 / 0.75)";
    context.stroke();
    if (ringed.includes(k)) ring(context, x, y, 2.4 * radius, side);
    if (!isPicked) return;
    context.beginPath();
    context.arc(x, y, radius * 1.35 + side * 0.014, 0, 2 * Math.PI);
    context.strokeStyle = "#ffffff";
    context.stroke();
  });
}

/** Draws a ring around a keypoint that can be seen on any image.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {number} side Side of the image.
 */
function ring(context, x, y, radius, side) {
  for (const [width, style] of /** @type {[number, string][]} */ ([
    [0.05, "#000000"],
    [0.025, "#ffffff"],
  ])) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.lineWidth = side * width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/** Draws a highlighted edge in the colours of its ends.
 * @param {CanvasRenderingContext2D} context
 * @param {Skeleton} skeleton
 * @param {{ left: number, top: number, side: number }} square
 * @param {[number, number]} edge
 */
export function drawEdge(context, { points, palette }, { left, top, side }, [i, j]) {
  if (!points[i] || !points[j]) return;
  const [from, to] = [points[i], points[j]].map(([x, y]) => [left + x * side, top + y * side]);
  const blend = context.createLinearGradient(from[0], from[1], to[0], to[1]);
  blend.addColorStop(0, palette[i] ?? "#ffffff");
  blend.addColorStop(1, palette[j] ?? "#ffffff");
  for (const [width, style] of /** @type {[number, string | CanvasGradient][]} */ ([
    [0.075, "rgb(0 0 0 / 0.8)"],
    [0.055, "#ffffff"],
    [0.035, blend],
  ])) {
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.lineCap = "round";
    context.lineWidth = side * width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/** Returns the keypoint under the pointer, or null.
 * @param {[number, number][]} points
 * @param {[number, number]} pointer As fractions of the square.
 * @param {number} reach As a fraction of the square.
 */
export function pointAt(points, [x, y], reach) {
  let nearest = null;
  let least = reach;
  points.forEach(([px, py], k) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance <= least) [nearest, least] = [k, distance];
  });
  return nearest;
}

/** Returns the drawn edge under the pointer, or null.
 * @param {[number, number][]} points
 * @param {number[][]} strengths
 * @param {[number, number]} pointer
 * @param {number} reach
 * @param {number} minStrength
 * @returns {[number, number] | null}
 */
export function edgeAt(points, strengths, [x, y], reach, minStrength) {
  /** @type {[number, number] | null} */
  let nearest = null;
  let least = reach;
  points.forEach(([ax, ay], i) =>
    points.slice(0, i).forEach(([bx, by], j) => {
      if ((strengths[i]?.[j] ?? 0) < Math.max(minStrength, 0.001)) return;
      const [dx, dy] = [bx - ax, by - ay];
      const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
      const distance = Math.hypot(ax + t * dx - x, ay + t * dy - y);
      if (distance <= least) [nearest, least] = [edgeOf(i, j), distance];
    }),
  );
  return nearest;
}
