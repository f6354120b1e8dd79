/** The line where a slice passes a level, by marching squares with linear interpolation. */

/** Pairs of edges (0 bottom, 1 right, 2 top, 3 left) that the line joins, by which corners are above. */
const EDGES: ReadonlyArray<ReadonlyArray<readonly [number, number]>> = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];

export interface Plate {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Pieces of the line, four numbers each: u0, v0, u1, v1 in the plate's own voxels. */
export function outline(plate: Plate, level: number): number[] {
  const { data, width, height } = plate;
  const pieces: number[] = [];
  for (let v = 0; v + 1 < height; v++) {
    let [a, d] = [data[v * width], data[(v + 1) * width]];
    for (let u = 0; u + 1 < width; u++) {
      const b = data[v * width + u + 1];
      const c = data[(v + 1) * width + u + 1];
      const which = +(a > level) | (+(b > level) << 1) | (+(c > level) << 2) | (+(d > level) << 3);
      if (which !== 0 && which !== 15) {
        for (const [from, to] of EDGES[which]) {
          for (const edge of [from, to]) {
            if (edge === 0) pieces.push(u + (level - a) / (b - a), v);
            else if (edge === 1) pieces.push(u + 1, v + (level - b) / (c - b));
            else if (edge === 2) pieces.push(u + (level - d) / (c - d), v + 1);
            else pieces.push(u, v + (level - a) / (d - a));
          }
        }
      }
      [a, d] = [b, c];
    }
  }
  return pieces;
}
