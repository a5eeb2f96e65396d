/**
 * The formulas of open stages, on the numbers that the page has.
 *
 * @module
 */

import type { Config, Stages } from "../engine/protocol.js";

/** Least contrast, as in `src/render/contrast.rs`. */
export const MIN_CONTRAST = 0.1;

/** Number of parameters of the two networks, as the engine builds them: 3x3 convolutions with a bias, and two numbers per channel and norm. */
export function parameterCounts(config: Config) {
  const conv = (inputs: number, outputs: number) => (9 * inputs + 1) * outputs;
  const norm = (channels: number) => 2 * channels;
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
  const residual = ([i, o]: number[]) => 2 * conv(i, o) + conv(o, o) + 3 * norm(o);
  const up = ([i, o]: number[]) => conv(i, o) + norm(o);
  const block = ([i, o]: number[]) => conv(i, o) + conv(o, o) + 2 * norm(o);
  const w = config.width;
  const detector = [
    ...[
      [3, w],
      [w, 2 * w],
      [2 * w, 4 * w],
      [4 * w, 8 * w],
    ].map(residual),
    ...[
      [8 * w, 4 * w],
      [4 * w, 2 * w],
    ].map(up),
    conv(2 * w, config.keypoints),
  ];
  const v = Math.max(1, Math.round(w * config.decoder_share));
  const blocks = [
    [v, 2 * v],
    [2 * v, 4 * v],
    [4 * v, 8 * v],
    [8 * v, 8 * v],
    [8 * v, 8 * v],
    [16 * v, 4 * v],
    [8 * v, 2 * v],
    [4 * v, v],
  ];
  return { detector: sum(detector), decoder: sum([1, conv(4, v), ...blocks.map(block), conv(2 * v, 3)]) };
}

/** An edge at one pixel of the edge map. */
export interface EdgeAtPixel {
  from: number;
  to: number;
  weight: number;
  /** Distance of the pixel from the edge; an image's side is 2. */
  distance: number;
  /** `weight exp(-distance^2 / thickness)` */
  value: number;
}

/** Returns every edge at a pixel of the edge map, the brightest first. The edge map shows the first one alone. */
export function edgesAt({ keypoints, edge_weights, size }: Stages, thickness: number, [column, row]: [number, number]): EdgeAtPixel[] {
  const inside = (fraction: number) => ((fraction * size - 0.5) / (size - 1)) * 2 - 1;
  const points = keypoints.map(([x, y]) => [inside(x), inside(y)]);
  const [x, y] = [column, row].map((at) => (2 * at) / (size - 1) - 1);
  const edges = points.flatMap(([ax, ay], from) =>
    points.slice(from + 1).map(([bx, by], rest): EdgeAtPixel => {
      const to = from + 1 + rest;
      const [dx, dy] = [bx - ax, by - ay];
      const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
      const distance = Math.hypot(x - ax - t * dx, y - ay - t * dy);
      const weight = edge_weights[from][to];
      return { from, to, weight, distance, value: weight * Math.exp(-(distance ** 2) / thickness) };
    }),
  );
  return edges.sort((a, b) => b.value - a.value);
}

/** The edge weights, the strongest first, and the numbers by which an edge stands out. */
export function edgeRule(weights: number[][], multiplier: number) {
  const edges = weights
    .flatMap((row, from) => row.slice(from + 1).map((weight, rest) => ({ from, to: from + 1 + rest, weight })))
    .sort((a, b) => b.weight - a.weight);
  const median = edges[edges.length - 1 - Math.floor(edges.length / 2)]?.weight ?? 0;
  const contrast = Math.max((edges[0]?.weight ?? 0) - median, MIN_CONTRAST);
  return {
    median,
    contrast,
    // The inverse of weight = softplus(multiplier raw) = ln(1 + exp(multiplier raw)).
    edges: edges.map((edge) => ({
      ...edge,
      raw: Math.log(Math.expm1(edge.weight)) / multiplier,
      strength: Math.max(0, (edge.weight - median) / contrast),
    })),
  };
}
