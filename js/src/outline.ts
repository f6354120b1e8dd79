/** The line where a slice passes a level, by marching squares with linear interpolation. */
import type { Slice } from './geometry';

/** One piece of the line: [u0, v0, u1, v1] in the slice's grid. */
export type Segment = [number, number, number, number];

/** Pairs of edges (0 bottom, 1 right, 2 top, 3 left) that the line joins, by which corners are above. */
const EDGES: ReadonlyArray<ReadonlyArray<readonly [number, number]>> = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

export function outline(slice: Slice, level: number): Segment[] {
  const { data, width, height } = slice;
  const segments: Segment[] = [];
  for (let v = 0; v + 1 < height; v++) {
    for (let u = 0; u + 1 < width; u++) {
      const a = data[v * width + u];
      const b = data[v * width + u + 1];
      const c = data[(v + 1) * width + u + 1];
      const d = data[(v + 1) * width + u];
      const which = +(a > level) | (+(b > level) << 1) | (+(c > level) << 2) | (+(d > level) << 3);
      if (which === 0 || which === 15) continue;
      const crossing = (low: number, high: number) => (level - low) / (high - low);
      const point = (edge: number): [number, number] => {
        if (edge === 0) return [u + crossing(a, b), v];
        if (edge === 1) return [u + 1, v + crossing(b, c)];
        if (edge === 2) return [u + crossing(d, c), v + 1];
        return [u, v + crossing(a, d)];
      };
      for (const [from, to] of EDGES[which]) segments.push([...point(from), ...point(to)]);
    }
  }
  return segments;
}
