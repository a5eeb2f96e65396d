/**
 * The edge map at one pixel.
 *
 * @module
 */

import type { Stages } from "../engine/protocol.js";

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
